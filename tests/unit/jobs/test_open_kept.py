"""A study opened as it was left, or as its files say where that cannot be."""

import logging
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview import paths
from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.kept import Kept
from kiview.jobs import open_kept
from kiview.jobs.library import KeepRequest, keep_entered
from kiview.jobs.open_kept import open_as_kept
from kiview.jobs.open_study import OpenRequest, open_study

KEPT = Kept({"weight_kg": 82.0})
STARTS_S, DURATIONS_S = [0.0, 60.0, 120.0, 180.0], [60.0] * 4


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "study"
    write_dynamic_series(made, "ge", asymmetric_phantom(), axial_affine(), STARTS_S, DURATIONS_S)
    return made


def leave(path: Path) -> None:
    """Enter 82 kg for a study and close it."""
    keep_entered(KeepRequest(open_study(OpenRequest(path)), path, KEPT))


def opened(path: Path):
    return open_as_kept(OpenRequest(path))


def weight_source(study) -> str:
    return next(fact.source for fact in study.series[0].facts if fact.code == "weight")


def test_that_a_study_is_read_with_what_was_entered_and_says_by_whom(folder):
    as_files = opened(folder)
    assert as_files.restored.kept.is_empty
    leave(folder)
    again = opened(folder)
    assert again.restored.kept == KEPT
    assert again.patient.weight_kg == 82.0
    assert dict(again.series[0].image.user_given) == {"weight_kg": 82.0}
    assert weight_source(again) == "entered by you"
    factor = again.series[0].image.suv_factor / as_files.series[0].image.suv_factor
    assert factor == pytest.approx(82.0 / as_files.patient.weight_kg, rel=1e-9)


def test_that_the_command_lines_opening_takes_nothing_from_the_library(folder):
    before = open_study(OpenRequest(folder))
    leave(folder)
    after = open_study(OpenRequest(folder))
    assert after.patient.weight_kg == before.patient.weight_kg != 82.0
    assert after.series[0].image.user_given == ()
    assert after.restored is None


def test_that_an_archive_and_a_file_are_found_again_too(folder, tmp_path):
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for file in folder.iterdir():
            content.write(file, f"study/{file.name}")
    for path in (archive, next(folder.iterdir())):
        leave(path)
        assert opened(path).restored.kept == KEPT
    assert opened(folder).restored.kept.is_empty  # another entry


@pytest.mark.parametrize("change", ["touch", "add", "remove"])
def test_that_changed_files_are_read_as_they_are(folder, change):
    leave(folder)
    file = sorted(folder.iterdir())[0]
    if change == "touch":
        os.utime(file, ns=(1, 1))
    elif change == "add":
        (folder / "more.txt").write_text("x", encoding="utf-8")
    else:
        file.unlink()
    study = opened(folder)
    assert study.restored.kept.is_empty
    assert study.restored.left_out == KEPT
    assert "changed since" in study.restored.reason
    assert study.series[0].image.user_given == ()


def test_that_another_patients_study_in_the_same_folder_gets_nothing(folder):
    leave(folder)
    shutil.rmtree(folder)
    write_dynamic_series(
        folder, "ge", asymmetric_phantom(), axial_affine(), STARTS_S, DURATIONS_S, study_uid="1.2.9"
    )
    study = opened(folder)
    assert study.restored.kept.is_empty
    assert study.restored.reason == ""
    assert study.series[0].image.user_given == ()


def test_that_values_the_study_cannot_be_read_with_any_more_are_left_out(folder):
    kept = Kept({"frame_start_s": "0,1", "frame_duration_s": "1,1", "frame_series": "9.9"})
    keep_entered(KeepRequest(open_study(OpenRequest(folder)), folder, kept))
    with pytest.raises(InvalidInputError, match="not in this study"):
        open_study(OpenRequest(folder, kept.values))
    study = opened(folder)
    assert study.restored.left_out == kept
    assert "not in this study" in study.restored.reason
    assert study.series[0].image.user_given == ()


def test_that_a_library_that_cannot_be_read_leaves_the_study_as_its_files_say(folder):
    leave(folder)
    paths.library_file().write_bytes(b"rubbish" * 3000)
    study = opened(folder)
    assert "was damaged" in study.restored.reason
    assert study.series[0].image.user_given == ()
    assert opened(folder).restored.reason == ""


def test_that_a_busy_library_is_told(folder, monkeypatch):
    def busy(*_arguments):
        raise ReadError("The study library stays busy.")

    leave(folder)
    monkeypatch.setattr(open_kept.Library, "kept", busy)
    assert opened(folder).restored.reason == "The study library stays busy."


def test_that_no_library_is_made_to_look_into(folder):
    assert opened(folder).restored.kept.is_empty
    assert not paths.library_file().exists()


def test_that_nothing_of_it_is_logged(folder, caplog):
    caplog.set_level(logging.DEBUG)
    leave(folder)
    study = opened(folder)
    words = (*study.patient.name.split("^"), study.patient.patient_id, "82")
    assert not any(word in record.getMessage() for word in words for record in caplog.records)
