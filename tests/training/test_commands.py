import tomllib
from pathlib import Path

import pytest

import kitrain
from kitrain import bundle, pipeline
from kitrain.__main__ import main
from kitrain.toml_writer import to_toml
from kiview.jobs.networks import verify_network
from kiview.nets.catalog import load_catalog, verify
from kiview.nets.curve_card import load_curve_card

TRAINING = Path(kitrain.__file__).parents[1]


@pytest.mark.slow
def test_that_the_smoke_training_makes_a_whole_network_folder(tmp_path, capsys):
    out, data = tmp_path / "out", tmp_path / "data"
    assert main(["smoke", "--out", str(out), "--data", str(data)]) == 0
    said = capsys.readouterr().out
    assert "NRMSE to truth / best non-network method" in said
    card = load_catalog(out).default
    verify(card)
    assert card.results["test_people"] == 1
    text = (card.network.path.parent / "CARD.md").read_text(encoding="utf-8")
    assert "| network + consistency |" in text
    for name in ("REPORT.md", "lesions.csv", "scores.json"):
        assert (card.network.path.parent / name).stat().st_size > 100
    for target, told in (("direct", "copy the 4-D direct image"), ("indep", "of other counts")):
        beside = card.network.path.parent.with_name(f"{card.id}-{target}")
        assert told in (beside / "CARD.md").read_text(encoding="utf-8")
        assert "NRMSE to" in (beside / "REPORT.md").read_text(encoding="utf-8")
    together = load_catalog(out).card(f"{card.id}-joint")
    assert verify_network(together) == ""
    assert together.outputs == card.outputs
    assert together.slider is None
    curve = load_curve_card(out)
    verify(curve.network)
    assert verify_network(curve.network) == ""
    assert curve.ki_network(load_catalog(out)).id == card.id
    folder = curve.network.network.path.parent
    assert "floor of one-number scaling" in (folder / "REPORT.md").read_text(encoding="utf-8")
    assert main(["compare", "--run", str(out), "--slabs", "2", "--data", str(data)]) == 0
    variants = (out / "VARIANTS.md").read_text(encoding="utf-8")
    assert all(f"| **{name}** |" in variants for name in ("base", "direct", "smooth"))
    given = ["--network", str(card.network.path.parent), "--curve", str(folder)]
    smoke, apart = str(TRAINING / "configs" / "smoke.toml"), tmp_path / "joint"
    asked = ["joint", *given, "--config", smoke, "--out", str(apart), "--data", str(data)]
    assert main(asked) == 0
    assert load_catalog(apart).default.network.sha256 == together.network.sha256


def test_that_a_finished_run_is_exported_to_another_folder(tmp_path, monkeypatch):
    """What an export writes is tested with `bundle`."""
    asked = []
    monkeypatch.setattr(pipeline, "load_run", lambda folder: f"run of {folder.name}")
    monkeypatch.setattr(bundle, "write_bundle", lambda *given: (asked.append(given), "it")[1])
    assert main(["export", "--run", str(tmp_path / "done"), "--to", str(tmp_path)]) == 0
    assert asked == [("run of done", tmp_path, "full")]


def test_that_what_is_missing_or_damaged_is_told_in_one_line(tmp_path, capsys):
    assert main(["export", "--run", str(tmp_path)]) == 1
    assert main(["evaluate", "--network", str(tmp_path)]) == 1
    (tmp_path / "card.toml").write_text("[", encoding="utf-8")
    assert main(["evaluate", "--network", str(tmp_path)]) == 1
    assert main(["update", "--network", "nothing"]) == 1
    assert main(["full", "--config", str(tmp_path / "none.toml")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 5
    assert all(line.startswith("kitrain: ") for line in told)


def test_that_written_toml_reads_back_the_same():
    table = {
        "text": 'with "quotes" and \\',
        "number": 3,
        "share": 0.1,
        "tiny": 1e-20,
        "yes": True,
        "pair": [1.0, 2.5],
        "nested": {"0.5": 1.0, "deeper": {"a b": "c"}},
        "entries": [{"name": "one", "shape": [1, 2]}, {"name": "two", "shape": []}],
    }
    assert tomllib.loads(to_toml(table)) == table


def test_that_a_value_without_a_toml_form_is_refused():
    with pytest.raises(TypeError, match="no TOML form"):
        to_toml({"what": None})
