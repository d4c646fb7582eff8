"""Networks on the command line: their weights, and maps computed again from their record."""

import json

import nibabel
import numpy as np
import pydicom
import pytest

from kiview import paths
from kiview.nets.catalog import load_catalog
from kiview.nets.edits import LayerEdit, SingleEdit
from kiview.nets.weight_files import save_weight_set
from kiview.nets.weights import WeightSet, loaded_weights


def test_that_the_network_runs_beside_patlak(kiview, study, tmp_path):
    code, _, told = kiview(
        "map", study.folder, "--input", study.plasma, "--method", "patlak,network",
        "--out", tmp_path / "maps",
    )  # fmt: skip
    assert code == 0, told
    record = json.loads((tmp_path / "maps" / "network_Ki.json").read_text(encoding="utf-8"))
    assert record["network_id"]
    assert record["weights_modified"] is False
    assert len(record["weight_set_id"]) == 64


def test_that_changed_weights_are_marked_in_what_is_written(kiview, study, tmp_path):
    first = kiview(
        "map", study.folder, "--input", study.plasma, "--method", "network",
        "--out", tmp_path / "shipped", "--format", "nifti",
    )  # fmt: skip
    assert first[0] == 0, first[2]
    shipped = json.loads((tmp_path / "shipped" / "network_Ki.json").read_text(encoding="utf-8"))
    weights = tmp_path / "mine.json"
    sha256 = shipped["settings"]["network_sha256"]
    position = 0.5 if shipped["settings"]["slider_position"] != 0.5 else 0.25
    content = {"format_version": 1, "network_sha256": sha256, "position": position}
    weights.write_text(json.dumps(content | {"image_blend": 0.0}), encoding="utf-8")
    code, _, told = kiview(
        "map", study.folder, "--input", study.plasma, "--method", "network",
        "--weights", weights, "--out", tmp_path / "mine", "--format", "nifti,pm",
    )  # fmt: skip
    assert code == 0, told
    record = json.loads((tmp_path / "mine" / "network_Ki.json").read_text(encoding="utf-8"))
    assert record["weights_modified"] is True
    assert record["weight_set_id"] != shipped["weight_set_id"]
    written = pydicom.dcmread(tmp_path / "mine" / "network_Ki_pm.dcm")
    assert written.SeriesDescription.endswith("RUO MOD")
    assert f"+modified.{record['weight_set_id'][:8]}" in written.SoftwareVersions


def every_choice(card, kind, folder):
    """A weight-set file with all kinds of edits, and with loaded tensors for `safetensors`."""
    chosen = WeightSet(card.network.sha256, 0.4, 0.15)
    chosen = chosen.with_layer(LayerEdit("bottom.layers.0", 1.1, 0.02))
    chosen = chosen.with_single(SingleEdit("head.bias", (1,), 0.05 / 3))
    if kind == "loaded":
        tensors = chosen.tensors(card)
        chosen = loaded_weights(card, tensors, 0.15).with_layer(LayerEdit("head", 0.95))
    path = folder / ("mine.safetensors" if kind == "tensors" else "mine.json")
    save_weight_set(card, chosen, path)
    return path


@pytest.mark.parametrize("kind", ["choices", "loaded", "tensors"])
def test_that_a_map_is_computed_again_from_its_record(kiview, study, tmp_path, kind):
    weights = every_choice(load_catalog(paths.models_dir()).default, kind, tmp_path)
    first, again = tmp_path / "first", tmp_path / "again"
    code, _, told = kiview(
        "map", study.folder, "--input", "population", "--roi", study.aorta, "--frames", "20-60",
        "--set", "weight_kg=81.5", "--scale-window", "40-60", "--method", "network",
        "--weights", weights, "--out", first,
    )  # fmt: skip
    assert code == 0, told
    weights.unlink()
    record = first / "network_Ki.json"
    assert (first / "network_weights.safetensors").exists() == (kind != "choices")
    code, _, told = kiview("map", study.folder, "--from-record", record, "--out", again)
    assert code == 0, told
    for quantity in ("Ki", "V0", "correction"):
        files = [nibabel.load(f / f"network_{quantity}.nii.gz") for f in (first, again)]
        np.testing.assert_allclose(files[1].affine, files[0].affine, atol=1e-6)
        a, b = (np.asanyarray(file.dataobj) for file in files)
        assert np.abs(a).max() > 0
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 * np.abs(a).max())
    old, new = (json.loads((f / "network_Ki.json").read_text()) for f in (first, again))
    assert new["weight_set_id"] == old["weight_set_id"]
    assert new["weights_modified"] is old["weights_modified"] is True
    assert new["user_given"] == old["user_given"] == {"weight_kg": 81.5}
    assert new["settings"] == old["settings"]


def test_that_a_record_that_cannot_be_repeated_is_refused(kiview, study, tmp_path):
    weights = every_choice(load_catalog(paths.models_dir()).default, "tensors", tmp_path)
    made = tmp_path / "made"
    words = ("--method", "patlak,network", "--weights", weights, "--out", made)
    assert kiview("map", study.folder, "--input", study.plasma, *words)[0] == 0
    again = ("--out", tmp_path / "again")
    path = made / "network_Ki.json"

    def refused(record, study_folder=study.folder):
        code, _, told = kiview("map", study_folder, "--from-record", record, *again)
        assert code == 1
        assert not (tmp_path / "again").exists()
        return told

    assert "no record of a network map" in refused(made / "patlak_Ki.json")
    assert "no record of a map" in refused(made / "network_Ki.nii.gz")
    text = path.read_text(encoding="utf-8")
    record = json.loads(text)
    path.write_text(json.dumps({**record, "inputs": {**record["inputs"], "series_uid": "1.2"}}))
    assert "computed from another series" in refused(path)
    path.write_text(json.dumps({**record, "settings": {}}))
    assert "does not hold all that made the map" in refused(path)
    path.write_text(text)
    (made / "network_weights.safetensors").write_bytes(b"")
    assert "not a file of weights" in refused(path)


def test_that_the_network_and_its_tie_can_be_chosen(kiview, study, tmp_path):
    name = load_catalog(paths.models_dir()).default.name
    code, _, told = kiview(
        "map", study.folder, "--input", study.plasma, "--method", "network", "--network", name,
        "--no-tie", "--out", tmp_path / "maps",
    )  # fmt: skip
    assert code == 0, told
    record = json.loads((tmp_path / "maps" / "network_Ki.json").read_text(encoding="utf-8"))
    assert record["settings"]["tied_to_patlak"] is False
    assert record["settings"]["network_origin"] == "shipped"
    assert not (tmp_path / "maps" / "network_correction.nii.gz").exists()
    code, _, told = kiview(
        "map", study.folder, "--input", study.plasma, "--method", "network", "--network", "none",
        "--out", tmp_path / "none",
    )  # fmt: skip
    assert code == 1
    assert "There is no network 'none'" in told
