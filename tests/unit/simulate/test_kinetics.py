"""Curves against an ODE solver, closed forms and the published-constants Patlak table."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from kiview.core.feng import FENG_FDG, FENG_FDG_NO_DELAY, feng_activity, feng_integral
from kiview.core.timing import FrameTiming
from kiview.simulate.kinetics import (
    SampledInput,
    activity_basis,
    curve_tables,
    fine_times_min,
    frame_averages,
    patlak_basis,
    tissue_curves,
)
from kiview.simulate.phantom import Phantom
from kiview.simulate.plasma import PlasmaSettings, draw_plasma
from kiview.simulate.tissues import STANDARD, Label, Tissue, draw_all

# K1, k2, k3, Vb, Ki and V0 by Patlak 30-60, Ki and V0 by Patlak 50-70 (noise-free, 5-min frames)
PATLAK_TABLE = {
    "grey matter": (0.102, 0.130, 0.062, 0.04, 0.03137, 0.429, 0.03157, 0.411),
    "white matter": (0.054, 0.109, 0.045, 0.03, 0.01508, 0.311, 0.01525, 0.295),
    "myocardium": (0.6, 1.2, 0.1, 0.05, 0.04383, 0.459, 0.04384, 0.458),
    "liver": (0.864, 0.981, 0.004, 0.0, 0.00344, 0.889, 0.00350, 0.884),
    "lung": (0.108, 0.735, 0.016, 0.15, 0.00194, 0.272, 0.00195, 0.272),
    "spleen": (0.6, 0.8, 0.004, 0.15, 0.00248, 0.795, 0.00253, 0.791),
    "kidney cortex": (0.7, 0.9, 0.006, 0.15, 0.00389, 0.815, 0.00393, 0.811),
    "bone marrow": (0.25, 0.60, 0.012, 0.05, 0.00461, 0.442, 0.00465, 0.438),
    "muscle": (0.03, 0.20, 0.012, 0.03, 0.00157, 0.174, 0.00163, 0.168),
    "fat": (0.01, 0.10, 0.008, 0.01, 0.00065, 0.113, 0.00070, 0.108),
    "background": (0.047, 0.325, 0.084, 0.029, 0.00935, 0.122, 0.00937, 0.120),
    "tumour moderate": (0.15, 0.45, 0.06, 0.05, 0.01673, 0.305, 0.01676, 0.302),
    "tumour liver": (0.243, 0.78, 0.1, 0.05, 0.02622, 0.287, 0.02623, 0.285),
    "tumour very hot": (0.3, 0.5, 0.2, 0.05, 0.08140, 0.347, 0.08142, 0.345),
}


def five_minute_frames(start_min: float, end_min: float) -> FrameTiming:
    starts = np.arange(start_min, end_min, 5.0) * 60
    return FrameTiming(starts, np.full(starts.size, 300.0))


def feng_input(timing: FrameTiming) -> SampledInput:
    return PlasmaSettings(FENG_FDG_NO_DELAY, 1.9).sampled(timing)


def patlak_line(x_basis: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    slope, intercept = np.polyfit(x_basis[0] / x_basis[1], values / x_basis[1], 1)
    return float(slope), float(intercept)


@pytest.mark.parametrize("name", PATLAK_TABLE)
@pytest.mark.parametrize(("start", "end", "column"), [(30, 60, 4), (50, 70, 6)])
def test_that_ordinary_patlak_of_a_curve_gives_the_tabled_ki_and_v0(name, start, end, column):
    k1, k2, k3, vb, *expected = PATLAK_TABLE[name]
    timing = five_minute_frames(start, end)
    plasma = feng_input(timing)
    _, integral = tissue_curves([Tissue(k1, k2, k3, vb)], plasma)
    values = frame_averages(timing, plasma.time_min, integral)[0]
    ki, v0 = patlak_line(patlak_basis(plasma, timing), values)
    assert ki == pytest.approx(expected[column - 4], abs=5e-5)
    assert v0 == pytest.approx(expected[column - 3], abs=0.003)


@pytest.mark.parametrize("k4", [0.0, 0.03])
def test_that_a_tissue_curve_solves_the_compartment_equations(k4):
    tissue = Tissue(0.3, 0.5, 0.1, 0.06, k4=k4)
    time = np.concatenate([np.arange(0, 3, 0.02), np.arange(3, 40.01, 0.25)])
    plasma = SampledInput(time, feng_activity(time, FENG_FDG_NO_DELAY))

    def equations(t, c):
        cp = np.interp(t, plasma.time_min, plasma.activity)
        exchange = tissue.k3 * c[0] - tissue.k4 * c[1]
        return [tissue.k1 * cp - tissue.k2 * c[0] - exchange, exchange]

    solved = solve_ivp(equations, (0, 40), [0, 0], t_eval=time, rtol=1e-8, atol=1e-9, max_step=0.02)
    vb = tissue.blood_fraction
    expected = (1 - vb) * solved.y.sum(axis=0) + vb * plasma.activity
    activity, _ = tissue_curves([tissue], plasma)
    np.testing.assert_allclose(activity[0], expected, rtol=2e-5, atol=2e-5)


def test_that_the_running_integral_is_the_integral_of_the_curve():
    time = np.linspace(0, 60, 24001)
    plasma = SampledInput(time, feng_activity(time, FENG_FDG))
    tissues = [STANDARD[Label.LIVER], STANDARD[Label.BLOOD], Tissue(0.1, 0.0, 0.0, 0.0)]
    activity, integral = tissue_curves(tissues, plasma)
    trapezoid = np.cumsum((activity[:, 1:] + activity[:, :-1]) / 2 * np.diff(time), axis=1)
    np.testing.assert_allclose(integral[:, -1], trapezoid[:, -1], rtol=1e-6)


def test_that_blood_follows_the_input_and_air_stays_empty():
    timing = five_minute_frames(30, 60)
    plasma = feng_input(timing)
    activity, _ = tissue_curves([STANDARD[Label.BLOOD], STANDARD[Label.AIR]], plasma)
    np.testing.assert_allclose(activity[0], plasma.activity)
    assert not activity[1].any()


def test_that_frame_means_of_the_input_match_the_closed_form_integral():
    timing = FrameTiming([0.0, 5.0, 60.0, 1800.0], [5.0, 55.0, 300.0, 300.0])
    plasma = PlasmaSettings(FENG_FDG_NO_DELAY, 2.0).sampled(timing)
    scale = 2.0 / feng_activity(45.0, FENG_FDG_NO_DELAY)
    edges = np.stack([timing.start_s, timing.end_s]) / 60
    exact = np.diff(feng_integral(edges, FENG_FDG_NO_DELAY), axis=0)[0] * scale
    means = patlak_basis(plasma, timing)[1]
    np.testing.assert_allclose(means, exact / (timing.duration_s / 60), rtol=1e-3)


def test_that_few_curves_reproduce_every_tissue_in_every_frame():
    durations = np.array(12 * [5.0] + 6 * [10.0] + 8 * [30.0] + 9 * [300.0])
    timing = FrameTiming(np.cumsum(durations) - durations, durations)
    phantom = Phantom((), draw_all(np.random.default_rng(1)), (), 0, "torso")
    first, second = curve_tables(phantom, feng_input(timing), timing)
    basis = activity_basis(first, second)
    assert basis.curves.shape[0] <= 10
    error = np.abs(basis.first @ basis.curves - first).max(axis=0)
    assert (error <= 2e-4 * np.abs(first).max(axis=0) + 1e-9).all()


def test_that_samples_contain_every_frame_edge():
    timing = FrameTiming([0.0, 12.3, 1803.7], [12.3, 17.0, 299.9])
    samples = fine_times_min(timing)
    for edge in np.concatenate([timing.start_s, timing.end_s]) / 60:
        assert np.abs(samples - edge).min() < 1e-8


def test_that_random_inputs_have_suv_about_two_at_45_minutes_and_different_shapes():
    drawn = [draw_plasma(np.random.default_rng(seed)) for seed in range(200)]
    levels = np.log([p.level for p in drawn])
    assert np.exp(levels.mean()) == pytest.approx(2.2, rel=0.06)
    assert levels.std() == pytest.approx(0.2, abs=0.05)
    timing = five_minute_frames(0, 60)
    late_shares = []
    for person in drawn[:20]:
        integral = person.sampled(timing).integral
        late_shares.append(1 - integral[len(integral) // 2] / integral[-1])
    assert np.std(late_shares) > 0.01
