"""What a network has to beat: Patlak under Gaussian filters, uptake-guided Patlak, 4-D direct."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kitrain.records import GroupRecord
from kiview.nets.preprocess import smooth

Volume = NDArray[np.float32]
Method = Callable[[GroupRecord, int], Volume]
WIDTHS_2D_MM = (0.0, 5.0, 8.0, 12.0)
WIDTHS_3D_MM = (5.0, 6.5, 8.0, 10.0, 12.0)
GUIDE_WIDTHS_MM = (8.0, 12.0, 16.0)


def filtered_patlak(width_zyx_mm: tuple[float, float, float]) -> Method:
    """Linear Patlak under a Gaussian of given FWHM."""

    def apply(record: GroupRecord, realisation: int) -> Volume:
        return smooth(record.patlak_ki(realisation), width_zyx_mm, record.spacing_mm)

    return apply


def guided_patlak(width_mm: float) -> Method:
    """HYPR-like: G4(FUR) x G(Ki) / G(G4(FUR)), G4 of 4 mm, G of `width_mm` in three dimensions."""

    def apply(record: GroupRecord, realisation: int) -> Volume:
        guide = smooth(record.fur(realisation), (4.0,) * 3, record.spacing_mm)
        wide = (width_mm,) * 3
        below = smooth(guide, wide, record.spacing_mm)
        floor = 1e-4 * record.normaliser[realisation]
        ki = smooth(record.patlak_ki(realisation), wide, record.spacing_mm)
        result: Volume = (guide * ki / np.maximum(below, floor)).astype(np.float32)
        return result

    return apply


def direct(width_mm: float) -> Method:
    """4-D direct reconstruction of the same data, under a Gaussian of given FWHM (0: as it is).

    It was made with the true curve and is told in the scale of the group's curve, as the truth is.
    """

    def apply(record: GroupRecord, realisation: int) -> Volume:
        ki = record.ki_direct[realisation] * np.float32(record.target_scale)
        return smooth(ki, (width_mm,) * 3, record.spacing_mm)

    return apply
