"""What the command line refuses or stops: one line, an exit code, nothing half-written."""

import signal
import subprocess
import sys
import time

import pydicom
import pytest


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
    (("map", "STUDY", "--input", "blood.xlsx", "--method", "patlak"), ".tsv"),
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
