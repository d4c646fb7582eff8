"""Analytic shapes in LPS millimetres, drawn on any axis-aligned grid."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float, float]
"""x (left), y (posterior), z (head), mm."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Axis-aligned grid: +x left, +y posterior, +z head.

    Attributes:
        shape_zyx: Voxels along z, y, x.
        spacing_zyx_mm: Distance between centres.
        origin_zyx_mm: Centre of voxel (0, 0, 0).
    """

    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    origin_zyx_mm: tuple[float, float, float]

    def axis_mm(self, axis: int) -> NDArray[np.float32]:
        """Centres along one axis (0 z, 1 y, 2 x), (n,) mm."""
        steps = np.arange(self.shape_zyx[axis])
        return (self.origin_zyx_mm[axis] + self.spacing_zyx_mm[axis] * steps).astype(np.float32)

    @property
    def affine_lps_mm(self) -> NDArray[np.float64]:
        """(4, 4): index (z, y, x, 1) to (x, y, z, 1) mm."""
        affine = np.zeros((4, 4))
        for row, axis in enumerate((2, 1, 0)):
            affine[row, axis] = self.spacing_zyx_mm[axis]
            affine[row, 3] = self.origin_zyx_mm[axis]
        affine[3, 3] = 1
        return affine

    @classmethod
    def centred(
        cls, slices: int, pixels: int, spacing_zy_mm: tuple[float, float], z_mm: float
    ) -> "Grid":
        """Square slices centred on x = y = 0, `slices` of them centred on `z_mm`."""
        dz, dy = spacing_zy_mm
        corner = -0.5 * (pixels - 1) * dy
        origin = (z_mm - 0.5 * (slices - 1) * dz, corner, corner)
        return cls((slices, pixels, pixels), (dz, dy, dy), origin)


Box = tuple[slice, slice, slice]
Axes = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class Shape(Protocol):
    """A region of space."""

    def bounds_mm(self) -> tuple[Point, Point]:
        """Lowest and highest x, y, z."""

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Which points are inside, for axes broadcastable as (z, y, x)."""


def box_on(grid: Grid, shape: Shape) -> Box | None:
    """Part of a grid that a shape can reach, or None."""
    low, high = shape.bounds_mm()
    slices = []
    for axis in range(3):
        origin, step = grid.origin_zyx_mm[axis], grid.spacing_zyx_mm[axis]
        first = int(np.ceil((low[2 - axis] - origin) / step))
        last = int(np.floor((high[2 - axis] - origin) / step))
        first, last = max(first, 0), min(last, grid.shape_zyx[axis] - 1)
        if last < first:
            return None
        slices.append(slice(first, last + 1))
    return slices[0], slices[1], slices[2]


def axes_in(grid: Grid, box: Box) -> Axes:
    """Coordinates of a box, shaped (z,1,1), (1,y,1), (1,1,x)."""
    z, y, x = (grid.axis_mm(axis)[box[axis]] for axis in range(3))
    return z[:, None, None], y[None, :, None], x[None, None, :]


@dataclass(frozen=True, slots=True)
class Ripple:
    """Smooth bumps on a surface: a product of three sines, so no two organs are the same.

    Attributes:
        amplitude: Relative to the radius.
        wavelength_mm: Of the bumps.
        phases: Three angles, rad.
    """

    amplitude: float = 0.0
    wavelength_mm: float = 90.0
    phases: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, amplitude: float, wavelength_mm: float) -> "Ripple":
        """Random phases and a wavelength within 20 %."""
        p = rng.uniform(0, 2 * np.pi, 3)
        length = float(wavelength_mm * rng.uniform(0.8, 1.2))
        return cls(amplitude, length, (float(p[0]), float(p[1]), float(p[2])))

    def at(self, axes: Axes) -> NDArray[np.float32]:
        """Relative change of the radius at each point, broadcast to (z, y, x)."""
        k = np.float32(2 * np.pi / self.wavelength_mm)
        z, y, x = (np.sin(k * a + np.float32(p)) for a, p in zip(axes, self.phases, strict=True))
        return np.asarray(np.float32(self.amplitude) * (z + y + x))


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """Perturbed, possibly rotated ellipsoid.

    Attributes:
        centre: mm.
        radii: Half axes along its own x, y, z, mm.
        rotation: Rows are its own axes in LPS; identity if None.
        ripple: Bumps.
    """

    centre: Point
    radii: Point
    rotation: tuple[Point, Point, Point] | None = None
    ripple: Ripple = field(default_factory=Ripple)

    def bounds_mm(self) -> tuple[Point, Point]:
        """Lowest and highest x, y, z, with room for the bumps."""
        grow = 1 + 3 * self.ripple.amplitude
        r = np.asarray(self.radii) * grow
        if self.rotation is not None:
            r = np.sqrt((np.asarray(self.rotation).T ** 2) @ r**2)
        c = np.asarray(self.centre)
        return _point(c - r), _point(c + r)

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Which points are inside."""
        z, y, x = axes
        dx, dy, dz = (np.float32(c) for c in self.centre)
        x, y, z = x - dx, y - dy, z - dz
        if self.rotation is None:
            parts = [(x, y, z)[i] / np.float32(self.radii[i]) for i in range(3)]
        else:
            parts = [
                (np.float32(u[0]) * x + np.float32(u[1]) * y + np.float32(u[2]) * z) / np.float32(r)
                for u, r in zip(self.rotation, self.radii, strict=True)
            ]
        squared = parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2
        if not self.ripple.amplitude:
            return np.asarray(squared <= 1)
        return np.asarray(squared <= (1 + self.ripple.at(axes)) ** 2)


@dataclass(frozen=True, slots=True)
class Tube:
    """Vessel: balls of changing radius along a polyline.

    Attributes:
        points: Centre line, mm, two points or more.
        radii: One per point, mm.
    """

    points: tuple[Point, ...]
    radii: tuple[float, ...]

    def bounds_mm(self) -> tuple[Point, Point]:
        """Lowest and highest x, y, z."""
        p, r = np.asarray(self.points), np.asarray(self.radii)[:, None]
        return _point((p - r).min(0)), _point((p + r).max(0))

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Which points are inside."""
        z, y, x = np.broadcast_arrays(*axes)
        inside = np.zeros(z.shape, dtype=bool)
        for i in range(len(self.points) - 1):
            self._add_segment(i, (z, y, x), inside)
        return inside

    def _add_segment(self, i: int, axes: Axes, inside: NDArray[np.bool_]) -> None:
        z, y, x = axes
        a, b = np.asarray(self.points[i : i + 2], dtype=np.float32)
        reach = max(self.radii[i], self.radii[i + 1])
        rows = (z[:, 0, 0] >= min(a[2], b[2]) - reach) & (z[:, 0, 0] <= max(a[2], b[2]) + reach)
        if not rows.any():
            return
        d = b - a
        px, py, pz = x[rows] - a[0], y[rows] - a[1], z[rows] - a[2]
        s = np.clip((px * d[0] + py * d[1] + pz * d[2]) / np.dot(d, d), 0, 1)
        radius = np.float32(self.radii[i]) + s * np.float32(self.radii[i + 1] - self.radii[i])
        distance2 = (px - s * d[0]) ** 2 + (py - s * d[1]) ** 2 + (pz - s * d[2]) ** 2
        inside[rows] |= distance2 <= radius**2


@dataclass(frozen=True, slots=True)
class Column:
    """Upright superellipse column whose half axes change with height.

    Attributes:
        centre_xy: mm.
        levels_mm: Heights z, increasing.
        half_x: Half width at each height, mm.
        half_y: Half depth at each height, mm.
        power: 2 is an ellipse, larger is squarer.
        ripple: Bumps.
    """

    centre_xy: tuple[float, float]
    levels_mm: tuple[float, ...]
    half_x: tuple[float, ...]
    half_y: tuple[float, ...]
    power: float = 2.0
    ripple: Ripple = field(default_factory=Ripple)

    def bounds_mm(self) -> tuple[Point, Point]:
        """Lowest and highest x, y, z."""
        grow = 1 + 3 * self.ripple.amplitude
        c = self.centre_xy
        rx, ry = max(self.half_x) * grow, max(self.half_y) * grow
        return (c[0] - rx, c[1] - ry, self.levels_mm[0]), (c[0] + rx, c[1] + ry, self.levels_mm[-1])

    def depth(self, axes: Axes) -> NDArray[np.float32]:
        """Relative distance from the axis: 1 on the surface, smaller inside."""
        z, y, x = axes
        rx = np.interp(z, self.levels_mm, self.half_x).astype(np.float32)
        ry = np.interp(z, self.levels_mm, self.half_y).astype(np.float32)
        p = np.float32(self.power)
        sx = np.abs(x - np.float32(self.centre_xy[0])) / rx
        sy = np.abs(y - np.float32(self.centre_xy[1])) / ry
        return np.asarray((sx**p + sy**p) ** (1 / p), dtype=np.float32)

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Which points are inside."""
        return np.asarray(self.depth(axes) <= 1 + self.ripple.at(axes))

    def shrunk(self, left_mm: float, front_mm: float) -> "Column":
        """Same column with its surface moved inwards by two distances (sides, front and back)."""
        return Column(
            self.centre_xy,
            self.levels_mm,
            tuple(max(r - left_mm, 1.0) for r in self.half_x),
            tuple(max(r - front_mm, 1.0) for r in self.half_y),
            self.power,
            self.ripple,
        )


@dataclass(frozen=True, slots=True)
class Ribs:
    """Bands of the shell between two surfaces: ribs that slope down to the front.

    Attributes:
        outer: Outer surface.
        inner: Inner surface.
        spacing_mm: Between ribs.
        height_mm: Of one rib.
        slope: Fall per mm towards the front.
        phase_mm: Where the first rib begins.
        lowest_mm: No rib below this height.
        highest_mm: No rib above this height.
    """

    outer: Shape
    inner: Shape
    spacing_mm: float = 27.0
    height_mm: float = 10.0
    slope: float = 0.45
    phase_mm: float = 0.0
    lowest_mm: float = -1e3
    highest_mm: float = 1e3

    def bounds_mm(self) -> tuple[Point, Point]:
        """Lowest and highest x, y, z."""
        low, high = self.outer.bounds_mm()
        top = min(high[2], self.highest_mm)
        return (low[0], low[1], max(low[2], self.lowest_mm)), (high[0], high[1], top)

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Which points are inside."""
        z, y, _ = axes
        band = np.mod(z - self.slope * y - self.phase_mm, self.spacing_mm) < self.height_mm
        return band & self.outer.contains(axes) & ~self.inner.contains(axes)


@dataclass(frozen=True, slots=True)
class Minus:
    """What lies in one shape and not in another."""

    shape: Shape
    hole: Shape

    def bounds_mm(self) -> tuple[Point, Point]:
        """Bounds of the first shape."""
        return self.shape.bounds_mm()

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Which points are inside."""
        return self.shape.contains(axes) & ~self.hole.contains(axes)


@dataclass(frozen=True, slots=True)
class Common:
    """What lies in both shapes; the bounds are those of the first."""

    shape: Shape
    other: Shape

    def bounds_mm(self) -> tuple[Point, Point]:
        """Bounds of the first shape."""
        return self.shape.bounds_mm()

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Which points are inside."""
        return self.shape.contains(axes) & self.other.contains(axes)


def _point(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
