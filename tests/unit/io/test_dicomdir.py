"""Discs with a DICOMDIR: the files count, the DICOMDIR only says which should be there."""

import warnings
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series
from tests.helpers.dicom_patterns.facts import SeriesSpec
from tests.helpers.discs import records, write_disc
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview.core.errors import ReadError
from kiview.core.study import Finding, Study, Verdict
from kiview.io.dicomdir import ListedFile, compare, is_dicomdir, listed_files
from kiview.jobs.open_study import OpenRequest, open_study

SHAPE = (3, 4, 5)
PHANTOM = asymmetric_phantom(SHAPE, 2)


def burn(tmp_path: Path) -> list[Path]:
    """A disc with a PET of six files and a CT of three; places in the DICOMDIR's order."""
    pet = write_dynamic_series(
        tmp_path / "pet",
        "siemens",
        PHANTOM,
        axial_affine(),
        [5.0, 65.0],
        [60.0, 60.0],
        study_uid="1.2.3",
        scan_start_s=5.0,
    )
    spec = SeriesSpec(study_uid="1.2.3")
    ct = write_ct_series(tmp_path / "ct", PHANTOM[0] / 10, axial_affine(), spec)
    return write_disc(tmp_path / "disc", [*pet, *ct])


def opened(path: Path) -> Study:
    return open_study(OpenRequest(path))


def told(study: Study) -> dict[str, Finding]:
    return {one.code: one for one in study.series[0].findings if one.code.startswith("dicomdir")}


def file_count(study: Study) -> int:
    return sum(len(series.source_files) for series in study.series)


@pytest.mark.parametrize("name", ["DICOMDIR", "."])
def test_that_a_disc_opens_whole_by_its_dicomdir_or_folder(name: str, tmp_path: Path) -> None:
    burn(tmp_path)
    study = opened(tmp_path / "disc" / name)
    assert [str(series.kind) for series in study.series] == ["dynamic", "ct"]
    assert file_count(study) == 9
    assert told(study) == {}
    ((path, reason),) = study.unused_files
    assert path == str(tmp_path / "disc" / "DICOMDIR")
    assert "a list of files" in reason
    assert study.uid == "1.2.3"


def test_that_the_listed_files_are_those_that_pydicom_wrote(tmp_path: Path) -> None:
    places = burn(tmp_path)
    disc = tmp_path / "disc"
    listed = listed_files(disc / "DICOMDIR")
    assert [disc.joinpath(*one.parts) for one in listed] == places
    assert all(one.is_image and one.is_inside for one in listed)


def test_that_missing_files_are_named_and_to_be_confirmed_for_ki(tmp_path: Path) -> None:
    places = burn(tmp_path)
    for path in places[-3:]:
        path.unlink()
    study = opened(tmp_path / "disc" / "DICOMDIR")
    finding = told(study)["dicomdir-files-missing"]
    assert "names 3 file(s) that are not there" in finding.message
    for path in places[-3:]:
        assert path.relative_to(tmp_path / "disc").as_posix() in finding.message
    assert finding.kinetics is Verdict.CONFIRM
    assert finding.suv is Verdict.READY


def test_that_names_may_differ_as_discs_change_them(tmp_path: Path) -> None:
    places = burn(tmp_path)
    places[0].rename(places[0].with_name(places[0].name.lower()))
    places[1].rename(places[1].with_name(places[1].name + ";1"))
    places[2].rename(places[2].with_name(places[2].name + "."))
    disc = tmp_path / "disc"
    (disc / "DICOMDIR").rename(disc / "dicomdir")
    for path in (disc, disc / "dicomdir"):
        study = opened(path)
        assert told(study) == {}
        assert file_count(study) == 9


def test_that_files_beside_the_list_are_read_and_told(tmp_path: Path) -> None:
    places = burn(tmp_path)
    (tmp_path / "disc" / "autorun.inf").write_text("[autorun]\n", encoding="utf-8")
    ds, files = records(tmp_path / "disc" / "DICOMDIR")
    for record in files[:2]:
        record.RecordInUseFlag = 0
    ds.save_as(tmp_path / "disc" / "DICOMDIR")
    study = opened(tmp_path / "disc")
    assert file_count(study) == len(places)
    assert "2 image(s) are not named" in told(study)["dicomdir-incomplete"].message
    assert told(study)["dicomdir-incomplete"].kinetics is Verdict.READY


@pytest.mark.parametrize(
    "file_id",
    [
        ["..", "secret.dcm"],
        ["PT000000", "..", "..", "secret.dcm"],
        ["", "secret.dcm"],
        ["C:", "secret.dcm"],
        ["PT000000/../../secret.dcm"],
        ["PT000000", ".", "X"],
    ],
)
def test_that_no_name_of_the_list_leads_out_of_its_folder(
    file_id: list[str], tmp_path: Path
) -> None:
    burn(tmp_path)
    secret = tmp_path / "secret.dcm"
    secret.write_bytes(next((tmp_path / "pet").iterdir()).read_bytes())
    ds, files = records(tmp_path / "disc" / "DICOMDIR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pydicom knows that such names are wrong
        files[0].ReferencedFileID = file_id
        ds.save_as(tmp_path / "disc" / "DICOMDIR")
    study = opened(tmp_path / "disc" / "DICOMDIR")
    used = [path for series in study.series for path in series.source_files]
    assert all(Path(path).is_relative_to(tmp_path / "disc") for path in used)
    assert len(used) == 9
    assert "names 1 file(s) outside" in told(study)["dicomdir-names-outside"].message
    assert "secret" not in str(study.series[0].findings)


def test_that_a_damaged_list_does_not_keep_the_files_from_being_read(tmp_path: Path) -> None:
    burn(tmp_path)
    path = tmp_path / "disc" / "DICOMDIR"
    path.write_bytes(path.read_bytes()[:700])
    for given in (path, path.parent):
        study = opened(given)
        assert file_count(study) == 9
        assert "dicomdir-damaged" in told(study)
    path.write_bytes(b"")
    assert file_count(opened(path)) == 9


def test_that_a_dicomdir_is_known_by_its_content_too(tmp_path: Path) -> None:
    burn(tmp_path)
    path = (tmp_path / "disc" / "DICOMDIR").rename(tmp_path / "disc" / "list.dcm")
    assert is_dicomdir(path)
    assert file_count(opened(path)) == 9
    assert not is_dicomdir(next((tmp_path / "pet").iterdir()))
    assert not is_dicomdir(tmp_path / "absent")


def test_that_a_disc_without_images_says_so(tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").write_bytes(b"nothing")
    with pytest.raises(ReadError, match="holds no image"):
        opened(tmp_path / "DICOMDIR")


def test_that_only_lists_and_files_of_one_folder_are_compared() -> None:
    listed = [ListedFile(("A", "1"), True), ListedFile(("A", "2"), False)]
    there = ["disc/A/1", "disc/A/3", "elsewhere/A/2"]
    findings = compare(listed, "disc", there, there[:2])
    assert [one.code for one in findings] == ["dicomdir-files-missing", "dicomdir-incomplete"]
    assert "A/2" in findings[0].message
    assert findings[0].kinetics is Verdict.READY  # a report, no image


def test_that_an_endless_or_odd_list_is_an_error_for_the_user(tmp_path: Path) -> None:
    ds = Dataset()
    ds.PatientName = "no records"
    ds.save_as(tmp_path / "DICOMDIR", implicit_vr=True, little_endian=True)
    with pytest.raises(ReadError, match="damaged"):
        listed_files(tmp_path / "DICOMDIR")


def test_that_of_several_patients_on_a_disc_the_one_with_most_pet_is_shown(tmp_path: Path) -> None:
    def somebody_else(ds: Dataset, _facts: object) -> None:
        ds.PatientID = "SOMEONE-ELSE"

    paths = []
    for name, frames, change in (("a", 2, lambda *_: None), ("b", 1, somebody_else)):
        paths += write_dynamic_series(
            tmp_path / name,
            "siemens",
            PHANTOM[:frames],
            axial_affine(),
            [5.0, 65.0][:frames],
            [60.0, 60.0][:frames],
            seed=frames,
            change=change,
        )
    write_disc(tmp_path / "disc", paths)
    study = opened(tmp_path / "disc" / "DICOMDIR")
    assert file_count(study) == 6
    (finding,) = [one for one in study.series[0].findings if one.code == "other-patient"]
    assert finding.message.startswith("3 files of another patient")
    assert finding.kinetics is Verdict.CONFIRM
