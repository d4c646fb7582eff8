"""When a curve network refuses: who tells, and what is written."""

import tomllib
from pathlib import Path

import pytest

import kitrain
from kitrain import curve_refusal
from kitrain.__main__ import main
from kitrain.config import DataConfig
from kitrain.curve_refusal import Asked, decide_refusals
from kitrain.data import is_test_seed, spare_seeds
from kitrain.test_sets import MOST_CALIBRATE, MOST_REFUSE, calibration_jobs, refusal_jobs
from kiview.nets.catalog import verify
from kiview.nets.curve_card import load_curve_card
from tests.helpers import curve_network

SMOKE = Path(kitrain.__file__).parents[1] / "configs" / "smoke.toml"
SIZE = DataConfig(1, 1, 1, seed=3)
SEEN = {
    "head": [(False, 0.02), (False, 0.31)],
    "head-low-counts": [(False, 0.01), (False, 0.2)],
    "brain": [(False, 0.0), (False, 0.0)],
    "thigh": [(True, 0.99), (True, 0.71)],
    "pelvis": [(True, 0.97), (True, 0.05)],
    "torso-low-counts": [(True, 0.99), (True, 0.98)],
}
"""By kind of scan; the best threshold lies between 0.31 + 0.1 and 0.71."""


def asked(folder):
    return Asked(2, SIZE, folder.parent, "calibrate", folder.parent)


def test_that_those_who_tell_neither_train_nor_calibrate_nor_are_judged():
    kinds = refusal_jobs(SIZE, MOST_REFUSE)
    assert set(kinds) == set(SEEN)
    seeds = {seed for jobs in kinds.values() for seed, _ in jobs}
    assert len(seeds) == MOST_REFUSE
    assert not any(is_test_seed(seed) for seed in seeds)
    others = calibration_jobs(SIZE, MOST_CALIBRATE)
    assert not seeds & {seed for jobs in others.values() for seed, _ in jobs}
    assert not seeds & set(spare_seeds(SIZE, 240))
    assert [seed for seed, _ in refusal_jobs(SIZE, 2)["head"]] == sorted(seeds)[:2]
    assert {config.region for _, config in kinds["head"]} == {"head"}
    assert {config.region for _, config in kinds["torso-low-counts"]} == {"thorax", "abdomen"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A judged curve network of whose scans it is known what it sees; nothing is simulated."""
    made = curve_network.install(tmp_path / "models")
    card = made / "card.toml"
    said = card.read_text("utf-8").replace("results = {}", "results = { refused = 0.5 }")
    card.write_text(f"{said}\n[training]\nseed = 4\n", encoding="utf-8")
    for name in curve_refusal.JUDGED:
        (made / name).write_text("old", encoding="utf-8")
    monkeypatch.setattr(curve_refusal, "read_curve_model", lambda *_: None)
    monkeypatch.setattr(curve_refusal, "refusal_jobs", lambda *_: dict.fromkeys(SEEN, ()))
    kinds = iter(SEEN)
    monkeypatch.setattr(curve_refusal, "make_groups", lambda *_: [next(kinds)])
    monkeypatch.setattr(curve_refusal, "_seen", lambda _, paths, __: SEEN[paths[0]])

    class Hashed:
        sha256 = "5a"

    monkeypatch.setattr(curve_refusal, "split_of", lambda *_: Hashed)
    return made


def test_that_the_card_is_written_anew_and_the_judgement_goes(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    lines = []
    assert decide_refusals(folder, asked(folder), lines.append)
    card = tomllib.loads((folder / "card.toml").read_text("utf-8"))
    old = tomllib.loads(before["card.toml"].decode())
    assert card["least_probability"] == pytest.approx((0.41 + 0.71) / 2)
    major, minor, _ = old["version"].split(".")
    assert card["version"] == f"{major}.{int(minor) + 1}.0"
    assert card["results"] == {}
    assert card["training"]["seed"] == 4
    told = card["training"]["refusal"]
    assert (told["scans_with_vessel"], told["scans_without_vessel"], told["mistakes"]) == (6, 6, 1)
    assert told["command"] == "python -m kitrain calibrate"
    assert "pelvis: 2 scans with a vessel, probability 0.050 to 0.970" in lines
    assert "head: 2 scans without a vessel, probability 0.020 to 0.310" in lines
    assert "wrong by kind: head 0, head-low-counts 0, brain 0, thigh 0, pelvis 1" in lines[-1]
    assert not any((folder / name).exists() for name in curve_refusal.JUDGED)
    for name in before.keys() - {"card.toml", *curve_refusal.JUDGED}:
        assert (folder / name).read_bytes() == before[name]
    listed = load_curve_card(folder.parent)
    verify(listed.network)
    assert listed.least_probability == card["least_probability"]


def test_that_a_network_that_sees_nothing_is_told_and_nothing_is_written(folder, monkeypatch):
    blind = {kind: [(vessel, 0.2) for vessel, _ in scans] for kind, scans in SEEN.items()}
    monkeypatch.setattr(curve_refusal, "_seen", lambda _, paths, __: blind[paths[0]])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    lines = []
    assert not decide_refusals(folder, asked(folder), lines.append)
    assert "cannot tell scans with a vessel from others" in lines[-1]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_that_calibrate_takes_a_curve_network(folder, monkeypatch):
    given = []
    monkeypatch.setattr(
        "kitrain.__main__.decide_refusals", lambda *what: (given.append(what), True)[1]
    )
    assert main(["calibrate", "--network", str(folder), "--data", str(folder.parent)]) == 0
    where, told, _ = given[0]
    assert (where, told.people, told.data) == (folder, 48, folder.parent)
    assert (told.networks, told.size.seed) == (folder.parent, 2)
    assert told.command == f"calibrate --network models/{folder.name}"


def test_that_calibrate_says_who_is_missing(folder, capsys):
    config = folder.parent / "none.toml"
    config.write_text(SMOKE.read_text("utf-8").replace("refusal_people = 1", "refusal_people = 0"))
    given = ["calibrate", "--network", str(folder), "--data", str(folder.parent)]
    assert main([*given, "--config", str(config)]) == 1
    assert capsys.readouterr().err.startswith("kitrain: none.toml has no refusal_people")
