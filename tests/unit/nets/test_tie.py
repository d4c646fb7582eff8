import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from kiview.nets.preprocess import FWHM_PER_SIGMA
from kiview.nets.tie import TIE_FWHM_MM, doubled, halved, tie_to_patlak

SPACING = (4.0, 4.0, 4.0)


def test_that_the_tie_restores_a_coarse_bias_and_raises_the_alarm():
    patlak = np.full((12, 40, 40), 0.01, np.float32)
    tied, alarm = tie_to_patlak(patlak * np.float32(0.7), patlak, 0.01, SPACING)
    np.testing.assert_allclose(tied, patlak, rtol=1e-3)
    np.testing.assert_allclose(alarm, abs(np.log(0.7)), rtol=2e-3)


def test_that_the_tie_changes_by_no_more_than_a_factor_of_two():
    patlak = np.full((4, 20, 20), 0.01, np.float32)
    tied, _ = tie_to_patlak(patlak / 5, patlak, 0.01, SPACING)
    np.testing.assert_allclose(tied, patlak / 5 * 2, rtol=1e-6)


def test_that_the_tie_leaves_an_empty_study_alone():
    empty = np.zeros((2, 8, 8), np.float32)
    tied, alarm = tie_to_patlak(empty, empty, 0.0, SPACING)
    assert not tied.any()
    assert not alarm.any()


@pytest.mark.parametrize("shape", [(24, 40, 44), (9, 41, 43)])
def test_that_the_tie_uses_the_ratio_under_a_wide_gaussian(shape):
    rng = np.random.default_rng(0)
    body = np.zeros(shape, np.float32)
    body[:, 8:-8, 6:-6] = 0.005
    ki = body * (1 + 0.5 * (np.indices(shape)[2] > shape[2] // 2))
    patlak = (body * 1.2 + 0.0008 * rng.standard_normal(shape)).astype(np.float32)
    sigma = TIE_FWHM_MM / FWHM_PER_SIGMA / 4.0
    wide = [gaussian_filter(part, sigma, mode="nearest") for part in (patlak, ki)]
    tied, alarm = tie_to_patlak(ki.astype(np.float32), patlak, 0.005, SPACING)
    inside = body > 0
    ratio = wide[0][inside] / wide[1][inside]
    np.testing.assert_allclose(tied[inside], ki[inside] * ratio, rtol=0.03)
    np.testing.assert_allclose(alarm[inside], np.abs(np.log(ratio)), rtol=0, atol=0.03)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 8), (7, 4, 3)])
def test_that_halving_and_doubling_keeps_shape_and_a_constant(shape):
    flat = np.full(shape, 2.5, np.float32)
    np.testing.assert_allclose(doubled(halved(flat), shape), flat)


def test_that_doubling_puts_values_back_where_they_were():
    ramp = np.broadcast_to(np.arange(12, dtype=np.float32), (4, 6, 12))
    np.testing.assert_allclose(doubled(halved(ramp), ramp.shape)[:, :, 1:-1], ramp[:, :, 1:-1])
