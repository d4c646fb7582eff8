"""What a scanner gets wrong, and how it mixes slices: for phantoms harder than the ideal scan.

Everything here works on the expected or measured sinograms of some slices and leaves the random
stream of an ideal scan alone, so that a scan without these errors keeps its numbers.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kiview.simulate.acquisition import FWHM_PER_SIGMA, Expected, ScannerSettings
from kiview.simulate.projector import ProjectorGeometry, attenuation_factors
from kiview.simulate.recon import Sinograms

Floats = NDArray[np.float32]
_REACH_SIGMAS = 3.0
_MODULE_BINS = 0.06
"""Width of a detector module's shadow, as a share of the bins (design)."""
_MODULE_KEEPS = (0.0, 0.7)
"""Share of its counts that a faulty module still delivers (design)."""
_FEWEST_COUNTS_KEPT = 1e-6


def mixing_reach(fwhm_mm: float, slice_mm: float) -> int:
    """Neighbouring slices on either side that `mix_slices` needs."""
    return int(np.ceil(_REACH_SIGMAS * fwhm_mm / FWHM_PER_SIGMA / slice_mm)) if fwhm_mm > 0 else 0


def mixing_taps(fwhm_mm: float, slice_mm: float) -> NDArray[np.float64]:
    """Weights of the slices from -reach to +reach; their sum is 1."""
    reach = mixing_reach(fwhm_mm, slice_mm)
    if reach == 0:
        return np.ones(1)
    sigma = fwhm_mm / FWHM_PER_SIGMA / slice_mm
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum())


def mix_slices(data: Sinograms, fwhm_mm: float, slice_mm: float) -> Sinograms:
    """Average corrected sinograms over neighbouring slices, as rebinning of oblique lines does.

    Oblique lines of response belong to several slices. Fourier rebinning and its like share them
    out after the correction for attenuation, and attenuation-weighted OSEM puts the attenuation of
    each slice back. The outcome is that noise is correlated between slices. Here the sharing is
    a Gaussian along the axis; noise of two slices d apart then correlates by about
    exp(-d^2 / (4 sigma^2)), a full width of 1.41 x `fwhm_mm`.

    Args:
        data: z slices, of which `mixing_reach` at either end only serve as neighbours.
        fwhm_mm: Of the Gaussian; 0 gives the data back.
        slice_mm: Distance between slices.

    Returns:
        The inner slices: counts (no longer whole numbers) and background, mixed.
    """
    reach = mixing_reach(fwhm_mm, slice_mm)
    if reach == 0:
        return data
    taps = mixing_taps(fwhm_mm, slice_mm).astype(np.float32)
    weight = np.maximum(data.attenuation, np.float32(_FEWEST_COUNTS_KEPT))[..., None]
    inner = slice(reach, data.attenuation.shape[2] - reach)

    def mixed(sinogram: Floats) -> Floats:
        spread = ndimage.correlate1d(sinogram / weight, taps, axis=2)[:, :, inner]
        return np.asarray(spread * weight[:, :, inner], dtype=np.float32)

    attenuation = np.ascontiguousarray(data.attenuation[:, :, inner])
    return Sinograms(mixed(data.counts), mixed(data.background), attenuation, data.gain)


def known_attenuation(
    attenuation_per_mm: Floats, settings: ScannerSettings, slice_mm: float, rng: np.random.Generator
) -> Floats:
    """The attenuation map a scanner corrects with: scaled, and shifted along the axis (breathing).

    Args:
        attenuation_per_mm: (z, y, x) true.
        settings: Sigmas of both errors.
        slice_mm: Distance between slices.
        rng: Two numbers are drawn.
    """
    scale, shift = rng.standard_normal(2)
    factor = np.float32(1 + settings.attenuation_error * scale)
    moved = settings.attenuation_shift_mm * shift / slice_mm
    if not moved:
        return attenuation_per_mm * factor
    shifted: Floats = ndimage.shift(
        attenuation_per_mm, (moved, 0.0, 0.0), order=1, mode="nearest", output=np.float32
    )
    return shifted * factor


def corrected_with(
    expected: Expected, geometry: ProjectorGeometry, attenuation_per_mm: Floats
) -> Expected:
    """The same counts, reconstructed with another attenuation map, (z, y, x) on the fine pixels."""
    factors = attenuation_factors(geometry, np.moveaxis(attenuation_per_mm, 0, -1))
    return replace(expected, attenuation=factors)


def with_bad_module(
    expected: Expected, settings: ScannerSettings, rng: np.random.Generator
) -> Expected:
    """With some chance, a detector module that loses counts in up to three slices, unnoticed.

    A module sees a sinusoid-like band of the sinogram: all angles, at a bin that follows its place
    on the ring. The scanner corrects as if nothing had happened.

    Args:
        expected: Mean counts.
        settings: `bad_module_share` is the chance.
        rng: Five numbers are drawn whatever happens.
    """
    chance, kept, first, count, place = rng.random(5)
    if chance >= settings.bad_module_share:
        return expected
    angles, bins, slices = expected.attenuation.shape
    ring = np.cos(np.pi * np.arange(angles) / angles + 2 * np.pi * place)
    distance = np.abs(np.arange(bins)[None] - (bins - 1) / 2 * (1 + ring[:, None]))
    low, high = _MODULE_KEEPS
    band = np.where(distance < 0.5 * _MODULE_BINS * bins, low + (high - low) * kept, 1.0)
    z0 = int(first * slices)
    hit = slice(z0, min(z0 + 1 + int(3 * count), slices))
    trues, scatter = expected.trues.copy(), expected.scatter.copy()
    for part in (trues, scatter):
        part[:, :, hit] *= band[:, :, None, None].astype(np.float32)
    return replace(expected, trues=trues, scatter=scatter)
