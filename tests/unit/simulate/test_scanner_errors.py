"""Slices that share noise, attenuation that is off, detector modules that lose counts."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulate.test_acquisition import GEOMETRY, expected

from kiview.simulate.acquisition import (
    FWHM_PER_SIGMA,
    ScannerSettings,
    draw_background_errors,
    measure,
    noise_free,
)
from kiview.simulate.projector import attenuation_factors
from kiview.simulate.recon import Sinograms
from kiview.simulate.scanner_errors import (
    corrected_with,
    known_attenuation,
    mix_slices,
    mixing_reach,
    mixing_taps,
    with_bad_module,
)
from kiview.simulate.slab import simulate_slab
from kiview.simulate.slab_config import SlabConfig
from kiview.simulate.tissues import Label

SLICE_MM = 4.0


def tall(slices):
    """Data of equal slices but for a number that says which it is."""
    height = np.arange(1.0, slices + 1, dtype=np.float32)
    counts = np.ones((6, 8, 1, 2), np.float32) * height[None, None, :, None]
    attenuation = np.linspace(0.1, 1.0, 6 * 8 * slices, dtype=np.float32).reshape(6, 8, slices)
    data = counts * attenuation[..., None]
    return Sinograms(data, 0.5 * data, attenuation, np.ones(2, np.float32))


def test_that_taps_are_a_gaussian_of_the_width_asked_for():
    taps = mixing_taps(12.0, 2.0)
    offsets = 2.0 * np.arange(-(taps.size // 2), taps.size // 2 + 1)
    assert taps.sum() == pytest.approx(1)
    sigma = np.sqrt((taps * offsets**2).sum())
    assert FWHM_PER_SIGMA * sigma == pytest.approx(12.0, rel=0.02)
    assert mixing_reach(0.0, 4.0) == 0


def test_that_mixing_keeps_a_line_along_the_axis_whatever_the_attenuation():
    """The mean of a ramp over symmetric neighbours is the ramp: corrected data, then as it was."""
    data = tall(9)
    reach = mixing_reach(6.0, SLICE_MM)
    mixed = mix_slices(data, 6.0, SLICE_MM)
    inner = slice(reach, 9 - reach)
    np.testing.assert_allclose(mixed.counts, data.counts[:, :, inner], rtol=1e-5)
    np.testing.assert_allclose(mixed.background, data.background[:, :, inner], rtol=1e-5)
    np.testing.assert_array_equal(mixed.attenuation, data.attenuation[:, :, inner])


def test_that_no_mixing_gives_the_data_back():
    data = tall(3)
    assert mix_slices(data, 0.0, SLICE_MM) is data


@pytest.mark.slow
@pytest.mark.parametrize("fwhm_mm", [0.0, 5.0, 8.0])
def test_that_noise_of_slices_correlates_as_far_as_the_mixing_says(fwhm_mm):
    """Correlation at d slices is exp(-(d dz)^2 / (4 sigma^2)): stated, and found in OSEM frames."""
    scanner = ScannerSettings(axial_mixing_fwhm_mm=fwhm_mm, trues_per_frame=2e6)
    config = SlabConfig(
        kind="uniform", slices=8, pixels=64, pixel_mm=8.0, lesions=0, frame_count=3, scanner=scanner
    )
    slab = simulate_slab(config, 11, with_direct=False)
    noise = slab.frames - slab.frames_second
    inside = (slab.labels == Label.BACKGROUND).all(axis=0)
    taps = mixing_taps(fwhm_mm, config.slice_mm)
    for distance in (1, 2, 3):
        a, b = noise[:, :-distance][..., inside], noise[:, distance:][..., inside]
        found = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        shared = np.correlate(taps, taps, "full")
        middle = taps.size - 1
        stated = shared[middle + distance] / shared[middle] if distance < taps.size else 0.0
        assert found == pytest.approx(stated, abs=0.06)


@pytest.mark.slow
def test_that_mixing_does_not_move_the_mean_of_a_slab():
    base = SlabConfig(slices=4, pixels=48, pixel_mm=8.5, angles=32, subsets=8, frame_count=2)
    mixing = replace(base, scanner=replace(base.scanner, axial_mixing_fwhm_mm=6.0))
    plain, mixed = (simulate_slab(c, 3, with_direct=False) for c in (base, mixing))
    np.testing.assert_array_equal(plain.ki, mixed.ki)
    inside = plain.body
    assert mixed.frames[:, inside].mean() == pytest.approx(plain.frames[:, inside].mean(), rel=0.03)


def test_that_the_known_attenuation_is_scaled_and_shifted():
    mu = np.zeros((9, 4, 4), np.float32)
    mu[4:] = 0.0096
    settings = ScannerSettings(attenuation_error=0.05, attenuation_shift_mm=4.0)
    draws = np.random.default_rng(7).standard_normal(2)
    known = known_attenuation(mu, settings, SLICE_MM, np.random.default_rng(7))
    assert known[-1].mean() == pytest.approx(0.0096 * (1 + 0.05 * draws[0]), rel=1e-5)
    moved_mm = SLICE_MM * (mu[:, 0, 0] - known[:, 0, 0] / (1 + 0.05 * draws[0])).sum() / 0.0096
    assert moved_mm == pytest.approx(4.0 * draws[1], abs=1e-3)


def test_that_without_an_error_the_known_attenuation_is_the_true_one():
    mu = np.full((3, 4, 4), 0.0096, np.float32)
    known = known_attenuation(mu, ScannerSettings(), SLICE_MM, np.random.default_rng(0))
    np.testing.assert_array_equal(known, mu)


def test_that_a_wrong_map_changes_the_correction_and_not_the_counts():
    found = expected(ScannerSettings())
    mu = np.full((2, 48, 48), 0.005, np.float32)
    other = corrected_with(found, GEOMETRY, mu)
    assert other.trues is found.trues
    factors = attenuation_factors(GEOMETRY, np.moveaxis(mu, 0, -1))
    np.testing.assert_array_equal(other.attenuation, factors)


def test_that_a_bad_module_loses_counts_in_at_most_three_slices_and_only_there():
    settings = ScannerSettings(bad_module_share=1.0)
    found = expected(settings)
    for seed in range(8):
        hit = with_bad_module(found, settings, np.random.default_rng(seed))
        lost = found.trues - hit.trues
        slices = (lost > 0).any(axis=(0, 1, 3)).sum()
        assert lost.min() >= 0
        assert 1 <= slices <= 3
        assert 0 < lost.sum() < 0.3 * found.trues.sum()
        np.testing.assert_array_equal(hit.attenuation, found.attenuation)


def test_that_a_scanner_without_faults_keeps_its_counts():
    settings = ScannerSettings()
    found = expected(settings)
    assert with_bad_module(found, settings, np.random.default_rng(0)) is found


def test_that_mixed_noise_is_weaker_by_what_the_taps_average():
    found = expected(ScannerSettings())
    wide = replace(
        found,
        **{n: np.repeat(getattr(found, n)[:, :, :1], 9, axis=2) for n in ("trues", "scatter")},
        randoms=np.repeat(found.randoms[:1], 9, axis=0),
        attenuation=np.repeat(found.attenuation[:, :, :1], 9, axis=2),
    )
    errors = draw_background_errors(ScannerSettings(background_error=0.0), 3, _rng(1))
    data = measure(wide, errors, _rng(2))
    clean = noise_free(wide)
    taps = mixing_taps(6.0, SLICE_MM)
    reach = taps.size // 2
    before = (data.counts - clean.counts)[:, :, reach : 9 - reach]
    after = mix_slices(data, 6.0, SLICE_MM).counts - clean.counts[:, :, reach : 9 - reach]
    assert after.std() / before.std() == pytest.approx(np.sqrt((taps**2).sum()), rel=0.03)


def _rng(seed):
    return np.random.default_rng(seed)
