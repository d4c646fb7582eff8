"""What may be quantified, what was noticed, and ways to settle it."""

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from kiview.core.errors import InvalidInputError
from kiview.core.study import Finding, Verdict
from kiview.viewmodels.missing_values import (
    FRAME_FIELDS,
    MissingValue,
    by_you,
    capitalised,
    missing_value,
)
from kiview.viewmodels.study import StudyViewModel
from kiview.views.dialogs.study_details import FRAMES, PAGE_TITLES, UNUSED, entry_of
from kiview.views.parts import button, line_label, named, section, text_label

_ROLES = {Verdict.READY: "good", Verdict.CONFIRM: "warning", Verdict.REFUSED: "problem"}
_SUMMARY = {
    Verdict.READY: "ready",
    Verdict.CONFIRM: "ready with your confirmation",
    Verdict.REFUSED: "cannot be quantified",
}
_SEVERITY = (Verdict.REFUSED, Verdict.CONFIRM, Verdict.READY)
_SPOKEN = {"good": "fine", "warning": "to confirm", "problem": "problem"}
_DOT = "\N{BLACK CIRCLE}"
_DOT_WIDTH = 14
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_PAGE_TIPS = (
    "Weight, activity, times and units: what the files say and what you enter instead.",
    "Start and duration of every frame, to look at and to correct.",
    "Where every number of this study comes from.",
    "Files of the folder that were not used, with the reason.",
)


class _Confirm(QObject):
    """Confirms one finding; lives as long as its button."""

    def __init__(self, parent: QObject, study: StudyViewModel, code: str) -> None:
        super().__init__(parent)
        self._study, self._code = study, code

    def confirm(self) -> None:
        """Do so."""
        self._study.confirm(self._code)


class _Ask(QObject):
    """Asks for a page of the study details; lives as long as its button."""

    def __init__(self, button_: QPushButton, panel: "ChecksPanel", page: int, field: str) -> None:
        super().__init__(button_)
        self._panel, self._page, self._field = panel, page, field
        button_.clicked.connect(self.ask)

    def ask(self) -> None:
        """Do so."""
        self._panel.details_asked.emit(self._page, self._field)


class ChecksPanel(QWidget):
    """Verdicts, findings, entries for what is missing, and the way to all details.

    Signals:
        details_asked(int, str): A page of the study details, and the value to enter there.
    """

    details_asked = Signal(int, str)

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
        self._soon = QTimer(self)  # once for all that a new study announces
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._rebuild)
        study.study_changed.connect(self._soon.start)
        study.series_changed.connect(self._soon.start)
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
            layout.addLayout(_verdict_row("SUV", study.suv_verdict))
            layout.addLayout(_verdict_row("Ki", study.kinetics_verdict))
        asked = self._asked()
        for finding in sorted(study.findings, key=self._severity):
            self._add_finding(layout, finding, asked)
        entered = capitalised(by_you(study.overrides.items()))
        if entered and study.series is not None:
            layout.addWidget(text_label(f"{entered}.", "warning", "userGiven"))
        self._add_form(layout, asked)
        if study.study is not None:
            self._add_links(layout, len(study.study.unused_files))

    def _severity(self, finding: Finding) -> int:
        return _SEVERITY.index(self._study.verdict_of(finding))

    def _asked(self) -> list[str]:
        """Values to ask for at once: without them something is refused.

        Frame times have a table of their own once there is something to show.
        """
        study = self._study
        refused = [f for f in study.findings if Verdict.REFUSED in (f.suv, f.kinetics)]
        names = [*study.pending_fields, *(name for f in refused for name in f.fields)]
        hidden = () if study.series is None else FRAME_FIELDS
        return [name for name in dict.fromkeys(names) if name not in hidden]

    def _add_links(self, layout: QVBoxLayout, unused_count: int) -> None:
        layout.addSpacing(2)
        for page, (title, tip) in enumerate(zip(PAGE_TITLES, _PAGE_TIPS, strict=True)):
            count = f" ({unused_count})" if page == UNUSED else ""
            link = button(f"{title}{count}{_ELLIPSIS}", f"details_{page}", tip, "link")
            _Ask(link, self, page, "")
            layout.addLayout(_indented(link))

    def _add_finding(self, layout: QVBoxLayout, finding: Finding, asked: list[str]) -> None:
        verdict = self._study.verdict_of(finding)
        confirmed = " Confirmed by you." if finding.code in self._study.confirmed else ""
        text = f"{finding.message}{confirmed}"
        layout.addLayout(_dotted(_ROLES[verdict], text, f"finding_{finding.code}", "soft"))
        actions: list[QWidget] = []
        if verdict is Verdict.CONFIRM:
            tip = "Say that this is right for this study; kept with it."
            confirm = button("Confirm", f"confirm_{finding.code}", tip, "link")
            confirm.clicked.connect(_Confirm(confirm, self._study, finding.code).confirm)
            actions.append(confirm)
        elsewhere = [name for name in finding.fields if name not in asked]
        if elsewhere:
            page, field = entry_of(elsewhere[0])
            is_table = page == FRAMES
            tip = "Correct the frame times." if is_table else "Enter your own value."
            text = "Edit frames" if is_table else "Enter"
            enter = button(f"{text}{_ELLIPSIS}", f"enter_for_{finding.code}", tip, "link")
            _Ask(enter, self, page, field)
            actions.append(enter)
        if actions:
            layout.addLayout(_indented(*actions))

    def _add_form(self, layout: QVBoxLayout, names: list[str]) -> None:
        self._entries = {}
        asked = [missing_value(name) for name in names]
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
        layout.addWidget(form)

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


def _indented(*widgets: QWidget) -> QHBoxLayout:
    """Widgets below the text of the sentence above."""
    line = QHBoxLayout()
    line.setContentsMargins(_DOT_WIDTH - 2, 0, 0, 0)
    for widget in widgets:
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
