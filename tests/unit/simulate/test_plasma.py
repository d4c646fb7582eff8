"""Input functions: published shapes, infusion, whole blood, delay."""

from dataclasses import replace

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FENG_FDG, FENG_FDG_NO_DELAY, feng_activity
from kiview.core.timing import FrameTiming
from kiview.simulate.kinetics import frame_averages, patlak_basis, tissue_curves
from kiview.simulate.plasma import (
    FENG_MODEL_4,
    PlasmaSettings,
    bolus_activity,
    bolus_integral,
    draw_varied_plasma,
)
from kiview.simulate.tissues import STANDARD, Label, draw_all, with_arrival_delays

HOUR = FrameTiming(np.arange(12) * 300.0, np.full(12, 300.0))


def test_that_model_4_has_its_published_form():
    t = np.array([1.0, 5.0, 40.0])
    since = t - 0.731
    expected = (892.5 * since - 36.8) * np.exp(-3.8862 * since) + 36.8 * np.exp(-0.0262 * since)
    np.testing.assert_allclose(feng_activity(t, FENG_MODEL_4), expected, rtol=1e-12)


def test_that_model_5_has_its_published_form_and_integral():
    assert bolus_activity(np.array([-1.0, 0.0])).tolist() == [0, 0]
    assert bolus_activity(np.array([2.0]))[0] == pytest.approx(90.64 * np.exp(-0.682), rel=1e-6)
    t = np.linspace(0, 30, 600001)
    numeric = np.trapezoid(bolus_activity(t), t)
    assert bolus_integral(np.array([30.0]))[0] == pytest.approx(numeric, rel=1e-4)


def test_that_a_long_infusion_is_the_mean_of_shifted_boluses():
    slow = PlasmaSettings(FENG_FDG, 2.0, infusion_s=48.0).sampled(HOUR)
    shifts = (np.arange(480) + 0.5) / 480 * 0.8
    mean = np.mean([feng_activity(slow.time_min - s, FENG_FDG) for s in shifts], axis=0)
    at_45 = np.interp(45.0, slow.time_min, mean)
    np.testing.assert_allclose(slow.activity, mean * 2.0 / at_45, atol=2e-3)
    sharp = PlasmaSettings(FENG_FDG, 2.0).sampled(HOUR)
    assert slow.activity.max() < 0.85 * sharp.activity.max()
    assert slow.integral[-1] == pytest.approx(sharp.integral[-1], rel=0.02)


def test_that_a_fast_component_has_the_area_asked_for_and_leaves_the_tail():
    plain = PlasmaSettings(FENG_FDG, 2.0).sampled(HOUR)
    fast = PlasmaSettings(FENG_FDG, 2.0, infusion_s=1.0, bolus_share=0.1).sampled(HOUR)
    assert fast.integral[-1] / plain.integral[-1] == pytest.approx(1.1, abs=0.004)
    late = plain.time_min > 30
    np.testing.assert_allclose(fast.activity[late], plain.activity[late], rtol=2e-3)


def test_that_vessels_show_whole_blood_and_tissue_takes_up_plasma():
    plasma = PlasmaSettings(FENG_FDG, 2.0, plasma_blood_ratio=1.08).sampled(HOUR)
    bloodless = replace(STANDARD[Label.LIVER], blood_fraction=0.0)
    activity, integral = tissue_curves([STANDARD[Label.BLOOD], bloodless], plasma)
    np.testing.assert_allclose(activity[0], plasma.activity / 1.08, rtol=1e-12)
    same = PlasmaSettings(FENG_FDG, 2.0).sampled(HOUR)
    np.testing.assert_array_equal(integral[1], tissue_curves([bloodless], same)[1][0])
    np.testing.assert_array_equal(patlak_basis(plasma, HOUR), patlak_basis(same, HOUR))


def test_that_a_delayed_tissue_sees_the_input_of_a_later_injection():
    tissue = STANDARD[Label.SPLEEN]
    early = PlasmaSettings(FENG_FDG_NO_DELAY, 2.0).sampled(HOUR)
    late_feng = replace(FENG_FDG_NO_DELAY, tau_min=0.5)
    scale = np.interp(44.5, early.time_min, early.activity)
    late = PlasmaSettings(late_feng, float(scale)).sampled(HOUR)
    delayed, delayed_integral = tissue_curves([replace(tissue, delay_s=30.0)], early)
    expected, expected_integral = tissue_curves([tissue], late)
    peak = expected.max()
    np.testing.assert_allclose(delayed, expected, atol=2e-3 * peak)
    means = frame_averages(HOUR, early.time_min, delayed_integral)
    expected_means = frame_averages(HOUR, early.time_min, expected_integral)
    np.testing.assert_allclose(means, expected_means, rtol=2e-4)


def test_that_every_organ_gets_a_delay_of_at_most_forty_seconds_and_urine_minutes():
    tissues = draw_all(np.random.default_rng(1), labels=tuple(Label))
    delays = [with_arrival_delays(np.random.default_rng(s), tissues) for s in range(40)]
    fat = [d[Label.FAT].first.delay_s for d in delays]
    assert max(fat) <= 40
    assert np.std(fat) > 3
    assert all(d[Label.BLOOD].first.delay_s == 0 for d in delays)
    assert np.median([d[Label.URINE].second.delay_s for d in delays]) > 150
    assert delays[0][Label.LIVER].first.k1 == tissues[Label.LIVER].first.k1


def test_that_a_varied_population_differs_in_shape_infusion_and_ratio():
    people = [draw_varied_plasma(np.random.default_rng(s)) for s in range(150)]
    ratios = np.log([p.plasma_blood_ratio for p in people])
    assert ratios.mean() == pytest.approx(np.log(1.05), abs=0.015)
    assert ratios.std() == pytest.approx(0.05, abs=0.012)
    assert min(p.infusion_s for p in people) >= 5
    assert 0.15 < np.mean([p.bolus_share > 0 for p in people]) < 0.45
    assert 0.1 < np.mean([p.parameters.a3 == 0 for p in people]) < 0.3
    for person in people[:20]:
        activity = person.sampled(HOUR).activity
        assert activity.min() >= 0
        assert np.isfinite(activity).all()


@pytest.mark.parametrize("wrong", [{"infusion_s": -1.0}, {"plasma_blood_ratio": 0.0}])
def test_that_an_impossible_input_is_refused(wrong):
    with pytest.raises(InvalidInputError, match="positive ratio"):
        PlasmaSettings(FENG_FDG, 2.0, **wrong)
