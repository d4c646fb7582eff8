"""Where a plane cuts a region: line segments for the screen."""

import numpy as np
from numpy.typing import NDArray

from kiview.core.reslice import Plane
from kiview.core.roi_shapes import PolygonStack, Shape
from kiview.core.roi_voxels import VoxelSet

Segments = NDArray[np.float64]
"""(n, 2, 2): n lines from (u, v) to (u, v) in screen mm."""

_CELLS = 3600  # fine enough for a long vessel, quick enough for every step of a scroll
_SMALLEST_STEP_MM = 0.4
_SAME_SLICE_MM = 0.01
_NONE = np.zeros((0, 2, 2))


def outline(shape: Shape, plane: Plane, position_mm: float) -> Segments:
    """Lines where a plane cuts the surface of a region; none where it does not.

    Args:
        shape: The region.
        plane: Which way the plane lies.
        position_mm: w of the plane.
    """
    drawn = _drawn_polygon(shape, plane, position_mm)
    if drawn is not None:
        return drawn
    edges = shape.edges(plane, position_mm) if isinstance(shape, VoxelSet) else None
    if edges is not None:
        return edges
    low, high = np.sort(plane.to_screen_mm(np.stack(shape.bounds_lps_mm())), axis=0)
    if not low[2] <= position_mm <= high[2]:
        return _NONE
    step = max(float(np.sqrt(np.prod((high - low)[:2]) / _CELLS)), _SMALLEST_STEP_MM)
    u = np.arange(low[0] - 2 * step, high[0] + 3 * step, step)
    v = np.arange(low[1] - 2 * step, high[1] + 3 * step, step)
    screen = np.stack(np.broadcast_arrays(u, v[:, None], position_mm), axis=-1)
    distance = shape.signed_distance_mm(plane.to_lps_mm(screen))
    return np.asarray(zero_lines(distance) * step + np.array([u[0], v[0]]))


def _drawn_polygon(shape: Shape, plane: Plane, position_mm: float) -> Segments | None:
    """The polygon as drawn, where the plane is one of its slices."""
    if isinstance(shape, PolygonStack) and shape.plane == plane:
        for contour in shape.contours:
            if abs(contour.position_mm - position_mm) < _SAME_SLICE_MM:
                points = np.array(contour.points)
                return np.stack([points, np.roll(points, -1, axis=0)], axis=1)
    return None


def zero_lines(values: NDArray[np.float64]) -> Segments:
    """Lines along which a grid of values is zero (marching squares).

    Args:
        values: (rows, columns) finite, positive inside; -inf is taken as far outside.

    Returns:
        Segments in units of (column, row).
    """
    field = np.maximum(values, -1e6)
    corners = [field[:-1, :-1], field[:-1, 1:], field[1:, 1:], field[1:, :-1]]
    offsets = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    cells = np.argwhere(_crossed(corners))
    if not len(cells):
        return _NONE
    at = [corner[tuple(cells.T)] for corner in corners]
    crossing = np.full((len(cells), 4, 2), np.nan)
    for edge in range(4):
        first, second = at[edge], at[(edge + 1) % 4]
        crosses = (first >= 0) != (second >= 0)
        share = (first[crosses] / (first[crosses] - second[crosses]))[:, None]
        step = offsets[(edge + 1) % 4] - offsets[edge]
        crossing[crosses, edge] = offsets[edge] + share * step
    crossing += cells[:, None, ::-1]
    valid_first = np.argsort(np.isnan(crossing[..., 0]), axis=1, kind="stable")
    ordered = np.take_along_axis(crossing, valid_first[..., None], axis=1)
    saddles = ~np.isnan(ordered[:, 3, 0])
    return np.concatenate([ordered[:, :2], ordered[saddles, 2:]])


def _crossed(corners: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Cells with corners both inside and outside."""
    inside = np.stack([corner >= 0 for corner in corners])
    return np.asarray(inside.any(axis=0) & ~inside.all(axis=0))
