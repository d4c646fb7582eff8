"""Every file of a folder is in exactly one place: a series, or the list of files not used."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import EnhancedCTImageStorage, generate_uid
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series, write_rubbish
from tests.helpers.dicom_patterns.facts import SeriesSpec
from tests.helpers.discs import write_disc
from tests.helpers.other_objects import turn_into_mr, write_enhanced_volume, write_object
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview.core.study import Study
from kiview.io import scan_cache
from kiview.jobs.open_study import OpenRequest, open_study

SHAPE = (4, 5, 6)
STUDY = SeriesSpec(study_uid="1.2.3")
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(60)


def write_pet(folder: Path, **options: Any) -> list[Path]:
    return write_dynamic_series(
        folder,
        "siemens",
        asymmetric_phantom(SHAPE, 3),
        axial_affine(),
        [5.0, 35.0, 95.0],
        [30.0, 60.0, 300.0],
        **{"study_uid": "1.2.3", "scan_start_s": 5.0, **options},
    )


def write_mixed(folder: Path) -> Path:
    """A folder as it comes from a hospital."""
    pet = write_pet(folder / "pet")
    pet[3].with_name("doubled").write_bytes(pet[3].read_bytes())
    pet[-1].unlink()  # the last frame lacks a slice
    write_ct_series(folder / "ct", np.zeros(SHAPE), axial_affine(), STUDY)
    turn_into_mr(write_ct_series(folder / "mr", np.zeros(SHAPE), axial_affine(), STUDY))
    ct = write_ct_series(folder / "torn", np.zeros(SHAPE), axial_affine(), SeriesSpec(seed=4))
    slices = [pydicom.dcmread(path) for path in ct]
    write_enhanced_volume(folder / "enhanced.dcm", slices, EnhancedCTImageStorage)
    ct[1].unlink()  # refused: a slice is missing
    write_rubbish(folder / "other", STUDY)
    write_object(folder / "sr.dcm", pet[0], "1.2.840.10008.5.1.4.1.1.88.67", "SR")
    write_object(folder / "pr.dcm", pet[0], "1.2.840.10008.5.1.4.1.1.11.1", "PR")
    scout = pydicom.dcmread(next((folder / "ct").iterdir()))
    scout.SOPInstanceUID, scout.ImageType = generate_uid(), ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.save_as(folder / "ct" / "scout")
    write_pet(folder / "second", study_uid="1.9", seed=9, change=_somebody_else)[0].unlink()
    write_files_that_are_no_dicom(folder)
    write_dicomdir(folder, pet[:3])
    return folder


def _somebody_else(ds: Any, _facts: Any) -> None:
    ds.PatientID = "OTHER"


def write_files_that_are_no_dicom(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1" + bytes(80))
    (folder / "pet" / ".hidden").write_text("left behind\n", encoding="utf-8")
    (folder / "._atlas.nii.gz").write_bytes(APPLE_DOUBLE)
    (folder / "broken.dcm").write_bytes(bytes(128) + b"DICM" + b"\x08\x00\x16\x00UI\xff\xff1.2")
    (folder / "nothing.nii").write_bytes(b"")
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.float32), np.eye(4))
    nibabel.save(image, folder / "atlas.nii.gz")
    (folder / "atlas.json").write_text(json.dumps({"Units": "Bq/mL"}), encoding="utf-8")
    nibabel.save(image, folder / "PLAIN.nii")
    (folder / "PLAIN.nii").rename(folder / "PLAIN.NII")
    (folder / "PLAIN.json").write_text("{}", encoding="utf-8")
    (folder / "alone.json").write_text("{}", encoding="utf-8")
    nibabel.save(nibabel.AnalyzeImage(np.zeros((2, 3, 4), np.int16), None), folder / "old.hdr")
    (folder / "old.json").write_text("{}", encoding="utf-8")
    (folder / "half.img").write_bytes(bytes(48))


def write_dicomdir(folder: Path, paths: list[Path]) -> None:
    """A DICOMDIR by pydicom; the files that it names are elsewhere and thus missing."""
    write_disc(folder.parent / "disc", paths)
    (folder / "DICOMDIR").write_bytes((folder.parent / "disc" / "DICOMDIR").read_bytes())


def places(study: Study) -> Counter[str]:
    of_series = Counter({name for series in study.series for name in series.source_files})
    return of_series + Counter(name for name, _ in study.unused_files)


def test_that_every_file_of_a_mixed_folder_is_in_exactly_one_place(tmp_path: Path) -> None:
    folder = write_mixed(tmp_path / "mixed")
    study = open_study(OpenRequest(folder))
    there = {str(path) for path in folder.rglob("*") if path.is_file()}
    assert places(study) == dict.fromkeys(there, 1)
    assert all(reason for _, reason in study.unused_files)
    told = {Path(name).relative_to(folder).as_posix(): why for name, why in study.unused_files}
    told = {name: why for name, why in told.items() if not name.startswith("second/")}
    lost = {name: why for name, why in told.items() if name.startswith("pet/IM")}
    assert len(lost) == SHAPE[0] - 1
    assert set(lost.values()) == {"belongs to a frame that lacks slices"}
    assert told.keys() - lost.keys() == {
        *(f"other/{name}" for name in ("RS.dcm", "notes.txt", "empty.dcm", "cut.dcm")),
        *(".DS_Store", "pet/.hidden", "._atlas.nii.gz", "broken.dcm", "alone.json", "half.img"),
        *("sr.dcm", "pr.dcm", "ct/scout", "pet/doubled", "DICOMDIR"),
    }
    assert "macOS" in told["._atlas.nii.gz"]
    assert "DICOMDIR" in told["DICOMDIR"]


@pytest.mark.parametrize("seed", range(6))
def test_that_no_file_is_lost_from_a_folder_that_lost_files(seed: int, tmp_path: Path) -> None:
    folder = write_mixed(tmp_path / "mixed")
    chance = random.Random(seed)
    for path in sorted(folder.rglob("*")):
        what = chance.random()
        if path.is_file() and what < 0.1:
            path.unlink()
        elif path.is_file() and what < 0.2:
            path.write_bytes(path.read_bytes()[: chance.randrange(400)])
        elif path.is_file() and what < 0.3:
            path.with_name(path.name + " copy").write_bytes(path.read_bytes())
    study = open_study(OpenRequest(folder))
    there = {str(path) for path in folder.rglob("*") if path.is_file()}
    assert places(study) == dict.fromkeys(there, 1)


def test_that_what_is_told_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_cache, "FEWEST_FILES", 1)
    folder = write_mixed(tmp_path / "mixed")
    first, second = (open_study(OpenRequest(folder, {}, tmp_path / "cache")) for _ in range(2))
    assert second.unused_files == first.unused_files
    assert [series.findings for series in second.series] == [
        series.findings for series in first.series
    ]
    assert "dicomdir-files-missing" in {finding.code for finding in second.series[0].findings}
