"""Random people from the top of the head to the middle of the thighs.

The frame is the torso's: x = 0 in the middle, +x to the patient's left, +y to the back, z = 0 at
the top of the liver, +z to the head. A person 1.75 m tall reaches from z = -600 to z = 500 mm;
other heights scale that.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from kiview.simulate.body_head import add_head, head_frame
from kiview.simulate.body_limbs import add_femurs, add_outside, add_shoulders
from kiview.simulate.body_trunk import (
    add_belly_fat,
    add_chest_wall,
    add_colon_content,
    add_gallbladder,
    add_lungs,
    add_pelvic_organs,
    add_pelvis,
    add_renal_pelves,
    add_spine,
    add_stomach_and_bowel,
)
from kiview.simulate.body_vessels import add_airway, add_vessels
from kiview.simulate.person import PersonSettings, draw_person
from kiview.simulate.phantom import Part, Phantom
from kiview.simulate.physique import HIGHEST_MM, LOWEST_MM, Physique, physique_of
from kiview.simulate.placing import Placer, Variation
from kiview.simulate.scattered_lesions import LesionSettings, scatter_lesions
from kiview.simulate.shapes import Grid
from kiview.simulate.tissues import (
    STANDARD,
    Label,
    TissuePair,
    draw_all,
    draw_pair,
    with_arrival_delays,
)
from kiview.simulate.torso import add_heart, add_kidneys, add_liver_and_spleen, with_lesions

_URINE_SPREAD, _URINE_WITHIN = 0.6, 0.03
UPTAKE_SPREAD: dict[Label, float] = {
    Label.MYOCARDIUM: 0.8,
    Label.BOWEL: 0.5,
    Label.STOMACH: 0.4,
    Label.UTERUS: 0.4,
    Label.SALIVARY: 0.3,
}
"""Further lognormal sigma of k3 where uptake depends on diet, cycle or motion (design)."""
_REACH_GRID_MM, _REACH_PIXELS = 8.0, 120
_NOMINAL_HALF_X, _NOMINAL_HALF_Y = 138.0, 88.0
"""Half axes of the nominal chest cavity that the organs were drawn for, mm."""
_VARIATION = Variation(size=0.0, jitter_mm=4.0, organ=0.09, ripple=0.045)


@dataclass(frozen=True, slots=True)
class BodyOptions:
    """What else a body may have.

    Attributes:
        reversible: Organs have their published k4; use `patlak_truth` for the truth.
        delays: Organs see the input later than the aorta; use `patlak_truth` for the truth.
        lesions: How tumours are drawn.
    """

    reversible: bool = False
    delays: bool = False
    lesions: LesionSettings = field(default_factory=LesionSettings)


def draw_body(
    rng: np.random.Generator,
    person: PersonSettings | None = None,
    lesion_count: int = 6,
    z_range_mm: tuple[float, float] | None = None,
    options: BodyOptions | None = None,
) -> Phantom:
    """Draw a person, head to mid-thigh.

    Args:
        rng: Everything random comes from here.
        person: Who; a random adult if None.
        lesion_count: Tumours wanted.
        z_range_mm: Heights where tumours may lie; the whole person if None.
        options: k4, delays, kind of tumours; the defaults if None.
    """
    options = options or BodyOptions()
    person = person or draw_person(rng)
    parts = body_parts(rng, physique_of(person))
    tissues = draw_body_tissues(rng, options.reversible)
    healthy = Phantom(tuple(parts), tissues, (), int(rng.integers(2**31)), "body")
    z_range = z_range_mm or body_range_mm(person)
    found = scatter_lesions(rng, healthy, lesion_count, z_range, options.lesions)
    phantom = with_lesions(healthy, found, rng)
    if not options.delays:
        return phantom
    return replace(phantom, tissues=with_arrival_delays(rng, phantom.tissues))


def body_range_mm(person: PersonSettings) -> tuple[float, float]:
    """Height of the middle of the thighs and of the top of the head, mm."""
    return LOWEST_MM * person.scale_z, HIGHEST_MM * person.scale_z


def body_parts(rng: np.random.Generator, physique: Physique) -> list[Part]:
    """All shapes of one healthy person, first painted first."""
    scale_z = physique.person.scale_z
    cavity = physique.cavity
    sx = float(np.clip(cavity.at("half_x", 0.0) / _NOMINAL_HALF_X, 0.78, 1.12))
    sy = float(np.clip(cavity.at("half_y", 0.0) / _NOMINAL_HALF_Y, 0.80, 1.06))
    b = Placer(rng, _VARIATION, (sx, sy, scale_z), physique.fat_mm)
    skeleton = scale_z**0.8
    add_outside(b, physique)
    frame = b.rescaled((skeleton, skeleton, scale_z))
    _add_trunk(b, frame, physique)
    pharynx = add_head(b, head_frame(b, physique))
    add_spine(b, physique)
    add_airway(b, frame, pharynx)
    return b.parts


def _add_trunk(b: Placer, frame: Placer, physique: Physique) -> None:
    add_chest_wall(b, physique)
    add_shoulders(b, physique)
    add_lungs(b)
    add_belly_fat(b, physique)
    colon = add_stomach_and_bowel(b, physique)
    add_kidneys(b)
    add_renal_pelves(b)
    add_liver_and_spleen(b)
    add_colon_content(b, colon)
    add_gallbladder(b)
    add_pelvis(frame, physique)
    add_femurs(frame, physique)
    add_pelvic_organs(frame, physique)
    add_heart(b)
    add_vessels(b, frame, physique)


def draw_body_tissues(rng: np.random.Generator, reversible: bool = False) -> dict[int, TissuePair]:
    """One person's constants for every material of a body, without delays."""
    tissues = draw_all(rng, labels=tuple(Label), reversible=reversible)
    for label in (Label.URINE, Label.RENAL_PELVIS):
        tissues[int(label)] = draw_pair(STANDARD[label], rng, _URINE_SPREAD, _URINE_WITHIN)
    for label, sigma in UPTAKE_SPREAD.items():
        factor = float(np.exp(sigma * np.clip(rng.standard_normal(), -2, 2)))
        pair = tissues[int(label)]
        first, second = (replace(t, k3=t.k3 * factor) for t in (pair.first, pair.second))
        tissues[int(label)] = TissuePair(first, second)
    return tissues


def transaxial_reach_mm(phantom: Phantom, z_range_mm: tuple[float, float]) -> float:
    """Largest distance of anything in some heights from the z axis, mm: the field of view needed.

    Heavy people and lowered arms reach beyond the 256 mm of a 512 mm field of view.
    """
    low, high = z_range_mm
    slices = int(np.ceil((high - low) / _REACH_GRID_MM)) + 1
    grid = Grid.centred(slices, _REACH_PIXELS, (_REACH_GRID_MM,) * 2, 0.5 * (low + high))
    _, y, x = np.nonzero(phantom.draw_labels(grid))
    return float(np.hypot(grid.axis_mm(1)[y], grid.axis_mm(2)[x]).max(initial=0.0))
