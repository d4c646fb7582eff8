"""Lofts against cylinders, ellipses and superellipses of known volume."""

import numpy as np
import pytest
from scipy.special import gamma

from kiview.simulate.loft import Loft, loft, smooth_levels, smooth_profile
from kiview.simulate.phantom import Part, Phantom
from kiview.simulate.shapes import Grid
from kiview.simulate.tissues import Label

LEANING = Loft((-40.0, 40.0), (-10.0, 10.0), (4.0, 4.0), (30.0, 30.0), (20.0, 20.0))


def drawn(shape, mm=1.0):
    grid = Grid.centred(int(120 / mm), int(120 / mm), (mm, mm), 0.0)
    return Phantom((Part(Label.LIVER, shape),), {}, (), 0, "test").draw_labels(grid), grid


def test_that_a_leaning_elliptic_column_keeps_its_volume_and_leans():
    labels, grid = drawn(LEANING)
    expected = np.pi * 30 * 20 * 80
    assert (labels > 0).sum() == pytest.approx(expected, rel=0.01)
    assert LEANING.volume_ml() == pytest.approx(expected / 1000, rel=1e-9)
    z, _, x = np.nonzero(labels)
    low, high = (x[z == k].mean() + grid.origin_zyx_mm[2] for k in (z.min(), z.max()))
    assert (low, high) == pytest.approx((-10, 10), abs=0.3)


def test_that_the_volume_of_a_superellipse_is_its_closed_form():
    shape = Loft((0.0, 50.0), (0.0, 0.0), (0.0, 0.0), (30.0, 30.0), (20.0, 20.0), 3.0)
    area = 4 * 30 * 20 * gamma(4 / 3) ** 2 / gamma(5 / 3)
    assert shape.volume_ml() == pytest.approx(area * 50 / 1000, rel=1e-9)
    labels, _ = drawn(shape, 0.5)
    assert (labels > 0).sum() * 0.125 == pytest.approx(area * 50, rel=0.02)


def test_that_surfaces_move_inwards_and_are_found_at_a_height():
    assert LEANING.front(0.0) == -16
    assert LEANING.back(0.0) == 24
    smaller = LEANING.shrunk(5.0, 2.0)
    assert (smaller.half_x, smaller.half_y) == ((25.0, 25.0), (18.0, 18.0))
    assert LEANING.limited(np.array([12.0, 99.0]), np.array([99.0, 7.0])).half_x == (12.0, 30.0)
    assert LEANING.above(0.0).levels_mm == (40.0,)


def test_that_smooth_profiles_pass_through_their_stations_and_hold_beyond():
    levels = smooth_levels(-10.0, 50.0)
    profile = smooth_profile((0.0, 20.0, 40.0), (1.0, 3.0, 2.0), levels)
    assert np.interp(20.0, levels, profile) == pytest.approx(3.0, abs=0.1)
    assert profile[0] == 1
    assert profile[-1] == 2
    assert profile.max() <= 3
    zero = np.zeros_like(levels)
    assert loft(levels, (zero, zero), (profile, profile)).at("half_x", 0.0) == pytest.approx(
        1.0, abs=0.3
    )
