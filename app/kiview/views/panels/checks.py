"""What was noticed about the series, as sentences, with entries for what the files lack."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from kiview.core.errors import InvalidInputError
from kiview.core.study import Finding, Verdict, worst
from kiview.viewmodels.missing_values import MissingValue, missing_value
from kiview.viewmodels.study import StudyViewModel
from kiview.views.parts import button, named, text_label

_ROLES = {Verdict.READY: "good", Verdict.CONFIRM: "warning", Verdict.REFUSED: "problem"}
_SUMMARY = {
    Verdict.READY: "Ready to quantify",
    Verdict.CONFIRM: "Please confirm",
    Verdict.REFUSED: "Not possible yet",
}
_DOT = "\N{BLACK CIRCLE}"


class ChecksPanel(QWidget):
    """Verdicts, findings and the form for missing values."""

    def __init__(self, study: StudyViewModel) -> None:
        super().__init__()
        self.setObjectName("checksPanel")
        self._study = study
        self._entries: dict[str, QLineEdit] = {}
        self._body = QWidget()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addWidget(text_label("Checks", "section"))
        self._layout.addWidget(self._body)
        study.study_changed.connect(self._rebuild)
        study.series_changed.connect(self._rebuild)
        study.open_failed.connect(self._on_open_failed)
        self._rebuild()

    def _on_open_failed(self, _failure: object) -> None:
        self._rebuild()

    def _rebuild(self) -> None:
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        self._fill(layout)
        self._layout.replaceWidget(self._body, body)
        self._body.deleteLater()
        self._body = body

    def _fill(self, layout: QVBoxLayout) -> None:
        if self._study.series is None and not self._study.missing_fields:
            layout.addWidget(text_label("Checks appear when a study is open.", "soft"))
        if self._study.series is not None:
            layout.addLayout(_verdict_row("Ki", self._study.kinetics_verdict))
            layout.addLayout(_verdict_row("SUV", self._study.suv_verdict))
            for finding in self._study.findings:
                layout.addLayout(_finding_row(finding))
        given = self._study.overrides
        if given:
            told = ", ".join(f"{missing_value(name).label.lower()}" for name in given)
            layout.addWidget(text_label(f"Entered by you: {told}.", "warning", "userGiven"))
        self._add_form(layout)

    def _add_form(self, layout: QVBoxLayout) -> None:
        self._entries = {}
        asked = [missing_value(name) for name in self._study.missing_fields]
        if not asked:
            return
        form = QGridLayout()
        form.setHorizontalSpacing(6)
        form.setVerticalSpacing(4)
        for line, value in enumerate(asked):
            form.addWidget(text_label(value.label, "soft"), 2 * line, 0, 1, 2)
            self._entries[value.name] = _entry(value)
            form.addWidget(self._entries[value.name], 2 * line + 1, 0)
            form.addWidget(text_label(value.unit, "number"), 2 * line + 1, 1)
        layout.addLayout(form)
        self._form_problem = text_label("", "problem", "checksProblem")
        self._form_problem.hide()
        layout.addWidget(self._form_problem)
        apply = button("Use these values", "checksApply", "Read the study again with these values.")
        apply.clicked.connect(self._on_apply)
        layout.addWidget(apply)
        for entry in self._entries.values():
            entry.returnPressed.connect(self._on_apply)

    def _on_apply(self) -> None:
        try:
            self._study.enter({name: entry.text() for name, entry in self._entries.items()})
        except InvalidInputError as error:
            self._form_problem.setText(str(error))
            self._form_problem.show()


def _entry(value: MissingValue) -> QLineEdit:
    entry = QLineEdit()
    entry.setPlaceholderText(value.example)
    named(entry, f"enter_{value.name}", f"{value.label} {value.unit}".strip())
    return entry


def _verdict_row(what: str, verdict: Verdict) -> QHBoxLayout:
    text = f"{what}: {_SUMMARY[verdict].lower()}"
    return _dotted(_ROLES[verdict], text, f"verdict{what}", "")


def _finding_row(finding: Finding) -> QHBoxLayout:
    role = _ROLES[worst((finding.suv, finding.kinetics))]
    return _dotted(role, finding.message, f"finding_{finding.code}", "soft")


def _dotted(role: str, text: str, name: str, text_role: str) -> QHBoxLayout:
    """A coloured dot and a sentence beside it."""
    layout = QHBoxLayout()
    layout.setSpacing(6)
    dot = QLabel(_DOT)
    dot.setProperty("role", role)
    dot.setAccessibleName({"good": "fine", "warning": "to confirm"}.get(role, "problem"))
    layout.addWidget(dot, 0, Qt.AlignmentFlag.AlignTop)
    layout.addWidget(text_label(text, text_role, name), 1)
    return layout
