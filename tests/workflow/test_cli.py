"""The command line: results on disk, documents, exit codes."""

import csv
import json
import subprocess
import sys

import nibabel
import numpy as np
import pydicom
import pytest
from tests.helpers.cli_study import V0
from tests.helpers.results import PATIENT, sampled_at

from kiview.core.roi import Roi, to_dict
from kiview.core.roi_shapes import Sphere


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
        {"study": (tmp_path, ""), "demo": False, "offscreen_output": None},
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
