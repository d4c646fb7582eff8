"""Shapes of regions in patient millimetres, each told by its signed distance.

The signed distance is positive inside, zero on the surface and negative outside; where shapes are
joined or cut it is a bound with the right sign. Voxels and outlines both follow from it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.reslice import Plane

Point = tuple[float, ...]
_SHORTEST_MM = 1e-6
_PAIRS_AT_ONCE = 1 << 16
"""Points times edges: small enough for the cache of a processor."""
_FARTHEST_MM = 1e6
"""A kilometre: no scanner is larger, and squares of it are still exact enough."""


class Shape(ABC):
    """A region's shape in LPS mm."""

    __slots__ = ()

    @abstractmethod
    def signed_distance_mm(self, position_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Distance to the surface, positive inside; (..., 3) mm -> (...)."""

    @abstractmethod
    def bounds_lps_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest coordinates, each (3,) mm."""

    @abstractmethod
    def moved(self, shift_lps_mm: ArrayLike) -> "Shape":
        """The same shape elsewhere, `shift_lps_mm` (3,)."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""

    @property
    @abstractmethod
    def centre_lps_mm(self) -> NDArray[np.float64]:
        """A point to go to when the region is looked for, (3,) mm."""

    def prepare(self) -> None:  # noqa: B027 - most shapes have nothing to prepare
        """Work out what takes long and is asked for by the window; called beside its thread."""


@dataclass(frozen=True, slots=True)
class Sphere(Shape):
    """A ball.

    Attributes:
        centre: (x, y, z) in LPS mm.
        radius_mm: Radius.
    """

    centre: Point
    radius_mm: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", _point(self.centre, 3))
        object.__setattr__(self, "radius_mm", _positive(self.radius_mm, "radius"))

    def signed_distance_mm(self, position_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Distance to the surface, positive inside."""
        offset = np.asarray(position_lps_mm, np.float64) - np.array(self.centre)
        return np.asarray(self.radius_mm - np.linalg.norm(offset, axis=-1))

    def bounds_lps_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest coordinates."""
        centre = np.array(self.centre)
        return centre - self.radius_mm, centre + self.radius_mm

    def moved(self, shift_lps_mm: ArrayLike) -> "Sphere":
        """The same sphere elsewhere."""
        return Sphere(_shifted(self.centre, shift_lps_mm), self.radius_mm)

    @property
    def centre_lps_mm(self) -> NDArray[np.float64]:
        """Centre."""
        return np.array(self.centre)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {"type": "sphere", "centre_lps_mm": [*self.centre], "radius_mm": self.radius_mm}


@dataclass(frozen=True, slots=True)
class Cylinder(Shape):
    """A tube of one radius along a line; flat at both ends, round at the bends between.

    Attributes:
        points: Two or more (x, y, z) in LPS mm, from start to end.
        radius_mm: Radius.
    """

    points: tuple[Point, ...]
    radius_mm: float

    def __post_init__(self) -> None:
        points = tuple(_point(point, 3) for point in self.points)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "radius_mm", _positive(self.radius_mm, "radius"))
        lengths = np.linalg.norm(np.diff(np.array(points), axis=0), axis=-1)
        if len(points) < 2 or lengths.min() < _SHORTEST_MM:
            raise InvalidInputError("A cylinder needs a start and an end at different places.")

    def signed_distance_mm(self, position_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Distance to the surface, positive inside."""
        position = np.asarray(position_lps_mm, np.float64)
        points = np.array(self.points)
        last = len(points) - 2
        parts = [
            self._segment_distance(position, points[i], points[i + 1], (i == 0, i == last))
            for i in range(len(points) - 1)
        ]
        return np.asarray(np.max(parts, axis=0))

    def _segment_distance(
        self,
        position: NDArray[np.float64],
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        flat: tuple[bool, bool],
    ) -> NDArray[np.float64]:
        length = float(np.linalg.norm(end - start))
        direction = (end - start) / length
        along = (position - start) @ direction
        low = -np.inf if flat[0] else 0.0
        high = np.inf if flat[1] else length
        nearest = start + np.clip(along, low, high)[..., None] * direction
        distance: NDArray[np.float64] = self.radius_mm - np.linalg.norm(position - nearest, axis=-1)
        if flat[0]:
            distance = np.minimum(distance, along)
        if flat[1]:
            distance = np.minimum(distance, length - along)
        return distance

    def axis_distance_mm(self, position_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Distance to the line in the middle; (..., 3) mm -> (...)."""
        wide = [
            self._segment_distance(
                np.asarray(position_lps_mm, np.float64), np.array(a), np.array(b), (False, False)
            )
            for a, b in pairwise(self.points)
        ]
        return np.asarray(self.radius_mm - np.max(wide, axis=0))

    def bounds_lps_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest coordinates (a little outside where the ends are flat)."""
        points = np.array(self.points)
        return points.min(axis=0) - self.radius_mm, points.max(axis=0) + self.radius_mm

    def moved(self, shift_lps_mm: ArrayLike) -> "Cylinder":
        """The same cylinder elsewhere."""
        points = tuple(_shifted(point, shift_lps_mm) for point in self.points)
        return Cylinder(points, self.radius_mm)

    @property
    def centre_lps_mm(self) -> NDArray[np.float64]:
        """Middle of the points."""
        return np.asarray(np.mean(self.points, axis=0))

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        points = [[*point] for point in self.points]
        return {"type": "cylinder", "points_lps_mm": points, "radius_mm": self.radius_mm}


@dataclass(frozen=True, slots=True)
class Contour:
    """A closed polygon on one slice.

    Attributes:
        position_mm: w of the slice along the plane's normal.
        points: Three or more (u, v) in screen mm of the plane; the last joins the first.
    """

    position_mm: float
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        points = tuple(_point(point, 2) for point in self.points)
        object.__setattr__(self, "position_mm", _number(self.position_mm))
        object.__setattr__(self, "points", points)
        if len(points) < 3 or abs(_polygon_area(np.array(points))) < _SHORTEST_MM:
            raise InvalidInputError("A polygon needs three points that are not on one line.")

    @property
    def centroid(self) -> NDArray[np.float64]:
        """Centre of the area, (u, v) mm."""
        points = np.array(self.points)
        after = np.roll(points, -1, axis=0)
        cross = points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]
        return np.asarray(((points + after) * cross[:, None]).sum(axis=0) / (3 * cross.sum()))

    def signed_distance_mm(self, uv: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance to the outline, positive inside; (..., 2) mm -> (...)."""
        flat = uv.reshape(-1, 2)
        found = np.empty(len(flat))
        step = max(_PAIRS_AT_ONCE // len(self.points), 1)
        for begin in range(0, len(flat), step):
            found[begin : begin + step] = self._distance(flat[begin : begin + step])
        return found.reshape(uv.shape[:-1])

    def _distance(self, uv: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for (n, 2) mm, all edges at once."""
        points = np.array(self.points)
        edge = np.roll(points, -1, axis=0) - points
        offset_u, offset_v = (uv[:, None, i] - points[:, i] for i in range(2))
        edge_u, edge_v = edge[:, 0], edge[:, 1]
        length_2 = np.maximum(edge_u**2 + edge_v**2, _SHORTEST_MM)
        share = np.clip((offset_u * edge_u + offset_v * edge_v) / length_2, 0, 1)
        nearest = ((offset_u - share * edge_u) ** 2 + (offset_v - share * edge_v) ** 2).min(axis=1)
        above = offset_v < 0
        crosses = above != np.roll(above, -1, axis=1)
        left_of = edge_u * offset_v > edge_v * offset_u
        inside = (crosses & (left_of == (edge_v < 0))).sum(axis=1) % 2 == 1
        return np.asarray(np.where(inside, 1, -1) * np.sqrt(nearest))


@dataclass(frozen=True, slots=True)
class PolygonStack(Shape):
    """Polygons on some slices of one plane; between them the shape changes linearly.

    Between two drawn slices the centre of the polygon moves in a straight line and the signed
    distance around it is interpolated. Beyond the first and the last slice the region ends after
    half a slice thickness.

    Attributes:
        plane: The plane it was drawn on.
        contours: One or more, at different positions; kept in rising order.
        thickness_mm: Distance between slices where it was drawn.
    """

    plane: Plane
    contours: tuple[Contour, ...]
    thickness_mm: float

    def __post_init__(self) -> None:
        contours = tuple(sorted(self.contours, key=_position))
        object.__setattr__(self, "plane", Plane(self.plane))
        object.__setattr__(self, "contours", contours)
        object.__setattr__(self, "thickness_mm", _positive(self.thickness_mm, "slice thickness"))
        positions = [contour.position_mm for contour in contours]
        if not contours or len(set(positions)) < len(positions):
            raise InvalidInputError("A polygon region needs one polygon per drawn slice.")

    def with_contour(self, contour: Contour) -> "PolygonStack":
        """With one more drawn slice; a polygon within half a slice of it is replaced."""
        kept = tuple(
            other
            for other in self.contours
            if abs(other.position_mm - contour.position_mm) >= self.thickness_mm / 2
        )
        return PolygonStack(self.plane, (*kept, contour), self.thickness_mm)

    def signed_distance_mm(self, position_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Distance to the surface, positive inside."""
        screen = self.plane.to_screen_mm(position_lps_mm)
        uv, w = screen[..., :2], screen[..., 2]
        positions = [contour.position_mm for contour in self.contours]
        half = self.thickness_mm / 2
        ends = np.minimum(w - (positions[0] - half), positions[-1] + half - w)
        distance = np.full(w.shape, -np.inf)
        lower = np.clip(np.searchsorted(positions, w, side="right") - 1, 0, len(positions) - 1)
        for i in range(len(positions)):
            here = lower == i
            if here.any():
                distance[here] = self._between(i, uv[here], w[here])
        return np.asarray(np.minimum(distance, ends))

    def _between(
        self, i: int, uv: NDArray[np.float64], w: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Distance at slices from contour `i` up to the next."""
        first, second = self.contours[i], self.contours[min(i + 1, len(self.contours) - 1)]
        gap = second.position_mm - first.position_mm
        if gap == 0 or (w <= first.position_mm).all():
            return first.signed_distance_mm(uv)
        share = np.clip((w - first.position_mm) / gap, 0, 1)[..., None]
        travel = second.centroid - first.centroid
        at_first = first.signed_distance_mm(uv - share * travel)
        at_second = second.signed_distance_mm(uv + (1 - share) * travel)
        return np.asarray((1 - share[..., 0]) * at_first + share[..., 0] * at_second)

    def bounds_lps_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest coordinates, with room for what interpolation may add."""
        centroids = [contour.centroid for contour in self.contours]
        uv = np.concatenate(
            [
                np.array(contour.points) - centroids[i] + centroids[j]
                for i, contour in enumerate(self.contours)
                for j in range(max(i - 1, 0), min(i + 2, len(centroids)))
            ]
        )
        low_uv, high_uv = uv.min(axis=0), uv.max(axis=0)
        half = self.thickness_mm / 2
        low = self.plane.to_lps_mm([*low_uv, self.contours[0].position_mm - half])
        high = self.plane.to_lps_mm([*high_uv, self.contours[-1].position_mm + half])
        return np.minimum(low, high), np.maximum(low, high)

    def moved(self, shift_lps_mm: ArrayLike) -> "PolygonStack":
        """The same polygons elsewhere."""
        shift = self.plane.to_screen_mm(shift_lps_mm)
        contours = tuple(
            Contour(
                contour.position_mm + float(shift[2]),
                tuple(_shifted(point, shift[:2]) for point in contour.points),
            )
            for contour in self.contours
        )
        return PolygonStack(self.plane, contours, self.thickness_mm)

    @property
    def centre_lps_mm(self) -> NDArray[np.float64]:
        """Centre of the polygon in the middle."""
        contour = self.contours[len(self.contours) // 2]
        return self.plane.to_lps_mm([*contour.centroid, contour.position_mm])

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        contours = [
            {"position_mm": c.position_mm, "points_uv_mm": [[*point] for point in c.points]}
            for c in self.contours
        ]
        return {
            "type": "polygons",
            "plane": self.plane.value,
            "thickness_mm": self.thickness_mm,
            "contours": contours,
        }


def shape_from_dict(entry: dict[str, Any]) -> Shape:
    """The shape written by `Shape.to_dict`.

    Raises:
        InvalidInputError: of a kind that this version does not know, or with impossible values.
        KeyError, TypeError, ValueError: an entry is missing or of the wrong type.
    """
    kind = entry["type"]
    if kind == "sphere":
        return Sphere(tuple(entry["centre_lps_mm"]), entry["radius_mm"])
    if kind == "cylinder":
        return Cylinder(tuple(map(tuple, entry["points_lps_mm"])), entry["radius_mm"])
    if kind == "polygons":
        contours = tuple(
            Contour(each["position_mm"], tuple(map(tuple, each["points_uv_mm"])))
            for each in entry["contours"]
        )
        return PolygonStack(Plane(entry["plane"]), contours, entry["thickness_mm"])
    raise InvalidInputError(
        f"A region of type {str(kind)[:40]!r} is not known to this version of KiView."
    )


def _position(contour: Contour) -> float:
    return contour.position_mm


def _point(values: Point, length: int) -> Point:
    point = tuple(_number(value) for value in values)
    if len(point) != length:
        raise InvalidInputError(f"A point needs {length} coordinates, not {len(point)}.")
    return point


def _number(value: float) -> float:
    number = float(value)
    if not abs(number) <= _FARTHEST_MM:  # NaN as well
        raise InvalidInputError(f"A region cannot lie at {number:g} mm or be so large.")
    return number


def _positive(value: float, what: str) -> float:
    number = _number(value)
    if number <= 0:
        raise InvalidInputError(f"A {what} of {number:g} mm is not positive.")
    return number


def _shifted(point: Point, shift: ArrayLike) -> Point:
    return tuple((np.array(point) + np.asarray(shift, np.float64)).tolist())


def _polygon_area(points: NDArray[np.float64]) -> float:
    after = np.roll(points, -1, axis=0)
    return float((points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]).sum() / 2)
