"""Records the longest gap of the event loop: how long the window did not answer."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, Qt, QTimer

INTERVAL_MS = 5
LONGEST_GAP_S = 0.1
TRIES = 3


class Heartbeat(QObject):
    """A timer that should beat every few milliseconds, and how late it was at worst.

    Use as a context manager around what the window does.

    Attributes:
        longest_s: Longest time between two beats, without the time in which the thread could have
            run but other programs had the processor (known on Linux only).
        longest_wall_s: The same with that time.
        worst_at_s: When it ended, from the start.
        note: What the test is doing.
        worst_note: What it was doing then.
        gaps_s: By note, the longest time between two beats, counted as `longest_s`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.longest_s = 0.0
        self.longest_wall_s = 0.0
        self._delay_s = _waiting_s()
        self.worst_at_s = 0.0
        self.note = ""
        self.worst_note = ""
        self.gaps_s: dict[str, float] = {}
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._on_beat)
        self._started_s = self._last_s = 0.0

    def __enter__(self) -> "Heartbeat":
        self._started_s = self._last_s = time.perf_counter()
        self._delay_s = _waiting_s()
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.stop()

    def told(self) -> str:
        """The longest gaps in words."""
        own, wall = 1000 * self.longest_s, 1000 * self.longest_wall_s
        when = f"{self.worst_at_s:.1f} s after the start, at {self.worst_note or 'work'}"
        return f"{own:.0f} ms ({wall:.0f} ms with other programs), {when}"

    def _on_beat(self) -> None:
        now_s = time.perf_counter()
        gap_s, self._last_s = now_s - self._last_s, now_s
        delay_s = _waiting_s()
        waited_s, self._delay_s = delay_s - self._delay_s, delay_s
        self.longest_wall_s = max(self.longest_wall_s, gap_s)
        gap_s -= waited_s
        self.gaps_s[self.note] = max(self.gaps_s.get(self.note, 0.0), gap_s)
        if gap_s > self.longest_s:
            self.longest_s, self.worst_at_s = gap_s, now_s - self._started_s
            self.worst_note = self.note


def freezes(walk: Callable[[int], Heartbeat], limit_s: float = LONGEST_GAP_S) -> list[str]:
    """What holds the window, told apart from what holds the machine: it does so every time.

    Args:
        walk: Does something with the window, given the number of the try from 0.
        limit_s: Longest time that the window may not answer, in s.

    Returns:
        In words, each step that took longer at every one of up to three tries; none when one try
        stayed below everywhere.
    """
    every: list[dict[str, float]] = []
    for number in range(TRIES):
        every.append(walk(number).gaps_s)
        held = [
            note for note in every[0] if all(gaps_s.get(note, 0.0) >= limit_s for gaps_s in every)
        ]
        if not held:
            return []
    return [
        f"{note}: " + ", ".join(f"{1000 * gaps_s[note]:.0f} ms" for gaps_s in every)
        for note in held
    ]


def _waiting_s() -> float:
    """How long this thread has been ready to run without a processor, in s."""
    file = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    try:
        return int(file.read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:
        return 0.0
