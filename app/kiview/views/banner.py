"""One calm sentence above the views, with details on demand."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout

from kiview.viewmodels.messages import MessagesViewModel
from kiview.views.parts import button, text_label


class Banner(QFrame):
    """Shows the current message; hidden while there is none.

    It takes room of its own: lying over the views it would hide what their headers warn of.
    """

    def __init__(self, messages: MessagesViewModel) -> None:
        super().__init__()
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
        rows = QVBoxLayout(self)
        rows.setContentsMargins(12, 7, 8, 7)
        rows.addLayout(line)
        rows.addWidget(self._details)
        self._more.toggled.connect(self._details.setVisible)
        self._close.clicked.connect(messages.dismiss)
        messages.changed.connect(self._refresh)
        self._refresh()

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
