"""Tumours: where they grow, how large, what they take up."""

import numpy as np

from kiview.simulate.phantom import Lesion, Part, Phantom
from kiview.simulate.shapes import Ellipsoid, Point, Ripple
from kiview.simulate.tissues import (
    NECROSIS,
    TUMOUR_COLD,
    TUMOUR_HOT,
    TUMOUR_LIVER,
    TUMOUR_MODERATE,
    Label,
    Tissue,
    TissuePair,
    draw_pair,
    lesion_label,
)

SMALLEST_MM, LARGEST_MM = 6.0, 40.0
_KINDS: dict[str, Tissue] = {
    "warm": TUMOUR_MODERATE,
    "liver": TUMOUR_LIVER,
    "hot": TUMOUR_HOT,
    "cold": TUMOUR_COLD,
}
_KIND_SHARES = (0.42, 0.32, 0.14, 0.12)
_NO_HOSTS = (Label.AIR, Label.BLOOD, Label.MYOCARDIUM, Label.FLUID)
_HOSTS = tuple(x for x in Label if x not in _NO_HOSTS)
_NEVER_REPLACED = (Label.BLOOD, Label.URINE, Label.RENAL_PELVIS)
_GROWS_OVER = tuple(x for x in range(1, 256) if x not in _NEVER_REPLACED)
_SKIPPED_IN_FAT_AND_MUSCLE = 0.6
_NECROTIC_FROM_MM, _NECROTIC_SHARE = 18.0, 0.4
_TRIES = 400


def draw_lesions(
    rng: np.random.Generator,
    host: Phantom,
    count: int,
    z_range_mm: tuple[float, float],
    hosts: tuple[Label, ...] = _HOSTS,
) -> list[Lesion]:
    """Random tumours that do not touch each other, centred in solid tissue or lung.

    Args:
        rng: Source of randomness.
        host: Healthy phantom.
        count: Wanted; fewer come back if there is no room.
        z_range_mm: Heights of the centres.
        hosts: Labels in which a centre may lie.
    """
    found: list[Lesion] = []
    for _ in range(_TRIES):
        if len(found) == count:
            break
        place = rng.uniform((-150, -95, z_range_mm[0]), (150, 90, z_range_mm[1]))
        centre = (float(place[0]), float(place[1]), float(place[2]))
        diameter = float(np.exp(rng.uniform(np.log(SMALLEST_MM), np.log(LARGEST_MM))))
        label = host.label_at(centre)
        rare = label in (Label.FAT, Label.MUSCLE) and rng.random() < _SKIPPED_IN_FAT_AND_MUSCLE
        if label not in hosts or rare or not _is_free(found, centre, diameter):
            continue
        found.append(_grow(rng, len(found), centre, diameter, label))
    return found


def _grow(
    rng: np.random.Generator, index: int, centre: Point, diameter: float, host: int
) -> Lesion:
    kind = str(rng.choice(list(_KINDS), p=_KIND_SHARES))
    large = kind != "cold" and diameter > _NECROTIC_FROM_MM
    necrotic = large and bool(rng.random() < _NECROTIC_SHARE)
    tissue = _KINDS[kind].drawn(rng, 0.25)
    return Lesion(lesion_label(index), centre, diameter, kind, necrotic, tissue, host)


def fixed_lesion(
    index: int, centre: Point, diameter_mm: float, kind: str, necrotic: bool = False
) -> Lesion:
    """A tumour with the central constants of its kind (for a phantom that never changes)."""
    tissue = _KINDS[kind]
    return Lesion(lesion_label(index), centre, diameter_mm, kind, necrotic, tissue, int(Label.SOFT))


def lesion_parts(
    lesions: list[Lesion], rng: np.random.Generator
) -> tuple[list[Part], dict[int, TissuePair]]:
    """Shapes and constants of tumours: one known Ki each, a dead core where necrotic."""
    parts: list[Part] = []
    pairs: dict[int, TissuePair] = {}
    for lesion in lesions:
        stretch = np.exp(0.12 * rng.standard_normal(3))
        r = 0.5 * lesion.diameter_mm * stretch / stretch.prod() ** (1 / 3)
        radii = (float(r[0]), float(r[1]), float(r[2]))
        bumps = Ripple.draw(rng, 0.04, 1.5 * lesion.diameter_mm)
        ball = Ellipsoid(lesion.centre_lps_mm, radii, None, bumps)
        parts.append(Part(lesion.label, ball, _GROWS_OVER, name=f"{lesion.kind} tumour"))
        pairs[lesion.label] = TissuePair(lesion.tissue, lesion.tissue)
        core = draw_pair(NECROSIS, rng)
        pairs[lesion.label + 1] = core
        if lesion.necrotic:
            inner = (0.55 * radii[0], 0.55 * radii[1], 0.55 * radii[2])
            parts.append(
                Part(lesion.label + 1, Ellipsoid(lesion.centre_lps_mm, inner), _GROWS_OVER)
            )
    return parts, pairs


def _is_free(found: list[Lesion], centre: Point, diameter: float) -> bool:
    for other in found:
        distance = np.linalg.norm(np.subtract(centre, other.centre_lps_mm))
        if distance < 0.6 * (diameter + other.diameter_mm) + 4:
            return False
    return True
