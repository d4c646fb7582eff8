"""Find and wait for the children of a window."""

from typing import TypeVar

from PySide6.QtCore import QObject

Child = TypeVar("Child", bound=QObject)


def child(parent: QObject, kind: type[Child], name: str) -> Child:
    """The one child of a kind with an object name.

    Raises:
        AssertionError: there is none; the message lists the names that exist.
    """
    found = parent.findChildren(kind, name)
    if len(found) == 1:
        return found[0]
    names = sorted({item.objectName() for item in parent.findChildren(kind)} - {""})
    raise AssertionError(f"{len(found)} {kind.__name__} named {name!r}; there are: {names}")


def visible_text(parent: QObject) -> str:
    """All texts that a window shows, one a line: for tests of sentences."""
    lines = []
    for item in parent.findChildren(QObject):
        shown = getattr(item, "isVisible", lambda: False)()
        text = getattr(item, "text", None)
        if shown and callable(text):
            lines.append(str(text()))
    return "\n".join(line for line in lines if line)
