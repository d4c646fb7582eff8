"""Bring a map from one grid to another."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kiview.core.geometry import VolumeGeometry


def resample(
    values: NDArray[np.float32],
    source: VolumeGeometry,
    target: VolumeGeometry,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Interpolate linearly onto another grid.

    Args:
        values: (z, y, x) on `source`.
        source: Grid of the values.
        target: Wanted grid, in the same patient coordinates.
        out: (z, y, x) float32 on `target` to write into, None for new memory.

    Returns:
        (z, y, x) float32 on `target`; NaN outside the source and next to its NaN voxels.
    """
    if source.matches(target):
        return values
    to_source = np.linalg.inv(source.affine_lps_mm) @ target.affine_lps_mm
    return ndimage.affine_transform(
        values,
        to_source[:3, :3],
        to_source[:3, 3],
        output_shape=target.shape_zyx,
        output=np.float32 if out is None else out,
        order=1,
        mode="constant",
        cval=np.nan,
    )
