"""False hot spots on volumes made by hand: a flat truth, and places that are bright in a map."""

from dataclasses import replace

import numpy as np
import pytest

from kitrain.groups import GroupError
from kitrain.hot_spots import ball, false_hot_spots
from kiview.core.errors import GeometryMismatchError, InvalidInputError
from kiview.simulate.tissues import Label
from tests.training.slabs import fake_slab

SHAPE = (9, 24, 24)
FLAT = 0.005
LIMIT = 2 * FLAT + 0.003
MIDDLE = (4, 12, 12)


def record(truth=None, labels=None, body=None, spacing_mm=(4.0, 4.0, 4.0)):
    """A body of one tissue, Ki 0.005 /min everywhere unless said otherwise."""
    slab = fake_slab()
    truth = np.full(SHAPE, FLAT, np.float32) if truth is None else truth
    known = replace(slab.truth, ki=truth, v0=np.zeros(SHAPE, np.float32))
    return replace(
        slab,
        truth=known,
        body=np.ones(SHAPE, np.uint8) if body is None else body,
        labels=np.full(SHAPE, Label.MUSCLE, np.uint8) if labels is None else labels,
        spacing_mm=spacing_mm,
    )


def bright(*places, value=0.05):
    """A map that is right but for some voxels."""
    ki = np.full(SHAPE, FLAT, np.float32)
    for place in places:
        ki[place] = value
    return ki


def test_that_a_right_map_has_no_false_hot_spot():
    assert false_hot_spots(bright(), record()).count == 0
    assert false_hot_spots(bright(), record()).places_zyx.shape == (0, 3)


def test_that_a_bright_voxel_counts_once_and_the_hottest_comes_first():
    ki = bright(MIDDLE, (0, 0, 0))
    ki[2, 20, 5] = 0.08
    found = false_hot_spots(ki, record())
    assert found.places_zyx.tolist() == [[2, 20, 5], [0, 0, 0], [*MIDDLE]]
    np.testing.assert_allclose(found.ki, [0.08, 0.05, 0.05], rtol=1e-6)
    assert found.count == 3


def test_that_a_spot_must_exceed_twice_the_truth_and_a_little():
    assert false_hot_spots(bright(MIDDLE, value=LIMIT * 0.999), record()).count == 0
    assert false_hot_spots(bright(MIDDLE, value=LIMIT * 1.001), record()).count == 1


@pytest.mark.parametrize(
    ("place", "count"),
    [
        ((5, 12, 12), 1),
        ((4, 14, 12), 1),
        ((3, 14, 10), 1),
        ((6, 12, 12), 2),
        ((4, 15, 12), 2),
        ((4, 12, 9), 2),
    ],
)
def test_that_a_lower_spot_counts_outside_3_x_5_x_5_voxels_only(place, count):
    ki = bright(MIDDLE)
    ki[place] = 0.04
    assert false_hot_spots(ki, record()).count == count


def test_that_voxels_of_equal_height_that_touch_are_one_spot():
    found = false_hot_spots(bright(MIDDLE, (4, 12, 13), (4, 13, 13)), record())
    assert found.places_zyx.tolist() == [[*MIDDLE]]


@pytest.mark.parametrize(
    ("offset", "spacing_mm", "is_near"),
    [
        ((2, 1, 1), (4.0, 4.0, 4.0), True),  # sqrt(96) = 9.8 mm
        ((2, 2, 0), (4.0, 4.0, 4.0), False),  # 11.3 mm
        ((0, 0, 5), (4.0, 2.0, 2.0), True),  # 10 mm
        ((0, 0, 6), (4.0, 2.0, 2.0), False),
        ((2, 0, 0), (5.5, 2.0, 2.0), False),  # 11 mm
    ],
)
def test_that_something_hot_within_10_mm_explains_a_spot(offset, spacing_mm, is_near):
    truth = np.full(SHAPE, FLAT, np.float32)
    truth[tuple(np.add(MIDDLE, offset))] = 0.04
    found = false_hot_spots(bright(MIDDLE), record(truth, spacing_mm=spacing_mm))
    assert found.count == (0 if is_near else 1)


@pytest.mark.parametrize("label", [Label.URINE, Label.RENAL_PELVIS])
def test_that_nothing_counts_within_10_mm_of_urine(label):
    labels = np.full(SHAPE, Label.MUSCLE, np.uint8)
    labels[4, 12, 14] = label
    assert false_hot_spots(bright(MIDDLE), record(labels=labels)).count == 0
    assert false_hot_spots(bright((4, 12, 10)), record(labels=labels)).count == 1


def test_that_air_in_the_body_hides_nothing():
    labels = np.full(SHAPE, Label.MUSCLE, np.uint8)
    labels[4, 12, 14] = Label.AIR
    assert false_hot_spots(bright(MIDDLE), record(labels=labels)).count == 1


def test_that_only_the_body_counts():
    body = np.ones(SHAPE, np.uint8)
    body[MIDDLE] = 0
    assert false_hot_spots(bright(MIDDLE), record(body=body)).count == 0


def test_that_the_ball_holds_the_voxels_within_10_mm():
    found = ball((4.0, 4.0, 4.0))
    inside = [
        (z, y, x)
        for z in range(-2, 3)
        for y in range(-2, 3)
        for x in range(-2, 3)
        if 16 * (z * z + y * y + x * x) <= 100
    ]
    assert found.shape == (5, 5, 5)
    assert found.sum() == len(inside)


def test_that_maps_that_cannot_be_judged_are_refused():
    with pytest.raises(GeometryMismatchError, match="grid of the group"):
        false_hot_spots(bright()[1:], record())
    with pytest.raises(InvalidInputError, match="not numbers"):
        false_hot_spots(bright(MIDDLE, value=np.nan), record())
    with pytest.raises(GroupError, match="true Ki"):
        false_hot_spots(bright(), replace(record(), truth=None))
