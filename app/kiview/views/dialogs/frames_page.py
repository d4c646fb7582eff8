"""The frame table with what can be done to all frames at once."""

from PySide6.QtWidgets import QFrame, QLineEdit, QVBoxLayout, QWidget

from kiview.core.errors import InvalidInputError
from kiview.viewmodels.frame_table import FrameTableViewModel
from kiview.views.dialogs.times_table import TimesTable
from kiview.views.parts import button, keep_room, line_label, named, row, set_role, text_label

_ABOUT = (
    "Seconds from the injection; 1:30 is taken as 90. Double click or type to change a time; paste"
    " a column from a spreadsheet with Ctrl+V. Nothing counts before Apply."
)
_ENTERED = "These times were entered by you."
_SURE = (
    "Patlak and the network will then use the mean time of all slices for every slice, which"
    " changes Ki where beds were measured minutes apart. Replace the slices' own times?"
)
_SHIFT_WIDTH = 70


class FramesPage(QWidget):
    """Shows the draft, and the first thing that is wrong with it."""

    def __init__(self, model: FrameTableViewModel) -> None:
        super().__init__()
        self.setObjectName("framesPage")
        self._model = model
        self._table = TimesTable(model)
        self._table.refused.connect(self._on_refused)
        self._entered = text_label(_ENTERED, "warning", "framesEntered")
        self._shift_by = QLineEdit()
        named(self._shift_by, "shiftBy", "Seconds to move all starts by, negative for earlier.")
        self._shift_by.setFixedWidth(_SHIFT_WIDTH)
        self._shift_by.returnPressed.connect(self._on_shift)
        self._shift = button("Shift", "shiftFrames", "Move the start of every frame.")
        self._shift.clicked.connect(self._on_shift)
        tip = "Let every frame but the last end where the next begins."
        self._chain = button("Durations from starts", "chainFrames", tip)
        self._chain.clicked.connect(self._on_chain)
        tip = "Fill the table from the chosen cell down with what was copied in a spreadsheet."
        self._paste = button("Paste", "pasteFrames", tip)
        self._paste.clicked.connect(self._table.paste)
        tip = "Replace times per slice by one start and duration per frame, to edit them."
        self._one = button("Use one time per frame\N{HORIZONTAL ELLIPSIS}", "oneTime", tip)
        self._one.clicked.connect(self._on_one_asked)
        self._sure = self._question()
        self._problem = text_label("", "problem", "framesProblem")
        keep_room(self._problem)
        self._tip = "Read the study again with these times."
        self._reset = button("Reset all", "framesReset", "Take the times of the files.")
        self._reset.clicked.connect(model.reset)
        self._apply = button("Apply", "framesApply", self._tip, "primary")
        self._apply.clicked.connect(self._on_apply)
        self._lay_out()
        model.changed.connect(self._refresh)
        self._refresh()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 10)
        layout.setSpacing(8)
        layout.addWidget(text_label(_ABOUT, "soft"))
        layout.addWidget(self._entered)
        layout.addWidget(self._table, 1)
        shift = (line_label("Shift all by", ""), self._shift_by, line_label("s", "soft"))
        layout.addLayout(row(*shift, self._shift, None, self._one, self._chain, self._paste))
        layout.addWidget(self._sure)
        layout.addWidget(self._problem)
        layout.addLayout(row(self._reset, None, self._apply))

    def _question(self) -> QFrame:
        box = QFrame()
        box.setObjectName("banner")
        box.setProperty("level", "warning")
        keep = button("Keep them", "oneTimeNo", "Leave the slices their own times.")
        keep.clicked.connect(box.hide)
        use = button("Replace by the mean", "oneTimeYes", "One start and duration per frame.")
        use.clicked.connect(self._on_one_agreed)
        layout = QVBoxLayout(box)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.addWidget(text_label(_SURE, "", "oneTimeSure"))
        layout.addLayout(row(None, keep, use))
        box.hide()
        return box

    def focus_table(self) -> None:
        """Give the keyboard to the table."""
        self._table.setFocus()

    def _on_refused(self, sentence: str) -> None:
        """Say why something was not taken, until the next change."""
        if sentence:
            self._problem.setText(sentence)
            set_role(self._problem, "problem")
        else:
            self._refresh()

    def _on_shift(self) -> None:
        try:
            self._model.shift(self._shift_by.text())
        except InvalidInputError as error:
            self._on_refused(str(error))
        else:
            self._shift_by.clear()

    def _on_chain(self) -> None:
        try:
            self._model.durations_from_starts()
        except InvalidInputError as error:
            self._on_refused(str(error))

    def _on_one_asked(self) -> None:
        self._sure.show()

    def _on_one_agreed(self) -> None:
        self._sure.hide()
        self._model.use_one_time_per_frame()

    def _on_apply(self) -> None:
        try:
            self._model.apply()
        except InvalidInputError as error:
            self._on_refused(str(error))

    def _refresh(self) -> None:
        model = self._model
        can_edit = bool(model.frame_count) and not model.is_per_slice
        for widget in (self._shift_by, self._shift, self._chain, self._paste):
            widget.setEnabled(can_edit)
        self._one.setVisible(model.is_per_slice)
        if not model.is_per_slice:
            self._sure.hide()
        self._entered.setVisible(model.is_entered)
        self._problem.setText(model.problem or model.note)
        calm = "soft" if model.is_per_slice else "warning"
        set_role(self._problem, "problem" if model.problem else calm)
        why_not = model.why_not
        self._apply.setEnabled(not why_not)
        self._apply.setToolTip(why_not or self._tip)
        self._reset.setEnabled(model.can_reset)
