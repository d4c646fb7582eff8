"""Patient and dose: what the files say beside what the user enters instead."""

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.viewmodels.file_values import FACT_OF, is_pet
from kiview.viewmodels.missing_values import FRAME_FIELDS, MissingValue, missing_value, parse_entry
from kiview.viewmodels.overrides import OverridesViewModel

FORM_FIELDS = (
    "weight_kg",
    "height_m",
    "dose_bq",
    "injection_time",
    "half_life_s",
    "units",
    "decay_correction",
)
UNKNOWN_FILE_VALUE = "not read without your value"
NO_FILE_VALUE = "not in the files"
NOT_TOLD = "as the files say"


@dataclass(frozen=True, slots=True)
class FormRow:
    """One line of the form.

    Attributes:
        value: What is asked for.
        from_files: What the files say, in words where they say nothing.
        source: Where in the files, empty if not told.
        text: The user's entry, empty where the files' value counts.
        is_given: Whether the user's value is in force.
        problem: What is wrong with the entry, or empty.
    """

    value: MissingValue
    from_files: str
    source: str
    text: str
    is_given: bool
    problem: str


class PatientFormViewModel(QObject):
    """Entries of the form; nothing of them counts before `apply`.

    Signals:
        changed: An entry, a value in force or what the files say changed.
    """

    changed = Signal()

    def __init__(self, overrides: OverridesViewModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._overrides, self._study = overrides, overrides.study
        self._texts = dict.fromkeys(FORM_FIELDS, "")
        self._before = dict(self._texts)
        self._of: object = None
        overrides.changed.connect(self._on_overrides_changed)
        self._study.opening_changed.connect(self.changed)
        self._on_overrides_changed()

    @property
    def rows(self) -> tuple[FormRow, ...]:
        """The lines, in order."""
        return tuple(self._row(missing_value(name)) for name in FORM_FIELDS)

    @property
    def problem(self) -> str:
        """What keeps the entries from being used: the first that is wrong, or empty."""
        return next((row.problem for row in self.rows if row.problem), "")

    @property
    def note(self) -> str:
        """What else should be known before applying, or empty."""
        moves = self._texts["injection_time"] != self.in_force("injection_time")
        if moves and any(name in self._overrides.values for name in FRAME_FIELDS):
            return (
                "The frame times that you entered count from the injection and stay as they are;"
                " see Frames."
            )
        count = len(self._overrides.pet_series)
        if count > 1 and self.is_edited:
            return f"These values will hold for all {count} PET series of this study."
        return ""

    @property
    def is_usable(self) -> bool:
        """Whether there is something to enter values for."""
        series = self._study.series
        return series is not None and is_pet(series)

    @property
    def why_not(self) -> str:
        """Why nothing can be applied now, or empty."""
        if not self.is_usable:
            return "Open a PET series first."
        if self._study.is_opening:
            return "The study is being read."
        return self.problem or ("" if self.is_edited else "Nothing was changed.")

    @property
    def is_edited(self) -> bool:
        """Whether an entry differs from what is in force."""
        return any(self._texts[name] != self.in_force(name) for name in FORM_FIELDS)

    @property
    def can_reset(self) -> bool:
        """Whether some entry is the user's."""
        return any(self._texts.values())

    def set_text(self, name: str, text: str) -> None:
        """Take what is typed; an empty text stands for the files' value."""
        if self._texts[name] != text.strip():
            self._texts[name] = text.strip()
            self.changed.emit()

    def reset(self, name: str) -> None:
        """Take the files' value again, once applied."""
        self.set_text(name, "")

    def reset_all(self) -> None:
        """Take the files' values again, once applied."""
        self._texts = dict.fromkeys(FORM_FIELDS, "")
        self.changed.emit()

    def apply(self) -> None:
        """Read the study again with the entries.

        Raises:
            InvalidInputError: an entry cannot be used; nothing changes.
        """
        if self.why_not:
            raise InvalidInputError(self.why_not)
        changes: dict[str, float | str | None] = {}
        for name in FORM_FIELDS:
            text = self._texts[name]
            if text != self.in_force(name):
                changes[name] = parse_entry(missing_value(name), text) if text else None
        self._overrides.change(changes)

    def _on_overrides_changed(self) -> None:
        """Show what is in force now; entries of this study that are not applied yet stay."""
        now = {name: self.in_force(name) for name in FORM_FIELDS}
        is_same = self._of == self._study.path
        for name, text in now.items():
            if not (is_same and self._waits(name)):
                self._texts[name] = text
        self._before, self._of = now, self._study.path
        self.changed.emit()

    def _waits(self, name: str) -> bool:
        """Whether an entry was changed and is still not what is in force."""
        text = self._texts[name]
        if text == self._before[name]:
            return False
        given = self._overrides.values.get(name)
        if not text:
            return given is not None
        try:
            return parse_entry(missing_value(name), text) != given
        except InvalidInputError:
            return True

    def in_force(self, name: str) -> str:
        """The user's value that counts now, as text; empty if there is none."""
        given = self._overrides.values.get(name)
        return "" if given is None else missing_value(name).shown(given)

    def _row(self, value: MissingValue) -> FormRow:
        text = self._texts[value.name]
        from_files, source = self._from_files(value.name)
        is_given = value.name in self._overrides.values
        return FormRow(value, from_files, source, text, is_given, _problem(value, text))

    def _from_files(self, name: str) -> tuple[str, str]:
        series = self._study.series
        if series is None:
            return "", ""
        known = self._overrides.files.value(series, name)
        if known is None:
            return UNKNOWN_FILE_VALUE, ""
        if known.text:
            return known.text, known.source
        is_told = any(fact.code == FACT_OF[name] for fact in series.facts)
        tells_by_facts = name in ("injection_time", "decay_correction") and not is_told
        return (NOT_TOLD if tells_by_facts else NO_FILE_VALUE), ""


def _problem(value: MissingValue, text: str) -> str:
    if not text:
        return ""
    try:
        parse_entry(value, text)
    except InvalidInputError as error:
        return str(error)
    return ""
