"""The command line with a network that finds blood, from the study to what is on disk."""

import json

import nibabel
import numpy as np
import pytest
from tests.helpers import curve_network, small_study

from kiview.commands import curve
from kiview.core.input_function import Compartment, InputSource
from kiview.core.study import Finding, Verdict
from kiview.io.curve_bids import read_input_function


@pytest.fixture(autouse=True)
def installed(monkeypatch, tmp_path):
    """A folder of networks with a tiny curve network, in use."""
    curve_network.install(tmp_path / "models")
    curve_network.use(monkeypatch, tmp_path / "models")


def record_of(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_that_maps_are_computed_without_any_region(kiview, study, tmp_path):
    out = tmp_path / "maps"
    words = ("--input", "network", "--method", "patlak,network", "--out", out)
    code, printed, told = kiview("map", study.folder, *words)
    assert (code, printed) == (0, ""), told
    assert "input function: The input function is a network's estimate" in told
    used = record_of(out, "patlak_Ki.json")["input_function"]
    assert used["source"] == "network"
    assert curve_network.NAME in used["description"]
    beside = record_of(out, "input_function.json")
    assert (beside["source"], beside["compartment"]) == ("network", "plasma")


def test_that_a_map_with_a_found_curve_is_made_again_from_its_record(kiview, study, tmp_path):
    first, again = tmp_path / "first", tmp_path / "again"
    words = ("--input", "network", "--method", "network", "--frames", "25-60", "--out", first)
    code, _, told = kiview("map", study.folder, *words)
    assert code == 0, told
    # The record holds the curve: no curve network is needed any more.
    (tmp_path / "models" / curve_network.ID / "model.onnx").unlink()
    record = first / "network_Ki.json"
    code, _, told = kiview("map", study.folder, "--from-record", record, "--out", again)
    assert code == 0, told
    for name in ("network_Ki", "network_V0", "network_correction"):
        a, b = (np.asanyarray(nibabel.load(f / f"{name}.nii.gz").dataobj) for f in (first, again))
        np.testing.assert_array_equal(b, a)
    old, new = (record_of(folder, "network_Ki.json")["inputs"] for folder in (first, again))
    assert new == old
    assert old["curve"]["source"] == "network"
    assert old["curve"]["curve"]["kind"] == "samples"
    assert (first / "input_function.tsv").read_bytes() == (
        again / "input_function.tsv"
    ).read_bytes()


def test_that_the_found_curve_is_written_and_serves_as_input(kiview, study, tmp_path):
    path = tmp_path / "found.tsv"
    words = ("--aorta", "auto", "--frames", "25-60", "--out", path)
    code, printed, told = kiview("curve", study.folder, *words)
    assert (code, printed) == (0, ""), told
    assert f"found by network {curve_network.NAME}" in told
    assert "estimate" in told
    beside = record_of(tmp_path, "found.json")
    assert (beside["source"], beside["compartment"]) == ("network", "plasma")
    assert (beside["PlasmaAvail"], beside["WholeBloodAvail"]) == (True, False)
    assert curve_network.NAME in beside["description"]
    found = read_input_function(path)
    assert (found.source, found.compartment) == (InputSource.NETWORK, Compartment.PLASMA)
    assert any("estimate" in finding for finding in found.findings)
    maps = {"file": path, "network": "network"}
    for name, given in maps.items():
        words = ("--input", given, "--method", "patlak", "--frames", "25-60")
        code, _, told = kiview("map", study.folder, *words, "--out", tmp_path / name)
        assert code == 0, told
    ki = [nibabel.load(tmp_path / name / "patlak_Ki.nii.gz").get_fdata() for name in maps]
    np.testing.assert_allclose(ki[0], ki[1], rtol=1e-6)


def test_that_a_curve_that_is_in_the_way_is_told_before_the_study_is_read(kiview, study, tmp_path):
    (tmp_path / "found.json").write_text("mine", encoding="utf-8")
    words = ("curve", study.folder, "--aorta", "auto", "--out", tmp_path / "found.tsv")
    code, _, told = kiview(*words)
    assert code == 1
    assert "found.json exists already" in told
    assert "Reading" not in told
    assert kiview(*words, "--overwrite")[0] == 0


def test_that_without_a_curve_network_both_commands_say_what_else_to_do(
    kiview, study, tmp_path, monkeypatch
):
    curve_network.install_none(tmp_path / "none")
    curve_network.use(monkeypatch, tmp_path / "none")
    for words in (
        ("curve", study.folder, "--aorta", "auto", "--out", tmp_path / "out.tsv"),
        ("map", study.folder, "--input", "network", "--method", "patlak", "--out", tmp_path / "o"),
    ):
        code, _, told = kiview(*words)
        assert code == 1
        assert told.strip() == (
            "kiview: No network that finds blood is installed; draw a region in blood, scale a"
            " population curve, or give a curve file."
        )


def test_that_no_curve_is_looked_for_where_ki_is_refused(kiview, tmp_path, monkeypatch):
    unknown = Finding("frame-times-unknown", "The times are unknown.", kinetics=Verdict.REFUSED)
    opened = small_study.study((unknown,))
    monkeypatch.setattr(curve, "open_given", lambda *_words: opened)
    code, _, told = kiview("curve", tmp_path, "--aorta", "auto", "--out", tmp_path / "found.tsv")
    assert code == 1
    assert "Ki cannot be computed: The times are unknown." in told
    assert not (tmp_path / "found.tsv").exists()
