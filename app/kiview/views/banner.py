"""One calm sentence over the top of the views, with details on demand."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from kiview.viewmodels.messages import MessagesViewModel
from kiview.views.parts import button, text_label

_MARGIN = 6


class Banner(QFrame):
    """Shows the current message; hidden while there is none.

    It lies over the upper edge of its parent, so that nothing moves when it comes and goes.
    """

    def __init__(self, messages: MessagesViewModel, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self._messages = messages
        self._text = text_label("", "", "bannerText")
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._details: QLabel = text_label("", "soft", "bannerDetails")
        self._details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._more = button("Details", "bannerMore", "Show technical details.", "link")
        self._more.setCheckable(True)
        self._close = button("Close", "bannerClose", "Hide this message.", "link")
        line = QHBoxLayout()
        line.addWidget(self._text, 1)
        line.addWidget(self._more, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(12, 7, 8, 7)
        self._rows.addLayout(line)
        self._rows.addWidget(self._details)
        self._parent = parent
        parent.installEventFilter(self)
        self._more.toggled.connect(self._on_more)
        self._close.clicked.connect(messages.dismiss)
        messages.changed.connect(self._refresh)
        self._refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay as wide as the parent."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def event(self, event: QEvent) -> bool:
        """Fit the height when a text changed."""
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._place()
        return done

    def _on_more(self, shown: bool) -> None:
        self._details.setVisible(shown)
        self._place()

    def _place(self) -> None:
        width = self._parent.width() - 2 * _MARGIN
        self._rows.activate()
        border = 2 * self.contentsRect().left()  # of the style sheet; the layout leaves it out
        height = self._rows.heightForWidth(width - border) + border
        self.setGeometry(_MARGIN, _MARGIN, width, height)
        self.raise_()

    def _refresh(self) -> None:
        message = self._messages.current
        if message is None:
            self.hide()
            return
        self.setProperty("level", str(message.level))
        self.style().unpolish(self)
        self.style().polish(self)
        self._text.setText(message.text)
        self._details.setText(message.details)
        self._more.setChecked(False)
        self._more.setVisible(bool(message.details))
        self._details.setVisible(False)
        self.show()
        self._place()
