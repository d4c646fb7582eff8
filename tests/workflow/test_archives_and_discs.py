"""Zip archives and discs by the command line, and made of real files of others."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from tests.helpers.archives import set_flag, zip_folder
from tests.helpers.cli_study import V0, write_cli_study
from tests.helpers.discs import write_disc
from tests.helpers.shared_data import require_shared_data

from kiview.core.errors import MissingInformationError
from kiview.jobs.open_study import OpenRequest, open_study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_cli_study(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def archive(made) -> Path:
    return zip_folder(made.folder.with_name("export.zip"), made.folder, "DOE_JANE")


@pytest.fixture(scope="module")
def dicomdir(made) -> Path:
    disc = made.folder.with_name("disc")
    write_disc(disc, sorted(path for path in made.folder.rglob("*") if path.is_file()))
    return disc / "DICOMDIR"


def test_that_info_tells_the_same_of_folder_archive_and_disc(kiview, made, archive, dicomdir):
    documents = []
    for study in (made.folder, archive, dicomdir):
        code, printed, told = kiview("info", study, "--json")
        assert code == 0, told
        assert "kv0" not in printed + told
        documents.append(json.loads(printed)["series"])
    assert documents[0] == documents[1] == documents[2]


def test_that_maps_of_an_archive_have_the_true_v0_and_its_patient(kiview, made, archive, tmp_path):
    code, _, told = kiview(
        "map", archive, "--input", made.plasma, "--method", "patlak", "--frames", "20-60",
        "--format", "nifti,dicom", "--out", tmp_path / "maps",
    )  # fmt: skip
    assert code == 0, told
    values = np.asarray(nibabel.load(tmp_path / "maps" / "patlak_V0.nii.gz").dataobj)
    assert np.nanmedian(values) == pytest.approx(V0, rel=1e-3)
    written = pydicom.dcmread(next((tmp_path / "maps" / "patlak_Ki_dicom").iterdir()))
    source = pydicom.dcmread(next(path for path in made.folder.rglob("*") if path.is_file()))
    assert written.PatientID == source.PatientID
    assert written.StudyInstanceUID == source.StudyInstanceUID


def test_that_an_archive_that_cannot_be_read_is_one_sentence(kiview, archive, tmp_path):
    copy = tmp_path / "locked.zip"
    copy.write_bytes(archive.read_bytes())
    code, printed, told = kiview("info", set_flag(copy, 1), "--json")
    assert code != 0
    assert printed == ""
    assert "is encrypted" in told
    assert len(told.strip().splitlines()) == 1


def test_that_the_library_takes_an_archive_and_opens_it_by_its_id(kiview, archive):
    code, printed, told = kiview("library", "add", archive)
    assert code == 0, told
    library_id = next(word for word in printed.split() if word.startswith("lib-"))
    code, printed, told = kiview("library", "list")
    assert code == 0, told
    assert archive.name in printed
    code, printed, told = kiview("info", library_id, "--json")
    assert code == 0, told
    assert json.loads(printed)["series"][0]["kind"] == "dynamic"


@pytest.mark.parametrize(
    "name", ["ibsi-sts/dicom/STS_001", "ecat-golden", "magia-template", "pynemaiqpet"]
)
def test_that_real_studies_read_the_same_from_an_archive(name: str, tmp_path: Path) -> None:
    folder = require_shared_data(name)
    expected = open_study(OpenRequest(folder))
    study = open_study(OpenRequest(zip_folder(tmp_path / "study.zip", folder, "top")))
    assert study.patient == expected.patient
    assert len(study.unused_files) == len(expected.unused_files)
    assert {why for _, why in study.unused_files} == {why for _, why in expected.unused_files}
    described = [
        {(one.description, one.kind, one.max_value) for one in part.series}
        for part in (study, expected)
    ]
    assert described[0] == described[1]
    by_name = {(one.description, one.kind): one for one in expected.series}
    for series in study.series:
        image, other = series.image, by_name[series.description, series.kind].image
        assert (image is None) == (other is None)
        if image is not None and other is not None:
            np.testing.assert_array_equal(image.store.frame(0), other.store.frame(0))
            np.testing.assert_array_equal(image.timing.start_s, other.timing.start_s)


def test_that_a_real_study_that_asks_for_values_asks_the_same_from_an_archive(
    tmp_path: Path,
) -> None:
    folder = require_shared_data("bids-examples/pet001")
    archive = zip_folder(tmp_path / "study.zip", folder)
    told = []
    for path in (folder, archive):
        with pytest.raises(MissingInformationError) as caught:
            open_study(OpenRequest(path))
        told.append((str(caught.value).replace(str(path), "STUDY"), caught.value.fields))
    assert told[0] == told[1]
    assert "_pet.json" in told[0][0]


def test_that_every_real_file_is_used_or_told() -> None:
    folder = require_shared_data("ibsi-sts")
    study = open_study(OpenRequest(folder))
    used = [path for series in study.series for path in series.source_files]
    used += [found.path for found in study.region_objects]
    told = [path for path, _ in study.unused_files]
    there = [str(path) for path in folder.rglob("*") if path.is_file()]
    assert sorted([*used, *told]) == sorted(there)


def test_that_a_structure_set_in_an_archive_has_its_name_there(kiview, tmp_path):
    folder = require_shared_data("ibsi-sts") / "dicom" / "STS_001"
    archive = zip_folder(tmp_path / "sts.zip", folder, "")
    code, printed, told = kiview("info", archive, "--json")
    assert code == 0, told
    (found,) = (one for one in json.loads(printed)["series"] if one["modality"] == "RTSTRUCT")
    assert Path(found["path"]) == archive / "PET" / "mask" / "RS.dcm"
    assert found["structures"] == [{"number": 1, "name": "GTV_Mass_PET"}]
