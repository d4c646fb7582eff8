"""Training slabs: reproducible, independent noise, consistent truth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from kiview.core.errors import InvalidInputError
from kiview.core.progress import CallbackProgress, Cancelled
from kiview.simulate.acquisition import ScannerSettings
from kiview.simulate.slab import SlabSimulation, simulate_slab
from kiview.simulate.slab_config import SlabConfig
from kiview.simulate.tissues import Label

SMALL = SlabConfig(slices=3, pixels=48, pixel_mm=8.5, angles=32, subsets=8, iterations=2, lesions=2)


@pytest.fixture(scope="module")
def slab() -> SlabSimulation:
    return simulate_slab(SMALL, 5)


def patlak_ki(slab, frames):
    weighted = slab.basis * slab.weights
    slope = np.linalg.solve(weighted @ slab.basis.T, weighted)[0]
    return np.einsum("t,tzyx->zyx", slope, frames)


def test_that_the_same_seed_gives_the_same_slab(slab):
    again = simulate_slab(SMALL, 5)
    np.testing.assert_array_equal(again.frames, slab.frames)
    np.testing.assert_array_equal(again.direct.ki, slab.direct.ki)
    np.testing.assert_array_equal(again.ki, slab.ki)


def test_that_another_seed_gives_another_person(slab):
    other = simulate_slab(SMALL, 6, with_direct=False)
    assert np.abs(other.ki - slab.ki).max() > 0.001
    assert other.direct is None


def test_that_the_person_does_not_depend_on_counts_or_protocol(slab):
    protocol = replace(
        SMALL, frame_count=3, frame_duration_s=600.0, scanner=ScannerSettings(trues_per_frame=1e5)
    )
    other = simulate_slab(protocol, 5, with_direct=False)
    np.testing.assert_array_equal(other.ki, slab.ki)
    assert other.frames.shape == (3, 3, 48, 48)


def test_that_arrays_have_one_grid_and_type(slab):
    shape = (3, 48, 48)
    assert slab.frames.shape == slab.frames_second.shape == (6, *shape)
    for array in (slab.ki, slab.v0, slab.direct.ki, slab.direct_second.v0, slab.attenuation_per_mm):
        assert (array.shape, array.dtype) == (shape, np.float32)
        assert np.isfinite(array).all()
    assert slab.body.shape == slab.labels.shape == slab.lesion_index.shape == shape
    assert slab.basis.shape == (2, 6)
    assert slab.grid.shape_zyx == shape


def test_that_two_scans_share_the_person_but_not_the_noise(slab):
    residual = [f[-1] - f[:-1].mean(axis=0) for f in (slab.frames, slab.frames_second)]
    noise = [r[slab.body] - r[slab.body].mean() for r in residual]
    difference = (slab.frames - slab.frames_second)[0][slab.body]
    assert difference.std() > 0
    drift = np.corrcoef(noise[0], noise[1])[0, 1]
    assert drift < 0.5


def test_that_patlak_of_many_counts_is_close_to_the_truth():
    rich = replace(SMALL, iterations=6, scanner=ScannerSettings(3e8, background_error=0.0))
    slab = simulate_slab(rich, 5, with_direct=False)
    ki = patlak_ki(slab, slab.frames)
    assert ki[slab.body].mean() == pytest.approx(slab.ki[slab.body].mean(), rel=0.06)
    error = np.sqrt(np.mean((ki - slab.ki)[slab.body] ** 2) / np.mean(slab.ki[slab.body] ** 2))
    assert error < 0.45


def test_that_labels_truth_and_lesions_agree(slab):
    assert (slab.ki[slab.labels == Label.BLOOD] == 0).all()
    assert not slab.body[slab.labels == Label.AIR].any() or slab.body.mean() < 0.9
    for i, lesion in enumerate(slab.lesions):
        pure = slab.labels == lesion.label
        np.testing.assert_allclose(slab.ki[pure], lesion.ki, rtol=1e-4)
        assert (slab.lesion_index[pure] == i + 1).all()


def test_that_v_scale_turns_v0_into_the_unit_of_ki(slab):
    s, c = (row @ slab.weights for row in slab.basis)
    assert slab.v_scale == pytest.approx(c / s)


@pytest.mark.parametrize("kind", ["brain", "uniform", "nema"])
def test_that_other_kinds_simulate_too(kind):
    slab = simulate_slab(replace(SMALL, kind=kind), 3, with_direct=False)
    assert slab.body.any()
    assert slab.frames[0][slab.body].mean() > 0.1


@pytest.mark.slow
def test_that_noise_of_frames_is_correlated_between_neighbours():
    """OSEM noise is not white: about 0.4 in plane at 4 mm with no filter, here over 0.2."""
    config = SlabConfig(kind="uniform", slices=2, pixels=96, lesions=0, frame_count=2)
    slab = simulate_slab(config, 1, with_direct=False)
    noise = slab.frames - slab.frames_second
    inside = slab.labels == Label.BACKGROUND
    correlation = {}
    for name, axis in (("y", 2), ("x", 3)):
        a, b = np.delete(noise, -1, axis), np.delete(noise, 0, axis)
        both = np.delete(inside, -1, axis - 1) & np.delete(inside, 0, axis - 1)
        correlation[name] = np.corrcoef(a[0][both], b[0][both])[0, 1]
    assert 0.5 * (correlation["y"] + correlation["x"]) > 0.2


def test_that_a_stop_request_ends_the_simulation():
    steps: list[float | None] = []
    progress = CallbackProgress(lambda f, _m: steps.append(f), lambda: len(steps) >= 6)
    with pytest.raises(Cancelled):
        simulate_slab(SMALL, 5, progress)
    assert len(steps) == 6


def test_that_progress_rises_from_zero_to_one():
    steps: list[float] = []
    simulate_slab(SMALL, 5, CallbackProgress(lambda f, _m: steps.append(f)))
    assert steps == sorted(steps)
    assert steps[0] == 0
    assert steps[-1] == pytest.approx(1)


def test_that_angles_must_divide_into_subsets():
    with pytest.raises(InvalidInputError, match="angles"):
        replace(SMALL, angles=30)
    with pytest.raises(InvalidInputError, match="frames"):
        replace(SMALL, frame_count=1)


@pytest.mark.slow
def test_that_more_counts_make_a_reference_of_their_own():
    config = replace(SMALL, high_counts=5.0)
    slab = simulate_slab(config, 5)
    plain = simulate_slab(SMALL, 5)
    np.testing.assert_array_equal(slab.frames, plain.frames)
    assert plain.direct_high is None
    inside = slab.body
    errors = [np.abs(maps.ki - slab.ki)[inside].mean() for maps in (slab.direct, slab.direct_high)]
    assert errors[1] < errors[0]
    noise = [(maps.ki - slab.ki)[inside] for maps in (slab.direct_second, slab.direct_high)]
    other = np.corrcoef(slab.frames[0][inside] - slab.frames_second[0][inside], noise[1])[0, 1]
    assert abs(other) < 0.2


@pytest.mark.slow
def test_that_a_reversible_body_is_scored_against_its_noise_free_patlak():
    config = replace(SMALL, kind="body", region="abdomen", lesions=0, pixel_mm=9.0)
    quiet = replace(config.scanner, trues_per_frame=1e9, background_error=0.0)
    config = replace(config, scanner=quiet, reversible=True, iterations=12)
    slab = simulate_slab(config, 6, with_direct=False)
    liver = ndimage.binary_erosion(slab.labels == Label.LIVER, np.ones((1, 3, 3)))
    assert liver.sum() > 100
    found = patlak_ki(slab, slab.frames)[liver].mean()
    assert found == pytest.approx(slab.ki[liver].mean(), rel=0.03)


def test_that_a_measured_input_differs_from_the_true_one_and_leaves_the_scan_alone():
    varied = replace(SMALL, physiology="varied")
    slabs = [
        simulate_slab(replace(varied, input_errors=wanted), 9, with_direct=False)
        for wanted in (False, True)
    ]
    np.testing.assert_array_equal(slabs[0].frames, slabs[1].frames)
    assert slabs[0].measured is None
    assert slabs[1].measured is not None
    assert slabs[1].measured.curve.time_min[-1] == pytest.approx(slabs[1].timing.end_s[-1] / 60)


def test_that_the_whole_scan_of_a_slab_starts_at_injection_and_ends_with_its_frames():
    config = replace(SMALL, frame_start_s=2345.0, frame_duration_s=200.0, frame_count=4)
    whole = config.whole_timing
    assert whole.start_s[0] == 0
    np.testing.assert_allclose(whole.start_s[1:], whole.end_s[:-1])
    np.testing.assert_allclose(whole.start_s[-4:], config.timing.start_s)
    assert whole.end_s[-1] == config.timing.end_s[-1]
    assert whole.duration_s.min() >= 1.0
