"""Shapes have the volume they should, and organs are where they belong."""

import numpy as np
import pytest

from kiview.simulate.demo_torso import LARGE_LESION, demo_lesions, demo_torso
from kiview.simulate.other_phantoms import draw_brain, draw_nema, draw_uniform
from kiview.simulate.phantom import Part, Phantom, lesion_index
from kiview.simulate.shapes import Column, Common, Ellipsoid, Grid, Minus, Ribs, Tube
from kiview.simulate.tissues import FIRST_LESION_LABEL, Label, draw_all
from kiview.simulate.torso import draw_torso

TORSO_GRID = Grid.centred(50, 64, (8.0, 8.0), 8.0)


def volume_ml(labels, grid, *wanted):
    return np.isin(labels, wanted).sum() * np.prod(grid.spacing_zyx_mm) / 1000


def centre_x_mm(labels, grid, label):
    return grid.axis_mm(2)[np.nonzero(labels == label)[2]].mean()


def one_part(shape):
    return Phantom((Part(Label.LIVER, shape),), draw_all(np.random.default_rng(0)), (), 0, "torso")


def test_that_a_sphere_has_its_volume_and_place():
    grid = Grid.centred(40, 40, (1.0, 1.0), 5.0)
    labels = one_part(Ellipsoid((3.0, -2.0, 5.0), (12.0, 12.0, 12.0))).draw_labels(grid)
    assert volume_ml(labels, grid, Label.LIVER) == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.01)
    z, y, x = (grid.axis_mm(a)[i].mean() for a, i in enumerate(np.nonzero(labels)))
    assert (x, y, z) == pytest.approx((3.0, -2.0, 5.0), abs=0.05)


def test_that_a_turned_ellipsoid_keeps_its_volume_inside_its_bounds():
    turn = ((0.8, 0.6, 0.0), (-0.6, 0.8, 0.0), (0.0, 0.0, 1.0))
    grid = Grid.centred(30, 60, (1.0, 1.0), 0.0)
    labels = one_part(Ellipsoid((0, 0, 0), (24.0, 9.0, 10.0), turn)).draw_labels(grid)
    expected = 4 / 3 * np.pi * 24 * 9 * 10 / 1000
    assert volume_ml(labels, grid, Label.LIVER) == pytest.approx(expected, rel=0.01)


def test_that_a_tube_has_the_volume_of_a_cylinder_with_round_ends():
    grid = Grid.centred(160, 80, (0.5, 0.5), 0.0)
    tube = Tube(((0.0, 0.0, -20.0), (0.0, 0.0, 20.0)), (8.0, 8.0))
    labels = one_part(tube).draw_labels(grid)
    expected = (np.pi * 64 * 40 + 4 / 3 * np.pi * 512) / 1000
    assert volume_ml(labels, grid, Label.LIVER) == pytest.approx(expected, rel=0.02)


def test_that_differences_and_overlaps_of_shapes_add_up():
    grid = Grid.centred(30, 60, (1.0, 1.0), 0.0)
    column = Column((0.0, 0.0), (-40.0, 40.0), (20.0, 20.0), (15.0, 15.0))
    ball = Ellipsoid((10.0, 0.0, 0.0), (18.0, 18.0, 18.0))
    outside = one_part(Minus(column, ball)).draw_labels(grid)
    inside = one_part(Common(column, ball)).draw_labels(grid)
    whole = one_part(column).draw_labels(grid)
    assert ((outside > 0).astype(int) + (inside > 0) == (whole > 0)).all()


def test_that_the_same_phantom_on_a_finer_grid_is_the_same_person():
    phantom = draw_torso(np.random.default_rng(2), 3)
    coarse = phantom.draw(Grid((1, 64, 64), (4.0, 8.0, 8.0), (10.0, -252.0, -252.0)))
    fine = phantom.draw(Grid((1, 127, 127), (4.0, 4.0, 4.0), (10.0, -252.0, -252.0)))
    np.testing.assert_array_equal(fine.labels[:, ::2, ::2], coarse.labels)
    np.testing.assert_allclose(fine.mixture[:, ::2, ::2], coarse.mixture, atol=1e-5)


def test_that_the_mixture_stays_between_its_two_constant_sets_and_is_not_flat():
    phantom = draw_torso(np.random.default_rng(2), 0)
    drawing = phantom.draw(TORSO_GRID)
    liver = drawing.labels == Label.LIVER
    pair = phantom.tissues[Label.LIVER]
    ki = phantom.truth(drawing, "ki")[liver]
    low, high = sorted((pair.first.ki, pair.second.ki))
    assert low - 1e-7 <= ki.min() < ki.max() <= high + 1e-7
    assert ki.max() - ki.min() > 0.5 * (high - low)


@pytest.mark.parametrize("seed", range(6))
def test_that_organs_have_human_sizes_and_the_liver_is_on_the_right(seed):
    phantom = draw_torso(np.random.default_rng(seed), 2)
    labels = phantom.draw_labels(TORSO_GRID)
    assert centre_x_mm(labels, TORSO_GRID, Label.LIVER) < -25
    assert centre_x_mm(labels, TORSO_GRID, Label.SPLEEN) > 60
    assert centre_x_mm(labels, TORSO_GRID, Label.MYOCARDIUM) > 15
    assert 900 < volume_ml(labels, TORSO_GRID, Label.LIVER) < 2500
    assert 60 < volume_ml(labels, TORSO_GRID, Label.SPLEEN) < 350
    assert 1500 < volume_ml(labels, TORSO_GRID, Label.LUNG) < 5500
    assert 200 < volume_ml(labels, TORSO_GRID, Label.BLOOD) < 900
    assert 50 < volume_ml(labels, TORSO_GRID, Label.MYOCARDIUM) < 250
    assert 90 < volume_ml(labels, TORSO_GRID, Label.KIDNEY) < 400


def test_that_left_and_right_and_front_and_back_differ():
    labels = demo_torso().draw_labels(TORSO_GRID)
    inside = labels > 0
    for axis in (0, 1, 2):
        mirrored = np.flip(labels, axis)
        assert (labels != mirrored)[inside].mean() > 0.1


def test_that_random_tumours_grow_in_the_wanted_slices_apart_from_each_other():
    phantom = draw_torso(np.random.default_rng(11), 5, (20.0, 52.0))
    assert len(phantom.lesions) == 5
    for i, lesion in enumerate(phantom.lesions):
        assert 20 <= lesion.centre_lps_mm[2] <= 52
        assert 6 <= lesion.diameter_mm <= 40
        assert lesion.label == FIRST_LESION_LABEL + 2 * i
        assert phantom.label_at(lesion.centre_lps_mm) in (lesion.label, lesion.label + 1)


def test_that_tumours_never_replace_blood_or_air():
    phantom = draw_torso(np.random.default_rng(4), 8)
    healthy = Phantom(
        tuple(p for p in phantom.parts if p.label < FIRST_LESION_LABEL),
        phantom.tissues,
        (),
        phantom.mixture_seed,
        "torso",
    )
    before, after = healthy.draw_labels(TORSO_GRID), phantom.draw_labels(TORSO_GRID)
    changed = set(np.unique(before[before != after]))
    assert changed
    assert not changed & {int(Label.AIR), int(Label.BLOOD)}


def test_that_a_necrotic_core_counts_as_its_lesion():
    labels = np.array([0, 5, 64, 65, 66, 67], dtype=np.uint8)
    assert lesion_index(labels).tolist() == [0, 0, 1, 1, 2, 2]


def test_that_the_demo_person_never_changes_and_has_a_large_known_tumour():
    first, again = demo_torso(), demo_torso()
    np.testing.assert_array_equal(first.draw_labels(TORSO_GRID), again.draw_labels(TORSO_GRID))
    large = demo_lesions()[LARGE_LESION]
    assert large.diameter_mm >= 30
    assert not large.necrotic
    assert large.ki == pytest.approx(0.02623, abs=1e-5)
    assert first.label_at(large.centre_lps_mm) == large.label


def test_that_the_demo_aorta_is_wide_enough_for_a_cylinder_inside_it():
    phantom = demo_torso()
    tube = next(p.shape for p in phantom.parts if p.name == "aorta")
    assert isinstance(tube, Tube)
    grid = Grid.centred(12, 256, (6.0, 1.0), 60.0)
    labels = phantom.draw_labels(grid)
    line = np.asarray(sorted(tube.points[6:9], key=lambda p: p[2]))
    for k, z in enumerate(grid.axis_mm(0)):
        x, y = (np.interp(z, line[:, 2], line[:, i]) for i in (0, 1))
        distance = np.hypot(grid.axis_mm(1)[:, None] - y, grid.axis_mm(2)[None, :] - x)
        assert (labels[k][distance < 11.5] == Label.BLOOD).all()


@pytest.mark.parametrize("kind", ["brain", "uniform", "nema"])
def test_that_other_phantoms_hold_their_own_tissue_inside_the_field_of_view(kind):
    rng = np.random.default_rng(8)
    if kind == "brain":
        phantom = draw_brain(rng, 1, (-10.0, 10.0))
    elif kind == "uniform":
        phantom = draw_uniform(rng, 2, (-10.0, 10.0))
    else:
        phantom = draw_nema(rng, 0.0)
    labels = phantom.draw_labels(Grid.centred(3, 128, (4.0, 4.0), 0.0))
    expected = Label.WHITE_MATTER if kind == "brain" else Label.BACKGROUND
    assert (labels == expected).sum() > 500
    assert not labels[:, [0, -1]].any()
    assert not labels[:, :, [0, -1]].any()


def test_that_nema_spheres_have_their_diameters():
    phantom = draw_nema(np.random.default_rng(1), 0.0)
    grid = Grid.centred(41, 200, (1.0, 1.0), 0.0)
    index = lesion_index(phantom.draw_labels(grid))
    for i, lesion in enumerate(phantom.lesions):
        volume = (index == i + 1).sum()
        assert volume == pytest.approx(np.pi / 6 * lesion.diameter_mm**3, rel=0.03)


@pytest.mark.parametrize(
    ("draw", "arguments", "mixture_seed", "next_draw"),
    [
        (draw_torso, (3,), 215911877, 1891341950),
        (draw_brain, (1, (-10.0, 10.0)), 908647453, 426001066),
        (draw_uniform, (2, (-10.0, 10.0)), 129424948, 289223458),
        (draw_nema, (0.0,), 1382475099, 890649981),
    ],
)
def test_that_new_materials_leave_the_random_stream_of_older_phantoms(
    draw, arguments, mixture_seed, next_draw
):
    """Shipped networks and their cards rest on these draws."""
    rng = np.random.default_rng(3)
    assert draw(rng, *arguments).mixture_seed == mixture_seed
    assert int(rng.integers(2**31)) == next_draw


def test_that_ribs_stay_between_their_heights():
    outer = Column((0.0, 0.0), (-100.0, 100.0), (40.0,) * 2, (40.0,) * 2)
    ribs = Ribs(outer, outer.shrunk(8.0, 8.0), lowest_mm=-40.0, highest_mm=30.0)
    grid = Grid.centred(200, 60, (1.0, 2.0), 0.0)
    planes = grid.axis_mm(0)[(one_part(ribs).draw_labels(grid) > 0).any(axis=(1, 2))]
    assert -40 <= planes.min() < -20
    assert 10 < planes.max() <= 30
