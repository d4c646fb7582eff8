"""Slabs that are not torsos: brain-like, uniform and NEMA-like, against narrow training."""

from dataclasses import replace

import numpy as np

from kiview.simulate.lesions import draw_lesions, lesion_parts
from kiview.simulate.phantom import Lesion, Part, Phantom
from kiview.simulate.shapes import Column, Ellipsoid, Point, Ripple
from kiview.simulate.tissues import (
    TUMOUR_COLD,
    TUMOUR_MODERATE,
    Label,
    Tissue,
    TissuePair,
    draw_all,
    draw_pair,
    lesion_label,
)

_TALL = (-400.0, 400.0)
_VESSEL_SHARE = 0.8
_BRAIN = (Label.GREY_MATTER, Label.WHITE_MATTER)


def draw_brain(
    rng: np.random.Generator, lesion_count: int, z_range_mm: tuple[float, float]
) -> Phantom:
    """Head: scalp, skull, folded grey ribbon, white matter, deep grey, ventricles."""
    s = float(1 + 0.05 * rng.standard_normal())
    shell = [
        (Label.MUSCLE, 1.0, 0.0),
        (Label.BONE, 0.94, 0.0),
        (Label.FLUID, 0.86, 0.0),
        (Label.GREY_MATTER, 0.835, 0.012),
        (Label.WHITE_MATTER, 0.73, 0.08),
    ]
    parts = [
        Part(label, Ellipsoid((0, 0, 0), _radii(s * f, 78, 98, 92), None, Ripple.draw(rng, a, 26)))
        for label, f, a in shell
    ]
    for side in (-1.0, 1.0):
        wobble = [float(v) for v in 2 * rng.standard_normal(6)]
        caudate = Ellipsoid((side * 15 + wobble[0], -20 + wobble[1], 2), (7 * s, 13 * s, 15 * s))
        putamen = Ellipsoid((side * 28 + wobble[2], -6 + wobble[3], -2), (7 * s, 17 * s, 15 * s))
        thalamus = Ellipsoid((side * 11 + wobble[4], 16 + wobble[5], 0), (9 * s, 14 * s, 12 * s))
        parts += [Part(Label.GREY_MATTER, shape, _BRAIN) for shape in (caudate, putamen, thalamus)]
        horn = Ellipsoid(
            (side * 8, -4, 14), (5 * s, 32 * s, 12 * s), None, Ripple.draw(rng, 0.06, 40)
        )
        parts.append(Part(Label.FLUID, horn, _BRAIN))
    sinus = Ellipsoid((0, 84 * s, 0), (5, 5, 70))
    parts.append(Part(Label.BLOOD, sinus, (Label.FLUID, Label.GREY_MATTER), "venous sinus"))
    healthy = Phantom(tuple(parts), draw_all(rng), (), int(rng.integers(2**31)), "brain")
    lesions = draw_lesions(rng, healthy, lesion_count, z_range_mm, _BRAIN)
    return _with(healthy, lesions, rng)


def draw_uniform(
    rng: np.random.Generator, lesion_count: int, z_range_mm: tuple[float, float]
) -> Phantom:
    """Cylinder of one random tissue (Ki and V0 over wide ranges) with inserts and a vessel."""
    half_x, half_y = (float(v) for v in rng.uniform((100, 80), (190, 130)))
    trunk = Column((0.0, 0.0), _TALL, (half_x,) * 2, (half_y,) * 2)
    parts = [Part(Label.BACKGROUND, trunk)]
    if rng.random() < _VESSEL_SHARE:
        x, y = (float(v) for v in rng.uniform((-60, -50), (60, 50)))
        vessel = Column(
            (x, y), _TALL, (float(rng.uniform(8, 15)),) * 2, (float(rng.uniform(8, 15)),) * 2
        )
        parts.append(Part(Label.BLOOD, vessel, name="vessel"))
    healthy = Phantom(
        tuple(parts), _random_background(rng), (), int(rng.integers(2**31)), "uniform"
    )
    return _with(healthy, draw_lesions(rng, healthy, lesion_count, z_range_mm), rng)


def draw_nema(rng: np.random.Generator, z_mm: float) -> Phantom:
    """NEMA-like body: six spheres (10 to 37 mm) of one contrast, lung insert, a vessel."""
    trunk = Column((0.0, 0.0), _TALL, (147.0,) * 2, (114.0,) * 2, 2.4)
    insert = Column((0.0, 0.0), _TALL, (25.0,) * 2, (25.0,) * 2)
    parts = [Part(Label.BACKGROUND, trunk), Part(Label.LUNG, insert, name="lung insert")]
    vessel = Column((0.0, 92.0), _TALL, (12.0,) * 2, (12.0,) * 2)
    parts.append(Part(Label.BLOOD, vessel, name="vessel"))
    turn = float(rng.uniform(0, 2 * np.pi))
    hot = TUMOUR_MODERATE.drawn(rng, 0.3)
    lesions: list[Lesion] = []
    for i, diameter in enumerate((10.0, 13.0, 17.0, 22.0, 28.0, 37.0)):
        angle = turn + i * np.pi / 3
        centre: Point = (float(57.2 * np.cos(angle)), float(57.2 * np.sin(angle)), z_mm)
        tissue = TUMOUR_COLD if i == 4 else hot
        kind = "cold" if i == 4 else "warm"
        host = int(Label.BACKGROUND)
        lesions.append(Lesion(lesion_label(i), centre, diameter, kind, False, tissue, host))
    spheres = [
        Part(x.label, Ellipsoid(x.centre_lps_mm, _radii(x.diameter_mm / 2, 1, 1, 1)), name="sphere")
        for x in lesions
    ]
    tissues = _random_background(rng)
    tissues.update({x.label: TissuePair(x.tissue, x.tissue) for x in lesions})
    everything = (*parts, *spheres)
    return Phantom(everything, tissues, tuple(lesions), int(rng.integers(2**31)), "nema")


def _with(healthy: Phantom, lesions: list[Lesion], rng: np.random.Generator) -> Phantom:
    parts, pairs = lesion_parts(lesions, rng)
    return replace(
        healthy,
        parts=(*healthy.parts, *parts),
        tissues={**healthy.tissues, **pairs},
        lesions=tuple(lesions),
    )


def _random_background(rng: np.random.Generator) -> dict[int, TissuePair]:
    """Standard tissues with a background of any Ki (0.0005 to 0.03) and V0 (0.02 to 0.9)."""
    ki = float(np.exp(rng.uniform(np.log(5e-4), np.log(0.03))))
    v0 = float(rng.uniform(0.02, 0.9))
    vb = float(min(0.05, 0.5 * v0))
    total = float(np.exp(rng.uniform(np.log(0.2), np.log(1.2))))
    # with r = k3 / total: Ki = K1 r, V0 - Vb = K1 (1 - r) / total
    k1 = (ki + (v0 - vb) * total) / (1 - vb)
    share = ki / (ki + (v0 - vb) * total)
    tissue = Tissue(k1, total * (1 - share), total * share, vb)
    return {**draw_all(rng), int(Label.BACKGROUND): draw_pair(tissue, rng, 0.0, 0.10)}


def _radii(scale: float, x: float, y: float, z: float) -> Point:
    return scale * x, scale * y, scale * z
