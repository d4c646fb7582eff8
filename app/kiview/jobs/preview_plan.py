"""Which boxes of voxels a preview computes, and in which order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.geometry import VolumeGeometry
from kiview.core.reslice import Plane
from kiview.nets.infer import Region
from kiview.nets.tie import reach_voxels

HALF_WIDTH_MM = 50.0
"""The neighbourhood reaches so far from the cursor."""
WHOLE_SHARE = 0.8
"""From this share of the work of a whole map on, the whole map is computed: it can be scrolled."""
PIECE_VOXELS = 3 << 17
"""Per step after the neighbourhood: about half a second on two cores."""
_IN_PLANE_ALIGNMENT = 4
_SLICE_ALIGNMENT = 2


@dataclass(frozen=True, slots=True)
class PlannedPlanes:
    """A box that one or more shown planes need.

    Attributes:
        box: What has to be computed: the planes and what the consistency step looks at around them.
        shown: The part of it that is shown afterwards.
        pieces: The box cut along z, nearest to the cursor first.
    """

    box: Region
    shown: Region
    pieces: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class PreviewPlan:
    """Everything a preview computes.

    Attributes:
        slice_index: Slice of the cursor.
        neighbourhood: First step: a box around the cursor. Because the network looks far, one
            box for all planes costs less than one strip for each, and it holds what the consistency
            step needs at its middle.
        planes: Later steps.
    """

    slice_index: int
    neighbourhood: Region
    planes: tuple[PlannedPlanes, ...]


def plan_preview(
    geometry: VolumeGeometry,
    position_lps_mm: NDArray[np.float64],
    planes: tuple[Plane, ...],
    *,
    tied: bool,
    halo: int,
) -> PreviewPlan:
    """Plan a preview.

    Args:
        geometry: Grid of the maps.
        position_lps_mm: (3,) the cursor.
        planes: Shown planes through the cursor.
        tied: Whether the map is made consistent with Patlak, which takes more voxels around it.
        halo: Voxels in a plane that the network looks far.
    """
    index = geometry.to_index(position_lps_mm)
    index = np.clip(index, 0, np.array(geometry.shape_zyx) - 1)
    shown = [_plane_box(geometry, index, plane) for plane in planes]
    if None in shown:
        shown = [_whole(geometry)]
    margin = reach_voxels(tuple(geometry.spacing_zyx_mm)) if tied else 0
    boxes = [(_widened(box, margin, geometry.shape_zyx), box) for box in shown if box is not None]
    whole = _whole(geometry)
    most = WHOLE_SHARE * _work(whole, geometry, halo)
    if sum(_work(box, geometry, halo) for box, _ in boxes) > most:
        boxes = [(whole, whole)]
    z = int(np.rint(index[0]))
    planned = [
        PlannedPlanes(box, part, tuple(_pieces(box, z, _area(box, geometry, halo))))
        for box, part in boxes
    ]
    return PreviewPlan(z, _neighbourhood(geometry, index), tuple(planned))


def _whole(geometry: VolumeGeometry) -> Region:
    z, y, x = geometry.shape_zyx
    return Region(0, z, 0, y, 0, x)


def _neighbourhood(geometry: VolumeGeometry, index: NDArray[np.float64]) -> Region:
    """100 mm along each axis, cut so that no voxel is computed for alignment alone."""
    edges: list[int] = []
    alignments = (_SLICE_ALIGNMENT, _IN_PLANE_ALIGNMENT, _IN_PLANE_ALIGNMENT)
    axes = zip(index, geometry.spacing_zyx_mm, geometry.shape_zyx, alignments, strict=True)
    for middle, spacing, size, step in axes:
        half = int(HALF_WIDTH_MM / spacing)
        width = -(-(2 * half + step) // step) * step
        first = (int(np.rint(middle)) - half) // step * step
        first = max(0, min(first, -(-(size - width) // step) * step))
        edges += [first, min(size, first + width)]
    return Region(*edges)


def _plane_box(geometry: VolumeGeometry, index: NDArray[np.float64], plane: Plane) -> Region | None:
    """The slice at the cursor and its neighbours, of the voxel axis along a plane's normal.

    None where no voxel axis does: then a plane crosses all slices.
    """
    along = np.abs(geometry.affine_lps_mm[plane.normal_axis, :3])
    axis = int(along.argmax())
    across = np.delete(along, axis) * np.delete(geometry.shape_zyx, axis)
    if across.max() > along[axis]:
        return None
    edges = [[0, n] for n in geometry.shape_zyx]
    middle = int(np.rint(index[axis]))
    edges[axis] = [max(0, middle - 1), min(geometry.shape_zyx[axis], middle + 2)]
    return Region(*[edge for pair in edges for edge in pair])


def _widened(box: Region, margin: int, shape_zyx: tuple[int, int, int]) -> Region:
    """Further on either side, begun and ended at whole pairs as the consistency step forms them."""
    if not margin:
        return box
    pairs = ((box.z0, box.z1), (box.y0, box.y1), (box.x0, box.x1))
    edges: list[int] = []
    for (first, last), size in zip(pairs, shape_zyx, strict=True):
        edges += [max(0, (first - margin) // 2 * 2), min(size, -(-(last + margin) // 2) * 2)]
    return Region(*edges)


def _area(box: Region, geometry: VolumeGeometry, halo: int) -> int:
    """Voxels the network works on for one slice of a box."""
    _, rows, columns = geometry.shape_zyx
    return min(rows, box.y1 - box.y0 + 2 * halo) * min(columns, box.x1 - box.x0 + 2 * halo)


def _work(box: Region, geometry: VolumeGeometry, halo: int) -> int:
    return (box.z1 - box.z0) * _area(box, geometry, halo)


def _pieces(box: Region, slice_index: int, area: int) -> Iterator[Region]:
    """Cut along z at places that do not depend on the cursor, so that they can be used again."""
    thickness = max(2, PIECE_VOXELS // area // 2 * 2)
    first = box.z0 // thickness * thickness
    starts = list(range(first, box.z1, thickness))
    starts.sort(key=lambda start: abs(start + (thickness - 1) / 2 - slice_index))
    for start in starts:
        z0, z1 = max(box.z0, start), min(box.z1, start + thickness)
        yield Region(z0, z1, box.y0, box.y1, box.x0, box.x1)
