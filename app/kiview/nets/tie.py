"""The consistency step: a network map made to agree with linear Patlak at coarse scale."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from kiview.nets.preprocess import FWHM_PER_SIGMA, smooth

TIE_FWHM_MM = 30.0
TIE_LIMITS = (0.5, 2.0)
TIE_FLOOR = 1e-3
"""Added to both sides of the ratio in units of the normaliser: air gives 1, not 0/0."""
_HALVING_VARIANCE = 0.25 + 2.0 / 3.0
"""In voxels squared, of averaging pairs of voxels and drawing straight lines between the means."""

Volume = NDArray[np.float32]


def tie_to_patlak(
    ki: Volume, patlak_ki: Volume, normaliser_per_min: float, spacing_mm: tuple[float, ...]
) -> tuple[Volume, Volume]:
    """Make a network map agree with linear Patlak at coarse scale, where Patlak is unbiased.

    Both are smoothed by a Gaussian of 30 mm, on half as many voxels along each axis, which a
    Gaussian that wide does not notice.

    Args:
        ki: (z, y, x) of the network, /min.
        patlak_ki: Same grid, linear Patlak of the same frames, /min.
        normaliser_per_min: n of the study.
        spacing_mm: Along z, y, x.

    Returns:
        The corrected map, and |ln| of the correction before it was limited: large values say that
        the study is unlike what the network was trained on.
    """
    if normaliser_per_min <= 0:
        return ki, np.zeros_like(ki)
    floor = np.float32(TIE_FLOOR * normaliser_per_min)

    def coarse(volume: Volume) -> Volume:
        smoothed = _smooth_halves(halved(volume), spacing_mm)
        return np.maximum(smoothed, 0, out=smoothed) + floor

    with ThreadPoolExecutor(2) as pool:
        reference, below = pool.map(coarse, (patlak_ki, ki))
    ratio = reference / below
    correction = doubled(np.clip(ratio, *TIE_LIMITS), ki.shape)
    correction *= ki
    return correction, np.abs(doubled(np.log(ratio), ki.shape))


def halved(volume: Volume) -> Volume:
    """Means of pairs of voxels along each axis; an odd last one pairs with itself."""
    for axis in range(volume.ndim):
        volume = np.moveaxis(volume, axis, 0)
        even = volume[0::2]
        odd = volume[1::2]
        if len(odd) < len(even):
            odd = np.concatenate([odd, even[-1:]])
        volume = np.moveaxis(np.float32(0.5) * (even + odd), 0, axis)
    return volume


def doubled(volume: Volume, shape: tuple[int, ...]) -> Volume:
    """Straight lines between the means of pairs, back to the voxels of `shape`; ends repeated."""
    near, far = np.float32(0.75), np.float32(0.25)
    for axis, size in enumerate(shape):
        inner: Volume = np.moveaxis(volume, axis, 0)
        before: Volume = np.concatenate([inner[:1], inner[:-1]])
        after: Volume = np.concatenate([inner[1:], inner[-1:]])
        middle: Volume = near * inner
        pairs: Volume = np.stack([middle + far * before, middle + far * after], axis=1)
        fine: Volume = pairs.reshape(-1, *inner.shape[1:])[:size]
        volume = np.moveaxis(fine, 0, axis)
    return np.ascontiguousarray(volume)


def _smooth_halves(volume: Volume, spacing_mm: tuple[float, ...]) -> Volume:
    """What is left of the wide Gaussian after halving and doubling."""
    removed = [FWHM_PER_SIGMA**2 * _HALVING_VARIANCE * d * d for d in spacing_mm]
    widths = tuple(float(np.sqrt(max(TIE_FWHM_MM**2 - r, 0.0))) for r in removed)
    return smooth(np.nan_to_num(volume), widths, tuple(2 * d for d in spacing_mm))
