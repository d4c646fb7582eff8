"""Nominal anatomy placed in one person: scaled, shifted, and a little different every time."""

from dataclasses import dataclass

import numpy as np

from kiview.simulate.phantom import Part
from kiview.simulate.shapes import Ellipsoid, Point, Ripple, Shape, Tube
from kiview.simulate.tissues import Label


@dataclass(frozen=True, slots=True)
class Variation:
    """How much people differ.

    Attributes:
        size: Relative sigma of body width, depth and height.
        jitter_mm: Sigma of organ positions.
        organ: Relative sigma of organ radii.
        ripple: Amplitude of surface bumps.
    """

    size: float = 0.06
    jitter_mm: float = 5.0
    organ: float = 0.10
    ripple: float = 0.05


DEMO_VARIATION = Variation(size=0.0, jitter_mm=1.5, organ=0.0, ripple=0.035)


class Placer:
    """Places nominal anatomy in one person.

    Attributes:
        rng: Everything random comes from here.
        variation: How much people differ.
        sx: Scale of the person along x; likewise `sy` and `sz`.
        fat_mm: Thickness of the fat under the skin.
        parts: What was placed, first painted first.
        cavity: Inside of the trunk, which organs stay within; set by whoever adds the trunk.
    """

    def __init__(
        self, rng: np.random.Generator, variation: Variation, scales_xyz: Point, fat_mm: float
    ) -> None:
        self.rng = rng
        self.variation = variation
        self.sx, self.sy, self.sz = scales_xyz
        self.fat_mm = fat_mm
        self.parts: list[Part] = []
        self.cavity: Shape = Ellipsoid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

    @classmethod
    def draw(cls, rng: np.random.Generator, variation: Variation) -> "Placer":
        """A person of random scales and fat."""
        sizes = 1 + variation.size * np.clip(rng.standard_normal(3), -2, 2)
        fat_mm = float(rng.uniform(10, 26)) if variation.size else 14.0
        return cls(rng, variation, (float(sizes[0]), float(sizes[1]), float(sizes[2])), fat_mm)

    def rescaled(self, scales_xyz: Point) -> "Placer":
        """Another scale for the same person: draws from, adds to and stays in the same things."""
        other = Placer(self.rng, self.variation, scales_xyz, self.fat_mm)
        other.parts, other.cavity = self.parts, self.cavity
        return other

    def add(
        self, label: int, shape: Shape, only_over: tuple[int, ...] = (), name: str = ""
    ) -> None:
        """Paint a shape next, over everything or over some labels only."""
        self.parts.append(Part(int(label), shape, tuple(int(x) for x in only_over), name))

    def place(self, x: float, y: float, z: float, jitter: float = 1.0) -> Point:
        """A nominal position in this person, mm."""
        d = jitter * self.variation.jitter_mm * np.clip(self.rng.standard_normal(3), -2, 2)
        return float(self.sx * x + d[0]), float(self.sy * y + d[1]), float(self.sz * z + d[2])

    def ball(
        self,
        centre: Point,
        radii: Point,
        turn_deg: tuple[float, float] = (0.0, 0.0),
        jitter: float = 1.0,
        bumps: float = 1.0,
    ) -> Ellipsoid:
        """Ellipsoid at a nominal place; turned about y (tilt in coronal view), then about z."""
        grow = 1 + self.variation.organ * np.clip(self.rng.standard_normal(3), -2, 2)
        scaled = np.asarray(radii) * grow * (self.sx, self.sy, self.sz)
        ripple = Ripple.draw(self.rng, self.variation.ripple * bumps, 2.2 * float(max(radii)))
        r = (float(scaled[0]), float(scaled[1]), float(scaled[2]))
        return Ellipsoid(self.place(*centre, jitter), r, rotation(*turn_deg), ripple)

    def vessel(self, *stations: tuple[float, float, float, float], jitter: float = 0.0) -> Tube:
        """Tube through nominal (x, y, z, radius) stations."""
        offset = np.asarray(self.place(0, 0, 0, jitter))
        scaled = [(self.sx * x, self.sy * y, self.sz * z) for x, y, z, _ in stations]
        points = np.asarray(scaled) + offset
        grow = 1 + 0.5 * self.variation.organ * float(np.clip(self.rng.standard_normal(), -2, 2))
        triples = tuple((float(p[0]), float(p[1]), float(p[2])) for p in points)
        return Tube(triples, tuple(s[3] * grow for s in stations))


def but(*excluded: Label) -> tuple[int, ...]:
    """All labels of healthy people but air and these: what a part may be painted over."""
    return tuple(int(x) for x in Label if x not in (Label.AIR, *excluded))


def grown(shape: Ellipsoid, by_mm: float) -> Ellipsoid:
    """The same ellipsoid with longer half axes."""
    r = shape.radii
    return Ellipsoid(
        shape.centre, (r[0] + by_mm, r[1] + by_mm, r[2] + by_mm), shape.rotation, shape.ripple
    )


def rotation(about_y_deg: float, about_z_deg: float) -> tuple[Point, Point, Point] | None:
    """Axes of a shape turned about y and then about z, as rows; None for no turn."""
    if not (about_y_deg or about_z_deg):
        return None
    a, c = np.deg2rad((about_y_deg, about_z_deg))
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    rows = (about_z @ about_y).T
    u = [(float(r[0]), float(r[1]), float(r[2])) for r in rows]
    return u[0], u[1], u[2]
