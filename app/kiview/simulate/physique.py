"""The outline of a person: skin, flesh and cavity of the trunk, legs, arms, from weight and height.

A lean outline of the person's height (tables below, in mm at 1.75 m) grows by one number, the
adiposity, until the volume weighs what it should; fat under the skin and inside the belly take up
the growth. All widths are design values for an adult.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.simulate.loft import Loft, loft, smooth_levels, smooth_profile
from kiview.simulate.person import SEGMENTS, PersonSettings, Sex

Floats = NDArray[np.float64]
CROTCH_MM, LOWEST_MM, NECK_TOP_MM, HIGHEST_MM = -412.0, -600.0, 300.0, 500.0
"""Heights of the nominal person (1.75 m); z = 0 is the top of the liver."""
OUTLINE_DENSITY = 0.965
"""g/mL of what the outline encloses: lungs and fat make it lighter than water."""
HEAD_ML: dict[Sex, float] = {"male": 4000.0, "female": 3600.0}
"""Head and face at 1.75 m, roughly, for the weight only."""
_LEG_X = 92.0
_LEANEST_MM, _FATTEST_MM = -45.0, 160.0

_Z = (-412, -380, -340, -290, -230, -170, -100, -30, 40, 110, 150, 178, 195, 212, 235, 300)
_HALF_X: dict[Sex, tuple[float, ...]] = {
    "male": (168, 172, 170, 162, 148, 140, 142, 150, 156, 162, 174, 186, 148, 92, 62, 58),
    "female": (166, 174, 174, 164, 142, 127, 130, 138, 143, 149, 160, 168, 134, 82, 54, 51),
}
_HALF_Y: dict[Sex, tuple[float, ...]] = {
    "male": (94, 100, 104, 102, 96, 92, 95, 101, 106, 101, 92, 80, 68, 60, 57, 56),
    "female": (94, 102, 106, 102, 92, 86, 88, 94, 98, 95, 86, 74, 63, 55, 51, 50),
}
_CENTRE_Y = (6, 6, 5, 4, 2, 0, 0, 0, 0, 4, 10, 14, 18, 20, 22, 20)
_GROWTH_X = (0.62, 0.75, 0.8, 0.85, 0.95, 1, 0.95, 0.85, 0.75, 0.6, 0.48, 0.4, 0.35, 0.3, 0.22, 0.2)
_GROWTH_Y = (0.45, 0.55, 0.65, 0.9, 1.1, 1.2, 1.1, 0.9, 0.7, 0.5, 0.42, 0.35, 0.3, 0.25, 0.22, 0.2)
_FORWARD = 0.6
"""Share of the growth in depth that also moves the centre forwards: the back lies on the table."""
_FAT_OF_GROWTH = 0.6
"""Share of the growth in width that is fat under the skin."""
_FAT_IN_FRONT = (0.5, 0.5, 0.45, 0.4, 0.35, 0.35, 0.35, 0.42, 0.6, *(7 * (0.6,)))
"""Share of the growth in front that is fat under the skin; the rest is inside the trunk."""
_LEAN_FAT_MM: dict[Sex, float] = {"male": 6.0, "female": 10.0}
_THINNEST_FAT_MM = 3.0
_WALL_MM, _PERINEUM_MM = (14.0, 11.0), 18.0
_CAVITY_X = (40, 62, 84, 102, 128, 400, 400, 400, 400, 140, 108, 70, 50, 36, 30, 28)
_CAVITY_Y = (30, 45, 68, 84, 92, 400, 400, 400, 400, 100, 80, 54, 42, 34, 30, 28)
_LEG_Z = (-625.0, -540.0, -470.0, -412.0, -360.0)
_LEG_HALF_X = (62.0, 69.0, 76.0, 80.0, 76.0)
_LEG_HALF_Y = (66.0, 75.0, 83.0, 90.0, 86.0)
_TRUNK_POWER = 2.4


@dataclass(frozen=True, slots=True)
class Physique:
    """Measures of one person.

    Attributes:
        person: Who.
        adiposity_mm: Growth of the half width at the waist over a lean person of this height.
        fat_mm: Thickness of the fat under the skin at the waist.
        skin: Surface of the trunk from the crotch to the neck.
        flesh: The same without fat under the skin.
        cavity: Inside of the body wall.
        legs: Surface of the right and the left leg, crotch to mid-thigh.
    """

    person: PersonSettings
    adiposity_mm: float
    fat_mm: float
    skin: Loft
    flesh: Loft
    cavity: Loft
    legs: tuple[Loft, Loft]

    @property
    def arm_ml(self) -> float:
        """Volume of one arm with its hand."""
        return 1000 * self.person.weight_kg * SEGMENTS[self.person.sex].arm


def physique_of(person: PersonSettings) -> Physique:
    """The outline whose volume fits the weight.

    Raises:
        InvalidInputError: no outline of this height weighs as much or as little.
    """
    wanted = 1000 * person.weight_kg * SEGMENTS[person.sex].trunk / OUTLINE_DENSITY

    lean, change, curvature = _volume_polynomial(person)
    root = change**2 - 4 * curvature * (lean - wanted)
    adiposity = float((np.sqrt(max(root, 0.0)) - change) / (2 * curvature))
    if root < 0 or not _LEANEST_MM <= adiposity <= _FATTEST_MM:
        raise InvalidInputError(
            f"No outline of a person of {person.height_m:.2f} m weighs {person.weight_kg:.0f} kg;"
            " choose a weight nearer to the height."
        )
    return _build(person, adiposity)


def _volume_polynomial(person: PersonSettings) -> tuple[float, float, float]:
    """Volume in mL as a polynomial of the adiposity: exact, since half axes grow linearly."""
    at = np.array([0.0, 30.0, 60.0])
    coefficients = np.polyfit(at, [_volume_ml(person, float(a)) for a in at], 2)
    return float(coefficients[2]), float(coefficients[1]), float(coefficients[0])


def _volume_ml(person: PersonSettings, adiposity: float) -> float:
    crotch = CROTCH_MM * person.scale_z
    trunk = _skin(person, adiposity).volume_ml()
    leg = _leg(person, adiposity, 1.0)
    whole_leg = leg.volume_ml(LOWEST_MM * person.scale_z) - leg.volume_ml(crotch)
    return trunk + 2 * whole_leg + HEAD_ML[person.sex] * person.scale_z**2


def _skin(person: PersonSettings, adiposity: float) -> Loft:
    z = np.asarray(_Z) * person.scale_z
    levels = smooth_levels(z[0], z[-1])
    grow_x = adiposity * smooth_profile(z, _GROWTH_X, levels)
    grow_y = adiposity * smooth_profile(z, _GROWTH_Y, levels)
    frame = _frame(person)
    half_x = frame * smooth_profile(z, _HALF_X[person.sex], levels) + grow_x
    half_y = frame * smooth_profile(z, _HALF_Y[person.sex], levels) + grow_y
    centre_y = frame * smooth_profile(z, _CENTRE_Y, levels) - _FORWARD * grow_y
    shape = loft(levels, (np.zeros_like(levels), centre_y), (half_x, half_y))
    return Loft(
        shape.levels_mm, shape.centre_x, shape.centre_y, shape.half_x, shape.half_y, _TRUNK_POWER
    )


def _leg(person: PersonSettings, adiposity: float, side: float) -> Loft:
    z = np.asarray(_LEG_Z) * person.scale_z
    levels = smooth_levels(z[0], z[-1])
    frame = _frame(person)
    grow = 0.5 * adiposity
    half_x = frame * smooth_profile(z, _LEG_HALF_X, levels) + grow
    half_y = frame * smooth_profile(z, _LEG_HALF_Y, levels) + grow
    apart = np.maximum(frame * _LEG_X, half_x + 2.0)
    centre_y = np.full_like(levels, 6.0 * frame) - 0.3 * grow
    return loft(levels, (side * apart, centre_y), (half_x, half_y))


def _frame(person: PersonSettings) -> float:
    """Widths of a lean skeleton relative to the nominal person."""
    return float(person.scale_z**0.8)


def _build(person: PersonSettings, adiposity: float) -> Physique:
    skin = _skin(person, adiposity)
    z = np.asarray(_Z) * person.scale_z
    levels = np.asarray(skin.levels_mm)
    lean_fat, frame = _LEAN_FAT_MM[person.sex], _frame(person)
    growth = _FAT_OF_GROWTH * adiposity
    side = np.maximum(lean_fat + growth * smooth_profile(z, _GROWTH_X, levels), _THINNEST_FAT_MM)
    flesh = _without_fat(skin, side, *_fat_in_depth(z, levels, 0.75 * lean_fat, adiposity))
    cavity = flesh.shrunk(*_WALL_MM).limited(
        frame * smooth_profile(z, _CAVITY_X, levels), frame * smooth_profile(z, _CAVITY_Y, levels)
    )
    cavity = cavity.above((CROTCH_MM + _PERINEUM_MM) * person.scale_z)
    fat_mm = float(max(lean_fat + growth, _THINNEST_FAT_MM))
    legs = (_leg(person, adiposity, -1.0), _leg(person, adiposity, 1.0))
    return Physique(person, adiposity, fat_mm, skin, flesh, cavity, legs)


def _fat_in_depth(
    z: Floats, levels: Floats, lean_mm: float, adiposity: float
) -> tuple[Floats, Floats]:
    """Fat in front and behind at every level: behind it takes all of the little growth there."""
    grow_y = adiposity * smooth_profile(z, _GROWTH_Y, levels)
    share = smooth_profile(z, _FAT_IN_FRONT, levels)
    front = lean_mm + share * (1 + _FORWARD) * grow_y
    back = lean_mm + (1 - _FORWARD) * grow_y
    return np.maximum(front, _THINNEST_FAT_MM), np.maximum(back, _THINNEST_FAT_MM)


def _without_fat(skin: Loft, side: Floats, front: Floats, back: Floats) -> Loft:
    """What lies under fat of these thicknesses."""
    flesh = skin.shrunk(side, 0.5 * (front + back))
    centre_y = np.asarray(skin.centre_y) + 0.5 * (front - back)
    return replace(flesh, centre_y=tuple(float(v) for v in centre_y))
