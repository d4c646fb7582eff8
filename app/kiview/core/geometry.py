"""Where voxels are in the patient."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core._arrays import frozen_float64
from kiview.core.errors import InvalidInputError

_LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))
_SMALLEST_DETERMINANT_MM3 = 1e-9
_OBLIQUE_COSINE = 0.25  # below it, an axis gets no letter for that direction


@dataclass(frozen=True, slots=True, eq=False)
class VolumeGeometry:
    """Grid of a volume in the patient coordinate system of DICOM (LPS, mm).

    Attributes:
        shape_zyx: Number of slices, rows, columns.
        affine_lps_mm: (4, 4); maps a voxel-centre index (z, y, x, 1) to (x, y, z, 1) in mm, +x to
            the patient's left, +y to posterior, +z to the head.
        frame_of_reference_uid: DICOM frame of reference, empty if unknown.

    Raises:
        InvalidInputError: the shape is not positive or the affine has no inverse.
    """

    shape_zyx: tuple[int, int, int]
    affine_lps_mm: NDArray[np.float64]
    frame_of_reference_uid: str = ""
    _inverse: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape_zyx)
        affine = frozen_float64(self.affine_lps_mm)
        if len(shape) != 3 or min(shape) < 1:
            raise InvalidInputError(f"A volume of shape {shape} has no voxels.")
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise InvalidInputError("The position of the volume in the patient is not defined.")
        if abs(np.linalg.det(affine[:3, :3])) < _SMALLEST_DETERMINANT_MM3:
            raise InvalidInputError("The voxel axes of the volume are not three directions.")
        object.__setattr__(self, "shape_zyx", shape)
        object.__setattr__(self, "affine_lps_mm", affine)
        object.__setattr__(self, "_inverse", frozen_float64(np.linalg.inv(affine)))

    def __eq__(self, other: object) -> bool:
        """True for the same grid at the same place (see `matches`) in the same reference."""
        return (
            isinstance(other, VolumeGeometry)
            and self.frame_of_reference_uid == other.frame_of_reference_uid
            and self.matches(other)
        )

    __hash__ = None  # type: ignore[assignment]  # compared by value of a float array

    @property
    def spacing_zyx_mm(self) -> NDArray[np.float64]:
        """Distance between voxel centres along z, y, x, (3,) mm."""
        return np.asarray(np.linalg.norm(self.affine_lps_mm[:3, :3], axis=0))

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(abs(np.linalg.det(self.affine_lps_mm[:3, :3]))) / 1000.0

    @property
    def centre_lps_mm(self) -> NDArray[np.float64]:
        """Centre of the volume, (3,) mm."""
        return self.to_lps_mm((np.array(self.shape_zyx) - 1) / 2)

    def to_lps_mm(self, index_zyx: ArrayLike) -> NDArray[np.float64]:
        """Positions of voxel indices: (..., 3) (z, y, x) -> (..., 3) (x, y, z) in mm."""
        index = np.asarray(index_zyx, dtype=np.float64)
        return index @ self.affine_lps_mm[:3, :3].T + self.affine_lps_mm[:3, 3]

    def to_index(self, position_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Fractional indices of positions: (..., 3) (x, y, z) in mm -> (..., 3) (z, y, x)."""
        position = np.asarray(position_lps_mm, dtype=np.float64)
        return position @ self._inverse[:3, :3].T + self._inverse[:3, 3]

    def nearest_index(self, position_lps_mm: ArrayLike) -> tuple[int, int, int] | None:
        """Voxel (z, y, x) that holds a position, or None outside the volume."""
        index = np.rint(self.to_index(position_lps_mm)).astype(int)
        if (index < 0).any() or (index >= np.array(self.shape_zyx)).any():
            return None
        return int(index[0]), int(index[1]), int(index[2])

    def matches(self, other: "VolumeGeometry", tolerance_mm: float = 0.01) -> bool:
        """Whether every voxel of `other` lies within `tolerance_mm` of the same voxel here."""
        if self.shape_zyx != other.shape_zyx:
            return False
        last = np.array(self.shape_zyx) - 1
        corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * last
        shift = self.to_lps_mm(corners) - other.to_lps_mm(corners)
        return bool(np.abs(shift).max() <= tolerance_mm)

    def axis_letters(self, axis: int) -> tuple[str, str]:
        """Patient directions at the low and high end of an axis (0 z, 1 y, 2 x).

        Returns:
            For example `("R", "L")`; oblique axes get up to two letters, the larger part first.
        """
        direction = self.affine_lps_mm[:3, axis] / self.spacing_zyx_mm[axis]
        largest = np.argsort(-np.abs(direction))[:2]
        order = [i for i in largest if abs(direction[i]) > _OBLIQUE_COSINE]
        high = "".join(_LETTERS[i][int(direction[i] > 0)] for i in order)
        low = "".join(_LETTERS[i][int(direction[i] < 0)] for i in order)
        return low, high
