"""The network that says how far off it is."""

import numpy as np
import onnxruntime
import pytest
import torch

from kitrain.architecture import new_network
from kitrain.config import LossConfig, NetworkConfig
from kitrain.dataset import SlabSet, lesion_weights
from kitrain.export_onnx import export, output_names
from kitrain.loss_terms import sigma_term
from kitrain.losses import loss
from kitrain.network import TYPICAL_SIGMA
from kitrain.train import network_maps, network_outputs, network_with
from tests.training.slabs import fake_slab

SIZE = NetworkConfig(4, with_sigma=True)


def test_that_the_likelihood_is_best_at_the_true_spread():
    error = 0.3 * torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    costs = [float(sigma_term(error, torch.tensor(s)).mean()) for s in (0.24, 0.3, 0.38)]
    assert costs[1] == min(costs)


def test_that_only_the_spread_learns_from_the_likelihood():
    error = torch.randn(4, 4, requires_grad=True)
    sigma = torch.full((4, 4), 0.5, requires_grad=True)
    sigma_term(error, sigma).sum().backward()
    assert error.grad is None
    assert sigma.grad is not None


def test_that_weights_tell_whether_a_network_gives_its_spread():
    for sigma in (False, True):
        weights = new_network(NetworkConfig(4, with_sigma=sigma), 0).state_dict()
        assert network_with(weights).has_sigma is sigma


def test_that_the_spread_is_positive_and_follows_the_normaliser():
    record = fake_slab()
    network = network_with(new_network(SIZE, 0).state_dict())
    study = record.study(0)
    sigma = network_outputs(network, study).sigma
    assert sigma.shape == record.ki.shape
    assert sigma.min() > 0
    assert np.median(sigma) == pytest.approx(TYPICAL_SIGMA * study.normaliser, rel=0.7)
    assert network_maps(network, study)[0].shape == sigma.shape


def test_that_a_cost_with_spread_is_lower_when_the_spread_is_right():
    batch = SlabSet([fake_slab()], 0.0, torch.device("cpu")).draw(
        np.random.default_rng(0), 4, 32, 0.5
    )
    noise = 0.1 * torch.randn(batch.ki.shape, generator=torch.Generator().manual_seed(1))
    config = LossConfig(sigma=1.0)
    costs = [
        float(loss((batch.ki + noise, batch.v, torch.full_like(batch.ki, s)), batch, config))
        for s in (0.02, 0.1, 1.0)
    ]
    assert costs[1] == min(costs)


def test_that_the_spread_is_exported_too(tmp_path):
    weights = new_network(SIZE, 0).state_dict()
    assert export(weights, tmp_path / "model.onnx") <= 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert [o.name for o in session.get_outputs()] == ["ki", "v", "sigma"]
    assert output_names(network_with(weights)) == ("ki", "v", "sigma")


def test_that_small_tumours_weigh_more_per_voxel_and_large_ones_less():
    lesions = np.zeros((8, 40, 40), np.uint8)
    lesions[0, 0, :4] = 1
    lesions[1:5, 4:8, 4:8] = 2
    lesions[:, 12:36, 12:36] = 3
    weights = lesion_weights(lesions)
    assert [weights[lesions == k].mean() for k in (1, 2, 3)] == [4.0, 1.0, 0.5]
    assert not weights[lesions == 0].any()
