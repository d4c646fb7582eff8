"""Earlier and later states of one thing, for undo and redo."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

UNDO_STEPS = 200
MERGE_S = 1.0
"""Changes of the same control that follow each other this soon are one step: a dragged slider."""

State = TypeVar("State")


class History(Generic[State]):
    """Remembers states; whoever owns the thing keeps the present one."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Start empty; `clock_s` tells the time in s."""
        self._clock_s = clock_s
        self._undo: list[State] = []
        self._redo: list[State] = []
        self._last = ("", 0.0)

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier state."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether a change was taken back."""
        return bool(self._redo)

    def record(self, before: State, what: str) -> bool:
        """Keep the state before a change.

        Args:
            before: The state that was.
            what: Name of the control that changes it.

        Returns:
            Whether this is a step of its own, not a part of the one before.
        """
        now_s = self._clock_s()
        last, last_s = self._last
        self._last = (what, now_s)
        if self._undo and not self._redo and what == last and now_s - last_s < MERGE_S:
            return False
        self._undo.append(before)
        del self._undo[:-UNDO_STEPS]
        self._redo.clear()
        return True

    def undo(self, present: State) -> State:
        """The state before the last step; the present one if there is none."""
        return self._move(self._undo, self._redo, present)

    def redo(self, present: State) -> State:
        """The state that was taken back last; the present one if there is none."""
        return self._move(self._redo, self._undo, present)

    def forget_undone(self) -> None:
        """What was taken back cannot be made again."""
        self._redo.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._undo.clear()
        self._redo.clear()

    def _move(self, source: list[State], target: list[State], present: State) -> State:
        self._last = ("", 0.0)
        if not source:
            return present
        target.append(present)
        return source.pop()
