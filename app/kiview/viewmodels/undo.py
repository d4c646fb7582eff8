"""One undo for the window: whatever was changed last is taken back first."""

from typing import Protocol

from PySide6.QtCore import QObject, SignalInstance


class Undoable(Protocol):
    """Something with a history of its own.

    Attributes:
        step_made: A signal; its history has one more step.
    """

    step_made: SignalInstance

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""

    @property
    def can_redo(self) -> bool:
        """Whether a change was taken back."""

    def undo(self) -> None:
        """Take back the last change."""

    def redo(self) -> None:
        """Make the change again that was taken back last."""

    def forget_undone(self) -> None:
        """What was taken back cannot be made again: something else was changed since."""


class UndoViewModel(QObject):
    """Remembers in which order histories grew; each keeps its own states."""

    def __init__(self, *parts: QObject) -> None:
        """Watch some `Undoable` view models."""
        super().__init__()
        self._parts: tuple[Undoable, ...] = parts  # type: ignore[assignment]  # Qt signals
        self._done: list[Undoable] = []
        self._undone: list[Undoable] = []
        for part in self._parts:
            part.step_made.connect(self._on_step_made)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return any(part.can_undo for part in self._parts)

    @property
    def can_redo(self) -> bool:
        """Whether a change was taken back."""
        return any(part.can_redo for part in self._parts)

    def undo(self) -> None:
        """Take back the last change of all."""
        part = self._next(self._done, [p for p in self._parts if p.can_undo])
        if part is not None:
            self._undone.append(part)
            part.undo()

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        part = self._next(self._undone, [p for p in self._parts if p.can_redo])
        if part is not None:
            self._done.append(part)
            part.redo()

    def _on_step_made(self) -> None:
        part: Undoable = self.sender()  # type: ignore[assignment]  # one of the parts
        self._done.append(part)
        self._undone.clear()
        for other in self._parts:
            if other is not part:
                other.forget_undone()

    @staticmethod
    def _next(order: list[Undoable], able: list[Undoable]) -> Undoable | None:
        """The latest that still can: a history may have been cleared since."""
        while order:
            part = order.pop()
            if part in able:
                return part
        return able[0] if able else None
