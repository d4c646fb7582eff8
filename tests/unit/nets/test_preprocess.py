import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.nets.fakes import SIX_FRAMES, fake_image, frame_means, plasma, truth

from kiview.core.errors import NetworkError
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S
from kiview.nets import preprocess
from kiview.nets.preprocess import FEATURE_NAMES, FrameInput

SPACING = (4.0, 4.0, 4.0)


def operators(timing=SIX_FRAMES, scale=1.0):
    frames = preprocess.frame_input(timing, plasma(scale).integral, F18_HALF_LIFE_S)
    return preprocess.linear_operators(frames)


def features(image, timing=SIX_FRAMES, scale=1.0):
    made = operators(timing, scale)
    voxels = image.store.slab(0, image.geometry.shape_zyx[0])
    maps = preprocess.linear_maps(voxels, made.matrix)
    return preprocess.study_features(maps, made.noise_gain, SPACING), maps


def test_that_frame_means_equal_a_fine_average():
    frames = preprocess.frame_input(SIX_FRAMES, plasma().integral, F18_HALF_LIFE_S)
    mean, integral = frame_means(plasma(), SIX_FRAMES)
    np.testing.assert_allclose(frames.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(frames.integral_min, integral, rtol=1e-6)


@pytest.mark.parametrize("count", [2, 3, 7, 25])
def test_that_noise_free_frames_give_back_ki_and_v0_for_any_frame_count(count):
    timing = FrameTiming(1800.0 + 2400.0 / count * np.arange(count), np.full(count, 2400.0 / count))
    image = fake_image(timing=timing, noise=0.0)
    made = operators(timing)
    maps = preprocess.linear_maps(image.store.slab(0, 6), made.matrix)
    ki, v0 = truth((6, 40, 44))
    np.testing.assert_allclose(maps[0], ki, atol=2e-6)
    np.testing.assert_allclose(maps[1] * made.v0_per_v[0], v0, atol=2e-4)


def test_that_times_per_slice_are_used_slice_by_slice():
    shift = np.linspace(0.0, 240.0, 6)
    timing = FrameTiming(SIX_FRAMES.start_s[:, None] + shift, np.full((6, 6), 300.0))
    image = fake_image(timing=timing, noise=0.0)
    maps = preprocess.linear_maps(image.store.slab(0, 6), operators(timing).matrix)
    np.testing.assert_allclose(maps[0], truth((6, 40, 44))[0], atol=2e-6)


def test_that_a_frame_of_no_weight_does_not_matter():
    full = preprocess.frame_input(SIX_FRAMES, plasma().integral, F18_HALF_LIFE_S)
    weight = full.weight.copy()
    weight[0] = 0.0
    mean = full.mean.copy()
    mean[0] = np.nan
    left_out = preprocess.linear_operators(FrameInput(mean, full.integral_min, weight))
    later = operators(SIX_FRAMES.select(np.arange(1, 6)))
    np.testing.assert_allclose(left_out.matrix[:, :, 1:], later.matrix, rtol=1e-9)
    assert (left_out.matrix[:, :, 0] == 0).all()


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_that_features_do_not_change_when_frames_or_curve_are_scaled(curve, activity):
    image = fake_image((3, 12, 12))
    made = operators(scale=curve)
    plain, _ = features(image)
    voxels = image.store.slab(0, 3) * np.float32(activity)
    maps = preprocess.linear_maps(voxels, made.matrix)
    scaled = preprocess.study_features(maps, made.noise_gain, SPACING)
    assert scaled.normaliser == pytest.approx(plain.normaliser * activity / curve, rel=1e-5)
    np.testing.assert_allclose(scaled.values, plain.values, rtol=1e-4, atol=1e-4)


def test_that_an_empty_image_gives_empty_features_and_no_normaliser():
    made = operators()
    maps = preprocess.linear_maps(np.zeros((6, 2, 8, 8), np.float32), made.matrix)
    study = preprocess.study_features(maps, made.noise_gain, SPACING)
    assert study.normaliser == 0.0
    assert not study.values.any()


def test_that_the_noise_gain_is_the_ratio_of_measured_spreads():
    rng = np.random.default_rng(3)
    frames = preprocess.frame_input(SIX_FRAMES, plasma().integral, F18_HALF_LIFE_S)
    noise = rng.standard_normal((6, 1, 200, 200)) / np.sqrt(frames.weight)[:, None, None, None]
    made = preprocess.linear_operators(frames)
    maps = preprocess.linear_maps(noise.astype(np.float32), made.matrix)
    assert maps[0].std() / maps[2].std() == pytest.approx(made.noise_gain, rel=0.02)


def test_that_early_and_late_halves_average_to_the_whole():
    made = operators()
    frames = preprocess.frame_input(SIX_FRAMES, plasma().integral, F18_HALF_LIFE_S)
    share = frames.weight / frames.weight.sum()
    early, late = made.matrix[0, 3], made.matrix[0, 4]
    assert early[:2].min() > 0 == early[4:].max()
    assert late[4:].min() > 0 == late[:2].max()
    for row in made.matrix[0, 2:]:
        assert row @ frames.integral_min == pytest.approx(1.0)
    both = early * (share.cumsum() <= 0.5).sum()
    assert np.isfinite(both).all()


def test_that_a_block_holds_the_neighbouring_slices_and_repeats_the_ends():
    study, _ = features(fake_image())
    block = study.block(0, 6)
    count = len(FEATURE_NAMES)
    assert block.shape == (6, preprocess.CHANNEL_COUNT, 40, 44)
    np.testing.assert_array_equal(block[3, :count], study.values[:, 1])
    np.testing.assert_array_equal(block[0, :count], study.values[:, 0])
    np.testing.assert_array_equal(block[5, 4 * count : 5 * count], study.values[:, 5])
    np.testing.assert_array_equal(block[2, preprocess.FUR_CHANNEL], study.values[2, 2])
    assert (block[:, -1] == np.float32(np.log(study.noise_gain))).all()


def test_that_values_that_are_not_numbers_count_as_nothing():
    _, maps = features(fake_image())
    maps = maps.copy()
    maps[:, 2, 20, 20] = np.nan
    study = preprocess.study_features(maps, 4.0, SPACING)
    assert np.isfinite(study.values).all()
    assert np.isfinite(study.normaliser)


def test_that_one_frame_is_refused():
    with pytest.raises(NetworkError, match="two frames"):
        operators(FrameTiming([1800.0], [600.0]))


def test_that_a_curve_that_is_zero_in_a_frame_is_refused():
    ones = np.ones(3)
    with pytest.raises(NetworkError, match="input function"):
        FrameInput(np.array([1.0, 0.0, 1.0]), ones, ones)


def test_that_frames_and_curve_of_different_length_are_refused():
    with pytest.raises(NetworkError, match="differ"):
        FrameInput(np.ones(3), np.ones(2), np.ones(3))


def test_that_frames_that_cannot_tell_ki_from_v0_are_refused():
    flat = FrameInput(np.ones(3), np.full(3, 50.0), np.ones(3))
    with pytest.raises(NetworkError, match="too close"):
        preprocess.linear_operators(flat)
