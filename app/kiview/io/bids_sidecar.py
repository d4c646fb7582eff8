"""BIDS PET sidecars: frame table, units, decay state, dose (`science.md` 6.7).

Times in a sidecar are seconds from TimeZero; here they become seconds from the injection.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.study import Finding, Verdict
from kiview.core.timing import FrameTiming
from kiview.core.tracer import decay_factor, frame_decay_correction, refuse_unreal_decay
from kiview.core.units import ACTIVITY, SUV_BW, UNKNOWN, Quantity
from kiview.io.dicom_frame_times import FIELDS
from kiview.io.dicom_meaning import BOTH_REFUSED, BOTH_TO_CONFIRM, SUV_REFUSED, finding
from kiview.io.dicom_times import DAY_S
from kiview.io.nuclides import HALF_LIVES_S, dose_findings, nuclide_name
from kiview.io.overrides import UserGiven

ACTIVITY_UNITS = {
    "bq/ml": 1.0,
    "bq/cc": 1.0,
    "bq/cm3": 1.0,
    "kbq/ml": 1e3,
    "kbq/cc": 1e3,
    "kbq/cm3": 1e3,
    "mbq/ml": 1e6,
    "mbq/cc": 1e6,
    "nci/ml": 37.0,
    "nci/cc": 37.0,
    "uci/ml": 37e3,
    "uci/cc": 37e3,
}
"""Unit in small letters -> Bq/mL of one."""
_DOSE_UNITS = {"bq": 1.0, "kbq": 1e3, "mbq": 1e6, "gbq": 1e9, "mci": 3.7e7, "uci": 3.7e4}
_DECAY_TOLERANCE = 1e-4
_SAME_TIME_S = 0.01
_AFTER_START_S = 0.5
_LONG_AGO_HALF_LIVES = 6.0
_MOST_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Values of one sidecar with checks on access.

    Attributes:
        name: File name, for messages.
        values: As in the JSON; empty where there is no sidecar.
    """

    name: str
    values: dict[str, Any]

    def text(self, *keys: str) -> str:
        """First text under one of several names, empty where absent."""
        for key in keys:
            value = self.values.get(key)
            if isinstance(value, str) and value.strip().lower() not in ("", "n/a"):
                return value.strip()
        return ""

    def number(self, *keys: str) -> float | None:
        """First number under one of several names, None where absent.

        Raises:
            InvalidInputError: it is no finite number.
        """
        for key in keys:
            value = self.values.get(key)
            if value is None or value == "n/a":
                continue
            if isinstance(value, list) and len(value) == 1:
                value = value[0]
            return self._finite(key, value)
        return None

    def numbers(self, *keys: str) -> NDArray[np.float64] | None:
        """First list of numbers under one of several names, None where absent."""
        for key in keys:
            value = self.values.get(key)
            if value is None or value == "n/a":
                continue
            items = value if isinstance(value, list) else [value]
            return np.array([self._finite(key, item) for item in items])
        return None

    def truth(self, key: str) -> bool | None:
        """A yes or no, None where absent."""
        value = self.values.get(key)
        if isinstance(value, bool):
            return value
        words = {"true": True, "false": False}
        return words.get(str(value).strip().lower())

    def _finite(self, key: str, value: object) -> float:
        try:
            number = float(value)  # type: ignore[arg-type]  # anything JSON can hold
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInputError(
                f"{self.name}: {key} holds {str(value)[:30]!r} where a number is needed."
            ) from error
        if isinstance(value, bool) or not math.isfinite(number):
            raise InvalidInputError(f"{self.name}: {key} holds {value}, which is no number.")
        return number


def read_sidecar(path: Path) -> Sidecar:
    """Read a JSON sidecar; an absent one is empty.

    Raises:
        ReadError: it is no JSON object.
    """
    if not path.is_file():
        return Sidecar(path.name, {})
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ReadError(f"The sidecar {path} is too large to be one.")
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(f"The sidecar {path} is no JSON file: {error}.") from error
    if not isinstance(values, dict):
        raise ReadError(f"The sidecar {path} holds no JSON object.")
    return Sidecar(path.name, values)


@dataclass(frozen=True, slots=True, eq=False)
class SidecarTimes:
    """Frame table of a sidecar.

    Attributes:
        timing: Seconds from the injection.
        injection_s: Injection in s from TimeZero.
        findings: What was assumed.
    """

    timing: FrameTiming
    injection_s: float
    findings: tuple[Finding, ...] = ()


def frame_table(sidecar: Sidecar, frame_count: int | None = None) -> SidecarTimes:
    """Frame table in seconds from the injection.

    Args:
        sidecar: With FrameTimesStart, FrameDuration and InjectionStart.
        frame_count: Frames of the image, None to take the sidecar's.

    Raises:
        InvalidInputError: it is absent, contradicts itself or the image; the text says how.
    """
    start = sidecar.numbers("FrameTimesStart")
    duration = sidecar.numbers("FrameDuration", "FrameDurations")
    if start is None or duration is None:
        raise InvalidInputError(
            f"{sidecar.name} lacks FrameTimesStart or FrameDuration, so the frame times are"
            " unknown; enter frame_start_s and frame_duration_s."
        )
    _refuse_contradictions(sidecar.name, start, duration, frame_count)
    injection = sidecar.number("InjectionStart")
    findings: list[Finding] = []
    if injection is None:
        injection = 0.0
        message = (
            f"{sidecar.name} lacks InjectionStart; TimeZero was taken as the injection. Confirm it."
        )
        findings.append(finding("injection-assumed", message, (Verdict.READY, Verdict.CONFIRM)))
    shift, told = _scan_start_shift(sidecar, start, duration, injection)
    timing = FrameTiming(start + shift - injection, duration)
    if not timing.is_contiguous(_SAME_TIME_S):
        message = f"{sidecar.name} lists gaps or overlaps between frames; check the frame table."
        verdicts = (Verdict.READY, Verdict.CONFIRM)
        findings.append(finding("frame-gaps", message, verdicts, *FIELDS))
    return SidecarTimes(timing, injection, (*findings, *told))


def injection_findings(timing: FrameTiming, half_life_s: float | None) -> tuple[Finding, ...]:
    """Whether an injection lies where it can be, before a scan of living activity.

    Args:
        timing: Seconds from the injection.
        half_life_s: Or None.
    """
    begin, end = float(timing.start_s.min()), float(timing.end_s.max())
    if end <= 0:
        message = (
            f"The injection lies {-end:.0f} s after the end of the scan; correct InjectionStart, or"
            " enter frame_start_s and frame_duration_s from the injection."
        )
        return (finding("injection-after-scan", message, BOTH_REFUSED, *FIELDS),)
    if begin < -_AFTER_START_S:
        message = (
            f"The injection lies {-begin:.0f} s after the start of the scan; confirm it, or enter"
            " frame_start_s and frame_duration_s from the injection."
        )
        return (finding("injection-after-start", message, BOTH_TO_CONFIRM, *FIELDS),)
    if begin > min(DAY_S, _LONG_AGO_HALF_LIVES * (half_life_s or math.inf)):
        message = (
            f"The injection lies {begin / 3600:.1f} h before the scan; check it, or enter"
            " frame_start_s and frame_duration_s from the injection."
        )
        return (finding("injection-long-ago", message, BOTH_TO_CONFIRM, *FIELDS),)
    return ()


def _refuse_contradictions(
    name: str, start: NDArray[np.float64], duration: NDArray[np.float64], frame_count: int | None
) -> None:
    problems = []
    if len(start) != len(duration):
        problems.append(f"lists {len(start)} FrameTimesStart but {len(duration)} FrameDuration")
    elif len(start) > 1 and np.allclose(duration[:-1], start[1:] - start[0], atol=_SAME_TIME_S):
        spans = np.diff(start)
        if not np.allclose(duration[:-1], spans, atol=_SAME_TIME_S):
            problems.append("lists frame ends under FrameDuration (they equal the next starts)")
    if frame_count is not None and len(start) != frame_count:
        problems.append(f"lists {len(start)} frames but the image has {frame_count}")
    if problems:
        raise InvalidInputError(
            f"{name} {' and '.join(problems)}; correct it, or enter frame_start_s and"
            " frame_duration_s."
        )


def _scan_start_shift(
    sidecar: Sidecar,
    start: NDArray[np.float64],
    duration: NDArray[np.float64],
    injection: float,
) -> tuple[float, tuple[Finding, ...]]:
    """Some sidecars count FrameTimesStart from the scan start; DecayFactor tells."""
    scan_start = sidecar.number("ScanStart")
    if scan_start is None or abs(scan_start - start[0]) <= _SAME_TIME_S:
        return 0.0, ()
    half_life = half_life_of(sidecar)
    factor = sidecar.numbers("DecayFactor", "DecayCorrectionFactor")
    fits = False
    if half_life and factor is not None and len(factor) == len(start):
        # The first frame: it hardly depends on the half-life that the scanner used.
        begin = start[0] + scan_start - injection
        expected = float(frame_decay_correction(begin, duration[0], half_life))
        fits = abs(factor[0] / expected - 1) <= _DECAY_TOLERANCE
    if fits:
        message = (
            f"{sidecar.name} counts FrameTimesStart from the scan start ({scan_start:g} s after"
            " TimeZero), as DecayFactor shows; the frames were moved by it."
        )
        return scan_start, (Finding("frame-times-from-scan-start", message),)
    message = (
        f"{sidecar.name} has ScanStart {scan_start:g} s but the first frame at {start[0]:g} s;"
        " FrameTimesStart was taken from TimeZero. Check the frame table."
    )
    verdicts = (Verdict.READY, Verdict.CONFIRM)
    return 0.0, (finding("scan-start-differs", message, verdicts, *FIELDS),)


def half_life_of(sidecar: Sidecar) -> float | None:
    """Half-life in s: stated, else by the radionuclide's name; None if unknown."""
    stated = sidecar.number("RadionuclideHalfLife")
    if stated is not None and stated > 0:
        return stated
    return HALF_LIVES_S.get(nuclide_of(sidecar))


def nuclide_of(sidecar: Sidecar) -> str:
    """Radionuclide like `18F`, from the spellings in use (F18, F-18, [18F]); empty if absent."""
    return nuclide_name(sidecar.text("TracerRadionuclide", "Radionuclide"))


def unit_key(text: str) -> str:
    """A unit as `ACTIVITY_UNITS` spells it."""
    return text.lower().replace(" ", "").replace("\u00b3", "3").replace("cm^3", "cm3")


@dataclass(frozen=True, slots=True)
class SidecarMeaning:
    """Unit of the voxel values.

    Attributes:
        quantity: What value x `factor` is.
        factor: From the image's values.
        units: As in the sidecar.
        findings: What is refused.
    """

    quantity: Quantity
    factor: float
    units: str
    findings: tuple[Finding, ...] = ()


def meaning_of(sidecar: Sidecar, given: UserGiven) -> SidecarMeaning:
    """Find the unit of the values."""
    entered = {"BQML": "Bq/mL", "GML": "g/mL"}.get(given.word("units"), given.word("units"))
    units = entered or sidecar.text("Units", "Unit")
    key = unit_key(units)
    if key in ACTIVITY_UNITS:
        return SidecarMeaning(ACTIVITY, ACTIVITY_UNITS[key], units)
    if key in ("g/ml", "suv", "suvbw"):
        return SidecarMeaning(SUV_BW, 1.0, units)
    told = f"are in {units[:30]!r}" if units else "have no unit"
    message = f"The voxel values {told}: no SUV and no Ki. Enter units if you know it."
    return SidecarMeaning(
        UNKNOWN, 1.0, units, (finding("units-unknown", message, BOTH_REFUSED, "units"),)
    )


@dataclass(frozen=True, slots=True)
class SidecarDose:
    """Injected activity.

    Attributes:
        dose_bq: At injection, None if unknown.
        findings: What is missing or odd.
    """

    dose_bq: float | None
    findings: tuple[Finding, ...] = ()


def dose_of(sidecar: Sidecar, given: UserGiven) -> SidecarDose:
    """Injected activity in Bq; a number without a unit is not guessed at."""
    entered = given.number("dose_bq")
    if entered is not None:
        return SidecarDose(entered, dose_findings(entered))
    dose = sidecar.number("InjectedRadioactivity")
    unit = sidecar.text("InjectedRadioactivityUnits", "InjectedRadioactivityUnit")
    factor = _DOSE_UNITS.get(unit.lower())
    if dose is not None and dose > 0 and factor is not None:
        return SidecarDose(dose * factor, dose_findings(dose * factor))
    told = "is absent" if dose is None else f"{dose:g} has no unit that is known"
    message = f"InjectedRadioactivity {told}: no SUV; enter dose_bq."
    return SidecarDose(None, (finding("dose-missing", message, SUV_REFUSED, "dose_bq"),))


def decay_to_injection(
    sidecar: Sidecar, given: UserGiven, times: SidecarTimes, half_life_s: float | None
) -> tuple[NDArray[np.float64] | None, tuple[Finding, ...]]:
    """Factor (t,) from the image's values to the injection, or None with the reason."""
    word = given.word("decay_correction")
    corrected = sidecar.truth("ImageDecayCorrected") if not word else word != "NONE"
    count = times.timing.frame_count
    if word == "ADMIN":
        return np.ones(count), ()
    if corrected is None:
        message = (
            f"{sidecar.name} does not say whether decay is corrected (ImageDecayCorrected): no SUV"
            " and no Ki; enter decay_correction."
        )
        return None, (
            finding("decay-correction-unknown", message, BOTH_REFUSED, "decay_correction"),
        )
    reference, findings = _reference_s(sidecar, times, word) if corrected else (0.0, ())
    elapsed = reference - times.injection_s
    if corrected and elapsed == 0:
        return np.ones(count), findings
    if half_life_s is None:
        message = "The half-life is unknown, so decay cannot be computed; enter half_life_s."
        return None, (finding("half-life-missing", message, BOTH_REFUSED, "half_life_s"),)
    refuse_unreal_decay(elapsed if corrected else times.timing.start_s, half_life_s)
    if corrected:
        return np.full(count, 1.0 / float(decay_factor(elapsed, half_life_s))), findings
    timing = times.timing
    return frame_decay_correction(timing.start_s, timing.duration_s, half_life_s), ()


def _reference_s(
    sidecar: Sidecar, times: SidecarTimes, word: str
) -> tuple[float, tuple[Finding, ...]]:
    """Decay reference in s from TimeZero."""
    if word == "START":
        return float(times.timing.start_s[0]) + times.injection_s, ()
    stated = sidecar.number("ImageDecayCorrectionTime")
    if stated is not None:
        return stated, ()
    message = (
        f"{sidecar.name} lacks ImageDecayCorrectionTime; TimeZero was taken as the decay reference."
    )
    verdicts = (Verdict.CONFIRM, Verdict.CONFIRM)
    return 0.0, (finding("decay-time-assumed", message, verdicts, "decay_correction"),)
