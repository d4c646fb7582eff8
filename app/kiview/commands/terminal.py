"""The terminal: results on stdout, progress and findings on stderr, Ctrl-C as a stop request."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from kiview.core.progress import Cancelled, Progress

DONE, FAILED, USAGE, STOPPED = 0, 1, 2, 130
"""Exit codes."""
_REPEAT_S = 0.2
_STEP_PERCENT = 10


class UsageError(Exception):
    """The command line asks for something that cannot be meant; the text says what instead."""


class TerminalProgress(Progress):
    """Progress as one moving line in a terminal, or a line every ten percent in a log file."""

    def __init__(self, stopped: threading.Event | None = None) -> None:
        """Write to stderr.

        Args:
            stopped: Set when the user asked to stop.
        """
        self._stopped = stopped or threading.Event()
        self._moving = sys.stderr.isatty()
        self._last_s = 0.0
        self._last_percent = -_STEP_PERCENT
        self._width = 0

    def step(self, fraction: float | None, message: str) -> None:
        """Show how far the work is, or stop it."""
        if self._stopped.is_set():
            raise Cancelled
        percent, message = 0 if fraction is None else round(100 * fraction), _line(message)
        if self._moving:
            self._move(f"{percent:3d} %  {message}")
        elif percent >= self._last_percent + _STEP_PERCENT:
            self._last_percent = percent
            sys.stderr.write(f"{percent:3d} %  {message}\n")

    def _move(self, line: str) -> None:
        now = time.monotonic()
        if now - self._last_s < _REPEAT_S:
            return
        self._last_s = now
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Remove the moving line; the next work starts at 0 %."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            self._width = 0
        self._last_percent = -_STEP_PERCENT


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a stop request; the second interrupts at once."""
    stopped = threading.Event()

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _line(text: str) -> str:
    """A text as one line: what files hold must not steer the terminal or break its encoding."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def say(text: str = "") -> None:
    """Write a line of the result."""
    sys.stdout.write(_line(text) + "\n")


def say_json(document: object) -> None:
    """Write the one JSON document of `--json`."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def note(text: str) -> None:
    """Write a line that is not part of the result."""
    sys.stderr.write(_line(text) + "\n")


def say_table(rows: Sequence[Sequence[str]]) -> None:
    """Write rows in aligned columns; the first is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say("  ".join(cells).rstrip())


def say_pairs(pairs: Mapping[str, str]) -> None:
    """Write names and values in two columns."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        say(f"{name.ljust(width)}  {value}")
