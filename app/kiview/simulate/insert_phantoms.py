"""Test objects of finite length: uniform, NEMA-like and with rods, each drawable as a whole volume.

The slabs of `other_phantoms` are endless columns; these have flat or domed ends.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from kiview.core.errors import InvalidInputError
from kiview.simulate.phantom import Lesion, Part, Phantom
from kiview.simulate.shapes import Column, Ellipsoid, Point, Shape
from kiview.simulate.tissues import (
    STANDARD,
    TUMOUR_COLD,
    TUMOUR_HOT,
    TUMOUR_MODERATE,
    Label,
    Tissue,
    TissuePair,
    draw_all,
    draw_pair,
    lesion_label,
)

Ends = Literal["flat", "domed"]
NEMA_SPHERES_MM = (10.0, 13.0, 17.0, 22.0, 28.0, 37.0)
"""Inner diameters of the six spheres of the NEMA NU 2 body phantom."""
ROD_DIAMETERS_MM = (6.0, 8.0, 10.0, 13.0, 17.0, 25.0)
"""Diameters of the rods of the insert phantom (design)."""
_NEMA_LENGTH_MM, _NEMA_RING_MM, _NEMA_INSERT_MM = 180.0, 57.2, 25.0
_NEMA_PLANE_MM = 20.0
_ROD_LENGTH_SHARE = 0.7
_INNER_RING_SHARE, _OUTER_RING_SHARE = 0.34, 0.68
_VESSEL_MM = 12.0
_SMALLEST_FOR_RODS_MM = 80.0
_OVER = (int(Label.BACKGROUND),)


def uniform_phantom(
    tissue: Tissue | None = None,
    radius_mm: float = 100.0,
    length_mm: float = 200.0,
    ends: Ends = "flat",
) -> Phantom:
    """A cylinder of one material, centred on the origin.

    Args:
        tissue: Its constants; the standard background if None.
        radius_mm: Of the cylinder.
        length_mm: From end to end, domes included.
        ends: "flat" or "domed" (half ellipsoids, half a radius high).

    Raises:
        InvalidInputError: a size is not positive or too short for its domes.
    """
    tissue = tissue or STANDARD[Label.BACKGROUND]
    parts = _cylinder(Label.BACKGROUND, (radius_mm, radius_mm), length_mm, ends)
    return Phantom(tuple(parts), _constants(tissue), (), 0, "uniform")


def nema_phantom(
    background: Tissue | None = None, sphere: Tissue | None = None, ends: Ends = "flat"
) -> Phantom:
    """NEMA-like body, 180 mm long: six spheres in one plane, four hot and the two largest cold.

    Args:
        background: Its constants; the standard background if None.
        sphere: Constants of the hot spheres; a moderate tumour's if None.
        ends: "flat" or "domed".
    """
    background, sphere = background or STANDARD[Label.BACKGROUND], sphere or TUMOUR_MODERATE
    parts = _cylinder(Label.BACKGROUND, (147.0, 114.0), _NEMA_LENGTH_MM, ends, 2.4)
    half = 0.5 * _NEMA_LENGTH_MM - 4.0
    parts.append(Part(Label.LUNG, _rod((0.0, 0.0), _NEMA_INSERT_MM, half), _OVER, "lung insert"))
    lesions = []
    for i, diameter in enumerate(NEMA_SPHERES_MM):
        angle = i * np.pi / 3
        x, y = (_NEMA_RING_MM * f(angle) for f in (np.cos, np.sin))
        cold = i >= len(NEMA_SPHERES_MM) - 2
        tissue, kind = (TUMOUR_COLD, "cold") if cold else (sphere, "warm")
        centre: Point = (float(x), float(y), _NEMA_PLANE_MM)
        lesions.append(_insert(i, centre, diameter, kind, tissue))
        ball = Ellipsoid(centre, (0.5 * diameter,) * 3)
        parts.append(Part(lesion_label(i), ball, name=f"{kind} sphere"))
    return _with_inserts(parts, background, lesions, "nema")


def insert_phantom(
    background: Tissue | None = None,
    hot: Tissue | None = None,
    ends: Ends = "domed",
    radius_mm: float = 100.0,
    length_mm: float = 220.0,
) -> Phantom:
    """A cylinder with six hot rods, six cold rods, and a plasma-filled vessel in its middle.

    Hot rods (6 to 25 mm) stand on the outer ring, cold ones of the same diameters on the inner
    ring as far as they fit (6 to 17 mm). The vessel runs through the whole length.

    Args:
        background: Its constants; the standard background if None.
        hot: Constants of the hot rods; a hot tumour's if None.
        ends: "flat" or "domed".
        radius_mm: Of the cylinder, 80 or more.
        length_mm: From end to end.

    Raises:
        InvalidInputError: a size is too small for the rods.
    """
    if radius_mm < _SMALLEST_FOR_RODS_MM:
        raise InvalidInputError(f"Rods need a cylinder of 80 mm radius or more, not {radius_mm:g}.")
    background, hot = background or STANDARD[Label.BACKGROUND], hot or TUMOUR_HOT
    parts = _cylinder(Label.BACKGROUND, (radius_mm, radius_mm), length_mm, ends)
    half = 0.5 * _ROD_LENGTH_SHARE * length_mm
    lesions: list[Lesion] = []
    rings = (("hot", hot, _OUTER_RING_SHARE, 0.0), ("cold", TUMOUR_COLD, _INNER_RING_SHARE, 0.5))
    for kind, tissue, share, turn in rings:
        for k, diameter in enumerate(ROD_DIAMETERS_MM):
            if kind == "cold" and k == len(ROD_DIAMETERS_MM) - 1:
                continue
            angle = (k + turn) * np.pi / 3
            x, y = (float(share * radius_mm * f(angle)) for f in (np.cos, np.sin))
            label = lesion_label(len(lesions))
            parts.append(Part(label, _rod((x, y), 0.5 * diameter, half), name=f"{kind} rod"))
            lesions.append(_insert(len(lesions), (x, y, 0.0), diameter, kind, tissue))
    vessel = _rod((0.0, 0.0), _VESSEL_MM, 0.5 * length_mm - 2.0)
    parts.append(Part(Label.BLOOD, vessel, _OVER, "vessel"))
    return _with_inserts(parts, background, lesions, "insert")


def draw_test_object(
    rng: np.random.Generator, kind: Literal["uniform", "nema", "insert"]
) -> Phantom:
    """A test object with random constants and ends, for training against narrow anatomy."""
    ends: Ends = "flat" if rng.integers(2) else "domed"
    background = draw_pair(STANDARD[Label.BACKGROUND], rng, 0.6, 0.0).first
    hot = TUMOUR_HOT.drawn(rng, 0.4)
    if kind == "uniform":
        radius, length = (float(v) for v in rng.uniform((70, 160), (150, 300)))
        return uniform_phantom(background, radius, length, ends)
    if kind == "nema":
        return nema_phantom(background, hot, ends)
    return insert_phantom(background, hot, ends)


def _cylinder(
    label: Label, radii: tuple[float, float], length_mm: float, ends: Ends, power: float = 2.0
) -> list[Part]:
    """Parts of an upright cylinder of this length, with two half ellipsoids where domed."""
    rise = 0.5 * min(radii) if ends == "domed" else 0.0
    half = 0.5 * length_mm - rise
    if min(radii) <= 0 or half <= 0:
        raise InvalidInputError(
            f"A cylinder of radii {radii[0]:g} and {radii[1]:g} mm and {length_mm:g} mm length"
            " can't be drawn; sizes must be positive and longer than the domes."
        )
    body = Column((0.0, 0.0), (-half, half), (radii[0],) * 2, (radii[1],) * 2, power)
    parts = [Part(label, body, name="cylinder")]
    if rise:
        for z in (-half, half):
            dome = Ellipsoid((0.0, 0.0, z), (radii[0], radii[1], rise))
            parts.append(Part(label, dome, name="dome"))
    return parts


def _rod(centre_xy: tuple[float, float], radius: float, half_length: float) -> Shape:
    return Column(centre_xy, (-half_length, half_length), (radius,) * 2, (radius,) * 2)


def _insert(index: int, centre: Point, diameter: float, kind: str, tissue: Tissue) -> Lesion:
    host = int(Label.BACKGROUND)
    return Lesion(lesion_label(index), centre, diameter, kind, False, tissue, host)


def _constants(background: Tissue) -> dict[int, TissuePair]:
    """Standard materials exactly, and the background."""
    exact = draw_all(np.random.default_rng(0), spread=0.0, within=0.0)
    return {**exact, int(Label.BACKGROUND): TissuePair(background, background)}


def _with_inserts(
    parts: list[Part], background: Tissue, lesions: list[Lesion], kind: str
) -> Phantom:
    inserts = {x.label: TissuePair(x.tissue, x.tissue) for x in lesions}
    plain = Phantom(tuple(parts), _constants(background), tuple(lesions), 0, kind)
    return replace(plain, tissues={**plain.tissues, **inserts})
