from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from kiview.nets.doubt import doubt_of
from kiview.nets.preprocess import FWHM_PER_SIGMA, smooth
from kiview.nets.tie import (
    DENY_SIGMAS,
    KEEP_FWHM_MM,
    KEEP_SIGMAS,
    TIE_ALLOWED,
    TIE_FWHM_MM,
    PatlakReference,
    asked_sigmas,
    doubled,
    follow_patlak,
    halved,
    local_noise,
    make_consistent,
    patlak_reference,
    tie_to_patlak,
    widened,
)

SPACING = (4.0, 4.0, 4.0)


def test_that_the_tie_restores_a_coarse_bias_and_raises_the_alarm():
    patlak = np.full((12, 40, 40), 0.01, np.float32)
    tied, alarm = tie_to_patlak(patlak * np.float32(0.7), patlak, 0.01, SPACING)
    np.testing.assert_allclose(tied, patlak * np.exp(-TIE_ALLOWED), rtol=1e-3)
    np.testing.assert_allclose(alarm, abs(np.log(0.7)), rtol=2e-3)


@pytest.mark.parametrize("factor", [0.955, 1.0, 1.045])
def test_that_the_tie_leaves_what_patlak_may_be_wrong_by(factor):
    patlak = np.full((12, 40, 40), 0.01, np.float32)
    ki = patlak * np.float32(factor)
    tied, alarm = tie_to_patlak(ki, patlak, 0.01, SPACING)
    np.testing.assert_allclose(tied, ki, rtol=1e-6)
    np.testing.assert_allclose(alarm, abs(np.log(factor)), atol=2e-3)


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
    patlak = (body * 1.6 + 0.0008 * rng.standard_normal(shape)).astype(np.float32)
    sigma = TIE_FWHM_MM / FWHM_PER_SIGMA / 4.0
    wide = [gaussian_filter(part, sigma, mode="nearest") for part in (patlak, ki)]
    tied, alarm = tie_to_patlak(ki.astype(np.float32), patlak, 0.005, SPACING)
    inside = body > 0
    ratio = wide[0][inside] / wide[1][inside]
    log_ratio = np.log(ratio)
    beyond = np.sign(log_ratio) * np.maximum(np.abs(log_ratio) - TIE_ALLOWED, 0)
    np.testing.assert_allclose(tied[inside], ki[inside] * np.exp(beyond), rtol=0.03)
    np.testing.assert_allclose(alarm[inside], np.abs(np.log(ratio)), rtol=0, atol=0.03)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 8), (7, 4, 3)])
def test_that_halving_and_doubling_keeps_shape_and_a_constant(shape):
    flat = np.full(shape, 2.5, np.float32)
    np.testing.assert_allclose(doubled(halved(flat), shape), flat)


def test_that_doubling_puts_values_back_where_they_were():
    ramp = np.broadcast_to(np.arange(12, dtype=np.float32), (4, 6, 12))
    np.testing.assert_allclose(doubled(halved(ramp), ramp.shape)[:, :, 1:-1], ramp[:, :, 1:-1])


def noisy_body(sigma, lesion=0.0, seed=0, spacing=SPACING):
    """Ki 0.003 in a box, a lesion of 20 mm in its middle, its uptake, and noise of 4 mm width."""
    shape = (40, 64, 64)
    inside = np.zeros(shape, np.float32)
    inside[:, 8:-8, 8:-8] = 1
    z, y, x = (d * (np.arange(n) - n / 2) for n, d in zip(shape, spacing, strict=True))
    ball = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < 10.0**2
    truth = 0.003 * inside + lesion * ball
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    noise = sigma * smooth(noise, (4.0,) * 3, spacing) * inside
    return (truth + noise).astype(np.float32), 0.01 * inside, ball, truth.astype(np.float32)


@pytest.mark.parametrize("sigma", [0.001, 0.004])
def test_that_the_noise_of_patlak_is_found_from_the_map_itself(sigma):
    patlak, fur, _, truth = noisy_body(sigma)
    inner = (slice(8, -8), slice(18, -18), slice(18, -18))
    true = smooth(patlak - truth, (KEEP_FWHM_MM,) * 3, SPACING)[inner].std()
    found = local_noise(patlak, fur, 0.01, SPACING)[inner]
    assert found.mean() == pytest.approx(true, rel=0.2)
    assert found.std() < 0.05 * found.mean()


def test_that_a_lesion_of_eight_times_the_body_moves_the_noise_by_less_than_a_fifth():
    plain, fur, ball, _ = noisy_body(0.002)
    with_lesion = noisy_body(0.002, lesion=0.02)[0]
    shown = fur + 0.02 * ball.astype(np.float32)
    before = local_noise(plain, fur, 0.01, SPACING)[ball].mean()
    after = local_noise(with_lesion, shown, 0.01, SPACING)[ball].mean()
    assert before < after < 1.2 * before


def test_that_noisy_scans_ask_for_more_standard_deviations():
    noise = np.array([0.02, 0.09, 0.18, 0.9], np.float32) * np.float32(0.01)
    np.testing.assert_allclose(asked_sigmas(noise, 0.01), [1, 1, 2, 2.5], rtol=1e-6)
    np.testing.assert_array_equal(asked_sigmas(noise, 0.0), 1.0)


def test_that_plain_noise_adds_less_than_a_hundredth_of_the_normaliser():
    noise = np.linspace(0, 4, 4001, dtype=np.float32)
    sigmas = np.asarray(asked_sigmas(noise, 1.0))
    added = noise * (norm.pdf(sigmas) - sigmas * norm.sf(sigmas))
    assert added.max() < 0.01


def test_that_an_erased_lesion_that_patlak_shows_is_given_back():
    patlak, fur, ball, _ = noisy_body(0.002, lesion=0.01)
    erased = (0.003 * (fur > 0)).astype(np.float32)
    kept = follow_patlak(erased, patlak_reference(patlak, fur, 0.01, SPACING), deny_sigmas=100)
    recovery = (kept[ball].mean() - 0.003) / 0.01
    assert 0.4 < recovery < 1.0
    assert (kept >= erased).all()


def test_that_of_plain_noise_only_the_tail_is_added():
    """Beyond t sigmas the mean excess of a normal variable is phi(t) - t Q(t): 0.083 at t = 1."""
    patlak, fur, _, truth = noisy_body(0.004)
    reference = patlak_reference(patlak, fur, 0.01, SPACING)
    noise = reference.noise
    kept = follow_patlak(truth, reference, deny_sigmas=100)
    inner = (slice(8, -8), slice(18, -18), slice(18, -18))
    added = (kept - truth)[inner].mean() / noise[inner].mean()
    tail = norm.pdf(KEEP_SIGMAS) - KEEP_SIGMAS * norm.sf(KEEP_SIGMAS)
    assert added == pytest.approx(tail, abs=0.03)


def test_that_a_map_that_agrees_with_patlak_stays_as_it_is():
    patlak, fur, _, _ = noisy_body(0.0)
    reference = patlak_reference(patlak, fur, 0.01, SPACING)
    np.testing.assert_allclose(follow_patlak(patlak, reference), patlak, atol=1e-9)


def test_that_an_invented_lesion_that_patlak_denies_is_scaled_down():
    patlak, fur, ball, truth = noisy_body(0.002)
    reference = patlak_reference(patlak, fur, 0.01, SPACING)
    invented = truth + np.float32(0.01) * ball
    found = follow_patlak(invented, reference, keep_sigmas=100)
    near = smooth(found, (KEEP_FWHM_MM,) * 3, SPACING)
    allowed = reference.near + DENY_SIGMAS * reference.noise
    assert near[ball].max() < 1.15 * allowed[ball].max()
    assert (found[ball] / invented[ball]).mean() < 0.6
    assert (found <= invented).all()
    assert (found[~ndimage.binary_dilation(ball, iterations=5)] > 0.9 * 0.003).any()


def test_that_what_patlak_may_be_wrong_by_is_not_denied():
    reference = PatlakReference(
        *(np.full((4, 12, 12), v, np.float32) for v in (3, 3, 1)), 100.0, SPACING
    )
    most = np.full((4, 12, 12), 3 + DENY_SIGMAS - 1e-3, np.float32)
    np.testing.assert_array_equal(follow_patlak(most, reference), most)
    more = np.full((4, 12, 12), 10.0, np.float32)
    np.testing.assert_allclose(follow_patlak(more, reference), 3 + DENY_SIGMAS, rtol=1e-5)
    unclear = replace(reference, ki=-reference.ki, near=-reference.near)
    np.testing.assert_allclose(follow_patlak(more, unclear), DENY_SIGMAS, rtol=1e-5)


def test_that_following_goes_with_the_scale_of_the_maps():
    """Twice the curve is half of Ki, whatever is kept and denied."""
    patlak, fur, ball, truth = noisy_body(0.003, lesion=0.01)
    ki = truth + np.float32(0.01) * np.roll(ball, 12, axis=2)
    whole = follow_patlak(ki, patlak_reference(patlak, fur, 0.01, SPACING))
    half = follow_patlak(ki / 2, patlak_reference(patlak / 2, fur / 2, 0.005, SPACING))
    np.testing.assert_allclose(half, whole / 2, rtol=1e-5, atol=1e-9)


def test_that_an_empty_study_has_no_noise():
    empty = np.zeros((2, 8, 8), np.float32)
    assert not local_noise(empty, empty, 0.0, SPACING).any()


def test_that_the_spread_is_scaled_with_the_map_and_grows_where_patlak_was_kept():
    patlak, fur, ball, truth = noisy_body(0.002, lesion=0.01)
    reference = patlak_reference(patlak, fur, 0.01, SPACING)
    ki = (0.7 * 0.003 * (fur > 0)).astype(np.float32)
    sigma = np.where(fur > 0, np.float32(2e-4), np.float32(0))
    found = make_consistent(ki, doubt_of(ki, np.zeros_like(ki), sigma), reference)
    tied, alarm = tie_to_patlak(ki, patlak, 0.01, SPACING)
    np.testing.assert_array_equal(found.alarm, alarm)
    followed = found.ki != tied
    assert (found.ki > tied)[ball].mean() > 0.9
    as_it_was = ~followed & (ki > 0)
    scaled = widened(sigma * tied / np.maximum(ki, 1e-9), found.ki, reference)
    np.testing.assert_allclose(found.sigma[as_it_was], scaled[as_it_was], rtol=1e-5)
    assert (found.sigma >= reference.noise)[followed].all()
    assert make_consistent(ki, None, reference).sigma is None
    assert np.abs(found.ki - truth)[ball].mean() < 0.6 * np.abs(tied - truth)[ball].mean()


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_that_the_spread_knows_of_noise_and_of_a_tenth_of_the_map(scale):
    def row(*values):
        return scale * np.array([[values]], np.float32)

    noise = row(0.0, 0.0, 0.0009, 0.0019)  # two are above KEEP_NOISE, or at it
    reference = PatlakReference(noise, noise, noise, scale * 0.01, SPACING)
    found = widened(row(3e-4, 3e-4, 3e-4, 3e-4), row(0.0, 0.004, 0.004, -0.004), reference)
    expected = [3e-4, 5e-4, np.sqrt(25e-8 + 81e-10), np.sqrt((3e-4 * 1.25) ** 2 + 16e-8 + 361e-10)]
    np.testing.assert_allclose(found[0, 0], scale * np.array(expected), rtol=1e-5)


def test_that_the_spread_of_an_empty_study_stays():
    empty = np.zeros((1, 1, 3), np.float32)
    reference = PatlakReference(empty, empty, empty, 0.0, SPACING)
    sigma = np.ones((1, 1, 3), np.float32)
    np.testing.assert_array_equal(widened(sigma, empty, reference), sigma)


def test_that_a_part_of_the_reference_is_that_part_of_its_maps():
    patlak, fur, _, _ = noisy_body(0.002)
    reference = patlak_reference(patlak, fur, 0.01, SPACING)
    box = (slice(2, 6), slice(8, 20), slice(10, 30))
    part = reference.part(box)
    np.testing.assert_array_equal(part.ki, patlak[box])
    np.testing.assert_array_equal(part.near, reference.near[box])
    np.testing.assert_array_equal(part.noise, reference.noise[box])
