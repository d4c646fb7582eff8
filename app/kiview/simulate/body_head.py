"""Head of a body: brain, skull, face."""

from dataclasses import dataclass

from kiview.simulate.physique import HIGHEST_MM, Physique
from kiview.simulate.placing import Placer, but
from kiview.simulate.shapes import Common, Ellipsoid, Point, Ripple, Tube
from kiview.simulate.tissues import Label

_HALF_HEIGHT_MM = 92.0
_BEHIND_MM = 16.0
_BRAIN = (Label.GREY_MATTER, Label.WHITE_MATTER)
_SHELLS = (
    (Label.FAT, 1.0, 0.0, "scalp"),
    (Label.MUSCLE, 0.975, 0.0, "scalp muscle"),
    (Label.BONE, 0.93, 0.0, "skull"),
    (Label.FLUID, 0.865, 0.0, "fluid around the brain"),
    (Label.GREY_MATTER, 0.84, 0.012, "cortex"),
    (Label.WHITE_MATTER, 0.68, 0.09, "white matter"),
)


@dataclass(frozen=True, slots=True)
class HeadFrame:
    """Where the head is and how large.

    Attributes:
        centre: Middle of the braincase, mm.
        scale: Of the nominal head.
    """

    centre: Point
    scale: float

    def at(self, x: float, y: float, z: float) -> Point:
        """A nominal place in the head, mm."""
        s, c = self.scale, self.centre
        return c[0] + s * x, c[1] + s * y, c[2] + s * z

    def ball(self, centre: Point, radii: Point, ripple: Ripple | None = None) -> Ellipsoid:
        """Ellipsoid at a nominal place."""
        s = self.scale
        scaled = (s * radii[0], s * radii[1], s * radii[2])
        return Ellipsoid(self.at(*centre), scaled, None, ripple or Ripple())


def head_frame(b: Placer, physique: Physique) -> HeadFrame:
    """Head whose top is the top of the person."""
    female = physique.person.sex == "female"
    scale = float(b.sz**0.4 * (0.965 if female else 1.0) * (1 + 0.02 * b.rng.standard_normal()))
    top = HIGHEST_MM * b.sz
    return HeadFrame((0.0, _BEHIND_MM * b.sz, top - _HALF_HEIGHT_MM * scale), scale)


def add_head(b: Placer, head: HeadFrame) -> Point:
    """Everything above the neck; returns the back of the nose, where the airway ends."""
    face = head.ball((0, -33, -78), (66, 67, 72))
    b.add(Label.FAT, face, name="face")
    b.add(Label.FAT, head.ball((0, 30, -96), (62, 46, 66)), name="nape")
    b.add(Label.MUSCLE, head.ball((0, 29, -96), (57, 42, 62)), name="nape muscles")
    for label, share, bumps, name in _SHELLS:
        radii = (76 * share, 97 * share, _HALF_HEIGHT_MM * share)
        ripple = Ripple.draw(b.rng, bumps, 26)
        shape = head.ball((0, 0, 0), radii, ripple)
        b.add(label, shape, name=name)
    _add_base(b, head)
    _add_deep_brain(b, head)
    _add_face(b, head)
    return head.at(0, -34, -66)


def _add_base(b: Placer, head: HeadFrame) -> None:
    """Base of the skull, the muscles under it, cerebellum and brain stem."""
    soft = but()
    b.add(Label.BONE, head.ball((0, -22, -94), (52, 62, 57)), soft, "base of the skull")
    b.add(Label.MUSCLE, head.ball((0, -22, -99), (59, 69, 55)), soft, "face muscles")
    hind = (0.0, 40.0, -50.0)
    ripple = Ripple.draw(b.rng, 0.03, 18)
    for label, radii, bumps, share, name in (
        (Label.BONE, (56, 38, 33), Ripple(), 0.94, "occipital bone"),
        (Label.FLUID, (52, 34, 28), Ripple(), 0.88, "fluid around the cerebellum"),
        (Label.CEREBELLUM, (50, 32, 25), ripple, 0.86, "cerebellum"),
    ):
        skull = head.ball((0, 0, 0), (76 * share, 97 * share, _HALF_HEIGHT_MM * share))
        b.add(label, Common(head.ball(hind, radii, bumps), skull), soft, name)
    s = head.scale
    stem = Tube((head.at(0, 16, -28), head.at(0, 22, -76)), (11 * s, 7 * s))
    b.add(Label.WHITE_MATTER, stem, soft, "brain stem")
    sinus = Ellipsoid(head.at(0, 79, 6), (5.0, 4.0, 55.0 * s))
    b.add(Label.BLOOD, sinus, (Label.FLUID, Label.GREY_MATTER), "venous sinus")


def _add_deep_brain(b: Placer, head: HeadFrame) -> None:
    for side in (-1.0, 1.0):
        w = [float(v) for v in 2 * b.rng.standard_normal(6)]
        caudate = head.ball((side * 15 + w[0], -20 + w[1], 2), (7, 13, 15))
        putamen = head.ball((side * 28 + w[2], -6 + w[3], -2), (7, 17, 15))
        thalamus = head.ball((side * 11 + w[4], 16 + w[5], 0), (9, 14, 12))
        for shape in (caudate, putamen, thalamus):
            b.add(Label.DEEP_GREY, shape, _BRAIN, "deep grey matter")
        horn = head.ball((side * 8, -4, 14), (5, 32, 12), Ripple.draw(b.rng, 0.06, 40))
        b.add(Label.FLUID, horn, (*_BRAIN, Label.DEEP_GREY), "ventricle")


def _add_face(b: Placer, head: HeadFrame) -> None:
    """Eyes, nose, jaws, tongue, salivary glands."""
    skin = tuple(x for x in but(Label.GREY_MATTER, Label.WHITE_MATTER))
    lid = (*skin, Label.AIR)
    s = head.scale
    b.add(Label.FAT, head.ball((0, -98, -66), (12, 14, 17)), name="nose")
    for side in (-1.0, 1.0):
        b.add(Label.FAT, head.ball((side * 31, -68, -32), (17, 22, 16)), lid, "orbit")
        b.add(Label.FLUID, head.ball((side * 31, -71, -32), (12, 12, 12)), skin, "eye")
        b.add(Label.AIR, head.ball((side * 26, -66, -66), (12, 14, 13)), skin, "maxillary sinus")
        b.add(Label.SALIVARY, head.ball((side * 42, -14, -88), (9, 14, 20)), skin, "parotid")
        b.add(Label.SALIVARY, head.ball((side * 28, -40, -124), (9, 12, 9)), skin, "submandibular")
        jaw = Tube(
            (head.at(side * 43, -8, -72), head.at(side * 40, -36, -110), head.at(0, -76, -114)),
            (6 * s, 7 * s, 8 * s),
        )
        b.add(Label.BONE, jaw, skin, "lower jaw")
        teeth = Tube((head.at(side * 30, -48, -92), head.at(0, -82, -94)), (6 * s, 6 * s))
        b.add(Label.BONE, teeth, skin, "upper jaw")
    b.add(Label.MUSCLE, head.ball((0, -50, -104), (20, 28, 14)), skin, "tongue")
    b.add(Label.AIR, head.ball((0, -64, -62), (9, 30, 18)), skin, "nose cavity")
