"""Grips of a region on a plane: what can be dragged, and what dragging does to the shape."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from kiview.core.reslice import Plane
from kiview.core.roi_shapes import Contour, Cylinder, PolygonStack, Shape, Sphere
from kiview.core.roi_voxels import VoxelSet

SAME_SLICE_SHARE = 0.6
"""A polygon belongs to a slice when it lies within this share of the slice thickness."""


class Grip(Enum):
    """What a handle changes."""

    MOVE = "move"
    RADIUS = "radius"
    POINT = "point"


@dataclass(frozen=True, slots=True)
class Handle:
    """One grip.

    Attributes:
        grip: What it changes.
        uv: Where it is, (u, v) mm.
        index: Which point of the shape; for polygons (contour, corner).
    """

    grip: Grip
    uv: tuple[float, float]
    index: tuple[int, ...] = ()

    def dragged(
        self, shape: Shape, plane: Plane, start: NDArray[np.float64], at: NDArray[np.float64]
    ) -> Shape:
        """The shape after dragging this grip.

        Args:
            shape: As it was when the button went down.
            plane: Plane of the view.
            start: Where the button went down, (u, v, w) mm.
            at: Where the mouse is, (u, v, w) mm.

        Raises:
            InvalidInputError: the shape would be impossible.
        """
        shift = plane.to_lps_mm(at - start)
        if self.grip == Grip.MOVE:
            return shape.moved(shift)
        if isinstance(shape, Sphere):
            offset = plane.to_screen_mm(shape.centre) - at
            return Sphere(shape.centre, max(float(np.linalg.norm(offset)), 1.0))
        if isinstance(shape, Cylinder):
            return self._dragged_cylinder(shape, plane, shift, at)
        if isinstance(shape, PolygonStack):
            return self._dragged_corner(shape, (at - start)[:2])
        return shape

    def _dragged_cylinder(
        self,
        shape: Cylinder,
        plane: Plane,
        shift: NDArray[np.float64],
        at: NDArray[np.float64],
    ) -> Cylinder:
        if self.grip == Grip.RADIUS:
            radius = float(shape.axis_distance_mm(plane.to_lps_mm(at)))
            return Cylinder(shape.points, max(radius, 1.0))
        points = [np.array(point) for point in shape.points]
        points[self.index[0]] = points[self.index[0]] + shift
        return Cylinder(tuple(tuple(point.tolist()) for point in points), shape.radius_mm)

    def _dragged_corner(self, shape: PolygonStack, shift: NDArray[np.float64]) -> PolygonStack:
        contours = list(shape.contours)
        which, corner = self.index
        points = [np.array(point) for point in contours[which].points]
        points[corner] = points[corner] + shift
        moved = tuple(tuple(point.tolist()) for point in points)
        contours[which] = Contour(contours[which].position_mm, moved)
        return PolygonStack(shape.plane, tuple(contours), shape.thickness_mm)


def handles(shape: Shape, plane: Plane, position_mm: float) -> tuple[Handle, ...]:
    """Grips of a region where a plane cuts it, most particular first."""
    if isinstance(shape, Sphere):
        return _sphere_handles(shape, plane, position_mm)
    if isinstance(shape, Cylinder):
        return _cylinder_handles(shape, plane, position_mm)
    if isinstance(shape, PolygonStack):
        return _polygon_handles(shape, plane, position_mm)
    return ()


def grabbed(shape: Shape, plane: Plane, at: NDArray[np.float64], reach_mm: float) -> Handle | None:
    """The grip under the mouse; the outline itself moves the region.

    Inside a region a press moves the cursor, so that looking never shifts what was drawn.

    Args:
        shape: The region.
        plane: Plane of the view.
        at: Where the mouse is, (u, v, w) mm.
        reach_mm: How near counts as on it.
    """
    if isinstance(shape, VoxelSet):
        return None  # voxels read from a file stay where they were measured
    near = [
        (float(np.hypot(handle.uv[0] - at[0], handle.uv[1] - at[1])), i, handle)
        for i, handle in enumerate(handles(shape, plane, float(at[2])))
    ]
    near = [each for each in near if each[0] <= reach_mm]
    if near:
        return min(near)[2]
    if abs(float(shape.signed_distance_mm(plane.to_lps_mm(at)))) <= reach_mm:
        return Handle(Grip.MOVE, (float(at[0]), float(at[1])))
    return None


def _sphere_handles(shape: Sphere, plane: Plane, position_mm: float) -> tuple[Handle, ...]:
    u, v, w = plane.to_screen_mm(shape.centre).tolist()
    cut = shape.radius_mm**2 - (position_mm - w) ** 2
    if cut <= 0:
        return ()
    radius = float(np.sqrt(cut))
    around = ((u + radius, v), (u - radius, v), (u, v + radius), (u, v - radius))
    rims = tuple(Handle(Grip.RADIUS, uv) for uv in around)
    return (*rims, Handle(Grip.MOVE, (u, v)))


def _cylinder_handles(shape: Cylinder, plane: Plane, position_mm: float) -> tuple[Handle, ...]:
    screen = plane.to_screen_mm(shape.points)
    near = np.abs(screen[:, 2] - position_mm) <= shape.radius_mm
    grips = [
        Handle(Grip.POINT, (float(screen[i, 0]), float(screen[i, 1])), (int(i),))
        for i in np.flatnonzero(near)
    ]
    first, second = screen[0], screen[1]
    middle, direction = (first + second) / 2, (second - first)[:2]
    length = float(np.linalg.norm(direction))
    if near.any() and length > 0 and abs(middle[2] - position_mm) < shape.radius_mm:
        depth = float(middle[2] - position_mm)
        half_width = float(np.sqrt(shape.radius_mm**2 - depth**2))
        across = np.array([-direction[1], direction[0]]) / length * half_width
        for side in (across, -across):
            uv = middle[:2] + side
            grips.append(Handle(Grip.RADIUS, (float(uv[0]), float(uv[1]))))
    return tuple(grips)


def _polygon_handles(shape: PolygonStack, plane: Plane, position_mm: float) -> tuple[Handle, ...]:
    if plane != shape.plane:
        return ()
    reach = SAME_SLICE_SHARE * shape.thickness_mm
    return tuple(
        Handle(Grip.POINT, (point[0], point[1]), (which, corner))
        for which, contour in enumerate(shape.contours)
        if abs(contour.position_mm - position_mm) <= reach
        for corner, point in enumerate(contour.points)
    )
