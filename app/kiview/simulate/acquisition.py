"""From true activity to measured sinograms: blur, attenuation, decay, scatter, randoms, noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kiview.core.timing import FrameTiming
from kiview.simulate.projector import ProjectorGeometry, attenuation_factors, project
from kiview.simulate.recon import Sinograms

Floats = NDArray[np.float32]
FWHM_PER_SIGMA = 2.3548200450309493
F18_HALF_LIFE_S = 6586.2
LATE_S = 1200.0
"""Counts are set by the frames whose middle is later than this."""


@dataclass(frozen=True, slots=True)
class ScannerSettings:
    """What the scanner does to the activity.

    Attributes:
        trues_per_frame: Mean true coincidences of late frames per slice, scaled to 5 minutes.
        blur_fwhm_mm: Detector blur, in plane and along the axis.
        scatter_fraction: Scatter / trues.
        randoms_fraction: Randoms / trues.
        background_error: Relative sigma of the estimates of scatter and of randoms of a scan; a
            fifth of it varies again from frame to frame.
        half_life_s: Of the nuclide.
        axial_mixing_fwhm_mm: Sharing of counts between slices by rebinning, which correlates
            their noise; 0 for independent slices.
        attenuation_error: Relative sigma of the scale of the attenuation map used to correct.
        attenuation_shift_mm: Sigma of its shift along the axis.
        bad_module_share: Chance that a detector module loses counts in up to three slices.
    """

    trues_per_frame: float = 6e5
    blur_fwhm_mm: float = 4.5
    scatter_fraction: float = 0.35
    randoms_fraction: float = 0.25
    background_error: float = 0.03
    half_life_s: float = F18_HALF_LIFE_S
    axial_mixing_fwhm_mm: float = 0.0
    attenuation_error: float = 0.0
    attenuation_shift_mm: float = 0.0
    bad_module_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Expected:
    """Mean counts of some slices and frames.

    Attributes:
        trues: (angles, bins, z, t).
        scatter: Same shape.
        randoms: (z, t): the same in every bin.
        attenuation: (angles, bins, z), as the scanner knows it.
        gain: (t,) counts per activity x mm.
    """

    trues: Floats
    scatter: Floats
    randoms: Floats
    attenuation: Floats
    gain: Floats

    def scaled(self, factor: float) -> "Expected":
        """The same scan with another sensitivity."""
        f = np.float32(factor)
        trues, scatter, randoms = self.trues * f, self.scatter * f, self.randoms * f
        return Expected(trues, scatter, randoms, self.attenuation, self.gain * f)


def decay_factors(timing: FrameTiming, half_life_s: float) -> NDArray[np.float64]:
    """Mean of exp(-lambda t) over each frame, (t,): measured / decay-corrected activity."""
    rate = np.log(2) / half_life_s
    x = rate * timing.duration_s
    return np.asarray(np.exp(-rate * timing.start_s) * -np.expm1(-x) / x)


def blur(images: Floats, spacing_zyx_mm: tuple[float, float, float], fwhm_mm: float) -> Floats:
    """Gaussian detector blur of (..., z, y, x).

    In plane a sampled Gaussian (projecting an image blurred in plane is blurring the projection
    radially); along the axis, where slices are as wide as the blur, three taps of equal variance.
    """
    sigma = fwhm_mm / FWHM_PER_SIGMA
    flat = [0.0] * (images.ndim - 2)
    in_plane = [sigma / spacing_zyx_mm[1], sigma / spacing_zyx_mm[2]]
    smooth = ndimage.gaussian_filter(images, [*flat, *in_plane], mode="constant", truncate=3.5)
    side = min(0.5 * (sigma / spacing_zyx_mm[0]) ** 2, 1 / 3)
    taps = [side, 1 - 2 * side, side]
    return np.asarray(ndimage.correlate1d(smooth, taps, axis=images.ndim - 3, mode="nearest"))


def sensitivity(
    late_trues: NDArray[np.float64], gain: NDArray[np.float64], timing: FrameTiming, wanted: float
) -> float:
    """Factor on `gain` that gives the wanted trues per 5 minutes and slice in late frames.

    Args:
        late_trues: (t,) mean over slices of the total of attenuation x projection.
        gain: (t,) duration x decay.
        timing: (t,) frames.
        wanted: Trues per slice in 5 minutes.
    """
    late = timing.mid_s >= LATE_S
    if not late.any():
        late = np.ones(timing.frame_count, dtype=bool)
    rate = (late_trues * gain)[late].sum() / timing.duration_s[late].sum()
    return float(wanted / (300.0 * rate))


def expected_counts(
    geometry: ProjectorGeometry,
    images: Floats,
    curves: Floats,
    attenuation_per_mm: Floats,
    gain: Floats,
    settings: ScannerSettings,
) -> Expected:
    """Mean trues, scatter and randoms.

    Args:
        geometry: Fine pixels, detector bins.
        images: (r, z, y, x) blurred coefficient images.
        curves: (r, t); images and curves together make the activity of each frame.
        attenuation_per_mm: (z, y, x) on the same pixels.
        gain: (t,).
        settings: Scanner.
    """
    rank, slices = images.shape[:2]
    factors = attenuation_factors(geometry, np.moveaxis(attenuation_per_mm, 0, -1))
    columns = images.reshape(rank * slices, *images.shape[2:])
    lines = project(geometry, np.moveaxis(columns, 0, -1))
    lines = lines.reshape(*lines.shape[:2], rank, slices) * factors[:, :, None, :]
    weighted = (curves * gain).astype(np.float32)
    trues = _combine(lines, weighted)
    scatter = _combine(_spread(lines, geometry), weighted)
    total = trues.sum(axis=(0, 1), dtype=np.float64)
    spread_total = np.maximum(scatter.sum(axis=(0, 1), dtype=np.float64), 1e-30)
    scatter *= (settings.scatter_fraction * total / spread_total).astype(np.float32)
    bins = geometry.angles * geometry.bins
    randoms = (settings.randoms_fraction * total / bins).astype(np.float32)
    return Expected(trues, scatter, randoms, factors, gain.astype(np.float32))


def draw_background_errors(
    settings: ScannerSettings, frames: int, rng: np.random.Generator
) -> Floats:
    """Estimated / true scatter (row 0) and randoms (row 1) of one scan, (2, t)."""
    scan, frame = rng.standard_normal((2, 1)), rng.standard_normal((2, frames))
    errors = 1 + settings.background_error * (scan + 0.2 * frame)
    return np.asarray(np.maximum(errors, 0.5), dtype=np.float32)


def measure(expected: Expected, background_errors: Floats, rng: np.random.Generator) -> Sinograms:
    """One noisy scan: Poisson counts, and a background that is known with an error.

    Args:
        expected: Mean counts.
        background_errors: (2, t) from `draw_background_errors`.
        rng: Of the noise.
    """
    background = expected.scatter + expected.randoms
    counts = rng.poisson(expected.trues + background).astype(np.float32)
    known = expected.scatter * background_errors[0] + expected.randoms * background_errors[1]
    return Sinograms(counts, known, expected.attenuation, expected.gain)


def noise_free(expected: Expected) -> Sinograms:
    """The scan without noise and with a perfectly known background."""
    background = expected.scatter + expected.randoms
    return Sinograms(expected.trues + background, background, expected.attenuation, expected.gain)


def post_filter(frames: Floats, fwhm_mm: float, spacing_zy_mm: tuple[float, float]) -> Floats:
    """3-D Gaussian on every frame of (..., z, y, x)."""
    if fwhm_mm <= 0:
        return frames
    sigma = fwhm_mm / FWHM_PER_SIGMA
    flat = [0.0] * (frames.ndim - 3)
    z, y = sigma / spacing_zy_mm[0], sigma / spacing_zy_mm[1]
    return np.asarray(ndimage.gaussian_filter(frames, (*flat, z, y, y), mode="nearest", truncate=3))


def _combine(lines: Floats, weighted: Floats) -> Floats:
    """(angles, bins, r, z) and (r, t) -> (angles, bins, z, t), not negative."""
    mixed: Floats = np.matmul(lines.swapaxes(2, 3), weighted)
    np.maximum(mixed, 0, out=mixed)
    return mixed


def _spread(lines: Floats, geometry: ProjectorGeometry) -> Floats:
    """Wide smooth version of a sinogram: the shape of scatter."""
    bins, angles = 60.0 / geometry.bin_mm, 0.08 * geometry.angles
    smooth = ndimage.uniform_filter1d(lines, int(2 * bins) | 1, axis=1, mode="constant")
    smooth = ndimage.uniform_filter1d(smooth, int(2 * bins) | 1, axis=1, mode="constant")
    return np.asarray(ndimage.uniform_filter1d(smooth, int(angles) | 1, axis=0, mode="nearest"))
