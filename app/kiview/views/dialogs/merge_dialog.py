"""Merge frames: presets, length and start, with what would come of it before it is done."""

from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from kiview.core.errors import KiviewError
from kiview.viewmodels.merge import PRESETS_MIN, MergeViewModel, Proposal
from kiview.views.parts import (
    button,
    labelled,
    line_label,
    number_box,
    row,
    set_role,
    text_label,
    tool_button,
)

_WHAT = (
    "Short frames become longer ones: counts are added, decay is corrected anew. Frames before the"
    " start stay, so the input function keeps its early part. The files are not changed."
)
_LENGTHS_MIN, _STARTS_MIN = (0.1, 600.0), (0.0, 600.0)
_DECIMALS = 2
_WIDTH = 430


class MergeDialog(QDialog):
    """Shows what a length and a start would give, and does it when asked."""

    def __init__(self, model: MergeViewModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model
        self.setObjectName("mergeDialog")
        self.setWindowTitle("Merge frames")
        self._length = number_box(
            "mergeLength", "Length of the new frames.", _LENGTHS_MIN, _DECIMALS
        )
        self._start = number_box(
            "mergeStart",
            "Where the first new frame begins, after injection; frames are never split.",
            _STARTS_MIN,
            _DECIMALS,
        )
        self._minutes: dict[QWidget, float] = {}
        self._told = text_label("", "soft", "mergeProposal")
        self._told.setMinimumHeight(4 * self.fontMetrics().lineSpacing())
        self._merge = button("Merge", "mergeNow", "Use the merged frames.", "primary")
        self._acquired = button("As acquired", "mergeUndo", "Use the frames as acquired again.")
        self._close = button("Close", "mergeClose", "Change nothing.")
        self._lay_out()
        self._connect()
        self._length.setValue(model.length_min)
        self._start.setValue(model.start_min)
        self._refresh()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(10)
        layout.addWidget(text_label(_WHAT, "soft"))
        layout.addLayout(labelled("Length", *self._presets(), self._length, line_label("min")))
        layout.addLayout(labelled("From", self._start, line_label("min after injection")))
        layout.addWidget(self._told)
        layout.addStretch(1)
        layout.addLayout(row(self._acquired, None, self._close, self._merge))
        self.setFixedWidth(_WIDTH)

    def _presets(self) -> list[QWidget]:
        for minutes in PRESETS_MIN:
            preset = tool_button(
                f"{minutes:g} min", f"mergePreset{minutes:g}", f"Frames of {minutes:g} min."
            )
            preset.clicked.connect(self._on_preset)
            self._minutes[preset] = minutes
        return list(self._minutes)

    def _on_preset(self) -> None:
        for preset, minutes in self._minutes.items():
            if preset is self.sender():
                self._length.setValue(minutes)

    def _connect(self) -> None:
        self._length.valueChanged.connect(self._refresh)
        self._start.valueChanged.connect(self._refresh)
        self._merge.clicked.connect(self._on_merge)
        self._acquired.clicked.connect(self._on_acquired)
        self._close.clicked.connect(self.reject)
        self._merge.setDefault(True)
        self._model.changed.connect(self._refresh)

    def _refresh(self) -> None:
        self._show(self._model.proposal(self._length.value(), self._start.value()))
        self._acquired.setEnabled(self._model.is_merged)

    def _show(self, proposal: Proposal) -> None:
        self._told.setText(proposal.text)
        set_role(self._told, "soft" if proposal.is_possible else "warning")
        self._merge.setEnabled(proposal.is_possible)

    def _on_merge(self) -> None:
        try:
            self._model.merge(self._length.value(), self._start.value())
        except KiviewError as error:
            self._show(Proposal(str(error), is_possible=False))
        else:
            self.accept()

    def _on_acquired(self) -> None:
        self._model.use_acquired()
        self.accept()
