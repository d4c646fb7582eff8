"""A column whose centre and half axes follow smooth profiles: trunks, limbs, necks."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.special import gamma

from kiview.simulate.shapes import Axes, Point, Ripple

Floats = NDArray[np.float64]
_STEP_MM = 6.0
_THINNEST_MM = 1.0


@dataclass(frozen=True, slots=True)
class Loft:
    """Superellipses stacked along z; straight between levels.

    Attributes:
        levels_mm: Heights z, increasing.
        centre_x: Of the slice at each level, mm.
        centre_y: mm.
        half_x: Half width at each level, mm.
        half_y: Half depth at each level, mm.
        power: 2 is an ellipse, larger is squarer.
        ripple: Bumps.
    """

    levels_mm: tuple[float, ...]
    centre_x: tuple[float, ...]
    centre_y: tuple[float, ...]
    half_x: tuple[float, ...]
    half_y: tuple[float, ...]
    power: float = 2.0
    ripple: Ripple = field(default_factory=Ripple)

    def bounds_mm(self) -> tuple[Point, Point]:
        """Lowest and highest x, y, z, with room for the bumps."""
        grow = 1 + 3 * self.ripple.amplitude
        low, high = [], []
        for centre, half in ((self.centre_x, self.half_x), (self.centre_y, self.half_y)):
            c, r = np.asarray(centre), np.asarray(half) * grow
            low.append(float((c - r).min()))
            high.append(float((c + r).max()))
        z = self.levels_mm
        return (low[0], low[1], z[0]), (high[0], high[1], z[-1])

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Which points are inside."""
        z, y, x = axes
        cx, cy, rx, ry = (
            np.interp(z, self.levels_mm, v).astype(np.float32)
            for v in (self.centre_x, self.centre_y, self.half_x, self.half_y)
        )
        p = np.float32(self.power)
        sum_of_powers = (np.abs(x - cx) / rx) ** p + (np.abs(y - cy) / ry) ** p
        if not self.ripple.amplitude:
            return np.asarray(sum_of_powers <= 1)
        return np.asarray(sum_of_powers <= (1 + self.ripple.at(axes)) ** p)

    def shrunk(self, side_mm: Floats | float, front_mm: Floats | float) -> "Loft":
        """Same loft with its surface moved inwards, by one distance or one per level."""
        return replace(
            self,
            half_x=_tuple(np.maximum(np.asarray(self.half_x) - side_mm, _THINNEST_MM)),
            half_y=_tuple(np.maximum(np.asarray(self.half_y) - front_mm, _THINNEST_MM)),
        )

    def limited(self, half_x: Floats, half_y: Floats) -> "Loft":
        """Same loft, no wider and deeper than these half axes per level."""
        return replace(
            self,
            half_x=_tuple(np.minimum(self.half_x, half_x)),
            half_y=_tuple(np.minimum(self.half_y, half_y)),
        )

    def above(self, z_mm: float) -> "Loft":
        """The part with levels from this height upwards."""
        first = int(np.searchsorted(self.levels_mm, z_mm))
        return replace(
            self,
            levels_mm=self.levels_mm[first:],
            centre_x=self.centre_x[first:],
            centre_y=self.centre_y[first:],
            half_x=self.half_x[first:],
            half_y=self.half_y[first:],
        )

    def volume_ml(self, above_mm: float = -np.inf) -> float:
        """Volume without bumps above a height, mL."""
        z = np.asarray(self.levels_mm)
        corner = 4 * gamma(1 + 1 / self.power) ** 2 / gamma(1 + 2 / self.power)
        area = corner * np.asarray(self.half_x) * np.asarray(self.half_y)
        kept = z >= above_mm
        return float(np.trapezoid(area[kept], z[kept]) / 1000)

    def at(self, name: str, z_mm: float) -> float:
        """One of the profiles at a height, mm."""
        return float(np.interp(z_mm, self.levels_mm, getattr(self, name)))

    def front(self, z_mm: float) -> float:
        """Where the surface is in front at a height: y, mm."""
        return self.at("centre_y", z_mm) - self.at("half_y", z_mm)

    def back(self, z_mm: float) -> float:
        """Where the surface is behind at a height: y, mm."""
        return self.at("centre_y", z_mm) + self.at("half_y", z_mm)


def smooth_levels(lowest_mm: float, highest_mm: float) -> Floats:
    """Heights close enough for straight lines to look smooth, (n,) mm."""
    count = int(np.ceil((highest_mm - lowest_mm) / _STEP_MM)) + 1
    return np.linspace(lowest_mm, highest_mm, count)


def smooth_profile(stations: ArrayLike, values: ArrayLike, levels: Floats) -> Floats:
    """Monotone cubic through stations, at levels (n,); held beyond the ends."""
    z = np.asarray(stations, float)
    curve = PchipInterpolator(z, np.asarray(values, float))
    return np.asarray(curve(np.clip(levels, z[0], z[-1])))


def loft(levels: Floats, centre: tuple[Floats, Floats], half: tuple[Floats, Floats]) -> Loft:
    """Loft through profiles (x, y) given as arrays (n,)."""
    x, y = centre
    return Loft(_tuple(levels), _tuple(x), _tuple(y), _tuple(half[0]), _tuple(half[1]))


def _tuple(values: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(v) for v in np.asarray(values, float))
