"""Outside of a body: skin, flesh and cavity of the trunk, thighs with femurs, arms."""

import numpy as np

from kiview.simulate.loft import Loft
from kiview.simulate.physique import Physique
from kiview.simulate.placing import Placer
from kiview.simulate.shapes import Common, Ellipsoid, Point, Tube
from kiview.simulate.tissues import Label

_ARM_LENGTH_SHARE = 0.44
"""Shoulder to finger tips over body height."""
_ALONG = (0.0, 0.08, 0.2, 0.42, 0.52, 0.75, 0.85, 1.0)
"""Stations of an arm from the shoulder: elbow at 0.42, wrist at 0.75."""
_RADIUS = (40.0, 48.0, 46.0, 39.0, 41.0, 27.0, 31.0, 16.0)
_SHOULDER_MM = 166.0
_UP_X = (0.0, 172.0, 158.0, 168.0, 150.0, 70.0, 52.0, 40.0)
_ELBOW, _WRIST = 3, 5
_FEMUR_OUT_MM = 12.0


def add_outside(b: Placer, physique: Physique) -> None:
    """Skin of everything below the head, then flesh, then the inside of the trunk."""
    arms = [_arm(b, physique, side) for side in (-1.0, 1.0)]
    for tube in arms:
        b.add(Label.FAT, tube, name="arm skin and fat")
    for leg in physique.legs:
        b.add(Label.FAT, leg, name="thigh skin and fat")
    if physique.person.sex == "female":
        _add_breasts(b, physique)
    b.add(Label.FAT, physique.skin, name="skin and fat")
    for tube in arms:
        _add_arm_inside(b, tube)
    for leg in physique.legs:
        fat = min(b.fat_mm, 0.4 * min(leg.half_x))
        b.add(Label.MUSCLE, leg.shrunk(fat, fat), name="thigh muscles")
    b.add(Label.MUSCLE, physique.flesh, name="body wall")
    b.add(Label.SOFT, physique.cavity, name="inside of the trunk")
    b.cavity = physique.cavity
    if physique.person.sex == "female":
        _add_glands(b, physique)


def add_femurs(b: Placer, physique: Physique) -> None:
    """Hip joints and femurs down the middle of the thighs."""
    for leg, side in zip(physique.legs, (-1.0, 1.0), strict=True):
        head = b.place(side * 92, 10, -333, 0.3)
        trochanter = b.place(side * 130, 20, -360, 0.3)
        shaft = [trochanter, *(_in_leg(leg, side, z * b.sz) for z in (-450.0, -620.0))]
        b.add(Label.BONE, Tube(tuple(shaft), (17.0, 14.0, 13.0)), name="femur")
        marrow = (8.0, 7.0, 7.0)
        b.add(Label.FAT, Tube(tuple(shaft), marrow), (Label.BONE,), "femoral fatty marrow")
        b.add(Label.MARROW, Tube((head, trochanter), (14.0, 17.0)), name="femoral neck")
        b.add(Label.DISC, Ellipsoid(head, (26.0, 26.0, 26.0)), name="hip cartilage")
        b.add(Label.MARROW, Ellipsoid(head, (23.0, 23.0, 23.0)), name="femoral head")


def _in_leg(leg: Loft, side: float, z_mm: float) -> Point:
    x = leg.at("centre_x", z_mm) + side * _FEMUR_OUT_MM
    return x, leg.at("centre_y", z_mm) + 4.0, z_mm


def _arm(b: Placer, physique: Physique, side: float) -> Tube:
    length = 1000 * physique.person.height_m * _ARM_LENGTH_SHARE
    scale = np.sqrt(physique.arm_ml / _arm_ml(length, np.asarray(_RADIUS)))
    radii = scale * np.asarray(_RADIUS)
    up = physique.person.arms == "up"
    points = [
        (_raised if up else _lowered)(b, physique, k, float(radii[k]), length)
        for k in range(len(_ALONG))
    ]
    triples = tuple((side * x, y, z) for x, y, z in points)
    return Tube(triples, tuple(float(r) for r in radii))


def _arm_ml(length_mm: float, radii: np.ndarray) -> float:
    h = np.diff(_ALONG) * length_mm
    a, c = radii[:-1], radii[1:]
    return float((np.pi / 3 * h * (a * a + a * c + c * c)).sum() / 1000)


def _shoulder(b: Placer, physique: Physique) -> Point:
    z = _SHOULDER_MM * b.sz
    return physique.skin.at("half_x", z) - 32.0, physique.skin.at("centre_y", z), z


def _lowered(b: Placer, physique: Physique, k: int, radius: float, length: float) -> Point:
    x0, y0, z0 = _shoulder(b, physique)
    if k == 0:
        return x0, y0, z0
    z = z0 - _ALONG[k] * length
    side = physique.skin.at("half_x", z) if z >= physique.skin.levels_mm[0] else 0.0
    leg = physique.legs[1]
    if z <= leg.levels_mm[-1]:
        side = max(side, leg.at("centre_x", z) + leg.at("half_x", z))
    return max(x0 if k == 1 else 0.0, side + radius + 3.0), y0, z


def _raised(b: Placer, physique: Physique, k: int, radius: float, length: float) -> Point:
    x0, y0, z0 = _shoulder(b, physique)
    if k == 0:
        return x0, y0, z0
    clear = 84.0 * b.sz + radius + 6.0 if k <= _ELBOW + 1 else radius + 3.0
    return max(b.sz * _UP_X[k], clear), y0 - 30.0 * _ALONG[k], z0 + _ALONG[k] * length


def _add_arm_inside(b: Placer, arm: Tube) -> None:
    radii = np.asarray(arm.radii)
    fat = np.minimum(0.5 * b.fat_mm, 0.35 * radii)
    flesh = Tube(arm.points, tuple(float(r) for r in radii - fat))
    b.add(Label.MUSCLE, flesh, (Label.FAT,), "arm muscles")
    upper, lower = arm.points[: _ELBOW + 1], arm.points[_ELBOW : _WRIST + 1]
    b.add(Label.BONE, Tube(upper, (11.0,) * len(upper)), name="humerus")
    b.add(Label.FAT, Tube(upper, (5.5,) * len(upper)), (Label.BONE,), "humeral fatty marrow")
    b.add(Label.BONE, Tube(lower, (9.0,) * len(lower)), name="forearm bones")


def add_shoulders(b: Placer, physique: Physique) -> None:
    """Humeral heads, blades and collar bones."""
    x0, y0, z0 = _shoulder(b, physique)
    back = physique.cavity.back(125 * b.sz)
    for side in (-1.0, 1.0):
        b.add(Label.MARROW, Ellipsoid((side * x0, y0, z0), (23.0, 23.0, 25.0)), name="humeral head")
        blade = b.ball((side * 104, 0, 120), (42, 6, 58), (side * 14.0, side * 24.0), 0.3, 0.2)
        behind = (blade.centre[0], back - 8.0, blade.centre[2])
        blade = Ellipsoid(behind, blade.radii, blade.rotation, blade.ripple)
        within = Common(blade, physique.flesh.shrunk(4.0, 4.0))
        b.add(Label.BONE, within, (Label.MUSCLE,), "shoulder blade")
        front = physique.flesh.front(170 * b.sz) + 14.0
        inner = (side * 22.0 * b.sx, front, 166 * b.sz)
        middle = (side * 0.55 * x0, front + 6.0, 176 * b.sz)
        collar = Tube((inner, middle, (side * x0, y0 - 14.0, z0 + 16.0)), (6.0, 6.0, 7.0))
        b.add(Label.BONE, collar, (Label.MUSCLE, Label.FAT, Label.SOFT), "collar bone")


def _add_breasts(b: Placer, physique: Physique) -> None:
    for shape in _breasts(b, physique, 1.0):
        b.add(Label.FAT, shape, name="breast")


def _add_glands(b: Placer, physique: Physique) -> None:
    for shape in _breasts(b, physique, 0.62):
        b.add(Label.BREAST, shape, (Label.FAT,), "breast gland")


def _breasts(b: Placer, physique: Physique, share: float) -> list[Ellipsoid]:
    z = 52.0 * b.sz
    grow = max(physique.adiposity_mm, 0.0)
    wide, deep = 50.0 + 0.25 * grow, 26.0 + 0.3 * grow
    x = 0.5 * physique.skin.at("half_x", z)
    y = physique.skin.front(z) + 0.45 * deep
    radii = (share * wide, share * deep, share * 1.05 * wide)
    return [Ellipsoid((side * x, y, z), radii) for side in (-1.0, 1.0)]
