"""The consistency step: a network map made to agree with what linear Patlak is sure of.

At coarse scale Patlak is right on average, so the map is scaled to it (`tie_to_patlak`). At the
scale of a lesion Patlak is noisy, but its noise is known: where it shows more uptake than the
network by more than the noise explains, the excess is given back (`keep_significant`), so that the
network erases nothing that Patlak significantly shows.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from kiview.nets.preprocess import FWHM_PER_SIGMA, smooth

TIE_FWHM_MM = 30.0
TIE_LIMITS = (0.5, 2.0)
TIE_FLOOR = 1e-3
"""Added to both sides of the ratio in units of the normaliser: air gives 1, not 0/0."""
KEEP_FWHM_MM = 8.0
"""Scale at which Patlak and the network are compared for lesions."""
KEEP_SIGMAS = 1.0
"""Excess beyond so many standard deviations of Patlak at that scale is given back."""
_WIDE_FWHM_MM, _NOISE_FWHM_MM = 16.0, 60.0
_BODY_LEVEL, _EVEN_SHARE, _UNEVEN_WEIGHT = 0.1, 0.1, 0.05
_ROOT_MEAN = 0.8221789586624506
"""Mean of the square root of |x| for a standard normal x: 2^(1/4) Gamma(3/4) / sqrt(pi)."""
_BAND_SHARE = (1 + 2**-3 - 2 * (2 / 5) ** 1.5) ** 0.5
"""Standard deviation of white noise between 8 and 16 mm over that under 8 mm, three dimensions."""
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


def patlak_noise(
    patlak_ki: Volume, fur: Volume, normaliser_per_min: float, spacing_mm: tuple[float, ...]
) -> Volume:
    """Standard deviation of Patlak under a Gaussian of 8 mm, from the map itself.

    What 8 mm keep and 16 mm remove is noise where the uptake ratio is even. Its spread over 60 mm
    inside the body comes from the mean square root of its size, which few outliers hardly move;
    edges and lesions that the uptake ratio shows count a twentieth.

    Args:
        patlak_ki: (z, y, x) linear Patlak, /min, unfiltered.
        fur: Same grid, uptake ratio, /min: tells the body.
        normaliser_per_min: n of the study.
        spacing_mm: Along z, y, x.

    Returns:
        (z, y, x), /min.
    """
    if normaliser_per_min <= 0:
        return np.zeros_like(patlak_ki)
    band, _ = _between(np.nan_to_num(patlak_ki), spacing_mm)
    weight = _evenness(fur, normaliser_per_min, spacing_mm)
    np.sqrt(np.abs(band, out=band), out=band)
    band *= weight
    coarse_mm = tuple(4 * d for d in spacing_mm)

    def local_sum(volume: Volume) -> Volume:
        return smooth(halved(halved(volume)), (_NOISE_FWHM_MM,) * 3, coarse_mm)

    inside = np.maximum(local_sum(weight), np.float32(TIE_FLOOR))
    spread = np.square(local_sum(band) / inside / np.float32(_ROOT_MEAN))
    spread /= np.float32(_BAND_SHARE)
    middle = halved(patlak_ki).shape
    return doubled(doubled(spread, middle), patlak_ki.shape)


def _between(volume: Volume, spacing_mm: tuple[float, ...]) -> tuple[Volume, Volume]:
    """What lies between 8 and 16 mm, and what is left under 16 mm."""
    wide = smooth(volume, (_WIDE_FWHM_MM,) * 3, spacing_mm)
    band = smooth(volume, (KEEP_FWHM_MM,) * 3, spacing_mm)
    band -= wide
    return band, wide


def _evenness(fur: Volume, normaliser_per_min: float, spacing_mm: tuple[float, ...]) -> Volume:
    """1 where the uptake of the body is even, a little where it is not, 0 outside."""
    band, wide = _between(np.nan_to_num(fur), spacing_mm)
    even = np.abs(band, out=band) < _EVEN_SHARE * wide
    body = wide > _BODY_LEVEL * normaliser_per_min
    return np.where(even, np.float32(1), np.float32(_UNEVEN_WEIGHT)) * body


def keep_significant(
    ki: Volume, patlak_ki: Volume, noise: Volume, spacing_mm: tuple[float, ...]
) -> Volume:
    """Give back what Patlak shows beyond its noise and the network does not.

    Both maps are compared under a Gaussian of 8 mm; of an excess of Patlak, the part beyond one
    standard deviation is added. Nothing is ever taken away.

    Args:
        ki: (z, y, x) of the network, /min.
        patlak_ki: Same grid, linear Patlak of the same frames, /min, unfiltered.
        noise: `patlak_noise`, same grid, /min.
        spacing_mm: Along z, y, x.
    """
    excess = smooth(np.nan_to_num(patlak_ki) - ki, (KEEP_FWHM_MM,) * 3, spacing_mm)
    excess -= np.float32(KEEP_SIGMAS) * noise
    np.maximum(excess, 0, out=excess)
    excess += ki
    return excess


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
