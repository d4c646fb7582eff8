"""What the numbers of an ECAT 7 volume rest on."""

import math
from dataclasses import dataclass

import numpy as np

from kiview.core.study import Fact, Finding, PatientInfo
from kiview.io import ecat_meaning, facts
from kiview.io.bids_sidecar import SidecarMeaning
from kiview.io.dicom_times import DAY_S, Clock
from kiview.io.ecat_header import EcatFile
from kiview.io.ecat_meaning import EcatTimes
from kiview.io.overrides import UserGiven

_STATES = {
    "START": "to the start of the scan",
    "ADMIN": "to the injection",
    "NONE": "not corrected in the file; KiView corrects each frame",
}


@dataclass(frozen=True, slots=True, eq=False)
class EcatPet:
    """All that is known of one file.

    Attributes:
        file: Its headers.
        given: What the user entered.
        patient: The patient.
        units: Meaning of the values.
        times: Frame table.
        dose_bq: Or None.
        half_life_s: Or None.
    """

    file: EcatFile
    given: UserGiven
    patient: PatientInfo
    units: SidecarMeaning
    times: EcatTimes
    dose_bq: float | None
    half_life_s: float | None


def facts_of(
    known: EcatPet,
    of_file: float | None,
    at_injection: float | None,
    findings: tuple[Finding, ...],
) -> tuple[Fact, ...]:
    """The facts in the order to show them.

    Args:
        known: What the file and the user say.
        of_file: SUV factor of values as in the file, or None.
        at_injection: SUV factor of activity at the injection, or None.
        findings: All findings of the series.
    """
    file, given = known.file, known.given
    shape = (file.frames.count, file.geometry.shape_zyx[0])
    calibration = file.number("ecat_calibration_factor")
    system = file.number("system_type")
    return (
        *_time_facts(known),
        _decay_fact(known),
        facts.units_fact(
            known.units.quantity,
            facts.source_of(given, "units", f"data_units {file.text('data_units')}".rstrip()),
        ),
        facts.scale_fact(
            np.broadcast_to(file.frames.scale[:, None], shape),
            f"scale_factor of each frame, besides ecat_calibration_factor {calibration:g}",
        ),
        *facts.dose_and_patient_facts(
            given,
            known.dose_bq,
            known.patient,
            (
                "the header's dosage has no unit",
                _told(file, "patient_weight"),
                _told(file, "patient_height"),
            ),
        ),
        _half_life_fact(known),
        facts.slices_fact(
            shape,
            float(file.geometry.spacing_zyx_mm[0]),
            "planes from head to feet in the file; frames by frame_start_time",
        ),
        facts.suv_fact(of_file, at_injection, findings),
        *facts.scanner_fact("ECAT", f"system {system:g}" if system > 0 else "", "system_type"),
    )


def _told(file: EcatFile, name: str) -> str:
    return name if file.number(name) > 0 else f"{name} is absent or 0"


def _time_facts(known: EcatPet) -> tuple[Fact, ...]:
    file, given, times = known.file, known.given, known.times
    timing = times.timing if times.timing.is_known else None
    is_from_injection = bool(given.lists) or not math.isnan(times.scan_start_s)
    zero, source = "unknown", "no field tells it; frames count from the start of the scan"
    days, start_s = divmod(file.number("scan_start_time"), DAY_S)
    if not math.isnan(times.scan_start_s):
        clock = Clock(ecat_meaning.UNIX_DAY + int(days))
        zero = f"{clock.to_text(start_s - times.scan_start_s)} UTC"
        source = facts.source_of(given, "injection_time", "dose_start_time")
        if given.lists and "injection_time" not in given.words and _has_no_dose_time(file):
            source = "the frame table entered by you counts from it"
    start = f"frame_start_time after scan_start_time; {_decay_check(known)}"
    return (
        facts.frame_start_fact(
            timing,
            "the injection" if is_from_injection else "the start of the scan",
            facts.source_of(given, "frame_start_s", start),
        ),
        facts.frame_duration_fact(
            timing, facts.source_of(given, "frame_duration_s", "frame_duration")
        ),
        Fact("time-zero", "Injection (time zero)", zero, source),
    )


def _has_no_dose_time(file: EcatFile) -> bool:
    return file.number("dose_start_time") <= 0 or file.number("scan_start_time") <= 0


def _decay_check(known: EcatPet) -> str:
    """What decay_corr_fctr says about the frame times."""
    frames, shift_s = known.file.frames, known.times.scan_start_s
    factor = frames.decay_factor
    if known.half_life_s is None or not (np.abs(factor[factor > 0] - 1.0) > 0).any():
        return "decay_corr_fctr says nothing (absent, 1, or no half-life)"
    if ecat_meaning.fits(frames, 0.0, known.half_life_s):
        return "confirmed by decay_corr_fctr, counted from the start of the scan"
    if not math.isnan(shift_s) and ecat_meaning.fits(frames, shift_s, known.half_life_s):
        return "confirmed by decay_corr_fctr, counted from the injection"
    return "decay_corr_fctr does not fit"


def _decay_fact(known: EcatPet) -> Fact:
    given = known.given
    word = given.word("decay_correction")
    state = word or ecat_meaning.decay_state(known.file.frames, known.times, known.half_life_s)[0]
    value = _STATES.get(state, facts.UNKNOWN_VALUE)
    if state == "START" and not math.isnan(known.times.scan_start_s):
        value += f" ({facts.moment_text(known.times.scan_start_s, 'the injection')})"
    source = facts.source_of(
        given, "decay_correction", "corrections_applied and decay_corr_fctr together"
    )
    return Fact("decay-reference", "Decay correction", value, source)


def _half_life_fact(known: EcatPet) -> Fact:
    nuclide = ecat_meaning.nuclide_of(known.file)
    stated_s = known.file.number("isotope_halflife")
    source = facts.half_life_source(stated_s, "isotope_halflife", nuclide)
    return facts.half_life_fact(
        known.half_life_s, nuclide, facts.source_of(known.given, "half_life_s", source)
    )
