"""Regions of interest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core._arrays import frozen_view
from kiview.core.errors import GeometryMismatchError, InvalidInputError
from kiview.core.geometry import VolumeGeometry


@dataclass(frozen=True, slots=True, eq=False)
class RoiMask:
    """Voxels of a region on one grid.

    Attributes:
        inside: (z, y, x) bool, at least one voxel.
        geometry: Grid of the mask.
        name: Name of the region.
    """

    inside: NDArray[np.bool_]
    geometry: VolumeGeometry
    name: str = ""

    def __post_init__(self) -> None:
        if self.inside.shape != self.geometry.shape_zyx:
            raise GeometryMismatchError(
                f"The region {self.name!r} has {self.inside.shape} voxels but its grid has"
                f" {self.geometry.shape_zyx}."
            )
        if not self.inside.any():
            raise InvalidInputError(
                f"The region {self.name!r} holds no voxel centre; draw it larger or inside the"
                " image."
            )
        object.__setattr__(self, "inside", frozen_view(self.inside))

    @property
    def voxel_count(self) -> int:
        """Number of voxels."""
        return int(self.inside.sum())

    @property
    def volume_ml(self) -> float:
        """Volume in mL."""
        return self.voxel_count * self.geometry.voxel_volume_ml
