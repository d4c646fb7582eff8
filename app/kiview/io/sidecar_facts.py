"""What the numbers of a NIfTI image with a BIDS sidecar rest on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.study import Fact, Finding, PatientInfo
from kiview.core.tracer import frame_decay_correction
from kiview.io import bids_sidecar, facts
from kiview.io.bids_sidecar import Sidecar, SidecarMeaning, SidecarTimes
from kiview.io.nifti_header import NiftiHeader
from kiview.io.overrides import UserGiven

_DECAY_TOLERANCE = 5e-3
"""Real files reach 4e-3 over six half-lives, as their scanner has a half-life of its own; the start
and the middle of a frame of 60 s of 11C are 1.7e-2 apart."""
_NO_WEIGHT = "NIfTI and its sidecar carry none"


@dataclass(frozen=True, slots=True, eq=False)
class SidecarPet:
    """All that is known of one image.

    Attributes:
        header: Of the image.
        sidecar: Beside it.
        given: What the user entered.
        meaning: Unit of the values.
        times: Frame table.
        dose_bq: Or None.
        half_life_s: Or None.
    """

    header: NiftiHeader
    sidecar: Sidecar
    given: UserGiven
    meaning: SidecarMeaning
    times: SidecarTimes
    dose_bq: float | None
    half_life_s: float | None


def facts_of(
    known: SidecarPet,
    of_file: float | None,
    at_injection: float | None,
    findings: tuple[Finding, ...],
) -> tuple[Fact, ...]:
    """The facts in the order to show them.

    Args:
        known: What the files and the user say.
        of_file: SUV factor of values as in the file, or None.
        at_injection: SUV factor of activity at the injection, or None.
        findings: All findings of the series.
    """
    given, sidecar = known.given, known.sidecar
    patient = PatientInfo(weight_kg=given.number("weight_kg"), height_m=given.number("height_m"))
    shape = (known.header.frame_count, known.header.geometry.shape_zyx[0])
    step_mm = float(known.header.geometry.spacing_zyx_mm[0])
    return (
        *_time_facts(known),
        _decay_fact(known),
        facts.units_fact(
            known.meaning.quantity,
            facts.source_of(given, "units", _told(sidecar, "Units", "Unit")) + _times_factor(known),
        ),
        facts.scale_fact(
            np.full(shape, known.header.slope),
            f"NIfTI header, intercept {known.header.intercept:g}",
        ),
        *facts.dose_and_patient_facts(
            given,
            known.dose_bq,
            patient,
            (_told(sidecar, "InjectedRadioactivity"), _NO_WEIGHT, _NO_WEIGHT),
        ),
        _half_life_fact(known),
        facts.slices_fact(shape, step_mm, "NIfTI header, in its order"),
        facts.suv_fact(of_file, at_injection, findings),
        *facts.scanner_fact(
            sidecar.text("Manufacturer"),
            sidecar.text("ManufacturersModelName", "ManufacturerModelName"),
            "Manufacturer, ManufacturersModelName",
        ),
    )


def _told(sidecar: Sidecar, *names: str) -> str:
    """The first of some fields that is there, else that there is none."""
    for name in names:
        if sidecar.values.get(name) not in (None, "", "n/a"):
            unit = sidecar.text(f"{name}Units", f"{name}Unit")
            return f"{name} {str(sidecar.values[name])[:30]} {unit}".rstrip()
    return f"{names[0]} is absent"


def _times_factor(known: SidecarPet) -> str:
    factor = known.meaning.factor
    return "" if factor == 1.0 else f", each {factor:g} Bq/mL"


def _time_facts(known: SidecarPet) -> tuple[Fact, ...]:
    given, sidecar = known.given, known.sidecar
    timing = known.times.timing if known.times.timing.is_known else None
    start = "no sidecar tells it"
    if "FrameTimesStart" in sidecar.values:
        start = f"FrameTimesStart less InjectionStart; {_decay_check(known)}"
    zero, source = "unknown", "no sidecar tells it"
    if given.lists:
        source = "the frame table entered by you counts from it"
    if "FrameTimesStart" in sidecar.values:
        begin = sidecar.number("InjectionStart")
        base = f"TimeZero {sidecar.text('TimeZero')}".rstrip()
        zero = facts.moment_text(known.times.injection_s, base)
        source = "InjectionStart" if begin is not None else "InjectionStart is absent: TimeZero"
    return (
        facts.frame_start_fact(
            timing, "the injection", facts.source_of(given, "frame_start_s", start)
        ),
        facts.frame_duration_fact(
            timing,
            facts.source_of(
                given,
                "frame_duration_s",
                "FrameDuration" if timing is not None else "FrameDuration is absent",
            ),
        ),
        Fact("time-zero", "Injection (time zero)", zero, source),
    )


def _decay_check(known: SidecarPet) -> str:
    """What the decay factors of the sidecar say about the frame times."""
    sidecar, timing = known.sidecar, known.times.timing
    told = {name: sidecar.numbers(name) for name in ("DecayFactor", "DecayCorrectionFactor")}
    for name, factor in told.items():
        if factor is not None and len(factor) == timing.frame_count and np.ptp(factor) > 0:
            return _compared(known, name, factor)
    return "no decay factor for each frame to compare with"


def _compared(known: SidecarPet, name: str, factor: NDArray[np.float64]) -> str:
    if known.half_life_s is None:
        return f"{name} was not compared, as the half-life is unknown"
    timing = known.times.timing
    stated = known.sidecar.number("ImageDecayCorrectionTime") or 0.0
    references = {
        "ImageDecayCorrectionTime": stated - known.times.injection_s,
        "the start of the scan": float(timing.start_s[0]),
        "the injection": 0.0,
    }
    apart = {}
    for told, reference_s in references.items():
        with np.errstate(over="ignore"):  # a reference from another day does not agree
            start_s = timing.start_s - reference_s
            expected = frame_decay_correction(start_s, timing.duration_s, known.half_life_s)
        apart[told] = float(np.abs(factor / expected - 1.0).max())
    nearest = min(apart, key=apart.__getitem__)
    percent = f"{100 * apart[nearest]:.2g} %"
    if apart[nearest] > _DECAY_TOLERANCE:
        return f"{name} does not fit: it differs by {percent} or more"
    return f"confirmed by {name}, counted from {nearest}, to {percent}"


def _decay_fact(known: SidecarPet) -> Fact:
    given, sidecar = known.given, known.sidecar
    word, stated = given.word("decay_correction"), sidecar.number("ImageDecayCorrectionTime")
    corrected = sidecar.truth("ImageDecayCorrected") if not word else word != "NONE"
    if corrected is None:
        value, source = facts.UNKNOWN_VALUE, "ImageDecayCorrected is absent"
    elif not corrected:
        value = "not corrected in the file; KiView corrects each frame"
        source = "ImageDecayCorrected false"
    elif word:
        value = "to the injection" if word == "ADMIN" else "to the start of the first frame"
        source = ""
    else:
        after = (stated or 0.0) - known.times.injection_s
        value = f"to {facts.moment_text(after, 'the injection')}"
        source = "ImageDecayCorrectionTime"
        if stated is None:
            source += " is absent: TimeZero"
    source = facts.source_of(given, "decay_correction", source)
    return Fact("decay-reference", "Decay correction", value, source)


def _half_life_fact(known: SidecarPet) -> Fact:
    stated = known.sidecar.number("RadionuclideHalfLife")
    nuclide = bids_sidecar.nuclide_of(known.sidecar)
    source = facts.half_life_source(stated, "RadionuclideHalfLife", nuclide)
    return facts.half_life_fact(
        known.half_life_s, nuclide, facts.source_of(known.given, "half_life_s", source)
    )
