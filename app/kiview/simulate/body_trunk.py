"""Inside of the trunk of a body: skeleton, chest, belly, pelvis, vessels."""

import numpy as np

from kiview.simulate.loft import loft, smooth_levels
from kiview.simulate.physique import Physique
from kiview.simulate.placing import Placer, but, grown
from kiview.simulate.shapes import Column, Common, Ellipsoid, Point, Ribs, Ripple, Tube
from kiview.simulate.tissues import Label

_BELLY = (Label.SOFT, Label.FAT)
_SPINE_LOW, _SPINE_HIGH = -238.0, 345.0
_SPINE_Z = (-238.0, -60.0, 80.0, 200.0, 345.0)
_SPINE_HALF_X = (25.0, 21.0, 17.0, 12.0, 10.0)
_SPINE_HALF_Y = (18.0, 17.0, 15.0, 9.5, 8.0)
_PITCH_Z, _PITCH = (-238.0, -60.0, 190.0, 345.0), (36.0, 29.0, 20.0, 17.0)
_BEHIND_MM = 37.0
"""From the middle of a vertebral body to the back of the flesh."""
_LOOPS = 26
_BLADDER_ML, _BLADDER_SPREAD = 160.0, 0.5


def spine_y(physique: Physique, z_mm: float) -> float:
    """Where the middle of the vertebral bodies is at a height: y, mm."""
    return physique.flesh.back(z_mm) - _BEHIND_MM * physique.person.scale_z


def before_spine(b: Placer, physique: Physique, z: float, radius: float) -> float:
    """Where a vessel of this radius lies on the front of the spine at nominal height z: y, mm."""
    depth = float(np.interp(z, _SPINE_Z, _SPINE_HALF_Y)) * b.sz
    return spine_y(physique, z * b.sz) - depth - 0.9 * radius


def add_chest_wall(b: Placer, physique: Physique) -> None:
    """Ribs and breastbone."""
    outer = physique.cavity.shrunk(-7.0, -6.0)
    phase = float(b.rng.uniform(0, 27))
    low, high = -75.0 * b.sz, 160.0 * b.sz
    ribs = Ribs(outer, physique.cavity, phase_mm=phase, lowest_mm=low, highest_mm=high)
    b.add(Label.BONE, ribs, (Label.MUSCLE, Label.FAT), "ribs")
    levels = smooth_levels(12.0 * b.sz, 160.0 * b.sz)
    front = np.array([physique.cavity.front(z) - 3.0 for z in levels])
    half = (np.full_like(levels, 16.0 * b.sx), np.full_like(levels, 5.5))
    b.add(Label.MARROW, loft(levels, (np.zeros_like(levels), front), half), but(), "breastbone")


def add_lungs(b: Placer) -> None:
    """Lungs within the cavity, with a few large vessels in each."""
    right = b.ball((-80, 5, 62), (62, 80, 118), (7.0, 0.0), jitter=0.5, bumps=0.5)
    left = b.ball((80, 8, 58), (56, 78, 112), (-7.0, 0.0), jitter=0.5, bumps=0.5)
    for shape, name in ((right, "right lung"), (left, "left lung")):
        b.add(Label.LUNG, Common(shape, b.cavity), (Label.SOFT,), name)
    for side in (-1.0, 1.0):
        for _ in range(4):
            far = (float(b.rng.uniform(62, 105)), *(float(v) for v in b.rng.uniform(-45, 45, 2)))
            branch = b.vessel(
                (side * 34, 4, 82, 6.0), (side * far[0], 10 + far[1], 78 + far[2], 2.5)
            )
            b.add(Label.BLOOD, branch, (Label.LUNG,), "lung vessel")


def add_belly_fat(b: Placer, physique: Physique) -> None:
    """Fat between the bowels: thicker where the cavity is deeper than organs need."""
    middle = 0.5 * (physique.cavity.front(-160 * b.sz) + physique.cavity.back(-160 * b.sz)) - 22
    deep = physique.cavity.at("half_y", -160 * b.sz)
    radii = (physique.cavity.at("half_x", -160 * b.sz) + 6.0, 0.92 * deep, 112 * b.sz)
    ripple = Ripple.draw(b.rng, 0.025, 90)
    shape = Ellipsoid((0.0, middle, -168 * b.sz), radii, None, ripple)
    b.add(Label.FAT, Common(shape, b.cavity), (Label.SOFT,), "belly fat")


def add_stomach_and_bowel(b: Placer, physique: Physique) -> Tube:
    """Stomach with content, small bowel, colon with rectum, pancreas; returns the colon."""
    stomach = b.ball((58, -26, -58), (38, 34, 46), (20.0, 0.0))
    b.add(Label.STOMACH, Common(stomach, b.cavity), (*_BELLY, Label.LUNG), "stomach")
    b.add(Label.FLUID, grown(stomach, -9.0), (Label.STOMACH,), "stomach content")
    front = physique.cavity.front(-180 * b.sz) + 22.0
    for _ in range(_LOOPS):
        x, z = (float(v) for v in b.rng.uniform((-78, -275), (78, -118)))
        y = float(b.rng.uniform(max(front, -78.0), 12))
        radii = b.rng.uniform((16, 12, 13), (38, 20, 26))
        loop = Ellipsoid(
            (b.sx * x, y, b.sz * z),
            (float(radii[0]), float(radii[1]), float(radii[2])),
            None,
            Ripple.draw(b.rng, b.variation.ripple, 60),
        )
        b.add(Label.BOWEL, Common(loop, b.cavity), _BELLY, "small bowel")
    colon = _colon(b, physique, front)
    b.add(Label.BOWEL, Common(colon, b.cavity), _BELLY, "colon")
    tail = b.vessel(
        (-30, -8, -98, 16), (0, -10, -90, 12), (38, 4, -80, 12), (72, 18, -66, 10), jitter=0.5
    )
    b.add(Label.PANCREAS, Common(tail, b.cavity), (*_BELLY, Label.BOWEL), "pancreas")
    return colon


def _colon(b: Placer, physique: Physique, front: float) -> Tube:
    side = min(physique.cavity.at("half_x", -170 * b.sz), 118.0 * b.sx) - 18.0
    sag = float(b.rng.uniform(-150, -112))
    x = side / b.sx
    y = 4.0
    forward = (front + 12.0) / b.sy
    rectum = spine_y(physique, -300 * b.sz) / b.sy - 4
    return b.vessel(
        (-0.8 * x, y, -232, 22), (-x, y, -170, 20), (-x, y, -98, 19), (-0.5 * x, forward, sag, 17),
        (0.5 * x, forward, sag + 12, 17), (x, 12, -72, 16), (x, 14, -170, 15),
        (0.75 * x, 2, -235, 15), (38, 10, -268, 15), (8, rectum - 14, -290, 15),
        (0, rectum, -330, 17), (0, rectum, -385, 13),
    )  # fmt: skip


def add_colon_content(b: Placer, colon: Tube) -> None:
    """Content and a few pockets of gas, where the colon is still seen."""
    inner = Tube(colon.points, tuple(0.6 * r for r in colon.radii))
    b.add(Label.FLUID, inner, (Label.BOWEL,), "colon content")
    for k in b.rng.choice(np.arange(1, 9), 3, replace=False):
        gas = Ellipsoid(colon.points[k], (9.0, 8.0, 13.0))
        b.add(Label.AIR, gas, (Label.BOWEL, Label.FLUID), "gas")


def add_gallbladder(b: Placer) -> None:
    """Under the right lobe of the liver."""
    shape = b.ball((-50, -46, -92), (14, 14, 26), (20.0, 0.0), jitter=0.6)
    over = (*_BELLY, Label.LIVER, Label.BOWEL, Label.FLUID)
    b.add(Label.GALLBLADDER, Common(shape, b.cavity), over, "gallbladder")


def add_renal_pelves(b: Placer) -> None:
    """Urine in the hilum of each kidney."""
    hila = [p.shape for p in b.parts if p.name == "kidney hilum" and isinstance(p.shape, Ellipsoid)]
    for hilum in hila:
        pelvis = Ellipsoid(hilum.centre, (6.0, 5.0, 13.0))
        b.add(Label.RENAL_PELVIS, pelvis, (Label.FAT, Label.KIDNEY), "renal pelvis")


def add_spine(b: Placer, physique: Physique) -> None:
    """Vertebrae with marrow, discs, arches, canal and the muscles along them."""
    levels = smooth_levels(_SPINE_LOW * b.sz, _SPINE_HIGH * b.sz)
    y = np.array([spine_y(physique, z) for z in levels])
    nominal = levels / b.sz
    half_x = b.sz * np.interp(nominal, _SPINE_Z, _SPINE_HALF_X)
    half_y = b.sz * np.interp(nominal, _SPINE_Z, _SPINE_HALF_Y)
    zero = np.zeros_like(levels)
    for side in (-1.0, 1.0):
        points = tuple(
            (side * 37 * b.sz, spine_y(physique, z * b.sz) + 20, z * b.sz)
            for z in (-250.0, -120.0, 0.0, 120.0)
        )
        muscle = Tube(points, (20.0, 24.0, 21.0, 14.0))
        b.add(Label.MUSCLE, muscle, (Label.SOFT, Label.FAT), "back muscle")
    over = but(Label.BLOOD)
    b.add(Label.DISC, loft(levels, (zero, y), (half_x, half_y)), over, "discs")
    z = _SPINE_LOW
    while z < _SPINE_HIGH:
        pitch = float(np.interp(z, _PITCH_Z, _PITCH))
        _add_vertebra(b, physique, (z, z + 0.8 * pitch), over)
        z += pitch
    arch = (np.full_like(levels, 15.0 * b.sz), np.full_like(levels, 10.0 * b.sz))
    b.add(Label.BONE, loft(levels, (zero, y + 24 * b.sz), arch), over, "vertebral arches")
    canal = (np.full_like(levels, 8.5 * b.sz), np.full_like(levels, 7.0 * b.sz))
    b.add(Label.FLUID, loft(levels, (zero, y + 22 * b.sz), canal), over, "spinal canal")


def _add_vertebra(
    b: Placer, physique: Physique, z_range: tuple[float, float], over: tuple[int, ...]
) -> None:
    middle = 0.5 * sum(z_range)
    half_x = b.sz * float(np.interp(middle, _SPINE_Z, _SPINE_HALF_X))
    half_y = b.sz * float(np.interp(middle, _SPINE_Z, _SPINE_HALF_Y))
    centre = (0.0, spine_y(physique, middle * b.sz))
    levels = (z_range[0] * b.sz, z_range[1] * b.sz)
    shape = Column(centre, levels, (half_x,) * 2, (half_y,) * 2, 2.2)
    b.add(Label.MARROW, shape, over, "vertebra")


def add_pelvis(b: Placer, physique: Physique) -> None:
    """Sacrum, hip bones, psoas muscles."""
    over = but(Label.BLOOD)
    sacrum: Point = (0.0, physique.flesh.back(-285 * b.sz) - 36.0 * b.sy, -284.0 * b.sz)
    for side in (-1.0, 1.0):
        psoas = b.vessel(
            (side * 34, 50, -70, 9), (side * 46, 40, -170, 22), (side * 62, 8, -270, 20),
            (side * 84, -16, -335, 15),
        )  # fmt: skip
        b.add(Label.MUSCLE, psoas, (*_BELLY, Label.BOWEL, Label.FLUID), "psoas muscle")
        wing = b.ball((side * 86, 28, -256), (9, 54, 58), (side * 18.0, side * 32.0), 0.2, 0.3)
        b.add(Label.MARROW, wing, over, "iliac wing")
        b.add(Label.MARROW, b.ball((side * 86, 12, -326), (24, 28, 30), (0, 0), 0.2, 0.3), over)
        ischium = b.vessel((side * 78, 40, -335, 18), (side * 62, 48, -392, 15))
        b.add(Label.MARROW, ischium, over, "ischium")
        pubis = b.vessel(
            (side * 74, 0, -338, 12), (side * 40, -36, -350, 10), (side * 6, -44, -358, 10)
        )
        b.add(Label.MARROW, pubis, over, "pubis")
        ramus = b.vessel((side * 12, -40, -364, 8), (side * 50, 22, -392, 9))
        b.add(Label.MARROW, ramus, over, "pubic ramus")
    wedge = Ellipsoid(sacrum, (47.0 * b.sx, 17.0, 54.0 * b.sz), None, Ripple.draw(b.rng, 0.02, 80))
    b.add(Label.MARROW, wedge, over, "sacrum")


def add_pelvic_organs(b: Placer, physique: Physique) -> None:
    """Bladder filled with urine, and uterus or prostate."""
    spread = _BLADDER_SPREAD * np.clip(b.rng.standard_normal(), -2, 2)
    size = float((_BLADDER_ML * np.exp(spread) * 750 / np.pi) ** (1 / 3))
    radii = (1.15 * size, 0.95 * size, 0.92 * size)
    centre = (0.0, -30.0 * b.sy + radii[1], -362.0 * b.sz + radii[2])
    urine = Ellipsoid(centre, radii, None, Ripple.draw(b.rng, 0.02, 90))
    over = (*_BELLY, Label.BOWEL, Label.FLUID, Label.AIR, Label.MUSCLE)
    inside = tuple(x for x in over if x != Label.AIR)
    if physique.person.sex == "female":
        above = (4.0, centre[1] + 14.0, centre[2] + radii[2] + 17.0)
        womb = Ellipsoid(above, (26.0, 33.0, 20.0), None, Ripple.draw(b.rng, 0.05, 50))
        b.add(Label.UTERUS, womb, inside, "uterus")
    else:
        below = (0.0, centre[1] + 4.0, centre[2] - radii[2] - 13.0)
        b.add(Label.PROSTATE, Ellipsoid(below, (22.0, 17.0, 16.0)), inside, "prostate")
    wall = (*inside, Label.UTERUS, Label.PROSTATE)
    b.add(Label.MUSCLE, grown(urine, 4.0), wall, "bladder wall")
    b.add(Label.URINE, urine, wall, "urine in the bladder")
