"""Filtered back projection of one or more sinograms."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from kiview.simulate.projector import ProjectorGeometry, back_matrix
from kiview.simulate.recon import Sinograms

Floats = NDArray[np.float32]


def fbp(geometry: ProjectorGeometry, data: Sinograms) -> Floats:
    """Reconstruct every frame and slice from corrected data.

    Args:
        geometry: Sampling.
        data: z slices, t frames.

    Returns:
        (t, z, y, x) activity; negative where noise says so, 0 outside the field of view.
    """
    corrected = (data.counts - data.background) / data.attenuation[..., None] / data.gain
    filtered = _ramp(corrected, geometry.bin_mm)
    columns = filtered.reshape(geometry.angles * geometry.bins, -1).astype(np.float32)
    images = back_matrix(geometry.sampling) @ np.ascontiguousarray(columns)
    # one pixel of the unit matrix weighs (bins / pixels)^2 at every angle
    scale = np.pi / geometry.angles * (geometry.pixels / geometry.bins) ** 2
    slices, frames = data.attenuation.shape[2], data.gain.size
    shape = (geometry.pixels, geometry.pixels, slices, frames)
    return np.ascontiguousarray((scale * images).reshape(shape).transpose(3, 2, 0, 1))


def _ramp(sinogram: Floats, bin_mm: float) -> NDArray[np.float64]:
    """Ramp filter along the bins (axis 1), from its sampled impulse response; in 1/mm."""
    bins = sinogram.shape[1]
    size = int(fft.next_fast_len(2 * bins, real=True))
    offset = np.minimum(np.arange(size), size - np.arange(size))
    odd = offset % 2 == 1
    kernel = np.zeros(size)
    kernel[0] = 0.25
    kernel[odd] = -1 / (np.pi * offset[odd]) ** 2
    response = fft.rfft(kernel).real / bin_mm
    spectrum = fft.rfft(sinogram, size, axis=1)
    shape = (1, -1) + (1,) * (sinogram.ndim - 2)
    return np.asarray(fft.irfft(spectrum * response.reshape(shape), size, axis=1)[:, :bins])
