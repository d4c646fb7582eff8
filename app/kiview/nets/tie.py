"""The consistency step: a network map made to agree with what linear Patlak is sure of.

At coarse scale Patlak is nearly right on average, so the map is scaled to within 5 % of it
(`tie_to_patlak`). At the scale of a lesion Patlak is noisy, but its noise is known. Where it shows
more uptake than the network by more than the noise explains, the excess is given back, so that the
network erases nothing that Patlak significantly shows; where it shows less, the map is scaled down,
so that the network invents nothing that Patlak significantly denies (`follow_patlak`). A network
that gives a standard deviation says where it is unsure: there less of Patlak's noise is asked for;
and where it takes for uptake what may as well be a vessel, Patlak decides (`nets.doubt`).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from kiview.nets.doubt import Doubt, leave_vessels, less_where_unsure
from kiview.nets.preprocess import FWHM_PER_SIGMA, smooth

CONSISTENCY_VERSION = 6
"""Raise when the same map and study become another map: 1 only scaled at coarse scale, 2 corrected
every coarse difference and asked for one standard deviation everywhere, 3 took nothing away, 4
left the standard deviation as the network gave it where it followed Patlak's scaling, 5 did not ask
the network where it is unsure."""
TIE_FWHM_MM = 30.0
TIE_ALLOWED = 0.05
"""Logarithm of the coarse ratio that is left as it is: Patlak under 30 mm is itself 4 to 5 % below
the truth of simulated people, so a smaller difference says nothing against the network."""
TIE_LIMITS = (0.5, 2.0)
TIE_FLOOR = 1e-3
"""Added to both sides of the ratio in units of the normaliser: air gives 1, not 0/0."""
KEEP_FWHM_MM = 8.0
"""Scale at which Patlak and the network are compared for lesions."""
KEEP_SIGMAS = 1.0
"""Excess beyond so many standard deviations of Patlak at that scale is given back."""
DENY_SIGMAS = 2.0
"""The network may show so many standard deviations more than Patlak at that scale. What it
takes for lesions in simulated bodies are mostly small vessels; 1.5 lowers true lesions as well, and
3 leaves some vessels."""
KEEP_NOISE, KEEP_MOST = 0.09, 2.5
"""Noise in units of the normaliser above which more standard deviations are asked for, and how many
times more at most: what plain noise of up to 4 n adds on average stays below 1 % of n."""
SIGMA_OF_KI, SIGMA_OF_NOISE, SIGMA_GROWTH = 0.1, 0.1, 2.5
"""What a network's own standard deviation does not know, in parts of Ki and of Patlak's noise, and
how much it grows with that noise beyond `KEEP_NOISE`, both in units of the normaliser."""
_WIDE_FWHM_MM, _NOISE_FWHM_MM = 16.0, 60.0
_BODY_LEVEL, _EVEN_SHARE, _UNEVEN_WEIGHT = 0.1, 0.1, 0.05
_ROOT_MEAN = 0.8221789586624506
"""Mean of the square root of |x| for a standard normal x: 2^(1/4) Gamma(3/4) / sqrt(pi)."""
_BAND_SHARE = 0.9
"""Standard deviation of noise in that band of halved voxels over that under 8 mm: 1.03 for white
noise, 0.79 to 0.93 for reconstructed noise of simulated scans at 4 mm."""
_PAIR_VARIANCE = 0.25
"""In voxels squared, of averaging pairs of voxels."""
_HALVING_VARIANCE = _PAIR_VARIANCE + 2.0 / 3.0
"""In voxels squared, of averaging pairs of voxels and drawing straight lines between the means."""

Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PatlakReference:
    """What linear Patlak of the same frames says, and how sure it is; constants of a study.

    Attributes:
        ki: (z, y, x) unfiltered, /min.
        near: Same grid, under a Gaussian of 8 mm, /min, 0 where there is no number.
        noise: Same grid, `local_noise`: standard deviation of `near`, /min.
        normaliser_per_min: n of the study.
        spacing_mm: Along z, y, x.
    """

    ki: Volume
    near: Volume
    noise: Volume
    normaliser_per_min: float
    spacing_mm: tuple[float, ...]

    def part(self, box: tuple[slice, slice, slice]) -> "PatlakReference":
        """The same of a box of voxels."""
        return replace(self, ki=self.ki[box], near=self.near[box], noise=self.noise[box])


@dataclass(frozen=True, slots=True, eq=False)
class Consistent:
    """A network map after the consistency step.

    Attributes:
        ki: (z, y, x) /min.
        sigma: Standard deviation of it, /min, None where the network gives none.
        alarm: |ln| of the coarse correction, before it was limited.
    """

    ki: Volume
    sigma: Volume | None
    alarm: Volume


def patlak_reference(
    ki: Volume, fur: Volume, normaliser_per_min: float, spacing_mm: tuple[float, ...]
) -> PatlakReference:
    """Linear Patlak of a whole study with its local noise.

    Args:
        ki: (z, y, x) unfiltered, /min.
        fur: Same grid, uptake ratio, /min.
        normaliser_per_min: n of the study.
        spacing_mm: Along z, y, x.
    """
    noise = local_noise(ki, fur, normaliser_per_min, spacing_mm)
    near = smooth(np.nan_to_num(ki), (KEEP_FWHM_MM,) * 3, spacing_mm)
    return PatlakReference(ki, near, noise, normaliser_per_min, spacing_mm)


def reach_voxels(spacing_mm: tuple[float, ...]) -> int:
    """How many voxels away from a voxel the consistency step looks, along the finest axis.

    The wide Gaussian on halved voxels and the straight lines between them count double, a pair may
    begin one voxel earlier on either side, and the Gaussian of 8 mm comes on top: 17 at 4 mm.

    Args:
        spacing_mm: Along z, y, x.
    """
    return max(_reach_along(spacing) for spacing in spacing_mm)


def _reach_along(spacing: float) -> int:
    removed = FWHM_PER_SIGMA**2 * _HALVING_VARIANCE * spacing**2
    wide = max(TIE_FWHM_MM**2 - removed, 0.0) ** 0.5 / (2 * spacing)
    halves, lesion = (_radius(width) for width in (wide, KEEP_FWHM_MM / spacing))
    return 2 * (halves + 1) + 2 + lesion


def _radius(fwhm_voxels: float) -> int:
    """Of a sampled Gaussian as `preprocess.smooth` truncates it."""
    return int(3.0 * fwhm_voxels / FWHM_PER_SIGMA + 0.5)


def make_consistent(ki: Volume, doubt: Doubt | None, reference: PatlakReference) -> Consistent:
    """The whole consistency step: scaled to Patlak at coarse scale, then Patlak where it is sure.

    The standard deviation follows the scaling; where Patlak was followed, its noise adds; it is
    `widened` everywhere, and then times the calibration of a network that has one.

    Args:
        ki: (z, y, x) of the network, /min.
        doubt: Same grid, from `doubt_of`; None where the network gives no standard deviation.
        reference: Same grid.
    """
    tied, followed, alarm = _followed(ki, doubt, reference)
    if doubt is None:
        return Consistent(followed, None, alarm)
    scaled = np.minimum(tied, followed)
    factor = np.divide(scaled, ki, out=np.ones_like(ki), where=ki > 0)
    added = np.where(followed != tied, reference.noise, np.float32(0))
    sigma = widened(np.hypot(doubt.sigma * factor, added), followed, reference)
    if doubt.calibration is not None:
        sigma *= doubt.calibration
    shown = leave_vessels(followed, doubt.vessel, reference.near, reference.noise)
    return Consistent(shown, sigma, alarm)


def consistent_ki(ki: Volume, doubt: Doubt | None, reference: PatlakReference) -> Volume:
    """Ki of `make_consistent` without the work on its standard deviation, for previews."""
    _, followed, _ = _followed(ki, doubt, reference)
    if doubt is None:
        return followed
    return leave_vessels(followed, doubt.vessel, reference.near, reference.noise)


def _followed(
    ki: Volume, doubt: Doubt | None, reference: PatlakReference
) -> tuple[Volume, Volume, Volume]:
    """Scaled at coarse scale, then with Patlak where it is sure; and the alarm of the first."""
    n, spacing_mm = reference.normaliser_per_min, reference.spacing_mm
    tied, alarm = tie_to_patlak(ki, reference.ki, n, spacing_mm)
    asked = KEEP_SIGMAS if doubt is None else less_where_unsure(KEEP_SIGMAS, doubt)
    return tied, follow_patlak(tied, reference, asked), alarm


def widened(sigma: Volume, ki: Volume, reference: PatlakReference) -> Volume:
    """Standard deviation of a map with what networks were found not to know of their own errors.

    By itself it is right on average over the counts of training, too small where there are few, and
    it does not know that a thin tissue is too low as a whole.

    Args:
        sigma: (z, y, x) of the map, /min.
        ki: Same grid, the map, /min.
        reference: Same grid.
    """
    noise, n = reference.noise, reference.normaliser_per_min
    grown = sigma.copy()
    if n > 0:
        more = noise * np.float32(SIGMA_GROWTH / n) - np.float32(SIGMA_GROWTH * KEEP_NOISE)
        grown += np.maximum(more, 0, out=more) * sigma
    grown *= grown
    grown += np.square(np.float32(SIGMA_OF_KI) * ki)
    grown += np.square(np.float32(SIGMA_OF_NOISE) * noise)
    return np.sqrt(grown, out=grown)


def tie_to_patlak(
    ki: Volume, patlak_ki: Volume, normaliser_per_min: float, spacing_mm: tuple[float, ...]
) -> tuple[Volume, Volume]:
    """Make a network map agree with linear Patlak at coarse scale, where Patlak has little bias.

    Of the logarithm of their ratio, what lies beyond `TIE_ALLOWED` is corrected. Both are smoothed
    by a Gaussian of 30 mm, on half as many voxels along each axis, which a Gaussian that wide does
    not notice.

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
        half = np.nan_to_num(halved(volume))
        smoothed = _smooth_halves(half, TIE_FWHM_MM, spacing_mm, _HALVING_VARIANCE)
        return np.maximum(smoothed, 0, out=smoothed) + floor

    with ThreadPoolExecutor(2) as pool:
        reference, below = pool.map(coarse, (patlak_ki, ki))
    log_ratio = np.log(reference / below)
    beyond = log_ratio - np.clip(log_ratio, -TIE_ALLOWED, TIE_ALLOWED)
    correction = doubled(np.clip(np.exp(beyond), *TIE_LIMITS), ki.shape)
    correction *= ki
    return correction, np.abs(doubled(log_ratio, ki.shape))


def local_noise(
    patlak_ki: Volume, fur: Volume, normaliser_per_min: float, spacing_mm: tuple[float, ...]
) -> Volume:
    """Standard deviation of Patlak under a Gaussian of 8 mm, from the map itself.

    What 8 mm keep and 16 mm remove is noise where the uptake ratio is even. Its spread over 60 mm
    inside the body comes from the mean square root of its size, which few outliers hardly move;
    edges and lesions that the uptake ratio shows count a twentieth. All of it on halved voxels.

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
    band, _ = _between(halved(np.nan_to_num(patlak_ki)), spacing_mm)
    weight = evenness(fur, normaliser_per_min, spacing_mm)
    root = np.sqrt(np.abs(band, out=band), out=band)
    spread = local_spread(root, weight, spacing_mm)
    spread /= np.float32(_BAND_SHARE)
    return doubled(doubled(spread, root.shape), patlak_ki.shape)


def local_spread(root: Volume, weight: Volume, spacing_mm: tuple[float, ...]) -> Volume:
    """Standard deviation of noise over 60 mm from the mean square root of its size.

    Args:
        root: Square root of |noise|, on halved voxels; overwritten.
        weight: What each counts, from `evenness`.
        spacing_mm: Along z, y, x, before halving.

    Returns:
        On voxels halved twice.
    """
    root *= weight
    coarse_mm = tuple(4 * d for d in spacing_mm)

    def local_sum(volume: Volume) -> Volume:
        return smooth(halved(volume), (_NOISE_FWHM_MM,) * 3, coarse_mm)

    inside = np.maximum(local_sum(weight), np.float32(TIE_FLOOR))
    spread: Volume = np.square(local_sum(root) / inside / np.float32(_ROOT_MEAN))
    return spread


def _between(half: Volume, spacing_mm: tuple[float, ...]) -> tuple[Volume, Volume]:
    """What lies between 8 and 16 mm of a halved volume, and what is left under 16 mm."""
    wide = _smooth_halves(half, _WIDE_FWHM_MM, spacing_mm)
    near = half
    for axis, spacing in enumerate(spacing_mm):
        variance = (KEEP_FWHM_MM / FWHM_PER_SIGMA / spacing) ** 2 - _PAIR_VARIANCE
        side = min(max(variance / 8, 0.0), 1 / 3)  # a halved voxel is 2 wide: 2 side 4 = variance
        near = correlate1d(near, [side, 1 - 2 * side, side], axis=axis, mode="nearest")
    return near - wide, wide


def evenness(fur: Volume, normaliser_per_min: float, spacing_mm: tuple[float, ...]) -> Volume:
    """1 where the uptake of the body is even, a little where it is not, 0 outside; halved."""
    band, wide = _between(halved(np.nan_to_num(fur)), spacing_mm)
    even = np.abs(band, out=band) < _EVEN_SHARE * wide
    body = wide > _BODY_LEVEL * normaliser_per_min
    return np.where(even, np.float32(1), np.float32(_UNEVEN_WEIGHT)) * body


def asked_sigmas(noise: Volume, normaliser_per_min: float) -> Volume:
    """How many standard deviations of Patlak count as one: more where there is more noise.

    Args:
        noise: `local_noise`, (z, y, x) /min.
        normaliser_per_min: n of the study.
    """
    if normaliser_per_min <= 0:
        return np.ones_like(noise)
    times: Volume = noise / np.float32(KEEP_NOISE * normaliser_per_min)
    return np.clip(times, 1.0, KEEP_MOST, out=times)


def follow_patlak(
    ki: Volume,
    reference: PatlakReference,
    keep_sigmas: float | Volume = KEEP_SIGMAS,
    deny_sigmas: float = DENY_SIGMAS,
) -> Volume:
    """Follow Patlak where it differs from a map by more than its noise explains.

    Both are compared under a Gaussian of 8 mm. Of an excess of Patlak, the part beyond
    `keep_sigmas` is added; where the map shows more than Patlak and `deny_sigmas`, it is scaled
    down to that. The standard deviations are those of `asked_sigmas`.

    Args:
        ki: (z, y, x) of the network, /min.
        reference: Same grid.
        keep_sigmas: One for all or (z, y, x); the program's own where the network is sure unless a
            study of the trade-off asks for others.
        deny_sigmas: The program's own, likewise.
    """
    near = smooth(ki, (KEEP_FWHM_MM,) * 3, reference.spacing_mm)
    noise = reference.noise * asked_sigmas(reference.noise, reference.normaliser_per_min)
    added = reference.near - near
    added -= np.asarray(keep_sigmas, np.float32) * noise
    np.maximum(added, 0, out=added)
    noise *= np.float32(deny_sigmas)
    noise += np.maximum(reference.near, 0)
    scale: Volume = np.divide(noise, near, out=np.ones_like(near), where=near > noise)
    scale *= ki
    scale += added
    return scale


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


def _smooth_halves(
    half: Volume, fwhm_mm: float, spacing_mm: tuple[float, ...], removed: float = _PAIR_VARIANCE
) -> Volume:
    """What is left of a Gaussian on halved voxels, of whose variance halving took its part.

    Args:
        half: Halved volume.
        fwhm_mm: Of the whole.
        spacing_mm: Along z, y, x, before halving.
        removed: Variance, in voxels squared, that is taken already or will be by doubling.
    """
    taken = [FWHM_PER_SIGMA**2 * removed * d * d for d in spacing_mm]
    widths = tuple(float(np.sqrt(max(fwhm_mm**2 - r, 0.0))) for r in taken)
    return smooth(half, widths, tuple(2 * d for d in spacing_mm))
