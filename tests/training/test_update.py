import json
import shutil
import tomllib
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from kitrain.__main__ import main
from kitrain.architecture import new_network
from kitrain.bundle import output_table, read_bundle, read_parent, write_bundle, write_card
from kitrain.config import DataConfig, NetworkConfig, OptimiserConfig
from kitrain.groups import DIRECT, GroupError
from kitrain.leaks import LeakError
from kitrain.manifest import make_entry
from kitrain.network import KiNetwork
from kitrain.people import GroupFolder
from kitrain.pipeline import Run
from kitrain.update import (
    LEAST_REPLAY,
    REPLAY_SEED,
    REPLAY_VALIDATION,
    Outcome,
    UpdateRefused,
    UpdateRequest,
    find_network,
    held_out,
    update_network,
)
from kiview.core.errors import NetworkError
from kiview.core.progress import CallbackProgress, NullProgress
from kiview.nets.catalog import load_catalog, read_card, verify
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.weights import WeightSet
from tests.training import runs
from tests.training.slabs import added_group, fill

pytestmark = pytest.mark.slow
STEPS = OptimiserConfig(
    iterations=12, batch=4, crop=32, learning_rate=2e-3, autocast=False, report_every=4
)
RECORD = runs.RECORD | {
    "config": {
        "network_id": "site-net",
        "network": {"width": 4},
        "data": {"train": 1, "validation": 1},
        "slider": {"smooth": "smooth", "sharp": "sharp"},
    },
    "shipped_seeds": {"smooth": [0], "sharp": [0]},
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A whole network folder with two different ends, hardly trained."""
    smooth = new_network(NetworkConfig(4), 0).state_dict()
    sharp = {name: tensor + 0.01 * torch.randn_like(tensor) for name, tensor in smooth.items()}
    run = Run(smooth, sharp, RECORD, {})
    return write_bundle(run, tmp_path_factory.mktemp("models"), "smoke")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Groups where the replay is looked for."""
    folder = tmp_path_factory.mktemp("simulated")
    fill(folder, DataConfig(LEAST_REPLAY, REPLAY_VALIDATION, 1, REPLAY_SEED))
    return folder


def request_in(folder, network, simulated):
    groups = GroupFolder(folder / "groups")
    for person in range(500, 503):
        groups.add([added_group(person)])
    return UpdateRequest(str(network), groups, folder / "models", simulated, schedule=STEPS)


@pytest.fixture
def request_(tmp_path, network, simulated):
    return request_in(tmp_path, network, simulated)


@dataclass(frozen=True)
class Updated:
    """A request, what came of it, and what was said and there before."""

    request: UpdateRequest
    outcome: Outcome
    told: list
    before: dict


@pytest.fixture(scope="module")
def updated(tmp_path_factory, network, simulated):
    """One successful update for several tests to look at."""
    request = request_in(tmp_path_factory.mktemp("user"), network, simulated)
    before = {path.name: path.read_bytes() for path in network.iterdir()}
    told = []
    outcome = update_network(request, CallbackProgress(lambda f, m: told.append((f, m))))
    return Updated(request, outcome, told, before)


def test_that_an_update_writes_a_whole_new_version_that_is_better(updated, network):
    folder = updated.outcome.folder
    assert folder.name == "site-net-v1.1.0"
    card = read_card(folder / "card.toml")
    verify(card)
    assert (card.id, card.version) == ("site-net-v1.1.0", "1.1.0")
    assert card.results["validation_added"] < card.results["validation_added_before"]
    said = tomllib.loads((folder / "card.toml").read_text(encoding="utf-8"))["training"]
    assert said["parent"] == "site-net"
    assert said["parent_card_sha256"] == read_parent(network).card_sha256
    assert len(said["groups"]) == 2
    everyone = {entry.subject for entry in updated.request.groups.entries()}
    assert _learnt(updated.request, updated.outcome) < everyone
    assert len((folder / "CARD.md").read_text(encoding="utf-8").split()) > 100
    assert updated.before == {path.name: path.read_bytes() for path in network.iterdir()}
    assert not list(updated.request.models.glob("*.part"))


def test_that_progress_only_grows(updated):
    fractions = [fraction for fraction, _ in updated.told if fraction is not None]
    assert min(np.diff(fractions)) > -1e-9
    assert fractions[-1] >= 0.9


def test_that_both_ends_move_by_the_change_of_the_shipped_network(updated, network):
    folder = updated.outcome.folder
    old, new = read_bundle(network), read_bundle(folder)
    moves = [
        {n: (after[n] - before[n]).double() for n in before}
        for before, after in ((old.smooth, new.smooth), (old.sharp, new.sharp))
    ]
    for name, move in moves[0].items():
        torch.testing.assert_close(move, moves[1][name], rtol=0, atol=1e-6)
    assert max(float(move.abs().max()) for move in moves[0].values()) > 1e-3
    card = read_card(folder / "card.toml")
    features = np.random.default_rng(0).normal(0.5, 1, (1, 31, 16, 16)).astype(np.float32)
    shipped = NetworkRuntime(card).run(features)
    weights = WeightSet(card.network.sha256, card.slider.shipped_position).tensors(card)
    laid_over = NetworkRuntime(card, weights).run(features)
    np.testing.assert_allclose(shipped.ki, laid_over.ki, rtol=1e-6)
    np.testing.assert_allclose(shipped.v, laid_over.v, rtol=1e-6)


def test_that_an_update_keeps_the_calibration_of_its_parent(tmp_path, simulated):
    torch.manual_seed(3)
    network = KiNetwork(4, sigma=True, calibration=3)
    for parameter in network.calibration.last.parameters():
        torch.nn.init.normal_(parameter)
    weights = network.state_dict()
    config = RECORD["config"] | {"network": {"width": 4, "with_sigma": True}}
    run = Run(weights, weights, RECORD | {"config": config}, {})
    parent = write_bundle(run, tmp_path / "models", "smoke")
    card = tomllib.loads((parent / "card.toml").read_text("utf-8"))
    write_card(parent, card | {"outputs": output_table(sigma=True, calibrated=True)}, "")
    request = request_in(tmp_path, parent, simulated)
    folder = update_network(request, NullProgress()).folder
    assert read_card(folder / "card.toml").outputs == ("ki", "v", "sigma", "calibration")
    before, after = read_bundle(parent).smooth, read_bundle(folder).smooth
    assert not torch.equal(after["head.weight"], before["head.weight"])
    for name in (name for name in before if name.startswith("calibration.")):
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=0)
    assert "is calibrated as that of its parent" in (folder / "CARD.md").read_text("utf-8")


def test_that_the_next_update_begins_where_the_last_ended_and_keeps_its_judges(updated):
    first = updated.outcome
    again = replace(updated.request, network=first.folder.name)
    assert update_network(again, NullProgress()).folder is None
    judges = {entry.subject for entry in again.groups.entries()} - _learnt(again, first)
    again.groups.add([added_group(510)])
    second = update_network(again, NullProgress())
    assert second.folder.name == "site-net-v1.2.0"
    assert not judges & _learnt(again, first)
    assert _learnt(again, second) >= _learnt(again, first)
    catalog = load_catalog(again.models)
    assert [card.version for card in catalog.cards] == ["1.2.0", "1.1.0"]


def _learnt(request, outcome):
    card = tomllib.loads((outcome.folder / "card.toml").read_text(encoding="utf-8"))
    known = {entry.sha256: entry.subject for entry in request.groups.entries()}
    return {known[sha] for sha in card["training"]["groups"]}


def test_that_an_update_that_makes_things_worse_is_refused_and_leaves_nothing(request_):
    wild = replace(request_, schedule=replace(STEPS, learning_rate=5.0))
    with pytest.raises(UpdateRefused, match="worse on held-out cases"):
        update_network(wild, NullProgress())
    assert not request_.models.exists()


def test_that_nothing_is_done_before_enough_scans_came_together(request_):
    outcome = update_network(replace(request_, at_least=4), NullProgress())
    assert outcome.folder is None
    assert "3 of 4 new scans" in outcome.message
    assert not request_.models.exists()


def test_that_a_network_made_reference_in_the_folder_stops_the_update(request_):
    path = request_.groups.paths()[0]
    entry = path.with_suffix(".json")
    said = json.loads(entry.read_text(encoding="utf-8"))
    said["reference_networks"] = {DIRECT: "site-net"}
    entry.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(LeakError, match="direct by site-net"):
        update_network(request_, NullProgress())


def test_that_one_person_alone_is_too_few(request_, tmp_path):
    lonely = GroupFolder(tmp_path / "lonely")
    lonely.add([added_group(500)])
    with pytest.raises(GroupError, match="of 1 people"):
        update_network(replace(request_, groups=lonely), NullProgress())


def test_that_judges_are_a_fifth_and_new_to_the_network():
    people = [f"p{i}" for i in range(10)]
    assert len(held_out(people, [])) == 2
    assert not held_out(people, people[:8]) & set(people[:8])
    with pytest.raises(GroupError, match="0 of them new"):
        held_out(people, people)


def test_that_a_changed_or_unknown_network_is_refused(request_, network, tmp_path):
    with pytest.raises(NetworkError, match="no network 'nothing'"):
        find_network("nothing", request_.models)
    broken = shutil.copytree(network, tmp_path / "broken")
    content = (broken / "sharp.safetensors").read_bytes()
    (broken / "sharp.safetensors").write_bytes(content[:-1] + b"x")
    with pytest.raises(NetworkError, match="was changed"):
        update_network(replace(request_, network=str(broken)), NullProgress())


def test_that_the_command_speaks_json_and_fails_in_one_sentence(request_, capsys):
    given = ["--network", request_.network, "--groups", str(request_.groups.path)]
    given += ["--to", str(request_.models), "--data", str(request_.data), "--json-progress"]
    assert main(["update", *given, "--when-at-least", "9"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"fraction": 1.0, "message": "3 of 9 new scans; nothing was done."}]
    (request_.groups.path / "group-x-000.npz").write_bytes(b"nothing")
    assert main(["update", *given]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("kitrain: group-x-000.npz cannot be read")
    assert len(told.err.splitlines()) == 1


def test_that_an_entry_can_be_made_again(request_):
    path = request_.groups.paths()[0]
    first = request_.groups.entries()[0]
    path.with_suffix(".json").unlink()
    assert make_entry(path) == first
