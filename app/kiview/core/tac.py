"""Time-activity curves of regions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core._arrays import frozen_float64
from kiview.core.errors import GeometryMismatchError, InvalidInputError
from kiview.core.images import DynamicImage
from kiview.core.roi import RoiMask
from kiview.core.timing import FrameTiming
from kiview.core.units import Quantity


@dataclass(frozen=True, slots=True, eq=False)
class TimeActivityCurve:
    """Mean of a region in every frame.

    Attributes:
        timing: One time per frame, (t,).
        mean: (t,) float64 in `quantity`, decay-corrected to the injection.
        std: (t,) standard deviation over the voxels.
        voxel_count: Number of voxels averaged.
        quantity: Meaning and unit of the values.
        name: Name of the region.
    """

    timing: FrameTiming
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    voxel_count: int
    quantity: Quantity
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", frozen_float64(self.mean))
        object.__setattr__(self, "std", frozen_float64(self.std))
        if self.timing.is_per_slice or self.mean.shape != (self.timing.frame_count,):
            raise InvalidInputError("A curve needs one value and one time per frame.")
        if self.std.shape != self.mean.shape:
            raise InvalidInputError("A curve needs one standard deviation per frame.")


def extract(image: DynamicImage, mask: RoiMask) -> TimeActivityCurve:
    """Average the voxels of a region in every frame.

    With times per slice, the curve's times are the means over the region's voxels.

    Args:
        image: (t, z, y, x), decay-corrected to time zero.
        mask: bool (z, y, x) on the same grid, at least one voxel.

    Returns:
        Curve in the image's quantity, one value per frame.

    Raises:
        GeometryMismatchError: the mask belongs to another grid.
    """
    if not mask.geometry.matches(image.geometry):
        raise GeometryMismatchError(
            f"The region {mask.name!r} was drawn on another grid than the image's."
        )
    mean, std = image.store.curve(mask.inside)
    voxels_per_slice = np.array([np.count_nonzero(plane) for plane in mask.inside], np.float64)
    timing = image.timing.weighted(voxels_per_slice)
    return TimeActivityCurve(timing, mean, std, mask.voxel_count, image.quantity, mask.name)
