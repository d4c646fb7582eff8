"""Closed planar contours, as radiotherapy draws them, into a region.

Contours on the same plane are combined by the even-odd rule (DICOM's CLOSEDPLANAR_XOR): a contour
within another is a hole, and so is what a keyhole goes around. A contour stands for the slab
halfway to the planes beside it; where planes are missing (a gap of more than one and a half times
the usual distance) the region is interrupted.

Few corners on axial slices of the image become polygons that can be edited; all other contours
become the voxels of the image whose centre lies inside.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import NullProgress, Progress
from kiview.core.reslice import Plane
from kiview.core.roi_shapes import Contour, PolygonStack, Shape
from kiview.core.roi_voxels import VoxelSet

FLAT_MM = 0.1
"""How far a corner may lie from the plane of its contour."""
SAME_PLANE_MM = 0.05
"""Contours nearer than this lie on one plane."""
GAP_SHARE = 1.5
MOST_EDITABLE_CORNERS = 100
"""Polygons with more corners on one slice cannot be edited by hand and become voxels."""
ON_SLICE_SHARE = 0.1
"""Share of the slice distance by which a contour may lie beside the slice it was drawn on."""
_PARALLEL = 1e-4
_SMALLEST_AREA_MM2 = 1e-6
_POINTS_AT_ONCE = 1 << 18
_EDGES_AT_ONCE = 4096

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ContourPlane:
    """Contours of one plane.

    Attributes:
        position_mm: Along the normal.
        start_mm: Where the slab begins.
        end_mm: Where it ends.
        contours: (n, 3) corners in LPS mm each.
    """

    position_mm: float
    start_mm: float
    end_mm: float
    contours: tuple[Points, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ContourStack:
    """Parallel planes with contours, in rising order.

    Attributes:
        normal: (3,) unit vector.
        planes: At least one.
        dropped: Contours that enclose no area.
        gap_count: Places where planes are missing.
    """

    normal: NDArray[np.float64]
    planes: tuple[ContourPlane, ...]
    dropped: int = 0
    gap_count: int = 0


def stack_of(contours: Sequence[Points], slice_mm: float) -> ContourStack:
    """Sort contours into planes.

    Args:
        contours: (n, 3) corners in LPS mm each, the last joins the first.
        slice_mm: Thickness of the slab where there is only one plane.

    Raises:
        InvalidInputError: no contour encloses an area, or they are not flat and parallel.
    """
    areas = [_area_vector(points) for points in contours]
    kept = [i for i, area in enumerate(areas) if np.linalg.norm(area) > _SMALLEST_AREA_MM2]
    if not kept:
        raise InvalidInputError("None of its contours encloses an area.")
    largest = max(kept, key=lambda i: float(np.linalg.norm(areas[i])))
    normal = areas[largest] / np.linalg.norm(areas[largest])
    normal = normal * np.sign(normal[np.argmax(np.abs(normal))])
    groups: dict[float, list[Points]] = {}
    for i in sorted(kept, key=lambda i: float((contours[i] @ normal).mean())):
        along = contours[i] @ normal
        if np.ptp(along) > 2 * FLAT_MM:
            raise InvalidInputError(
                "Its contours are not flat on parallel planes; draw it on slices of one image."
            )
        position = float(along.mean())
        last = next(reversed(groups), -np.inf)
        groups.setdefault(last if position - last < SAME_PLANE_MM else position, []).append(
            contours[i]
        )
    positions = np.array([*groups])
    steps = np.diff(positions)
    usual = float(np.median(steps)) if len(steps) else slice_mm
    is_gap = steps > GAP_SHARE * usual
    half = np.where(is_gap, usual, steps) / 2
    start = positions - np.concatenate([[usual / 2], half])
    end = positions + np.concatenate([half, [usual / 2]])
    planes = tuple(
        ContourPlane(position, float(start[i]), float(end[i]), tuple(group))
        for i, (position, group) in enumerate(groups.items())
    )
    return ContourStack(normal, planes, len(contours) - len(kept), int(is_gap.sum()))


def shape_of(
    stack: ContourStack, geometry: VolumeGeometry, progress: Progress | None = None
) -> Shape | None:
    """Contours as polygons where they are few corners on axial slices, else as voxels.

    Args:
        stack: The contours.
        geometry: Grid of the image.
        progress: Told at each plane.

    Returns:
        A shape with exactly the voxels of the image whose centre lies inside; None where there is
        no such voxel.
    """
    polygons = _polygons(stack, geometry)
    if polygons is not None:
        return polygons
    inside = _inside(stack, geometry, progress or NullProgress())
    return VoxelSet.cropped(inside, geometry) if inside.any() else None


def _polygons(stack: ContourStack, geometry: VolumeGeometry) -> PolygonStack | None:
    """One polygon on each of some slices in a row, or None where they are something else."""
    step = geometry.affine_lps_mm[:3, 0]
    is_axial = abs(stack.normal[2]) > 1 - _PARALLEL**2 and np.abs(step[:2]).max() < _PARALLEL
    if not is_axial or any(
        len(plane.contours) > 1 or len(plane.contours[0]) > MOST_EDITABLE_CORNERS
        for plane in stack.planes
    ):
        return None
    if np.abs(geometry.affine_lps_mm[2, 1:3]).max() > _PARALLEL:
        return None
    at = np.array([plane.position_mm for plane in stack.planes]) * np.sign(stack.normal[2])
    index = (at - geometry.affine_lps_mm[2, 3]) / step[2]
    slices = np.rint(index)
    if np.abs(index - slices).max() > ON_SLICE_SHARE or (np.abs(np.diff(slices)) != 1).any():
        return None
    try:
        contours = tuple(
            Contour(
                float(geometry.affine_lps_mm[2, 3] + k * step[2]),
                tuple(map(tuple, plane.contours[0][:, :2].tolist())),
            )
            for k, plane in zip(slices, stack.planes, strict=True)
        )
        return PolygonStack(Plane.AXIAL, contours, float(abs(step[2])))
    except InvalidInputError:
        return None  # a figure of eight has no area as a polygon


def _inside(stack: ContourStack, geometry: VolumeGeometry, progress: Progress) -> NDArray[np.bool_]:
    """(z, y, x) voxels whose centre lies inside."""
    inside = np.zeros(geometry.shape_zyx, np.bool_)
    along = stack.normal @ (geometry.affine_lps_mm[:3, :3] / geometry.spacing_zyx_mm)
    axis = int(np.argmax(np.abs(along)))
    others = [i for i in range(3) if i != axis]
    if np.abs(along[others]).max() > _PARALLEL:
        _fill_oblique(inside, stack, geometry, progress)
        return inside
    centres = np.zeros((geometry.shape_zyx[axis], 3))
    centres[:, axis] = np.arange(geometry.shape_zyx[axis])
    centres[:, others] = (np.array(geometry.shape_zyx)[others] - 1) / 2
    w = geometry.to_lps_mm(centres) @ stack.normal
    shape = geometry.shape_zyx[others[0]], geometry.shape_zyx[others[1]]
    for number, plane in enumerate(stack.planes):
        progress.step(number / len(stack.planes), "Contours to voxels")
        slices = np.flatnonzero((w >= plane.start_mm) & (w < plane.end_mm))
        if len(slices):
            index = [geometry.to_index(points)[:, others] for points in plane.contours]
            filled = fill(index, shape)
            for k in slices:
                where = (slice(None),) * axis + (int(k),)
                inside[where] |= filled
    return inside


def fill(polygons: Sequence[Points], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Points of a grid inside an odd number of polygons, row by row.

    Args:
        polygons: (n, 2) corners as (row, column), the last joins the first.
        shape: Rows and columns.

    Returns:
        bool (rows, columns).
    """
    rows, columns = shape
    crossings = np.zeros((rows, columns + 1), np.int32)
    for points in polygons:
        ends = np.roll(points, -1, axis=0)
        for begin in range(0, len(points), _EDGES_AT_ONCE):
            part = slice(begin, begin + _EDGES_AT_ONCE)
            _count_crossings(crossings, points[part], ends[part])
    return np.asarray(np.cumsum(crossings, axis=1)[:, :columns] % 2 == 1)


def _count_crossings(crossings: NDArray[np.int32], begin: Points, end: Points) -> None:
    """Add, in each row, the column behind which each edge (n, 2) lies."""
    rows, columns = crossings.shape[0], crossings.shape[1] - 1
    low, high = np.minimum(begin[:, 0], end[:, 0]), np.maximum(begin[:, 0], end[:, 0])
    # A row is crossed where low <= row < high, so that a corner counts once.
    first = np.clip(np.ceil(low), 0, rows).astype(int)
    count = np.clip(np.ceil(high), 0, rows).astype(int) - first
    edge = np.repeat(np.arange(len(begin)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    share = (row - begin[edge, 0]) / (end[edge, 0] - begin[edge, 0])
    at = begin[edge, 1] + share * (end[edge, 1] - begin[edge, 1])
    column = np.clip(np.floor(at) + 1, 0, columns).astype(int)  # beyond it: column > at
    np.add.at(crossings, (row, column), 1)


def _fill_oblique(
    inside: NDArray[np.bool_], stack: ContourStack, geometry: VolumeGeometry, progress: Progress
) -> None:
    """Planes that lie askew to the grid: each voxel centre is looked up in its plane."""
    along_u = np.cross(stack.normal, np.eye(3)[np.argmin(np.abs(stack.normal))])
    along_u = along_u / np.linalg.norm(along_u)
    along_v = np.cross(stack.normal, along_u)
    for number, plane in enumerate(stack.planes):
        progress.step(number / len(stack.planes), "Contours to voxels")
        index = _reachable(plane, stack.normal, geometry)
        for begin in range(0, len(index), _POINTS_AT_ONCE):
            part = index[begin : begin + _POINTS_AT_ONCE]
            position = geometry.to_lps_mm(part)
            w = position @ stack.normal
            part = part[(w >= plane.start_mm) & (w < plane.end_mm)]
            position = geometry.to_lps_mm(part)
            place = np.stack([position @ along_v, position @ along_u], axis=-1)
            outlines = [np.stack([c @ along_v, c @ along_u], axis=-1) for c in plane.contours]
            hit = part[is_within(outlines, place)]
            inside[hit[:, 0], hit[:, 1], hit[:, 2]] = True


def _reachable(
    plane: ContourPlane, normal: NDArray[np.float64], geometry: VolumeGeometry
) -> NDArray[np.intp]:
    """(n, 3) indices of the voxels in the box around the slab of a plane."""
    corners = np.concatenate(plane.contours)
    ends = np.concatenate(
        [corners + (w - plane.position_mm) * normal for w in (plane.start_mm, plane.end_mm)]
    )
    index = geometry.to_index(ends)
    first = np.clip(np.floor(index.min(axis=0)).astype(int), 0, geometry.shape_zyx)
    stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, first, geometry.shape_zyx)
    axes = [np.arange(a, b) for a, b in zip(first, stop, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def is_within(polygons: Sequence[Points], place: Points) -> NDArray[np.bool_]:
    """Whether points lie inside an odd number of polygons.

    Args:
        polygons: (n, 2) corners as (row, column), the last joins the first.
        place: (m, 2) points.

    Returns:
        (m,) bool.
    """
    odd = np.zeros(len(place), np.bool_)
    for points in polygons:
        for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
            crosses = (a[0] > place[:, 0]) != (b[0] > place[:, 0])
            share = (place[:, 0] - a[0]) / (b[0] - a[0] if b[0] != a[0] else 1.0)
            odd ^= crosses & (place[:, 1] > a[1] + share * (b[1] - a[1]))
    return odd


def _area_vector(points: Points) -> NDArray[np.float64]:
    """(3,) half the sum of cross products about the first corner: area times normal, mm2."""
    if len(points) < 3:
        return np.zeros(3)
    spokes = points - points[0]
    return np.asarray(np.cross(spokes[:-1], spokes[1:]).sum(axis=0) / 2)
