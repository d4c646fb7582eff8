"""Networks of other levels and kernels: built, written, and run by the program."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from kitrain.architecture import build_network, network_with, new_network, size_of
from kitrain.bundle import read_bundle, write_bundle
from kitrain.config import NetworkConfig
from kitrain.export_onnx import export
from kitrain.network import reach_of
from kitrain.pipeline import Run
from kiview.core.errors import NetworkError
from kiview.core.progress import NullProgress
from kiview.nets import infer
from kiview.nets.catalog import load_catalog
from kiview.nets.onnx_file import read_graph
from kiview.nets.preprocess import CHANNEL_COUNT
from kiview.nets.reach import THREE_LEVELS, Reach
from kiview.nets.runtime import NetworkRuntime
from tests.training.runs import RECORD
from tests.unit.nets.fakes import card, fake_image, request

REACHES = {
    (2, 3): Reach(4, 12),
    (2, 5): Reach(4, 20),
    (3, 3): THREE_LEVELS,
    (3, 5): Reach(4, 44),
    (4, 3): Reach(8, 56),
    (4, 5): Reach(8, 96),
}
USUAL = (
    ("encoder0", CHANNEL_COUNT, 1, 1),
    ("encoder1", 1, 2, 2),
    ("bottom", 2, 2, 2),
    ("decoder1", 4, 2),
    ("decoder0", 3, 1, 1),
)
"""Blocks of the shipped networks in the order of their first draws, channels in widths."""


def usual_weights(width, seed):
    """First weights of the shipped architecture, drawn without the code under test."""
    torch.manual_seed(seed)
    weights = {}
    for name, *widths in USUAL:
        channels = [c if c == CHANNEL_COUNT else c * width for c in widths]
        for i, (a, b) in enumerate(itertools.pairwise(channels)):
            layer = nn.Conv2d(a, b, 3)
            weights[f"{name}.layers.{i}.weight"] = layer.weight.detach()
            weights[f"{name}.layers.{i}.bias"] = layer.bias.detach()
    head = nn.Conv2d(width, 2, 1)
    nn.init.normal_(head.weight, std=1e-3)
    return weights | {"head.weight": head.weight.detach(), "head.bias": head.bias.detach()}


def test_that_the_usual_network_keeps_its_names_shapes_and_first_weights():
    expected, found = usual_weights(4, 7), new_network(NetworkConfig(4), 7).state_dict()
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def test_that_the_weights_of_the_shipped_networks_are_those_of_the_usual_network():
    wanted = {n: tuple(t.shape) for n, t in build_network(NetworkConfig()).state_dict().items()}
    assert {spec.name: spec.shape for spec in card().tensors} == wanted


@pytest.mark.slow
def test_that_the_file_of_the_usual_network_is_the_same_graph_as_ever(tmp_path):
    path = tmp_path / "model.onnx"
    export(new_network(NetworkConfig(), 0).state_dict(), path)
    made, shipped = read_graph(path.read_bytes()), read_graph(card().network.read())
    shapes = [{name: t.shape for name, t in graph.tensors.items()} for graph in (made, shipped)]
    assert shapes[0] == shapes[1]
    assert [(n.operator, n.inputs, n.outputs) for n in made.nodes] == [
        (n.operator, n.inputs, n.outputs) for n in shipped.nodes
    ]


@pytest.mark.parametrize("levels", [2, 3, 4])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("sigma", [False, True])
def test_that_weights_tell_the_size_of_their_network(levels, kernel, sigma):
    size = NetworkConfig(4, levels, kernel, with_sigma=sigma)
    network = new_network(size, 0)
    assert size_of(network.state_dict()) == size
    assert network.reach == REACHES[levels, kernel]
    again = network_with(network.state_dict())
    features = torch.randn(1, CHANNEL_COUNT, 16, 24)
    torch.testing.assert_close(again(features), network.eval()(features), rtol=0, atol=0)


@pytest.mark.parametrize(("levels", "kernel"), list(REACHES))
def test_that_a_voxel_depends_on_nothing_beyond_the_halo(levels, kernel):
    reach = reach_of(levels, kernel)
    network = new_network(NetworkConfig(2, levels, kernel), 0).eval()
    middle = 2 * reach.halo
    furthest = 0
    for place in range(middle, middle + reach.alignment):
        features = torch.zeros(1, CHANNEL_COUNT, 8, 4 * reach.halo, requires_grad=True)
        network(features)[0][0, 4, place].backward()
        seen = np.flatnonzero(features.grad.abs().sum(dim=(0, 1, 2)).numpy())
        furthest = max(furthest, place - int(seen[0]), int(seen[-1]) - place)
    assert reach.halo - reach.alignment < furthest <= reach.halo


@pytest.fixture(scope="module", params=[(2, 3), (4, 3), (3, 5)], ids=str)
def made(request, tmp_path_factory):
    """A network folder of another architecture: its run, and its card as the program reads it."""
    levels, kernel = request.param
    size = NetworkConfig(4, levels, kernel, with_sigma=True)
    config = RECORD["config"] | {"network": dataclasses.asdict(size), "variants": {}}
    ends = [new_network(size, seed).state_dict() for seed in (0, 1)]
    parent = tmp_path_factory.mktemp("models")
    folder = write_bundle(Run(*ends, RECORD | {"config": config}, {}), parent, "smoke")
    return read_bundle(folder), load_catalog(parent).default


@pytest.mark.slow
def test_that_the_program_runs_another_architecture_as_torch_does(made):
    run, network_card = made
    assert network_card.reach == reach_of(run.size.levels, run.size.kernel)
    network = network_with(run.at(run.shipped_position))
    assert size_of(network.state_dict()) == run.size
    sides = (5 * network_card.reach.alignment, 7 * network_card.reach.alignment)
    features = np.random.default_rng(0).normal(0.5, 1.0, (3, CHANNEL_COUNT, *sides))
    features = features.astype(np.float32)
    given = NetworkRuntime(network_card).run(features)
    with torch.inference_mode():
        expected = network(torch.from_numpy(features))
    for found, wanted in zip((given.ki, given.v, given.sigma), expected, strict=True):
        assert np.abs(found - wanted.numpy()).max() <= 1e-5 * float(wanted.abs().max())


@pytest.mark.slow
def test_that_a_tile_of_another_architecture_equals_the_whole_map(made):
    """Sides that are no multiple of its alignment, and a study wider than its reach."""
    _, network_card = made
    prepared = infer.prepare(request(fake_image((3, 44, 238)), card=network_card), NullProgress())
    assert all(
        side % network_card.reach.alignment == 0 for side in prepared.features.values.shape[2:]
    )
    runtime = NetworkRuntime(network_card)
    whole = infer.network_volume(prepared, runtime, NullProgress())
    for x0, x1 in ((0, 9), (117, 122), (231, 238)):
        tile = infer.network_region(prepared, runtime, infer.Region(1, 2, 3, 41, x0, x1))
        expected = whole.ki[1:2, 3:41, x0:x1]
        np.testing.assert_allclose(tile.ki, expected, rtol=0, atol=1e-5 * whole.ki.max())


@pytest.mark.slow
def test_that_a_card_that_tells_too_small_an_alignment_is_refused(made):
    run, network_card = made
    wrong = dataclasses.replace(network_card, reach=THREE_LEVELS)
    if run.size.levels < 4:
        NetworkRuntime(wrong)
        return
    with pytest.raises(NetworkError, match="its Concat does not fit what it is given"):
        NetworkRuntime(wrong)
