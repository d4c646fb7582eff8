"""MLEM, OSEM, FBP and nested EM on small problems with known answers."""

import numpy as np
import pytest
from tests.unit.simulate.test_projector import disc

from kiview.simulate.fbp import fbp
from kiview.simulate.parametric import DirectSettings, direct_patlak
from kiview.simulate.projector import ProjectorGeometry, attenuation_factors, field_of_view, project
from kiview.simulate.recon import Sinograms, System, log_likelihood, osem

GEOMETRY = ProjectorGeometry(pixels=32, bins=32, angles=32, width_mm=256.0)
BASIS = np.array([[40.0, 48.0, 55.0, 62.0, 68.0, 74.0], [2.6, 2.4, 2.2, 2.05, 1.9, 1.8]])


def sinograms(images, counts_scale, rng=None):
    """Data of (t, z, y, x) activity with attenuation and a flat background."""
    frames, slices = images.shape[:2]
    mu = np.repeat(disc(32, 256.0, 100.0)[:, :, None] * np.float32(0.0096), slices, axis=2)
    factors = attenuation_factors(GEOMETRY, mu)
    lines = project(GEOMETRY, images.transpose(2, 3, 1, 0).reshape(32, 32, -1))
    gain = np.full(frames, counts_scale, dtype=np.float32)
    trues = lines.reshape(32, 32, slices, frames) * factors[..., None] * gain
    background = np.full_like(trues, 0.3 * trues.mean())
    counts = trues + background
    if rng is not None:
        counts = rng.poisson(counts).astype(np.float32)
    return Sinograms(counts, background, factors, gain)


def activity(frames=1):
    image = disc(32, 256.0, 90.0) + 2 * disc(32, 256.0, 28.0, (30.0, -20.0))
    ramp = np.linspace(1, 2, frames, dtype=np.float32)
    return ramp[:, None, None, None] * np.stack([image, 0.5 * image])[None]


def body_system(subsets):
    return System.build(GEOMETRY, disc(32, 256.0, 104.0) > 0, subsets)


def test_that_the_likelihood_never_falls_in_mlem():
    data = sinograms(activity(), 0.5, np.random.default_rng(0))
    system = body_system(subsets=1)
    values = [log_likelihood(system, data, osem(system, data, n)) for n in range(1, 14)]
    assert np.diff(values).min() >= -1e-7 * abs(values[-1])


def test_that_mlem_of_perfect_data_comes_back_to_the_activity():
    truth = activity(frames=2)
    system = body_system(subsets=1)
    image = osem(system, sinograms(truth, 5.0), 300)
    middle = disc(32, 256.0, 80.0) > 0.99
    error = np.abs(image - truth)[..., middle] / truth[..., middle].max()
    assert error.mean() < 0.02


def test_that_osem_keeps_the_total_and_needs_fewer_passes_than_mlem():
    truth = activity()
    data = sinograms(truth, 5.0)
    fast, slow = osem(body_system(8), data, 3), osem(body_system(1), data, 3)
    assert fast.sum() == pytest.approx(truth.sum(), rel=0.02)
    assert np.abs(fast - truth).sum() < 0.6 * np.abs(slow - truth).sum()


def test_that_fbp_of_perfect_data_gives_the_activity_of_a_disc():
    truth = activity()
    image = fbp(GEOMETRY, sinograms(truth, 5.0))
    flat = disc(32, 256.0, 60.0, (-25.0, 10.0)) > 0.99
    flat &= disc(32, 256.0, 50.0, (30.0, -20.0)) == 0
    assert image[0, 0][flat].mean() == pytest.approx(1.0, abs=0.02)
    assert image[0, 1][flat].mean() == pytest.approx(0.5, abs=0.01)


def test_that_an_empty_frame_reconstructs_to_nothing():
    data = sinograms(0 * activity(), 5.0)
    image = osem(body_system(8), data, 2)
    assert np.isfinite(image).all()
    assert image.max() < 1e-3


def patlak_truth():
    outer, inner = disc(32, 256.0, 90.0), disc(32, 256.0, 30.0, (30.0, -20.0))
    ki = (0.01 * outer + 0.02 * inner)[None]
    v0 = (0.5 * outer + 0.2 * inner)[None]
    return ki.astype(np.float32), v0.astype(np.float32)


def frames_of(ki, v0):
    return np.einsum("pzyx,pt->tzyx", np.stack([ki, v0]), BASIS).astype(np.float32)


def test_that_nested_em_of_perfect_patlak_data_converges_to_the_truth():
    ki, v0 = patlak_truth()
    settings = DirectSettings(iterations=40, inner_steps=40, post_filter_mm=0.0)
    found = direct_patlak(body_system(8), sinograms(frames_of(ki, v0), 5.0), BASIS, settings)
    inner = (disc(32, 256.0, 24.0, (30.0, -20.0)) > 0.99)[None]
    outer = (disc(32, 256.0, 70.0) > 0.99)[None] & (disc(32, 256.0, 45.0, (30.0, -20.0)) == 0)[None]
    assert found.ki[inner].mean() == pytest.approx(0.03, rel=0.03)
    assert found.v0[inner].mean() == pytest.approx(0.7, rel=0.05)
    assert found.ki[outer].mean() == pytest.approx(0.01, rel=0.03)
    assert found.v0[outer].mean() == pytest.approx(0.5, rel=0.03)


def test_that_more_inner_steps_come_closer_in_the_same_number_of_passes():
    ki, v0 = patlak_truth()
    data, system = sinograms(frames_of(ki, v0), 5.0), body_system(8)
    errors = []
    for inner in (1, 20):
        settings = DirectSettings(iterations=4, inner_steps=inner, post_filter_mm=0.0)
        errors.append(np.abs(direct_patlak(system, data, BASIS, settings).ki - ki).mean())
    assert errors[1] < 0.7 * errors[0]


def likelihood_path(settings_of, passes, rng):
    ki, v0 = patlak_truth()
    data, system = sinograms(frames_of(ki, v0), 0.3, rng), body_system(subsets=1)
    values = []
    for n in passes:
        found = direct_patlak(system, data, BASIS, settings_of(n))
        values.append(log_likelihood(system, data, frames_of(found.ki, found.v0)))
    return np.array(values)


@pytest.mark.parametrize("update", ["nested", "method"])
def test_that_the_likelihood_never_falls_in_direct_reconstruction(update):
    path = likelihood_path(
        lambda n: DirectSettings(n, inner_steps=20, post_filter_mm=0.0, update=update),
        range(1, 13),
        np.random.default_rng(4),
    )
    assert np.diff(path).min() >= -1e-7 * abs(path[-1])
    assert path[-1] > path[0]


def test_that_the_published_update_climbs_slower_than_nested_em():
    """Paragraphs 0095-0098 taken literally: the same likelihood, twice as many passes or more."""
    nested, method = (
        likelihood_path(
            lambda n, update=update: DirectSettings(n, post_filter_mm=0.0, update=update),
            (10, 20, 40),
            np.random.default_rng(4),
        )
        for update in ("nested", "method")
    )
    assert (method < nested).all()
    assert (method[1:] < nested[:-1] + 0.5 * np.diff(nested)).all()


def test_that_the_published_update_needs_four_times_the_passes_for_the_same_error():
    ki, v0 = patlak_truth()
    data, system = sinograms(frames_of(ki, v0), 5.0), body_system(8)

    def error(passes, update):
        settings = DirectSettings(passes, post_filter_mm=0.0, update=update)
        return float(np.abs(direct_patlak(system, data, BASIS, settings).ki - ki).mean())

    slow = [error(passes, "method") for passes in (1, 16, 256)]
    assert slow[0] > slow[1] > slow[2]
    assert error(1, "nested") < 0.5 * slow[0]
    assert error(4, "nested") < slow[1]
    assert slow[2] < 0.03 * ki.mean()


def total_counts(data, images):
    """Expected trues of all bins and frames."""
    lines = project(GEOMETRY, images.transpose(2, 3, 1, 0).reshape(32, 32, -1))
    lines = lines.reshape(*data.counts.shape).astype(np.float64)
    return float((lines * data.attenuation[..., None] * data.gain).sum())


def without_background(data):
    return Sinograms(
        data.counts - data.background, 0 * data.background, data.attenuation, data.gain
    )


def test_that_mlem_keeps_the_number_of_counts():
    data, system = without_background(sinograms(activity(2), 5.0)), body_system(subsets=1)
    for passes in (1, 5):
        expected = total_counts(data, osem(system, data, passes))
        assert expected == pytest.approx(float(data.counts.sum(dtype=np.float64)), rel=1e-4)


@pytest.mark.parametrize("update", ["nested", "method"])
def test_that_direct_reconstruction_keeps_the_number_of_counts(update):
    ki, v0 = patlak_truth()
    data = without_background(sinograms(frames_of(ki, v0), 5.0))
    system = body_system(subsets=1)
    settings = DirectSettings(3, post_filter_mm=0.0, update=update)
    found = direct_patlak(system, data, BASIS, settings)
    expected = total_counts(data, frames_of(found.ki, found.v0))
    assert expected == pytest.approx(float(data.counts.sum(dtype=np.float64)), rel=1e-4)


def test_that_direct_ki_is_less_noisy_than_patlak_of_frames():
    ki, v0 = patlak_truth()
    data = sinograms(frames_of(ki, v0), 0.05, np.random.default_rng(2))
    system = body_system(8)
    direct = direct_patlak(system, data, BASIS, DirectSettings(post_filter_mm=0.0)).ki
    slope = np.linalg.pinv(BASIS.T)[0]
    indirect = np.einsum("t,tzyx->zyx", slope, osem(system, data, 3))
    flat = (disc(32, 256.0, 70.0) > 0.99)[None] & (disc(32, 256.0, 45.0, (30.0, -20.0)) == 0)[None]
    assert direct[flat].std() < 0.7 * indirect[flat].std()


def test_that_activity_stays_inside_the_support():
    system = body_system(8)
    image = osem(system, sinograms(activity(), 0.5, np.random.default_rng(3)), 2)
    assert not image[..., ~system.support].any()
    assert (system.support <= field_of_view(32)).all()
