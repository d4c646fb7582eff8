import numpy as np
import pytest
import torch

from kitrain.architecture import new_network
from kitrain.chain import FrameMeans, chain_maps, normalised_features, operators
from kitrain.config import LossConfig, NetworkConfig, OptimiserConfig
from kitrain.curve_network import CurveNetwork
from kitrain.group_file import save_group
from kitrain.joint import CURVE, KI, JointTraining, chain_samples, train_jointly, weights_of
from kitrain.train import network_maps
from kiview.core.input_curves import SampledCurve
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S
from kiview.nets import preprocess
from tests.training.test_curve_network import group

TIMING = FrameTiming(1800.0 + 300.0 * np.arange(6), np.full(6, 300.0))
TIME_S = np.unique(np.concatenate([np.arange(0.0, 300.0), np.linspace(300.0, 3600.0, 150)]))
ACTIVITY = np.where(TIME_S > 30, 40.0 * np.exp(-TIME_S / 400.0) + 6.0, 0.0)
SPACING = (4.0, 4.0, 4.0)


def numpy_operators():
    integral = SampledCurve(TIME_S, ACTIVITY).integral
    return preprocess.frame_input(TIMING, integral, F18_HALF_LIFE_S)


def torch_operators():
    frames = numpy_operators()
    mean, integral_min = FrameMeans(TIME_S / 60.0, TIMING)(torch.from_numpy(ACTIVITY))
    return frames, mean, integral_min, operators(mean, integral_min, frames.weight)


def some_frames(seed=0):
    rng = np.random.default_rng(seed)
    frames = numpy_operators()
    z, y, x = np.indices((5, 20, 24))
    ki = 0.004 + 0.02 * ((y - 10) ** 2 + (x - 8) ** 2 < 12)
    tissue = ki[None] * frames.integral_min[:, None, None, None] + 0.3 * frames.mean[0] + 0.0 * z
    return (tissue * (1 + 0.05 * rng.standard_normal(tissue.shape))).astype(np.float32)


def test_that_means_over_frames_equal_the_programs():
    frames, mean, integral_min, _ = torch_operators()
    np.testing.assert_allclose(mean, frames.mean, rtol=1e-10)
    np.testing.assert_allclose(integral_min, frames.integral_min, rtol=1e-10)


def test_that_operators_and_features_equal_the_programs():
    frames, _, _, made = torch_operators()
    expected = preprocess.linear_operators(frames)
    np.testing.assert_allclose(made.matrix, expected.matrix[0], rtol=1e-8)
    assert float(made.noise_gain) == pytest.approx(expected.noise_gain)
    voxels = some_frames()
    maps = preprocess.linear_maps(voxels, expected.matrix)
    study = preprocess.study_features(maps, expected.noise_gain, SPACING)
    features, n = normalised_features(torch.from_numpy(voxels), made, [0, 2, 4], SPACING)
    assert float(n) == pytest.approx(study.normaliser, rel=1e-5)
    block = study.block(0, 5)[[0, 2, 4]]
    np.testing.assert_allclose(features, block, rtol=1e-3, atol=2e-5)


def test_that_the_chain_gives_the_maps_of_the_program():
    frames, _, _, made = torch_operators()
    expected = preprocess.linear_operators(frames)
    voxels = some_frames()
    study = preprocess.study_features(
        preprocess.linear_maps(voxels, expected.matrix), expected.noise_gain, SPACING
    )
    network = new_network(NetworkConfig(width=4), 3).eval()
    with torch.inference_mode():
        ki, v = chain_maps(network, torch.from_numpy(voxels), made, range(5), SPACING)
    wanted = network_maps(network, study)
    np.testing.assert_allclose(ki, wanted[0], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(v, wanted[1], rtol=1e-3, atol=1e-7)


def test_that_the_gradient_of_a_map_reaches_the_curve():
    activity = torch.from_numpy(ACTIVITY).requires_grad_()
    weight = numpy_operators().weight
    made = operators(*FrameMeans(TIME_S / 60.0, TIMING)(activity), weight)
    network = new_network(NetworkConfig(width=4), 3).eval()
    ki, _ = chain_maps(network, torch.from_numpy(some_frames()), made, [2], SPACING)
    ki.sum().backward()
    along = float((activity.grad * torch.from_numpy(ACTIVITY)).sum())
    assert along == pytest.approx(-float(ki.detach().sum()), rel=1e-3)  # Ki goes with 1 / scale


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    paths = []
    for seed in range(3):
        paths.append(folder / f"{seed}.npz")
        save_group(group(seed, vessel=seed != 2), paths[-1])
    features = new_network(NetworkConfig(width=4), 0).eval()
    return list(chain_samples(paths, features, 2))


def test_that_samples_are_those_with_a_vessel(samples):
    assert len(samples) == 4
    assert samples[0].normaliser > 0
    assert not np.array_equal(samples[0].frames, samples[1].frames)


def test_that_both_networks_learn_together_and_are_told_apart(tmp_path, samples):
    schedule = OptimiserConfig(iterations=20, batch=2, learning_rate=5e-3, report_every=10)
    training = JointTraining(3, schedule, LossConfig())
    start = CurveNetwork(4), new_network(NetworkConfig(width=4), 1)
    before = {n: t.clone() for n, t in start[1].state_dict().items()}
    trained = train_jointly(training, start, (samples[:2], samples[2:]), tmp_path, lambda _: None)
    first, last = trained.history
    assert last.cost < first.cost
    ki = weights_of(trained, KI)
    assert ki.keys() == before.keys()
    assert any(not torch.equal(ki[name], before[name]) for name in ki)
    assert weights_of(trained, CURVE).keys() == start[0].state_dict().keys()
    again = train_jointly(training, start, ([], []), tmp_path, lambda _: None)
    assert again.history == trained.history
