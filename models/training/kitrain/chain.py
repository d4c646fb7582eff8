"""From frames and a plasma curve to a Ki map with gradients that reach the curve.

The same numbers as `kiview.nets.preprocess`, written so that autograd can follow how features
depend on the curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kitrain.network import KiNetwork
from kiview.core.timing import FrameTiming
from kiview.nets.preprocess import (
    FWHM_PER_SIGMA,
    KI_SMOOTH_SCALE,
    KI_SMOOTHING_MM,
    SLICE_COUNT,
    halves_of_weight,
)

Floats = NDArray[np.float64]
_NODES = 5
_TRUNCATE = 3.0


class _Places(NamedTuple):
    """Times on a grid: index before each, and what the two samples around it add to an integral."""

    left: Tensor
    before: Tensor
    after: Tensor


class FrameMeans:
    """Means over frames of a curve that is straight between samples, and of its integral.

    Args:
        grid_min: (m,) times of the samples from 0 on, min.
        timing: (t,) frames, none after the last sample.
    """

    def __init__(self, grid_min: Floats, timing: FrameTiming) -> None:
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        inside = timing.mid_s[:, None] + 0.5 * timing.duration_s[:, None] * nodes
        self._steps = torch.from_numpy(np.diff(grid_min))
        self._edges = _places(grid_min, np.stack([timing.start_s, timing.end_s]) / 60.0)
        self._inside = _places(grid_min, inside / 60.0)
        self._gauss = torch.from_numpy(weights / 2.0)
        self._duration_min = torch.from_numpy(timing.duration_s / 60.0)

    def __call__(self, curve: Tensor) -> tuple[Tensor, Tensor]:
        """(m,) samples -> (t,) mean of the curve and (t,) mean of its integral, unit x min."""
        areas = 0.5 * (curve[1:] + curve[:-1]) * self._steps
        known = torch.cat([curve.new_zeros(1), areas.cumsum(0)])
        edges = _integral(curve, known, self._edges)
        mean = (edges[1] - edges[0]) / self._duration_min
        return mean, _integral(curve, known, self._inside) @ self._gauss


def _places(grid: Floats, times: Floats) -> _Places:
    left = np.clip(np.searchsorted(grid, times, side="right") - 1, 0, len(grid) - 2)
    step, after = grid[left + 1] - grid[left], times - grid[left]
    share = after**2 / (2.0 * step)
    return _Places(torch.from_numpy(left), torch.from_numpy(after - share), torch.from_numpy(share))


def _integral(curve: Tensor, known: Tensor, places: _Places) -> Tensor:
    before, after = curve[places.left], curve[places.left + 1]
    return known[places.left] + places.before * before + places.after * after


@dataclass(frozen=True, slots=True, eq=False)
class Operators:
    """`preprocess.LinearOperators` of frames at one time for all slices.

    Attributes:
        matrix: (5, t).
        noise_gain: g.
        mean_integral_min: <S>.
        mean: <C>.
    """

    matrix: Tensor
    noise_gain: Tensor
    mean_integral_min: Tensor
    mean: Tensor


def operators(mean: Tensor, integral_min: Tensor, weight: Floats) -> Operators:
    """Weighted least squares and uptake ratios as functions of the curve.

    Args:
        mean: (t,) of the curve over the frames.
        integral_min: (t,) of its integral.
        weight: (t,) of the frames.
    """
    share = torch.from_numpy(weight / weight.sum())
    mean_s, mean_c = share @ integral_min, share @ mean
    design = torch.stack([integral_min / mean_s, mean / mean_c], dim=1)
    covariance = torch.linalg.inv(design.T @ (share[:, None] * design))
    fit = covariance @ (design.T * share) / mean_s
    halves = (torch.from_numpy(half) for half in halves_of_weight(weight))
    ratios = [share / mean_s, *(half / (half @ integral_min) for half in halves)]
    matrix = torch.cat([fit, torch.stack(ratios)])
    return Operators(matrix, covariance[0, 0].sqrt(), mean_s, mean_c)


def normalised_features(
    frames: Tensor, made: Operators, slices: Sequence[int], spacing_mm: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Network input of some slices of a study, and its normaliser.

    Args:
        frames: (t, z, y, x).
        made: Operators of the plasma curve.
        slices: Which.
        spacing_mm: Along z, y, x.

    Returns:
        (len(slices), 31, y, x) and n in /min.
    """
    maps = torch.einsum("kt,tzyx->kzyx", made.matrix.float(), frames)
    fur = maps[2]
    n = fur[fur.detach() > fur.detach().mean()].mean()
    gain = made.noise_gain.float()
    fits, ratios = maps[:2] / (n * gain), maps[2:] / n
    smooth = _smooth_in_plane(fits[:1], KI_SMOOTHING_MM, spacing_mm) / KI_SMOOTH_SCALE
    values = torch.cat([fits, ratios, smooth])
    half, depth = SLICE_COUNT // 2, values.shape[1]
    near = np.clip(np.asarray(slices)[:, None] + np.arange(-half, half + 1), 0, depth - 1)
    stack = values[:, torch.from_numpy(near)].permute(1, 2, 0, 3, 4).flatten(1, 2)
    level = torch.log(gain).expand(len(stack), 1, *stack.shape[2:])
    return torch.cat([stack, level], dim=1), n


def _smooth_in_plane(volume: Tensor, fwhm_mm: float, spacing_mm: Sequence[float]) -> Tensor:
    """`preprocess.smooth` of the last two axes."""
    for axis, spacing in ((-2, spacing_mm[1]), (-1, spacing_mm[2])):
        sigma = fwhm_mm / FWHM_PER_SIGMA / spacing
        radius = int(_TRUNCATE * sigma + 0.5)
        x = torch.arange(-radius, radius + 1, dtype=volume.dtype)
        kernel = torch.exp(-0.5 * (x / sigma) ** 2)
        rows = volume.movedim(axis, -1)
        flat = functional.pad(rows.reshape(-1, 1, rows.shape[-1]), (radius, radius), "replicate")
        smoothed = functional.conv1d(flat, (kernel / kernel.sum())[None, None])
        volume = smoothed.view(rows.shape).movedim(-1, axis)
    return volume


def chain_maps(
    network: KiNetwork,
    frames: Tensor,
    made: Operators,
    slices: Sequence[int],
    spacing_mm: Sequence[float],
) -> tuple[Tensor, ...]:
    """Maps by a network as functions of the plasma curve.

    Returns:
        Ki, V and the standard deviation of Ki where the network tells it, (len(slices), y, x) each,
        /min.
    """
    features, n = normalised_features(frames, made, slices, spacing_mm)
    outputs = network(features.contiguous(memory_format=torch.channels_last))
    return tuple(part * n for part in outputs)
