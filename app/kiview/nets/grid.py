"""Resampling to the voxel size a network works on, axis by axis."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.geometry import VolumeGeometry

SAME_SPACING = 0.02
"""A spacing within this share of the wanted one is taken as it is."""

Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class GridPlan:
    """How to get from the voxels of a study to those of a network.

    Attributes:
        geometry: Target grid, with its own affine; covers the same volume.
        z: (target, source) weights, or None where the axis stays as it is.
        y: Likewise.
        x: Likewise.
    """

    geometry: VolumeGeometry
    z: NDArray[np.float32] | None
    y: NDArray[np.float32] | None
    x: NDArray[np.float32] | None

    @property
    def is_identity(self) -> bool:
        """Whether nothing is resampled."""
        return self.z is None and self.y is None and self.x is None

    def in_plane(self, volume: Volume) -> Volume:
        """Resample the last two axes, (..., y, x)."""
        if self.x is not None:
            volume = volume @ self.x.T
        if self.y is not None:
            volume = self.y @ volume
        return volume

    def add_slices(self, target: Volume, part: Volume, first: int) -> None:
        """Add what source slices contribute to the target.

        Args:
            target: (c, target z, y, x), changed.
            part: (c, k, y, x), source slices `first` to `first + k`, in-plane resampled.
            first: Index of the first source slice.
        """
        count = part.shape[1]
        if self.z is None:
            target[:, first : first + count] = part
            return
        weights = self.z[:, first : first + count]
        for row in np.flatnonzero(weights.any(axis=1)):
            target[:, row] += np.tensordot(weights[row], part, axes=(0, 1))

    def slice_values(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Resample one number per slice, (source z,) -> (target z,)."""
        return values if self.z is None else self.z.astype(np.float64) @ values


def plan_grid(source: VolumeGeometry, spacing_zyx_mm: tuple[float, ...]) -> GridPlan:
    """Plan the way to another voxel size along the same axes.

    Straight lines between voxels, averaged over the target voxel when that is larger.
    """
    matrices: list[NDArray[np.float32] | None] = []
    shape, starts, scales = [], [], []
    axes = zip(source.shape_zyx, source.spacing_zyx_mm, spacing_zyx_mm, strict=True)
    for count, have, want in axes:
        step = want / have
        if abs(step - 1) <= SAME_SPACING:
            matrices.append(None)
            shape.append(count)
            starts.append(0.0)
            scales.append(1.0)
            continue
        size = max(1, round(count / step))
        start = (count - 1 - (size - 1) * step) / 2
        matrices.append(_weights(_inside(start + step * np.arange(size), count), count, step))
        shape.append(size)
        starts.append(start)
        scales.append(step)
    affine = source.affine_lps_mm @ np.diag([*scales, 1.0])
    affine[:3, 3] = source.to_lps_mm(starts)
    z, y, x = shape
    geometry = VolumeGeometry((z, y, x), affine, source.frame_of_reference_uid)
    return GridPlan(geometry, *matrices)


def _weights(centres: NDArray[np.float64], count: int, step: float) -> NDArray[np.float32]:
    """Mean over a target voxel of straight lines between source voxels, (target, source).

    Keeps linear ramps exactly, away from the edges.
    """
    distance = centres[:, None] - np.arange(count)
    if step <= 1:
        weights = np.maximum(1.0 - np.abs(distance), 0.0)
    else:
        weights = _hat_integral(distance + step / 2) - _hat_integral(distance - step / 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _inside(centres: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.clip(centres, 0, count - 1)


def _hat_integral(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral of max(1 - |u|, 0) from -1 to u."""
    inside = np.clip(u, -1.0, 1.0)
    return np.asarray(0.5 + inside - 0.5 * inside * np.abs(inside))
