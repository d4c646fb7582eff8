"""What the files themselves say, remembered while the user's own values stand in their place."""

from collections.abc import Mapping
from dataclasses import dataclass

from kiview.core.images import DynamicImage
from kiview.core.study import Series, SeriesKind, Study
from kiview.core.timing import FrameTiming
from kiview.io.overrides import SERIES as FRAME_SERIES
from kiview.viewmodels.missing_values import FRAME_FIELDS, missing_value

FACT_OF = {
    "injection_time": "time-zero",
    "half_life_s": "half-life",
    "dose_bq": "dose",
    "weight_kg": "weight",
    "height_m": "height",
    "units": "units",
    "decay_correction": "decay-reference",
}
"""Value name -> code of the fact that tells it and where it comes from."""
_CLOCK_FIELD = "injection_time"
"""Frame times of the files count from it."""


@dataclass(frozen=True, slots=True)
class FileValue:
    """A value as in the files.

    Attributes:
        text: As shown, with its unit; empty where the files hold none.
        source: Where in the files, empty if not told.
    """

    text: str = ""
    source: str = ""


class FileValues:
    """Values of every series of one study; those the user replaced are as they were read before."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._values: dict[tuple[str, str], FileValue] = {}
        self._timings: dict[tuple[str, str], FrameTiming | None] = {}

    def clear(self) -> None:
        """Forget everything: another study is open."""
        self._values.clear()
        self._timings.clear()

    def learn(self, study: Study, overrides: Mapping[str, float | str]) -> None:
        """Take over what a reading with these entered values tells of the files."""
        for series in study.series:
            if series.image is None or not is_pet(series):
                continue
            for name in FACT_OF:
                if name not in overrides:
                    self._values[series.uid, name] = _value(name, study, series, series.image)
            if not has_entered_times(overrides, series.uid):
                self._timings[series.uid, _clock(overrides)] = known_timing(series)

    def value(self, series: Series, name: str) -> FileValue | None:
        """What the files say, or None if they were never read without the user's value."""
        return self._values.get((series.uid, name))

    def timing(self, series: Series, overrides: Mapping[str, float | str]) -> FrameTiming | None:
        """Frame times of the files from the injection, or None where they are not known."""
        return self._timings.get((series.uid, _clock(overrides)))


def has_entered_times(overrides: Mapping[str, float | str], uid: str) -> bool:
    """Whether the user entered the frame times of a series."""
    entered = any(name in overrides for name in FRAME_FIELDS)
    return entered and overrides.get(FRAME_SERIES, uid) == uid


def is_pet(series: Series) -> bool:
    """Whether injection and frame times mean something for a series."""
    return series.kind in (SeriesKind.DYNAMIC, SeriesKind.STATIC)


def known_timing(series: Series) -> FrameTiming | None:
    """Frame times of a series, or None where those in the image only stand in for unknown ones."""
    timing = None if series.image is None else series.image.timing
    return timing if timing is not None and timing.is_known else None


def _clock(overrides: Mapping[str, float | str]) -> str:
    return str(overrides.get(_CLOCK_FIELD, ""))


def _value(name: str, study: Study, series: Series, image: DynamicImage) -> FileValue:
    told = next((fact for fact in series.facts if fact.code == FACT_OF[name]), None)
    source = "" if told is None else told.source
    number = _number(name, study, image)
    if number is not None:
        value = missing_value(name)
        return FileValue(f"{number / value.per_shown:.6g} {value.unit}", source)
    if name == "units" and series.file_units:
        return FileValue(series.file_units, source)
    return FileValue("" if told is None else told.value, source)


def _number(name: str, study: Study, image: DynamicImage) -> float | None:
    injection = image.injection
    return {
        "weight_kg": study.patient.weight_kg,
        "height_m": study.patient.height_m,
        "dose_bq": None if injection is None else injection.activity_bq,
        "half_life_s": None if injection is None else injection.radionuclide.half_life_s,
    }.get(name)
