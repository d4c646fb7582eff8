"""Compare two maps over the body and over regions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.agreement import Agreement, agreement, body_mask
from kiview.core.errors import KiviewError
from kiview.core.images import DynamicImage, ParametricMap
from kiview.core.progress import Progress
from kiview.core.resample import resample
from kiview.core.roi import RoiMask
from kiview.io.scratch import Room

SHOWN_VOXELS = 2500
"""Voxels drawn in a plot of differences: enough to see a cloud, few enough to draw at once."""


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonRequest:
    """Two maps to compare.

    Attributes:
        image: Image the body is found on.
        first: Reference map (Patlak).
        second: Other map (network).
        masks: Regions on the image's grid.
    """

    image: DynamicImage
    first: ParametricMap
    second: ParametricMap
    masks: tuple[RoiMask, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What comparing gave.

    Attributes:
        rows: Agreement over the body, then over each region.
        mean: (n,) mean of both maps in some voxels of the body, spread evenly.
        difference: (n,) second minus first in the same voxels.
        findings: Sentences about regions that could not be compared.
    """

    rows: tuple[Agreement, ...]
    mean: NDArray[np.float32]
    difference: NDArray[np.float32]
    findings: tuple[str, ...] = ()


def compare_maps(request: ComparisonRequest, progress: Progress) -> Comparison:
    """Compare over the body and each region, on the grid of the first map.

    Args:
        request: Maps of the same quantity, regions on the grid of the image.
        progress: Told of every region.

    Returns:
        Agreement of the second map with the first.

    Raises:
        InvalidInputError: the body holds no voxel with a value in both maps.
    """
    first, grid = request.first.values, request.first.geometry
    progress.step(0.0, "Bringing both maps to one grid")
    second = request.second.values
    if not request.second.geometry.matches(grid):
        with Room(grid.shape_zyx) as room:
            second = resample(second, request.second.geometry, grid, room.values)
    progress.step(0.2, "Finding the body")
    body = _on_grid(body_mask(request.image), request)
    rows = [agreement(first, second, body, "Body")]
    findings = []
    for done, mask in enumerate(request.masks):
        progress.step(0.6 + 0.4 * done / len(request.masks), mask.name)
        try:
            rows.append(agreement(first, second, _on_grid(mask.inside, request), mask.name))
        except KiviewError as error:
            findings.append(str(error))
    mean, difference = _some_voxels(first, second, body)
    return Comparison(tuple(rows), mean, difference, tuple(findings))


def _on_grid(inside: NDArray[np.bool_], request: ComparisonRequest) -> NDArray[np.bool_]:
    """A mask of the image's grid on the grid of the first map."""
    if request.image.geometry.matches(request.first.geometry):
        return inside
    share = resample(inside.astype(np.float32), request.image.geometry, request.first.geometry)
    return np.asarray(np.nan_to_num(share) >= 1 / 2)


def _some_voxels(
    first: NDArray[np.float32], second: NDArray[np.float32], body: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    both = body & np.isfinite(first) & np.isfinite(second)
    index = np.flatnonzero(both)
    index = index[:: max(1, len(index) // SHOWN_VOXELS)]
    a, b = first.ravel()[index], second.ravel()[index]
    return np.asarray((a + b) / 2, np.float32), np.asarray(b - a, np.float32)
