"""The command line: results on disk, one line per failure, exit codes."""

import csv
import json
import signal
import subprocess
import sys
import time

import nibabel
import numpy as np
import pydicom
import pytest
from tests.helpers.cli_study import V0, write_cli_study
from tests.helpers.results import PATIENT, sampled_at

from kiview import paths
from kiview.core.roi import Roi, to_dict
from kiview.core.roi_shapes import Sphere
from kiview.nets.catalog import load_catalog
from kiview.nets.edits import LayerEdit, SingleEdit
from kiview.nets.weight_files import save_weight_set
from kiview.nets.weights import WeightSet, loaded_weights


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_cli_study(tmp_path_factory.mktemp("cli"))


def read_map(path, study):
    return sampled_at(nibabel.load(path), study.geometry)


def test_that_patlak_from_a_plasma_file_gives_the_true_maps(kiview, study, tmp_path):
    out = tmp_path / "maps"
    code, printed, told = kiview(
        "map", study.folder, "--input", study.plasma, "--method", "patlak", "--frames", "20-60",
        "--out", out,
    )  # fmt: skip
    assert code == 0, told
    assert printed == ""
    tissue = ~study.blood
    ki, v0 = (read_map(out / f"patlak_{q}.nii.gz", study) for q in ("Ki", "V0"))
    np.testing.assert_allclose(ki[tissue], study.ki[tissue], atol=2e-5)
    np.testing.assert_allclose(v0[tissue], V0, atol=2e-3)
    record = json.loads((out / "patlak_Ki.json").read_text(encoding="utf-8"))
    assert record["window_min"] == [20.0, 60.0]
    assert record["unit"] == "mL/min/mL"
    assert any("injection" in finding for finding in record["findings"])
    assert (out / "input_function.tsv").is_file()
    assert "wrote" in told


def test_that_a_population_curve_scaled_to_the_aorta_gives_the_true_ki(kiview, study, tmp_path):
    code, _, told = kiview(
        "map", study.folder, "--input", "population:feng-fdg", "--roi", study.aorta,
        "--scale-window", "40-60", "--method", "patlak", "--out", tmp_path / "maps",
    )  # fmt: skip
    assert code == 0, told
    ki = read_map(tmp_path / "maps" / "patlak_Ki.nii.gz", study)
    np.testing.assert_allclose(ki[~study.blood], study.ki[~study.blood], rtol=1e-3, atol=2e-6)


def test_that_every_format_holds_the_same_map_and_patient(kiview, study, tmp_path):
    out = tmp_path / "maps"
    code, _, told = kiview(
        "map", study.folder, "--input", f"aorta:{study.aorta}", "--method", "patlak", "--out", out,
        "--format", "nifti,dicom,pm",
    )  # fmt: skip
    assert code == 0, told
    nifti = read_map(out / "patlak_Ki.nii.gz", study)
    slices = [pydicom.dcmread(path) for path in sorted((out / "patlak_Ki_dicom").iterdir())]
    stored = np.array([one.pixel_array * float(one.RescaleSlope) for one in slices])
    np.testing.assert_allclose(stored, nifti, atol=0.081 / 65000)
    written = pydicom.dcmread(out / "patlak_Ki_pm.dcm")
    source = pydicom.dcmread(next(study.folder.iterdir()))
    for one in (*slices, written):
        assert one.PatientID == PATIENT.patient_id
        assert one.StudyInstanceUID == source.StudyInstanceUID
        assert one.FrameOfReferenceUID == source.FrameOfReferenceUID


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


def test_that_info_prints_one_json_document(kiview, study):
    code, printed, _ = kiview("info", study.folder, "--json")
    assert code == 0
    (series,) = json.loads(printed)["series"]
    assert (series["kind"], series["modality"], series["units"]) == ("dynamic", "PT", "BQML")
    assert series["shape_zyx"] == [6, 16, 20]
    assert series["frame_count"] == len(series["frame_start_s"]) == 19
    np.testing.assert_allclose(series["frame_duration_s"][:5], [30, 30, 30, 30, 60])
    factor = PATIENT.weight_kg * 1000 / 3.7e8
    assert series["suvbw_factor_g_per_bq"] == pytest.approx(factor, rel=1e-6)
    assert set(series["verdict"]) == {"suv", "kinetics"}


def test_that_info_tells_a_person_the_same(kiview, study):
    code, printed, _ = kiview("info", study.folder)
    assert code == 0
    assert "20 x 16 x 6 voxels of 1.75 x 2.5 x 3.27 mm, Bq/mL" in printed
    assert "19 frames, 0-60 min after injection" in printed


def test_that_values_entered_by_the_user_are_used_and_recorded(kiview, study, tmp_path):
    code, printed, _ = kiview("info", study.folder, "--json", "--set", "weight_kg=80")
    (series,) = json.loads(printed)["series"]
    assert code == 0
    assert series["suvbw_factor_g_per_bq"] == pytest.approx(80_000 / 3.7e8, rel=1e-6)
    assert series["user_given"] == {"weight_kg": 80.0}
    code, _, told = kiview(
        "map", study.folder, "--input", "population", "--set", "weight_kg=80",
        "--method", "patlak", "--out", tmp_path / "maps",
    )  # fmt: skip
    assert code == 0
    assert "not measured" in told
    record = json.loads((tmp_path / "maps" / "patlak_Ki.json").read_text(encoding="utf-8"))
    assert record["user_given"] == {"weight_kg": 80.0}


@pytest.mark.parametrize("kind", ["mask", "json"])
def test_that_a_region_curve_is_the_blood(kiview, study, tmp_path, kind):
    regions = study.aorta
    if kind == "json":
        centre = tuple(study.geometry.to_lps_mm([2, 4.5, 5.5]))
        roi = Roi("r1", "Aorta", "#ff0000", Sphere(centre, 3.0))
        regions = tmp_path / "regions.json"
        regions.write_text(json.dumps(to_dict((roi,))), encoding="utf-8")
    code, _, told = kiview("curve", study.folder, "--roi", regions, "--out", tmp_path / "a.tsv")
    assert code == 0, told
    with (tmp_path / "a.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    found = [float(row["whole_blood_radioactivity"]) for row in rows]
    np.testing.assert_allclose(found[1:], study.blood_mean_bqml[1:], rtol=2e-4)
    assert json.loads((tmp_path / "a.json").read_text())["whole_blood_radioactivity"]


def test_that_comparing_two_exports_writes_numbers_and_pictures(kiview, study, tmp_path):
    for name, source in (("a", study.plasma), ("b", f"aorta:{study.aorta}")):
        words = ("--method", "patlak", "--out", tmp_path / name, "--format", "nifti,dicom")
        assert kiview("map", study.folder, "--input", source, *words)[0] == 0
    code, printed, told = kiview(
        "compare", tmp_path / "a" / "patlak_Ki.nii.gz", tmp_path / "b" / "patlak_Ki_dicom",
        "--rois", study.aorta, "--out", tmp_path / "agreement",
    )  # fmt: skip
    assert code == 0, told
    a, b = (read_map(tmp_path / n / "patlak_Ki.nii.gz", study).astype(float) for n in "ab")
    with (tmp_path / "agreement" / "agreement.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    whole = rows["all voxels"]
    assert float(whole["bias"]) == pytest.approx((b - a).mean(), abs=1e-6)
    assert float(whole["correlation"]) == pytest.approx(
        np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-6
    )
    assert int(rows["aorta"]["voxel_count"]) == study.blood.sum()
    assert whole["unit"] == "mL/min/mL"
    assert "all voxels" in printed
    for picture in ("bland_altman.svg", "scatter.svg"):
        assert (tmp_path / "agreement" / picture).read_text().startswith("<svg")


def test_that_maps_of_different_units_are_not_compared(kiview, study, tmp_path):
    words = ("--method", "patlak", "--out", tmp_path / "m")
    assert kiview("map", study.folder, "--input", study.plasma, *words)[0] == 0
    ki, v0 = (tmp_path / "m" / f"patlak_{q}.nii.gz" for q in ("Ki", "V0"))
    code, _, told = kiview("compare", ki, v0, "--out", tmp_path / "agreement")
    assert code == 1
    assert "mL/min/mL" in told
    assert not (tmp_path / "agreement").exists()


def test_that_an_existing_result_is_refused_before_the_study_is_read(kiview, study, tmp_path):
    (tmp_path / "patlak_V0.nii.gz").write_bytes(b"mine")
    words = ("map", study.folder, "--input", study.plasma, "--method", "patlak", "--out", tmp_path)
    code, _, told = kiview(*words)
    assert code == 1
    assert "patlak_V0.nii.gz exists already" in told
    assert "Reading" not in told
    assert (tmp_path / "patlak_V0.nii.gz").read_bytes() == b"mine"
    assert kiview(*words, "--overwrite")[0] == 0
    assert (tmp_path / "patlak_V0.nii.gz").read_bytes() != b"mine"


USAGE = [
    (("map", "STUDY", "--input", "aorta", "--method", "patlak"), "needs a region"),
    (("map", "STUDY", "--input", "population:mine", "--method", "patlak"), "feng-fdg"),
    (
        ("map", "STUDY", "--input", "network", "--method", "patlak", "--roi", "a.nii"),
        "leave out --roi",
    ),
    (
        ("map", "STUDY", "--input", "network", "--method", "patlak", "--region", "aorta"),
        "leave out --region",
    ),
    (
        ("map", "STUDY", "--input", "network", "--method", "patlak", "--scale-window", "30-60"),
        "leave out --scale-window",
    ),
    (("map", "STUDY", "--input", "network:one", "--method", "patlak"), "aorta:ROI or network"),
    (("map", "STUDY", "--input", "gone.tsv", "--method", "patlak"), "gone.tsv is no file"),
    (("map", "STUDY", "--input", "blood.csv", "--method", "patlak"), ".tsv"),
    (("map", "STUDY", "--input", "population", "--method", "patlok"), "choose from patlak"),
    (("map", "STUDY", "--input", "population", "--method", "patlak", "--frames", "60-30"), "30-60"),
    (("map", "STUDY", "--input", "population", "--method", "patlak", "--format", "png"), "nifti"),
    (("map", "STUDY", "--input", "population", "--method", "patlak", "--set", "weight"), "name="),
    (
        ("map", "STUDY", "--input", "population", "--method", "patlak", "--weights", "w.json"),
        "belongs to --method network",
    ),
    (("map", "STUDY", "--input", "population"), "--input and --method are needed"),
    (("map", "STUDY", "--method", "patlak"), "--input and --method are needed"),
    (
        ("map", "STUDY", "--from-record", "r.json", "--method", "patlak"),
        "--from-record decides --method",
    ),
    (("map", "STUDY", "--from-record", "r.json", "--no-tie"), "--from-record decides --no-tie"),
    (("map", "STUDY", "--from-record", "r.json"), "r.json is no file"),
    (
        ("map", "STUDY", "--input", "population", "--method", "patlak", "--no-tie"),
        "--no-tie belongs to --method network",
    ),
    (
        ("map", "STUDY", "--input", "population", "--region", "aorta", "--method", "patlak"),
        "names a region",
    ),
    (("map", "", "--input", "population", "--method", "patlak"), "path is empty"),
    (("map", "gone", "--input", "population", "--method", "patlak"), "gone does not exist"),
    (("curve", "STUDY", "--aorta", "auto", "--region", "aorta"), "finds blood by itself"),
    (("curve", "STUDY", "--roi", "a.nii", "--frames", "30-60"), "--frames belongs to --aorta auto"),
    (("curve", "STUDY"), "--roi"),
    (("compare", "gone.nii", "STUDY"), "gone.nii does not exist"),
]


@pytest.mark.parametrize(("words", "told"), USAGE, ids=[told for _, told in USAGE])
def test_that_misuse_is_told_with_exit_code_2(kiview, study, tmp_path, words, told):
    named = [str(study.folder) if word == "STUDY" else word for word in words]
    out = tmp_path / ("out.tsv" if words[0] == "curve" else "out")
    code, printed, stderr = kiview(*named, "--out", out)
    assert code == 2
    assert told in stderr
    assert printed == ""
    assert not out.exists()


def test_that_a_region_beside_a_curve_file_is_misuse(kiview, study, tmp_path):
    code, _, told = kiview(
        "map", study.folder, "--input", study.plasma, "--roi", study.aorta,
        "--method", "patlak", "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 2
    assert "takes no region" in told


def test_that_a_population_curve_without_anything_to_scale_by_is_misuse(kiview, study, tmp_path):
    for path in study.folder.iterdir():
        slice_ = pydicom.dcmread(path)
        del slice_.PatientWeight
        slice_.save_as(tmp_path / path.name)
    code, _, told = kiview(
        "map", tmp_path, "--input", "population", "--method", "patlak", "--out", tmp_path / "out"
    )
    assert code == 2
    assert "--roi FILE, or dose and weight" in told


FAILURES = [
    (("info", "EMPTY"), "empty"),
    (("info", "STUDY", "--set", "colour=blue"), "'colour' cannot be entered"),
    (("map", "STUDY", "--input", "PLASMA", "--method", "patlak", "--frames", "70-90"), "widen"),
    (("map", "STUDY", "--input", "aorta:PLASMA", "--method", "patlak"), "plasma.tsv"),
]


@pytest.mark.parametrize(("words", "told"), FAILURES, ids=[told for _, told in FAILURES])
def test_that_work_that_cannot_be_done_is_one_line_with_exit_code_1(
    kiview, study, tmp_path, words, told
):
    (tmp_path / "empty").mkdir()
    places = {
        "STUDY": str(study.folder),
        "EMPTY": str(tmp_path / "empty"),
        "PLASMA": str(study.plasma),
        "aorta:PLASMA": f"aorta:{study.plasma}",
    }
    out = ("--out", tmp_path / "out") if words[0] == "map" else ()
    code, printed, stderr = kiview(*(places.get(word, word) for word in words), *out)
    assert code == 1
    (reason,) = [line for line in stderr.splitlines() if line.startswith("kiview: ")]
    assert told in reason
    assert "Traceback" not in stderr
    assert printed == ""
    assert not (tmp_path / "out").exists()


def test_that_models_are_listed_and_verified(kiview):
    code, printed, _ = kiview("models", "list", "--json")
    assert code == 0
    networks = json.loads(printed)["networks"]
    assert networks
    assert {network["origin"] for network in networks} == {"shipped"}
    names = [f"{network['id']}@{network['version']}" for network in networks]
    places = {"maps": "shipped", "curve": "shipped, curve"}
    intact = [
        f"{name} ({places[network['kind']]}): intact"
        for name, network in zip(names, networks, strict=True)
    ]
    code, printed, _ = kiview("models", "verify")
    assert code == 0
    assert printed.splitlines() == intact
    code, printed, _ = kiview("models", "verify", names[0])
    assert (code, printed) == (0, f"{names[0]} (shipped): intact\n")
    assert networks[0]["id"] in kiview("models", "list")[1]
    code, _, told = kiview("models", "verify", "no-such")
    assert code == 1
    assert "There is no network 'no-such'" in told


def test_that_doctor_tells_what_really_computes(kiview, user_folder):
    code, printed, _ = kiview("doctor", "--json")
    report = json.loads(printed)
    assert code == 0
    assert report["versions"]["KiView"]
    assert report["folders"]["cache"].startswith(str(user_folder))
    for network in report["networks"]:
        assert network["intact"] is True
        assert network["providers"][-1] == "CPUExecutionProvider"
    code, printed, _ = kiview("doctor")
    assert code == 0
    assert "computes on" in printed


def test_that_the_window_is_asked_for_with_the_study(monkeypatch, kiview, tmp_path):
    from kiview import application  # noqa: PLC0415 - loads Qt

    asked = []
    monkeypatch.setattr(application, "run", lambda **words: asked.append(words) or 0)
    assert kiview(tmp_path)[0] == 0
    assert kiview("--demo", "--offscreen-output", tmp_path)[0] == 0
    assert kiview()[0] == 0
    assert asked == [
        {"study": tmp_path, "demo": False, "offscreen_output": None},
        {"study": None, "demo": True, "offscreen_output": tmp_path},
        {"study": None, "demo": False, "offscreen_output": None},
    ]
    assert kiview(tmp_path, "--demo")[0] == 2
    assert kiview("--offscreen-output", tmp_path)[0] == 2
    assert kiview(tmp_path / "gone")[0] == 2
    assert len(asked) == 3


@pytest.mark.slow
def test_that_the_installed_command_runs_and_says_its_version():
    command = [sys.executable, "-m", "kiview", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("KiView ")
    assert done.stderr == ""


@pytest.mark.slow
def test_that_ctrl_c_leaves_nothing_and_says_so(study, tmp_path):
    command = [
        sys.executable, "-m", "kiview", "map", str(study.folder), "--input", str(study.plasma),
        "--method", "patlak", "--out", str(tmp_path / "out"), "--format", "nifti,dicom,pm",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    first = process.stderr.readline()
    assert "Reading" in first
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    printed, told = process.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert process.returncode == 130
    assert told.splitlines()[-1] == "kiview: Stopped; nothing half-written was left."
    assert "Traceback" not in told
    assert printed == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_that_a_reader_who_has_seen_enough_is_no_trouble(study):
    command = [sys.executable, "-m", "kiview", "info", str(study.folder), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=30)
    assert "Traceback" not in told
    assert "Broken pipe" not in told
