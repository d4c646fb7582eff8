import json
from dataclasses import replace

import pytest
import torch

from kitrain import architecture, pipeline
from kitrain.architecture import new_network
from kitrain.checkpoint import load_trained
from kitrain.common_start import Place
from kitrain.config import ConfigError, InitialConfig, Initialisation, Ship
from kitrain.config_file import read_config
from kitrain.parallel import World
from kitrain.pipeline import (
    final_variants,
    load_run,
    load_seeds,
    load_variant,
    run,
    train_seed,
)
from kitrain.side_by_side import train_at_once
from kitrain.stages import run_stages
from kitrain.verdict import Fit
from tests.training.slabs import fill

ALONE = World(0, 1, torch.device("cpu"))
TINY = """
network_id = "tiny"
seeds = [0, 1]
[data]
train = 4
validation = 2
test = 1
seed = 5
[network]
width = 8
[base]
iterations = 6
batch = 2
crop = 32
report_every = 3
autocast = false
[finetune]
iterations = 2
batch = 2
crop = 32
report_every = 2
autocast = false
[verdict]
accuracy = 0.0
gap = 1.0
[slider]
positions = [0.5, 1.0]
[variant.direct]
target = "direct"
[variant.indep]
target = "indep"
norm = "l2"
start = "direct"
[variant.smooth]
blur_mm = 12.0
[variant.sharp]
lesion = 5.0
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return read_config(path)


@pytest.fixture
def place(tmp_path, config):
    fill(tmp_path / "data", config.data)
    return Place(tmp_path / "data", tmp_path / "out", ALONE, lambda _: None)


def saying(place):
    lines = []
    return replace(place, report=lines.append), lines


def test_that_every_variant_is_trained_from_every_seed_and_read_back(config, place):
    made = run(config, place)
    assert set(made.variants) == {"base", "direct", "indep", "smooth", "sharp"}
    assert made.record["verdicts"][-1]["fit"] == Fit.GOOD
    assert set(made.record["validation_nrmse_to_target"]) == {
        f"{name}-{seed}" for name in made.variants for seed in (0, 1)
    }
    again = load_run(place.out)
    for name, weights in made.variants.items():
        for key, tensor in weights.items():
            assert torch.equal(tensor, again.variants[name][key])
    assert again.at(0.0)["head.bias"].equal(made.smooth["head.bias"])
    other = load_variant(place.out, "direct", 1 - made.record["seed"])
    assert not torch.equal(other.weights["head.bias"], made.variants["direct"]["head.bias"])
    assert json.loads((place.out / "run.json").read_text(encoding="utf-8")) == made.record


def test_that_the_mean_of_all_seeds_can_be_shipped(config, place, monkeypatch):
    monkeypatch.setattr(pipeline, "_MEAN_MARGIN", 10.0)
    made = run(replace(config, ship=Ship.MEAN), place)
    for name in ("direct", "sharp"):
        assert made.record["shipped_seeds"][name] == [0, 1]
        first, second = (load_variant(place.out, name, seed).weights for seed in (0, 1))
        for key, tensor in made.variants[name].items():
            assert tensor.numpy() == pytest.approx((first[key] + second[key]).numpy() / 2, abs=1e-7)
    again = load_run(place.out)
    assert torch.equal(again.sharp["head.weight"], made.sharp["head.weight"])


def test_that_a_mean_that_is_worse_than_a_seed_is_not_shipped(config, place, monkeypatch):
    monkeypatch.setattr(pipeline, "_MEAN_MARGIN", -1.0)
    made = run(replace(config, ship=Ship.MEAN), place)
    for name, tensors in made.variants.items():
        known = [load_variant(place.out, name, seed) for seed in (0, 1)]
        best = min(known, key=lambda trained: trained.validation)
        assert torch.equal(tensors["head.weight"], best.weights["head.weight"])
    assert torch.equal(load_run(place.out).sharp["head.weight"], made.sharp["head.weight"])


def test_that_the_weights_of_every_seed_are_read_back_as_they_would_be_shipped(config, place):
    made = run(config, place)
    found = load_seeds(place.out, made)
    assert set(found) == {0, 1}
    shipped = made.at(made.shipped_position)
    for key, tensor in found[made.record["seed"]].items():
        assert torch.equal(tensor, shipped[key])
    direct = load_seeds(place.out, made.variant("direct", "direct"))
    for seed, weights in direct.items():
        known = load_variant(place.out, "direct", seed).weights
        assert weights["head.bias"].numpy() == pytest.approx(known["head.bias"].numpy(), abs=1e-7)


def test_that_seeds_at_once_are_those_of_one_after_the_other(config, place):
    ends = {name: config.variants[name] for name in ("smooth", "sharp")}
    config = replace(config, variants=ends)
    in_turn = run(config, place)
    beside, lines = saying(replace(place, out=place.out.with_name("beside"), at_once=2))
    at_once = run(config, beside)
    assert lines.count("training base-0 towards truth") == 1  # judged before the others begin
    assert not any("-1 towards" in line for line in lines)
    assert {"everything of seed 0 is there", "everything of seed 1 is there"} <= set(lines)
    for seed in (0, 1):
        for name in ("base", *ends):
            one, other = (load_variant(p.out, name, seed).weights for p in (place, beside))
            for key, tensor in one.items():
                torch.testing.assert_close(other[key], tensor, rtol=1e-4, atol=1e-5)
    assert at_once.record["shipped_seeds"] == in_turn.record["shipped_seeds"]


def test_that_seeds_at_once_and_one_seed_on_several_cards_exclude_each_other():
    several = replace(ALONE, size=2)
    with pytest.raises(ConfigError, match="exclude each other"):
        train_at_once(train_seed, [], 2, several, lambda _: None)


def test_that_a_variant_on_the_way_to_another_is_no_network_of_its_own():
    variants = {
        "early": {"start": "base", "target": "direct"},
        "late": {"start": "early", "target": "direct"},
        "indep": {"start": "early", "target": "indep"},
    }
    assert final_variants(variants) == {"late": "direct", "indep": "indep"}


def test_that_a_run_goes_on_after_the_trainings_that_are_there(config, place):
    run(config, place)
    (place.out / "sharp-1.safetensors").unlink()
    again, lines = saying(place)
    run(config, again)
    assert [line for line in lines if line.startswith("training")] == [
        "training sharp-1 towards truth"
    ]


def test_that_a_variant_begins_where_its_start_ended(config, place):
    """With a learning rate of nothing, `indep` stays at `direct`."""
    still = replace(config.finetune, learning_rate=1e-7, iterations=1)
    variants = {**config.variants, "indep": replace(config.variants["indep"], schedule=still)}
    made = run(replace(config, seeds=(0,), variants=variants), place)
    direct, indep, base = (made.variants[n]["head.weight"] for n in ("direct", "indep", "base"))
    assert float((indep - direct).abs().max()) < 1e-6
    assert float((indep - base).abs().max()) > 1e-4


def test_that_an_underfit_start_is_repeated_once_on_other_validation_people(config, place):
    asked = replace(config, verdict=replace(config.verdict, accuracy=0.999))
    telling, lines = saying(place)
    made = run(asked, telling)
    trained = [line.split()[1] for line in lines if line.startswith("training base")]
    assert trained[:2] == ["base-0", "base-0-draw1"]
    assert not [name for name in trained if "draw2" in name]
    first, second = (json.loads(p.read_text(encoding="utf-8"))["groups"] for p in _manifests(place))
    people = [{entry["subject"] for entry in groups} for groups in (first, second)]
    assert len(people[0]) == len(people[1]) == 2
    assert not people[0] & people[1]
    assert len(made.record["verdicts"]) == 2
    assert any("once again with width 8 -> 12, levels 3 -> 4" in line for line in lines)
    width = made.record["config"]["network"]["width"]
    kept = load_trained(place.out, "base-0" if width == 8 else "base-0-draw1")
    other = load_trained(place.out, "base-0-draw1" if width == 8 else "base-0")
    assert kept.validation <= other.validation
    assert made.variants["base"]["head.weight"].shape[1] == width
    size = load_run(place.out).size
    assert (size.width, size.levels) == (width, 3 if width == 8 else 4)


def test_that_a_network_that_goes_on_from_another_keeps_its_size_in_a_retry(
    config, place, monkeypatch
):
    known = new_network(config.network, 3).state_dict()
    monkeypatch.setattr(architecture, "go_on_with", lambda n, *_: n.load_state_dict(known))
    initial = InitialConfig(Initialisation.NETWORK, network="known")
    verdict = replace(config.verdict, accuracy=0.999)
    telling, lines = saying(place)
    made = run(replace(config, verdict=verdict, initial=initial, seeds=(0,)), telling)
    assert made.size.width == 8
    told = [line for line in lines if line.startswith("once again")]
    assert len(told) == 1
    assert "width" not in told[0]
    assert "levels" not in told[0]


def test_that_a_start_with_other_layers_is_refused_before_anyone_is_simulated(config, place):
    initial = InitialConfig(Initialisation.NETWORK, network="ki-fdg-torso-1")
    nobody = replace(place, data=place.data.with_name("nobody"))
    with pytest.raises(ConfigError, match="has other layers"):
        run(replace(config, initial=initial), nobody)
    assert not nobody.data.exists()


def _manifests(place):
    return [place.data / f"validation-2-5-{draw}.manifest.json" for draw in (0, 1)]


def test_that_a_configuration_can_forbid_the_repetition(config, place):
    asked = replace(config, verdict=replace(config.verdict, accuracy=0.999, retry=False))
    made = run(asked, place)
    assert made.record["verdicts"][0]["fit"] == Fit.UNDERFIT
    assert made.record["verdicts"][0]["network"]["width"] == 12
    assert made.record["config"]["network"]["width"] == 8
    assert not list(place.out.glob("*draw1*"))


def test_that_a_folder_without_a_run_is_told(config, place):
    with pytest.raises(FileNotFoundError, match="no finished training run"):
        load_run(place.out)
    run(replace(config, seeds=(0,)), place)
    (place.out / "sharp-0.json").unlink()
    with pytest.raises(FileNotFoundError, match="no training sharp-0"):
        load_run(place.out)


def test_that_a_stage_before_what_it_needs_is_refused():
    class Lost:
        name, needs = "map", ("curve",)

        def run(self, done):
            raise AssertionError(done)

    with pytest.raises(ConfigError, match="'map' needs 'curve'"):
        run_stages([Lost()], {})
