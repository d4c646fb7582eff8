"""What the curve network sees, and what it is asked about the blood it found.

The curve network looks for blood in maps that were made with the population curve; only its shape
matters, since everything is divided by constants of the study. The same code serves the program and
the training.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import NetworkError
from kiview.core.feng import FENG_FDG
from kiview.core.input_curves import FengCurve
from kiview.core.timing import FrameTiming
from kiview.nets.preprocess import (
    FEATURE_NAMES,
    FrameInput,
    StudyFeatures,
    frame_input,
    halves_of_weight,
    smooth,
)

Volume = NDArray[np.float32]
Floats = NDArray[np.float64]

CURVE_FEATURE_VERSION = 1
"""Changes whenever any feature or statistic changes; a curve network states its version."""
CURVE_FEATURE_NAMES = (
    "fur", "fur_early", "fur_late", "v", "ki", "fur_wide", "network_ki", "network_v", "ln_g",
)  # fmt: skip
CURVE_CHANNELS = len(CURVE_FEATURE_NAMES)
POPULATION = FengCurve(FENG_FDG, 1.0)
"""The curve that all this is relative to, in the unit of its shape."""
STATISTIC_NAMES = (
    "slope", "middle", "distance", "ln_g", "ln_uptake", "ki_share", "ln_volume", "probability",
)  # fmt: skip
_SMOOTH_MM, _WIDE_MM = (16.0, 6.0, 6.0), (16.0, 16.0, 16.0)
SLOPE_MIN = 20.0
"""A slope is told per this many minutes."""
SLOPE_LIMIT = 2.0
"""A steeper one is noise."""
SCALE_MIN = 45.0
"""Middle of the usual frames; times are told relative to it."""
SMALLEST = 1e-6
LN_GAIN_CENTRE, LN_VOLUME_CENTRE, LN_VOLUME_SCALE = 2.0, 3.0, 0.25
"""Usual values of statistics, so that all are of the order of 1."""
_MM3_PER_ML = 1000.0
_NO_ACTIVITY = (
    "No blood with activity was found in these frames; draw a region in a large vessel or use a"
    " population curve."
)


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """The earlier and the later half of the weight of the frames, and the population curve there.

    Attributes:
        time_min: (2,) mean time, weighed by the population curve as activity is.
        ratio: (2, n) mean of the population curve's integral over that of the curve itself, min; n
            is 1 or the number of slices.
    """

    time_min: Floats
    ratio: Floats


def population_input(timing: FrameTiming, half_life_s: float) -> FrameInput:
    """The population curve as the chosen frames see it."""
    return frame_input(timing, POPULATION.integral, half_life_s)


def frame_halves(timing: FrameTiming, frames: FrameInput) -> Halves:
    """Halves of the weight.

    Args:
        timing: (t,) or (t, z).
        frames: The population curve over them.
    """
    mid_min = timing.mid_s / 60.0
    parts = [np.atleast_2d(a.T) for a in (frames.mean, frames.integral_min, frames.weight, mid_min)]
    ratios, times = [], []
    for c, s, weight, mid in zip(*np.broadcast_arrays(*parts), strict=True):
        halves = halves_of_weight(weight)
        used = [np.where(weight > 0, values, 0.0) for values in (c, s, mid)]
        ratios.append([(half @ used[1]) / (half @ used[0]) for half in halves])
        times.append([(half * used[0]) @ used[2] / (half @ used[0]) for half in halves])
    return Halves(np.mean(times, axis=0), np.array(ratios).T)


def curve_features(
    features: StudyFeatures, ki: Volume, v: Volume, spacing_mm: tuple[float, ...]
) -> Volume:
    """Input of the curve network for a whole study.

    Args:
        features: Made with the population curve, sides perhaps padded.
        ki: Of a network on these features, (z, y, x) in units of the normaliser, without padding.
        v: Likewise.
        spacing_mm: Voxel spacing along z, y, x.

    Returns:
        (z, 9, y, x) float32, `CURVE_FEATURE_NAMES`, padded like the features. Vessels run through
        many slices, so that all but the network's maps are smoothed along z.
    """
    names = {name: i for i, name in enumerate(FEATURE_NAMES)}
    gain = np.float32(features.noise_gain)
    values = features.values

    def level(name: str, width_mm: tuple[float, ...], scale: float = 1.0) -> Volume:
        smoothed = smooth(values[names[name]], width_mm, spacing_mm)
        return smoothed if scale == 1.0 else smoothed * np.float32(scale)

    stack = [
        level("fur", _SMOOTH_MM),
        level("fur_early", _SMOOTH_MM),
        level("fur_late", _SMOOTH_MM),
        level("v", _WIDE_MM, float(gain)),
        level("ki", _WIDE_MM, float(gain)),
        level("fur", _WIDE_MM),
    ]
    depth, rows, columns = values.shape[1:]
    out = np.zeros((depth, CURVE_CHANNELS, rows, columns), dtype=np.float32)
    for channel, volume in enumerate([*stack, ki, v]):
        out[:, channel, : volume.shape[1], : volume.shape[2]] = volume
    out[:, -1] = np.log(gain)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Blood:
    """What the voxels that the network attends to tell about blood.

    Attributes:
        ln_level: ln of blood over the population curve at the mean time of the frames; the unit of
            the frames over that of the shape.
        middle_min: That time.
        statistics: (8,) `STATISTIC_NAMES`, without unit.
        probability: Mean probability that an attended voxel is blood.
        volume_ml: As many voxels as would weigh the same.
    """

    ln_level: float
    middle_min: float
    statistics: Floats
    probability: float
    volume_ml: float


def attended(
    weights: Volume,
    probability: Volume,
    features: StudyFeatures,
    ki: Volume,
    halves: Halves,
    spacing_mm: tuple[float, ...],
) -> Blood:
    """Weigh the maps of a study by the attention of the curve network.

    Args:
        weights: (z, y, x) attention, sum 1.
        probability: Same grid, that a voxel is blood.
        features: Of the study, with the population curve.
        ki: Same grid, by a network, in units of the normaliser.
        halves: Of the frames.
        spacing_mm: Voxel spacing along z, y, x.

    Raises:
        NetworkError: nothing that is attended to holds activity in both halves.
    """
    uptake, early, late = _activities(weights, features, halves)
    if not min(early, late) > 0:
        raise NetworkError(_NO_ACTIVITY)
    first, last = halves.time_min
    slope = (np.log(late) - np.log(early)) * SLOPE_MIN / (last - first)
    volume = (
        float(np.prod(spacing_mm)) / _MM3_PER_ML / float((weights.astype(np.float64) ** 2).sum())
    )
    seen = float((weights * probability).sum(dtype=np.float64))
    ki_share = float((weights * ki).sum(dtype=np.float64)) / max(uptake, SMALLEST)
    statistics = np.array([
        np.clip(slope, -SLOPE_LIMIT, SLOPE_LIMIT),
        (0.5 * (first + last) - SCALE_MIN) / SLOPE_MIN,
        (last - first) / SLOPE_MIN,
        np.log(features.noise_gain) - LN_GAIN_CENTRE,
        np.log(max(uptake, SMALLEST)),
        ki_share,
        LN_VOLUME_SCALE * (np.log(volume) - LN_VOLUME_CENTRE),
        seen,
    ])  # fmt: skip
    level = 0.5 * (np.log(early) + np.log(late)) + np.log(features.normaliser)
    return Blood(float(level), float(0.5 * (first + last)), statistics, seen, volume)


def _activities(
    weights: Volume, features: StudyFeatures, halves: Halves
) -> tuple[float, float, float]:
    """Attended uptake ratio, and blood over the population curve in the earlier and later half.

    The uptake ratio is in units of the normaliser n; the halves are in min, to be multiplied by n.
    """
    rows, columns = weights.shape[1:]
    by_slice = [
        np.einsum(
            "zyx,zyx->z",
            weights,
            features.values[FEATURE_NAMES.index(name), :, :rows, :columns],
            dtype=np.float64,
        )
        for name in ("fur", "fur_early", "fur_late")
    ]
    early, late = (
        float((values * ratio).sum())
        for values, ratio in zip(by_slice[1:], halves.ratio, strict=True)
    )
    return float(by_slice[0].sum()), early, late
