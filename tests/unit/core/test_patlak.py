"""Patlak against closed forms, published model matrices and scipy."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kiview.core import _patlak_loops, patlak
from kiview.core.errors import InvalidInputError
from kiview.core.feng import FENG_FDG_NO_DELAY, FengParameters, feng_activity
from kiview.core.input_curves import FengCurve
from kiview.core.input_function import InputFunction, InputSource, from_samples
from kiview.core.patlak import PatlakSettings, Weighting
from kiview.core.timing import FrameTiming
from kiview.core.tracer import frame_decay_correction
from kiview.core.units import ACTIVITY

DATA = Path(__file__).resolve().parents[2] / "data"
FENG = FENG_FDG_NO_DELAY

# science.md 2.2: name, K1, k2, k3, Vb, Patlak 30-60 Ki / V0, Patlak 50-70 Ki / V0 (k4 = 0).
TISSUES = [
    ("blood", 0.0, 1.0, 0.0, 1.0, 0.0, 1.000, 0.0, 1.000),
    ("grey matter", 0.102, 0.130, 0.062, 0.04, 0.03137, 0.429, 0.03157, 0.411),
    ("white matter", 0.054, 0.109, 0.045, 0.03, 0.01508, 0.311, 0.01525, 0.295),
    ("myocardium", 0.6, 1.2, 0.1, 0.05, 0.04383, 0.459, 0.04384, 0.458),
    ("liver", 0.864, 0.981, 0.004, 0.0, 0.00344, 0.889, 0.00350, 0.884),
    ("lung", 0.108, 0.735, 0.016, 0.15, 0.00194, 0.272, 0.00195, 0.272),
    ("spleen", 0.6, 0.8, 0.004, 0.15, 0.00248, 0.795, 0.00253, 0.791),
    ("kidney cortex", 0.7, 0.9, 0.006, 0.15, 0.00389, 0.815, 0.00393, 0.811),
    ("bone marrow", 0.25, 0.60, 0.012, 0.05, 0.00461, 0.442, 0.00465, 0.438),
    ("muscle", 0.03, 0.20, 0.012, 0.03, 0.00157, 0.174, 0.00163, 0.168),
    ("fat", 0.01, 0.10, 0.008, 0.01, 0.00065, 0.113, 0.00070, 0.108),
    ("soft tissue", 0.047, 0.325, 0.084, 0.029, 0.00935, 0.122, 0.00937, 0.120),
    ("tumour, moderate", 0.15, 0.45, 0.06, 0.05, 0.01673, 0.305, 0.01676, 0.302),
    ("tumour, liver", 0.243, 0.78, 0.1, 0.05, 0.02622, 0.287, 0.02623, 0.285),
    ("tumour, very hot", 0.3, 0.5, 0.2, 0.05, 0.08140, 0.347, 0.08142, 0.345),
]


def feng_input(scale=1.0):
    return InputFunction(FengCurve(FENG, scale), InputSource.POPULATION, ACTIVITY)


def convolved_with_exponential(t, rate, p: FengParameters):
    """Feng curve convolved with exp(-rate t), written out term by term."""

    def plain(amplitude, slope):
        return amplitude * (np.exp(slope * t) - np.exp(-rate * t)) / (slope + rate)

    ramp = p.a1 * t * np.exp(p.l1 * t) / (p.l1 + rate) - plain(p.a1, p.l1) / (p.l1 + rate)
    return ramp + plain(-p.a2 - p.a3, p.l1) + plain(p.a2, p.l2) + plain(p.a3, p.l3)


def tissue_at(t, k1, k2, k3, vb):
    """Irreversible two-tissue response plus blood, at times in minutes."""
    trapped = k3 * convolved_with_exponential(t, 0.0, FENG)
    free = k2 * convolved_with_exponential(t, k2 + k3, FENG)
    tissue = k1 / (k2 + k3) * (trapped + free)
    return (1 - vb) * tissue + vb * feng_activity(t, FENG)


def frame_means(timing, *kinetics):
    nodes, weights = np.polynomial.legendre.leggauss(12)
    mid, half = timing.mid_s[:, None] / 60, timing.duration_s[:, None] / 120
    return (tissue_at(mid + half * nodes, *kinetics) * weights / 2).sum(axis=1)


@pytest.mark.parametrize("row", TISSUES, ids=[row[0] for row in TISSUES])
@pytest.mark.parametrize("window", ["30-60", "50-70"])
def test_that_patlak_gives_the_published_ki_and_v0_of_each_tissue(row, window):
    _, k1, k2, k3, vb, *expected = row
    ki, v0 = expected[:2] if window == "30-60" else expected[2:]
    start, end = (60 * float(minute) for minute in window.split("-"))
    timing = FrameTiming(np.arange(start, end, 300.0), np.full(int((end - start) / 300), 300.0))
    design = patlak.design(timing, feng_input(), PatlakSettings(start, end))
    fitted = patlak.fit(design, frame_means(timing, k1, k2, k3, vb)[:, None])
    assert fitted.ki[0] == pytest.approx(ki, abs=5e-5)
    assert fitted.v0[0] == pytest.approx(v0, abs=0.003)


def noisy_problem(frames=8, voxels=40, seed=3, noise=0.1):
    rng = np.random.default_rng(seed)
    timing = FrameTiming(1800 + 240.0 * np.arange(frames), np.full(frames, 240.0))
    settings = PatlakSettings(1800, 1800 + 240 * frames)
    design = patlak.design(timing, feng_input(0.14354), settings)
    y = 0.4 + 0.03 * design.x_min[:, None] + rng.normal(0, noise, (frames, voxels))
    return timing, settings, design, y, y * design.cp[:, None]


def test_that_slope_intercept_and_standard_error_equal_scipy_linregress():
    _, _, design, y, activity = noisy_problem()
    fitted = patlak.fit(design, activity)
    for v in range(y.shape[1]):
        truth = stats.linregress(design.x_min, y[:, v])
        assert fitted.ki[v] == pytest.approx(truth.slope, rel=1e-6)
        assert fitted.v0[v] == pytest.approx(truth.intercept, rel=1e-6)
        assert fitted.ki_se[v] == pytest.approx(truth.stderr, rel=1e-6)


def test_that_float32_frames_keep_the_standard_error_to_1e_6_of_their_own_values():
    _, _, design, _, activity = noisy_problem()
    stored = activity.astype(np.float32)
    fitted = patlak.fit(design, stored)
    ratio = stored.astype(np.float64) / design.cp[:, None]
    truth = [stats.linregress(design.x_min, ratio[:, v]).stderr for v in range(ratio.shape[1])]
    np.testing.assert_allclose(fitted.ki_se, truth, rtol=1e-6)


@pytest.mark.parametrize("noise", [1e-2, 1e-3, 3e-4, 1e-4, 1e-6])
def test_that_the_standard_error_of_nearly_noise_free_voxels_is_that_of_their_residuals(noise):
    """Not against linregress: its 1 - r ** 2 is rounding there."""
    _, _, design, _, activity = noisy_problem(frames=40, voxels=200, noise=noise)
    fitted = patlak.fit(design, activity)
    ratio, x = activity / design.cp[:, None], design.x_min
    residual = ratio - np.vander(x, 2) @ np.polyfit(x, ratio, 1)
    truth = np.sqrt((residual**2).sum(axis=0) / (len(x) - 2) / ((x - x.mean()) ** 2).sum())
    np.testing.assert_allclose(fitted.ki_se, truth, rtol=1e-6)


@pytest.mark.parametrize("weighting", [Weighting.LINEAR, Weighting.LINEAR_WEIGHTED])
def test_that_the_linear_forms_solve_their_weighted_least_squares(weighting):
    timing, settings, design, _, activity = noisy_problem()
    named = PatlakSettings(settings.start_s, settings.end_s, weighting)
    fitted = patlak.fit(patlak.design(timing, feng_input(0.14354), named), activity)
    weight = np.ones(len(design.cp))
    if weighting is Weighting.LINEAR_WEIGHTED:
        weight = timing.duration_s * np.exp(-np.log(2) * timing.mid_s / 6586.2)
    basis = np.column_stack([design.x_min * design.cp, design.cp])
    normal = basis.T @ (weight[:, None] * basis)
    truth = np.linalg.solve(normal, basis.T @ (weight[:, None] * activity))
    np.testing.assert_allclose([fitted.ki, fitted.v0], truth, rtol=2e-6)


def test_that_doubling_the_input_function_halves_ki_and_v0():
    timing, settings, design, _, activity = noisy_problem()
    once = patlak.fit(design, activity)
    doubled = patlak.fit(patlak.design(timing, feng_input(2 * 0.14354), settings), activity)
    np.testing.assert_allclose(doubled.ki, once.ki / 2, rtol=1e-6)
    np.testing.assert_allclose(doubled.v0, once.v0 / 2, rtol=1e-5)


def test_that_two_frames_give_a_line_and_no_standard_error():
    _, _, design, _, activity = noisy_problem(frames=2)
    fitted = patlak.fit(design, activity)
    y = activity / design.cp[:, None]
    slope = (y[1] - y[0]) / (design.x_min[1] - design.x_min[0])
    np.testing.assert_allclose(fitted.ki, slope, rtol=1e-5)
    assert np.isnan(fitted.ki_se).all()
    assert patlak.fit_curve(design, activity[:, 0]) == pytest.approx(
        (fitted.ki[0], fitted.v0[0], np.nan), rel=1e-6, nan_ok=True
    )


def test_that_a_voxel_with_a_missing_frame_is_not_fitted_and_its_neighbours_are():
    _, _, design, _, activity = noisy_problem()
    activity[3, 5] = np.nan
    fitted = patlak.fit(design, activity)
    for result in (fitted.ki, fitted.v0, fitted.ki_se):
        assert np.isnan(result[5])
        assert np.isfinite(np.delete(result, 5)).all()


def test_that_a_voxel_with_an_infinite_frame_has_no_standard_error_and_its_neighbours_have():
    _, _, design, _, activity = noisy_problem()
    activity[3, 5] = np.inf
    fitted = patlak.fit(design, activity)
    assert not np.isfinite([fitted.ki[5], fitted.v0[5], fitted.ki_se[5]]).any()
    assert np.isnan(fitted.ki_se[5])
    assert np.isfinite(np.delete(fitted.ki_se, 5)).all()


def test_that_empty_voxels_have_zero_in_every_map():
    _, _, design, _, _ = noisy_problem()
    fitted = patlak.fit(design, np.zeros((8, 3), np.int16))
    assert not np.any([fitted.ki, fitted.v0, fitted.ki_se])


def by_hand(design, values):
    """Ki, V0 and standard error by the basis of the residuals, voxel by voxel."""
    return np.transpose([patlak.fit_curve(design, values[:, v]) for v in range(values.shape[1])])


@pytest.mark.parametrize("dtype", ["int16", "uint16", ">i2", "int32", "float32", "float64", "u1"])
def test_that_voxels_of_any_type_are_fitted_as_their_values(dtype):
    _, _, design, _, activity = noisy_problem(voxels=300)
    stored = np.rint(activity / activity.max() * 250).astype(dtype)
    fitted = patlak.fit(design, stored)
    expected = by_hand(design, stored.astype(float))
    np.testing.assert_allclose([fitted.ki, fitted.v0, fitted.ki_se], expected, rtol=1e-6)


def test_that_every_voxel_of_several_blocks_is_fitted():
    _, _, design, _, activity = noisy_problem(voxels=4501)
    fitted = patlak.fit(design, activity)
    np.testing.assert_allclose(
        [fitted.ki, fitted.v0, fitted.ki_se], by_hand(design, activity), rtol=1e-6
    )


@pytest.mark.parametrize(
    "view",
    [
        lambda frames: frames[4:12, 2],
        lambda frames: frames[11:3:-1, 2][::-1],
        lambda frames: frames[3::-1, 1],
        lambda frames: frames[4:12, :, 7],
        lambda frames: np.broadcast_to(frames[5, 2], (8, 30)),
        lambda frames: np.asfortranarray(frames[4:12, 2]),
        lambda frames: frames[4:12, 2, :1],
        lambda frames: frames[4:12, 2, :0],
    ],
)
def test_that_views_of_a_store_are_fitted_like_copies(view):
    stored = np.random.default_rng(5).integers(0, 3000, (12, 3, 30)).astype(np.int16)
    stored.flags.writeable = False
    voxels = view(stored)
    _, _, design, _, _ = noisy_problem(frames=len(voxels))
    out = np.empty((3, voxels.shape[1]), np.float32)
    patlak.fit_into(design, voxels, out)
    np.testing.assert_allclose(out.T, by_hand(design, voxels.astype(float)).reshape(3, -1).T, 1e-6)


def test_that_the_compiled_loops_give_what_their_python_gives():
    _, _, design, _, activity = noisy_problem(voxels=30)
    activity[:, 3] = design.cp  # on the line: nothing is left
    weights = np.stack([design.ki, design.v0, design.squares])
    compiled, plain = np.empty((2, 3, 30), np.float32)
    count = _patlak_loops.fit_rows(activity.ravel(), 30, weights, design.fitted, compiled)
    sums = tuple(np.empty((3, 30)))
    _patlak_loops._sum_frames.py_func(activity.ravel(), 30, weights, 30, sums)
    assert _patlak_loops._finish.py_func(sums, design.fitted, tuple(plain)) == count == 1
    assert compiled[2, 3] == plain[2, 3] == -1
    np.testing.assert_allclose(compiled, plain, rtol=1e-6, atol=1e-12)
    _patlak_loops.fit_rows.py_func(activity.ravel(), 30, weights, design.fitted, plain)
    np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize(
    ("window", "sentence"),
    [((7000, 8000), "at least two frames"), ((1800, 2040), "has 1 there")],
)
def test_that_too_few_frames_in_the_window_are_refused(window, sentence):
    timing = FrameTiming(1800 + 240.0 * np.arange(8), np.full(8, 240.0))
    with pytest.raises(InvalidInputError, match=sentence):
        patlak.design(timing, feng_input(), PatlakSettings(*window))


def test_that_an_input_function_without_activity_is_refused():
    timing = FrameTiming([1800, 2100], [300, 300])
    flat = from_samples([0, 4000], [0, 0], ACTIVITY)
    with pytest.raises(InvalidInputError, match="not positive"):
        patlak.design(timing, flat, PatlakSettings())


def test_that_an_empty_window_is_refused():
    with pytest.raises(InvalidInputError, match="start before the end"):
        PatlakSettings(3600, 1800)


def test_that_the_wrong_number_of_frames_is_refused():
    _, _, design, _, activity = noisy_problem()
    with pytest.raises(InvalidInputError, match="8 frames but got 7"):
        patlak.fit(design, activity[:7])
    with pytest.raises(InvalidInputError, match="8 frames but got 7"):
        patlak.fit_curve(design, activity[:7, 0])


def stir_plasma(half_life_s=6586.2):
    table = np.loadtxt(DATA / "stir-patlak" / "plasma.if", skiprows=1)
    time_s, plasma = table[:, 0], table[:, 1]
    return from_samples(time_s, plasma * np.exp2(time_s / half_life_s), ACTIVITY)


def stir_frames():
    definition = np.loadtxt(DATA / "stir-patlak" / "time.fdef")
    duration = np.repeat(definition[:, 1], definition[:, 0].astype(int))
    return FrameTiming(np.cumsum(duration) - duration, duration)


def test_that_the_input_function_gives_the_patlak_matrix_of_stir():
    """STIR integrates to the frame END and multiplies both columns by the frame's decay."""
    matrix = np.loadtxt(DATA / "stir-patlak" / "math_model_matrix.in", skiprows=1)
    frames = stir_frames().select(np.arange(22, 28))
    plasma = stir_plasma()
    mean = plasma.frame_mean(frames.start_s, frames.duration_s)
    expected_mean = [7.18224, 6.67699, 6.23402, 5.8495, 5.50858, 5.19509]
    np.testing.assert_allclose(mean, expected_mean, rtol=2e-4)
    decay = 1 / frame_decay_correction(frames.start_s, frames.duration_s, 6586.2)
    undecayed = stir_plasma(half_life_s=np.inf).frame_mean(frames.start_s, frames.duration_s)
    np.testing.assert_allclose(undecayed, matrix[:, 1], rtol=2e-4)
    np.testing.assert_allclose(plasma.integral(frames.end_s) * decay, matrix[:, 0], rtol=2e-4)


def osipi_cases():
    lines = (DATA / "osipi-patlak" / "patlak_sd_0.02_delay_0.csv").read_text().splitlines()[1:]
    for line in lines:
        label, vp, ps, _, *columns = line.split(",")
        t, tissue, plasma = (np.array(column.split(), float) for column in columns[:3])
        yield pytest.param(float(vp), float(ps), t, tissue, plasma, id=label)


@pytest.mark.parametrize(("vp", "ps", "t", "tissue", "plasma"), list(osipi_cases()))
def test_that_osipi_curves_give_their_permeability_and_plasma_volume(vp, ps, t, tissue, plasma):
    step = t[1] - t[0]
    timing = FrameTiming(t - step / 2, np.full(len(t), step))
    arterial = from_samples(t, plasma, ACTIVITY)
    settings = PatlakSettings(0.0, float(t[-1] + step), Weighting.LINEAR)
    design = patlak.design(timing, arterial, settings)
    fitted = patlak.fit(design, tissue[design.frames][:, None])
    assert fitted.ki[0] == pytest.approx(ps, abs=4e-4)
    assert fitted.v0[0] == pytest.approx(vp, abs=2e-3)


def test_that_frames_at_one_place_of_the_patlak_plot_are_refused():
    constant_in_time = from_samples([0, 1e-6, 1e9], [0, 1, 1], ACTIVITY)
    timing = FrameTiming([1e8, 1e8 + 1e-5], [9e-6, 9e-6])
    with pytest.raises(InvalidInputError, match="one point of the Patlak plot"):
        patlak.design(timing, constant_in_time, PatlakSettings(0, 1e9))


def test_that_stored_integers_with_slope_and_intercept_give_the_maps_of_their_values():
    _, _, design, _, activity = noisy_problem()
    slope = np.linspace(1e-4, 2e-4, len(design.frames))
    intercept = np.linspace(-0.1, 0.2, len(design.frames))
    stored = np.rint((activity - intercept[:, None]) / slope[:, None]).astype(np.int32)
    values = stored * slope[:, None] + intercept[:, None]
    out = np.empty((3, activity.shape[1]), np.float32)
    patlak.fit_into(design, stored, out, slope, intercept)
    expected = patlak.fit(design, values)
    np.testing.assert_allclose(out, [expected.ki, expected.v0, expected.ki_se], rtol=1e-6)
