"""What an ECAT 7 file says about units, times, injection and decay, and what it leaves open."""

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.study import Finding, Verdict
from kiview.core.timing import FrameTiming
from kiview.core.tracer import decay_factor, frame_decay_correction, refuse_unreal_decay
from kiview.core.units import ACTIVITY, SUV_BW, UNKNOWN
from kiview.io.bids_sidecar import ACTIVITY_UNITS, SidecarDose, SidecarMeaning, unit_key
from kiview.io.dicom_frame_times import FIELDS
from kiview.io.dicom_frames import UNKNOWN_TIMES, gap_findings, given_table, stand_in_timing
from kiview.io.dicom_injection import IS_SERIES_START, ScanSpan, long_ago, suspicious
from kiview.io.dicom_meaning import BOTH_REFUSED, BOTH_TO_CONFIRM, SUV_REFUSED, finding
from kiview.io.dicom_times import DAY_S, Clock
from kiview.io.ecat_header import ATTENUATION_BITS, DECAY_BIT, EcatFile, EcatFrames
from kiview.io.nuclides import HALF_LIVES_S, dose_findings, half_life_findings, nuclide_name
from kiview.io.overrides import UserGiven
from kiview.io.time_checks import ended_findings, entered_findings

_CALIBRATED = 1
_ENTERED_UNITS = {"BQML": "Bq/mL", "GML": "g/mL"}
UNIX_DAY = date(1970, 1, 1).toordinal()
_DECAY_TOLERANCE = 1e-3
_NOT_CORRECTED = 1e-6
"""A decay factor this near to 1 says that nothing was corrected."""
_TIME = "injection_time"


def units_of(file: EcatFile, given: UserGiven) -> SidecarMeaning:
    """Unit of the voxel values; its factor includes the calibration.

    All readers multiply by the calibration factor where the header says "calibrated" (1); for other
    states they differ, which is told unless the factor is 1.
    """
    calibration = file.number("ecat_calibration_factor")
    status = int(file.number("calibration_unitS"))
    entered = given.word("units")
    units = _ENTERED_UNITS.get(entered, entered) or file.text("data_units")
    key = unit_key(units)
    is_suv = key in ("g/ml", "suv", "suvbw")
    if calibration <= 0 or not (key in ACTIVITY_UNITS or is_suv) or (status == 0 and not entered):
        why = "are not calibrated" if status == 0 or calibration <= 0 else "have no unit"
        told = f"are in {units[:30]!r}" if units and why == "have no unit" else why
        message = f"The voxel values {told}: no SUV and no Ki. Enter units if you know it."
        factor = calibration if calibration > 0 else 1.0
        unknown = finding("units-unknown", message, BOTH_REFUSED, "units")
        return SidecarMeaning(UNKNOWN, factor, units, (unknown,))
    findings: tuple[Finding, ...] = ()
    if status != _CALIBRATED and calibration != 1.0:
        message = (
            f"The header gives a calibration factor of {calibration:g} but does not call the values"
            " calibrated; they were multiplied by it. Compare one value with another program."
        )
        findings = (finding("calibration-unsure", message, BOTH_TO_CONFIRM),)
    if is_suv:
        return SidecarMeaning(SUV_BW, calibration, units, findings)
    return SidecarMeaning(ACTIVITY, calibration * ACTIVITY_UNITS[key], units, findings)


def dose_of(file: EcatFile, given: UserGiven) -> SidecarDose:
    """Injected activity: entered, as the header's number has no unit."""
    entered = given.number("dose_bq")
    if entered is not None:
        return SidecarDose(entered, dose_findings(entered))
    dosage = file.number("dosage")
    told = f"The header's dosage of {dosage:g} has no unit" if dosage > 0 else "No dose is told"
    message = f"{told}: no SUV; enter dose_bq."
    return SidecarDose(None, (finding("dose-missing", message, SUV_REFUSED, "dose_bq"),))


def half_life_of(file: EcatFile, given: UserGiven) -> tuple[float | None, tuple[Finding, ...]]:
    """Half-life in s: entered, of the header, or by the radionuclide's name."""
    entered, nuclide = given.number("half_life_s"), nuclide_of(file)
    if entered is not None:
        return entered, half_life_findings(entered, nuclide, is_entered=True)
    stated = file.number("isotope_halflife")
    if stated > 0:
        return stated, half_life_findings(stated, nuclide)
    if nuclide in HALF_LIVES_S:
        return HALF_LIVES_S[nuclide], ()
    message = "The half-life is unknown, so decay cannot be computed; enter half_life_s."
    return None, (finding("half-life-missing", message, BOTH_REFUSED, "half_life_s"),)


def nuclide_of(file: EcatFile) -> str:
    """Radionuclide like `18F`."""
    return nuclide_name(file.text("isotope_name"))


@dataclass(frozen=True, slots=True, eq=False)
class EcatTimes:
    """When the frames were measured.

    Attributes:
        timing: From the injection where that is known, else from the scan start.
        scan_start_s: Scan start from the injection, NaN if unknown; negative if before.
        findings: What was assumed or is missing.
    """

    timing: FrameTiming
    scan_start_s: float
    findings: tuple[Finding, ...] = ()


def times_of(file: EcatFile, given: UserGiven, half_life_s: float | None) -> EcatTimes:
    """Frame table from the injection.

    `dose_start_time` is the injection, on the same clock as `scan_start_time`.

    Raises:
        InvalidInputError: the entered frame table does not fit the image.
    """
    frames = file.frames
    scan_start_s, findings = _scan_start(file, given, half_life_s)
    if given.lists:
        timing = given_table(given, frames.count)
        odd = entered_findings(timing, frames.start_s + scan_start_s, needs_decay=True)
        if math.isnan(scan_start_s):
            scan_start_s = float(timing.start_s[0] - frames.start_s[0])
            findings = ()
        findings = (*findings, *ended_findings(timing, needs_decay=True), *odd)
        return EcatTimes(timing, scan_start_s, (*findings, *gap_findings(timing)))
    shift = 0.0 if math.isnan(scan_start_s) else scan_start_s
    try:
        timing = FrameTiming(frames.start_s + shift, frames.duration_s)
    except InvalidInputError as error:
        message = f"The frame times of the file cannot be right: {error}"
        verdicts = (Verdict.READY, Verdict.REFUSED)
        unknown = finding(UNKNOWN_TIMES, message, verdicts, *FIELDS)
        return EcatTimes(stand_in_timing(frames.count), scan_start_s, (*findings, unknown))
    return EcatTimes(timing, scan_start_s, (*findings, *gap_findings(timing)))


def _scan_start(
    file: EcatFile, given: UserGiven, half_life_s: float | None
) -> tuple[float, tuple[Finding, ...]]:
    """Scan start in s from the injection, NaN if unknown."""
    days, start_s = divmod(file.number("scan_start_time"), DAY_S)
    clock = Clock(UNIX_DAY + int(days))
    first_s = start_s + float(file.frames.start_s[0])
    last_s = start_s + float((file.frames.start_s + file.frames.duration_s).max())
    span = ScanSpan(start_s, first_s, last_s)
    entered = given.injection_s(clock, first_s)
    if entered is not None:
        told = [one for one in suspicious(entered, clock, span) if one.code != IS_SERIES_START]
        told += [
            _on_the_files_clock(clock, start_s, entered),
            *long_ago(entered, span, half_life_s),
        ]
        return start_s - entered, tuple(told)
    dose_start = file.number("dose_start_time")
    if dose_start <= 0 or file.number("scan_start_time") <= 0:
        message = (
            "The header does not tell when the tracer was injected, so frames count from the start"
            f" of the scan and there is no SUV and no Ki; enter {_TIME}, or frame_start_s and"
            " frame_duration_s from the injection."
        )
        missing = finding("injection-time-missing", message, BOTH_REFUSED, _TIME, *FIELDS)
        return math.nan, (missing,)
    moment = dose_start - days * DAY_S
    told = [*suspicious(moment, clock, span), *long_ago(moment, span, half_life_s)]
    if moment >= last_s:
        return math.nan, tuple(told)
    return start_s - moment, tuple(told)


def _on_the_files_clock(clock: Clock, start_s: float, entered: float) -> Finding:
    message = (
        f"The file's clock is UTC; the scan began at {clock.to_text(start_s)} on it. The entered"
        f" injection time was read on it too, {start_s - entered:.0f} s before the scan; confirm"
        " that, or enter the time in UTC."
    )
    return finding("injection-clock", message, BOTH_TO_CONFIRM, _TIME)


def correction_findings(frames: EcatFrames) -> tuple[Finding, ...]:
    """Attenuation must be corrected."""
    if frames.corrections == 0:
        message = (
            "The header lists no correction: the file does not say whether attenuation and decay"
            " were corrected."
        )
        return (finding("corrections-unknown", message, BOTH_TO_CONFIRM),)
    if frames.corrections & ATTENUATION_BITS:
        return ()
    message = (
        "The images are not corrected for attenuation: no SUV and no Ki; open the corrected images."
    )
    return (finding("not-attenuation-corrected", message, BOTH_REFUSED),)


def decay_to_injection(
    frames: EcatFrames, given: UserGiven, times: EcatTimes, half_life_s: float | None
) -> tuple[NDArray[np.float64] | None, tuple[Finding, ...]]:
    """Factor (t,) from the file's values to the injection, or None with the reason.

    A file tells a correction twice: by a bit of `corrections_applied` and by `decay_corr_fctr`,
    which counts from the scan start. Where the two contradict each other the user is asked.

    Raises:
        InvalidInputError: injection and image lie too many half-lives apart.
    """
    word = given.word("decay_correction")
    state, findings = (word, ()) if word else decay_state(frames, times, half_life_s)
    if state == "ADMIN":
        return np.ones(frames.count), findings
    if not state or half_life_s is None or math.isnan(times.scan_start_s):
        return None, findings
    if state == "START":
        refuse_unreal_decay(times.scan_start_s, half_life_s)
        share = float(decay_factor(times.scan_start_s, half_life_s))
        return np.full(frames.count, 1.0 / share), findings
    if not times.timing.is_known:
        return None, findings
    refuse_unreal_decay(times.timing.start_s, half_life_s)
    start_s, duration_s = times.timing.start_s, times.timing.duration_s
    return frame_decay_correction(start_s, duration_s, half_life_s), findings


def decay_state(
    frames: EcatFrames, times: EcatTimes, half_life_s: float | None
) -> tuple[str, tuple[Finding, ...]]:
    """START (corrected to the scan start), ADMIN, NONE, or empty if unknown."""
    factor = frames.decay_factor
    by_factor = bool((np.abs(factor[factor > 0] - 1.0) > _NOT_CORRECTED).any())
    by_bit = bool(frames.corrections & DECAY_BIT) if frames.corrections else None
    if by_bit is not None and by_bit != by_factor:
        told = "as decay-corrected" if by_bit else "as not decay-corrected"
        than = "no decay factor" if by_bit else "decay factors other than 1"
        message = f"The header lists the images {told} but gives {than}; enter decay_correction."
        code = "decay-correction-contradiction"
        return "", (finding(code, message, BOTH_REFUSED, "decay_correction"),)
    if not by_factor:
        if by_bit is False:
            return "NONE", ()
        message = "The header does not say whether decay is corrected; enter decay_correction."
        code = "decay-correction-unknown"
        return "", (finding(code, message, BOTH_REFUSED, "decay_correction"),)
    if half_life_s is None or fits(frames, 0.0, half_life_s):
        return "START", ()
    shift = times.scan_start_s
    if not math.isnan(shift) and fits(frames, shift, half_life_s):
        return "ADMIN", ()
    message = (
        "The decay factors do not fit the frame times and the half-life; the start of the scan was"
        " taken as the decay reference. Check the frame table and half_life_s."
    )
    fields = ("half_life_s", "decay_correction", *FIELDS)
    return "START", (finding("decay-factor-differs", message, BOTH_TO_CONFIRM, *fields),)


def fits(frames: EcatFrames, shift_s: float, half_life_s: float) -> bool:
    """Whether the decay factors are those of the frames with `shift_s` added to their starts."""
    if not (frames.duration_s > 0).all():
        return False
    with np.errstate(over="ignore"):  # a reference years away does not fit
        expected = frame_decay_correction(frames.start_s + shift_s, frames.duration_s, half_life_s)
    return bool((np.abs(frames.decay_factor / expected - 1.0) <= _DECAY_TOLERANCE).all())
