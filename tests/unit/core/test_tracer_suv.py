"""Decay and SUV against hand-worked values (science.md 6.1, 6.2)."""

import numpy as np
import pytest
from scipy import integrate, optimize

from kiview.core.errors import InvalidInputError
from kiview.core.suv import SuvScale, suvbw_factor_g_per_bq
from kiview.core.tracer import (
    Injection,
    Radionuclide,
    average_activity_offset_s,
    decay_factor,
    frame_decay_correction,
)

HALF_LIFE_S = 6586.2


@pytest.mark.parametrize(("duration", "offset"), [(60, 29.984), (180, 89.858), (300, 149.605)])
def test_that_the_average_activity_time_is_the_published_one(duration, offset):
    assert average_activity_offset_s(duration, HALF_LIFE_S) == pytest.approx(offset, abs=1e-3)


def test_that_the_average_activity_time_is_where_the_activity_equals_its_mean():
    mean = integrate.quad(lambda t: decay_factor(t, HALF_LIFE_S), 0, 600)[0] / 600
    crossing = optimize.brentq(lambda t: decay_factor(t, HALF_LIFE_S) - mean, 0, 600)
    assert average_activity_offset_s(600, HALF_LIFE_S) == pytest.approx(crossing, abs=1e-6)


def test_that_the_frame_correction_is_the_inverse_mean_of_the_decay_over_the_frame():
    mean = integrate.quad(lambda t: decay_factor(t, HALF_LIFE_S), 1200, 1500)[0] / 300
    assert frame_decay_correction(1200, 300, HALF_LIFE_S) == pytest.approx(1 / mean, rel=1e-12)


def test_that_the_frame_correction_equals_a_real_ge_decay_factor():
    """QUIRKS.md 4: DecayFactor 1.15077 for 240 s from 1215 s, half-life 6588 s."""
    assert frame_decay_correction(1215, 240, 6588) == pytest.approx(1.15077, abs=5e-6)


def test_that_the_suv_factor_is_the_worked_example():
    factor = suvbw_factor_g_per_bq(70, 350e6, 3600, HALF_LIFE_S)
    assert factor == pytest.approx(2.92127e-4, rel=2e-6)
    assert 10_000 * factor == pytest.approx(2.92127, rel=2e-6)


def test_that_the_suv_factor_of_a_real_scan_is_its_published_one():
    factor = suvbw_factor_g_per_bq(71, 388777472, 2711, 6588)
    assert factor == pytest.approx(2.429029766e-4, rel=1e-9)


@pytest.mark.parametrize(("weight", "dose", "name"), [(0, 1e8, "weight_kg"), (70, 0, "dose_bq")])
def test_that_missing_weight_or_dose_gives_no_suv(weight, dose, name):
    with pytest.raises(InvalidInputError, match=name):
        suvbw_factor_g_per_bq(weight, dose, 0, HALF_LIFE_S)


def test_that_impossible_injections_and_scales_are_refused():
    with pytest.raises(InvalidInputError, match="half_life_s"):
        Radionuclide("18F", -1)
    with pytest.raises(InvalidInputError, match="dose_bq"):
        Injection(Radionuclide("18F", HALF_LIFE_S), 0.0)
    with pytest.raises(InvalidInputError, match="not positive"):
        SuvScale(np.nan)
