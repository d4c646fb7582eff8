"""DICOM dates and times to seconds, and when each image was measured.

A scanner clock has no time zone here: all times of a study are read as its local time, in seconds
from midnight of a base day.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.io.dicom_headers import HeaderTable

DAY_S = 86400.0
HALF_DAY_S = 43200.0
_TIME = re.compile(r"^(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,9}))?)?)?$")
_DATE_TIME = re.compile(r"^(\d{8})(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,9})?)?)?)?(?:[+-]\d{4})?$")
_Read = TypeVar("_Read")


class Vendor(StrEnum):
    """Whose rules of time hold."""

    GE = "GE"
    SIEMENS = "Siemens"
    PHILIPS = "Philips"
    OTHER = "other"


def vendor_of(manufacturer: str) -> Vendor:
    """Vendor from the Manufacturer text."""
    text = manufacturer.strip().upper()
    if text.startswith("GE ") or text in ("GE", "GEMS") or "GENERAL ELECTRIC" in text:
        return Vendor.GE
    if "SIEMENS" in text:
        return Vendor.SIEMENS
    if "PHILIPS" in text or text.startswith("ADAC"):
        return Vendor.PHILIPS
    return Vendor.OTHER


def day_number(text: str) -> int | None:
    """Ordinal of a DICOM date (YYYYMMDD or the old YYYY.MM.DD), or None where absent.

    Raises:
        InvalidInputError: the text is no date.
    """
    digits = text.strip().replace(".", "").replace("-", "")
    if not digits:
        return None
    try:
        return date.fromisoformat(f"{digits[:4]}-{digits[4:6]}-{digits[6:]}").toordinal()
    except ValueError as error:
        raise InvalidInputError(f"{text[:20]!r} is not a date.") from error


def seconds_of_day(text: str) -> float | None:
    """Seconds from midnight of a DICOM time (HHMMSS.ffffff, shorter or with colons), or None.

    Raises:
        InvalidInputError: the text is no time of day.
    """
    text = text.strip()
    if not text:
        return None
    match = _TIME.match(text)
    hour, minute, second = (int(part or 0) for part in match.groups()[:3]) if match else (99, 0, 0)
    if match is None or hour > 23 or minute > 59 or second > 60:
        raise InvalidInputError(f"{text[:20]!r} is not a time of day.")
    return 3600.0 * hour + 60.0 * minute + second + float(f"0.{match.group(4) or 0}")


def split_date_time(text: str) -> tuple[int, float] | None:
    """(day ordinal, seconds of day) of a DICOM date-time; its zone is dropped. None where absent.

    Raises:
        InvalidInputError: the text is no date-time.
    """
    text = text.strip()
    if not text:
        return None
    match = _DATE_TIME.match(text)
    if match is None:
        raise InvalidInputError(f"{text[:30]!r} is not a date and time.")
    day = day_number(match.group(1))
    return (day or 0), seconds_of_day(match.group(2) or "") or 0.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Times of one series in seconds from midnight of a base day.

    Attributes:
        base_day: Ordinal of the base day.
    """

    base_day: int

    @classmethod
    def of(cls, headers: HeaderTable) -> "Clock":
        """Clock whose base day is the series date, else the acquisition or study date."""
        for name in ("SeriesDate", "AcquisitionDate", "StudyDate"):
            day = _or_none(day_number, headers.text(name))
            if day is not None:
                return cls(day)
        return cls(1)

    def at(self, day: int | None, seconds: float | None) -> float:
        """Seconds on this clock, NaN where the time is absent; no day means the base day."""
        if seconds is None:
            return math.nan
        days = 0 if day is None else day - self.base_day
        return days * DAY_S + seconds

    def date_time(self, text: str) -> float:
        """Seconds of a DICOM date-time, NaN where absent or broken."""
        parts = _or_none(split_date_time, text)
        return math.nan if parts is None else self.at(*parts)

    def to_text(self, seconds: float) -> str:
        """ISO text without a zone, for people."""
        day, whole = divmod(round(seconds, 3), DAY_S)
        clock = f"{int(whole // 3600):02d}:{int(whole // 60) % 60:02d}:{whole % 60:06.3f}"
        clock = clock.rstrip("0").rstrip(".")
        if self.base_day == 1:
            return clock
        return f"{date.fromordinal(self.base_day + int(day)).isoformat()} {clock}"


def _or_none(read: Callable[[str], _Read | None], text: str) -> _Read | None:
    """What a text says, or None where it is absent or broken."""
    try:
        return read(text)
    except InvalidInputError:
        return None


def series_start_s(headers: HeaderTable, clock: Clock) -> float:
    """Series date and time, NaN where absent; the earliest where files differ."""
    known = [
        clock.at(_or_none(day_number, day), seconds_of_day(time))
        for day, time in dict.fromkeys(
            zip(headers.texts("SeriesDate"), headers.texts("SeriesTime"), strict=True)
        )
    ]
    finite = [value for value in known if not math.isnan(value)]
    return min(finite, default=math.nan)


def acquisition_start_s(headers: HeaderTable, clock: Clock) -> NDArray[np.float64]:
    """(n,) acquisition date and time, NaN where absent.

    Without an acquisition date, a time half a day before the series time is of the next day.
    """
    start = series_start_s(headers, clock)

    def moment(day: str, time: str, both: str) -> float:
        seconds = seconds_of_day(time)
        if seconds is None:
            return clock.date_time(both)
        known_day = _or_none(day_number, day)
        value = clock.at(known_day, seconds)
        if known_day is None and value < start - HALF_DAY_S:
            value += DAY_S
        return value

    names = ("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime")
    rows = list(zip(*(headers.texts(name) for name in names), strict=True))
    known = {row: moment(*row) for row in dict.fromkeys(rows)}
    return np.array([known[row] for row in rows])
