"""Slice-wise parallel-beam projector: exact strip areas in sparse matrices.

A pixel is a square; its shadow on the detector is a trapezoid; the weight of a bin is the area of
the pixel inside the bin's strip divided by the strip width, times the pixel size in mm. So a
projection is a mean line integral over the bin (activity x mm), whatever the pixel size. Back
projection uses the transpose of the same numbers.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float32]
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True, slots=True)
class ProjectorGeometry:
    """Sampling of one slice and its sinogram.

    Attributes:
        pixels: Of one side of the square slice.
        bins: Of the detector; both span the same width.
        angles: Over 180 degrees.
        width_mm: Field of view.
    """

    pixels: int = 128
    bins: int = 128
    angles: int = 160
    width_mm: float = 512.0

    @property
    def pixel_mm(self) -> float:
        """Side of a pixel."""
        return self.width_mm / self.pixels

    @property
    def bin_mm(self) -> float:
        """Width of a detector bin."""
        return self.width_mm / self.bins

    @property
    def sampling(self) -> "Sampling":
        """The part that does not depend on the scale."""
        return Sampling(self.pixels, self.bins, self.angles)


@dataclass(frozen=True, slots=True)
class SubsetMatrices:
    """Forward and back projector of some angles over some pixels.

    Attributes:
        forward: (angles x bins, pixels in the support).
        back: Its transpose.
    """

    forward: sparse.csr_array
    back: sparse.csr_array


def field_of_view(pixels: int) -> NDArray[np.bool_]:
    """Pixels that every angle sees whole, bool (y, x)."""
    centre = (np.arange(pixels) - (pixels - 1) / 2) ** 2
    return np.asarray(centre[:, None] + centre[None, :] <= (pixels / 2 - 1) ** 2)


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a matrix depends on apart from its scale; the key of the caches."""

    pixels: int
    bins: int
    angles: int


def strip_matrix(sampling: Sampling) -> sparse.csr_array:
    """Back projector for bins of 1 mm, (pixels^2, angles x bins) float32.

    Rows outside the field of view are empty.
    """
    inside = np.flatnonzero(field_of_view(sampling.pixels))
    blocks = [_strip_weights(sampling, inside, a) for a in range(sampling.angles)]
    data = np.concatenate([b[0] for b in blocks], axis=1)
    columns = np.concatenate([b[1] for b in blocks], axis=1)
    used = data > 0
    counts = np.zeros(sampling.pixels**2, dtype=np.int32)
    counts[inside] = used.sum(axis=1)
    pointer = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    shape = (sampling.pixels**2, sampling.angles * sampling.bins)
    return sparse.csr_array((data[used], columns[used], pointer), shape=shape)


@lru_cache(maxsize=2)
def back_matrix(sampling: Sampling) -> sparse.csr_array:
    """`strip_matrix`, kept for this process."""
    return strip_matrix(sampling)


@lru_cache(maxsize=2)
def forward_matrix(sampling: Sampling) -> sparse.csr_array:
    """Transpose of `strip_matrix` by rows, kept for this process."""
    return strip_matrix(sampling).T.tocsr()


def support_subsets(
    geometry: ProjectorGeometry, support: NDArray[np.bool_], subsets: int
) -> list[SubsetMatrices]:
    """Matrices of interleaved angles, restricted to the pixels that may hold activity.

    Args:
        geometry: Sampling.
        support: bool (y, x).
        subsets: Subset s takes angles s, s + subsets, ...

    Returns:
        One entry per subset, in an order that keeps successive subsets far apart.
    """
    forward = back_matrix(geometry.sampling)[np.flatnonzero(support)].T.tocsr()
    forward.data *= np.float32(geometry.bin_mm)
    rows = np.arange(geometry.angles * geometry.bins).reshape(geometry.angles, geometry.bins)
    found = []
    for s in subset_order(subsets):
        part = forward[rows[s::subsets].ravel()]
        found.append(SubsetMatrices(part, part.T.tocsr()))
    return found


def subset_order(subsets: int) -> list[int]:
    """Order of subsets in which neighbours in time are far apart in angle."""
    step = max(1, round(subsets * 0.382))
    while np.gcd(step, subsets) != 1:
        step += 1
    return [(i * step) % subsets for i in range(subsets)]


def project(geometry: ProjectorGeometry, images: Floats) -> Floats:
    """Project slices.

    Args:
        geometry: Sampling.
        images: (y, x, k) activity, k images at once.

    Returns:
        (angles, bins, k) activity x mm.
    """
    flat = np.ascontiguousarray(images.reshape(geometry.pixels**2, -1), dtype=np.float32)
    sinogram = forward_matrix(geometry.sampling) @ flat
    sinogram *= np.float32(geometry.bin_mm)
    return np.asarray(sinogram.reshape(geometry.angles, geometry.bins, -1))


def attenuation_factors(geometry: ProjectorGeometry, attenuation_per_mm: Floats) -> Floats:
    """Share of photon pairs that leave the body.

    Args:
        geometry: Sampling.
        attenuation_per_mm: (y, x, k).

    Returns:
        (angles, bins, k), 0 to 1.
    """
    return np.exp(-project(geometry, attenuation_per_mm))


def _strip_weights(
    sampling: Sampling, inside: NDArray[np.intp], angle: int
) -> tuple[Floats, NDArray[np.int32]]:
    """Weights and columns of one angle, each (pixels inside, 3)."""
    theta = np.pi * (angle + 0.5) / sampling.angles
    ratio = sampling.bins / sampling.pixels
    y, x = np.divmod(inside, sampling.pixels)
    middle = (sampling.pixels - 1) / 2
    position = ratio * ((x - middle) * np.cos(theta) + (y - middle) * np.sin(theta))
    position += sampling.bins / 2
    wide, narrow = sorted((abs(ratio * np.cos(theta)), abs(ratio * np.sin(theta))), reverse=True)
    first = np.floor(position - (wide + narrow) / 2).astype(np.int64)
    edges = first[:, None] + np.arange(4) - position[:, None]
    weights = np.diff(_trapezoid_share(edges, wide, narrow), axis=1)
    weights[weights < _NEGLIGIBLE] = 0
    columns = first[:, None] + np.arange(3)
    weights[(columns < 0) | (columns >= sampling.bins)] = 0
    columns = np.clip(columns, 0, sampling.bins - 1) + angle * sampling.bins
    # share of the pixel area in the strip x area / strip width, for strips of width 1
    return (ratio**2 * weights).astype(np.float32), columns.astype(np.int32)


def _trapezoid_share(u: NDArray[np.float64], wide: float, narrow: float) -> NDArray[np.float64]:
    """Share of a trapezoid shadow left of u: a box of width `wide` smeared by one of `narrow`."""
    narrow = max(narrow, 1e-9)
    outer, inner = (wide + narrow) / 2, (wide - narrow) / 2
    t = np.clip(u, -outer, outer)
    rise = (np.minimum(t, -inner) + outer) ** 2 / (2 * narrow)
    flat = np.clip(t, -inner, inner) + inner
    fall_from = np.maximum(t, inner)
    fall = (narrow**2 - (outer - fall_from) ** 2) / (2 * narrow)
    return np.asarray((rise + flat + fall) / wide)
