"""A population curve that falls unlike the region is noticed."""

import numpy as np
import pytest

from kiview.core.feng import FENG_FDG_NO_DELAY
from kiview.core.input_checks import log_slopes_per_min, slope_finding
from kiview.core.input_curves import FengCurve, SampledCurve
from kiview.core.input_function import InputFunction, InputSource
from kiview.core.tac import TimeActivityCurve
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY

WINDOW_S = (1800.0, 3600.0)


def exponential(slope_per_min, frames=12, scale=1000.0):
    timing = FrameTiming(np.arange(frames) * 300.0, np.full(frames, 300.0))
    mean = scale * np.exp(slope_per_min * timing.mid_s / 60)
    return TimeActivityCurve(timing, mean, np.zeros(frames), 10, ACTIVITY, "aorta")


def falling(slope_per_min):
    time_s = np.linspace(0, 3600, 721)
    curve = SampledCurve(time_s, 500 * np.exp(slope_per_min * time_s / 60))
    return InputFunction(curve, InputSource.SAMPLES, ACTIVITY)


def test_that_the_slopes_of_two_exponentials_are_found():
    found = log_slopes_per_min(exponential(-0.02), falling(-0.01), WINDOW_S)
    assert found == pytest.approx((-0.02, -0.01), rel=1e-6)


@pytest.mark.parametrize(("slope", "told"), [(-0.0105, False), (-0.0119, False), (-0.013, True)])
def test_that_more_than_a_fifth_of_difference_is_told(slope, told):
    findings = slope_finding(exponential(slope), falling(-0.01), WINDOW_S)
    assert bool(findings) is told
    if told:
        assert "1.3 % per min" in findings[0]
        assert "1.0 %" in findings[0]


def test_that_a_window_with_one_frame_tells_nothing():
    assert log_slopes_per_min(exponential(-0.02), falling(-0.01), (1800.0, 2100.0)) is None
    assert slope_finding(exponential(-0.02), falling(-0.01), (1800.0, 2100.0)) == ()


def test_that_an_input_function_of_nothing_is_not_compared():
    curve = FengCurve(FENG_FDG_NO_DELAY, 0.0)
    nothing = InputFunction(curve, InputSource.POPULATION, ACTIVITY)
    assert log_slopes_per_min(exponential(-0.02), nothing, WINDOW_S) is None
