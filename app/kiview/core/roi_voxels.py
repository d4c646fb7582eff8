"""A region as a set of voxels on a grid of its own, placed in patient millimetres.

Everything between two voxel centres belongs to the nearer one, so the region can be read on any
other grid without interpolation.
"""

import base64
import binascii
import zlib
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core._arrays import frozen_view
from kiview.core.errors import GeometryMismatchError, InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.reslice import Plane
from kiview.core.roi_shapes import Shape

MOST_VOXELS = 400_000_000
"""More than any scanner's volume has."""
_COMPRESSION = 1
_DIAGONAL_MM = 0.01
_ALONG_AXIS = 0.9999
_HALF_VOXEL = 0.5
_TIE = 1e-6

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class VoxelSet(Shape):
    """Voxels of a grid; two of them are equal only when they are the same object.

    Attributes:
        inside: (z, y, x) bool, at least one voxel; read-only.
        geometry: Grid of exactly these voxels.

    Raises:
        GeometryMismatchError: the array and the grid differ in size.
        InvalidInputError: no voxel is set.
    """

    inside: NDArray[np.bool_]
    geometry: VolumeGeometry
    _kept: dict[str, Any] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.inside.shape != self.geometry.shape_zyx:
            raise GeometryMismatchError(
                f"A region of {self.inside.shape} voxels does not fit a grid of"
                f" {self.geometry.shape_zyx}."
            )
        if not self.inside.any():
            raise InvalidInputError("A region without a voxel is none; check what was read.")
        object.__setattr__(self, "inside", frozen_view(self.inside))

    @classmethod
    def cropped(cls, inside: NDArray[np.bool_], geometry: VolumeGeometry) -> "VoxelSet":
        """Only the box that holds voxels.

        Args:
            inside: (z, y, x) bool.
            geometry: Grid of `inside`.

        Raises:
            InvalidInputError: no voxel is set.
        """
        first, stop = np.zeros(3, int), np.array(inside.shape)
        for axis in range(3):
            others = tuple(i for i in range(3) if i != axis)
            used = np.flatnonzero(inside.any(axis=others))
            if len(used):
                first[axis], stop[axis] = used[0], used[-1] + 1
        part = inside[tuple(slice(a, b) for a, b in zip(first, stop, strict=True))]
        z, y, x = part.shape
        affine = geometry.affine_lps_mm.copy()
        affine[:3, 3] = geometry.to_lps_mm(first)
        return cls(
            np.ascontiguousarray(part),
            VolumeGeometry((z, y, x), affine, geometry.frame_of_reference_uid),
        )

    def signed_distance_mm(self, position_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Half a voxel inside, less than that outside: a bound with the right sign."""
        index = self.geometry.to_index(position_lps_mm)
        nearest = _nearest(index)
        last = np.array(self.geometry.shape_zyx) - 1
        clipped = np.clip(nearest, 0, last)
        z, y, x = np.moveaxis(clipped, -1, 0)
        inside = self.inside[z, y, x] & (nearest == clipped).all(axis=-1)
        half = float(self.geometry.spacing_zyx_mm.min()) / 2
        beyond = index - np.clip(index, 0, last)
        away = np.linalg.norm(beyond * self.geometry.spacing_zyx_mm, axis=-1)
        return np.where(inside, half, -half - away)

    def sampled(self, box: Box, geometry: VolumeGeometry) -> NDArray[np.bool_]:
        """Voxels of another grid whose centre lies inside.

        Args:
            box: Part of the grid to look at.
            geometry: The other grid.

        Returns:
            bool, as large as the box.
        """
        from_other = np.linalg.inv(self.geometry.affine_lps_mm) @ geometry.affine_lps_mm
        linear, offset = from_other[:3, :3], from_other[:3, 3]
        axes = [np.arange(part.start, part.stop) for part in box]
        drift = np.abs(linear - np.diag(np.diag(linear))) @ np.array(geometry.shape_zyx)
        if (drift * self.geometry.spacing_zyx_mm < _DIAGONAL_MM).all():
            index = [axes[i] * linear[i, i] + offset[i] for i in range(3)]
            return self._taken(index)
        found = np.zeros([len(axis) for axis in axes], np.bool_)
        for k, z in enumerate(axes[0]):  # slice by slice: positions take 24 times the memory
            index_yx = np.stack(np.meshgrid([z], axes[1], axes[2], indexing="ij"), axis=-1)
            found[k] = (self.signed_distance_mm(geometry.to_lps_mm(index_yx)) > 0)[0]
        return found

    def _taken(self, index: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
        """Voxels at fractional indices that differ along one axis each."""
        nearest = [_nearest(one) for one in index]
        valid = [
            (one >= 0) & (one < size)
            for one, size in zip(nearest, self.geometry.shape_zyx, strict=True)
        ]
        found = np.zeros([len(one) for one in nearest], np.bool_)
        kept = [one[ok] for one, ok in zip(nearest, valid, strict=True)]
        if all(len(one) and (np.diff(one) == 1).all() for one in kept):
            to_box, own = tuple(map(_slice_of, map(np.flatnonzero, valid))), map(_slice_of, kept)
            found[to_box] = self.inside[tuple(own)]  # 20 times faster than by lists of indices
        else:
            found[np.ix_(*valid)] = self.inside[np.ix_(*kept)]
        return found

    def edges(self, plane: Plane, position_mm: float) -> NDArray[np.float64] | None:
        """Edges of the voxels that a plane cuts.

        Args:
            plane: Which way the plane lies.
            position_mm: w of the plane.

        Returns:
            (n, 2, 2) lines from (u, v) to (u, v) in screen mm; None when the grid is oblique.
        """
        directions = self.geometry.affine_lps_mm[:3, :3] / self.geometry.spacing_zyx_mm
        if np.abs(directions).max(axis=0).min() < _ALONG_AXIS:
            return None
        axis = int(np.argmax(np.abs(directions[plane.normal_axis])))
        index = self._plane_index(plane, position_mm, axis)
        if not 0 <= index < self.geometry.shape_zyx[axis]:
            return np.zeros((0, 2, 2))
        part = np.pad(self.inside.take(index, axis), 1)
        first = np.argwhere(part[1:, :] != part[:-1, :])
        second = np.argwhere(part[:, 1:] != part[:, :-1])
        # An edge between rows i and i + 1 of the padded part lies at i - 0.5 of the voxels.
        rows = np.stack([first - [0.5, 1.5], first - [0.5, 0.5]], axis=1)
        columns = np.stack([second - [1.5, 0.5], second - [0.5, 0.5]], axis=1)
        corners = np.insert(np.concatenate([rows, columns]), axis, float(index), axis=-1)
        return np.asarray(plane.to_screen_mm(self.geometry.to_lps_mm(corners))[..., :2])

    def _plane_index(self, plane: Plane, position_mm: float, axis: int) -> int:
        origin = self.geometry.affine_lps_mm[plane.normal_axis, 3]
        step = self.geometry.affine_lps_mm[plane.normal_axis, axis]
        w = position_mm * plane.axes_lps[2, plane.normal_axis]
        return int(np.rint((w - origin) / step))

    def bounds_lps_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest coordinates of the voxels' outer edges."""
        corners = np.array(list(np.ndindex(2, 2, 2)))
        index = corners * np.array(self.geometry.shape_zyx) - _HALF_VOXEL
        position = self.geometry.to_lps_mm(index)
        return position.min(axis=0), position.max(axis=0)

    def moved(self, shift_lps_mm: ArrayLike) -> "VoxelSet":
        """The same voxels elsewhere."""
        affine = self.geometry.affine_lps_mm.copy()
        affine[:3, 3] += np.asarray(shift_lps_mm, np.float64)
        grid = self.geometry
        return VoxelSet(
            self.inside, VolumeGeometry(grid.shape_zyx, affine, grid.frame_of_reference_uid)
        )

    @property
    def centre_lps_mm(self) -> NDArray[np.float64]:
        """The voxel of the region that lies nearest to its centre of mass."""
        if "centre" not in self._kept:
            self._kept["centre"] = self._nearest_to_mean()
        return self.geometry.to_lps_mm(self._kept["centre"])

    def _nearest_to_mean(self) -> NDArray[np.intp]:
        """Index of that voxel, slice by slice: all indices take 24 times the memory of a region."""
        spacing = self.geometry.spacing_zyx_mm
        mean = self._mean_index()
        best, nearest_2 = np.zeros(3, np.intp), np.inf
        for z in np.argsort(np.abs(np.arange(len(self.inside)) - mean[0]), kind="stable"):
            beyond_2 = ((z - mean[0]) * spacing[0]) ** 2
            if beyond_2 > nearest_2:
                break
            index_yx = np.argwhere(self.inside[z])
            if not len(index_yx):
                continue
            apart_2 = (((index_yx - mean[1:]) * spacing[1:]) ** 2).sum(axis=1) + beyond_2
            at = int(np.argmin(apart_2))
            if apart_2[at] < nearest_2:
                best, nearest_2 = np.array([z, *index_yx[at]]), float(apart_2[at])
        return best

    def _mean_index(self) -> NDArray[np.float64]:
        """(3,) mean of the indices of the voxels."""
        per_slice = [np.count_nonzero(plane) for plane in self.inside]
        per_row = np.zeros(self.inside.shape[1])
        per_column = np.zeros(self.inside.shape[2])
        for plane in self.inside:
            per_row += np.count_nonzero(plane, axis=1)
            per_column += np.count_nonzero(plane, axis=0)
        counts = (np.array(per_slice), per_row, per_column)
        return np.array([(np.arange(len(n)) * n).sum() / n.sum() for n in counts])

    def prepare(self) -> None:
        """Pack the voxels and find their centre, which are kept."""
        self.to_dict()
        _ = self.centre_lps_mm

    @property
    def volume_ml(self) -> float:
        """Volume of the voxels in mL."""
        return int(self.inside.sum()) * self.geometry.voxel_volume_ml

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON; the voxels as packed, compressed bits in base64."""
        if "bits" not in self._kept:
            packed = zlib.compress(np.packbits(self.inside).tobytes(), _COMPRESSION)
            self._kept["bits"] = base64.b64encode(packed).decode("ascii")
        return {
            "type": "voxels",
            "shape_zyx": [*self.geometry.shape_zyx],
            "affine_lps_mm": self.geometry.affine_lps_mm.tolist(),
            "frame_of_reference_uid": self.geometry.frame_of_reference_uid,
            "bits": self._kept["bits"],
        }

    @classmethod
    def from_dict(cls, entry: dict[str, Any]) -> "VoxelSet":
        """The voxels written by `to_dict`.

        Raises:
            InvalidInputError: the bits do not fit the shape, or the values are impossible.
            KeyError, TypeError, ValueError: an entry is missing or of the wrong type.
        """
        z, y, x = (int(n) for n in entry["shape_zyx"])
        affine = np.array(entry["affine_lps_mm"], np.float64)
        count = prod((z, y, x))
        if min(z, y, x) < 1 or count > MOST_VOXELS:
            raise InvalidInputError(f"A region of {z} x {y} x {x} voxels cannot be read.")
        size = -(-count // 8)
        try:
            inflater = zlib.decompressobj()
            packed = inflater.decompress(base64.b64decode(entry["bits"], validate=True), size + 1)
        except (zlib.error, binascii.Error) as error:
            raise InvalidInputError("The voxels of a region are damaged.") from error
        if len(packed) != size:
            raise InvalidInputError("The voxels of a region do not fit its shape.")
        bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=count)
        reference = str(entry.get("frame_of_reference_uid", ""))
        return cls(
            bits.astype(np.bool_).reshape(z, y, x), VolumeGeometry((z, y, x), affine, reference)
        )


def _slice_of(consecutive: NDArray[np.intp]) -> slice:
    return slice(int(consecutive[0]), int(consecutive[-1]) + 1)


def _nearest(index: NDArray[np.float64]) -> NDArray[np.intp]:
    """Nearest whole index; halfway between two it is the lower one, whatever the rounding."""
    return np.ceil(index - _HALF_VOXEL - _TIE).astype(np.intp)
