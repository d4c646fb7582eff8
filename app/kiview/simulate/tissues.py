"""Kinetic constants and attenuation of tissues, and their spread between people.

Every tissue is irreversible (k4 = 0), so that the Patlak slope of a noise-free curve equals the
truth `Ki`. Constants are those of the Patlak test table of the fact sheet behind this package;
`source` says how far each can be trusted: "published" values come from public simulation code or
papers, "design" values are chosen so that SUV and Ki look plausible.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

KINETIC_SPREAD = 0.20
"""Lognormal sigma of K1, k2 and k3 of one organ between people (design)."""
WITHIN_ORGAN_SPREAD = 0.12
"""Lognormal sigma between the two constant sets that are mixed inside one organ (design)."""
FIRST_LESION_LABEL = 64
"""Lesion i has label 64 + 2 i, its core 65 + 2 i."""


class Label(IntEnum):
    """What a voxel of a phantom is made of."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    SOFT = 3
    LUNG = 4
    BLOOD = 5
    MYOCARDIUM = 6
    LIVER = 7
    SPLEEN = 8
    KIDNEY = 9
    BOWEL = 10
    MARROW = 11
    BONE = 12
    DISC = 13
    GREY_MATTER = 14
    WHITE_MATTER = 15
    FLUID = 16
    BACKGROUND = 17


@dataclass(frozen=True, slots=True)
class Tissue:
    """Irreversible two-tissue constants of one material.

    Attributes:
        k1: mL plasma / min / mL tissue.
        k2: /min.
        k3: /min.
        blood_fraction: Vb, 0 to 1.
        attenuation_per_mm: Linear attenuation at 511 keV.
        k4: /min; 0 in every phantom, other values only for stress tests.
        source: Where the constants come from.
    """

    k1: float
    k2: float
    k3: float
    blood_fraction: float
    attenuation_per_mm: float = 0.0096
    k4: float = 0.0
    source: str = "design"

    @property
    def ki(self) -> float:
        """Net influx (1 - Vb) K1 k3 / (k2 + k3), mL/min/mL."""
        total = self.k2 + self.k3
        return (1 - self.blood_fraction) * self.k1 * self.k3 / total if total else 0.0

    @property
    def v0(self) -> float:
        """Patlak intercept (1 - Vb) K1 k2 / (k2 + k3)^2 + Vb, mL/mL."""
        total = self.k2 + self.k3
        free = self.k1 * self.k2 / total**2 if total else 0.0
        return (1 - self.blood_fraction) * free + self.blood_fraction

    def drawn(self, rng: np.random.Generator, sigma: float) -> "Tissue":
        """Same tissue of another person: K1, k2, k3 and Vb times lognormal factors."""
        f1, f2, f3, fb = np.exp(sigma * rng.standard_normal(4))
        blood = self.blood_fraction
        return replace(
            self,
            k1=float(self.k1 * f1),
            k2=float(self.k2 * f2),
            k3=float(self.k3 * f3),
            blood_fraction=blood if blood in (0.0, 1.0) else float(min(blood * fb, 0.9)),
        )


_HUANG = "unsourced, attributed to Huang 1980"
_PUBLIC = "published simulation code"
_WATER, _FAT_MU, _LUNG_MU, _BONE_MU = 0.0096, 0.0090, 0.0029, 0.0130

STANDARD: dict[Label, Tissue] = {
    Label.AIR: Tissue(0.0, 0.0, 0.0, 0.0, 0.0),
    Label.FAT: Tissue(0.01, 0.10, 0.008, 0.01, _FAT_MU),
    Label.MUSCLE: Tissue(0.03, 0.20, 0.012, 0.03, _WATER),
    Label.SOFT: Tissue(0.047, 0.325, 0.020, 0.029, _WATER, source="published, k3 lowered (design)"),
    Label.LUNG: Tissue(0.108, 0.735, 0.016, 0.15, _LUNG_MU, source="published, Vb design"),
    Label.BLOOD: Tissue(0.0, 0.0, 0.0, 1.0, _WATER, source="definition"),
    Label.MYOCARDIUM: Tissue(0.6, 1.2, 0.1, 0.05, _WATER, source=_PUBLIC),
    Label.LIVER: Tissue(0.864, 0.981, 0.004, 0.0, _WATER, source="published K1 and k2, k3 design"),
    Label.SPLEEN: Tissue(0.6, 0.8, 0.004, 0.15, _WATER),
    Label.KIDNEY: Tissue(0.7, 0.9, 0.006, 0.15, _WATER),
    Label.BOWEL: Tissue(0.10, 0.35, 0.020, 0.04, _WATER),
    Label.MARROW: Tissue(0.25, 0.60, 0.012, 0.05, 0.0112),
    Label.BONE: Tissue(0.08, 0.40, 0.010, 0.03, _BONE_MU),
    Label.DISC: Tissue(0.02, 0.20, 0.006, 0.01, 0.0104),
    Label.GREY_MATTER: Tissue(0.102, 0.130, 0.062, 0.04, _WATER, source=_HUANG),
    Label.WHITE_MATTER: Tissue(0.054, 0.109, 0.045, 0.03, _WATER, source=_HUANG),
    Label.FLUID: Tissue(0.004, 0.20, 0.001, 0.005, _WATER),
    Label.BACKGROUND: Tissue(0.047, 0.325, 0.084, 0.029, _WATER, source=_PUBLIC),
}
"""Central constants of each material; K1 mL/min/mL, rates /min."""

TUMOUR_MODERATE = Tissue(0.15, 0.45, 0.06, 0.05)
TUMOUR_LIVER = Tissue(0.243, 0.78, 0.10, 0.05, source="published, Vb design")
TUMOUR_HOT = Tissue(0.30, 0.50, 0.20, 0.05)
TUMOUR_COLD = Tissue(0.02, 0.25, 0.002, 0.02)
NECROSIS = Tissue(0.015, 0.25, 0.004, 0.01)


@dataclass(frozen=True, slots=True)
class TissuePair:
    """Two constant sets of one material, mixed by a smooth field inside the organ."""

    first: Tissue
    second: Tissue


def draw_pair(
    centre: Tissue,
    rng: np.random.Generator,
    spread: float = KINETIC_SPREAD,
    within: float = WITHIN_ORGAN_SPREAD,
) -> TissuePair:
    """Constants of one organ of one person.

    Args:
        centre: Central constants.
        rng: Source of randomness.
        spread: Lognormal sigma between people.
        within: Lognormal sigma between the two sets of this person.
    """
    person = centre.drawn(rng, spread)
    return TissuePair(person.drawn(rng, within), person.drawn(rng, within))


def draw_all(
    rng: np.random.Generator, spread: float = KINETIC_SPREAD, within: float = WITHIN_ORGAN_SPREAD
) -> dict[int, TissuePair]:
    """One person's constants for every standard material; air and blood stay exact."""
    exact = (Label.AIR, Label.BLOOD)
    return {
        int(label): draw_pair(
            tissue, rng, 0.0 if label in exact else spread, 0.0 if label in exact else within
        )
        for label, tissue in STANDARD.items()
    }


def lesion_label(index: int) -> int:
    """Label of lesion `index` (0, 1, ...); its core has the next label."""
    return FIRST_LESION_LABEL + 2 * index
