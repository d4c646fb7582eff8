"""A part of a panel that is folded until somebody wants it."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from kiview.views.parts import button

_OPEN = "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
_FOLDED = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"


class Disclosure(QWidget):
    """A headline that folds and unfolds what is below it; reached and turned by the keyboard.

    Signals:
        unfolded(bool): It is open now, or closed.
    """

    unfolded = Signal(bool)

    def __init__(self, text: str, name: str, tip: str, content: QWidget) -> None:
        super().__init__()
        self._content, self._text = content, text
        self._head = button(text, name, tip, "disclosure")
        self._head.setCheckable(True)
        self._head.toggled.connect(self._on_toggled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self._head)
        layout.addWidget(content)
        self._on_toggled(False)

    def _on_toggled(self, is_open: bool) -> None:
        self._head.setText(f"{_OPEN if is_open else _FOLDED} {self._text}")
        self._content.setVisible(is_open)
        self.unfolded.emit(is_open)
