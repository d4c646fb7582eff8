"""Input functions as a site would have them: with the errors of image regions and populations.

Where the errors come from (fact sheet, sections 1.3 to 1.6): small regions lose activity to partial
volume and gain it from warm surroundings (aorta against arterial samples 0.97 to 1.00 with 7 to
11 %, van der Weerdt 2001; low early and high late, Naganawa 2020); frames average the peak; a scan
that starts late takes the missing part from a population curve; a population curve carries another
person's shape. The plasma/blood ratio is not corrected (the product's default is 1.00). The sizes
of all errors below are design values.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FENG_FDG
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S, decay_factor
from kiview.simulate.kinetics import SampledInput, frame_averages, patlak_basis
from kiview.simulate.plasma import POPULATION_LEVEL, PlasmaSettings

Floats = NDArray[np.float64]
MeasuredSource = Literal["true", "image", "scaled population", "population"]
SOURCES: tuple[MeasuredSource, ...] = ("true", "image", "scaled population", "population")

_WARM_KI, _WARM_V0 = (0.002, 0.012), (0.25, 0.6)
"""Ki (/min) and V0 of what surrounds the aorta, uniform."""
_REFERENCE_S, _REFERENCE_MID_S = 300.0, 2700.0
_SCALE_FROM_S = 1800.0
_LATE_START_S = 1.0


@dataclass(frozen=True, slots=True)
class InputErrors:
    """How large the errors are.

    Attributes:
        shares: Weight of each of `SOURCES`.
        recovery: Range of the share of the aorta's own activity in the region, uniform.
        noise: Range of the relative noise of the region in a 5-min frame at 45 min, log-uniform;
            it falls with the square root of the counts.
        late_start_share: Scans whose early frames are missing although they were asked for.
        late_start_s: Range of their start, uniform.
        dose_error: Lognormal sigma of the dose and weight behind an unscaled population curve.

    Raises:
        InvalidInputError: shares that don't fit the sources or a recovery beyond 0 to 1.
    """

    shares: tuple[float, float, float, float] = (0.25, 0.40, 0.25, 0.10)
    recovery: tuple[float, float] = (0.8, 1.0)
    noise: tuple[float, float] = (0.004, 0.03)
    late_start_share: float = 0.3
    late_start_s: tuple[float, float] = (60.0, 1500.0)
    dose_error: float = 0.05

    def __post_init__(self) -> None:
        low, high = self.recovery
        if min(self.shares) < 0 or sum(self.shares) <= 0 or not 0 < low <= high <= 1:
            raise InvalidInputError(
                f"Input errors with shares {self.shares} and a recovery of {low:g} to {high:g}"
                " can't be drawn; shares are weights of 0 or more, a recovery lies in 0 to 1."
            )


@dataclass(frozen=True, slots=True)
class MeasuredInput:
    """An input function with its errors.

    Attributes:
        curve: What the site takes for plasma, sampled at the true curve's times and more.
        source: Where it came from.
        recovery: Of the aorta region that was used; 1 where none was.
        starts_s: First second that was measured; 0 where nothing was missing.
    """

    curve: SampledInput
    source: MeasuredSource
    recovery: float = 1.0
    starts_s: float = 0.0


def draw_measured_input(
    rng: np.random.Generator,
    plasma: SampledInput,
    timing: FrameTiming,
    errors: InputErrors | None = None,
) -> MeasuredInput:
    """A person's input function as it would be measured.

    Args:
        rng: Source of randomness.
        plasma: True curve in SUV, sampled at every frame edge.
        timing: (t,) frames of the whole scan, not only those of the Patlak fit.
        errors: How large the errors are; the defaults if None.
    """
    errors = errors or InputErrors()
    shares = np.asarray(errors.shares) / sum(errors.shares)
    source = SOURCES[int(rng.choice(len(SOURCES), p=shares))]
    if source == "true":
        return MeasuredInput(SampledInput(plasma.time_min, plasma.activity), source)
    population = _population(timing, plasma.time_min)
    if source == "population":
        factor = float(np.exp(errors.dose_error * rng.standard_normal()))
        return MeasuredInput(_scaled(population, factor), source)
    recovery = float(rng.uniform(*errors.recovery))
    region = aorta_region(rng, plasma, timing, recovery, errors.noise)
    starts_s = _draw_start(rng, timing, errors)
    kept = timing.start_s >= starts_s
    scaled = _scaled(population, _population_scale(population, timing, region, kept))
    if source == "scaled population":
        return MeasuredInput(scaled, source, recovery, starts_s)
    curve = _region_curve(timing, region, kept, scaled)
    return MeasuredInput(curve, source, recovery, starts_s)


def aorta_region(
    rng: np.random.Generator,
    plasma: SampledInput,
    timing: FrameTiming,
    recovery: float,
    noise: tuple[float, float],
) -> Floats:
    """Frame means of a region in the aorta, (t,): partial volume, spill-in, noise.

    Args:
        rng: Source of randomness.
        plasma: True curve.
        timing: (t,) frames.
        recovery: Share of the region that is blood; the rest shows the warm surroundings.
        noise: Range of the relative noise in a 5-min frame at 45 min, log-uniform.
    """
    blood = frame_averages(timing, plasma.time_min, plasma.blood_integral)
    ki, v0 = float(rng.uniform(*_WARM_KI)), float(rng.uniform(*_WARM_V0))
    warm = np.array([ki, v0]) @ patlak_basis(plasma, timing)
    region = recovery * blood + (1 - recovery) * warm
    reference = np.interp(_REFERENCE_MID_S / 60, plasma.time_min, plasma.whole_blood)
    counts = (
        np.maximum(region, 0.0) * timing.duration_s * decay_factor(timing.mid_s, F18_HALF_LIFE_S)
    )
    expected = reference * _REFERENCE_S * decay_factor(_REFERENCE_MID_S, F18_HALF_LIFE_S)
    low, high = noise
    sigma = low * (high / low) ** rng.random()
    spread = sigma * region * np.sqrt(expected / np.maximum(counts, 1e-9 * expected))
    drawn = region + spread * np.clip(rng.standard_normal(region.size), -3, 3)
    return np.asarray(np.maximum(drawn, 0.0))


def curve_through_frames(timing: FrameTiming, means: Floats) -> tuple[Floats, Floats]:
    """A broken line whose frame means are exactly those given and which is never negative.

    Args:
        timing: (t,) frames.
        means: (t,) not negative.

    Returns:
        Times in minutes (3 t,) and values (3 t,): start, middle and end of every frame.
    """
    edges = np.stack([timing.start_s, timing.end_s])
    at_edges = np.interp(edges, timing.mid_s, means)
    if timing.start_s[0] <= _LATE_START_S:
        at_edges[0, 0] = 0.0
    # twice the smaller neighbour: the middle then stays at or above zero
    before, after = np.append(means[0], means[:-1]), np.append(means[1:], means[-1])
    limits = 2 * np.stack([np.minimum(means, before), np.minimum(means, after)])
    at_edges = np.minimum(at_edges, limits)
    middle = 2 * means - at_edges.mean(axis=0)
    times = np.stack([edges[0], timing.mid_s, edges[1]], axis=1) / 60
    values = np.stack([at_edges[0], middle, at_edges[1]], axis=1)
    return times.ravel(), values.ravel()


def _region_curve(
    timing: FrameTiming, region: Floats, kept: NDArray[np.bool_], early: SampledInput
) -> SampledInput:
    """The region's curve, before its first frame the scaled population's."""
    seen = FrameTiming(timing.start_s[kept], timing.duration_s[kept])
    knots, values = curve_through_frames(seen, region[kept])
    time = np.unique(np.round(np.concatenate([early.time_min, knots]), 9))
    activity = np.interp(time, knots, values)
    missing = time < knots[0] - 1e-9
    if seen.start_s[0] > _LATE_START_S:
        activity[missing] = np.interp(time[missing], early.time_min, early.activity)
    return SampledInput(time, activity)


def _population(timing: FrameTiming, time_min: Floats) -> SampledInput:
    curve = PlasmaSettings(FENG_FDG, POPULATION_LEVEL).sampled(timing)
    return SampledInput(time_min, np.interp(time_min, curve.time_min, curve.activity))


def _population_scale(
    population: SampledInput, timing: FrameTiming, region: Floats, kept: NDArray[np.bool_]
) -> float:
    """Area of the region over that of the population in the late frames."""
    late = kept & (timing.start_s >= min(_SCALE_FROM_S, float(timing.start_s[-1])))
    means = frame_averages(timing, population.time_min, population.integral)
    duration = timing.duration_s * late
    return float((region * duration).sum() / (means * duration).sum())


def _scaled(curve: SampledInput, factor: float) -> SampledInput:
    return SampledInput(curve.time_min, factor * curve.activity)


def _draw_start(rng: np.random.Generator, timing: FrameTiming, errors: InputErrors) -> float:
    """First second that is measured; at least two frames stay."""
    first = float(timing.start_s[0])
    if rng.random() >= errors.late_start_share:
        return max(first, 0.0)
    latest = float(timing.start_s[max(timing.frame_count - 2, 0)])
    return max(first, min(float(rng.uniform(*errors.late_start_s)), latest))
