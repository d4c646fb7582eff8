"""Input functions: activity of the tracer in arterial blood or plasma over time."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core.errors import (
    InvalidInputError,
    MissingInformationError,
    QuantityMismatchError,
)
from kiview.core.feng import FENG_FDG, FENG_SUV_PER_UNIT, FengParameters, feng_integral
from kiview.core.input_curves import Curve, FengCurve, FrameCurve, SampledCurve
from kiview.core.tac import TimeActivityCurve
from kiview.core.units import Quantity

LATE_START_TOLERANCE_S = 1.0
"""A first frame that starts later than this after injection misses part of the integral."""
GAP_TOLERANCE_S = 1.0
"""Gaps between frames longer than this are told to the user."""


class InputSource(StrEnum):
    """Where an input function came from."""

    IMAGE = "image-derived"
    POPULATION = "population"
    SAMPLES = "samples"
    NETWORK = "network"


class Compartment(StrEnum):
    """What the activity refers to."""

    PLASMA = "plasma"
    WHOLE_BLOOD = "whole blood"


@dataclass(frozen=True, slots=True, eq=False)
class InputFunction:
    """Activity of the tracer in arterial plasma from injection, decay-corrected to injection.

    Attributes:
        curve: Activity over time before `plasma_factor`.
        source: Where it came from.
        quantity: Meaning and unit; must equal the image's for Patlak.
        compartment: What the curve was measured in.
        plasma_factor: Plasma / measured ratio the curve is multiplied with (default 1).
        description: One line for screen and records.
        findings: Sentences about what was assumed.
    """

    curve: Curve
    source: InputSource
    quantity: Quantity
    compartment: Compartment = Compartment.WHOLE_BLOOD
    plasma_factor: float = 1.0
    description: str = ""
    findings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (np.isfinite(self.plasma_factor) and self.plasma_factor > 0):
            raise InvalidInputError(
                f"The plasma-to-blood factor {self.plasma_factor!r} is not positive; enter one."
            )

    def at(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Plasma activity at times in s from injection."""
        return self.plasma_factor * self.curve.at(time_s)

    def integral(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Integral of the plasma activity from injection to times in s, activity x s."""
        return self.plasma_factor * self.curve.integral(time_s)

    def frame_mean(self, start_s: ArrayLike, duration_s: ArrayLike) -> NDArray[np.float64]:
        """Mean plasma activity over frames."""
        start, duration = np.asarray(start_s, np.float64), np.asarray(duration_s, np.float64)
        return (self.integral(start + duration) - self.integral(start)) / duration

    def samples(self, end_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(time_s, plasma activity) to draw or store; `end_s` bounds a curve without an end."""
        time = self.curve.natural_time_s(end_s)
        return time, self.at(time)


def from_region(
    tac: TimeActivityCurve,
    population: FengParameters | None = None,
    scale_window_s: tuple[float, float] = (1800.0, 3600.0),
) -> InputFunction:
    """Image-derived input function from the curve of a blood region.

    When the first frame starts after injection, the integral before it is taken from the
    population curve scaled to this region, and a finding says so.

    Args:
        tac: Curve of the blood region, frames from injection.
        population: Shape for the missing early part; None refuses instead.
        scale_window_s: Window over which that shape is scaled.

    Returns:
        Whole-blood input function in the region's quantity.

    Raises:
        MissingInformationError: the frames start late and no population curve is given.
        InvalidInputError: the curve holds values that are not numbers.
    """
    if not np.isfinite(tac.mean).all():
        raise InvalidInputError(f"The curve of {tac.name!r} has frames without a value.")
    before, findings = _missing_start(tac, population, scale_window_s)
    gaps = tac.timing.gaps_s()
    if (gaps > GAP_TOLERANCE_S).any():
        told = f"{int((gaps > GAP_TOLERANCE_S).sum())} gap(s) between frames, the longest"
        findings += (f"{told} {gaps.max():.0f} s, were filled by straight lines.",)
    curve = FrameCurve(tac.timing.start_s, tac.timing.duration_s, tac.mean, before)
    description = f"image-derived, region {tac.name or 'unnamed'} ({tac.voxel_count} voxels)"
    return InputFunction(
        curve, InputSource.IMAGE, tac.quantity, description=description, findings=findings
    )


def from_samples(
    time_s: ArrayLike,
    activity: ArrayLike,
    quantity: Quantity,
    compartment: Compartment = Compartment.PLASMA,
    description: str = "",
) -> InputFunction:
    """Input function from blood samples, decay-corrected to injection.

    Args:
        time_s: (n,) s from injection, increasing.
        activity: (n,) in `quantity`.
        quantity: Meaning and unit.
        compartment: What was counted.
        description: One line for screen and records.

    Raises:
        InvalidInputError: fewer than two samples, negative or repeated times, values that are not
            numbers.
    """
    curve = SampledCurve(np.asarray(time_s, np.float64), np.asarray(activity, np.float64))
    return InputFunction(curve, InputSource.SAMPLES, quantity, compartment, 1.0, description)


def from_population(
    tac: TimeActivityCurve,
    scale_window_s: tuple[float, float] = (1800.0, 3600.0),
    parameters: FengParameters = FENG_FDG,
) -> InputFunction:
    """Population curve scaled to a blood region over a window of frames.

    scale = sum of frame mean x duration / integral of the shape over the same frames
    (`science.md` 1.3 a).

    Raises:
        InvalidInputError: no frame lies in the window or the region holds no activity there.
    """
    scale = _population_scale(tac, parameters, scale_window_s)
    first, last = scale_window_s[0] / 60, scale_window_s[1] / 60
    description = (
        f"population curve (Feng shape, simulation), scaled to region {tac.name or 'unnamed'}"
        f" over {first:g}-{last:g} min"
    )
    curve = FengCurve(parameters, scale)
    return InputFunction(curve, InputSource.POPULATION, tac.quantity, description=description)


def from_population_and_dose(
    quantity: Quantity, value_per_suv: float, parameters: FengParameters = FENG_FDG
) -> InputFunction:
    """Population curve scaled by dose and weight to SUV 1.6 at 60 min; a rough guess of scale.

    Args:
        quantity: Quantity of the image.
        value_per_suv: Image value at SUV 1 (1 for SUV images, 1 / SUV factor for activity).
        parameters: Shape.
    """
    curve = FengCurve(parameters, FENG_SUV_PER_UNIT * value_per_suv)
    return InputFunction(
        curve,
        InputSource.POPULATION,
        quantity,
        description="population curve (Feng shape, simulation), scaled by dose and weight",
        findings=("The input function was not measured: its scale is a typical one.",),
    )


def require_same_quantity(image_quantity: Quantity, input_function: InputFunction) -> None:
    """Refuse an input function in another unit than the image.

    Raises:
        QuantityMismatchError: the units differ.
    """
    if image_quantity.unit != input_function.quantity.unit:
        raise QuantityMismatchError(
            f"The image is in {image_quantity.unit.symbol} but the input function in"
            f" {input_function.quantity.unit.symbol}; take the input from this study or convert it."
        )


def _population_scale(
    tac: TimeActivityCurve, parameters: FengParameters, window_s: tuple[float, float]
) -> float:
    inside = tac.timing.in_window(*window_s)
    if not inside.any():
        raise InvalidInputError(
            f"No frame lies in the scaling window {window_s[0] / 60:g}-{window_s[1] / 60:g} min;"
            " choose a window inside the scan."
        )
    start, end = tac.timing.start_s[inside] / 60, tac.timing.end_s[inside] / 60
    shape = 60 * (feng_integral(end, parameters) - feng_integral(start, parameters)).sum()
    measured = float((tac.mean * tac.timing.duration_s)[inside].sum())
    if not measured > 0:
        raise InvalidInputError(
            f"The region {tac.name!r} holds no activity in the scaling window; move it into blood."
        )
    return measured / float(shape)


def _missing_start(
    tac: TimeActivityCurve,
    population: FengParameters | None,
    window_s: tuple[float, float],
) -> tuple[float, tuple[str, ...]]:
    """Integral before the first frame and what to tell about it."""
    first_s = float(tac.timing.start_s[0])
    if first_s <= LATE_START_TOLERANCE_S:
        return 0.0, ()
    if population is None:
        raise MissingInformationError(
            f"The first frame starts {first_s:.0f} s after injection, so the integral of the input"
            " function before it is unknown; choose a population curve or give blood samples."
        )
    inside = tac.timing.in_window(*window_s)
    window = window_s if inside.any() else (first_s, float(tac.timing.end_s[-1]))
    curve = FengCurve(population, _population_scale(tac, population, window))
    told = f"The first frame starts {first_s:.0f} s after injection; the integral before it comes"
    return float(curve.integral(first_s)), (f"{told} from the population curve scaled to it.",)
