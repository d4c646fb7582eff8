"""Folders of networks: with a slider, and variants that were trained on a reference."""

import tomllib

import pytest
import torch

from kitrain.architecture import new_network
from kitrain.bundle import read_bundle, write_bundle
from kitrain.config import NetworkConfig
from kitrain.pipeline import Run
from kiview.nets.catalog import load_catalog, verify
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.weights import WeightState, shipped_weights
from tests.training.runs import RECORD

pytestmark = pytest.mark.slow
SIZE = NetworkConfig(4, with_sigma=True)


def weights(seed):
    return new_network(SIZE, seed).state_dict()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    parent = tmp_path_factory.mktemp("models")
    variants = {"direct": weights(2), "sharp": weights(1)}
    write_bundle(Run(weights(0), weights(1), RECORD, variants), parent, "smoke")
    return parent


def test_that_a_variant_trained_on_a_reference_is_a_network_of_its_own(models):
    cards = load_catalog(models).cards
    assert [card.id for card in cards] == ["site-net", "site-net-direct"]
    for card in cards:
        verify(card)
    default, direct = cards
    assert default.slider is not None
    assert direct.slider is None
    assert direct.title == "Ki of FDG, as 4-D direct of the same counts"
    assert direct.domain.uptake_noise == (0.1, 2.0)
    assert direct.domain.region == "head to thigh"
    assert {"WHOLEBODY", "CHEST", "BRAIN"} <= {*direct.domain.body_parts}
    assert not {"LEG", "BREAST", "EXTREMITY"} & {*direct.domain.body_parts}
    assert direct.domain.scan_height_mm == (32.0, 1257.0)
    told = [tomllib.loads((models / card.id / "card.toml").read_text("utf-8")) for card in cards]
    assert [card["training"]["weights"] for card in told] == [
        "mean of the weights of seeds 0, 1",
        "seed 1 (chosen by validation)",
    ]


def test_that_a_network_without_a_slider_reads_back_and_runs(models):
    run = read_bundle(models / "site-net-direct")
    assert (run.target, run.has_slider, run.size) == ("direct", False, SIZE)
    for name, tensor in weights(2).items():
        torch.testing.assert_close(run.at(run.shipped_position)[name], tensor, rtol=0, atol=0)
    card = load_catalog(models).cards[1]
    chosen = shipped_weights(card)
    assert chosen.state(card) is WeightState.SHIPPED
    features = torch.randn(1, 31, 16, 16).numpy()
    outputs = NetworkRuntime(card).run(features)
    assert outputs.sigma is not None
    assert outputs.ki.shape == (1, 16, 16)


def test_that_writing_a_network_again_keeps_its_place(models):
    run = read_bundle(models / "site-net-direct")
    again = Run(run.smooth, run.sharp, RECORD | {"has_slider": False, "target": "direct"}, {})
    config = RECORD["config"] | {"network_id": "site-net-direct", "variants": {}}
    write_bundle(Run(again.smooth, again.sharp, again.record | {"config": config}, {}), models, "x")
    assert [card.id for card in load_catalog(models).cards] == ["site-net", "site-net-direct"]
