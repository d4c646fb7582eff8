"""The plot of one curve shows what the fit of a map would find there."""

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FENG_FDG_NO_DELAY
from kiview.core.input_curves import FengCurve
from kiview.core.input_function import InputFunction, InputSource
from kiview.core.patlak import PatlakSettings
from kiview.core.patlak_plot import patlak_plot
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY

KI, V0 = 0.02, 0.4


@pytest.fixture
def timing():
    return FrameTiming(np.arange(12) * 300.0, np.full(12, 300.0))


@pytest.fixture
def input_function():
    curve = FengCurve(FENG_FDG_NO_DELAY, 100.0)
    return InputFunction(curve, InputSource.POPULATION, ACTIVITY)


def tissue(timing, input_function):
    mid_s = timing.mid_s
    return KI * input_function.integral(mid_s) / 60 + V0 * input_function.at(mid_s)


def test_that_an_irreversible_tissue_gives_a_straight_line(timing, input_function):
    activity = tissue(timing, input_function)
    plot = patlak_plot(timing, activity, input_function, PatlakSettings())
    assert plot.ki == pytest.approx(KI, rel=1e-5)
    assert plot.v0 == pytest.approx(V0, rel=1e-4)
    assert plot.ki_se == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(plot.y, plot.v0 + plot.ki * plot.x_min, rtol=1e-4)


def test_that_all_frames_are_shown_and_those_of_the_window_marked(timing, input_function):
    activity = tissue(timing, input_function)
    plot = patlak_plot(timing, activity, input_function, PatlakSettings(2400.0, 3600.0))
    assert len(plot.x_min) == 12
    assert plot.used.tolist() == [False] * 8 + [True] * 4
    assert (np.diff(plot.x_min) > 0).all()


def test_that_a_window_without_two_frames_is_refused(timing, input_function):
    activity = tissue(timing, input_function)
    with pytest.raises(InvalidInputError, match="two frames"):
        patlak_plot(timing, activity, input_function, PatlakSettings(3300.0, 3600.0))
