"""Whole bodies: what a look at the pictures should find, measured."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from kiview.simulate.body import (
    BodyOptions,
    body_parts,
    body_range_mm,
    draw_body,
    draw_body_tissues,
    transaxial_reach_mm,
)
from kiview.simulate.body_vessels import BIFURCATION_MM
from kiview.simulate.lesions import LARGEST_MM, SMALLEST_MM
from kiview.simulate.person import PersonSettings, draw_person, draw_region
from kiview.simulate.phantom import Phantom, lesion_index
from kiview.simulate.physique import physique_of
from kiview.simulate.shapes import Grid
from kiview.simulate.tissues import STANDARD, WATER_PER_MM, Label

MAN = PersonSettings("male", 75, 1.75, "up")
PEOPLE = (
    MAN,
    PersonSettings("male", 75, 1.75, "down"),
    PersonSettings("female", 60, 1.63, "up"),
    PersonSettings("female", 45, 1.55, "down"),
    PersonSettings("male", 130, 1.85, "up"),
    PersonSettings("female", 130, 1.68, "down"),
)
MM = 5.0
BRAIN = (Label.GREY_MATTER, Label.WHITE_MATTER, Label.DEEP_GREY, Label.CEREBELLUM)


def grid_of(person: PersonSettings, mm: float = MM) -> Grid:
    """Head to thigh, wide enough for arms of the heaviest."""
    low, high = body_range_mm(person)
    slices = int((high - low) / mm)
    pixels = int(800 / mm)
    return Grid.centred(slices, pixels, (mm, mm), 0.5 * (low + high))


def labels_of(person: PersonSettings, seed: int = 1, mm: float = MM):
    parts = body_parts(np.random.default_rng(seed), physique_of(person))
    grid = grid_of(person, mm)
    return Phantom(tuple(parts), {}, (), 0, "body").draw_labels(grid), grid


@pytest.fixture(scope="module", params=PEOPLE, ids=lambda p: f"{p.sex}-{p.weight_kg}-{p.arms}")
def drawn(request):
    labels, grid = labels_of(request.param)
    return request.param, labels, grid


@pytest.fixture(scope="module")
def man():
    return labels_of(MAN, mm=4.0)


def centre_mm(labels, grid, *wanted):
    """Mean (z, y, x) of some labels."""
    where = np.nonzero(np.isin(labels, wanted))
    return np.array([grid.axis_mm(a)[where[a]].mean() for a in range(3)])


def litres(labels, mm, *wanted):
    return np.isin(labels, wanted).sum() * mm**3 / 1e6


def test_that_the_drawn_mass_is_the_persons_share_of_the_weight(drawn):
    person, labels, _ = drawn
    density = np.zeros(256)
    for label, tissue in STANDARD.items():
        density[label] = tissue.attenuation_per_mm / WATER_PER_MM
    mass_kg = density[labels].sum() * MM**3 / 1e6
    assert mass_kg == pytest.approx(person.weight_kg * person.drawn_share, rel=0.06)


@pytest.mark.parametrize("sex", ["male", "female"])
def test_that_heavier_people_are_larger_all_over_and_have_thicker_fat(sex):
    people = [physique_of(PersonSettings(sex, w, 1.70)) for w in (45, 55, 65, 75, 90, 110, 130)]
    volumes = [p.skin.volume_ml() for p in people]
    assert (np.diff(volumes) > 3000).all()
    assert (np.diff([p.fat_mm for p in people]) >= 0).all()
    waists = [p.skin.at("half_x", -165) for p in people]
    assert (np.diff(waists) > 0).all()
    assert people[-1].fat_mm > 3 * people[2].fat_mm


def test_that_nothing_but_fat_and_flesh_shows_on_the_skin(drawn):
    """Between the cuts through thighs and raised arms; the scalp is thinner than a voxel."""
    _, labels, grid = drawn
    core = labels[4:-4].copy()
    head = grid.axis_mm(0)[4:-4] > centre_mm(labels, grid, *BRAIN)[0] - 70
    core[head[:, None, None] & (core == Label.BONE)] = Label.MUSCLE
    outside = ~np.stack([ndimage.binary_fill_holes(plane) for plane in core > 0])
    shown = np.unique(core[ndimage.binary_dilation(outside) & (core > 0)])
    assert set(shown.tolist()) <= {Label.FAT, Label.MUSCLE}


def test_that_the_body_is_one_piece(drawn):
    _, labels, _ = drawn
    pieces, count = ndimage.label(labels > 0, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())[1:]
    assert count == 1 or sizes.max() / sizes.sum() > 0.9999


@pytest.mark.parametrize(
    "label",
    [
        Label.LIVER, Label.SPLEEN, Label.MYOCARDIUM, Label.STOMACH, Label.URINE,
        Label.GALLBLADDER, Label.PANCREAS, Label.CEREBELLUM, Label.WHITE_MATTER,
    ],
)  # fmt: skip
def test_that_an_organ_is_there_and_in_one_piece(drawn, label):
    _, labels, _ = drawn
    pieces, count = ndimage.label(labels == label, np.ones((3, 3, 3)))
    assert count >= 1
    sizes = np.bincount(pieces.ravel())[1:]
    assert sizes.max() / sizes.sum() > 0.9


def test_that_sides_and_ends_are_where_they_belong(drawn):
    person, labels, grid = drawn
    z, _, x = centre_mm(labels, grid, Label.LIVER)
    assert x < -20
    assert centre_mm(labels, grid, Label.SPLEEN)[2] > 45
    assert centre_mm(labels, grid, Label.MYOCARDIUM)[2] > 8
    assert centre_mm(labels, grid, Label.STOMACH)[2] > 15
    assert centre_mm(labels, grid, Label.GALLBLADDER)[2] < -20
    lung = centre_mm(labels, grid, Label.LUNG)
    assert centre_mm(labels, grid, Label.GREY_MATTER)[0] > lung[0] + 200 * person.scale_z
    assert lung[0] > z > centre_mm(labels, grid, Label.URINE)[0] + 180 * person.scale_z
    spine = (labels == Label.MARROW) & (np.abs(grid.axis_mm(2)) < 12)
    back = grid.axis_mm(1)[np.nonzero(spine)[1]].mean()
    assert back > centre_mm(labels, grid, Label.MYOCARDIUM)[1] + 40


def test_that_the_two_sides_of_a_person_differ(man):
    labels, _ = man
    assert (labels != labels[:, :, ::-1])[labels > 0].mean() > 0.1


def test_that_a_75_kg_man_has_the_organs_of_an_adult(man):
    """Ranges in litres of adult men; wide, since people differ."""
    labels, _ = man
    ranges = {
        Label.LIVER: (1.1, 2.3),
        Label.SPLEEN: (0.09, 0.35),
        Label.KIDNEY: (0.18, 0.42),
        Label.LUNG: (2.5, 6.5),
        Label.MYOCARDIUM: (0.10, 0.25),
        Label.BLOOD: (0.5, 1.5),
        Label.CEREBELLUM: (0.08, 0.18),
        Label.GREY_MATTER: (0.4, 0.85),
        Label.WHITE_MATTER: (0.4, 0.85),
        Label.DEEP_GREY: (0.02, 0.06),
        Label.PANCREAS: (0.04, 0.13),
        Label.THYROID: (0.008, 0.03),
        Label.PROSTATE: (0.015, 0.05),
        Label.URINE: (0.04, 0.5),
        Label.MARROW: (0.9, 2.2),
    }
    measured = {label: litres(labels, 4.0, label) for label in ranges}
    wrong = {k.name: v for k, v in measured.items() if not ranges[k][0] <= v <= ranges[k][1]}
    assert not wrong
    assert litres(labels, 4.0, *BRAIN) == pytest.approx(1.4, abs=0.3)
    assert litres(labels, 4.0, Label.UTERUS, Label.BREAST) == 0


def test_that_a_woman_has_uterus_and_breasts_and_no_prostate():
    labels, _ = labels_of(PersonSettings("female", 65, 1.65, "up"))
    assert 0.03 < litres(labels, MM, Label.UTERUS) < 0.15
    assert 0.08 < litres(labels, MM, Label.BREAST) < 0.6
    assert litres(labels, MM, Label.PROSTATE) == 0


def test_that_the_aorta_runs_from_the_heart_to_its_bifurcation_without_a_gap(drawn):
    person, labels, grid = drawn
    parts = body_parts(np.random.default_rng(1), physique_of(person))
    tube = next(p.shape for p in parts if p.name == "aorta")
    assert tube.points[-1][2] == pytest.approx(BIFURCATION_MM * person.scale_z)
    points = np.asarray(tube.points)
    line = np.concatenate(
        [a + (b - a) * np.linspace(0, 1, 20)[:, None] for a, b in pairwise(points)]
    )
    index = [np.rint((line[:, 2 - a] - grid.origin_zyx_mm[a]) / MM).astype(int) for a in range(3)]
    along = labels[tuple(index)]
    assert (along == Label.BLOOD).mean() > 0.97
    pieces, _ = ndimage.label(labels == Label.BLOOD, np.ones((3, 3, 3)))
    numbers = pieces[tuple(index)]
    assert np.bincount(numbers)[1:].max() == (numbers > 0).sum()


def test_that_air_in_the_trunk_is_lung_airways_or_gas_in_the_bowel(drawn):
    """No hole is left where one organ was painted over another."""
    person, labels, grid = drawn
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in labels > 0])
    holes = filled & (labels == Label.AIR)
    holes[grid.axis_mm(0) > 120 * person.scale_z] = False
    pieces, _ = ndimage.label(holes, np.ones((3, 3, 3)))
    for i, (z, y, x) in enumerate(ndimage.find_objects(pieces), 1):
        if grid.axis_mm(0)[z.stop - 1] > 60 * person.scale_z:
            continue  # bronchi
        near = tuple(slice(s.start - 1, s.stop + 1) for s in (z, y, x))
        hole = pieces[near] == i
        around = labels[near][ndimage.binary_dilation(hole) & ~hole]
        if set(around.tolist()) <= {Label.FAT, Label.AIR}:
            continue  # between skin folds, where an arm touches the trunk
        assert np.isin(around, (Label.BOWEL, Label.FLUID)).mean() > 0.6


def test_that_urine_is_far_hotter_than_any_organ_and_leaves_room_for_a_wall(man):
    labels, _ = man
    around = ndimage.binary_dilation(labels == Label.URINE) & (labels != Label.URINE)
    assert (labels[around] == Label.MUSCLE).mean() > 0.95
    assert STANDARD[Label.URINE].ki > 2 * STANDARD[Label.GREY_MATTER].ki


def test_that_raised_arms_lie_beside_the_head_and_lowered_ones_beside_the_hips():
    up, grid = labels_of(MAN)
    down, _ = labels_of(PEOPLE[1])
    z = grid.axis_mm(0)
    wide = np.abs(grid.axis_mm(2)) > 120
    head, hips = np.abs(z - 420) < 30, np.abs(z + 230) < 30
    far = np.abs(grid.axis_mm(2)) > 200
    assert (up[head][:, :, wide] > 0).any(axis=(1, 2)).all()
    assert not (down[head][:, :, wide] > 0).any()
    assert (down[hips][:, :, far] > 0).any(axis=(1, 2)).all()
    assert not (up[hips][:, :, far] > 0).any()


def test_that_random_people_span_both_sexes_and_the_weights_asked_for():
    people = [draw_person(np.random.default_rng(s)) for s in range(300)]
    weights = [p.weight_kg for p in people]
    assert 45 <= min(weights) < 52
    assert 110 < max(weights) <= 130
    assert 0.4 < np.mean([p.sex == "female" for p in people]) < 0.6
    assert 0.6 < np.mean([p.arms == "up" for p in people]) < 0.8
    for person in people[:40]:
        assert physique_of(person).fat_mm >= 3


def test_that_a_body_is_the_same_for_the_same_seed_and_carries_every_material():
    first, again = (draw_body(np.random.default_rng(7), MAN, 5, (0.0, 40.0)) for _ in range(2))
    assert first.parts == again.parts
    assert first.tissues == again.tissues
    assert first.kind == "body"
    assert {int(x) for x in Label} <= set(first.tissues)
    used = {p.label for p in first.parts}
    assert used <= set(first.tissues)


def test_that_tumours_lie_in_their_host_within_the_slab_and_under_the_skin():
    phantom = draw_body(np.random.default_rng(3), MAN, 14, (20.0, 68.0))
    assert len(phantom.lesions) >= 12
    healthy = Phantom(
        tuple(p for p in phantom.parts if p.label < 64), phantom.tissues, (), 0, "body"
    )
    grid = Grid.centred(40, 200, (3.0, 3.0), 44.0)
    before, after = healthy.draw_labels(grid), phantom.draw_labels(grid)
    index = lesion_index(after)
    for i, lesion in enumerate(phantom.lesions):
        assert 20 <= lesion.centre_lps_mm[2] <= 68
        assert SMALLEST_MM <= lesion.diameter_mm <= LARGEST_MM
        assert healthy.label_at(lesion.centre_lps_mm) == lesion.host
        if lesion.diameter_mm > 9:
            assert (index == i + 1).any()
    assert not (before[index > 0] == Label.AIR).any()
    assert not (before[index > 0] == Label.BLOOD).any()


def test_that_options_reach_the_tissues():
    options = BodyOptions(reversible=True, delays=True)
    phantom = draw_body(np.random.default_rng(5), MAN, 3, (-60.0, 0.0), options)
    assert phantom.tissues[Label.LIVER].first.k4 > 0
    assert phantom.tissues[Label.FAT].first.delay_s > 0
    assert all(phantom.tissues[x.label].first.delay_s >= 2 for x in phantom.lesions)
    plain = draw_body(np.random.default_rng(5), MAN, 3, (-60.0, 0.0))
    assert all(t.first.k4 == 0 and t.first.delay_s == 0 for t in plain.tissues.values())


def test_that_the_uptake_of_heart_and_bowel_differs_more_between_people_than_that_of_the_liver():
    people = [draw_body_tissues(np.random.default_rng(s)) for s in range(100)]
    spread = {
        label: np.log([p[label].first.ki for p in people]).std()
        for label in (Label.MYOCARDIUM, Label.BOWEL, Label.LIVER)
    }
    assert spread[Label.MYOCARDIUM] > 1.5 * spread[Label.LIVER]
    assert spread[Label.BOWEL] > 1.1 * spread[Label.LIVER]


def test_that_the_reach_of_lowered_arms_asks_for_a_wider_field_of_view():
    slabs = {p.arms: draw_body(np.random.default_rng(1), p, 0) for p in PEOPLE[:2]}
    reach = {arms: transaxial_reach_mm(p, (-150.0, -100.0)) for arms, p in slabs.items()}
    waist = physique_of(MAN).skin.at("half_x", -125.0)
    assert reach["up"] == pytest.approx(waist, abs=12)
    assert reach["down"] > reach["up"] + 80


@pytest.mark.parametrize(
    ("region", "label"),
    [
        ("head", Label.WHITE_MATTER),
        ("thorax", Label.LUNG),
        ("abdomen", Label.LIVER),
        ("pelvis", Label.URINE),
        ("thigh", Label.MUSCLE),
    ],
)
def test_that_slabs_of_a_region_show_what_belongs_there(drawn, region, label):
    person, labels, grid = drawn
    planes = [
        np.argmin(np.abs(grid.axis_mm(0) - draw_region(np.random.default_rng(s), region, person)))
        for s in range(20)
    ]
    assert np.mean([(labels[k] == label).any() for k in planes]) >= 0.3
    assert all((labels[k] > 0).sum() > 100 for k in planes)
