"""Series whose tags contradict each other or lack something: refused, or to be confirmed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import generate_uid
from tests.helpers.opening import codes, read, refusal
from tests.helpers.phantoms import QUANTUM_BQML
from tests.helpers.three_frames import PHANTOM, START_S, write

from kiview.core.errors import ReadError
from kiview.core.study import Verdict
from kiview.core.units import COUNTS, SUV_BW
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.jobs.study_info import study_info


def spoiling(keyword: str, value: Any) -> Callable[[Any, Any], None]:
    """A change of every file: an attribute set, or taken away where the value is None."""

    def spoil(ds: Any, _facts: Any) -> None:
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)

    return spoil


@pytest.mark.parametrize(
    ("time", "told"),
    [("23:00:00", "injection-after-scan"), ("2020-12-18T10:00:00", "injection-after-scan")],
)
def test_that_an_entered_injection_after_the_scan_is_refused(
    time: str, told: str, tmp_path: Path
) -> None:
    write(tmp_path)
    given = time if "T" in time else f"2020-12-17T{time}"
    series = read(tmp_path, injection_time=given)
    assert told in codes(series)
    assert series.kinetics_verdict is Verdict.REFUSED


def test_that_an_entered_injection_during_the_scan_is_to_be_confirmed(tmp_path: Path) -> None:
    write(tmp_path)
    series = read(tmp_path, injection_time="2020-12-17T10:36:00")
    assert "injection-after-start" in codes(series)
    assert series.kinetics_verdict is Verdict.CONFIRM


@pytest.mark.parametrize("correction", ["START", "NONE"])
def test_that_an_injection_of_another_century_is_refused(correction: str, tmp_path: Path) -> None:
    write(tmp_path)
    given = {"injection_time": "1900-01-01T00:00:00", "decay_correction": correction}
    with pytest.raises(ReadError, match=r"half-lives.*check injection_time"):
        open_study(OpenRequest(tmp_path, given))


def test_that_two_reconstructions_under_one_uid_are_refused(tmp_path: Path) -> None:
    def other(ds: Any, _facts: Any) -> None:
        ds.SOPInstanceUID = generate_uid()

    write(tmp_path / "a", change=other)
    write(tmp_path / "b", change=other)
    assert "same position and time" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("Units", "CNTS", "Units differs"),
        ("DecayCorrection", "ADMIN", "DecayCorrection differs"),
        ("Rows", 6, "size"),
        ("ImageOrientationPatient", [0, 1, 0, 1, 0, 0], "ImageOrientationPatient"),
        ("PatientID", "OTHER", "several patients"),
        ("PixelSpacing", [9, 9], "PixelSpacing"),
    ],
)
def test_that_mixed_series_are_refused_with_what_differs(
    keyword: str, value: Any, reason: str, tmp_path: Path
) -> None:
    def mix(ds: Any, facts: Any) -> None:
        if facts.frame == 1:
            setattr(ds, keyword, value)

    write(tmp_path, change=mix)
    assert reason in refusal(tmp_path)


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("SeriesType", ["GATED", "IMAGE"], "gated"),
        ("SeriesType", ["DYNAMIC", "REPROJECTION"], "projections"),
        ("RescaleSlope", "0", "RescaleSlope is 0"),
        ("RescaleSlope", "-1", "RescaleSlope is -1"),
        ("RescaleSlope", None, "RescaleSlope is absent"),
        ("SamplesPerPixel", 3, "colour"),
        ("NumberOfFrames", 4, "several slices"),
        ("BitsAllocated", 12, "12 bits"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "right angles"),
        ("PixelSpacing", [0, 1], "PixelSpacing"),
        ("Rows", None, "Rows"),
        ("PixelData", b"\0\0", "too few pixels"),
    ],
)
def test_that_unusable_series_say_which_value(
    keyword: str, value: Any, reason: str, tmp_path: Path
) -> None:
    write(tmp_path, change=spoiling(keyword, value))
    assert reason in refusal(tmp_path)


def test_that_sideways_shifted_slices_are_refused(tmp_path: Path) -> None:
    def shift(ds: Any, facts: Any) -> None:
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x + facts.slice_index, y, z]

    write(tmp_path, change=shift)
    assert "sideways" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("keyword", "value", "code", "suv", "kinetics"),
    [
        ("RescaleIntercept", "7", "intercept-not-zero", "refused", "refused"),
        ("CorrectedImage", ["DECY"], "not-attenuation-corrected", "refused", "refused"),
        ("CorrectedImage", ["ATTN"], "decay-correction-contradiction", "refused", "refused"),
        ("CorrectedImage", None, "corrections-unknown", "confirm", "confirm"),
        ("DecayCorrection", None, "decay-correction-unknown", "refused", "refused"),
        ("Units", "PROPCPS", "units-counts", "refused", "confirm"),
        ("Units", "CNTS", "units-counts", "refused", "confirm"),
        ("Units", "MGMINML", "units-unknown", "refused", "refused"),
        ("PatientWeight", "0", "weight-missing", "refused", "ready"),
        ("PatientWeight", "900", "weight-unusual", "confirm", "ready"),
        ("ActualFrameDuration", None, "frame-times-unknown", "ready", "refused"),
    ],
)
def test_that_each_doubt_has_its_verdict(
    keyword: str, value: Any, code: str, suv: str, kinetics: str, tmp_path: Path
) -> None:
    write(tmp_path, change=spoiling(keyword, value))
    series = read(tmp_path)
    assert code in codes(series)
    assert (str(series.suv_verdict), str(series.kinetics_verdict)) == (suv, kinetics)
    assert series.image is not None
    assert (series.image.suv_factor is None) == (suv == "refused")


@pytest.mark.parametrize(
    ("keyword", "value", "code", "verdict"),
    [
        ("RadionuclideTotalDose", "4.2661e9", "dose-unusual", "confirm"),
        ("RadionuclideTotalDose", "350", "dose-unusual", "confirm"),
        ("RadionuclideTotalDose", "0", "dose-missing", "refused"),
        ("RadionuclideHalfLife", None, "half-life-missing", "refused"),
        ("RadiopharmaceuticalStartDateTime", "20201210103512", "injection-date-strange", "confirm"),
        ("RadiopharmaceuticalStartDateTime", "20201217113512", "injection-after-scan", "refused"),
        ("RadiopharmaceuticalStartDateTime", "20201216103512", "injection-long-ago", "confirm"),
        (
            "RadiopharmaceuticalStartDateTime",
            "20201217103517.25",
            "injection-is-series-start",
            "confirm",
        ),
    ],
)
def test_that_doubtful_injections_are_told(
    keyword: str, value: str | None, code: str, verdict: str, tmp_path: Path
) -> None:
    def spoil(ds: Any, _facts: Any) -> None:
        item = ds.RadiopharmaceuticalInformationSequence[0]
        if value is None:
            del item[keyword]
        else:
            setattr(item, keyword, value)

    write(tmp_path, change=spoil)
    series = read(tmp_path)
    assert code in codes(series)
    assert str(series.suv_verdict) == verdict


def test_that_suv_files_are_taken_as_suv(tmp_path: Path) -> None:
    def as_suv(ds: Any, _facts: Any) -> None:
        ds.Units, ds.SUVType = "GML", "BW"
        del ds.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose

    write(tmp_path, change=as_suv, activity=PHANTOM / 1000, quantum_bqml=QUANTUM_BQML / 1000)
    series = read(tmp_path)
    assert series.image is not None
    assert series.image.quantity == SUV_BW
    assert series.image.suv_factor == 1.0
    assert series.suv_verdict is Verdict.READY


def test_that_lean_mass_suv_is_not_called_body_weight(tmp_path: Path) -> None:
    def as_suv(ds: Any, _facts: Any) -> None:
        ds.Units, ds.SUVType = "GML", "LBM"

    write(tmp_path, change=as_suv)
    series = read(tmp_path)
    assert series.suv_verdict is Verdict.REFUSED
    assert series.image is not None
    assert series.image.suv_factor is None


def test_that_counts_can_be_told_to_be_activity(tmp_path: Path) -> None:
    def as_counts(ds: Any, _facts: Any) -> None:
        ds.Units = "CNTS"

    write(tmp_path, change=as_counts)
    series = read(tmp_path)
    assert series.image is not None
    assert series.image.quantity == COUNTS
    told = read(tmp_path, units="BQML")
    assert told.suv_verdict is Verdict.READY


def test_that_a_philips_slope_besides_the_factor_is_to_be_confirmed(tmp_path: Path) -> None:
    def add_slope(ds: Any, _facts: Any) -> None:
        ds.RescaleSlope = "2"

    write(tmp_path, "philips", change=add_slope)
    series = read(tmp_path)
    assert "philips-slope" in codes(series)
    assert series.image is not None
    np.testing.assert_allclose(series.image.store.frame(0), 2 * PHANTOM[0], rtol=1e-6)


def test_that_an_entered_frame_table_replaces_unknown_times(tmp_path: Path) -> None:
    def forget(ds: Any, _facts: Any) -> None:
        del ds.ActualFrameDuration

    write(tmp_path, change=forget)
    document = study_info(open_study(OpenRequest(tmp_path)))
    assert document["series"][0]["frame_start_s"] is None
    series = read(tmp_path, frame_start_s="5,35,95", frame_duration_s="30,60,300")
    assert series.kinetics_verdict is Verdict.READY
    assert series.image is not None
    assert series.image.timing.start_s.tolist() == START_S
    np.testing.assert_allclose(series.image.store.frame(2), PHANTOM[2], rtol=1e-6)
    with pytest.raises(ReadError, match="3 frames but 2"):
        read(tmp_path, frame_start_s="5,35", frame_duration_s="30,60")


def test_that_overlapping_frames_are_refused_for_ki(tmp_path: Path) -> None:
    write(tmp_path, duration=[90.0, 60.0, 300.0])
    series = read(tmp_path)
    assert "frame-times-unknown" in codes(series)
    assert series.kinetics_verdict is Verdict.REFUSED
