"""A large folder is remembered as long as nothing in it changes, without the patient's name."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series, write_rubbish
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview.core.study import Study
from kiview.io import scan_cache
from kiview.jobs.open_study import OpenRequest, open_study

SHAPE = (3, 4, 5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scan_cache, "FEWEST_FILES", 1)
    study = tmp_path / "study"
    activity = asymmetric_phantom(SHAPE, 2)
    write_dynamic_series(study / "pet", "ge", activity, axial_affine(), [0.0, 60.0], [60.0, 60.0])
    write_ct_series(study / "ct", np.zeros(SHAPE), axial_affine())
    write_rubbish(study)
    return study


def opened(folder: Path) -> Study:
    return open_study(OpenRequest(folder, {}, folder.parent / "cache"))


def records(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache").glob("*.index.json"))


@pytest.mark.skipif(os.name != "posix", reason="platform: no modes of files")
def test_that_paths_are_remembered_for_the_owner_only(folder: Path) -> None:
    opened(folder)
    (record,) = records(folder)
    places = (record.parent, record)
    for _ in range(2):
        assert [path.stat().st_mode & 0o777 for path in places] == [0o700, 0o600]
        record.parent.chmod(0o755)
        record.chmod(0o644)  # as it was made before
        opened(folder)


def test_that_the_second_opening_is_the_same_without_reading_headers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(folder)
    assert len(records(folder)) == 1

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("kiview.jobs.open_study.scan_files", refuse)
    second = opened(folder)
    assert second.unused_files == first.unused_files
    assert second.patient == first.patient
    assert second.patient.name == "Factory^Phantom"
    for a, b in zip(first.series, second.series, strict=True):
        assert (a.uid, a.kind, a.findings, a.source_files) == (
            b.uid,
            b.kind,
            b.findings,
            b.source_files,
        )
        assert a.image is not None
        assert b.image is not None
        assert a.image.timing == b.image.timing
        assert a.image.geometry == b.image.geometry
        np.testing.assert_array_equal(a.image.store.frame(0), b.image.store.frame(0))


def test_that_the_record_holds_no_patient(folder: Path) -> None:
    opened(folder)
    text = records(folder)[0].read_text(encoding="utf-8")
    assert "Factory^Phantom" not in text
    assert "FACTORY-1" not in text


def test_that_a_change_in_the_folder_is_seen(folder: Path) -> None:
    opened(folder)
    next((folder / "ct").iterdir()).unlink()
    (folder / "new.txt").write_text("new", encoding="utf-8")
    study = opened(folder)
    assert len(records(folder)) == 2
    assert any(path.endswith("new.txt") for path, _ in study.unused_files)


@pytest.mark.parametrize("damage", ["text", "version", "rows", "columns", "list"])
def test_that_a_damaged_record_is_made_again(damage: str, folder: Path) -> None:
    opened(folder)
    path = records(folder)[0]
    record = json.loads(path.read_text(encoding="utf-8"))
    if damage == "version":
        record["format_version"] = 0
    elif damage == "rows":
        record["dicom"][0]["files"].pop()
    elif damage == "columns":
        record["dicom"][0]["columns"]["InstanceNumber"] = ["1"]
    text = {"text": "{", "list": "[]"}.get(damage, json.dumps(record))
    path.write_text(text, encoding="utf-8")
    assert len(opened(folder).series) == 2
    assert (
        json.loads(path.read_text(encoding="utf-8"))["format_version"] == scan_cache.FORMAT_VERSION
    )


def test_that_one_changed_digit_of_a_header_is_not_believed(folder: Path) -> None:
    before = opened(folder)
    path = records(folder)[0]
    content = path.read_text(encoding="utf-8")
    weight = json.loads(content)["dicom"]
    assert any(series["columns"].get("PatientWeight", "").startswith("70") for series in weight)
    path.write_text(content.replace('"PatientWeight": "70', '"PatientWeight": "10'), "utf-8")
    after = opened(folder)
    assert after.patient.weight_kg == before.patient.weight_kg == 70.0


@pytest.mark.parametrize("column", [{}, [], [{"a": 1}], 7, None])
def test_that_a_record_with_a_column_of_another_type_is_made_again(
    column: object, folder: Path
) -> None:
    opened(folder)
    path = records(folder)[0]
    record = json.loads(path.read_text(encoding="utf-8"))
    record["dicom"][0]["columns"]["RescaleSlope"] = column
    path.write_text(json.dumps(record), encoding="utf-8")
    assert len(opened(folder).series) == 2


def test_that_a_cache_that_cannot_be_written_is_no_error(folder: Path) -> None:
    (folder.parent / "cache").write_text("in the way", encoding="utf-8")
    assert len(opened(folder).series) == 2


def test_that_small_folders_leave_no_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_cache, "FEWEST_FILES", 1000)
    opened(folder)
    assert not (folder.parent / "cache").exists()
