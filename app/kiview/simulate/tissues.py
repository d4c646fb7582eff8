"""Kinetic constants and attenuation of tissues, and their spread between people.

Every standard tissue is irreversible (k4 = 0), so that the Patlak slope of a noise-free curve nears
the truth `Ki`; `REVERSIBLE` holds published constants with k4 > 0, whose truth is
`patlak_truth.patlak_truth`. Constants are those of the Patlak test tables of the fact sheet behind
this package; `source` says how far each can be trusted: "published" values come from public
simulation code or papers, "design" values are chosen so that SUV and Ki look plausible.
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
LAST_LESION_LABEL = 252
"""255 marks mixed pixels."""


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
    URINE = 18
    RENAL_PELVIS = 19
    GALLBLADDER = 20
    STOMACH = 21
    PANCREAS = 22
    THYROID = 23
    SALIVARY = 24
    CEREBELLUM = 25
    DEEP_GREY = 26
    UTERUS = 27
    PROSTATE = 28
    BREAST = 29


TORSO_LABELS = tuple(label for label in Label if label <= Label.BACKGROUND)
"""Materials of torsos, heads and test objects; a body has all of `Label`."""
NOT_TISSUE = frozenset({Label.AIR, Label.URINE, Label.RENAL_PELVIS})
"""Materials without a compartment model (urine holds what was excreted): no truth to score."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """Two-tissue constants of one material.

    Attributes:
        k1: mL plasma / min / mL tissue.
        k2: /min.
        k3: /min.
        blood_fraction: Vb, 0 to 1.
        attenuation_per_mm: Linear attenuation at 511 keV.
        k4: /min; 0 unless a reversible tissue was asked for.
        source: Where the constants come from.
        delay_s: Tracer arrives this much later than in the plasma curve.
    """

    k1: float
    k2: float
    k3: float
    blood_fraction: float
    attenuation_per_mm: float = 0.0096
    k4: float = 0.0
    source: str = "design"
    delay_s: float = 0.0

    @property
    def ki(self) -> float:
        """Net influx (1 - Vb) K1 k3 / (k2 + k3), mL/min/mL; of a tissue without k4 and delay."""
        total = self.k2 + self.k3
        return (1 - self.blood_fraction) * self.k1 * self.k3 / total if total else 0.0

    @property
    def v0(self) -> float:
        """Patlak intercept (1 - Vb) K1 k2 / (k2 + k3)^2 + Vb, mL/mL."""
        total = self.k2 + self.k3
        free = self.k1 * self.k2 / total**2 if total else 0.0
        return (1 - self.blood_fraction) * free + self.blood_fraction

    def drawn(self, rng: np.random.Generator, sigma: float) -> "Tissue":
        """Same tissue of another person: K1, k2, k3, k4 and Vb times lognormal factors."""
        f1, f2, f3, fb = np.exp(sigma * rng.standard_normal(4))
        f4 = np.exp(sigma * rng.standard_normal()) if self.k4 else 1.0
        blood = self.blood_fraction
        return replace(
            self,
            k1=float(self.k1 * f1),
            k2=float(self.k2 * f2),
            k3=float(self.k3 * f3),
            k4=float(self.k4 * f4),
            blood_fraction=blood if blood in (0.0, 1.0) else float(min(blood * fb, 0.9)),
        )


_HUANG = "unsourced, attributed to Huang 1980"
_PUBLIC = "published simulation code"
WATER_PER_MM = 0.0096
"""Linear attenuation of water at 511 keV. Compton scattering dominates there, so attenuation over
this value is close to density in g/mL."""
_WATER, _FAT_MU, _LUNG_MU, _BONE_MU = WATER_PER_MM, 0.0090, 0.0029, 0.0130

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
    Label.URINE: Tissue(0.10, 0.0, 1.0, 0.0, 0.0098, source="design, excretion: C = K1 int Cp"),
    Label.RENAL_PELVIS: Tissue(0.05, 0.0, 1.0, 0.02, _WATER, source="design, as urine"),
    Label.GALLBLADDER: Tissue(0.006, 0.20, 0.001, 0.005, _WATER),
    Label.STOMACH: Tissue(0.20, 0.45, 0.018, 0.05, _WATER),
    Label.PANCREAS: Tissue(0.35, 0.65, 0.008, 0.10, _WATER),
    Label.THYROID: Tissue(0.30, 0.60, 0.010, 0.10, _WATER),
    Label.SALIVARY: Tissue(0.16, 0.35, 0.016, 0.06, _WATER),
    Label.CEREBELLUM: Tissue(0.110, 0.145, 0.048, 0.04, _WATER),
    Label.DEEP_GREY: Tissue(0.105, 0.128, 0.064, 0.04, _WATER),
    Label.UTERUS: Tissue(0.25, 0.55, 0.012, 0.10, _WATER),
    Label.PROSTATE: Tissue(0.12, 0.35, 0.014, 0.06, _WATER),
    Label.BREAST: Tissue(0.06, 0.30, 0.012, 0.02, 0.0094),
}
"""Central constants of each material; K1 mL/min/mL, rates /min.

Urine is no compartment tissue. With k2 = 0 its activity is K1 times the integral of the input: what
the kidneys put in is proportional to what they have seen, and nothing leaves. K1 = 0.10 with the
usual 165 SUV min in the first hour gives SUV 16 at 60 min.
"""

_KARAKATSANIS = "published simulation code with k4"
REVERSIBLE: dict[Label, Tissue] = {
    Label.MYOCARDIUM: Tissue(0.6, 1.2, 0.1, 0.05, _WATER, 0.001, _KARAKATSANIS),
    Label.LIVER: Tissue(0.864, 0.981, 0.005, 0.0, _WATER, 0.016, _KARAKATSANIS),
    Label.LUNG: Tissue(0.108, 0.735, 0.016, 0.017, _LUNG_MU, 0.013, _KARAKATSANIS),
    Label.GREY_MATTER: Tissue(0.102, 0.130, 0.062, 0.04, _WATER, 0.0068, _HUANG),
    Label.WHITE_MATTER: Tissue(0.054, 0.109, 0.045, 0.03, _WATER, 0.0058, _HUANG),
    Label.CEREBELLUM: Tissue(0.110, 0.145, 0.048, 0.04, _WATER, 0.0068),
    Label.DEEP_GREY: Tissue(0.105, 0.128, 0.064, 0.04, _WATER, 0.0068),
}
"""Constants that take the place of the standard ones where k4 > 0 is asked for."""

ARRIVAL_DELAY_S: dict[Label, float] = {
    Label.LUNG: 0.0,
    Label.MYOCARDIUM: 2.0,
    Label.THYROID: 4.0,
    Label.SALIVARY: 5.0,
    Label.GREY_MATTER: 5.0,
    Label.DEEP_GREY: 5.0,
    Label.CEREBELLUM: 5.0,
    Label.WHITE_MATTER: 6.0,
    Label.KIDNEY: 5.0,
    Label.PANCREAS: 6.0,
    Label.STOMACH: 8.0,
    Label.SPLEEN: 7.0,
    Label.BOWEL: 10.0,
    Label.BREAST: 10.0,
    Label.UTERUS: 10.0,
    Label.PROSTATE: 10.0,
    Label.MARROW: 12.0,
    Label.LIVER: 14.0,
    Label.MUSCLE: 18.0,
    Label.SOFT: 12.0,
    Label.DISC: 25.0,
    Label.BONE: 18.0,
    Label.FAT: 28.0,
    Label.RENAL_PELVIS: 120.0,
    Label.URINE: 240.0,
}
"""Central arrival delay behind the aorta, s (design; up to 40 s are seen in distant organs on
total-body scans, Feng T. 2021). Urine comes minutes later: kidney and ureter transit."""
DELAY_SPREAD, LONGEST_TISSUE_DELAY_S = 0.35, 40.0
"""Lognormal sigma of delays between people (design); no tissue is later than this."""

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
    rng: np.random.Generator,
    spread: float = KINETIC_SPREAD,
    within: float = WITHIN_ORGAN_SPREAD,
    labels: tuple[Label, ...] = TORSO_LABELS,
    reversible: bool = False,
) -> dict[int, TissuePair]:
    """One person's constants for every material; air and blood stay exact.

    Args:
        rng: Source of randomness.
        spread: Lognormal sigma between people.
        within: Lognormal sigma between the two sets of this person.
        labels: Materials wanted.
        reversible: Give those of `REVERSIBLE` their k4.
    """
    exact = (Label.AIR, Label.BLOOD)
    centres = {**STANDARD, **REVERSIBLE} if reversible else STANDARD
    return {
        int(label): draw_pair(
            centres[label],
            rng,
            0.0 if label in exact else spread,
            0.0 if label in exact else within,
        )
        for label in labels
    }


def with_arrival_delays(
    rng: np.random.Generator, tissues: dict[int, TissuePair]
) -> dict[int, TissuePair]:
    """The same tissues with each organ's arrival delay in this person; lesions get their own.

    A lesion's delay is uniform from 2 to 20 s (design).
    """
    delayed: dict[int, TissuePair] = {}
    for label, pair in tissues.items():
        if label >= FIRST_LESION_LABEL:
            delay = float(rng.uniform(2, 20))
        else:
            centre = ARRIVAL_DELAY_S.get(Label(label), 0.0)
            longest = max(LONGEST_TISSUE_DELAY_S, centre)
            drawn = centre * np.exp(DELAY_SPREAD * rng.standard_normal())
            delay = float(min(drawn, longest))
        delayed[label] = TissuePair(
            replace(pair.first, delay_s=delay), replace(pair.second, delay_s=delay)
        )
    return delayed


def lesion_label(index: int) -> int:
    """Label of lesion `index` (0, 1, ...); its core has the next label."""
    return FIRST_LESION_LABEL + 2 * index
