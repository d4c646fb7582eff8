"""Measured input functions: exact frame sums, sizes and directions of the errors."""

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FENG_FDG
from kiview.core.timing import FrameTiming
from kiview.simulate.kinetics import frame_averages, patlak_basis
from kiview.simulate.plasma import POPULATION_LEVEL, PlasmaSettings, draw_varied_plasma
from kiview.simulate.plasma_errors import (
    SOURCES,
    InputErrors,
    aorta_region,
    curve_through_frames,
    draw_measured_input,
)

DURATIONS = np.array(12 * [5.0] + 6 * [10.0] + 8 * [30.0] + 11 * [300.0])
SCAN = FrameTiming(np.cumsum(DURATIONS) - DURATIONS, DURATIONS)
LATE = FrameTiming(SCAN.start_s[-6:], SCAN.duration_s[-6:])
SILENT = (1e-9, 1e-9)
PERSON = PlasmaSettings(FENG_FDG, 2.6, infusion_s=20.0).sampled(SCAN)


def only(source: str, **changes) -> InputErrors:
    shares = tuple(float(s == source) for s in SOURCES)
    return InputErrors(shares=shares, **changes)


def area(curve):
    return curve.integral[-1]


def test_that_the_broken_line_keeps_every_frame_mean_and_is_never_negative():
    means = np.abs(np.random.default_rng(1).standard_normal(SCAN.frame_count))
    times, values = curve_through_frames(SCAN, means)
    assert values.min() >= 0
    assert values[0] == 0
    pieces = values.reshape(-1, 3)
    halves = (pieces[:, 0] + 2 * pieces[:, 1] + pieces[:, 2]) / 4
    np.testing.assert_allclose(halves, means, rtol=1e-12)
    assert (np.diff(times) >= -1e-12).all()


def test_that_gaps_between_frames_are_bridged_by_a_straight_line():
    timing = FrameTiming([0.0, 60.0, 240.0], [60.0, 60.0, 60.0])
    times, values = curve_through_frames(timing, np.array([4.0, 3.0, 2.0]))
    middle_of_gap = np.interp(3.0, times, values)
    assert middle_of_gap == pytest.approx(0.5 * (values[5] + values[6]))


def test_that_a_perfect_region_gives_the_integral_back():
    """The fact sheet's table: frame sums are right to 0.03 %."""
    errors = only("image", recovery=(1.0, 1.0), noise=SILENT, late_start_share=0.0)
    measured = draw_measured_input(np.random.default_rng(1), PERSON, SCAN, errors)
    assert measured.source == "image"
    assert area(measured.curve) == pytest.approx(area(PERSON), rel=3e-4)
    means = frame_averages(SCAN, measured.curve.time_min, measured.curve.integral)
    true = frame_averages(SCAN, PERSON.time_min, PERSON.integral)
    np.testing.assert_allclose(means, true, rtol=1e-6, atol=1e-6)
    basis, expected = (patlak_basis(c, LATE) for c in (measured.curve, PERSON))
    np.testing.assert_allclose(basis, expected, rtol=1e-3)


def test_that_partial_volume_lowers_the_peak_more_than_the_tail():
    region = aorta_region(np.random.default_rng(2), PERSON, SCAN, 0.8, SILENT)
    true = frame_averages(SCAN, PERSON.time_min, PERSON.integral)
    share = region / np.maximum(true, 1e-9)
    peak = int(np.argmax(true))
    assert share[peak] == pytest.approx(0.8, abs=0.08)
    assert share[-1] > share[peak] + 0.02


def test_that_noise_falls_with_the_counts_of_a_frame():
    draws = np.array(
        [
            aorta_region(np.random.default_rng(s), PERSON, SCAN, 1.0, (0.02, 0.02))
            for s in range(300)
        ]
    )
    relative = draws.std(axis=0) / np.maximum(draws.mean(axis=0), 1e-9)
    at_45_min = int(np.argmin(np.abs(SCAN.mid_s - 2700)))
    assert relative[at_45_min] == pytest.approx(0.02, rel=0.15)
    expected = 0.02 * np.sqrt(300 / 30 * draws.mean(axis=0)[at_45_min] / draws.mean(axis=0)[20])
    decay = 2 ** (-(SCAN.mid_s[at_45_min] - SCAN.mid_s[20]) / 6586.2 / 2)
    assert relative[20] == pytest.approx(expected * decay, rel=0.15)


def test_that_missing_early_frames_come_from_the_scaled_population():
    errors = only("image", noise=SILENT, recovery=(1.0, 1.0), late_start_share=1.0)
    measured = draw_measured_input(np.random.default_rng(4), PERSON, SCAN, errors)
    assert measured.starts_s > 60
    early = measured.curve.time_min < measured.starts_s / 60 - 0.01
    shape = PlasmaSettings(FENG_FDG, POPULATION_LEVEL).sampled(SCAN)
    ratio = measured.curve.activity[early][300:] / np.interp(
        measured.curve.time_min[early][300:], shape.time_min, shape.activity
    )
    assert ratio.std() / ratio.mean() < 1e-6
    assert ratio.mean() == pytest.approx(2.6 / POPULATION_LEVEL, rel=0.02)


def test_that_a_scan_that_starts_late_has_an_input_from_injection():
    plasma = PlasmaSettings(FENG_FDG, 2.6).sampled(LATE)
    measured = draw_measured_input(np.random.default_rng(4), plasma, LATE, only("image"))
    assert measured.curve.time_min[0] == 0
    assert measured.curve.activity[measured.curve.time_min < 5].max() > 8


def test_that_a_scaled_population_of_the_same_shape_is_right_and_an_unscaled_one_is_not():
    exact = {"recovery": (1.0, 1.0), "noise": SILENT, "late_start_share": 0.0}
    same = PlasmaSettings(FENG_FDG, 2.6).sampled(SCAN)
    rng = np.random.default_rng(3)
    scaled = draw_measured_input(rng, same, SCAN, only("scaled population", **exact))
    assert area(scaled.curve) == pytest.approx(area(same), rel=1e-6)
    unscaled = draw_measured_input(rng, same, SCAN, only("population", dose_error=0.0))
    assert area(unscaled.curve) == pytest.approx(area(same) * POPULATION_LEVEL / 2.6, rel=1e-6)


def test_that_the_mixture_of_sources_has_the_shares_and_plausible_errors():
    found, error = [], []
    for seed in range(240):
        rng = np.random.default_rng(seed)
        plasma = draw_varied_plasma(rng).sampled(SCAN)
        measured = draw_measured_input(rng, plasma, SCAN)
        found.append(measured.source)
        error.append(area(measured.curve) / area(plasma) - 1)
        assert np.isfinite(measured.curve.activity).all()
        assert measured.curve.activity.min() >= 0
        assert patlak_basis(measured.curve, LATE).shape == (2, 6)
    shares = [found.count(s) / len(found) for s in SOURCES]
    np.testing.assert_allclose(shares, InputErrors().shares, atol=0.08)
    by_source = {
        s: np.array([e for e, f in zip(error, found, strict=True) if f == s]) for s in SOURCES
    }
    assert np.abs(by_source["true"]).max() == 0
    assert 0.02 < np.abs(by_source["image"]).mean() < 0.2
    assert np.abs(by_source["population"]).mean() > np.abs(by_source["image"]).mean()


@pytest.mark.parametrize("wrong", [{"shares": (0, 0, 0, 0)}, {"recovery": (0.9, 1.2)}])
def test_that_impossible_errors_are_refused(wrong):
    with pytest.raises(InvalidInputError, match="recovery lies in 0 to 1"):
        InputErrors(**wrong)
