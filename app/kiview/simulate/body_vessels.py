"""Large vessels and airways of a body, from the carotids to the femoral arteries."""

from kiview.simulate.body_trunk import before_spine
from kiview.simulate.physique import Physique
from kiview.simulate.placing import Placer, but
from kiview.simulate.shapes import Point, Tube
from kiview.simulate.tissues import Label

BIFURCATION_MM = -200.0
"""Nominal height where the aorta divides."""
_CHEST = (Label.SOFT, Label.MUSCLE, Label.FAT, Label.LUNG, Label.BONE, Label.MYOCARDIUM)
_ARCH = (
    (2.0, -14.0, 48.0, 14.5), (-14.0, -26.0, 78.0, 15.0), (-12.0, -24.0, 104.0, 14.5),
    (-2.0, -10.0, 122.0, 14.0), (10.0, 8.0, 127.0, 13.5), (21.0, 24.0, 116.0, 13.2),
)  # fmt: skip
_DESCENDING = (
    (23.0, 92.0, 13.0), (21.0, 30.0, 12.8), (15.0, -30.0, 12.2), (8.0, -90.0, 11.0),
    (5.0, -150.0, 9.8), (3.0, BIFURCATION_MM, 9.0),
)  # fmt: skip


def add_vessels(b: Placer, frame: Placer, physique: Physique) -> None:
    """Aorta, its branches, cavae, pulmonary trunk, iliac and femoral vessels.

    Args:
        b: Scaled as the organs.
        frame: Scaled as the skeleton (neck and legs).
        physique: Of the person.
    """
    rest = but(Label.MYOCARDIUM)
    aorta = _aorta(b, physique)
    b.add(Label.BLOOD, aorta, rest, "aorta")
    trunk = b.vessel((10, -44, 48, 13), (14, -34, 78, 13), (20, -8, 88, 11), (46, 6, 90, 9))
    b.add(Label.BLOOD, trunk, _CHEST, "pulmonary artery")
    right = b.vessel((16, -14, 88, 10), (-20, 2, 88, 9), (-46, 6, 84, 8))
    b.add(Label.BLOOD, right, _CHEST, "right pulmonary artery")
    _add_cavae(b, physique, rest)
    _add_neck(b, frame, rest)
    for side in (-1.0, 1.0):
        _add_leg(b, frame, physique, side, rest)
    portal = b.vessel((-14, -4, -84, 6), (-34, -6, -66, 6), (-62, -2, -52, 5))
    b.add(Label.BLOOD, portal, rest, "portal vein")


def _aorta(b: Placer, physique: Physique) -> Tube:
    """From the left ventricle to the bifurcation, the descending part along the spine."""
    start = b.vessel(*_ARCH)
    points, radii = list(start.points), list(start.radii)
    grow = radii[0] / _ARCH[0][3]
    for x, z, r in _DESCENDING:
        points.append((b.sx * x, before_spine(b, physique, z, grow * r), b.sz * z))
        radii.append(grow * r)
    return Tube(tuple(points), tuple(radii))


def _add_cavae(b: Placer, physique: Physique, rest: tuple[int, ...]) -> None:
    low: list[Point] = [
        (b.sx * x, before_spine(b, physique, z, r), b.sz * z)
        for x, z, r in ((-22.0, BIFURCATION_MM - 6, 10.0), (-24.0, -90.0, 11.0))
    ]
    high = b.vessel((-30, 6, -10, 12), (-28, -8, 36, 12))
    lower = Tube((*low, *high.points), (10.0, 11.0, 12.0, 12.0))
    b.add(Label.BLOOD, lower, rest, "inferior vena cava")
    upper = b.vessel((-28, -14, 40, 9.5), (-32, -20, 110, 9.5), (-34, -18, 150, 8.5))
    b.add(Label.BLOOD, upper, rest, "superior vena cava")
    cross = b.vessel((-33, -20, 140, 7), (0, -34, 150, 6.5), (36, -22, 164, 6))
    b.add(Label.BLOOD, cross, rest, "left brachiocephalic vein")


def _add_neck(b: Placer, frame: Placer, rest: tuple[int, ...]) -> None:
    start = (b.sx * -8, b.sy * -16, b.sz * 120)
    left = (b.sx * 3, b.sy * -2, b.sz * 126)
    far = (b.sx * 12, b.sy * 12, b.sz * 126)
    neck = {
        side: [frame.place(side * x, y, z, 0.0) for x, y, z in ((24, -2, 196), (28, 6, 325))]
        for side in (-1.0, 1.0)
    }
    arm = {
        side: [frame.place(side * x, y, z, 0.0) for x, y, z in ((60, 2, 184), (142, 8, 172))]
        for side in (-1.0, 1.0)
    }
    split = frame.place(-20, -8, 166, 0.0)
    b.add(Label.BLOOD, Tube((start, split), (7.0, 6.0)), rest, "brachiocephalic artery")
    b.add(Label.BLOOD, Tube((split, *neck[-1.0]), (4.5, 4.0, 3.5)), rest, "right carotid")
    b.add(Label.BLOOD, Tube((left, *neck[1.0]), (5.0, 4.0, 3.5)), rest, "left carotid")
    b.add(Label.BLOOD, Tube((split, *arm[-1.0]), (5.0, 4.5, 4.0)), rest, "right subclavian")
    b.add(Label.BLOOD, Tube((far, *arm[1.0]), (5.5, 4.5, 4.0)), rest, "left subclavian")
    for side in (-1.0, 1.0):
        jugular = [frame.place(side * x, y, z, 0.0) for x, y, z in ((34, -8, 170), (36, 6, 325))]
        b.add(Label.BLOOD, Tube(tuple(jugular), (6.5, 5.0)), rest, "jugular vein")


def _add_leg(
    b: Placer, frame: Placer, physique: Physique, side: float, rest: tuple[int, ...]
) -> None:
    leg = physique.legs[1]
    fork = before_spine(b, physique, BIFURCATION_MM, 9.0)
    groin = frame.place(side * 72, -44, -350, 0.0)
    pelvic = frame.place(side * 58, 2, -300, 0.0)
    down = [
        (side * (leg.at("centre_x", z * b.sz) - 8), leg.at("centre_y", z * b.sz) + y, z * b.sz)
        for y, z in ((-38.0, -440.0), (-22.0, -620.0))
    ]
    for name, inward, start_x, radii in (
        ("artery", 0.0, 3.0, (7.0, 6.0, 5.5, 5.0, 4.5)),
        ("vein", -12.0, -22.0, (8.0, 7.0, 6.5, 6.0, 5.5)),
    ):
        start = (b.sx * start_x, fork + (4.0 if inward else 0.0), BIFURCATION_MM * b.sz)
        path = [(p[0] + side * inward, p[1] + 4, p[2]) for p in (pelvic, groin, *down)]
        b.add(Label.BLOOD, Tube((start, *path), radii), rest, f"iliac and femoral {name}")


def add_airway(b: Placer, frame: Placer, pharynx: Point) -> None:
    """Windpipe with main bronchi, up to the back of the nose."""
    throat = [frame.place(0, y, z, 0.0) for y, z in ((-6, 180), (-8, 235))]
    branching = b.place(-2, 6, 112, 0.0)
    wind = Tube((branching, *throat, pharynx), (8.0, 8.0, 8.0, 6.0))
    over = tuple(x for x in but() if x not in (Label.BLOOD, Label.MARROW))
    for side in (-1.0, 1.0):
        bronchus = Tube((branching, b.place(side * 36, 12, 88, 0.0)), (6.5, 5.0))
        b.add(Label.AIR, bronchus, over, "bronchus")
    b.add(Label.AIR, wind, over, "windpipe")
    for side in (-1.0, 1.0):
        lobe = frame.ball((side * 17, -12, 218), (9, 10, 21), jitter=0.1)
        b.add(Label.THYROID, lobe, but(Label.BLOOD), "thyroid")
