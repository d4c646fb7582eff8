"""Input functions against closed forms and published values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from kiview.core.errors import (
    InvalidInputError,
    MissingInformationError,
    QuantityMismatchError,
)
from kiview.core.feng import (
    FENG_FDG,
    FENG_FDG_NO_DELAY,
    FENG_SUV_PER_UNIT,
    feng_activity,
    feng_integral,
)
from kiview.core.input_curves import FengCurve, FrameCurve, SampledCurve
from kiview.core.input_function import (
    Compartment,
    InputFunction,
    InputSource,
    from_population,
    from_population_and_dose,
    from_region,
    from_samples,
    require_same_quantity,
)
from kiview.core.tac import TimeActivityCurve
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY, SUV_BW

# science.md 1.1, model 3
VECTOR_MIN = [1, 5, 10, 20, 30, 50, 60, 70, 90]
VECTOR_CP = [52.967, 31.815, 25.399, 18.913, 15.833, 12.410, 11.147, 10.033, 8.140]
VECTOR_INTEGRAL = [
    76.874,
    223.292,
    364.968,
    581.875,
    754.095,
    1033.502,
    1151.144,
    1256.936,
    1437.991,
]


def frame_table(*groups):
    duration = np.concatenate([np.full(n, seconds) for n, seconds in groups])
    return FrameTiming(np.cumsum(duration) - duration, duration)


def feng_tac(timing, parameters=FENG_FDG_NO_DELAY, scale=1.0, quantity=ACTIVITY):
    integral = 60 * feng_integral(np.array([timing.start_s, timing.end_s]) / 60, parameters)
    mean = scale * (integral[1] - integral[0]) / timing.duration_s
    return TimeActivityCurve(timing, mean, np.zeros_like(mean), 10, quantity, "Aorta")


def test_that_the_feng_curve_and_its_integral_give_the_test_vector():
    np.testing.assert_allclose(feng_activity(VECTOR_MIN, FENG_FDG_NO_DELAY), VECTOR_CP, atol=6e-4)
    integral = feng_integral(VECTOR_MIN, FENG_FDG_NO_DELAY)
    np.testing.assert_allclose(integral, VECTOR_INTEGRAL, atol=6e-4)


def test_that_the_feng_curve_starts_at_zero_and_waits_for_the_bolus():
    assert feng_activity(0.0, FENG_FDG_NO_DELAY) == pytest.approx(0, abs=1e-12)
    assert feng_activity(0.7, FENG_FDG) == 0
    assert feng_activity(0.9, FENG_FDG) > 0


def test_that_the_closed_integral_equals_numerical_quadrature():
    for end in (0.5, 7.0, 64.0):
        truth = integrate.quad(
            lambda t: feng_activity(t, FENG_FDG), 0, end, points=[0.735, 1.0], limit=200
        )[0]
        assert feng_integral(end, FENG_FDG) == pytest.approx(truth, rel=1e-8)


@pytest.mark.parametrize(
    "groups",
    [
        [(30, 2), (12, 10), (6, 30), (12, 120), (6, 300)],
        [(12, 5), (6, 10), (8, 30), (11, 300)],
        [(10, 30), (5, 60), (10, 300)],
        [(12, 300)],
    ],
)
def test_that_frame_sums_integrate_exactly_to_frame_edges(groups):
    timing = frame_table(*groups)
    arterial = from_region(feng_tac(timing))
    truth = 60 * feng_integral(timing.end_s / 60, FENG_FDG_NO_DELAY)
    np.testing.assert_allclose(arterial.integral(timing.end_s), truth, rtol=1e-12)
    # science.md 1.7: at the last frame's middle the rule is off by no more than 0.03 %
    mid = timing.mid_s[-1]
    truth_mid = 60 * feng_integral(mid / 60, FENG_FDG_NO_DELAY)
    assert arterial.integral(mid) == pytest.approx(truth_mid, rel=4e-4)
    np.testing.assert_allclose(arterial.at(timing.mid_s), feng_tac(timing).mean)


samples = st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 1e5)), min_size=2, max_size=30).map(
    lambda rows: (np.cumsum([r[0] for r in rows]), np.array([r[1] for r in rows]))
)


@given(samples)
def test_that_samples_integrate_like_the_trapezoid_with_zero_prepended(curve):
    time_s, activity = curve
    sampled = SampledCurve(time_s, activity)
    with_zero = np.concatenate([[0], time_s]), np.concatenate([[0], activity])
    total = integrate.trapezoid(with_zero[1], with_zero[0])
    assert sampled.integral(time_s[-1]) == pytest.approx(total, rel=1e-9, abs=1e-9)
    inner = (time_s[0] + time_s[1]) / 2
    fine = np.union1d(np.linspace(0, inner, 50), time_s[:1])
    truth = integrate.trapezoid(np.interp(fine, *with_zero), fine)
    assert sampled.integral(inner) == pytest.approx(truth, rel=1e-9, abs=1e-9)
    assert sampled.at(-5.0) == 0


def test_that_a_late_first_frame_without_a_population_curve_is_refused():
    timing = frame_table((12, 300)).select(np.arange(6, 12))
    with pytest.raises(MissingInformationError, match="starts 1800 s after injection"):
        from_region(feng_tac(timing))


def test_that_a_late_first_frame_takes_its_missing_integral_from_the_scaled_population():
    timing = frame_table((12, 300)).select(np.arange(6, 12))
    arterial = from_region(feng_tac(timing, scale=2.0), FENG_FDG_NO_DELAY)
    truth = 2 * 60 * feng_integral(np.array([900, 1800, 3600]) / 60, FENG_FDG_NO_DELAY)
    np.testing.assert_allclose(arterial.integral([1800, 3600]), truth[1:], rtol=1e-9)
    assert "population curve" in arterial.findings[0]


def test_that_the_population_is_scaled_over_whatever_frames_exist_when_the_window_is_empty():
    timing = frame_table((4, 300)).select(np.arange(1, 4))
    arterial = from_region(feng_tac(timing), FENG_FDG_NO_DELAY)
    assert arterial.integral(300) == pytest.approx(60 * feng_integral(5, FENG_FDG_NO_DELAY))


def test_that_gaps_between_frames_are_filled_by_straight_lines_and_told():
    timing = FrameTiming([0, 100, 300], [100, 100, 100])
    tac = TimeActivityCurve(timing, [1.0, 2.0, 4.0], [0, 0, 0], 1, ACTIVITY)
    arterial = from_region(tac)
    assert arterial.integral(400) == pytest.approx(100 + 200 + 300 + 400)
    assert "longest 100 s" in arterial.findings[0]


def test_that_a_curve_with_missing_frames_is_refused():
    timing = FrameTiming([0, 100], [100, 100])
    tac = TimeActivityCurve(timing, [1.0, np.nan], [0, 0], 1, ACTIVITY, "Aorta")
    with pytest.raises(InvalidInputError, match="Aorta"):
        from_region(tac)


def test_that_a_scaled_population_recovers_its_own_scale():
    timing = frame_table((12, 300))
    population = from_population(feng_tac(timing, FENG_FDG, 123.4), (1800, 3600))
    assert isinstance(population.curve, FengCurve)
    assert population.curve.scale == pytest.approx(123.4)
    assert population.source is InputSource.POPULATION
    assert "30-60 min" in population.description


def test_that_scaling_without_frames_or_activity_in_the_window_is_refused():
    timing = frame_table((4, 300))
    with pytest.raises(InvalidInputError, match="No frame lies in the scaling window 30-60 min"):
        from_population(feng_tac(timing))
    cold = TimeActivityCurve(timing, np.zeros(4), np.zeros(4), 1, ACTIVITY, "Air")
    with pytest.raises(InvalidInputError, match="no activity"):
        from_population(cold, (0, 1200))


def test_that_a_population_scaled_by_dose_reads_suv_1_6_at_an_hour():
    population = from_population_and_dose(SUV_BW, 1.0, FENG_FDG_NO_DELAY)
    assert population.at(3600) == pytest.approx(1.6, abs=1e-3)
    assert population.integral(3600) / 60 == pytest.approx(1151.144 * FENG_SUV_PER_UNIT, rel=1e-5)
    assert population.findings


def test_that_the_plasma_factor_scales_the_whole_curve():
    curve = FengCurve(FENG_FDG, 1.0)
    blood = InputFunction(curve, InputSource.IMAGE, ACTIVITY)
    plasma = InputFunction(curve, InputSource.IMAGE, ACTIVITY, plasma_factor=1.087)
    np.testing.assert_allclose(plasma.at([60, 3000]), 1.087 * blood.at([60, 3000]))
    np.testing.assert_allclose(
        plasma.frame_mean([0, 60], [60, 60]) / 1.087, [*blood.frame_mean([0, 60], [60, 60])]
    )
    with pytest.raises(InvalidInputError, match="plasma-to-blood"):
        InputFunction(curve, InputSource.IMAGE, ACTIVITY, plasma_factor=0)


@pytest.mark.parametrize(
    ("time_s", "activity", "sentence"),
    [
        ([0], [1], "at least two"),
        ([0, 10], [1, np.nan], "not a number"),
        ([-5, 10], [1, 2], "5 s before injection"),
        ([0, 10, 10], [1, 2, 3], "sample 3 at 10 s"),
    ],
)
def test_that_faulty_samples_are_refused_with_a_sentence(time_s, activity, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        from_samples(time_s, activity, ACTIVITY)


def test_that_a_curve_is_not_continued_beyond_its_end():
    short = from_samples([0, 600], [0, 10], ACTIVITY, Compartment.PLASMA)
    with pytest.raises(InvalidInputError, match="ends at 600 s"):
        short.at(700)
    frames = from_region(feng_tac(frame_table((4, 300))))
    with pytest.raises(InvalidInputError, match="ends at 1200 s"):
        frames.integral(1300)


def test_that_curves_are_drawn_at_their_natural_times():
    frames = from_region(feng_tac(frame_table((4, 300))))
    np.testing.assert_array_equal(frames.samples(1200)[0], [150, 450, 750, 1050])
    drawn = from_population_and_dose(SUV_BW, 1.0).samples(3600)[0]
    assert drawn[0] == 0
    assert drawn[-1] == 3600
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(from_samples([5, 9], [1, 2], ACTIVITY).samples(99)[0], [0, 5, 9])


def test_that_an_integral_before_the_first_frame_grows_from_injection():
    curve = FrameCurve(np.array([100.0]), np.array([50.0]), np.array([2.0]), before=30.0)
    assert curve.integral(50) == pytest.approx(15)
    assert curve.integral(150) == pytest.approx(130)


def test_that_an_input_in_another_unit_than_the_image_is_refused():
    arterial = from_samples([0, 600], [0, 10], SUV_BW)
    require_same_quantity(SUV_BW, arterial)
    with pytest.raises(QuantityMismatchError, match="Bq/mL but the input function in g/mL"):
        require_same_quantity(ACTIVITY, arterial)
