"""Who is drawn: sex, weight, height, arms; and where in that person a slab lies."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kiview.core.errors import InvalidInputError

Sex = Literal["female", "male"]
Arms = Literal["up", "down"]
Region = Literal["head", "thorax", "abdomen", "pelvis", "thigh"]

NOMINAL_HEIGHT_M = 1.75
"""Heights z of the nominal anatomy are those of a person this tall."""
WEIGHT_LIMITS_KG = (45.0, 130.0)
HEIGHT_LIMITS_M = (1.40, 2.10)
DRAWN_HEIGHTS_M = (1.45, 2.0)
"""Shortest and tallest of those drawn at random."""
BMI_LIMITS = (14.0, 52.0)


@dataclass(frozen=True, slots=True)
class SegmentShares:
    """Shares of body segments in the weight, one side each (de Leva 1996, J Biomech 29:1223).

    Attributes:
        upper_arm: Shoulder to elbow.
        forearm: With the hand.
        thigh: Hip to knee.
        shank: With the foot.
    """

    upper_arm: float
    forearm: float
    thigh: float
    shank: float

    @property
    def arm(self) -> float:
        """One arm with its hand."""
        return self.upper_arm + self.forearm

    @property
    def trunk(self) -> float:
        """Head, trunk and the upper halves of the thighs, without arms."""
        leg_below = self.shank + _LOWER_HALF_OF_THIGH * self.thigh
        return 1 - 2 * (self.arm + leg_below)


_LOWER_HALF_OF_THIGH = 0.44
"""Share of the lower, thinner half in a thigh's mass (design)."""
SEGMENTS: dict[Sex, SegmentShares] = {
    "male": SegmentShares(0.0271, 0.0162 + 0.0061, 0.1416, 0.0433 + 0.0137),
    "female": SegmentShares(0.0255, 0.0138 + 0.0056, 0.1478, 0.0481 + 0.0129),
}

_REGIONS: dict[Region, tuple[float, float]] = {
    "head": (330.0, 470.0),
    "thorax": (10.0, 165.0),
    "abdomen": (-205.0, 0.0),
    "pelvis": (-385.0, -235.0),
    "thigh": (-575.0, -420.0),
}
_MEAN_BMI, _BMI_SPREAD = 26.0, 0.18
_FEMALE_SHARE, _ARMS_UP_SHARE = 0.5, 0.7


@dataclass(frozen=True, slots=True)
class PersonSettings:
    """One adult.

    Attributes:
        sex: "female" or "male".
        weight_kg: 45 to 130.
        height_m: 1.40 to 2.10.
        arms: "up" beside the head or "down" beside the trunk.

    Raises:
        InvalidInputError: weight, height or body-mass index is outside what is drawn.
    """

    sex: Sex = "male"
    weight_kg: float = 75.0
    height_m: float = 1.75
    arms: Arms = "up"

    def __post_init__(self) -> None:
        _refuse_outside("weight", self.weight_kg, WEIGHT_LIMITS_KG, "kg")
        _refuse_outside("height", self.height_m, HEIGHT_LIMITS_M, "m")
        _refuse_outside("body-mass index", self.bmi, BMI_LIMITS, "kg/m2")

    @property
    def bmi(self) -> float:
        """Body-mass index, kg/m2."""
        return self.weight_kg / self.height_m**2

    @property
    def scale_z(self) -> float:
        """Height relative to the nominal anatomy."""
        return self.height_m / NOMINAL_HEIGHT_M

    @property
    def drawn_share(self) -> float:
        """Share of the body weight between the top of the head and the middle of the thighs.

        Arms beside the trunk count whole; of raised arms the upper arm only, because the rest lies
        above the head.
        """
        shares = SEGMENTS[self.sex]
        return shares.trunk + 2 * (shares.arm if self.arms == "down" else shares.upper_arm)


def draw_person(rng: np.random.Generator) -> PersonSettings:
    """A random adult of a clinic: BMI 26 (18 %), arms up in 70 %, weight within the limits."""
    sex: Sex = "female" if rng.random() < _FEMALE_SHARE else "male"
    centre, spread = (1.63, 0.065) if sex == "female" else (1.76, 0.07)
    height = float(np.clip(centre + spread * rng.standard_normal(), *DRAWN_HEIGHTS_M))
    bmi = float(_MEAN_BMI * np.exp(_BMI_SPREAD * np.clip(rng.standard_normal(), -2.5, 3.0)))
    weight = float(np.clip(bmi * height**2, *WEIGHT_LIMITS_KG))
    arms: Arms = "up" if rng.random() < _ARMS_UP_SHARE else "down"
    return PersonSettings(sex, weight, height, arms)


def draw_region(rng: np.random.Generator, region: Region, person: PersonSettings) -> float:
    """Height z in mm of the middle of a slab somewhere in a region of a person.

    Raises:
        InvalidInputError: there is no region of this name.
    """
    if region not in _REGIONS:
        raise InvalidInputError(
            f"A body has no region {region!r}; choose one of {', '.join(_REGIONS)}."
        )
    low, high = _REGIONS[region]
    return float(rng.uniform(low, high)) * person.scale_z


def _refuse_outside(name: str, value: float, limits: tuple[float, float], unit: str) -> None:
    low, high = limits
    if not low <= value <= high:
        raise InvalidInputError(
            f"A {name} of {value:.4g} {unit} can't be drawn; give one from {low:g} to {high:g}."
        )
