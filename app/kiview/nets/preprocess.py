"""What a network sees: features that are linear in the frames.

The same code serves the program and the training, so a network meets exactly the features it was
trained on. Everything is divided by constants of the study (`normaliser`, `noise_gain`), which
makes a map exactly proportional to the frames and to the inverse of the input function.

Symbols: S_f and C_f are the means over frame f of the integral of the plasma curve and of the
curve itself; w_f = duration x decay; <.> averages frames with w.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from kiview.core.errors import NetworkError
from kiview.core.timing import FrameTiming
from kiview.core.tracer import decay_factor

FEATURE_VERSION = 1
"""Changes whenever any feature changes; a network states the version it was trained on."""
LINEAR_NAMES = ("ki", "v", "fur", "fur_early", "fur_late")
"""Maps computed straight from the frames, in this order."""
FEATURE_NAMES = (*LINEAR_NAMES, "ki_smooth")
MIN_FRAMES = 2
"""Ki and V0 are two unknowns."""
SLICE_COUNT = 5
"""Neighbouring slices a network sees, the middle one being the one it computes."""
CHANNEL_COUNT = SLICE_COUNT * len(FEATURE_NAMES) + 1
"""Channels of the network input: slice by slice all features, then log g."""
FUR_CHANNEL = (SLICE_COUNT // 2) * len(FEATURE_NAMES) + FEATURE_NAMES.index("fur")
"""Channel that holds the uptake ratio of the slice being computed."""
KI_SMOOTHING_MM = 8.0
KI_SMOOTH_SCALE = 0.3
"""In-plane smoothing takes away about this share of the noise, so the channel is scaled by it."""
FWHM_PER_SIGMA = 2.3548200450309493
_SECONDS_PER_MINUTE = 60.0
_CONDITION_LIMIT = 1e-10

Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FrameInput:
    """The input function as each chosen frame sees it.

    Attributes:
        mean: (t,) or (t, z) mean of the plasma curve over the frame, in the unit of the frames.
        integral_min: Same shape, mean over the frame of the curve's integral from injection, in
            that unit times minutes.
        weight: Same shape, duration x decay in s; 0 leaves a frame out (of one slice).

    Raises:
        NetworkError: fewer than two frames, or a curve that is not positive in a used frame.
    """

    mean: NDArray[np.float64]
    integral_min: NDArray[np.float64]
    weight: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not self.mean.shape == self.integral_min.shape == self.weight.shape:
            raise NetworkError("Input function and frame times differ in their number of frames.")
        used = self.weight > 0
        if (used.sum(axis=0) < MIN_FRAMES).any():
            raise NetworkError("A network needs at least two frames; choose a wider time window.")
        values = np.concatenate([self.mean[used], self.integral_min[used]])
        if not (np.isfinite(values).all() and (values > 0).all()):
            raise NetworkError(
                "The input function is zero or undefined within the chosen frames;"
                " it must reach over the whole window."
            )


def frame_input(
    timing: FrameTiming,
    integral: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    half_life_s: float,
) -> FrameInput:
    """Average an input function over frames.

    Args:
        timing: The chosen frames.
        integral: Integral of the plasma curve from injection to given times in s, for example
            `InputFunction.integral`; unit of the frames times s.
        half_life_s: Of the tracer, for the weights.

    Returns:
        Frame means, by 5-point Gauss-Legendre quadrature inside each frame.
    """
    nodes, gauss = np.polynomial.legendre.leggauss(5)
    times = timing.mid_s[..., None] + 0.5 * timing.duration_s[..., None] * nodes
    mean_integral = np.asarray(integral(times.ravel())).reshape(times.shape) @ (gauss / 2)
    edges = np.stack([timing.start_s, timing.end_s])
    at_edges = np.asarray(integral(edges.ravel())).reshape(edges.shape)
    return FrameInput(
        mean=(at_edges[1] - at_edges[0]) / timing.duration_s,
        integral_min=mean_integral / _SECONDS_PER_MINUTE,
        weight=timing.duration_s * decay_factor(timing.mid_s, half_life_s),
    )


@dataclass(frozen=True, slots=True, eq=False)
class LinearOperators:
    """Matrices that take the frames of a voxel to the maps of `LINEAR_NAMES`.

    Attributes:
        matrix: (n, 5, t) float64, n = 1 for all slices or one per slice.
        v0_per_v: (n,) V0 = v * v0_per_v, with v in /min as the maps hold it.
        noise_gain: g = sd(Ki) / sd(FUR) of the protocol, the median over slices.
    """

    matrix: NDArray[np.float64]
    v0_per_v: NDArray[np.float64]
    noise_gain: float

    def for_slices(self, first: int, last: int) -> NDArray[np.float64]:
        """Matrices of slices `first` to `last` (exclusive), (1 or last - first, 5, t)."""
        return self.matrix if len(self.matrix) == 1 else self.matrix[first:last]

    def v0_factor(self, first: int, last: int) -> NDArray[np.float64]:
        """`v0_per_v` of slices `first` to `last` (exclusive), (last - first,)."""
        if len(self.v0_per_v) == 1:
            return np.repeat(self.v0_per_v, last - first)
        return self.v0_per_v[first:last]


def linear_operators(frames: FrameInput) -> LinearOperators:
    """Build the matrices for given frames.

    Args:
        frames: Input function and weights, (t,) or (t, z).

    Returns:
        Weighted least squares of X_f = Ki S_f + V0 C_f (v = V0 <C>/<S>), FUR = <X>/<S>, and FUR of
        the earlier and the later half of the weight.

    Raises:
        NetworkError: the frames cannot tell Ki from V0.
    """
    per_slice = [
        np.atleast_2d(part.T) for part in (frames.mean, frames.integral_min, frames.weight)
    ]
    rows = [_slice_operator(c, s, w) for c, s, w in zip(*per_slice, strict=True)]
    return LinearOperators(
        matrix=np.stack([row[0] for row in rows]),
        v0_per_v=np.array([row[1] for row in rows]),
        noise_gain=float(np.median([row[2] for row in rows])),
    )


def _slice_operator(
    c: NDArray[np.float64], s: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    share = weight / weight.sum()
    c, s = np.where(weight > 0, c, 0.0), np.where(weight > 0, s, 0.0)
    mean_s, mean_c = share @ s, share @ c
    design = np.stack([s / mean_s, c / mean_c], axis=1)
    normal = design.T @ (share[:, None] * design)
    if np.linalg.det(normal) < _CONDITION_LIMIT:
        raise NetworkError("The chosen frames lie too close together to tell Ki from V0.")
    covariance = np.linalg.inv(normal)
    fit = covariance @ (design.T * share) / mean_s
    early, late = halves_of_weight(share)
    halves = [share / mean_s, early / (early @ s), late / (late @ s)]
    return np.vstack([fit, halves]), float(mean_s / mean_c), float(np.sqrt(covariance[0, 0]))


def halves_of_weight(weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Split the weight of frames into its earlier and its later half.

    Args:
        weight: (t,) not negative, not all 0.

    Returns:
        Share of each frame in the earlier half and in the later half, (t,) each; both add up to
        0.5 and together to the share of the frame.
    """
    share = weight / weight.sum()
    before = np.cumsum(share) - share
    early = np.clip(0.5 - before, 0.0, share)
    return early, share - early


def linear_maps(frames: Volume, matrix: NDArray[np.float64]) -> Volume:
    """Apply the matrices to frames.

    Args:
        frames: (t, z, y, x) decay-corrected to injection, in the unit of the input function.
        matrix: (1 or z, 5, t).

    Returns:
        (5, z, y, x) float32, all in /min.
    """
    count, *shape = frames.shape
    kernel = matrix.astype(np.float32)
    if len(kernel) == 1:
        flat: Volume = kernel[0] @ frames.reshape(count, -1)
        return flat.reshape(len(LINEAR_NAMES), *shape)
    slices = [kernel[z] @ frames[:, z].reshape(count, -1) for z in range(shape[0])]
    return np.stack(slices, axis=1).reshape(len(LINEAR_NAMES), *shape)


def normaliser(fur: Volume) -> float:
    """n: mean of the uptake ratio over the voxels above its mean; 0 for an empty image.

    Args:
        fur: (z, y, x) of the whole study, in /min; values that are not finite are left out.
    """
    finite = fur[np.isfinite(fur)]
    if finite.size == 0:
        return 0.0
    above = finite[finite > finite.mean(dtype=np.float64)]
    return float(above.mean(dtype=np.float64)) if above.size else 0.0


def all_finite(values: Volume) -> bool:
    """Whether no value is missing or infinite; one pass without a temporary array."""
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.isfinite(values.sum(dtype=np.float64)))


def smooth(volume: Volume, fwhm_mm: tuple[float, ...], spacing_mm: tuple[float, ...]) -> Volume:
    """Gaussian smoothing of the last three axes, edges repeated.

    Args:
        volume: (..., z, y, x).
        fwhm_mm: Along z, y, x; 0 leaves an axis alone.
        spacing_mm: Along z, y, x.
    """
    sigma = [f / FWHM_PER_SIGMA / d for f, d in zip(fwhm_mm, spacing_mm, strict=True)]
    axes = tuple(range(volume.ndim - 3, volume.ndim))
    smoothed: Volume = gaussian_filter(volume, sigma, axes=axes, mode="nearest", truncate=3.0)
    return smoothed


@dataclass(frozen=True, slots=True, eq=False)
class StudyFeatures:
    """Features of a whole study on the grid of a network.

    Attributes:
        values: (6, z, y, x) float32, `FEATURE_NAMES`, without unit.
        normaliser: n in /min.
        noise_gain: g.
    """

    values: Volume
    normaliser: float
    noise_gain: float

    def block(
        self,
        first: int,
        last: int,
        rows: slice = slice(None),
        columns: slice = slice(None),
        scratch: Volume | None = None,
    ) -> Volume:
        """Network input for slices `first` to `last` (exclusive), (last - first, 31, y, x).

        Slices beyond either end of the study repeat the last one. `scratch`, a result of an
        earlier call, is overwritten and returned if it has the right shape.
        """
        half = SLICE_COUNT // 2
        part = self.values[:, :, rows, columns]
        shape = (last - first, CHANNEL_COUNT, *part.shape[2:])
        fits = scratch is not None and scratch.shape == shape
        out: Volume = scratch if scratch is not None and fits else np.empty(shape, np.float32)
        out[:, -1] = np.log(self.noise_gain)
        count = len(FEATURE_NAMES)
        top = part.shape[1] - 1
        for k in range(SLICE_COUNT):
            for i, z in enumerate(range(first + k - half, last + k - half)):
                out[i, k * count : (k + 1) * count] = part[:, min(max(z, 0), top)]
        return out


def study_features(maps: Volume, gain: float, spacing_mm: tuple[float, ...]) -> StudyFeatures:
    """Normalise the linear maps of a whole study.

    Args:
        maps: (5, z, y, x) from `linear_maps`, in /min; values that are not finite count as 0.
        gain: `LinearOperators.noise_gain`.
        spacing_mm: Voxel spacing along z, y, x.
    """
    names = {name: i for i, name in enumerate(FEATURE_NAMES)}
    n = normaliser(maps[names["fur"]])
    values: Volume = np.zeros((len(FEATURE_NAMES), *maps.shape[1:]), dtype=np.float32)
    if n > 0:
        scale = {"ki": n * gain, "v": n * gain}
        for name in LINEAR_NAMES:
            np.divide(maps[names[name]], scale.get(name, n), out=values[names[name]])
        if not all_finite(values):
            np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        in_plane = (0.0, KI_SMOOTHING_MM, KI_SMOOTHING_MM)
        values[-1] = smooth(values[names["ki"]], in_plane, spacing_mm) / KI_SMOOTH_SCALE
    return StudyFeatures(values, n, gain)
