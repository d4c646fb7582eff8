"""Direct 4-D Patlak reconstruction: nested EM, and the update of US 2021/0272340 A1.

Nested EM (Wang and Qi 2010): each subset updates the frames once (emission step) and then fits the
two Patlak images to them by several cheap EM steps (kinetic step). The basis is shifted,
S - shift x c x C with c the smallest ratio S / C, which makes the two curves less alike and the fit
faster.

The update of the published method (paragraphs 0095-0098) multiplies both images once per subset by
the back projection of measured / expected, summed over the frames with the basis as weights. It
climbs the same likelihood, but the two curves are nearly parallel, so that what tells Ki from V0
comes slowly: it takes several times as many passes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kiview.simulate.recon import Sinograms, System, backprojected_ratio, subset_data

Floats = NDArray[np.float32]
DirectUpdate = Literal["nested", "method"]
_FLOOR = np.float32(1e-12)
_BLOCK = 4096
FWHM_PER_SIGMA = 2.3548200450309493


@dataclass(frozen=True, slots=True)
class DirectSettings:
    """How the direct reconstruction runs.

    Attributes:
        iterations: Passes over all subsets.
        inner_steps: Kinetic steps after each subset (nested EM).
        shift: Share of the smallest S / C taken out of the first basis curve (nested EM).
        post_filter_mm: FWHM of the in-plane Gaussian at the end.
        update: "nested", or "method" for the one-step update of the published method, which works
            on the curves as they are.
    """

    iterations: int = 4
    inner_steps: int = 20
    shift: float = 0.5
    post_filter_mm: float = 4.0
    update: DirectUpdate = "nested"


@dataclass(frozen=True, slots=True)
class PatlakImages:
    """Maps of one reconstruction.

    Attributes:
        ki: (z, y, x) /min.
        v0: (z, y, x) mL/mL.
    """

    ki: Floats
    v0: Floats


def direct_patlak(
    system: System,
    data: Sinograms,
    basis: NDArray[np.float64],
    settings: DirectSettings,
    after_subset: Callable[[], None] | None = None,
) -> PatlakImages:
    """Reconstruct Ki and V0 from the sinograms of all frames together.

    Args:
        system: Projector.
        data: z slices, t frames.
        basis: (2, t) frame means of the integral of the input (activity x min) and of the input.
        settings: Iterations and filter.
        after_subset: Called after each subset (progress, cancel).
    """
    nested = settings.update == "nested"
    shift = settings.shift * float((basis[0] / basis[1]).min()) if nested else 0.0
    rows = np.stack([basis[0] - shift * basis[1], basis[1]])
    scale = rows.mean(axis=1)
    k = _iterate(system, data, (rows / scale[:, None]).astype(np.float32), settings, after_subset)
    ki = k[..., 0] / np.float32(scale[0])
    v0 = k[..., 1] / np.float32(scale[1]) - np.float32(shift) * ki
    sigma = settings.post_filter_mm / FWHM_PER_SIGMA / system.geometry.pixel_mm
    ki, v0 = (_smooth(system.to_images(a), sigma) for a in (ki, v0))
    return PatlakImages(ki, v0)


def _iterate(
    system: System,
    data: Sinograms,
    rows: Floats,
    settings: DirectSettings,
    after_subset: Callable[[], None] | None,
) -> Floats:
    """Coefficients (support pixels, z, 2) of the scaled basis `rows` (2, t)."""
    parts = subset_data(system, data)
    slices = data.attenuation.shape[2]
    sensitivities = [
        np.maximum(s.back @ p.attenuation, _FLOOR)
        for s, p in zip(system.subsets, parts, strict=True)
    ]
    k = np.full((int(system.support.sum()), slices, 2), _start(system, data, rows), np.float32)
    weights = _kinetic_weights(rows, data.gain)
    for _ in range(settings.iterations):
        for matrices, part, sensitivity in zip(system.subsets, parts, sensitivities, strict=True):
            x = k @ rows
            ratio = backprojected_ratio(matrices, part, data.gain, x)
            ratio /= sensitivity[:, :, None]
            if settings.update == "method":
                k *= ratio @ weights
            else:
                x *= ratio
                flat = x.reshape(-1, len(data.gain))
                _kinetic_steps(k.reshape(-1, 2), flat, rows, weights, settings.inner_steps)
            if after_subset is not None:
                after_subset()
    return k


def _kinetic_weights(rows: Floats, gain: Floats) -> Floats:
    """(t, 2): w_f M_pf / sum_f w_f M_pf; the sensitivity of a pixel cancels."""
    weighted = rows * gain
    return np.ascontiguousarray((weighted / weighted.sum(axis=1, keepdims=True)).T)


def _kinetic_steps(k: Floats, frames: Floats, rows: Floats, weights: Floats, steps: int) -> None:
    """Inner EM in place: k (n, 2) towards frames (n, t).

    In blocks that stay in the cache, frames first, so that every operation runs along pixels.
    """
    to_frames, to_images = np.ascontiguousarray(rows.T), np.ascontiguousarray(weights.T)
    for first in range(0, len(k), _BLOCK):
        part = np.ascontiguousarray(k[first : first + _BLOCK].T)
        target = np.ascontiguousarray(frames[first : first + _BLOCK].T)
        model, factor = np.empty_like(target), np.empty_like(part)
        for _ in range(steps):
            np.matmul(to_frames, part, out=model)
            np.maximum(model, _FLOOR, out=model)
            np.divide(target, model, out=model)
            np.matmul(to_images, model, out=factor)
            part *= factor
        k[first : first + _BLOCK] = part.T


def _start(system: System, data: Sinograms, rows: Floats) -> float:
    """Uniform value of both coefficients that gives about the right number of counts."""
    net = max(float((data.counts - data.background).sum(dtype=np.float64)), 1.0)
    weight = float(data.attenuation.mean()) * system.geometry.pixel_mm * system.geometry.angles
    area = float(system.support.sum()) * data.attenuation.shape[2]
    return float(net / (weight * area * (data.gain * rows.sum(axis=0)).sum()))


def _smooth(images: Floats, sigma_pixels: float) -> Floats:
    if sigma_pixels <= 0:
        return images
    return np.asarray(ndimage.gaussian_filter(images, (0, sigma_pixels, sigma_pixels)))
