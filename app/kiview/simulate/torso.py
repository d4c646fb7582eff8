"""Random torsos: shoulders to kidneys, organs where they belong, left and right different.

The frame: x = 0 in the middle, +x to the patient's left, +y to the back, z = 0 at the top of the
liver, +z to the head. Sizes are those of an adult, then scaled and jittered per person.
"""

import numpy as np

from kiview.simulate.lesions import draw_lesions, lesion_parts
from kiview.simulate.phantom import Lesion, Part, Phantom
from kiview.simulate.placing import DEMO_VARIATION, Placer, Variation, grown, rotation
from kiview.simulate.shapes import (
    Column,
    Common,
    Ellipsoid,
    Minus,
    Ribs,
    Ripple,
)
from kiview.simulate.tissues import Label, TissuePair, draw_all

__all__ = [
    "DEMO_VARIATION",
    "HIGHEST_MM",
    "LOWEST_MM",
    "Variation",
    "add_heart",
    "add_kidneys",
    "add_liver_and_spleen",
    "draw_torso",
    "torso_parts",
    "with_lesions",
]

LOWEST_MM, HIGHEST_MM = -190.0, 210.0
"""Height that a torso covers."""
_CHEST_ORGANS = (Label.SOFT, Label.MUSCLE, Label.FAT, Label.LUNG, Label.BONE)


def draw_torso(
    rng: np.random.Generator,
    lesion_count: int = 6,
    z_range_mm: tuple[float, float] = (LOWEST_MM + 10, HIGHEST_MM - 10),
    variation: Variation | None = None,
) -> Phantom:
    """Draw a person.

    Args:
        rng: Everything random comes from here.
        lesion_count: Tumours, random in place, size and constants.
        z_range_mm: Heights where tumours may lie.
        variation: How much people differ; the default spread if None.
    """
    parts = torso_parts(rng, variation or Variation())
    tissues = draw_all(rng)
    seed = int(rng.integers(2**31))
    healthy = Phantom(tuple(parts), tissues, (), seed, "torso")
    return with_lesions(healthy, draw_lesions(rng, healthy, lesion_count, z_range_mm), rng)


def with_lesions(healthy: Phantom, lesions: list[Lesion], rng: np.random.Generator) -> Phantom:
    """The same person with tumours painted last."""
    parts, pairs = lesion_parts(lesions, rng)
    tissues: dict[int, TissuePair] = {**healthy.tissues, **pairs}
    everything = (*healthy.parts, *parts)
    return Phantom(everything, tissues, tuple(lesions), healthy.mixture_seed, healthy.kind)


def torso_parts(rng: np.random.Generator, variation: Variation) -> list[Part]:
    """All shapes of one healthy torso, first painted first."""
    b = Placer.draw(rng, variation)
    _add_trunk(b)
    _add_lungs(b)
    _add_abdomen(b)
    add_kidneys(b)
    add_liver_and_spleen(b)
    add_heart(b)
    _add_vessels(b)
    _add_spine(b)
    return b.parts


def _add_trunk(b: Placer) -> None:
    levels = tuple(b.sz * z for z in (-230, -150, -60, 40, 120, 165, 190, 250))
    half_x = tuple(b.sx * x for x in (168, 158, 160, 166, 172, 192, 202, 190))
    half_y = tuple(b.sy * y for y in (108, 106, 110, 114, 108, 96, 86, 72))
    ripple = Ripple.draw(b.rng, 0.012, 160)
    skin = Column((0.0, 0.0), levels, half_x, half_y, 2.3, ripple)
    b.add(Label.FAT, skin, name="skin and fat")
    flesh = skin.shrunk(b.fat_mm, 0.75 * b.fat_mm)
    b.add(Label.MUSCLE, flesh, name="body wall")
    chest = flesh.shrunk(14.0, 11.0)
    outer = flesh.shrunk(7.0, 5.0)
    b.add(Label.SOFT, chest, name="inside of the trunk")
    b.cavity = chest
    phase = float(b.rng.uniform(0, 27))
    b.add(
        Label.BONE,
        Ribs(outer, chest, phase_mm=phase, lowest_mm=-75.0 * b.sz),
        (Label.MUSCLE,),
        "ribs",
    )
    for side in (-1.0, 1.0):
        b.add(Label.MUSCLE, b.ball((side * 62, 62, -60), (34, 26, 190), bumps=0.3), (Label.SOFT,))
        blade = b.ball((side * 105, 72, 125), (42, 6, 60), (side * 14.0, side * 22.0), bumps=0.2)
        b.add(Label.BONE, blade, (Label.MUSCLE, Label.FAT), "shoulder blade")
        collar = b.vessel(
            (side * 22, -62, 168, 6), (side * 90, -52, 178, 6), (side * 160, -5, 184, 7)
        )
        b.add(Label.BONE, collar, name="collar bone")
        b.add(Label.MARROW, b.ball((side * 168, 0, 172), (24, 22, 26), bumps=0.2), name="humerus")
    b.add(Label.MARROW, b.ball((0, -86, 85), (17, 5.5, 80), jitter=0.3, bumps=0.2), name="sternum")


def _add_lungs(b: Placer) -> None:
    inside = (Label.SOFT, Label.MUSCLE)
    right = b.ball((-80, 5, 62), (60, 80, 118), (7.0, 0.0), jitter=0.5, bumps=0.5)
    left = b.ball((80, 8, 58), (54, 78, 112), (-7.0, 0.0), jitter=0.5, bumps=0.5)
    b.add(Label.LUNG, right, inside, "right lung")
    b.add(Label.LUNG, left, inside, "left lung")


def _add_abdomen(b: Placer) -> None:
    over = (Label.SOFT, Label.LUNG)
    b.add(Label.FAT, b.ball((0, -20, -165), (125, 62, 105), bumps=0.5), (Label.SOFT,), "belly fat")
    b.add(Label.BOWEL, b.ball((58, -30, -55), (40, 36, 46), (20.0, 0.0)), over, "stomach")
    for _ in range(9):
        x, y, z = b.rng.uniform((-95, -62, -200), (95, 10, -85))
        radii = b.rng.uniform((14, 12, 14), (32, 22, 30))
        loop = b.ball(
            (float(x), float(y), float(z)), (float(radii[0]), float(radii[1]), float(radii[2]))
        )
        b.add(Label.BOWEL, loop, (Label.SOFT, Label.FAT), "bowel")


def add_kidneys(b: Placer) -> None:
    """Cortex with a fatty hilum, the right one lower."""
    for side, drop in ((1.0, 0.0), (-1.0, -12.0)):
        kidney = b.ball((side * 62, 38, -118 + drop), (27, 24, 54), (-side * 12.0, 0.0), bumps=0.6)
        over_kidney = (Label.SOFT, Label.FAT, Label.MUSCLE, Label.BOWEL)
        b.add(Label.KIDNEY, kidney, over_kidney, "left kidney" if side > 0 else "right kidney")
        hilum = Ellipsoid(
            (kidney.centre[0] - side * 12, kidney.centre[1] - 4, kidney.centre[2]), (12, 9, 22)
        )
        b.add(Label.FAT, hilum, (Label.KIDNEY,), "kidney hilum")


def add_liver_and_spleen(b: Placer) -> None:
    """Two liver lobes on the patient's right, the spleen on the left, within the cavity."""
    over = (*_CHEST_ORGANS, Label.BOWEL, Label.KIDNEY)
    lobe = b.ball((-72, -2, -52), (72, 78, 74), (12.0, 0.0), jitter=0.8)
    left_lobe = b.ball((0, -42, -34), (70, 36, 32), (-14.0, 0.0), jitter=0.8)
    for shape in (lobe, left_lobe):
        inner = Common(shape, b.cavity)
        b.add(Label.LIVER, inner, tuple(x for x in over if x not in (Label.BONE,)), "liver")
    spleen = b.ball((100, 38, -42), (27, 38, 50), (-18.0, 20.0), jitter=0.8)
    b.add(Label.SPLEEN, Common(spleen, b.cavity), (Label.SOFT, Label.LUNG, Label.FAT), "spleen")


def add_heart(b: Placer) -> None:
    """Ventricles, myocardium, atria and the fat around them."""
    chest = (*_CHEST_ORGANS, Label.BOWEL, Label.LIVER)
    turn = (-52.0, -38.0)
    centre = b.place(42, -34, 26)
    sack = Ellipsoid((centre[0] - 18, centre[1] + 2, centre[2] + 6), (62, 52, 52))
    b.add(Label.FAT, sack, (Label.SOFT, Label.LUNG), "pericardial fat")
    pump = Ellipsoid(
        (centre[0] - 34, centre[1] + 4, centre[2] - 2), (30, 32, 42), rotation(-38.0, 0.0)
    )
    wall = 10.0 * (1 + b.variation.organ * float(np.clip(b.rng.standard_normal(), -1.5, 1.5)))
    b.add(Label.MYOCARDIUM, grown(pump, 3.5), chest, "right ventricle wall")
    b.add(Label.BLOOD, pump, (Label.MYOCARDIUM,), "right ventricle")
    chamber = Ellipsoid(centre, (21.0, 21.0, 38.0), rotation(*turn))
    open_top = Ellipsoid((centre[0] - 34, centre[1] + 26, centre[2] + 26), (26, 26, 26))
    muscle = Minus(grown(chamber, wall), open_top)
    b.add(Label.MYOCARDIUM, muscle, (*chest, Label.BLOOD), "left ventricle wall")
    b.add(Label.BLOOD, chamber, (*chest, Label.MYOCARDIUM), "left ventricle")
    atrium = Ellipsoid((centre[0] - 34, centre[1] + 40, centre[2] + 28), (30, 19, 22))
    b.add(Label.BLOOD, atrium, chest, "left atrium")
    right = Ellipsoid((centre[0] - 68, centre[1] + 20, centre[2] + 12), (21, 22, 29))
    b.add(Label.BLOOD, right, chest, "right atrium")


def _add_vessels(b: Placer) -> None:
    rest = tuple(x for x in Label if x not in (Label.AIR, Label.MYOCARDIUM))
    aorta = b.vessel(
        (2, -14, 48, 14.5), (-14, -26, 78, 15), (-12, -24, 104, 14.5), (-2, -10, 122, 14),
        (10, 8, 127, 13.5), (21, 24, 116, 13.2), (23, 32, 96, 13), (21, 35, 30, 12.8),
        (15, 34, -30, 12.2), (7, 27, -90, 11), (4, 22, -230, 9.5), jitter=0.4,
    )  # fmt: skip
    b.add(Label.BLOOD, aorta, rest, "aorta")
    lung_trunk = b.vessel((10, -44, 48, 13), (14, -34, 78, 13), (20, -8, 88, 11), (46, 6, 90, 9))
    b.add(Label.BLOOD, lung_trunk, (*_CHEST_ORGANS, Label.MYOCARDIUM), "pulmonary artery")
    lower = b.vessel(
        (-24, 22, -230, 10.5), (-24, 20, -90, 11), (-30, 6, -10, 12), (-28, -8, 36, 12)
    )
    b.add(Label.BLOOD, lower, rest, "inferior vena cava")
    upper = b.vessel(
        (-28, -14, 40, 9.5), (-32, -20, 110, 9.5), (-36, -24, 150, 8.5), (-60, -30, 176, 7)
    )
    b.add(Label.BLOOD, upper, rest, "superior vena cava")
    windpipe = b.vessel((-4, 4, 112, 8), (-2, -8, 180, 8.5), (0, -14, 260, 8.5))
    b.add(Label.AIR, windpipe, (Label.SOFT, Label.MUSCLE, Label.FAT), "windpipe")


def _add_spine(b: Placer) -> None:
    everything = tuple(x for x in Label if x not in (Label.AIR, Label.BLOOD))
    levels = tuple(b.sz * z for z in (-230, -60, 80, 260))
    body = Column(
        (0.0, 64 * b.sy), levels, (23.0, 20.0, 17.0, 13.0), (18.0, 17.0, 15.0, 11.0), 2.2,
    )  # fmt: skip
    b.add(Label.DISC, body, everything, "discs")
    pitch = 29.0 * b.sz
    shift = float(b.rng.uniform(0, pitch))
    for i in range(-9, 10):
        z = i * pitch + shift
        width, depth = (float(np.interp(z, levels, r)) for r in (body.half_x, body.half_y))
        height = 0.40 * pitch
        vertebra = Column(body.centre_xy, (z - height, z + height), (width,) * 2, (depth,) * 2, 2.2)
        b.add(Label.MARROW, vertebra, everything, "vertebra")
    arch = Column((0.0, 88 * b.sy), (levels[0], levels[-1]), (15.0,) * 2, (11.0,) * 2)
    b.add(Label.BONE, arch, everything, "vertebral arch")
    canal = Column((0.0, 86 * b.sy), (levels[0], levels[-1]), (9.0,) * 2, (7.5,) * 2)
    b.add(Label.FLUID, canal, everything, "spinal canal")
