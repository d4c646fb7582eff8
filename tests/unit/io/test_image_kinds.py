"""Images in one file beside DICOM: found by what they hold, listed with a reason where not read."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.ecat_factory import write_ecat
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview.core.errors import KiviewError, ReadError
from kiview.core.progress import NullProgress
from kiview.core.study import SeriesKind, Verdict
from kiview.io.image_kinds import ImageKind, kind_of
from kiview.io.scan import scan
from kiview.io.scan_cache import load_index, save_index
from kiview.jobs.open_study import OpenRequest, open_study

START_S, DURATION_S = [0.0, 30.0], [30.0, 60.0]
SIZE_MM = (1.75, 2.5, 3.27)


def ecat(path: Path, **fields: Any) -> Path:
    return write_ecat(path, np.ones((2, 3, 4, 5), np.int16), START_S, DURATION_S, **fields)


def analyze(folder: Path, kind: type = nibabel.AnalyzeImage) -> Path:
    """A pair `old.hdr` and `old.img`, (x, y, z) ramp."""
    image = kind(np.arange(60, dtype=np.int16).reshape(5, 4, 3), None)
    image.header.set_zooms(SIZE_MM)
    nibabel.save(image, folder / "old.hdr")
    for file in folder.glob("*.mat"):
        file.unlink()
    return folder / "old.hdr"


def reasons(folder: Path) -> dict[str, str]:
    return {Path(path).name: why for path, why in scan(folder).unused}


def test_that_a_folder_finds_ecat_by_its_content(tmp_path):
    ecat(tmp_path / "a.v")
    ecat(tmp_path / "no_ending_at_all")
    (tmp_path / "b.v.gz").write_bytes(gzip.compress((tmp_path / "a.v").read_bytes()))
    index = scan(tmp_path)
    assert sorted(path.name for path in index.ecat) == ["a.v", "b.v.gz", "no_ending_at_all"]
    assert index.unused == ()
    assert len(open_study(OpenRequest(tmp_path)).series) == 3


def test_that_ecat_and_dicom_of_one_folder_both_open(tmp_path):
    ecat(tmp_path / "a.v")
    write_dynamic_series(
        tmp_path / "d", "siemens", asymmetric_phantom((3, 4, 5), 2), axial_affine(), START_S,
        DURATION_S,
    )  # fmt: skip
    series = open_study(OpenRequest(tmp_path)).series
    assert [one.kind for one in series] == [SeriesKind.DYNAMIC] * 2


def test_that_files_that_are_not_read_say_why(tmp_path):
    ecat(tmp_path / "sino.s", file_type=11)
    ecat(tmp_path / "att.a", file_type=3)
    (tmp_path / "module.v").write_text("module counter(input clk);\nendmodule\n" * 40)
    (tmp_path / "pet.hv").write_text("!INTERFILE  :=\nname of data file := pet.v2\n" * 20)
    (tmp_path / "pet.h33").write_text("!interfile :=\n!imaging modality := PET\n" * 20)
    analyze(tmp_path)
    (tmp_path / "old.img").rename(tmp_path / "lonely.img")
    told = reasons(tmp_path)
    assert "sinogram" in told["sino.s"]
    assert "attenuation" in told["att.a"]
    assert "no ECAT 7 image" in told["module.v"]
    assert "Interfile" in told["pet.hv"]
    assert "Interfile" in told["pet.h33"]
    assert told["old.hdr"] == "Analyze header without its .img file"
    assert told["lonely.img"] == "Analyze voxels without their .hdr file"
    for name, why in told.items():
        with pytest.raises(ReadError, match=r"is no DICOM, NIfTI, Analyze or ECAT image") as failed:
            scan(tmp_path / name)
        assert why in str(failed.value)


def test_that_the_index_of_a_folder_remembers_ecat(tmp_path, monkeypatch):
    monkeypatch.setattr("kiview.io.scan_cache.FEWEST_FILES", 1)
    folder = tmp_path / "study"
    folder.mkdir()
    path = ecat(folder / "a.v")
    index = scan(folder)
    save_index(tmp_path / "cache", index)
    known = load_index(tmp_path / "cache", folder, index.entries)
    assert known is not None
    assert known.ecat == (path,)


@pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Spm99AnalyzeImage])
@pytest.mark.parametrize("opened", ["old.hdr", "old.img", "."])
def test_that_an_analyze_pair_opens_with_its_orientation_to_confirm(kind, opened, tmp_path):
    analyze(tmp_path, kind)
    study = open_study(OpenRequest(tmp_path / opened))
    series = study.series[0]
    assert study.unused_files == ()
    assert series.image is not None
    expected = np.arange(60, dtype=np.float32).reshape(5, 4, 3).transpose()
    np.testing.assert_array_equal(series.image.store.frame(0), expected)
    np.testing.assert_allclose(series.image.geometry.spacing_zyx_mm, SIZE_MM[::-1], rtol=1e-6)
    told = {one.code: one for one in series.findings}["orientation-unknown"]
    assert "Analyze" in told.message
    assert told.kinetics is Verdict.CONFIRM


def test_that_a_dynamic_analyze_pair_with_entered_values_is_pet(tmp_path):
    values = np.arange(120, dtype=np.int16).reshape(5, 4, 3, 2)
    nibabel.save(nibabel.AnalyzeImage(values, None), tmp_path / "dyn.hdr")
    entered = {
        "frame_start_s": "0,60",
        "frame_duration_s": "60,60",
        "units": "BQML",
        "decay_correction": "ADMIN",
        "half_life_s": 6586.2,
    }
    series = open_study(OpenRequest(tmp_path / "dyn.hdr", entered)).series[0]
    assert series.image is not None
    assert series.kind is SeriesKind.DYNAMIC
    np.testing.assert_array_equal(
        series.image.store.frame(1), values[..., 1].transpose().astype(np.float32)
    )
    assert series.kinetics_verdict is Verdict.CONFIRM  # only the orientation


def test_that_a_nifti_pair_keeps_its_directions(tmp_path):
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    nibabel.save(
        nibabel.Nifti1Pair(np.arange(24, dtype=np.int16).reshape(2, 3, 4), affine),
        tmp_path / "pair.hdr",
    )
    series = open_study(OpenRequest(tmp_path)).series[0]
    assert series.image is not None
    assert [series.image.geometry.axis_letters(axis)[1] for axis in range(3)] == ["H", "A", "R"]
    assert "orientation-unknown" not in {one.code for one in series.findings}


def test_that_damaged_analyze_pairs_say_so(tmp_path):
    analyze(tmp_path)
    voxels = (tmp_path / "old.img").read_bytes()
    (tmp_path / "old.img").write_bytes(voxels[:-7])
    with pytest.raises(KiviewError, match=r"old\.img is cut off"):
        open_study(OpenRequest(tmp_path / "old.hdr"))


def test_that_dicom_files_called_img_stay_dicom(tmp_path):
    write_dynamic_series(
        tmp_path / "d", "siemens", asymmetric_phantom((3, 4, 5), 2), axial_affine(), START_S,
        DURATION_S,
    )  # fmt: skip
    for number, path in enumerate(sorted((tmp_path / "d").iterdir())):
        shutil.move(path, path.with_name(f"{number}.img"))
    index = scan(tmp_path / "d", NullProgress())
    assert len(index.dicom) == 1
    assert index.unused == ()
    assert len(index.dicom[0].headers) == 6


def test_that_a_file_that_vanished_is_of_no_kind(tmp_path):
    assert not isinstance(kind_of(tmp_path / "gone"), ImageKind)
