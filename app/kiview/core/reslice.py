"""Planes through the patient for display, and the values under a position.

Screen millimetres (u, v) of a plane are patient coordinates: u to the right, v down, w along the
normal. So the same (u, v, w) is the same place in every volume, whatever its grid.

A volume whose axes follow the patient's so closely that no voxel moves by more than half its size
is shown voxel by voxel (nearest slice, rows and columns turned the right way round). Any other
volume is resampled on the patient's plane by linear interpolation, with pixels as large as its
smallest voxel edge, so that linked views stay linked in millimetres.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core._arrays import frozen_view
from kiview.core.errors import InvalidInputError
from kiview.core.geometry import VolumeGeometry

LARGE_FILE_BYTES = 64 << 20
"""Voxels of one frame or map in a file of at least this size may take long to read."""
_HALF_VOXEL = 0.5
_EDGE_TOLERANCE = 1e-6


class Plane(StrEnum):
    """An anatomical plane, seen as radiologists do (patient's right on the left of the screen)."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"

    @property
    def axes_lps(self) -> NDArray[np.float64]:
        """Directions (u right, v down, w normal) as rows of a (3, 3) array in LPS."""
        return _AXES[self]

    @property
    def normal_axis(self) -> int:
        """Which LPS coordinate is constant on the plane: 0 x, 1 y, 2 z."""
        return _NORMAL_AXIS[self]

    @property
    def letters(self) -> tuple[str, str, str, str]:
        """Patient directions at the left, right, upper and lower edge of the screen."""
        return _LETTERS[self]

    def screen_uv(self, position_lps_mm: NDArray[np.float64]) -> tuple[float, float]:
        """One position (3,) mm -> (u, v) mm; quick, for drawing."""
        x, y, z = position_lps_mm.tolist()
        if self is Plane.AXIAL:
            return x, y
        return (x, -z) if self is Plane.CORONAL else (y, -z)

    def to_screen_mm(self, position_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Positions (..., 3) (x, y, z) mm -> (..., 3) (u, v, w) mm."""
        return np.asarray(position_lps_mm, dtype=np.float64) @ self.axes_lps.T

    def to_lps_mm(self, screen_mm: ArrayLike) -> NDArray[np.float64]:
        """Screen positions (..., 3) (u, v, w) mm -> (..., 3) (x, y, z) mm."""
        return np.asarray(screen_mm, dtype=np.float64) @ self.axes_lps


_AXES = {
    Plane.AXIAL: np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]),
    Plane.CORONAL: np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    Plane.SAGITTAL: np.array([[0, 1.0, 0], [0, 0, -1], [1, 0, 0]]),
}
_NORMAL_AXIS = {Plane.AXIAL: 2, Plane.CORONAL: 1, Plane.SAGITTAL: 0}
_LETTERS = {
    Plane.AXIAL: ("R", "L", "A", "P"),
    Plane.CORONAL: ("R", "L", "H", "F"),
    Plane.SAGITTAL: ("A", "P", "H", "F"),
}


class VoxelSource(ABC):
    """Voxels of one volume, read where they are needed."""

    @property
    @abstractmethod
    def geometry(self) -> VolumeGeometry:
        """Grid of the voxels."""

    @property
    def is_slow(self) -> bool:
        """Whether reading a plane may take longer than a window should be away."""
        return False

    @abstractmethod
    def plane(self, axis: int, index: int) -> NDArray[np.float32]:
        """One plane of the grid: axis 0 -> (y, x), 1 -> (z, x), 2 -> (z, y)."""

    @abstractmethod
    def voxels_at(self, index_zyx: NDArray[np.intp]) -> NDArray[np.float32]:
        """Values of single voxels, (..., 3) indices inside the grid -> (...)."""


class ArraySource(VoxelSource):
    """Voxels of an array in memory or memory-mapped."""

    def __init__(self, values: NDArray[np.float32], geometry: VolumeGeometry) -> None:
        """Keep a reference to `values`, (z, y, x), NaN where there is no value."""
        self._values = values
        self._geometry = geometry

    @property
    def geometry(self) -> VolumeGeometry:
        """Grid of the voxels."""
        return self._geometry

    @property
    def is_slow(self) -> bool:
        """Whether the values are in a large file."""
        return isinstance(self._values, np.memmap) and self._values.nbytes > LARGE_FILE_BYTES

    def plane(self, axis: int, index: int) -> NDArray[np.float32]:
        """One plane of the grid."""
        if axis == 2:  # plain slicing is twice as fast as take
            return np.ascontiguousarray(self._values[:, :, index])
        return np.asarray(self._values[index] if axis == 0 else self._values[:, index])

    def voxels_at(self, index_zyx: NDArray[np.intp]) -> NDArray[np.float32]:
        """Values of single voxels."""
        z, y, x = np.moveaxis(index_zyx, -1, 0)
        return np.asarray(self._values[z, y, x])


@dataclass(frozen=True, slots=True)
class PlaneGrid:
    """Pixels of a plane on the screen.

    Attributes:
        left_mm: u of the left edge of the first column.
        top_mm: v of the upper edge of the first row.
        column_mm: Width of a pixel.
        row_mm: Height of a pixel.
        shape: Number of rows and columns.
    """

    left_mm: float
    top_mm: float
    column_mm: float
    row_mm: float
    shape: tuple[int, int]

    def centres_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Column centres (u) and row centres (v) in mm."""
        rows, columns = self.shape
        u = self.left_mm + self.column_mm * (np.arange(columns, dtype=np.float64) + _HALF_VOXEL)
        v = self.top_mm + self.row_mm * (np.arange(rows, dtype=np.float64) + _HALF_VOXEL)
        return u, v


@dataclass(frozen=True, slots=True, eq=False)
class PlaneImage:
    """One plane, upright for the screen.

    Attributes:
        values: (rows, columns) float32, first row on top, first column on the left; NaN where
            there is no value.
        grid: Where the pixels are.
        position_mm: w of the plane.
    """

    values: NDArray[np.float32]
    grid: PlaneGrid
    position_mm: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen_view(self.values))


class Reslicer:
    """Finds the planes of the patient in one grid."""

    def __init__(self, geometry: VolumeGeometry) -> None:
        """Work out which voxel axis runs along which patient axis."""
        self.geometry = geometry
        self._directions = geometry.affine_lps_mm[:3, :3]
        self._centre = geometry.centre_lps_mm
        self._voxel_axis = _voxel_axis_of_patient_axis(geometry)
        self.is_aligned = self._voxel_axis is not None
        self._bounds = bounds_lps_mm(geometry)
        self._grids = {plane: self._grid(plane) for plane in Plane}

    def step_mm(self, plane: Plane) -> float:
        """Distance between neighbouring slices of a plane."""
        if self._voxel_axis is None:
            return float(self.geometry.spacing_zyx_mm.min())
        axis = self._voxel_axis[plane.normal_axis]
        return float(abs(self._directions[plane.normal_axis, axis]))

    def slice_index(self, plane: Plane, position_mm: float) -> int:
        """Nearest slice to w along the plane's normal; counted from low w, kept inside."""
        low, count = self._slices(plane)
        index = round((position_mm - low) / self.step_mm(plane))
        return min(max(index, 0), count - 1)

    def slice_count(self, plane: Plane) -> int:
        """Number of slices of a plane."""
        return self._slices(plane)[1]

    def slice_position_mm(self, plane: Plane, index: int) -> float:
        """Position w of a slice."""
        return self._slices(plane)[0] + index * self.step_mm(plane)

    def grid(self, plane: Plane) -> PlaneGrid:
        """Pixels of any slice of a plane."""
        return self._grids[plane]

    def _grid(self, plane: Plane) -> PlaneGrid:
        low, high = np.sort(plane.to_screen_mm(np.stack(self._bounds)), axis=0)
        if self._voxel_axis is None:
            edge = float(self.geometry.spacing_zyx_mm.min())
            columns, rows = (max(1, round(float(n) / edge)) for n in (high - low)[:2])
            return PlaneGrid(float(low[0]), float(low[1]), edge, edge, (rows, columns))
        counts, steps = [], []
        for direction in plane.axes_lps[:2]:
            axis = self._voxel_axis[int(np.flatnonzero(direction)[0])]
            counts.append(self.geometry.shape_zyx[axis])
            steps.append(float(abs(self._directions[:, axis] @ direction)))
        centre = plane.to_screen_mm(self._centre)
        left, top = (centre[i] - counts[i] * steps[i] / 2 for i in (0, 1))
        return PlaneGrid(float(left), float(top), steps[0], steps[1], (counts[1], counts[0]))

    def read(self, source: VoxelSource, plane: Plane, index: int) -> PlaneImage:
        """Read a slice of a volume on this grid, upright for the screen.

        Args:
            source: Voxels on `geometry`.
            plane: Which plane.
            index: Slice as counted by `slice_index`.
        """
        position = self.slice_position_mm(plane, index)
        grid = self.grid(plane)
        if self._voxel_axis is None:
            u, v = grid.centres_mm()
            screen = np.stack(np.broadcast_arrays(u, v[:, None], position), axis=-1)
            values = sample_linear(source, plane.to_lps_mm(screen))
        else:
            values = self.upright(source.plane(*self.voxel_plane(plane, index)), plane)
        return PlaneImage(values, grid, position)

    def voxel_plane(self, plane: Plane, index: int) -> tuple[int, int]:
        """Voxel axis and index of a slice of an aligned volume, as `VoxelSource.plane` takes."""
        axis = self._aligned_axes()[plane.normal_axis]
        rising = self._directions[plane.normal_axis, axis] > 0
        return axis, index if rising else self.geometry.shape_zyx[axis] - 1 - index

    def upright(self, voxels: NDArray[Any], plane: Plane) -> NDArray[Any]:
        """Turn a voxel plane of an aligned volume to the screen: rows down, columns right."""
        axes = self._aligned_axes()
        right, down = plane.axes_lps[:2]
        column_axis = axes[int(np.flatnonzero(right)[0])]
        row_axis = axes[int(np.flatnonzero(down)[0])]
        turned = voxels if row_axis < column_axis else voxels.T
        row_step = 1 if self._directions[:, row_axis] @ down > 0 else -1
        column_step = 1 if self._directions[:, column_axis] @ right > 0 else -1
        return turned[::row_step, ::column_step]

    def _aligned_axes(self) -> tuple[int, int, int]:
        if self._voxel_axis is None:
            raise InvalidInputError("An oblique volume has no voxel planes along the patient.")
        return self._voxel_axis

    def _slices(self, plane: Plane) -> tuple[float, int]:
        """Position w of the lowest slice, and number of slices."""
        step = self.step_mm(plane)
        if self._voxel_axis is None:
            low, high = self._bounds[0][plane.normal_axis], self._bounds[1][plane.normal_axis]
            count = max(1, round(float(high - low) / step))
        else:
            count = self.geometry.shape_zyx[self._voxel_axis[plane.normal_axis]]
        return float(self._centre[plane.normal_axis]) - (count - 1) / 2 * step, count


def bounds_lps_mm(geometry: VolumeGeometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest patient coordinates of the voxels' outer corners, each (3,) mm."""
    ends = [(-_HALF_VOXEL, n - _HALF_VOXEL) for n in geometry.shape_zyx]
    corners = geometry.to_lps_mm(list(product(*ends)))
    return corners.min(axis=0), corners.max(axis=0)


def sample_linear(source: VoxelSource, position_lps_mm: ArrayLike) -> NDArray[np.float32]:
    """Values at positions by linear interpolation between voxel centres.

    Args:
        source: Voxels.
        position_lps_mm: (..., 3) mm.

    Returns:
        (...) float32; NaN outside the volume's outer voxel edges and wherever a voxel that
        contributes has no value.
    """
    position = np.asarray(position_lps_mm, dtype=np.float64)
    index = source.geometry.to_index(position)
    last = np.array(source.geometry.shape_zyx) - 1
    margin = _HALF_VOXEL + _EDGE_TOLERANCE
    inside = ((index >= -margin) & (index <= last + margin)).all(axis=-1)
    values = np.full(position.shape[:-1], np.nan, np.float32)
    values[inside] = _interpolate(source, np.clip(index[inside], 0, last), last)
    return values


def _interpolate(
    source: VoxelSource, index: NDArray[np.float64], last: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Trilinear interpolation at (n, 3) fractional indices within 0 to `last`."""
    lower = np.minimum(np.floor(index).astype(np.intp), np.maximum(last - 1, 0))
    fraction = index - lower
    total = np.zeros(len(index), np.float32)
    for corner in product((0, 1), repeat=3):
        step = np.array(corner)
        weight = np.prod(np.where(step, fraction, 1 - fraction), axis=-1).astype(np.float32)
        used = weight > _EDGE_TOLERANCE
        voxels = source.voxels_at(np.minimum(lower[used] + step, last))
        total[used] += weight[used] * voxels
    return total


def value_at(source: VoxelSource, position_lps_mm: ArrayLike) -> float | None:
    """Value of the voxel that holds a position; None outside the volume, NaN if not fitted."""
    index = source.geometry.nearest_index(position_lps_mm)
    if index is None:
        return None
    return float(source.voxels_at(np.array([index]))[0])


def _voxel_axis_of_patient_axis(geometry: VolumeGeometry) -> tuple[int, int, int] | None:
    """Voxel axis along patient x, y, z; None when a voxel would move by more than half its size."""
    directions = geometry.affine_lps_mm[:3, :3]
    nearest = [int(np.argmax(np.abs(directions[:, axis]))) for axis in range(3)]
    if sorted(nearest) != [0, 1, 2]:
        return None
    snapped = np.zeros((3, 3))
    for axis, patient_axis in enumerate(nearest):
        snapped[patient_axis, axis] = directions[patient_axis, axis]
    half_size = (np.array(geometry.shape_zyx) - 1) / 2
    corners = np.array(list(product((-1, 1), repeat=3))) * half_size
    shift = np.abs(corners @ (directions - snapped).T)
    if (shift.max(axis=0) > _HALF_VOXEL * np.abs(snapped).max(axis=1)).any():
        return None
    x, y, z = (nearest.index(patient_axis) for patient_axis in range(3))
    return x, y, z
