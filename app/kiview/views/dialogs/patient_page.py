"""Patient and dose: the files' values beside entries for the user's own."""

from PySide6.QtCore import QObject, QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from kiview.core.errors import InvalidInputError
from kiview.viewmodels.missing_values import MissingValue
from kiview.viewmodels.patient_form import FormRow, PatientFormViewModel
from kiview.views.parts import (
    button,
    keep_room,
    line_label,
    named,
    row,
    set_flag,
    set_role,
    text_label,
)

_ABOUT = (
    "An empty entry takes what the files say. Your own values are told on every map and in every"
    " export; Ctrl+Z takes them back."
)
_HEADINGS = ("", "In the files", "Your value", "", "", "")
_AS_FILES = "as in the files"
_CHOICES = {
    "BQML": "BQML: Bq/mL",
    "GML": "GML: g/mL (SUV)",
    "CNTS": "CNTS: counts",
    "PROPCPS": "PROPCPS: proportional to counts/s",
    "PROPCNTS": "PROPCNTS: proportional to counts",
    "START": "START: start of the scan",
    "ADMIN": "ADMIN: injection",
    "NONE": "NONE: not corrected",
}
_ENTRY_WIDTH, _FILE_WIDTH = 150, 150
_IN_USE, _WAITS = "in use", "not applied yet"


class _Line(QObject):
    """One value of the form; lives as long as its entry."""

    def __init__(self, model: PatientFormViewModel, value: MissingValue, page: QWidget) -> None:
        super().__init__(page)
        self._model, self._name = model, value.name
        self.label = line_label(value.label, "")
        self.files = text_label("", "soft", f"file_{value.name}")
        self.files.setMinimumWidth(_FILE_WIDTH)
        self.entry = _choice(value) if value.choices else _field(value)
        self.label.setBuddy(self.entry)
        self.unit = line_label(value.unit, "soft")
        self.state = line_label("", "soft", f"state_{value.name}")
        tip = f"Take what the files say for: {value.label.lower()}."
        self.reset: QPushButton = button("Reset", f"reset_{value.name}", tip, "link")
        self.reset.clicked.connect(self._on_reset)
        if isinstance(self.entry, QComboBox):
            self.entry.currentIndexChanged.connect(self._on_edited)
        else:
            self.entry.textEdited.connect(self._on_edited)

    def _on_edited(self) -> None:
        entry = self.entry
        text = entry.currentData() if isinstance(entry, QComboBox) else entry.text()
        self._model.set_text(self._name, str(text))

    def _on_reset(self) -> None:
        self._model.reset(self._name)
        self.entry.setFocus()

    def show_row(self, shown: FormRow, enabled: bool, given: str) -> None:
        """Show what the view model holds; `given` is the text in force."""
        blocker = QSignalBlocker(self.entry)
        if isinstance(self.entry, QComboBox):
            self.entry.setCurrentIndex(max(0, self.entry.findData(shown.text)))
        elif self.entry.text().strip() != shown.text:
            self.entry.setText(shown.text)
        blocker.unblock()
        self.entry.setEnabled(enabled)
        set_flag(self.entry, "wrong", bool(shown.problem))
        self.files.setText(shown.from_files)
        self.files.setToolTip(shown.source)
        self.state.setText(_WAITS if shown.text != given else _IN_USE if shown.is_given else "")
        set_role(self.state, "warning" if shown.is_given and shown.text == given else "soft")
        self.reset.setEnabled(enabled and bool(shown.text))


class PatientPage(QWidget):
    """The form with Apply and Reset all."""

    def __init__(self, model: PatientFormViewModel) -> None:
        super().__init__()
        self.setObjectName("patientPage")
        self._model = model
        self._lines = {shown.value.name: _Line(model, shown.value, self) for shown in model.rows}
        self._problem = text_label("", "problem", "patientProblem")
        keep_room(self._problem)
        self._reset = button(
            "Reset all", "patientReset", "Take what the files say for every value."
        )
        self._reset.clicked.connect(model.reset_all)
        tip = "Read the study again with these values."
        self._apply = button("Apply", "patientApply", tip, "primary")
        self._apply.clicked.connect(self._on_apply)
        self._tip = tip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 10)
        layout.setSpacing(10)
        layout.addWidget(text_label(_ABOUT, "soft"))
        layout.addLayout(self._grid())
        layout.addStretch(1)
        layout.addWidget(self._problem)
        layout.addLayout(row(self._reset, None, self._apply))
        model.changed.connect(self._refresh)
        self._refresh()

    def _grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(8)
        for column, heading in enumerate(_HEADINGS):
            grid.addWidget(line_label(heading, "section"), 0, column)
        for place, line in enumerate(self._lines.values(), start=1):
            shown: tuple[QWidget, ...] = (
                line.label,
                line.files,
                line.entry,
                line.unit,
                line.state,
                line.reset,
            )
            for column, widget in enumerate(shown):
                grid.addWidget(widget, place, column, Qt.AlignmentFlag.AlignVCenter)
            if isinstance(line.entry, QLineEdit):
                line.entry.returnPressed.connect(self._on_apply)
        grid.setColumnMinimumWidth(4, _width_of(line_label(""), _WAITS))
        grid.setColumnStretch(1, 1)
        return grid

    def focus_entry(self, name: str) -> None:
        """Give the keyboard to the entry of a value."""
        self._lines[name].entry.setFocus()

    def _on_apply(self) -> None:
        try:
            self._model.apply()
        except InvalidInputError as error:
            self._problem.setText(str(error))
            set_role(self._problem, "problem")

    def _refresh(self) -> None:
        enabled = self._model.is_usable
        for shown in self._model.rows:
            given = self._model.in_force(shown.value.name)
            self._lines[shown.value.name].show_row(shown, enabled, given)
        problem = self._model.problem
        set_role(self._problem, "problem" if problem else "warning")
        self._problem.setText(problem or self._model.note)
        why_not = self._model.why_not
        self._apply.setEnabled(not why_not)
        self._apply.setToolTip(why_not or self._tip)
        self._reset.setEnabled(enabled and self._model.can_reset)


def _field(value: MissingValue) -> QLineEdit:
    field = QLineEdit()
    tip = f"{value.label} {value.unit}".strip()
    named(field, f"own_{value.name}", f"{tip}, {value.limits_text}" if value.limits_text else tip)
    field.setPlaceholderText(f"e.g. {value.example}" if value.example else "")
    field.setFixedWidth(_ENTRY_WIDTH)
    return field


def _choice(value: MissingValue) -> QComboBox:
    box = QComboBox()
    named(box, f"own_{value.name}", f"{value.label}.")
    box.addItem(_AS_FILES, "")
    for word in value.choices:
        box.addItem(_CHOICES.get(word, word), word)
    box.setFixedWidth(_ENTRY_WIDTH)
    view = box.view()
    view.setMinimumWidth(max(_width_of(box, box.itemText(i)) for i in range(box.count())) + 30)
    return box


def _width_of(widget: QWidget | QLabel, text: str) -> int:
    return widget.fontMetrics().horizontalAdvance(text)
