"""`kiview map` refuses what it cannot compute before it reads the study."""

import dataclasses
import json

import numpy as np
import pytest
from tests.helpers import curve_network
from tests.unit.nets.fakes import card, fake_image, plasma

from kiview import cli
from kiview.commands import maps
from kiview.nets.infer import NetworkRequest
from kiview.nets.run_record import network_provenance
from kiview.nets.untrusted import HashedFile
from kiview.nets.weights import shipped_weights


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run `kiview map` on a study that must not be read: words -> what is told."""

    def fail(*_args):
        pytest.fail("the study was read")

    monkeypatch.setattr(maps, "open_given", fail)

    def run(*words):
        out = tmp_path / "out"
        assert cli.main(["map", str(tmp_path), *map(str, words), "--out", str(out)]) == 1
        assert not out.exists()
        return capsys.readouterr().err

    return run


NETWORK = ("--input", "population", "--method", "patlak,network")


def weights_of(sha256, folder):
    path = folder / "mine.json"
    record = {"format_version": 1, "network_sha256": sha256, "position": 0.3, "image_blend": 0.2}
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def test_that_weights_and_networks_that_are_not_there_are_told_first(refused, tmp_path):
    assert "another network" in refused(*NETWORK, "--weights", weights_of("0" * 64, tmp_path))
    assert "There is no network 'none'" in refused(*NETWORK, "--network", "none")


def test_that_a_changed_network_is_told_first(refused, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"changed")
    changed = dataclasses.replace(card(), network=HashedFile(path, "0" * 64))
    monkeypatch.setattr(
        maps, "installed_networks", lambda _folder: type("Networks", (), {"default": changed})
    )
    assert "was changed or is damaged" in refused(*NETWORK)


def test_that_curve_networks_that_are_not_there_or_changed_are_told_first(
    refused, tmp_path, monkeypatch
):
    words = ("--input", "network", "--method", "patlak")
    curve_network.install_none(tmp_path / "none")
    changed = curve_network.install(tmp_path / "changed")
    (changed / "model.onnx").write_bytes(b"changed")
    curve_network.use(monkeypatch, tmp_path / "none")
    assert "No network that finds blood is installed" in refused(*words)
    curve_network.use(monkeypatch, tmp_path / "changed")
    assert "was changed or is damaged" in refused(*words)


def test_that_a_record_of_a_network_that_is_not_there_is_told_first(refused, tmp_path):
    network = card()
    image = dataclasses.replace(fake_image((2, 8, 8)), series_uid="1.2.3")
    request = NetworkRequest(image, plasma(), 1800.0, 3600.0, network, shipped_weights(network))
    record = network_provenance(request, np.arange(6), "CPU").to_dict()
    record["settings"]["weights"]["network_sha256"] = "0" * 64
    path = tmp_path / "network_Ki.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert "another network" in refused("--from-record", path)
