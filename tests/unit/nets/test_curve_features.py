from dataclasses import replace

import numpy as np
import pytest

from kiview.core.errors import NetworkError
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S
from kiview.nets import preprocess
from kiview.nets.curve_features import (
    CURVE_CHANNELS,
    CURVE_FEATURE_NAMES,
    STATISTIC_NAMES,
    attended,
    curve_features,
    frame_halves,
    population_input,
)

SPACING = (4.0, 4.0, 4.0)
TIMING = FrameTiming(1800.0 + 300.0 * np.arange(6), np.full(6, 300.0))
SHAPE = (5, 12, 16)
VESSEL = (slice(None), slice(5, 8), slice(6, 9))


def study(scale=1.0, tilt=0.0, timing=TIMING):
    """Muscle everywhere and a vessel whose blood is the population's times scale and a tilt."""
    population = population_input(timing, F18_HALF_LIFE_S)
    blood = scale * population.mean * np.exp(tilt * (timing.mid_s / 60.0 - 45.0) / 20.0)
    tissue = scale * (0.004 * population.integral_min + 0.3 * population.mean)
    frames = np.broadcast_to(tissue[:, None, None, None], (len(tissue), *SHAPE)).copy()
    frames[(slice(None), *VESSEL)] = blood[:, None, None, None]
    operators = preprocess.linear_operators(population)
    maps = preprocess.linear_maps(frames.astype(np.float32), operators.matrix)
    features = preprocess.study_features(maps, operators.noise_gain, SPACING)
    return features, frame_halves(timing, population)


def vessel_weights():
    weights = np.zeros(SHAPE, np.float32)
    weights[VESSEL] = 1.0
    return weights / weights.sum()


def found(scale=1.0, tilt=0.0, timing=TIMING, weights=None):
    features, halves = study(scale, tilt, timing)
    weights = vessel_weights() if weights is None else weights
    probability = (vessel_weights() > 0).astype(np.float32)
    return attended(weights, probability, features, np.zeros(SHAPE, np.float32), halves, SPACING)


@pytest.mark.parametrize("scale", [0.1, 1.0, 2.5e4])
def test_that_the_level_of_blood_is_that_of_its_curve_in_any_unit(scale):
    blood = found(scale)
    assert blood.ln_level == pytest.approx(np.log(scale), abs=1e-4)
    assert blood.statistics[STATISTIC_NAMES.index("slope")] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("tilt", [-0.3, 0.2])
def test_that_the_slope_of_blood_is_measured_relative_to_the_population(tilt):
    blood = found(tilt=tilt)
    assert blood.statistics[STATISTIC_NAMES.index("slope")] == pytest.approx(tilt, rel=0.02)
    expected = tilt * (blood.middle_min - 45.0) / 20.0
    assert blood.ln_level == pytest.approx(expected, abs=0.003)


def test_that_nothing_but_the_level_depends_on_the_unit():
    one, other = found(1.0, 0.1), found(3e4, 0.1)
    np.testing.assert_allclose(one.statistics, other.statistics, rtol=1e-3, atol=1e-4)


def test_that_two_frames_are_their_own_halves():
    timing = FrameTiming(np.array([2400.0, 3000.0]), np.array([600.0, 600.0]))
    population = population_input(timing, F18_HALF_LIFE_S)
    even = replace(population, weight=np.ones(2))
    halves = frame_halves(timing, even)
    np.testing.assert_allclose(halves.time_min, [45.0, 55.0])
    ratio = population.integral_min / population.mean
    np.testing.assert_allclose(halves.ratio[:, 0], ratio)


def test_that_times_of_every_slice_give_a_ratio_for_every_slice():
    shift = np.array([0.0, 60.0, 120.0])
    start = TIMING.start_s[:, None] + shift
    timing = FrameTiming(start, np.broadcast_to(TIMING.duration_s[:, None], start.shape))
    halves = frame_halves(timing, population_input(timing, F18_HALF_LIFE_S))
    assert halves.ratio.shape == (2, 3)
    assert (np.diff(halves.ratio, axis=1) > 0).all()
    first = frame_halves(TIMING, population_input(TIMING, F18_HALF_LIFE_S))
    np.testing.assert_allclose(halves.ratio[:, 0], first.ratio[:, 0])
    np.testing.assert_allclose(halves.time_min, first.time_min + 1.0, rtol=1e-3)


def test_that_attention_where_there_is_no_activity_is_told():
    features, halves = study()
    features = replace(features, values=np.zeros_like(features.values))
    weights = vessel_weights()
    with pytest.raises(NetworkError, match="No blood with activity was found"):
        attended(weights, weights, features, weights, halves, SPACING)


def test_that_attention_spread_over_more_voxels_tells_a_larger_volume():
    everywhere = np.full(SHAPE, 1.0 / np.prod(SHAPE), np.float32)
    voxel_ml = 0.064
    assert found().volume_ml == pytest.approx(45 * voxel_ml, rel=1e-3)
    assert found(weights=everywhere).volume_ml == pytest.approx(960 * voxel_ml, rel=1e-3)
    assert found().probability == pytest.approx(1.0)
    assert found(weights=everywhere).probability == pytest.approx(45 / 960, rel=1e-3)


def test_that_features_keep_the_padding_and_hold_the_maps_of_the_network():
    features, _ = study()
    ki = np.full((5, 10, 14), 0.25, np.float32)
    v = np.full((5, 10, 14), 0.75, np.float32)
    made = curve_features(features, ki, v, SPACING)
    assert made.shape == (5, CURVE_CHANNELS, 12, 16)
    names = {name: i for i, name in enumerate(CURVE_FEATURE_NAMES)}
    assert (made[:, names["network_ki"], :10, :14] == 0.25).all()
    assert (made[:, names["network_v"], 10:] == 0.0).all()
    np.testing.assert_allclose(made[:, names["ln_g"]], np.log(features.noise_gain), rtol=1e-6)
