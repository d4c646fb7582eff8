"""`kiview models evaluate` scores what it was asked to score."""

import json
from dataclasses import replace

import pytest

from kiview import cli, paths
from kiview.commands import evaluate
from kiview.jobs.probe_network import ProbeReport, ProbeScores
from kiview.nets.catalog import load_catalog
from kiview.nets.weight_files import save_weight_set
from kiview.nets.weights import shipped_weights


@pytest.fixture
def asked(monkeypatch):
    """Requests that reached the job; its scores tell the slider's position."""
    requests = []

    def fake_probe(request, kept, _progress):
        assert kept is None
        requests.append(request)
        shipped = ProbeScores(0.154, -0.03, 0.16, -0.1, 0.89, 0, 14)
        return ProbeReport(
            request, shipped, replace(shipped, nrmse=request.weights.position), shipped, None
        )

    monkeypatch.setattr(evaluate, "probe_network", fake_probe)
    return requests


@pytest.fixture
def card():
    return load_catalog(paths.models_dir()).default


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
def test_that_a_weight_set_is_scored_beside_the_shipped_weights(
    asked, card, tmp_path, capsys, ending
):
    weights = replace(shipped_weights(card), position=0.25)
    path = tmp_path / f"mine{ending}"
    save_weight_set(card, weights, path)
    assert cli.main(["models", "evaluate", "--weights", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["network"] == card.name
    assert document["weight_set_id"] == weights.identity(card)
    assert document["state"] == "MODIFIED"
    assert document["shipped"]["nrmse"] == 0.154
    assert asked[0].weights.identity(card) == weights.identity(card)
    assert asked[0].tied


def test_that_without_a_weight_set_the_network_named_is_scored(asked, card, capsys):
    assert cli.main(["models", "evaluate", card.id]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"{card.name} (shipped), weights ")
    assert printed[1].split() == ["installed", "now", "Patlak"]
    now = f"{card.shipped_position:.3f}"
    assert ["Error,", "NRMSE", "0.154", now, "0.154"] in [line.split() for line in printed]
    assert asked[0].weights == shipped_weights(card)


def test_that_what_cannot_be_scored_is_told(asked, card, tmp_path, capsys):
    assert cli.main(["models", "evaluate", "no-such"]) == 1
    assert "There is no network 'no-such'" in capsys.readouterr().err
    assert cli.main(["models", "evaluate", "--weights", str(tmp_path / "none.json")]) == 2
    assert "is no file" in capsys.readouterr().err
    path = tmp_path / "mine.json"
    save_weight_set(card, shipped_weights(card), path)
    assert cli.main(["models", "list", "--weights", str(path)]) == 2
    assert "models evaluate" in capsys.readouterr().err
    assert asked == []
