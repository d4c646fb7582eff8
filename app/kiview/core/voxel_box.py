"""A box of voxels in the patient, and where a plane cuts it."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kiview.core.geometry import VolumeGeometry
from kiview.core.reslice import Plane

_HALF_VOXEL = 0.5


@dataclass(frozen=True, slots=True)
class VoxelBox:
    """Voxels of a grid between two corners.

    Attributes:
        geometry: The grid.
        first_zyx: First voxel along each axis.
        end_zyx: The voxel after the last.
    """

    geometry: VolumeGeometry
    first_zyx: tuple[int, int, int]
    end_zyx: tuple[int, int, int]

    @property
    def whole_grid(self) -> "VoxelBox":
        """All voxels of the grid."""
        return VoxelBox(self.geometry, (0, 0, 0), self.geometry.shape_zyx)

    def cut(self, plane: Plane, position_mm: float) -> NDArray[np.float64]:
        """Corners of the polygon in which a plane cuts the outer edges of the voxels.

        Args:
            plane: Which way the plane lies.
            position_mm: w of the plane.

        Returns:
            (n, 2) screen mm (u, v) in the order of the outline; (0, 2) where it does not cut.
        """
        ends = list(zip(self.first_zyx, self.end_zyx, strict=True))
        corners = self.geometry.to_lps_mm(np.array(list(product(*ends))) - _HALF_VOXEL)
        screen = plane.to_screen_mm(corners).reshape(2, 2, 2, 3) - (0.0, 0.0, position_mm)
        lows = np.concatenate([screen.take(0, axis).reshape(-1, 3) for axis in range(3)])
        highs = np.concatenate([screen.take(1, axis).reshape(-1, 3) for axis in range(3)])
        crosses = (lows[:, 2] < 0) != (highs[:, 2] < 0)
        low, high = lows[crosses], highs[crosses]
        share = low[:, 2:] / (low[:, 2:] - high[:, 2:])
        points = (low + share * (high - low))[:, :2]
        around = points - points.mean(axis=0, keepdims=True) if len(points) else points
        return np.asarray(points[np.argsort(np.arctan2(around[:, 1], around[:, 0]))])
