"""What the middle of the window shows while nothing is open."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from kiview.viewmodels.study import StudyViewModel
from kiview.viewmodels.tasks import TasksViewModel
from kiview.views.binding import TextBinding
from kiview.views.parts import button, line_label, text_label

_TEXT = (
    "KiView shows dynamic PET and computes maps of the net influx rate Ki, by Patlak and by a"
    " neural network. The demo study is a simulated patient: it needs no data of yours."
)


class EmptyState(QWidget):
    """First step for a new user.

    Signals:
        demo_asked: The demo study shall be opened.
        folder_asked: A folder shall be chosen.
        file_asked: A file shall be chosen.
    """

    demo_asked = Signal()
    folder_asked = Signal()
    file_asked = Signal()

    def __init__(self, study: StudyViewModel, tasks: TasksViewModel) -> None:
        super().__init__()
        self._study, self._tasks = study, tasks
        self.setObjectName("emptyState")
        self._demo = button(
            "Open demo study",
            "openDemo",
            "Open the simulated study; it is made on first use, which takes a few minutes.",
            "big",
        )
        folder = button("Open folder\N{HORIZONTAL ELLIPSIS}", "openFolder", "Open a study folder.")
        file = button(
            "Open file\N{HORIZONTAL ELLIPSIS}",
            "openFile",
            "Open a DICOM, NIfTI or ECAT file, a DICOMDIR or a zip archive of a study.",
        )
        self._demo.clicked.connect(self.demo_asked)
        folder.clicked.connect(self.folder_asked)
        file.clicked.connect(self.file_asked)
        card = QFrame()
        card.setObjectName("dropHint")
        card.setMaximumWidth(520)
        inner = QVBoxLayout(card)
        inner.setContentsMargins(40, 34, 40, 34)
        inner.setSpacing(14)
        title = line_label("Open a dynamic PET study", "hero", "emptyTitle")
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inner.addWidget(title)
        about = text_label(_TEXT, "soft")
        about.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inner.addWidget(about)
        inner.addSpacing(6)
        inner.addWidget(self._demo, 0, Qt.AlignmentFlag.AlignCenter)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(folder)
        buttons.addWidget(file)
        buttons.addStretch(1)
        inner.addLayout(buttons)
        hint = text_label(
            "or drop a study folder, file or zip archive anywhere in this window", "soft"
        )
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inner.addWidget(hint)
        busy = text_label("", "", "emptyBusy")
        busy.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inner.addWidget(busy)
        TextBinding(busy, self._busy_text, tasks.changed)
        self._centre(card)
        study.opening_changed.connect(self._on_opening_changed)

    def _centre(self, card: QFrame) -> None:
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        middle = QHBoxLayout()
        middle.addStretch(1)
        middle.addWidget(card, 6)
        middle.addStretch(1)
        outer.addLayout(middle)
        outer.addStretch(3)

    def _busy_text(self) -> str:
        if not self._tasks.text:
            return ""
        return f"{self._tasks.text}\n{self._tasks.step_text}"

    def _on_opening_changed(self) -> None:
        self._demo.setEnabled(not self._study.is_opening)
