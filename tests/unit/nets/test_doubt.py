"""What a network says of its own map, in the consistency step."""

from dataclasses import replace

import numpy as np
import pytest

from kiview.nets.doubt import (
    UNSURE,
    UNSURE_KEEP,
    VESSEL,
    VESSEL_SIGMAS,
    VESSEL_TIMES,
    Doubt,
    doubt_of,
    leave_vessels,
    less_where_unsure,
)
from kiview.nets.tie import KEEP_SIGMAS, PatlakReference, follow_patlak, make_consistent

SPACING = (4.0, 4.0, 4.0)
SHAPE = (4, 12, 12)


def even(value):
    return np.full(SHAPE, value, np.float32)


def reference_of(ki, noise):
    """Patlak that is the same everywhere; a normaliser at which the noise is small."""
    return PatlakReference(even(ki), even(ki), even(noise), 100.0, SPACING)


def doubt(unsure=0.0, vessel=0.0, sigma=1.0):
    return Doubt(even(sigma), even(unsure), even(vessel))


@pytest.mark.parametrize(
    ("sigma", "v", "unsure", "vessel"),
    [
        (UNSURE[0], 0.0, 0.0, 0.0),
        (sum(UNSURE) / 2, 0.0, 0.5, 0.0),
        (UNSURE[1], 0.0, 1.0, 0.0),
        (9.0, 0.0, 1.0, 0.0),
        (1.0, VESSEL[0], 1.0, 0.0),
        (1.0, sum(VESSEL) / 2, 1.0, 0.5),
        (0.5, 2 * VESSEL[1], 1.0, 1.0),
    ],
)
def test_that_doubt_begins_and_is_whole_where_it_says(sigma, v, unsure, vessel):
    found = doubt_of(even(1.0), even(v), even(sigma))
    np.testing.assert_allclose(found.unsure, unsure, atol=1e-6)
    np.testing.assert_allclose(found.vessel, vessel, atol=1e-6)
    np.testing.assert_array_equal(found.sigma, even(sigma))


def test_that_doubt_is_the_same_in_any_unit_and_none_where_there_is_no_uptake():
    rng = np.random.default_rng(0)
    maps = rng.uniform(0.1, 1.0, (3, *SHAPE)).astype(np.float32)
    found, scaled = doubt_of(*maps), doubt_of(*(maps / 1000))
    np.testing.assert_allclose(found.unsure, scaled.unsure, atol=1e-5)
    np.testing.assert_allclose(found.vessel, scaled.vessel, atol=1e-5)
    assert found.vessel.any()
    empty = doubt_of(even(0.0), even(1.0), even(1.0))
    assert not empty.unsure.any()
    assert not empty.vessel.any()


def test_that_less_of_the_noise_is_asked_for_where_the_network_is_unsure():
    reference = reference_of(10.0, 1.0)
    for unsure, asked in ((0.0, KEEP_SIGMAS), (1.0, KEEP_SIGMAS * UNSURE_KEEP)):
        sigmas = less_where_unsure(KEEP_SIGMAS, doubt(unsure))
        np.testing.assert_allclose(sigmas, asked)
        np.testing.assert_allclose(follow_patlak(even(7.0), reference, sigmas), 10 - asked, 1e-5)


@pytest.mark.parametrize(("vessel", "shown"), [(0.0, 10.0), (0.5, 6.9), (1.0, 3.8)])
def test_that_a_possible_vessel_shows_no_more_than_patlak_and_its_noise(vessel, shown):
    found = leave_vessels(even(10.0), even(vessel), even(3.0), even(0.1))
    np.testing.assert_allclose(found, shown, rtol=1e-6)
    assert pytest.approx(3.8) == VESSEL_TIMES * 3.0 + VESSEL_SIGMAS * 0.1


def test_that_patlak_below_zero_counts_as_zero_and_less_than_allowed_is_left():
    np.testing.assert_allclose(leave_vessels(even(10), even(1), even(-3), even(0.1)), 0.2, 1e-5)
    np.testing.assert_array_equal(leave_vessels(even(3), even(1), even(3), even(0.1)), even(3))


def test_that_a_possible_vessel_keeps_its_standard_deviation():
    ki, reference = even(3.0), reference_of(3.0, 0.1)
    ki[2, 6, 6] = 6.0  # too narrow for Patlak under 8 mm to deny
    kept, left = (make_consistent(ki, doubt(vessel=v), reference) for v in (0.0, 1.0))
    assert kept.ki[2, 6, 6] > 5
    assert left.ki[2, 6, 6] == pytest.approx(3.8, rel=1e-5)
    np.testing.assert_array_equal(left.sigma, kept.sigma)


def test_that_a_network_that_says_nothing_of_itself_is_followed_as_one_that_is_sure():
    rng = np.random.default_rng(1)
    patlak, ki = rng.uniform(1, 2, (2, *SHAPE)).astype(np.float32)
    reference = replace(reference_of(1.0, 0.05), ki=patlak, near=patlak)
    silent, sure = (make_consistent(ki, said, reference) for said in (None, doubt()))
    np.testing.assert_array_equal(silent.ki, sure.ki)
    assert silent.sigma is None
