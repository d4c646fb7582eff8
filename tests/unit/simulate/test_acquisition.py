"""Counts, background, decay, blur."""

import numpy as np
import pytest
from scipy.integrate import quad
from tests.unit.simulate.test_projector import disc

from kiview.core.timing import FrameTiming
from kiview.simulate.acquisition import (
    ScannerSettings,
    blur,
    decay_factors,
    draw_background_errors,
    expected_counts,
    measure,
    noise_free,
    sensitivity,
)
from kiview.simulate.projector import ProjectorGeometry

GEOMETRY = ProjectorGeometry(pixels=48, bins=24, angles=24, width_mm=288.0)
CURVES = np.array([[1.0, 2.0, 0.5]], dtype=np.float32)


def expected(settings):
    image = disc(48, 288.0, 90.0) + 3 * disc(48, 288.0, 20.0, (30.0, 0.0))
    images = np.stack([image, 0.7 * image])[None]
    mu = np.float32(0.0096) * np.stack([disc(48, 288.0, 90.0)] * 2)
    return expected_counts(GEOMETRY, images, CURVES, mu, np.full(3, 30.0, np.float32), settings)


def test_that_scatter_and_randoms_are_their_share_of_the_trues():
    settings = ScannerSettings(scatter_fraction=0.35, randoms_fraction=0.25)
    found = expected(settings)
    trues = found.trues.sum(axis=(0, 1))
    np.testing.assert_allclose(found.scatter.sum(axis=(0, 1)), 0.35 * trues, rtol=1e-4)
    np.testing.assert_allclose(found.randoms * 24 * 24, 0.25 * trues, rtol=1e-4)


def test_that_frames_scale_with_their_curve():
    trues = expected(ScannerSettings()).trues
    np.testing.assert_allclose(trues[..., 1], 2 * trues[..., 0], rtol=1e-5)
    np.testing.assert_allclose(trues[..., 2], 0.5 * trues[..., 0], rtol=1e-5)


def test_that_scatter_is_smoother_than_the_trues_and_reaches_outside():
    found = expected(ScannerSettings())
    trues, scatter = found.trues[:, :, 0, 0], found.scatter[:, :, 0, 0]
    assert np.abs(np.diff(scatter, axis=1)).max() / scatter.max() < 0.5 * (
        np.abs(np.diff(trues, axis=1)).max() / trues.max()
    )
    assert scatter[:, :2].min() > 0


def test_that_measured_counts_are_whole_numbers_with_poisson_spread():
    found = expected(ScannerSettings())
    mean = found.trues + found.scatter + found.randoms
    data = measure(found, np.ones((2, 3), np.float32), np.random.default_rng(0))
    assert (data.counts == np.rint(data.counts)).all()
    deviation = (data.counts - mean) / np.sqrt(mean)
    assert deviation.mean() == pytest.approx(0, abs=0.05)
    assert deviation.std() == pytest.approx(1, abs=0.05)


def test_that_the_background_is_known_with_the_error_given():
    found = expected(ScannerSettings())
    errors = np.array([[1.1, 1.0, 1.0], [0.9, 1.0, 1.0]], dtype=np.float32)
    known = measure(found, errors, np.random.default_rng(0)).background
    exact = noise_free(found).background
    np.testing.assert_allclose(known[..., 1:], exact[..., 1:], rtol=1e-6)
    wanted = 1.1 * found.scatter[..., 0] + 0.9 * found.randoms[:, 0]
    np.testing.assert_allclose(known[..., 0], wanted, rtol=1e-5)


def test_that_background_errors_are_mostly_common_to_the_frames_of_a_scan():
    settings = ScannerSettings(background_error=0.03)
    drawn = np.stack(
        [draw_background_errors(settings, 6, np.random.default_rng(s)) for s in range(400)]
    )
    assert drawn.mean() == pytest.approx(1, abs=0.005)
    assert drawn.mean(axis=2).std() == pytest.approx(0.03, abs=0.004)
    assert drawn.std(axis=2).mean() < 0.01


def test_that_decay_factors_are_the_mean_decay_over_each_frame():
    timing = FrameTiming([0.0, 600.0, 3000.0], [5.0, 300.0, 900.0])
    rate = np.log(2) / 6586.2
    for start, duration, factor in zip(
        timing.start_s, timing.duration_s, decay_factors(timing, 6586.2), strict=True
    ):
        area, _ = quad(lambda t: np.exp(-rate * t), start, start + duration)
        assert factor == pytest.approx(area / duration, rel=1e-9)


def test_that_sensitivity_gives_the_wanted_trues_per_five_minutes_of_late_frames():
    timing = FrameTiming([0.0, 1800.0, 2100.0], [10.0, 300.0, 300.0])
    gain = timing.duration_s * 0.8
    late = np.array([100.0, 3.0, 5.0])
    factor = sensitivity(late, gain, timing, 6e5)
    assert (factor * gain * late)[1:].mean() == pytest.approx(6e5)


def test_that_blur_keeps_the_total_and_has_its_width():
    image = np.zeros((7, 41, 41), dtype=np.float32)
    image[3, 20, 20] = 1
    soft = blur(image, (4.0, 2.0, 2.0), 4.5)
    assert soft.sum() == pytest.approx(1, rel=1e-3)
    offset = 2.0 * (np.arange(41) - 20)
    sigma = 4.5 / 2.35482
    assert (soft.sum(axis=(0, 1)) * offset**2).sum() == pytest.approx(sigma**2, rel=0.02)
    z = 4.0 * (np.arange(7) - 3)
    assert (soft.sum(axis=(1, 2)) * z**2).sum() == pytest.approx(sigma**2, rel=0.02)
