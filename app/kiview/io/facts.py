"""What the numbers of a series rest on, in words that are the same for every kind of file."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kiview.core.study import Fact, Finding, PatientInfo, Verdict
from kiview.core.timing import FrameTiming
from kiview.core.units import UNKNOWN, Quantity
from kiview.io.nuclides import HALF_LIVES_S, nuclide_name
from kiview.io.overrides import UserGiven

ENTERED = "entered by you"
UNKNOWN_VALUE = "unknown"
_SAME_TIME_S = 1e-3
_BQ_PER_MBQ = 1e6


def seconds_text(seconds: float) -> str:
    """A time span to the millisecond, without zeros that say nothing."""
    return f"{round(seconds, 3) + 0.0:.10g} s"


def moment_text(seconds: float, base: str) -> str:
    """A moment by its distance from another one."""
    if seconds == 0:
        return base
    return f"{seconds_text(abs(seconds))} {'after' if seconds > 0 else 'before'} {base}"


def range_text(values: NDArray[np.float64], unit: str = "") -> str:
    """One number, or the smallest and the largest."""
    low, high = float(values.min()), float(values.max())
    text = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
    return f"{text} {unit}".rstrip()


def source_of(given: UserGiven, name: str, otherwise: str) -> str:
    """`entered by you` where the user gave a value, else where it comes from."""
    known = {**given.numbers, **given.words, **given.lists}
    return ENTERED if name in known else otherwise


def frame_start_fact(timing: FrameTiming | None, zero: str, source: str) -> Fact:
    """When frames begin and the last one ends.

    Args:
        timing: The frame table, None where it is unknown.
        zero: What the times count from, for example `the injection`.
        source: Which attribute, and what it was compared with.
    """
    if timing is None:
        return Fact("frame-start", "Start of frames", UNKNOWN_VALUE, source)
    start, end = float(timing.start_s.min()), float(timing.end_s.max())
    count = timing.frame_count
    value = f"{count} {'frame' if count == 1 else 'frames'} from {seconds_text(start)} to"
    value += f" {seconds_text(end)} after {zero}"
    if timing.is_per_slice:
        value += ", each slice at its own time"
    return Fact("frame-start", "Start of frames", value, source)


def frame_duration_fact(timing: FrameTiming | None, source: str) -> Fact:
    """How long frames last, and what lies between them."""
    label = "Frame duration"
    if timing is None:
        return Fact("frame-duration", label, UNKNOWN_VALUE, source)
    value = range_text(np.round(timing.duration_s, 3), "s")
    if timing.frame_count > 1:
        value += f", {_gaps(timing)}"
    return Fact("frame-duration", label, value, source)


def _gaps(timing: FrameTiming) -> str:
    gaps = timing.gaps_s()
    widest, narrowest = float(gaps.max()), float(gaps.min())
    told = []
    if widest > _SAME_TIME_S:
        told.append(f"gaps of up to {seconds_text(widest)}")
    if narrowest < -_SAME_TIME_S:
        told.append(f"overlaps of up to {seconds_text(-narrowest)}")
    return " and ".join(told) or "without gaps or overlaps"


def dose_fact(dose_bq: float | None, source: str) -> Fact:
    """Injected activity."""
    value = UNKNOWN_VALUE if dose_bq is None else f"{dose_bq / _BQ_PER_MBQ:.6g} MBq"
    return Fact("dose", "Injected activity", value, source)


def patient_facts(patient: PatientInfo, weight_source: str, height_source: str) -> tuple[Fact, ...]:
    """Body weight, and height where it is known (it is shown, SUV by body weight needs none)."""
    weight = UNKNOWN_VALUE if patient.weight_kg is None else f"{patient.weight_kg:g} kg"
    told = [Fact("weight", "Body weight", weight, weight_source)]
    if patient.height_m is not None:
        source = f"{height_source}; not needed for SUV by body weight"
        told.append(Fact("height", "Body height", f"{patient.height_m:g} m", source))
    return tuple(told)


def dose_and_patient_facts(
    given: UserGiven,
    dose_bq: float | None,
    patient: PatientInfo,
    told: tuple[str, str, str],
) -> tuple[Fact, ...]:
    """What SUV needs besides the values.

    Args:
        given: What the user entered.
        dose_bq: Or None.
        patient: Weight and height, as far as known.
        told: Where dose, weight and height come from if the user did not enter them.
    """
    names = ("dose_bq", "weight_kg", "height_m")
    dose, weight, height = (source_of(given, *pair) for pair in zip(names, told, strict=True))
    return (dose_fact(dose_bq, dose), *patient_facts(patient, weight, height))


def half_life_source(stated_s: float | None, field: str, nuclide: str) -> str:
    """Where a half-life comes from: a field with a positive number, else the nuclide."""
    if stated_s is not None and stated_s > 0:
        return field
    return f"known of {nuclide}" if nuclide else "neither half-life nor nuclide is told"


def half_life_fact(half_life_s: float | None, nuclide: str, source: str) -> Fact:
    """Half-life with its radionuclide and how far it is from the known one."""
    name = nuclide_name(nuclide)
    value = UNKNOWN_VALUE if half_life_s is None else f"{half_life_s:g} s"
    value += f" ({name})" if name else ""
    known = HALF_LIVES_S.get(name)
    if half_life_s is None:
        pass
    elif not name:
        source += "; the nuclide is not told, so it was compared with none"
    elif known is None:
        source += f"; KiView knows no half-life of {name} to compare with"
    else:
        percent = round(100 * abs(half_life_s / known - 1), 3)
        source += f"; {percent:g} % from the known {known:g} s"
    return Fact("half-life", "Half-life", value, source)


def units_fact(quantity: Quantity, source: str) -> Fact:
    """What voxel values mean."""
    value = f"{quantity.label} in {quantity.unit.symbol}"
    if quantity == UNKNOWN:
        value = UNKNOWN_VALUE
    return Fact("units", "Voxel values", value, source)


def scale_fact(slope_tz: NDArray[np.float64], source: str) -> Fact:
    """Scale factor from stored values: one, per frame, or per slice.

    Args:
        slope_tz: (t, z) as in the files.
        source: Which attribute.
    """
    if np.ptp(slope_tz) == 0:
        each = ", the same for all"
    elif np.ptp(slope_tz, axis=1).max() == 0:
        each = ", one per frame"
    else:
        each = ", one per slice"
    return Fact("scale-factor", "Scale factor", range_text(slope_tz) + each, source)


def slices_fact(shape_tz: tuple[int, int], step_mm: float, source: str) -> Fact:
    """How many slices each frame has, and how they were put in order."""
    frames, slices = shape_tz
    of_each = " in each frame" if frames > 1 else ""
    value = f"{slices} {'slice' if slices == 1 else 'slices'}{of_each}, {step_mm:.4g} mm apart"
    return Fact("slices", "Slices", value, source)


def suv_fact(
    of_file: float | None, at_injection: float | None, findings: Iterable[Finding], own: str = ""
) -> Fact:
    """Factor to SUV by body weight, or what stands in its way.

    Args:
        of_file: In g/Bq for values as in the files, 1 for values that are SUV, None if there is
            none.
        at_injection: In g/Bq for activity at the injection, None if there is none.
        findings: Of the series.
        own: The attribute that holds the factor; empty where it was made from weight and dose.
    """
    label = "SUV factor"
    if of_file == 1.0 and at_injection is None:
        return Fact("suv-factor", label, "1", own or "the values are SUV already")
    if of_file is not None:
        value = f"{of_file:.6g} g/Bq, for values as in the files"
        source = "weight / injected activity, decayed from the injection to the decay reference"
        return Fact("suv-factor", label, value, own or source)
    if at_injection is not None:
        value = f"{at_injection:.6g} g/Bq, for activity at the injection"
        source = "weight / injected activity; each frame has its own decay factor"
        return Fact("suv-factor", label, value, source)
    why = ", ".join(dict.fromkeys(one.code for one in findings if one.suv is Verdict.REFUSED))
    reason = f"refused by {why}" if why else "the values have no known relation to SUV"
    return Fact("suv-factor", label, "none", reason)


def scanner_fact(maker: str, model: str, source: str) -> tuple[Fact, ...]:
    """Scanner, where anything is told."""
    told = " ".join(part for part in (maker.strip(), model.strip()) if part)
    return (Fact("scanner", "Scanner", told, source),) if told else ()
