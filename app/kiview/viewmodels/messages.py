"""What the user is told outside the panels: one calm sentence at a time, with details on demand."""

from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import QObject, Signal

from kiview.tasks import TaskFailure


class MessageLevel(StrEnum):
    """How a message is meant."""

    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for the banner.

    Attributes:
        text: What happened and what can be done.
        level: How it is meant.
        details: Technical text shown on demand, may be empty.
    """

    text: str
    level: MessageLevel = MessageLevel.NOTE
    details: str = ""


class MessagesViewModel(QObject):
    """The sentence in the banner.

    Attributes:
        current: What is shown, or None.

    Signals:
        changed: Another message, or none, is shown.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.current: Message | None = None

    def show(self, text: str, level: MessageLevel = MessageLevel.NOTE, details: str = "") -> None:
        """Show a sentence in place of the one before."""
        self.current = Message(text, level, details)
        self.changed.emit()

    def show_failure(self, failure: TaskFailure) -> None:
        """Show why a task failed."""
        self.show(failure.message, MessageLevel.PROBLEM, failure.details)

    def withdraw(self, message: Message | None) -> None:
        """Show nothing if this is still what is shown: it is not true any more."""
        if message is not None and message is self.current:
            self.dismiss()

    def dismiss(self) -> None:
        """Show nothing."""
        self.current = None
        self.changed.emit()
