"""What the user can enter: name, question, unit and limits of each value, and how it is told."""

from collections.abc import Iterable
from dataclasses import dataclass

from kiview.core.errors import InvalidInputError
from kiview.io.overrides import CHOICES, LIMITS, LISTS, SERIES, parse_overrides

FRAME_FIELDS = LISTS
"""Starts and durations of the frames, entered together."""
_DOT = " \N{MIDDLE DOT} "


@dataclass(frozen=True, slots=True)
class MissingValue:
    """A value to be asked for.

    Attributes:
        name: As `--set` takes it.
        label: Question in the form.
        unit: Unit shown behind the entry.
        example: Shown in the empty entry.
        per_shown: Factor from the entered number to the value's own unit.
        is_number: False for texts such as times of day.
        short: Name in one line with others.
    """

    name: str
    label: str
    unit: str = ""
    example: str = ""
    per_shown: float = 1.0
    is_number: bool = True
    short: str = ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that can be entered, or none where anything can."""
        return CHOICES.get(self.name, ())

    @property
    def limits_text(self) -> str:
        """What may be entered, for example `0.2 to 700 kg`; empty where there is no limit."""
        if self.name not in LIMITS:
            return ""
        low, high = (limit / self.per_shown for limit in LIMITS[self.name][:2])
        return f"{low:.10g} to {high:.10g} {self.unit}"

    def shown(self, given: object) -> str:
        """A value in its own unit as the user would type it."""
        if self.is_number and isinstance(given, int | float):
            return f"{given / self.per_shown:.10g}"
        return str(given)


_KNOWN = (
    MissingValue("weight_kg", "Body weight", "kg", "70", short="weight"),
    MissingValue("height_m", "Body height", "m", "1.75", short="height"),
    MissingValue("dose_bq", "Injected activity", "MBq", "310", 1e6, short="activity"),
    MissingValue(
        "injection_time",
        "Injection time",
        "hh:mm:ss",
        "09:30:00",
        is_number=False,
        short="injection at",
    ),
    MissingValue("half_life_s", "Half-life", "min", "109.77", 60.0, short="half-life"),
    MissingValue(
        "units", "Unit of the voxel values", "", "BQML", is_number=False, short="voxels in"
    ),
    MissingValue(
        "decay_correction",
        "Decay corrected to",
        "",
        "START or ADMIN",
        is_number=False,
        short="decay corrected to",
    ),
    MissingValue("frame_start_s", "Frame starts", "s", "0, 60, 120", is_number=False),
    MissingValue("frame_duration_s", "Frame durations", "s", "60, 60, 60", is_number=False),
)
_BY_NAME = {value.name: value for value in _KNOWN}


def missing_value(name: str) -> MissingValue:
    """How to ask for a value; unknown names are asked for as they are."""
    is_number = name.endswith(("_s", "_kg", "_bq", "_m", "_mm", "_min"))
    label = name.replace("_", " ").capitalize()
    return _BY_NAME.get(name, MissingValue(name, label, is_number=is_number))


def parse_entry(value: MissingValue, text: str) -> float | str:
    """What the user typed, in the value's own unit.

    Raises:
        InvalidInputError: a number was asked for and the text is none, or it is not positive or
            outside the limits; or a time was asked for and it is none.
    """
    text = text.strip()
    if not value.is_number:
        if not text:
            raise InvalidInputError(f"{value.label} is empty; enter for example {value.example}.")
        if value.name == "injection_time":
            check_time(text)
        return text
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise InvalidInputError(
            f"{value.label}: '{text}' is not a number; enter for example {value.example or 1}."
        ) from None
    if not 0 < number < float("inf"):
        raise InvalidInputError(f"{value.label} must be above 0 {value.unit}, not {number:g}.")
    _refuse_outside(value, number)
    return number * value.per_shown


def _refuse_outside(value: MissingValue, number: float) -> None:
    if value.name in LIMITS:
        low, high, _ = LIMITS[value.name]
        if not low <= number * value.per_shown <= high:
            raise InvalidInputError(
                f"{value.label} cannot be {number:.10g} {value.unit}; enter a value from"
                f" {value.limits_text}."
            )


def check_time(text: str) -> None:
    """See whether a text is a time of injection.

    Raises:
        InvalidInputError: it is none; the text says how to write one.
    """
    try:
        parse_overrides({"injection_time": text})
    except InvalidInputError as error:
        raise InvalidInputError(
            f"Injection time: '{text[:30]}' is no time; enter hh:mm:ss, or the day as well:"
            " 2024-05-31 09:30:00."
        ) from error


def entered_text(given: Iterable[tuple[str, object]]) -> str:
    """Values that the user entered, in one line; empty if there are none.

    Args:
        given: Names as `--set` takes them, and values.

    Returns:
        For example `weight 70 kg · times of 27 frames`.
    """
    values = dict(given)
    told = [_told(missing_value(name), values[name]) for name in _in_order(values)]
    if any(name in values for name in LISTS):
        told.append(f"times of {_count(next(values[n] for n in LISTS if n in values))} frames")
    return _DOT.join(told)


def by_you(given: Iterable[tuple[str, object]]) -> str:
    """The same as a note: `values entered by you: weight 70 kg`; empty if there are none."""
    told = entered_text(given)
    return f"values entered by you: {told}" if told else ""


def capitalised(text: str) -> str:
    """A note as a sentence of its own."""
    return text[:1].upper() + text[1:]


def _in_order(values: Iterable[str]) -> list[str]:
    order = list(_BY_NAME)
    known = sorted((name for name in values if name in _BY_NAME), key=order.index)
    others = [name for name in values if name not in _BY_NAME]
    return [name for name in (*known, *others) if name not in (*LISTS, SERIES)]


def _told(value: MissingValue, given: object) -> str:
    shown = value.shown(given)
    if isinstance(given, float):
        shown = f"{given / value.per_shown:.6g}"
    unit = value.unit if value.is_number else ""
    return " ".join(part for part in (value.short or value.label.lower(), shown, unit) if part)


def _count(listed: object) -> int:
    return len(str(listed).replace(",", " ").split())
