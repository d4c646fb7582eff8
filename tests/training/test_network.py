import numpy as np
import onnx
import pytest
import torch

from kitrain.architecture import new_network
from kitrain.bundle import read_bundle
from kitrain.config import ConfigError, InitialConfig, Initialisation, LossConfig, NetworkConfig
from kitrain.dataset import SlabSet
from kitrain.export_onnx import ExportMismatchError, export, tensor_offsets
from kitrain.loss_terms import charbonnier
from kitrain.losses import loss
from kitrain.network import TYPICAL_SIGMA, KiNetwork, blend, combine
from kitrain.train import ki_map, network_with
from kiview.core.progress import NullProgress
from kiview.nets import infer
from kiview.nets.preprocess import CHANNEL_COUNT, FUR_CHANNEL
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.weights import WeightSet, weight_set_id
from tests.training.slabs import fake_slab
from tests.unit.nets.fakes import card, fake_image, request

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shipped():
    """The shipped run as kitrain reads it."""
    return read_bundle(card().network.path.parent)


@pytest.fixture(scope="module")
def prepared():
    return infer.prepare(request(fake_image((6, 64, 64))), NullProgress())


def torch_maps(run, position, prepared):
    return ki_map(network_with(run.at(position)), prepared.features)


def onnx_ki(position, prepared):
    weights = WeightSet(card().network.sha256, position)
    runtime = NetworkRuntime(card(), weights.tensors(card()))
    return infer.network_volume(prepared, runtime, NullProgress())[0]


def relative(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.mark.parametrize("position", [0.0, 0.5, 1.0])
def test_that_the_program_equals_torch_with_interpolated_weights(shipped, prepared, position):
    assert relative(onnx_ki(position, prepared), torch_maps(shipped, position, prepared)) <= 1e-5


def test_that_mixing_weights_is_not_mixing_maps(prepared):
    ends = [onnx_ki(a, prepared) for a in (0.0, 1.0)]
    middle = onnx_ki(0.5, prepared)
    apart = np.abs(ends[1] - ends[0]).mean()
    assert np.abs(middle - 0.5 * (ends[0] + ends[1])).mean() > 0.02 * apart


def test_that_the_shipped_file_is_a_point_of_the_slider(shipped, prepared):
    runtime = NetworkRuntime(card())
    shipped_ki = infer.network_volume(prepared, runtime, NullProgress())[0]
    moved = onnx_ki(card().slider.shipped_position, prepared)
    np.testing.assert_array_equal(shipped_ki, moved)
    ours = {n: t.numpy() for n, t in shipped.at(shipped.shipped_position).items()}
    theirs = WeightSet(card().network.sha256, shipped.shipped_position).tensors(card())
    assert weight_set_id(ours) == weight_set_id(theirs)


def test_that_both_maps_are_not_negative_and_add_up_to_a_denoised_uptake():
    features = torch.randn(2, CHANNEL_COUNT, 8, 8)
    ki, v = combine(features, torch.zeros(2, 2, 8, 8))
    assert float(torch.minimum(ki, v).min()) >= 0
    torch.testing.assert_close(ki, v)
    high = features[:, FUR_CHANNEL] > 1.5
    torch.testing.assert_close((ki + v)[high], features[:, FUR_CHANNEL][high], atol=2e-3, rtol=0)


def test_that_a_start_from_another_network_gives_its_maps_and_a_plain_spread(shipped, prepared):
    start = InitialConfig(Initialisation.NETWORK, network=card().id)
    size = NetworkConfig(shipped.width, with_sigma=True)
    network = new_network(size, 0, start).eval()
    expected = torch_maps(shipped, shipped.shipped_position, prepared)
    np.testing.assert_allclose(ki_map(network, prepared.features), expected, rtol=1e-6, atol=1e-9)
    sigma = network(torch.rand(1, CHANNEL_COUNT, 16, 16))[2]
    np.testing.assert_allclose(sigma.detach(), TYPICAL_SIGMA, rtol=1e-6)


@pytest.mark.parametrize(
    ("network", "size", "told"),
    [
        ("ki-fdg-torso-1", NetworkConfig(8), "width 8, levels 3, kernel 3"),
        ("ki-fdg-torso-1", NetworkConfig(8, with_sigma=True), "width 8, .* kernel 3, sigma"),
        ("ki-fdg-torso-1", NetworkConfig(levels=2), "width 32, levels 2, kernel 3"),
        ("ki-fdg-torso-1", NetworkConfig(levels=4), "width 32, levels 4, kernel 3"),
        ("ki-fdg-torso-1", NetworkConfig(kernel=5), "width 32, levels 3, kernel 5"),
        ("ki-fdg-body-3", NetworkConfig(), "width 32, levels 3, kernel 3"),
    ],
)
def test_that_a_start_from_a_network_with_other_layers_is_refused(network, size, told):
    start = InitialConfig(Initialisation.NETWORK, network=network)
    sentence = (
        rf"^The network '{network}' has other layers \(width 32, levels 3, kernel 3(, sigma)?\)"
    )
    with pytest.raises(ConfigError, match=rf"{sentence} than .* asks for \({told}\); name"):
        new_network(size, 0, start)


def test_that_the_network_has_the_documented_size_and_no_normalisation():
    network = KiNetwork(32)
    assert sum(p.numel() for p in network.parameters()) == 258_274
    assert not list(network.buffers())


def test_that_a_blend_at_an_end_is_that_end():
    ends = [new_network(NetworkConfig(4), seed).state_dict() for seed in (0, 1)]
    for position in (0, 1):
        for name, tensor in blend(ends[0], ends[1], float(position)).items():
            torch.testing.assert_close(tensor, ends[position][name], rtol=0, atol=0)


def test_that_the_loss_is_zero_for_the_truth_and_counts_lesions_more():
    batch = SlabSet([fake_slab()], 0.0, CPU).draw(np.random.default_rng(0), 4, 32, 1.0)
    plain = LossConfig(v_direct=0.0)
    assert float(loss((batch.ki, batch.v), batch, plain)) == pytest.approx(0, abs=1e-6)
    wrong = (batch.ki * (1 - batch.lesion), batch.v)
    sharp = LossConfig(v_direct=0.0, lesion=5.0)
    assert float(loss(wrong, batch, sharp)) > 2 * float(loss(wrong, batch, plain))
    assert float(charbonnier(torch.tensor(3.0), 0.05)) == pytest.approx(2.95, abs=0.01)


@pytest.mark.slow
def test_that_the_exported_file_is_whole_small_and_equal(tmp_path):
    weights = new_network(NetworkConfig(4), 3).state_dict()
    path = tmp_path / "model.onnx"
    assert export(weights, path) <= 1e-5
    model = onnx.load(path, load_external_data=False)
    assert {i.name for i in model.graph.initializer} >= set(weights)
    assert list(tmp_path.iterdir()) == [path]
    offsets = tensor_offsets(path.read_bytes(), weights)
    assert len(set(offsets.values())) == len(weights)


def test_that_weights_that_are_not_in_the_file_are_refused():
    content = card().network.read()
    with pytest.raises(ExportMismatchError, match=r"other\.bias"):
        tensor_offsets(content, {"other.bias": torch.ones(2)})
    with pytest.raises(ExportMismatchError, match="no network"):
        tensor_offsets(b"nothing", {"head.bias": torch.ones(2)})
