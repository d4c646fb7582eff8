"""MLEM and OSEM of many frames and slices at once.

Images of k frames and slices are the columns of one dense block, so that each sparse product
serves them all. The model has no resolution term: y = gain x attenuation x (P x) + background.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.simulate.projector import (
    ProjectorGeometry,
    SubsetMatrices,
    subset_order,
    support_subsets,
)

Floats = NDArray[np.float32]
_FLOOR = np.float32(1e-9)


@dataclass(frozen=True, slots=True)
class Sinograms:
    """Measured data of some slices and frames, and what is known about them.

    Attributes:
        counts: (angles, bins, z, t) float32.
        background: Expected scatter and randoms, same shape, as the scanner estimates them.
        attenuation: (angles, bins, z), 0 to 1.
        gain: (t,) counts per activity x mm: sensitivity x duration x decay.
    """

    counts: Floats
    background: Floats
    attenuation: Floats
    gain: Floats

    def select(self, frames: NDArray[np.bool_]) -> "Sinograms":
        """Data of some frames, by a mask (t,)."""
        counts, background = self.counts[..., frames], self.background[..., frames]
        return Sinograms(counts, background, self.attenuation, self.gain[frames])


@dataclass(frozen=True, slots=True)
class System:
    """Projector of the reconstruction.

    Attributes:
        geometry: Sampling.
        support: bool (y, x), where activity is allowed.
        subsets: Matrices, in the order of use.
    """

    geometry: ProjectorGeometry
    support: NDArray[np.bool_]
    subsets: Sequence[SubsetMatrices]

    @classmethod
    def build(
        cls, geometry: ProjectorGeometry, support: NDArray[np.bool_], subsets: int
    ) -> "System":
        """Matrices of all subsets over the support."""
        return cls(geometry, support, support_subsets(geometry, support, subsets))

    def split(self, sinogram: Floats) -> list[Floats]:
        """(angles, bins, ...) -> one (angles x bins of the subset, ...) per subset."""
        count = len(self.subsets)
        tail = sinogram.shape[2:]
        return [
            np.ascontiguousarray(sinogram[s::count].reshape(-1, *tail)) for s in subset_order(count)
        ]

    def to_images(self, columns: Floats) -> Floats:
        """(support pixels, k) -> (k, y, x), zero outside the support."""
        out = np.zeros((columns.shape[1], *self.support.shape), dtype=np.float32)
        out[:, self.support] = columns.T
        return out


@dataclass(frozen=True, slots=True)
class SubsetData:
    """Data of one subset with rows (angle, bin)."""

    counts: Floats
    background: Floats
    attenuation: Floats


def subset_data(system: System, data: Sinograms) -> list[SubsetData]:
    """Data split as the system's subsets."""
    parts = (system.split(a) for a in (data.counts, data.background, data.attenuation))
    return [SubsetData(*p) for p in zip(*parts, strict=True)]


def osem(
    system: System,
    data: Sinograms,
    iterations: int,
    after_subset: Callable[[], None] | None = None,
) -> Floats:
    """Reconstruct every frame and slice by itself; MLEM if the system has one subset.

    Args:
        system: Projector.
        data: z slices, t frames.
        iterations: Passes over all subsets.
        after_subset: Called after each update (progress, cancel).

    Returns:
        (t, z, y, x) activity.
    """
    frames, slices = data.gain.size, data.attenuation.shape[2]
    parts = subset_data(system, data)
    used = list(zip(system.subsets, parts, strict=True))
    sensitivities = [np.maximum(s.back @ p.attenuation, _FLOOR) for s, p in used]
    shape = (int(system.support.sum()), slices, frames)
    x = np.full(shape, _start(system, data), dtype=np.float32)
    for _ in range(iterations):
        for (matrices, part), sensitivity in zip(used, sensitivities, strict=True):
            back = backprojected_ratio(matrices, part, data.gain, x)
            back /= sensitivity[:, :, None]
            x *= back
            if after_subset is not None:
                after_subset()
    images = system.to_images(x.reshape(len(x), -1))
    return np.ascontiguousarray(
        images.reshape(slices, frames, *system.support.shape).swapaxes(0, 1)
    )


def backprojected_ratio(
    matrices: SubsetMatrices, part: SubsetData, gain: Floats, x: Floats
) -> Floats:
    """Back projection of attenuation x measured / expected, (support pixels, z, t)."""
    expected = (matrices.forward @ _columns(x)).reshape(-1, *x.shape[1:])
    expected *= part.attenuation[:, :, None]
    expected *= gain
    expected += part.background
    np.maximum(expected, _FLOOR, out=expected)
    np.divide(part.counts, expected, out=expected)
    expected *= part.attenuation[:, :, None]
    return np.asarray((matrices.back @ _columns(expected)).reshape(x.shape))


def log_likelihood(system: System, data: Sinograms, images: Floats) -> float:
    """Poisson log-likelihood without its constant.

    Args:
        system: Projector.
        data: z slices, t frames.
        images: (t, z, y, x).
    """
    x = np.ascontiguousarray(images[:, :, system.support].transpose(2, 1, 0))
    total = 0.0
    for matrices, part in zip(system.subsets, subset_data(system, data), strict=True):
        expected = (matrices.forward @ _columns(x)).reshape(-1, *x.shape[1:]).astype(np.float64)
        expected = expected * part.attenuation[:, :, None] * data.gain + part.background
        np.maximum(expected, _FLOOR, out=expected)
        total += float((part.counts * np.log(expected) - expected).sum())
    return total


def _start(system: System, data: Sinograms) -> Floats:
    """Uniform start with about the right total, (t,)."""
    net = np.maximum((data.counts - data.background).sum(axis=(0, 1, 2), dtype=np.float64), 1.0)
    weight = float(data.attenuation.mean()) * system.geometry.pixel_mm * system.geometry.angles
    area = float(system.support.sum()) * data.attenuation.shape[2]
    return np.asarray(net / (data.gain * weight * area), dtype=np.float32)


def _columns(block: Floats) -> Floats:
    return np.ascontiguousarray(block.reshape(block.shape[0], -1), dtype=np.float32)
