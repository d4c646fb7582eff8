"""What the numbers of a DICOM PET series rest on, attribute by attribute."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.study import Fact, Finding, PatientInfo
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY
from kiview.io import facts
from kiview.io.dicom_frame_times import StartSource
from kiview.io.dicom_frames import Frames
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_injection import InjectionFacts
from kiview.io.dicom_meaning import DecayState, Meaning
from kiview.io.dicom_multiframe_values import MAPPED
from kiview.io.dicom_slices import SliceStack
from kiview.io.dicom_suv import SuvFactors
from kiview.io.dicom_times import Clock
from kiview.io.overrides import UserGiven

_STATES = {
    "START": "to the start of the scan",
    "ADMIN": "to the injection",
    "NONE": "not corrected in the files; KiView corrects each frame",
}
_SHOWN_S = 0.001
_WHOLE_S = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class PetHeaders:
    """All that the headers of one PET series say.

    Attributes:
        headers: One row per image.
        given: What the user entered.
        patient: The patient.
        meaning: Unit of the values.
        state: Decay correction.
        stack: Where the images lie.
        frames: Which image is which slice of which frame, and when.
        injection: Time, dose, half-life.
        timing: Frame table, a stand-in where the times are unknown.
        findings: What was noticed.
        clock: Of the series.
    """

    headers: HeaderTable
    given: UserGiven
    patient: PatientInfo
    meaning: Meaning
    state: DecayState
    stack: SliceStack
    frames: Frames
    injection: InjectionFacts
    timing: FrameTiming
    findings: tuple[Finding, ...]
    clock: Clock

    @property
    def references_tz(self) -> NDArray[np.float64] | None:
        """(t, z) decay reference of each slice, where the files tell one for each."""
        references = self.state.references_s
        return None if references is None else references[self.frames.order.files]


def facts_of(
    known: PetHeaders, factors: SuvFactors, findings: tuple[Finding, ...]
) -> tuple[Fact, ...]:
    """The facts in the order to show them.

    Args:
        known: What the headers say.
        factors: SUV factors of the series.
        findings: All findings of the series.
    """
    headers = known.headers
    scale = factors.at_injection
    own = ""
    if known.meaning.units == "CNTS" and headers.number("PhilipsSuvFactor"):
        own = "SUV factor of Philips (7053,1000)"
    return (
        *_time_facts(known),
        _decay_fact(known),
        *_value_facts(known),
        facts.dose_fact(
            known.injection.dose_bq,
            facts.source_of(known.given, "dose_bq", _told(headers, "RadionuclideTotalDose")),
        ),
        *facts.patient_facts(
            known.patient,
            facts.source_of(known.given, "weight_kg", _told(headers, "PatientWeight")),
            facts.source_of(known.given, "height_m", _told(headers, "PatientSize")),
        ),
        facts.half_life_fact(
            known.injection.half_life_s,
            known.injection.nuclide,
            facts.source_of(known.given, "half_life_s", _told(headers, "RadionuclideHalfLife")),
        ),
        _slices_fact(known),
        facts.suv_fact(
            factors.of_file, None if scale is None else scale.factor_g_per_bq, findings, own
        ),
        *facts.scanner_fact(
            headers.text("Manufacturer"),
            headers.text("ManufacturerModelName"),
            "Manufacturer, ManufacturerModelName",
        ),
    )


def _told(headers: HeaderTable, name: str) -> str:
    """The attribute where it has a number, else why it gives none."""
    value, why = headers.positive(name)
    return name if value is not None else why.rstrip(".")


def _time_facts(known: PetHeaders) -> tuple[Fact, ...]:
    given, injection = known.given, known.injection
    timing = known.timing if known.timing.is_known else None
    is_from_injection = bool(given.lists) or not math.isnan(injection.time_s)
    starts = _starts_text(known.frames.source, known.state, known.headers)
    durations = known.headers.numbers("ActualFrameDuration")
    duration = "ActualFrameDuration is absent"
    if np.isfinite(durations).any():
        is_told = known.headers.text("FrameAcquisitionDuration")
        duration = "FrameAcquisitionDuration" if is_told else "ActualFrameDuration"
    zero, source = "unknown", "no attribute tells it; frames count from the start of the scan"
    if not math.isnan(injection.time_s):
        zero, source = known.clock.to_text(injection.time_s), injection.source
    elif given.lists:
        source = "no attribute tells it; the frame table entered by you counts from it"
    return (
        facts.frame_start_fact(
            timing,
            "the injection" if is_from_injection else "the start of the scan",
            facts.source_of(given, "frame_start_s", starts),
        ),
        facts.frame_duration_fact(timing, facts.source_of(given, "frame_duration_s", duration)),
        Fact("time-zero", "Injection (time zero)", zero, source),
    )


def _starts_text(source: StartSource, state: DecayState, headers: HeaderTable) -> str:
    """Which reading of the files gave the frame starts, and why."""
    is_absolute = np.isnan(headers.numbers("FrameReferenceTime")).all()
    if not source.name:
        return "no attribute tells the frames apart"
    told = [f"{source.name}, {source.why}"]
    told += [f"{name} {_difference(apart)}" for name, apart in source.compared]
    if not source.reference_is_told:
        told.append("FrameReferenceTime is absent or 0 and says nothing")
    elif not is_absolute and (source.compared or source.name.startswith("FrameReferenceTime")):
        told.append(f"FrameReferenceTime was counted from {state.source or 'an unknown start'}")
    told.append(
        {
            True: "confirmed by DecayFactor",
            False: "DecayFactor does not fit",
            None: "DecayFactor says nothing (absent, 1, or no half-life)",
        }[source.fits_decay]
    )
    text = "; ".join(told)
    if is_absolute:  # multi-frame objects tell a time of the clock
        text = text.replace("FrameReferenceTime", "FrameReferenceDateTime")
    if headers.text("FrameAcquisitionDateTime"):
        text = text.replace("AcquisitionTime", "FrameAcquisitionDateTime")
    return text


def _difference(apart_s: float) -> str:
    if apart_s < _SHOWN_S:
        return f"agrees to {_SHOWN_S:g} s"
    return f"differs by up to {apart_s:.{0 if apart_s >= _WHOLE_S else 3}f} s"


def _decay_fact(known: PetHeaders) -> Fact:
    state = known.state
    value = _STATES.get(state.correction, facts.UNKNOWN_VALUE)
    name = "DecayCorrected" if known.headers.text("DecayCorrected") else "DecayCorrection"
    told = f"{name} {known.headers.text(name)}" if known.headers.text(name) else f"{name} is absent"
    source = facts.source_of(known.given, "decay_correction", told)
    if state.correction == "START" and not math.isnan(state.reference_s):
        value += f", {known.clock.to_text(state.reference_s)}"
        elapsed = state.reference_s - known.injection.time_s
        if not math.isnan(elapsed):
            value += f" ({facts.moment_text(elapsed, 'the injection')})"
        if state.references_s is not None and np.ptp(state.references_s) > 0:
            value += " and later, each object with its own"
        source += f"; the time is that of {state.source}"
    return Fact("decay-reference", "Decay correction", value, source)


def _value_facts(known: PetHeaders) -> tuple[Fact, ...]:
    headers, meaning = known.headers, known.meaning
    mapped = "YES" in headers.distinct(MAPPED)
    slope = "RealWorldValueSlope" if mapped else "RescaleSlope"
    factor = ""
    if meaning.factor != 1.0:
        private = "0009" if meaning.quantity == ACTIVITY else "0000"
        factor = f" x {meaning.factor:g} of Philips (7053,10{private[2:]})"
    units = facts.source_of(
        known.given, "units", f"Units {meaning.units}" if meaning.units else "Units is absent"
    )
    largest = float(np.abs(np.nan_to_num(headers.numbers("RescaleIntercept"))).max())
    offset = "intercept 0" if largest == 0 else f"intercept up to {largest:g}"
    slopes = headers.numbers("RescaleSlope")[known.frames.order.files]
    return (
        facts.units_fact(meaning.quantity, f"{units}{factor}"),
        facts.scale_fact(slopes, f"{slope}, {offset}"),
    )


def _slices_fact(known: PetHeaders) -> Fact:
    order = known.frames.order
    source = "ImagePositionPatient along the normal, then the times of the frames"
    if known.headers.positive("NumberOfSlices")[0] == order.files.shape[1]:
        source += "; NumberOfSlices agrees"
    left = len(known.headers) - order.files.size
    if left:
        source += f"; {left} of {len(known.headers)} images left out"
    step_mm = float(known.stack.geometry.spacing_zyx_mm[0])
    return facts.slices_fact((order.files.shape[0], order.files.shape[1]), step_mm, source)
