"""Patlak graphical analysis: Ki, V0 and the standard error of Ki.

C(t) / Cp(t) = Ki * (integral of Cp from 0 to t) / Cp(t) + V0 for t >= t*, at frame mid-times
(Patlak CS, Blasberg RG, Fenstermacher JD. J Cereb Blood Flow Metab 1983;3:1-7). The fit is linear
in the frame values, so a whole slab is one small matrix times (frames, voxels).

This module is the only place where seconds become minutes.
"""

import gc
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.input_function import InputFunction
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S, decay_factor

SECONDS_PER_MINUTE = 60.0
_SMALLEST_SPREAD = 1e-9  # of the frames along the Patlak plot, relative
_COMPILED_TYPES = frozenset(np.dtype(name) for name in ("int16", "uint16", "float32", "float64"))


class Weighting(StrEnum):
    """How the frames are weighted."""

    RATIO = "ordinary"
    """Ordinary least squares of C/Cp on integral/Cp; the default."""
    LINEAR = "linear"
    """Least squares of C on (integral, Cp), all frames alike."""
    LINEAR_WEIGHTED = "linear-weighted"
    """The same with weights duration x decay."""


@dataclass(frozen=True, slots=True)
class PatlakSettings:
    """What the user chose.

    Attributes:
        start_s: Start of the window (t*), s from injection.
        end_s: End of the window.
        weighting: How the frames are weighted.
        half_life_s: Half-life for `LINEAR_WEIGHTED`.
    """

    start_s: float = 1800.0
    end_s: float = 3600.0
    weighting: Weighting = Weighting.RATIO
    half_life_s: float = F18_HALF_LIFE_S

    def __post_init__(self) -> None:
        if not (np.isfinite([self.start_s, self.end_s]).all() and 0 <= self.start_s < self.end_s):
            raise InvalidInputError(
                f"The Patlak window {self.start_s / 60:g}-{self.end_s / 60:g} min is empty or"
                " negative; choose a start before the end."
            )


@dataclass(frozen=True, slots=True, eq=False)
class PatlakDesign:
    """The fit of one frame table and input function, ready to be applied to voxels.

    Attributes:
        frames: (n,) indices of the frames used.
        x_min: (n,) integral / Cp at mid-frame, in minutes; NaN where Cp is not positive, which only
            the linear forms allow.
        cp: (n,) Cp at mid-frame in the image's quantity.
        ki: (n,) gives Ki (per min).
        v0: (n,) gives V0.
        squares: (n,) weights of the squares of the frames in the squared norm below.
        fitted: (3,) the fitted curve's part of it: (fitted[0] Ki + fitted[1] V0)^2
            + (fitted[2] V0)^2.
        residual: (n - 2, n) a basis of the residuals; their norm is the standard error of Ki.
    """

    frames: NDArray[np.intp]
    x_min: NDArray[np.float64]
    cp: NDArray[np.float64]
    ki: NDArray[np.float64]
    v0: NDArray[np.float64]
    squares: NDArray[np.float64]
    fitted: NDArray[np.float64]
    residual: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PatlakFit:
    """Result of a fit, each array shaped like the voxels.

    Attributes:
        ki: Net influx rate in mL/min/mL.
        v0: Intercept in mL/mL.
        ki_se: Standard error of Ki in mL/min/mL; NaN with two frames.
    """

    ki: NDArray[np.float32]
    v0: NDArray[np.float32]
    ki_se: NDArray[np.float32]


def design(
    timing: FrameTiming, input_function: InputFunction, settings: PatlakSettings
) -> PatlakDesign:
    """Set up the fit of the frames in the window.

    Args:
        timing: One time per frame (use `FrameTiming.slice_timing` for times per slice).
        input_function: Plasma activity in the image's quantity.
        settings: Window and weighting.

    Returns:
        The fit, to be applied with `fit`.

    Raises:
        InvalidInputError: fewer than two frames in the window, plasma activity not positive there,
            or all frames at the same place of the Patlak plot.
    """
    frames = np.flatnonzero(timing.in_window(settings.start_s, settings.end_s))
    if len(frames) < 2:
        raise InvalidInputError(
            f"Patlak needs at least two frames between {settings.start_s / 60:g} and"
            f" {settings.end_s / 60:g} min but the scan has {len(frames)} there; widen the window."
        )
    mid_s, duration_s = timing.mid_s[frames], timing.duration_s[frames]
    cp = input_function.at(mid_s)
    integral_min = input_function.integral(mid_s) / SECONDS_PER_MINUTE
    usable = (cp > 0).all() if settings.weighting is Weighting.RATIO else (cp > 0).any()
    if not (np.isfinite(cp).all() and usable):
        raise InvalidInputError(
            "The input function is not positive in the Patlak window; check its region or samples."
        )
    root_weight = _root_weights(settings, cp, mid_s, duration_s)
    columns = np.column_stack([integral_min, cp]) * root_weight[:, None]
    q, r = np.linalg.qr(columns, mode="complete")
    if abs(r[1, 1]) <= _SMALLEST_SPREAD * abs(r[0, 1]):
        raise InvalidInputError("All frames lie at one point of the Patlak plot; widen the window.")
    estimate = np.linalg.solve(r[:2, :2], q[:, :2].T) * root_weight
    variance = float(np.square(np.linalg.inv(r[:2, :2])[0]).sum())
    scale = np.sqrt(variance / max(1, len(frames) - 2))
    x_min = np.divide(integral_min, cp, out=np.full_like(cp, np.nan), where=cp > 0)
    return PatlakDesign(
        frames,
        x_min,
        cp,
        ki=estimate[0],
        v0=estimate[1],
        squares=np.square(root_weight * scale),
        fitted=scale * np.array([r[0, 0], r[0, 1], r[1, 1]]),
        residual=q[:, 2:].T * (root_weight * scale),
    )


def fit(patlak: PatlakDesign, activity: NDArray[Any]) -> PatlakFit:
    """Fit every voxel, computed in float64.

    Args:
        patlak: From `design`, for these frames.
        activity: (n, ...) the frames `patlak.frames`, in the input function's quantity,
            decay-corrected to injection.

    Returns:
        Ki, V0 and standard error, each (...) float32; NaN where a frame is not a number.

    Raises:
        InvalidInputError: the number of frames differs from the design's.
    """
    _require_frames(patlak, activity)
    voxels = activity.reshape(activity.shape[0], -1)
    out = np.empty((3, voxels.shape[1]), np.float32)
    fit_into(patlak, voxels, out)
    return PatlakFit(*(result.reshape(activity.shape[1:]) for result in out))


def fit_curve(patlak: PatlakDesign, activity: NDArray[np.float64]) -> tuple[float, float, float]:
    """Fit one curve, (n,) activities, at once: Ki, V0 and standard error as in `PatlakFit`.

    Raises:
        InvalidInputError: the number of frames differs from the design's.
    """
    _require_frames(patlak, activity)
    left = patlak.residual @ activity
    ki_se = np.linalg.norm(left) if len(left) else np.nan
    return float(patlak.ki @ activity), float(patlak.v0 @ activity), float(ki_se)


def fit_into(
    patlak: PatlakDesign,
    voxels: NDArray[Any],
    out: NDArray[np.float32],
    slope: NDArray[np.float64] | None = None,
    intercept: NDArray[np.float64] | None = None,
) -> None:
    """Fit stored voxels; slopes go into the fit, so that the voxels need not be scaled first.

    The squares of what the fit leaves are those of the frames less those of the fitted curve, which
    Ki and V0 give: a basis of the residuals has nearly as many rows as there are frames. Where next
    to nothing is left, the difference would be rounding and the basis is used.

    Args:
        patlak: From `design`, for these frames.
        voxels: (n, voxels) as stored.
        out: (3, voxels), C-contiguous, receives Ki, V0 and the standard error of Ki.
        slope: (n,) value = voxel x slope + intercept, one pair per frame; None for 1.
        intercept: (n,); None for 0.
    """
    n = len(voxels)
    factor = np.ones(n) if slope is None else slope
    if intercept is not None and intercept.any():
        voxels = voxels * factor[:, None] + intercept[:, None]
        factor = np.ones(n)
    elif voxels.dtype not in _COMPILED_TYPES:
        voxels = voxels.astype(np.float64)
    weights = np.stack([patlak.ki, patlak.v0, patlak.squares * factor]) * factor
    stored, step = _one_row(voxels)
    if _loops(voxels.dtype).fit_rows(stored, step, weights, patlak.fitted, out):
        is_small = out[2] < 0
        residual = (patlak.residual * factor) @ voxels[:, is_small].astype(np.float64)
        out[2, is_small] = np.sqrt(np.einsum("fv,fv->v", residual, residual))
    if n == 2:
        out[2] = np.nan


@cache
def _loops(dtype: np.dtype[Any]) -> ModuleType:
    """The compiled loops, ready for voxels of one type.

    Later collections of garbage need not look at the hundred thousand objects of the compiler: they
    would stop all threads for half as long again.
    """
    from kiview.core import _patlak_loops  # noqa: PLC0415 - the compiler takes time to load

    one = _one_row(np.ones((1, 1), dtype))
    _patlak_loops.fit_rows(*one, np.ones((3, 1)), np.ones(3), np.empty((3, 1), np.float32))
    gc.freeze()
    return _patlak_loops


def _require_frames(patlak: PatlakDesign, activity: NDArray[Any]) -> None:
    if activity.shape[0] != len(patlak.frames):
        raise InvalidInputError(
            f"The fit was set up for {len(patlak.frames)} frames but got {activity.shape[0]}."
        )


def _one_row(voxels: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """(n, voxels) as one read-only row and the step from frame to frame in it."""
    size = voxels.itemsize
    step, rest = divmod(voxels.strides[0], size)
    if voxels.strides[1] != size or rest or step < 0:
        voxels = np.ascontiguousarray(voxels)
        step = voxels.shape[1]
    length = (len(voxels) - 1) * step + voxels.shape[1]
    return as_strided(voxels, (length,), (size,), writeable=False), step


def _root_weights(
    settings: PatlakSettings,
    cp: NDArray[np.float64],
    mid_s: NDArray[np.float64],
    duration_s: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Square roots of the frame weights of the problem C = Ki * integral + V0 * Cp."""
    if settings.weighting is Weighting.RATIO:
        return 1.0 / cp
    if settings.weighting is Weighting.LINEAR:
        return np.ones_like(cp)
    return np.sqrt(duration_s * decay_factor(mid_s, settings.half_life_s))
