"""SUV of a PET series: factors for values as in the files and for values at the injection."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.study import Finding, PatientInfo, Verdict
from kiview.core.suv import SuvScale, suvbw_factor_g_per_bq
from kiview.core.tracer import decay_factor, frame_decay_correction, refuse_unreal_decay
from kiview.core.units import ACTIVITY, SUV_BW
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_injection import InjectionFacts
from kiview.io.dicom_meaning import SUV_REFUSED, DecayState, Meaning, finding
from kiview.io.overrides import UserGiven

USUAL_WEIGHT_KG = (2.0, 350.0)
_CM_ABOVE_M = 3.0
_GROWN_M = 1.4
_USUAL_KG_PER_M2 = (10.0, 80.0)
"""Body mass index of people above `_GROWN_M`; outside it one digit is lost or a unit is another."""


def patient_of(headers: HeaderTable, given: UserGiven) -> PatientInfo:
    """The patient of a series; entered values win, unusable ones count as absent."""
    height = given.number("height_m") or headers.positive("PatientSize")[0]
    if height is not None and height > _CM_ABOVE_M:
        height /= 100.0
    weight = given.number("weight_kg") or headers.positive("PatientWeight")[0]
    return PatientInfo(
        headers.text("PatientID"),
        headers.text("PatientName"),
        headers.text("PatientSex").upper(),
        weight,
        height,
    )


def weight_findings(
    weight_kg: float | None, why: str = "", height_m: float | None = None
) -> tuple[Finding, ...]:
    """What a body weight means for SUV; Ki needs none.

    Args:
        weight_kg: Or None.
        why: Why there is none, a sentence.
        height_m: Or None.
    """
    if weight_kg is None:
        why = why or "The body weight is not told."
        message = f"{why} Without a weight there is no SUV (Ki needs none); enter weight_kg."
        return (finding("weight-missing", message, SUV_REFUSED, "weight_kg"),)
    verdicts = (Verdict.CONFIRM, Verdict.READY)
    low, high = USUAL_WEIGHT_KG
    if not low <= weight_kg <= high:
        message = f"A body weight of {weight_kg:g} kg is unusual; check it or enter weight_kg."
        return (finding("weight-unusual", message, verdicts, "weight_kg"),)
    thin, stout = _USUAL_KG_PER_M2
    if height_m is None or height_m < _GROWN_M or thin <= weight_kg / height_m**2 <= stout:
        return ()
    message = (
        f"A body weight of {weight_kg:g} kg does not fit a height of {height_m:g} m"
        f" ({weight_kg / height_m**2:.1f} kg/m2); check both, or enter weight_kg or height_m."
    )
    return (finding("weight-unusual", message, verdicts, "weight_kg", "height_m"),)


@dataclass(frozen=True, slots=True)
class SuvFactors:
    """Factors to SUV by body weight, None where it cannot be known.

    Attributes:
        of_file: For values as in the files (rescaled, at the files' decay reference).
        at_injection: For activity decay-corrected to the injection.
    """

    of_file: float | None = None
    at_injection: SuvScale | None = None


def decay_to_injection(
    state: DecayState,
    injection: InjectionFacts,
    start_s: NDArray[np.float64],
    duration_s: NDArray[np.float64],
    reference_s: NDArray[np.float64] | None = None,
) -> NDArray[np.float64] | None:
    """Factor that brings values of the files to the injection, or None if it cannot be known.

    Args:
        state: Decay correction of the files.
        injection: Time and half-life.
        start_s: Frame starts in s from the injection, any shape.
        duration_s: Same shape.
        reference_s: Decay reference of START on the series' clock, same shape; None takes the one
            of the series.

    Raises:
        InvalidInputError: injection and image lie too many half-lives apart.
    """
    if state.correction == "ADMIN":
        return np.ones_like(start_s)
    if injection.half_life_s is None or math.isnan(injection.time_s):
        return None
    if state.correction == "START" and not math.isnan(state.reference_s):
        told = np.float64(state.reference_s) if reference_s is None else reference_s
        elapsed = told - injection.time_s
        refuse_unreal_decay(elapsed, injection.half_life_s)
        return np.full_like(start_s, 1.0 / decay_factor(elapsed, injection.half_life_s))
    if state.correction == "NONE" and np.isfinite(start_s).all():
        refuse_unreal_decay(start_s, injection.half_life_s)
        return frame_decay_correction(start_s, duration_s, injection.half_life_s)
    return None


def suv_factors(
    headers: HeaderTable,
    meaning: Meaning,
    injection: InjectionFacts,
    to_injection: NDArray[np.float64] | None,
    weight_kg: float | None,
) -> SuvFactors:
    """Find the SUV factors of a series by the rule of its unit.

    Args:
        headers: Of the series, for Philips' own factor.
        meaning: Unit of the values.
        injection: Dose and half-life.
        to_injection: Result of `decay_to_injection`.
        weight_kg: Body weight, or None.
    """
    private = headers.number("PhilipsSuvFactor") if meaning.units == "CNTS" else None
    if meaning.quantity == SUV_BW:
        return SuvFactors(private if private else 1.0)
    if meaning.quantity != ACTIVITY or to_injection is None:
        return SuvFactors(private) if private and private > 0 else SuvFactors()
    decay = float(to_injection.flat[0])
    is_one_time = bool(np.ptp(to_injection) == 0)
    if private and private > 0 and is_one_time:
        return SuvFactors(private, SuvScale(private / meaning.factor / decay))
    if not weight_kg or not injection.dose_bq:
        return SuvFactors()
    scale = suvbw_factor_g_per_bq(weight_kg, injection.dose_bq, 0.0, injection.half_life_s or 1.0)
    of_file = scale * decay * meaning.factor if is_one_time else None
    return SuvFactors(of_file, SuvScale(scale))
