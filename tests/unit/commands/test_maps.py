"""`kiview map` refuses what it cannot compute before it reads the study."""

import dataclasses
import json

import nibabel
import numpy as np
import pytest
from tests.helpers import curve_network, small_study
from tests.unit.nets.fakes import card, fake_image, plasma

from kiview import cli
from kiview.commands import maps
from kiview.core.roi import Roi
from kiview.core.study import Finding, Verdict
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


def test_that_findings_nobody_confirmed_are_told_and_written(tmp_path, monkeypatch, capsys):
    doubt = Finding("doubt", "The dose looks odd.", Verdict.CONFIRM)
    note = Finding("note", "A gap.")
    study = small_study.study((doubt, note))
    monkeypatch.setattr(maps, "open_given", lambda *_: study)
    mask = nibabel.Nifti1Image(*small_study_mask())
    nibabel.save(mask, tmp_path / "aorta.nii")
    out = tmp_path / "out"
    words = ("--input", f"aorta:{tmp_path / 'aorta.nii'}", "--method", "patlak")
    assert cli.main(["map", str(tmp_path), *words, "--format", "nifti", "--out", str(out)]) == 0
    assert "1 finding is not confirmed; what is written says so" in capsys.readouterr().err
    record = json.loads((out / "patlak_Ki.json").read_text(encoding="utf-8"))
    assert "The dose looks odd. Not confirmed by the user." in str(record)
    assert "A gap." in str(record)
    assert "A gap. Not" not in str(record)


def small_study_mask():
    """The aorta of the small study as NIfTI holds it: (x, y, z), affine in RAS."""
    grid = small_study.geometry()
    mask = Roi("region-1", "Aorta", "#fff", small_study.aorta()).rasterise(grid).inside
    ras_of_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine = ras_of_lps @ grid.affine_lps_mm[:, [2, 1, 0, 3]]
    return mask.astype(np.uint8).transpose(), affine
