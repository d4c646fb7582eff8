"""Which frame is shown: slider, cine, early and late mean."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSlider, QToolButton, QWidget

from kiview.viewmodels.frames import FramesViewModel

MERGE = "Merge\N{HORIZONTAL ELLIPSIS}"
_MERGE_HELP = "Merge short frames into longer ones"
PLAY, PAUSE = "\N{BLACK RIGHT-POINTING TRIANGLE}", "\N{DOUBLE VERTICAL BAR}"


class FrameBar(QWidget):
    """Slider over the frames with cine and the two means.

    Attributes:
        slider: Frame number from 0.
        label: Frame and time in words.

    Signals:
        merge_asked: The user wants to merge frames, or to have them as acquired again.
    """

    merge_asked = Signal()

    def __init__(self, frames: FramesViewModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._frames = frames
        self.setObjectName("frame-bar")
        self._cine = _button("frame-cine", PLAY, "Run through the frames (Space)")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("frame-slider")
        self.slider.setToolTip("Frame (left and right arrow keys)")
        self.slider.setPageStep(1)
        self.label = QLabel()
        self.label.setObjectName("frame-label")
        self.label.setMinimumWidth(self.fontMetrics().horizontalAdvance("early mean · 0-120 s  "))
        self.label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self._arrived = QLabel()
        self._arrived.setObjectName("frames-arrived")
        self._arrived.setProperty("role", "soft")
        self._early = _button(
            "frame-early", "Early", "Mean of the first minute: blood in the vessels"
        )
        self._late = _button(
            "frame-late", "Late", "Mean of the last twenty minutes: uptake with little noise"
        )
        self._early.setCheckable(True)
        self._late.setCheckable(True)
        self._merge = _button("frame-merge", MERGE, _MERGE_HELP)
        self._merge.setCheckable(True)
        self._lay_out()
        self._connect()
        self._on_frame_changed()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(8)
        row.addWidget(self._cine)
        row.addWidget(self.slider, 1)
        row.addWidget(self.label)
        row.addWidget(self._arrived)
        row.addWidget(self._early)
        row.addWidget(self._late)
        row.addWidget(self._merge)

    def _connect(self) -> None:
        self.slider.valueChanged.connect(self._on_slider_moved)
        self._cine.clicked.connect(self._frames.toggle_cine)
        self._early.clicked.connect(self._on_early_clicked)
        self._late.clicked.connect(self._on_late_clicked)
        self._merge.clicked.connect(self._on_merge_clicked)
        self._frames.frame_changed.connect(self._on_frame_changed)
        self._frames.cine_changed.connect(self._on_cine_changed)
        self._frames.arrived_changed.connect(self._on_arrived_changed)

    def _on_slider_moved(self, value: int) -> None:
        self._frames.show_frame(value)

    def _on_early_clicked(self, checked: bool) -> None:
        if checked:
            self._frames.show_early()
        else:
            self._frames.show_frame(self._frames.frame)

    def _on_late_clicked(self, checked: bool) -> None:
        if checked:
            self._frames.show_late()
        else:
            self._frames.show_frame(self._frames.frame)

    def _on_merge_clicked(self) -> None:
        self._show_steps()  # the click alone changes nothing
        self.merge_asked.emit()

    def _on_frame_changed(self) -> None:
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, self._frames.frame_count - 1))
        self.slider.setValue(self._frames.frame)
        self.slider.blockSignals(False)
        self.label.setText(self._frames.text)
        self._early.setChecked(self._frames.shown.name == "early")
        self._late.setChecked(self._frames.shown.name == "late")
        for part in (self._cine, self.slider, self._early, self._late):
            part.setEnabled(self._frames.frame_count > 1)
        self._on_arrived_changed()
        self._show_steps()

    def _on_arrived_changed(self) -> None:
        self._arrived.setText(self._frames.arrived_text)
        self._arrived.setVisible(bool(self._frames.arrived_text))

    def _show_steps(self) -> None:
        """The button says what was done to the frames."""
        steps = self._frames.steps
        self._merge.setText(", ".join(step.label for step in steps) or MERGE)
        self._merge.setToolTip("\n".join(step.text for step in steps) or _MERGE_HELP)
        self._merge.setChecked(bool(steps))
        self._merge.setEnabled(self._frames.frame_count > 1 or bool(steps))

    def _on_cine_changed(self) -> None:
        self._cine.setText(PAUSE if self._frames.is_playing else PLAY)


def _button(name: str, text: str, help_text: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName(name)
    button.setText(text)
    button.setToolTip(help_text)
    button.setAccessibleName(help_text)
    return button
