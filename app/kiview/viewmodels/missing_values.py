"""What the user can enter when files lack it: name, question and unit of each value."""

from dataclasses import dataclass

from kiview.core.errors import InvalidInputError


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
    """

    name: str
    label: str
    unit: str = ""
    example: str = ""
    per_shown: float = 1.0
    is_number: bool = True


_KNOWN = (
    MissingValue("weight_kg", "Body weight", "kg", "70"),
    MissingValue("height_m", "Body height", "m", "1.75"),
    MissingValue("dose_bq", "Injected activity", "MBq", "310", 1e6),
    MissingValue("half_life_s", "Half-life", "min", "109.77", 60.0),
    MissingValue("injection_time", "Injection time", "hh:mm:ss", "09:30:00", is_number=False),
    MissingValue("units", "Unit of the voxel values", "", "BQML", is_number=False),
    MissingValue("decay_correction", "Decay corrected to", "", "START or ADMIN", is_number=False),
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
        InvalidInputError: a number was asked for and the text is none, or it is not positive.
    """
    text = text.strip()
    if not value.is_number:
        if not text:
            raise InvalidInputError(f"{value.label} is empty; enter for example {value.example}.")
        return text
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise InvalidInputError(
            f"{value.label}: '{text}' is not a number; enter for example {value.example or 1}."
        ) from None
    if not 0 < number < float("inf"):
        raise InvalidInputError(f"{value.label} must be above 0 {value.unit}, not {number:g}.")
    return number * value.per_shown
