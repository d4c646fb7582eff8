"""Studies with holes, copies and several series: what is told and what is kept."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless, RLELossless
from tests.helpers.dicom_factory import write_ct_series, write_rubbish
from tests.helpers.opening import codes, read, refusal
from tests.helpers.phantoms import axial_affine
from tests.helpers.three_frames import PHANTOM, SHAPE, write

from kiview.core.errors import InvalidInputError
from kiview.core.progress import CallbackProgress, Cancelled
from kiview.core.study import Series, SeriesKind, Verdict
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.jobs.study_info import study_info


def test_that_pet_comes_before_ct_and_rubbish_is_listed(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "a ct", np.full(SHAPE, -1000.0), axial_affine())
    write(tmp_path / "pet")
    write_rubbish(tmp_path)
    study = open_study(OpenRequest(tmp_path))
    assert [series.kind for series in study.series] == [SeriesKind.DYNAMIC, SeriesKind.CT]
    assert len(study.unused_files) == 4
    assert study.main_series is study.series[0]
    assert study.patient.weight_kg == 70.0
    ct = study.series[1].image
    assert ct is not None
    assert float(ct.store.frame(0).min()) == -1000.0
    assert study.series[0].source_files[0].startswith(str(tmp_path / "pet"))


def test_that_a_lost_slice_costs_its_frame_only(tmp_path: Path) -> None:
    paths = write(tmp_path)
    paths[2 * SHAPE[0] + 1].unlink()
    series = read(tmp_path)
    assert series.image is not None
    assert series.image.frame_count == 2
    assert "frames-incomplete" in codes(series)
    assert series.kinetics_verdict is Verdict.CONFIRM
    np.testing.assert_allclose(series.image.store.frame(1), PHANTOM[1], rtol=1e-6)


def test_that_a_lost_frame_shows_as_a_gap(tmp_path: Path) -> None:
    paths = write(tmp_path)
    for path in paths[SHAPE[0] : 2 * SHAPE[0]]:
        path.unlink()
    series = read(tmp_path)
    assert "frame-gaps" in codes(series)
    assert series.kinetics_verdict is Verdict.CONFIRM


def test_that_a_lost_position_is_refused(tmp_path: Path) -> None:
    paths = write(tmp_path)
    for frame in range(3):
        paths[frame * SHAPE[0] + 2].unlink()
    assert "slice seems to be missing" in refusal(tmp_path)


def test_that_slices_lost_from_every_frame_are_refused(tmp_path: Path) -> None:
    paths = write(tmp_path)
    for frame in range(3):
        paths[frame * SHAPE[0] + frame].unlink()
    assert "3 image(s) are missing" in refusal(tmp_path)


def test_that_copies_of_files_are_ignored(tmp_path: Path) -> None:
    for path in write(tmp_path):
        path.with_name("copy of " + path.name).write_bytes(path.read_bytes())
    study = open_study(OpenRequest(tmp_path))
    assert study.series[0].image is not None
    assert study.series[0].image.frame_count == 3
    assert "copies-ignored" in codes(study.series[0])
    assert len(study.unused_files) == 12


def test_that_one_copied_file_leaves_the_frame_times_known(tmp_path: Path) -> None:
    path = write(tmp_path / "one")[5]
    path.with_name("copy").write_bytes(path.read_bytes())
    write(tmp_path / "none")
    found, expected = (read(tmp_path / name) for name in ("one", "none"))
    assert found.image is not None
    assert expected.image is not None
    np.testing.assert_array_equal(found.image.timing.start_s, expected.image.timing.start_s)
    assert codes(found) - codes(expected) == {"copies-ignored"}


def test_that_a_wrong_entry_is_refused_before_reading(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="weight_kg"):
        open_study(OpenRequest(tmp_path, {"weight_kg": "heavy"}))


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
def test_that_compressed_slices_are_decoded(syntax: str, tmp_path: Path) -> None:
    for path in write(tmp_path):
        ds = pydicom.dcmread(path)
        ds.PixelRepresentation = 0  # pyjpegls encodes unsigned samples
        ds.compress(syntax)
        ds.save_as(path)
    series = read(tmp_path)
    assert series.image is not None
    np.testing.assert_allclose(series.image.store.frame(1), PHANTOM[1], rtol=1e-6)
    one = pydicom.dcmread(series.source_files[0])
    one.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8 nothing here"])
    one.save_as(series.source_files[0])
    assert "cannot be read" in refusal(tmp_path)


def test_that_slices_may_hold_signed_and_unsigned_pixels(tmp_path: Path) -> None:
    def unsigned(ds: Any, facts: Any) -> None:
        ds.PixelRepresentation = facts.frame % 2

    write(tmp_path, change=unsigned)
    series = read(tmp_path)
    assert series.image is not None
    np.testing.assert_allclose(series.image.store.frame(2), PHANTOM[2], rtol=1e-6)


def test_that_opening_can_be_stopped_at_any_step(tmp_path: Path) -> None:
    write(tmp_path / "study")
    steps: list[str] = []
    open_study(
        OpenRequest(tmp_path / "study", {}, tmp_path / "cache"),
        CallbackProgress(lambda _, message: steps.append(message)),
    )
    for stop in range(len(steps)):
        cache = tmp_path / f"cache {stop}"
        seen = iter(range(stop))
        progress = CallbackProgress(lambda *_: None, lambda s=seen: next(s, None) is None)
        with pytest.raises(Cancelled):
            open_study(OpenRequest(tmp_path / "study", {}, cache, 0), progress)
        left = list(cache.iterdir()) if cache.exists() else []
        assert not [path for path in left if ".part-" in path.name]


def test_that_progress_never_goes_back(tmp_path: Path) -> None:
    write(tmp_path)
    shares: list[float] = []
    open_study(
        OpenRequest(tmp_path),
        CallbackProgress(lambda share, _: shares.append(share or 0.0)),
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_that_the_document_is_complete_and_without_patient_data(tmp_path: Path) -> None:
    start = np.array([0.0, 60.0, 120.0])[:, None] + np.array([0.0, 0.0, 0.5, 0.5])
    write(tmp_path, "multibed", start=start, duration=np.full((3, 4), 25.0))
    document = study_info(open_study(OpenRequest(tmp_path)))
    series = document["series"][0]
    assert set(series) == {
        "uid",
        "modality",
        "description",
        "kind",
        "shape_zyx",
        "frame_count",
        "frame_start_s",
        "frame_duration_s",
        "units",
        "max_value",
        "suvbw_factor_g_per_bq",
        "verdict",
        "findings",
        "facts",
        "user_given",
        "structures",
    }
    assert series["kind"] == "dynamic"
    assert series["description"] == "factory dynamic"
    assert series["shape_zyx"] == list(SHAPE)
    np.testing.assert_allclose(series["frame_start_s"], start, atol=1e-3)
    assert series["units"] == "BQML"
    assert series["verdict"] == {"suv": "ready", "kinetics": "ready"}
    dose = {"code": "dose", "label": "Injected activity", "value": "350 MBq"}
    assert [one for one in series["facts"] if one["code"] == "dose"] == [
        {**dose, "source": "RadionuclideTotalDose"}
    ]
    assert "Factory" not in str(document)
    assert "FACTORY-1" not in str(document)


def test_that_the_fingerprint_tells_whether_the_files_are_the_same(tmp_path: Path) -> None:
    paths = write(tmp_path)
    before = open_study(OpenRequest(tmp_path)).fingerprint
    assert before == open_study(OpenRequest(tmp_path)).fingerprint != ""
    os.utime(paths[0], ns=(1, 1))
    assert open_study(OpenRequest(tmp_path)).fingerprint != before


def test_that_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert "is empty" in refusal(tmp_path)
    write_rubbish(tmp_path)
    assert "4 file(s) were looked at" in refusal(tmp_path)


def test_that_a_second_patient_in_the_folder_is_to_be_confirmed(tmp_path: Path) -> None:
    def other(ds: Any, _facts: object) -> None:
        ds.PatientID = "SOMEONE-ELSE"

    write(tmp_path / "a")
    write(tmp_path / "b", change=other, study_uid="1.9", series_uid="1.9.1")[0].unlink()
    series = read(tmp_path)
    (finding,) = [one for one in series.findings if one.code == "other-patient"]
    assert finding.kinetics is Verdict.CONFIRM
    assert "SOMEONE" not in finding.message
    assert codes(read(tmp_path / "a")).isdisjoint({"other-patient"})


def test_that_entered_frame_times_of_one_series_leave_the_others_alone(tmp_path: Path) -> None:
    write(tmp_path / "early")
    write(tmp_path / "late", activity=PHANTOM[:2], series_uid="1.9.1")
    early, late = open_study(OpenRequest(tmp_path)).series
    given = {"frame_start_s": "0,10", "frame_duration_s": "10,20"}
    everywhere = open_study(OpenRequest(tmp_path, given)).series
    assert "series-refused" in {code for series in everywhere for code in codes(series)}
    one = {series.uid: series for series in read_all(tmp_path, {**given, "frame_series": late.uid})}
    assert one[late.uid].image.timing.start_s.tolist() == [0.0, 10.0]
    assert one[early.uid].image.timing == early.image.timing
    assert dict(one[early.uid].image.user_given) == {}
    assert dict(one[late.uid].image.user_given) == {**given, "frame_series": late.uid}


def read_all(folder: Path, overrides: dict[str, str]) -> tuple[Series, ...]:
    return open_study(OpenRequest(folder, overrides)).series


def test_that_frame_times_for_a_series_that_is_not_there_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    given = {"frame_start_s": "0,9,99", "frame_duration_s": "9,9,9", "frame_series": "1.2.3"}
    with pytest.raises(InvalidInputError, match=r"series 1\.2\.3, which is not in this study"):
        open_study(OpenRequest(tmp_path, given))
