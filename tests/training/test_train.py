import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch

from kitrain.architecture import loaded_network, new_network
from kitrain.checkpoint import Unfinished, load_trained, load_unfinished, save_unfinished
from kitrain.config import (
    InitialConfig,
    Initialisation,
    LossConfig,
    NetworkConfig,
    Optimiser,
    OptimiserConfig,
    Schedule,
    StopConfig,
)
from kitrain.history import Progress, read_log, stop_reason
from kitrain.history_plot import history_svg
from kitrain.optimisers import make_optimiser, rate_at, step_count
from kitrain.parallel import World
from kitrain.targets import Target
from kitrain.train import Groups, Job, finished
from kiview.core.errors import ReadError
from tests.training.slabs import fake_slab

ALONE = World(0, 1, torch.device("cpu"))
SIZE = NetworkConfig(width=4)
SCHEDULE = OptimiserConfig(
    20, batch=4, crop=32, autocast=False, report_every=5, checkpoint_every=10
)


@pytest.fixture(scope="module")
def groups():
    return Groups([fake_slab(seed) for seed in range(3)], [fake_slab(9)])


def job(**changes):
    start = new_network(SIZE, 0).state_dict()
    return replace(Job("one", start, SIZE, SCHEDULE, LossConfig(), seed=1), **changes)


def quiet(_):
    pass


class Interrupted(Exception):
    """What a power cut is to a process."""


def stopping_at(step):
    def report(line):
        if line.startswith(f"step {step} "):
            raise Interrupted

    return report


def test_that_training_lowers_the_error_and_repeats_from_its_seed(tmp_path, groups):
    runs = [finished(job(), groups, tmp_path / name, ALONE, quiet) for name in ("a", "b")]
    accuracies = [progress.validation_accuracy for progress in runs[0].history]
    assert accuracies[-1] > accuracies[0]
    for name, tensor in runs[0].weights.items():
        torch.testing.assert_close(tensor, runs[1].weights[name], rtol=0, atol=0)
    other = finished(job(seed=2), groups, tmp_path / "c", ALONE, quiet)
    assert any(not torch.equal(t, other.weights[n]) for n, t in runs[0].weights.items())


@pytest.mark.parametrize("kind", list(Optimiser))
def test_that_an_interrupted_training_goes_on_as_if_nothing_had_been(tmp_path, groups, kind):
    asked = job(schedule=replace(SCHEDULE, optimiser=kind, learning_rate=1e-3))
    whole = finished(asked, groups, tmp_path / "whole", ALONE, quiet)
    with pytest.raises(Interrupted):
        finished(asked, groups, tmp_path / "cut", ALONE, stopping_at(15))
    assert load_trained(tmp_path / "cut", "one") is None
    lines = []
    again = finished(asked, groups, tmp_path / "cut", ALONE, lines.append)
    assert [line.split()[1] for line in lines if line.startswith("step")] == ["15", "20"]
    for name, tensor in whole.weights.items():
        assert torch.equal(tensor, again.weights[name]), name
    assert [p.cost for p in whole.history] == [p.cost for p in again.history]
    assert not list((tmp_path / "cut").glob("*.state.*"))


def test_that_a_finished_training_is_read_not_repeated(tmp_path, groups):
    first = finished(job(), groups, tmp_path, ALONE, quiet)
    lines = []
    again = finished(job(), groups, tmp_path, ALONE, lines.append)
    assert lines == []
    assert again.history == first.history
    assert {path.name for path in tmp_path.iterdir()} == {
        "one.safetensors",
        "one.json",
        "one.log.jsonl",
        "one.svg",
    }


def test_that_the_log_has_one_json_object_a_report_and_the_plot_its_curves(tmp_path, groups):
    trained = finished(job(), groups, tmp_path, ALONE, quiet)
    lines = (tmp_path / "one.log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [5, 10, 15, 20]
    assert tuple(read_log(tmp_path / "one.log.jsonl")) == trained.history
    root = ET.fromstring((tmp_path / "one.svg").read_text(encoding="utf-8"))
    curves = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert [len(curve.get("points").split()) for curve in curves] == [4, 4, 4]
    said = "".join(root.itertext())
    for word in ("cost", "training accuracy", "validation accuracy", "step 20", "target truth"):
        assert word in said


def test_that_a_plot_puts_higher_values_higher():
    history = [Progress(step, 1.0 / step, 0.1 * step, 0.05 * step, 1e-3, 1.0) for step in (1, 2, 3)]
    root = ET.fromstring(history_svg("a < b", history))
    cost, train, _ = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    heights = [[float(p.split(",")[1]) for p in c.get("points").split()] for c in (cost, train)]
    assert heights[0] == sorted(heights[0])
    assert heights[1] == sorted(heights[1], reverse=True)


def test_that_a_damaged_checkpoint_is_named(tmp_path):
    network = new_network(SIZE, 0)
    (tmp_path / "one.state.safetensors").write_bytes(b"nothing")
    with pytest.raises(ReadError, match=r"one\.state\.safetensors cannot be used"):
        load_unfinished(tmp_path, "one", network, make_optimiser(network.parameters(), SCHEDULE))


@pytest.mark.parametrize("name", ["one.json", "one.safetensors"])
def test_that_a_damaged_training_is_named_not_trained_over(tmp_path, groups, name):
    finished(job(schedule=replace(SCHEDULE, iterations=1)), groups, tmp_path, ALONE, quiet)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(ReadError, match=r"The training one in .* is damaged"):
        finished(job(), groups, tmp_path, ALONE, quiet)


def test_that_a_checkpoint_of_another_network_is_refused(tmp_path):
    other = new_network(NetworkConfig(width=8), 0)
    optimiser = make_optimiser(other.parameters(), SCHEDULE)
    save_unfinished(tmp_path, "one", other, optimiser, Unfinished(1, (0.0, 0), (), 0.0))
    network = new_network(SIZE, 0)
    with pytest.raises(ReadError, match="cannot be used"):
        load_unfinished(tmp_path, "one", network, make_optimiser(network.parameters(), SCHEDULE))


def test_that_a_training_ends_when_its_cost_is_low_enough(tmp_path, groups):
    ended = finished(job(stop=StopConfig(cost_below=100.0)), groups, tmp_path, ALONE, quiet)
    assert [p.step for p in ended.history] == [5]
    assert "is below 100" in ended.stopped
    assert load_trained(tmp_path, "one").stopped == ended.stopped


def progress(cost):
    return Progress(1, cost, 0.0, 0.0, 1e-3, 0.0)


def test_that_a_cost_that_stands_still_ends_a_training_after_its_patience():
    config = StopConfig(change_below=0.05, patience=2)
    falling = [progress(c) for c in (1.0, 0.5, 0.4, 0.39)]
    assert stop_reason(falling, config) == ""
    assert "less than 0.05 for 2 reports" in stop_reason([*falling, progress(0.385)], config)
    assert stop_reason([*falling, progress(0.385)], StopConfig()) == ""
    assert stop_reason([], config) == ""


def test_that_epochs_count_the_area_of_the_slices(tmp_path, groups):
    voxels = sum(record.body.size for record in groups.train)
    assert step_count(replace(SCHEDULE, epochs=2.0), voxels) == -(-2 * voxels // (4 * 32 * 32))
    assert step_count(SCHEDULE, voxels) == 20
    asked = job(schedule=replace(SCHEDULE, epochs=1.0))
    trained = finished(asked, groups, tmp_path, ALONE, quiet)
    assert trained.history[-1].step == -(-voxels // (4 * 32 * 32))


@pytest.mark.parametrize(
    ("schedule", "middle", "last"),
    [
        (Schedule.COSINE, 0.5, 0.0),
        (Schedule.LINEAR, 0.5, 0.0),
        (Schedule.STEP, 1.0, 0.1),
        (Schedule.CONSTANT, 1.0, 1.0),
    ],
)
def test_that_the_rate_follows_its_schedule(schedule, middle, last):
    config = OptimiserConfig(schedule=schedule, learning_rate=0.2)
    rates = [rate_at(step, 1000, config) / 0.2 for step in (1, 501, 1000)]
    assert rates == pytest.approx([1.0, middle, last], abs=2e-3)


def test_that_the_rate_rises_first_where_a_warm_up_is_asked_for():
    plain = OptimiserConfig(learning_rate=0.2)
    config = replace(plain, warm_up=10)
    rising = [rate_at(step, 1000, config) / rate_at(step, 1000, plain) for step in (1, 5, 10, 11)]
    assert rising == pytest.approx([0.1, 0.5, 1.0, 1.0])


@pytest.mark.parametrize("kind", list(Optimiser))
def test_that_every_optimiser_goes_downhill(kind):
    """f(x) = x^2 from 3: a hundred steps at a usual rate come closer to 0."""
    rate = 1.0 if kind is Optimiser.ADADELTA else 0.05
    x = torch.tensor([3.0], requires_grad=True)
    optimiser = make_optimiser([x], OptimiserConfig(optimiser=kind, learning_rate=rate))
    for _ in range(100):
        optimiser.zero_grad()
        (x * x).sum().backward()
        optimiser.step()
    assert abs(x.item()) < 2.9


def drawn(kind, **settings):
    network = new_network(SIZE, 0, InitialConfig(kind, **settings))
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_that_weights_begin_as_they_were_asked_to():
    uniform = drawn(Initialisation.UNIFORM)
    assert float(uniform.min()) == pytest.approx(-1, abs=0.01)
    assert float(uniform.max()) == pytest.approx(1, abs=0.01)
    assert float(uniform.std()) == pytest.approx(3**-0.5, rel=0.03)
    assert float(drawn(Initialisation.GAUSSIAN, spread=0.05).std()) == pytest.approx(0.05, rel=0.05)
    assert torch.equal(drawn(Initialisation.CONSTANT, value=0.02), torch.full(uniform.shape, 0.02))
    own = torch.cat([p.detach().flatten() for p in new_network(SIZE, 0).parameters()])
    assert torch.equal(drawn(Initialisation.KAIMING), own)
    assert torch.equal(uniform, drawn(Initialisation.UNIFORM))


def test_that_xavier_weighs_by_both_sides_and_has_no_bias():
    network = new_network(SIZE, 0, InitialConfig(Initialisation.XAVIER))
    layer = network.encoder0.layers[1]
    limit = (6 / (2 * 4 * 9)) ** 0.5
    assert 0.8 * limit < layer.weight.abs().max().item() <= limit
    assert layer.bias.abs().max().item() == 0.0


def test_that_a_network_of_loaded_weights_computes_what_they_did():
    network = new_network(SIZE, 5).eval()
    again = loaded_network(network.state_dict(), SIZE)
    features = torch.randn(1, 31, 16, 16)
    for a, b in zip(network(features), again(features), strict=True):
        assert torch.equal(a, b)


def test_that_a_training_towards_a_reference_is_watched_by_that_reference(tmp_path, groups):
    truth = finished(job(), groups, tmp_path / "a", ALONE, quiet)
    direct = finished(job(target=Target.DIRECT), groups, tmp_path / "b", ALONE, quiet)
    assert direct.history[-1].validation_accuracy != truth.history[-1].validation_accuracy
    changed = [not torch.equal(t, direct.weights[n]) for n, t in truth.weights.items()]
    assert np.mean(changed) > 0.9
