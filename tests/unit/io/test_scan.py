"""What a folder contains, however it is arranged."""

import os
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series, write_rubbish
from tests.helpers.dicom_patterns.facts import SeriesSpec
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview.core.errors import ReadError
from kiview.core.progress import CallbackProgress, Cancelled
from kiview.io.scan import scan
from kiview.io.sop_classes import CT, PET

SHAPE = (3, 4, 5)


def write_pet(folder: Path, **options: object) -> list[Path]:
    activity = asymmetric_phantom(SHAPE, 2)
    return write_dynamic_series(
        folder, "siemens", activity, axial_affine(), [0.0, 60.0], [60.0, 60.0], **options
    )


def reasons(folder: Path) -> dict[str, str]:
    return {Path(path).name: reason for path, reason in scan(folder).unused}


def test_that_ct_structures_and_rubbish_in_the_tree_do_not_matter(tmp_path: Path) -> None:
    write_pet(tmp_path / "a" / "pet")
    write_ct_series(tmp_path / "a" / "ct", np.zeros(SHAPE), axial_affine())
    write_rubbish(tmp_path / "b")
    index = scan(tmp_path)
    assert {(one.sop_class, len(one.headers)) for one in index.dicom} == {(PET, 6), (CT, 3)}
    told = {Path(path).name: reason for path, reason in index.unused}
    assert set(told) == {"RS.dcm", "notes.txt", "empty.dcm", "cut.dcm"}
    assert "RT structure set" in told["RS.dcm"]
    assert told["notes.txt"] == "neither DICOM nor NIfTI"
    assert told["empty.dcm"] == "empty file"
    assert "cut off" in told["cut.dcm"]


def test_that_a_damaged_sop_class_is_not_shown(tmp_path: Path) -> None:
    path = write_pet(tmp_path)[0]
    damaged = b"\x1b[2J" + b"9" * (len(PET) - 4)
    path.write_bytes(path.read_bytes().replace(PET.encode(), damaged))
    assert reasons(tmp_path) == {path.name: "DICOM with a SOP class that is no UID, damaged"}


def test_that_two_series_in_one_folder_stay_two(tmp_path: Path) -> None:
    first = write_pet(tmp_path, series_uid="1.2.3", study_uid="1.2")
    for path in first:
        path.rename(path.with_name("first" + path.name))
    write_pet(tmp_path, series_uid="1.2.4", study_uid="1.2", seed=2)
    index = scan(tmp_path)
    assert sorted(one.uid for one in index.dicom) == ["1.2.3", "1.2.4"]
    assert {len(one.headers) for one in index.dicom} == {6}


def test_that_only_one_patient_is_opened(tmp_path: Path) -> None:
    def other(ds: object, _facts: object) -> None:
        ds.PatientID = "SOMEONE-ELSE"

    write_pet(tmp_path / "a")
    write_pet(tmp_path / "b", seed=2, change=other)[0].unlink()
    index = scan(tmp_path)
    assert len(index.dicom) == 1
    assert len(index.dicom[0].headers) == 6
    assert len(index.unused) == 5
    assert all("another patient" in reason for _, reason in index.unused)
    assert all("SOMEONE" not in reason for _, reason in index.unused)


def test_that_studies_of_one_patient_belong_together(tmp_path: Path) -> None:
    write_pet(tmp_path / "pet", study_uid="1.1")
    ct = SeriesSpec(study_uid="1.9", seed=5)
    write_ct_series(tmp_path / "ct", np.zeros(SHAPE), axial_affine(), ct)
    assert len(scan(tmp_path).dicom) == 2


def test_that_a_single_file_stands_for_its_series(tmp_path: Path) -> None:
    paths = write_pet(tmp_path)
    write_ct_series(tmp_path, np.zeros(SHAPE), axial_affine())
    index = scan(paths[3])
    assert [one.sop_class for one in index.dicom] == [PET]
    assert len(index.dicom[0].headers) == 6


def test_that_link_loops_end(tmp_path: Path) -> None:
    write_pet(tmp_path / "pet")
    (tmp_path / "pet" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "again").symlink_to(tmp_path / "pet", target_is_directory=True)
    index = scan(tmp_path)
    assert len(index.dicom[0].headers) == 6
    assert sum("link to a folder" in reason for _, reason in index.unused) == 2


def test_that_a_linked_file_is_read_once(tmp_path: Path) -> None:
    paths = write_pet(tmp_path / "pet")
    os.link(paths[0], tmp_path / "hard")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    told = reasons(tmp_path)
    assert len(scan(tmp_path).dicom[0].headers) == 6
    assert any("link to a file" in reason for reason in told.values())
    assert "cannot be read" in told["gone"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="platform: no named pipes")
def test_that_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    write_pet(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert reasons(tmp_path)["pipe"] == "no ordinary file"
    with pytest.raises(ReadError, match="no ordinary file"):
        scan(tmp_path / "pipe")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="platform: root reads everything"
)
def test_that_unreadable_places_are_told(tmp_path: Path) -> None:
    paths = write_pet(tmp_path / "pet")
    paths[0].chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    told = reasons(tmp_path)
    assert "Permission" in told[paths[0].name]
    assert "Permission" in told["closed"]


def test_that_a_nifti_image_takes_its_sidecar_along(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4))
    nibabel.save(image, tmp_path / "pet.nii.gz")
    (tmp_path / "pet.json").write_text("{}", encoding="utf-8")
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    index = scan(tmp_path)
    assert [path.name for path in index.nifti] == ["pet.nii.gz"]
    assert [Path(path).name for path, _ in index.unused] == ["other.json"]


def test_that_names_say_nothing_about_content(tmp_path: Path) -> None:
    paths = write_pet(tmp_path)
    shutil.move(paths[0], tmp_path / "notes.txt")
    (tmp_path / "slice.dcm").write_text("no image\n" * 40, encoding="utf-8")
    index = scan(tmp_path)
    assert len(index.dicom[0].headers) == 6
    assert dict(index.unused)[str(tmp_path / "slice.dcm")] == "neither DICOM nor NIfTI"


def test_that_scanning_can_be_stopped(tmp_path: Path) -> None:
    write_pet(tmp_path)
    with pytest.raises(Cancelled):
        scan(tmp_path, CallbackProgress(lambda *_: None, lambda: True))


@pytest.mark.parametrize("name", ["absent", "notes.txt", "RS.dcm", "empty.dcm", "cut.dcm"])
def test_that_a_file_that_cannot_be_opened_says_why(name: str, tmp_path: Path) -> None:
    write_rubbish(tmp_path)
    with pytest.raises(ReadError, match=rf"{name} .*\.$"):
        scan(tmp_path / name)
