"""What was noticed about the series, as sentences, with entries for what the files lack."""

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from kiview.core.errors import InvalidInputError
from kiview.core.study import Finding, Verdict
from kiview.viewmodels.missing_values import MissingValue, missing_value
from kiview.viewmodels.study import StudyViewModel
from kiview.views.parts import button, line_label, named, section, text_label

_ROLES = {Verdict.READY: "good", Verdict.CONFIRM: "warning", Verdict.REFUSED: "problem"}
_SUMMARY = {
    Verdict.READY: "ready to quantify",
    Verdict.CONFIRM: "please confirm",
    Verdict.REFUSED: "not possible yet",
}
_SPOKEN = {"good": "fine", "warning": "to confirm", "problem": "problem"}
_DOT = "\N{BLACK CIRCLE}"
_DOT_WIDTH = 14


class _Confirm(QObject):
    """Confirms one finding; lives as long as its button."""

    def __init__(self, parent: QObject, study: StudyViewModel, code: str) -> None:
        super().__init__(parent)
        self._study, self._code = study, code

    def confirm(self) -> None:
        """Do so."""
        self._study.confirm(self._code)


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
        self._layout.setSpacing(6)
        self._layout.addWidget(section("Checks"))
        self._layout.addWidget(self._body)
        study.study_changed.connect(self._rebuild)
        study.series_changed.connect(self._rebuild)
        study.findings_changed.connect(self._rebuild)
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
        self._body.hide()
        self._body.setParent(None)
        self._body.deleteLater()
        body.show()
        self._body = body

    def _fill(self, layout: QVBoxLayout) -> None:
        study = self._study
        if study.series is None and not study.missing_fields:
            layout.addWidget(text_label("Checks appear when a study is open.", "soft"))
        if study.series is not None:
            layout.addLayout(_verdict_row("Ki", study.kinetics_verdict))
            layout.addLayout(_verdict_row("SUV", study.suv_verdict))
            for finding in study.findings:
                self._add_finding(layout, finding)
        if study.overrides:
            told = ", ".join(missing_value(name).label.lower() for name in study.overrides)
            layout.addWidget(text_label(f"Entered by you: {told}.", "warning", "userGiven"))
        self._add_form(layout)

    def _add_finding(self, layout: QVBoxLayout, finding: Finding) -> None:
        verdict = self._study.verdict_of(finding)
        confirmed = " Confirmed by you." if finding.code in self._study.confirmed else ""
        text = f"{finding.message}{confirmed}"
        layout.addLayout(_dotted(_ROLES[verdict], text, f"finding_{finding.code}", "soft"))
        if verdict is Verdict.CONFIRM:
            tip = "Say that this is right for this study; kept with it."
            confirm = button("Confirm", f"confirm_{finding.code}", tip, "link")
            confirm.clicked.connect(_Confirm(confirm, self._study, finding.code).confirm)
            layout.addLayout(_indented(confirm))

    def _add_form(self, layout: QVBoxLayout) -> None:
        self._entries = {}
        asked = [missing_value(name) for name in self._study.missing_fields]
        if not asked:
            return
        form = QWidget()
        form.setObjectName("checksForm")
        grid = QGridLayout(form)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        for line, value in enumerate(asked):
            self._entries[value.name] = _entry(value)
            grid.addWidget(text_label(value.label, "soft"), 2 * line, 0, 1, 2)
            grid.addWidget(self._entries[value.name], 2 * line + 1, 0)
            grid.addWidget(line_label(value.unit), 2 * line + 1, 1)
        self._form_problem = text_label("", "problem", "checksProblem")
        self._form_problem.hide()
        apply = button("Use these values", "checksApply", "Read the study again with these values.")
        apply.clicked.connect(self._on_apply)
        grid.addWidget(self._form_problem, 2 * len(asked), 0, 1, 2)
        grid.addWidget(apply, 2 * len(asked) + 1, 0, 1, 2)
        for entry in self._entries.values():
            entry.returnPressed.connect(self._on_apply)
        tip = "Enter what the files lack or have wrong."
        more = button("Enter values\N{HORIZONTAL ELLIPSIS}", "checksEnter", tip, "link")
        more.setCheckable(True)
        more.toggled.connect(form.setVisible)
        layout.addLayout(_indented(more))
        layout.addWidget(form)
        more.setChecked(self._needs_values())
        form.setVisible(self._needs_values())

    def _needs_values(self) -> bool:
        """Whether something is refused for want of a value."""
        study = self._study
        return study.series is None or Verdict.REFUSED in (
            study.suv_verdict,
            study.kinetics_verdict,
        )

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


def _indented(widget: QWidget) -> QHBoxLayout:
    """A widget below the text of the sentence above."""
    line = QHBoxLayout()
    line.setContentsMargins(_DOT_WIDTH - 2, 0, 0, 0)
    line.addWidget(widget)
    line.addStretch(1)
    return line


def _verdict_row(what: str, verdict: Verdict) -> QHBoxLayout:
    return _dotted(_ROLES[verdict], f"{what}: {_SUMMARY[verdict]}", f"verdict{what}", "")


def _dotted(role: str, text: str, name: str, text_role: str) -> QHBoxLayout:
    """A coloured dot and a sentence beside it."""
    layout = QHBoxLayout()
    layout.setSpacing(2)
    dot = QLabel(_DOT)
    dot.setProperty("role", role)
    dot.setAccessibleName(_SPOKEN[role])
    dot.setFixedWidth(_DOT_WIDTH)
    layout.addWidget(dot, 0, Qt.AlignmentFlag.AlignTop)
    layout.addWidget(text_label(text, text_role, name), 1)
    return layout
