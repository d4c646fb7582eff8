"""False hot spots of a Ki map: bright places where nothing hot is.

A hot spot is a local maximum of the map among 3 x 5 x 5 voxels (z, y, x) inside the body. It is
false when its value is more than twice the largest true Ki within 10 mm, plus 0.003 /min. Places
within 10 mm of urine or a renal pelvis do not count: they are no tissue and their Ki is no truth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kitrain.groups import Labels, Volume
from kitrain.records import GroupRecord
from kiview.core.errors import GeometryMismatchError, InvalidInputError
from kiview.simulate.tissues import NOT_TISSUE, Label

NEIGHBOURS_ZYX = (3, 5, 5)
NEAR_MM = 10.0
TIMES_TRUTH, ABOVE_PER_MIN = 2.0, 0.003
_LIQUID = tuple(int(label) for label in NOT_TISSUE if label != Label.AIR)


@dataclass(frozen=True, slots=True, eq=False)
class HotSpots:
    """False hot spots of one map, hottest first.

    Attributes:
        places_zyx: (n, 3) int voxels; of several equal ones that touch, the first.
        ki: (n,) /min, the map there.
    """

    places_zyx: NDArray[np.int64]
    ki: NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many, n."""
        return len(self.ki)


def false_hot_spots(ki: Volume, record: GroupRecord) -> HotSpots:
    """Find the false hot spots of a map.

    Args:
        ki: (z, y, x) /min on the grid of the record.
        record: Whose truth, body and labels decide. Urine and renal pelvis are known where a whole
            voxel is filled with them.

    Raises:
        GroupError: the truth is not known.
        GeometryMismatchError: the map has another grid.
        InvalidInputError: the map holds values that are not numbers.
    """
    truth = record.ki
    if ki.shape != truth.shape:
        raise GeometryMismatchError(
            f"A map of {ki.shape} voxels cannot be compared with a truth of {truth.shape}; compute"
            " it on the grid of the group."
        )
    if not np.isfinite(ki).all():
        raise InvalidInputError(
            "The map holds values that are not numbers, so its hottest places are unknown; fill"
            " them before counting hot spots."
        )
    near = ball(record.spacing_mm)
    highest = ndimage.maximum_filter(truth, footprint=near, mode="nearest")
    hot = ki > TIMES_TRUTH * highest + ABOVE_PER_MIN
    counted = (record.body > 0) & ~_near_liquid(record.labels, near)
    return _listed(ki, _is_peak(ki) & hot & counted)


def ball(spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Voxels whose centres are at most `NEAR_MM` from that of the middle one, (z, y, x)."""
    reach = [int(NEAR_MM // d) for d in spacing_mm]
    axes = [d * np.arange(-n, n + 1) for d, n in zip(spacing_mm, reach, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.asarray(z**2 + y**2 + x**2 <= NEAR_MM**2)


def _near_liquid(labels: Labels, near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    liquid = np.isin(labels, _LIQUID)
    return np.asarray(ndimage.binary_dilation(liquid, structure=near))


def _is_peak(ki: Volume) -> NDArray[np.bool_]:
    """Whether no neighbour is higher; beyond the edges there is none."""
    highest = ndimage.maximum_filter(ki, size=NEIGHBOURS_ZYX, mode="constant", cval=-np.inf)
    return np.asarray(ki >= highest)


def _listed(ki: Volume, peaks: NDArray[np.bool_]) -> HotSpots:
    """Peaks, hottest first, with voxels of equal height that touch as one."""
    pieces, count = ndimage.label(peaks, structure=np.ones((3, 3, 3)))
    flat = np.flatnonzero(peaks)
    _, first = np.unique(pieces.ravel()[flat], return_index=True)
    places = np.stack(np.unravel_index(flat[first], ki.shape), axis=1).astype(np.int64)
    values = ki[tuple(places.T)].astype(np.float64)
    order = np.argsort(-values, kind="stable")
    return HotSpots(places[order].reshape(count, 3), values[order])
