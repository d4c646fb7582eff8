"""Values that the user enters because files lack them or have them wrong."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kiview.core.errors import InvalidInputError
from kiview.io.dicom_times import DAY_S, Clock, seconds_of_day

OverrideValue = str | float | int | Sequence[float]

LIMITS: dict[str, tuple[float, float, str]] = {
    "weight_kg": (0.2, 700.0, "kg"),
    "height_m": (0.2, 2.8, "m"),
    "dose_bq": (1e3, 1e12, "Bq"),
    "half_life_s": (1.0, 1e9, "s"),
}
"""Name -> (smallest, largest, unit) of the numbers that may be entered."""
LISTS = ("frame_start_s", "frame_duration_s")
CHOICES = {
    "units": ("BQML", "GML", "CNTS", "PROPCPS", "PROPCNTS"),
    "decay_correction": ("START", "ADMIN", "NONE"),
}
SERIES = "frame_series"
"""UID of the one series that the entered frame times belong to; without it they hold for all."""
NAMES = (*LIMITS, "injection_time", *CHOICES, *LISTS, SERIES)
"""All names, as `--set` takes them."""
_UID = re.compile(r"^[\w.-]{1,80}$", re.ASCII)
_ISO = re.compile(r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)$")


@dataclass(frozen=True, slots=True)
class UserGiven:
    """Checked values entered by the user.

    Attributes:
        numbers: Name -> number.
        words: Name -> text (`units`, `decay_correction`, `injection_time`, `frame_series`).
        lists: Name -> numbers (`frame_start_s`, `frame_duration_s`), s from the injection.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether a value was entered."""
        return name in self.numbers or name in self.words or name in self.lists

    def number(self, name: str) -> float | None:
        """An entered number, or None."""
        return self.numbers.get(name)

    def word(self, name: str) -> str:
        """An entered word, or an empty text."""
        return self.words.get(name, "")

    def injection_s(self, clock: Clock, near_s: float) -> float | None:
        """The entered injection time on a clock, or None.

        A time without a date is taken on the day that brings it closest before `near_s`.
        """
        text = self.word("injection_time")
        if not text:
            return None
        match = _ISO.match(text)
        if match:
            return clock.date_time(re.sub(r"[-T: ]", "", text))
        seconds = seconds_of_day(text) or 0.0
        if math.isnan(near_s):
            return seconds
        days = math.floor((near_s + DAY_S / 2 - seconds) / DAY_S)
        return seconds + days * DAY_S

    def for_series(self, uid: str) -> "UserGiven":
        """What of it belongs to a series: without the frame times of another one."""
        if self.word(SERIES) in ("", uid):
            return self
        words = {name: word for name, word in self.words.items() if name != SERIES}
        return UserGiven(self.numbers, words)

    def record(self) -> tuple[tuple[str, float | str], ...]:
        """Names and values for the record of the study."""
        lists = {name: ",".join(f"{v:.12g}" for v in values) for name, values in self.lists.items()}
        values: dict[str, float | str] = {**self.numbers, **self.words, **lists}
        return tuple(sorted(values.items()))


def parse_overrides(overrides: Mapping[str, OverrideValue]) -> UserGiven:
    """Check what the user entered.

    Raises:
        InvalidInputError: an unknown name, or a value that cannot be.
    """
    numbers: dict[str, float] = {}
    words: dict[str, str] = {}
    lists: dict[str, tuple[float, ...]] = {}
    for name, value in overrides.items():
        if name in LIMITS:
            numbers[name] = _within_limits(name, value)
        elif name in LISTS:
            lists[name] = _list(name, value)
        elif name in CHOICES:
            words[name] = _choice(name, value)
        elif name == "injection_time":
            words[name] = _injection_time(value)
        elif name == SERIES:
            words[name] = _series(value)
        else:
            known = ", ".join(NAMES)
            raise InvalidInputError(f"{name!r} cannot be entered; known values are {known}.")
    if len(lists) == 1:
        raise InvalidInputError("Enter frame_start_s and frame_duration_s together.")
    if SERIES in words and not lists:
        raise InvalidInputError(f"{SERIES} goes with frame_start_s and frame_duration_s.")
    return UserGiven(numbers, words, lists)


def _within_limits(name: str, value: OverrideValue) -> float:
    low, high, unit = LIMITS[name]
    number = _number(name, value)
    if not low <= number <= high:
        raise InvalidInputError(
            f"{name} = {number:g} {unit} cannot be; enter a value from {low:g} to {high:g} {unit}."
        )
    return number


def _number(name: str, value: object) -> float:
    try:
        text = value.replace("_", "?") if isinstance(value, str) else value  # 1_0 is no 10
        number = float(text)  # type: ignore[arg-type]  # text, number or rubbish
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{name} needs a number, not {str(value)[:30]!r}.") from error
    if not math.isfinite(number):
        raise InvalidInputError(f"{name} needs a finite number, not {number}.")
    return number


def _list(name: str, value: OverrideValue) -> tuple[float, ...]:
    if isinstance(value, str):
        parts: Sequence[object] = re.split(r"[,;\s]+", value.strip())
    elif isinstance(value, Sequence):
        parts = value
    else:
        parts = (value,)
    return tuple(_number(name, part) for part in parts)


def _choice(name: str, value: OverrideValue) -> str:
    word = str(value).strip().upper()
    if word not in CHOICES[name]:
        raise InvalidInputError(
            f"{name} = {str(value)[:20]!r} is unknown; choose one of {', '.join(CHOICES[name])}."
        )
    return word


def _series(value: OverrideValue) -> str:
    if not _UID.match(str(value)):
        raise InvalidInputError(f"{SERIES} = {str(value)[:30]!r} is no series instance UID.")
    return str(value)


def _injection_time(value: OverrideValue) -> str:
    text = str(value).strip()
    match = _ISO.match(text)
    try:
        known = seconds_of_day(match.group(2) if match else text)
    except InvalidInputError:
        known = None
    if known is None or (match and math.isnan(Clock(1).date_time(re.sub(r"[-T: ]", "", text)))):
        raise InvalidInputError(
            f"injection_time = {text[:30]!r} is no time; enter HH:MM:SS or YYYY-MM-DDTHH:MM:SS."
        )
    return text
