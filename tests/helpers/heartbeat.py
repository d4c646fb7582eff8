"""Records the longest gap of the event loop: how long the window did not answer."""

import time
from types import TracebackType

from PySide6.QtCore import QObject, Qt, QTimer

INTERVAL_MS = 5


class Heartbeat(QObject):
    """A timer that should beat every few milliseconds, and how late it was at worst.

    Use as a context manager around what the window does.

    Attributes:
        longest_s: Longest time between two beats.
        worst_at_s: When it ended, from the start.
        note: What the test was doing; copied with the longest gap.
        worst_note: What it was doing then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.longest_s = 0.0
        self.worst_at_s = 0.0
        self.note = ""
        self.worst_note = ""
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._on_beat)
        self._started_s = self._last_s = 0.0

    def __enter__(self) -> "Heartbeat":
        self._started_s = self._last_s = time.perf_counter()
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.stop()

    def _on_beat(self) -> None:
        now_s = time.perf_counter()
        gap_s, self._last_s = now_s - self._last_s, now_s
        if gap_s > self.longest_s:
            self.longest_s, self.worst_at_s = gap_s, now_s - self._started_s
            self.worst_note = self.note
