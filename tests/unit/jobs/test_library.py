"""From an opened study to its entry, to its picture, and away again."""

import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview import paths
from kiview.core.errors import InvalidInputError
from kiview.io import dicom_pixels
from kiview.io.cache_limit import entries
from kiview.jobs.library import (
    ListRequest,
    RecordRequest,
    RemoveRequest,
    find_study,
    list_studies,
    record_study,
    remove_study,
)
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.library.library import Library, LibraryQuery

STARTS_S, DURATIONS_S = [0.0, 60.0, 120.0, 180.0], [60.0] * 4
LONGEST_OPENING_S = 1.0


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "study"
    write_dynamic_series(made, "ge", asymmetric_phantom(), axial_affine(), STARTS_S, DURATIONS_S)
    return made


def opened(folder: Path):
    return open_study(OpenRequest(folder, {}, paths.voxel_cache_dir(), memory_limit_bytes=0))


def test_that_an_opened_study_is_described_as_its_files_say(folder):
    study = opened(folder)
    library_id, findings = record_study(RecordRequest(study, folder))
    assert findings == ()
    entry = find_study(library_id)
    assert entry is not None
    assert entry.path == folder
    assert entry.uid == study.uid
    assert entry.patient_name == study.patient.name != ""
    assert entry.tracer == "FDG"  # the files say "FDG -- fluorodeoxyglucose"
    told = pydicom.dcmread(next(folder.iterdir()), stop_before_pixels=True).StudyDate
    assert entry.study_date == f"{told[:4]}-{told[4:6]}-{told[6:]}"
    assert (entry.frame_count, entry.span_s) == (4, (0.0, 240.0))
    assert entry.slice_count == asymmetric_phantom().shape[1]
    on_disk = {str(file): file.stat() for file in folder.iterdir()}
    kept = {
        one.path: (one.size, one.modified_ns)
        for one in Library(paths.library_file()).files(library_id)
    }
    assert kept == {path: (stat.st_size, stat.st_mtime_ns) for path, stat in on_disk.items()}
    assert entry.thumbnail is not None


def test_that_no_file_name_of_kiview_tells_the_patient(folder, user_folder):
    study = opened(folder)
    record_study(RecordRequest(study, folder))
    words = [*study.patient.name.split("^"), study.patient.patient_id]
    names = [path.name for path in user_folder.rglob("*")]
    assert names
    assert not any(word and word in name for word in words for name in names)


def test_that_removing_takes_the_voxels_out_of_the_cache_and_leaves_the_files(folder):
    library_id, _ = record_study(RecordRequest(opened(folder), folder))
    assert len(entries(paths.voxel_cache_dir())) == 1
    files = {file: file.read_bytes() for file in folder.iterdir()}
    remove_study(RemoveRequest(library_id))
    assert entries(paths.voxel_cache_dir()) == ()
    assert {file: file.read_bytes() for file in folder.iterdir()} == files
    assert list_studies(ListRequest(LibraryQuery())).studies == ()
    with pytest.raises(InvalidInputError, match="holds no study"):
        remove_study(RemoveRequest(library_id))


def test_that_removing_an_open_study_leaves_its_voxels_until_it_is_closed(folder):
    study = opened(folder)
    library_id, _ = record_study(RecordRequest(study, folder))
    before = np.array(study.series[0].image.store.frame(0))
    remove_study(RemoveRequest(library_id))
    assert len(entries(paths.voxel_cache_dir())) == 1
    np.testing.assert_array_equal(study.series[0].image.store.frame(0), before)


def test_that_a_known_study_shows_its_first_image_at_once_and_without_its_pixels(
    folder, monkeypatch
):
    first = np.array(opened(folder).series[0].image.store.plane(1, 3, 3))

    def refuse(*_arguments):
        raise AssertionError("pixels of a file were read again")

    monkeypatch.setattr(dicom_pixels, "_planes", refuse)
    began_s = time.process_time()
    again = opened(folder).series[0].image.store.plane(1, 3, 3)
    assert time.process_time() - began_s < LONGEST_OPENING_S
    np.testing.assert_array_equal(again, first)


def test_that_a_date_that_is_none_is_left_empty(tmp_path):
    def change(dataset, _facts):
        dataset["StudyDate"]._value = "20241350"  # the thirteenth month

    write_dynamic_series(
        tmp_path / "s", "ge", asymmetric_phantom(), axial_affine(), STARTS_S, DURATIONS_S,
        change=change,
    )  # fmt: skip
    assert opened(tmp_path / "s").date == ""
