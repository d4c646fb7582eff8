"""What a DICOM series' numbers rest on: every value with the attribute it comes from."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.multiframe import read_slices, write_enhanced
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine
from tests.helpers.real_headers import DATA

from kiview.core.study import Fact, Series
from kiview.jobs.open_study import OpenRequest, open_study

SHAPE = (4, 5, 6)
START_S, DURATION_S = [5.0, 35.0, 95.0], [30.0, 60.0, 300.0]


def write(folder: Path, vendor: str, **options: Any) -> list[Path]:
    start, duration = options.pop("start", START_S), options.pop("duration", DURATION_S)
    options = {"quantum_bqml": QUANTUM_BQML, "scan_start_s": 5.0} | options
    activity = asymmetric_phantom(SHAPE, len(start))
    return write_dynamic_series(
        folder, vendor, activity, axial_affine(), start, duration, **options
    )


def read(folder: Path, **overrides: Any) -> Series:
    return open_study(OpenRequest(folder, overrides)).series[0]


def facts(series: Series) -> dict[str, Fact]:
    told = {fact.code: fact for fact in series.facts}
    assert len(told) == len(series.facts)
    return told


def test_that_a_siemens_series_tells_every_value_and_its_attribute(tmp_path: Path) -> None:
    write(tmp_path, "siemens")
    told = [(fact.code, fact.value, fact.source) for fact in read(tmp_path).facts]
    start, duration, zero, decay, units, scale, *rest = told
    assert start[:2] == ("frame-start", "3 frames from 5 s to 395 s after the injection")
    assert duration == (
        "frame-duration",
        "30 to 300 s, without gaps or overlaps",
        "ActualFrameDuration",
    )
    assert zero == ("time-zero", "2020-12-17 10:35:12.25", "RadiopharmaceuticalStartDateTime")
    assert decay == (
        "decay-reference",
        "to the start of the scan, 2020-12-17 10:35:17.25 (5 s after the injection)",
        (
            "DecayCorrection START; the time is that of SeriesTime, not after the first"
            " AcquisitionTime"
        ),
    )
    assert units == ("units", "Activity in Bq/mL", "Units BQML")
    # The quantum of the phantom, decayed for 5 s: 2.5 x 2^(-5 / 6586.2).
    assert scale == ("scale-factor", "2.49868, the same for all", "RescaleSlope, intercept 0")
    assert rest == [
        ("dose", "350 MBq", "RadionuclideTotalDose"),
        ("weight", "70 kg", "PatientWeight"),
        (
            "half-life",
            "6586.2 s (18F)",
            "RadionuclideHalfLife; 0 % from the known 6586.2 s",
        ),
        (
            "slices",
            "4 slices in each frame, 3.27 mm apart",
            "ImagePositionPatient along the normal, then the times of the frames",
        ),
        (
            "suv-factor",
            # 70,000 g / (350 MBq x 2^(-5 / 6586.2))
            "0.000200105 g/Bq, for values as in the files",
            "weight / injected activity, decayed from the injection to the decay reference",
        ),
        (
            "scanner",
            "SIEMENS Biograph64_Vision 600",
            "Manufacturer, ManufacturerModelName",
        ),
    ]


def test_that_readings_of_the_frame_start_are_compared_in_seconds(tmp_path: Path) -> None:
    """The mean time of F-18 in 300 s is 149.605 s after the start (`science.md` 6.1), not 150."""
    write(tmp_path, "siemens")
    source = facts(read(tmp_path))["frame-start"].source.split("; ")
    assert source == [
        "AcquisitionTime, which moves with the frame",
        "FrameReferenceTime as frame centre differs by up to 0.395 s",
        "FrameReferenceTime as frame start differs by up to 150 s",
        "FrameReferenceTime as mean time of the activity agrees to 0.001 s",
        "FrameReferenceTime was counted from SeriesTime, not after the first AcquisitionTime",
        "confirmed by DecayFactor",
    ]


@pytest.mark.parametrize(
    ("vendor", "texts"),
    [
        (
            "ge",
            (
                (
                    "FrameReferenceTime as frame start, as AcquisitionTime does not tell the frames"
                    " apart, by the rule for GE"
                ),
                "FrameReferenceTime as frame centre differs by up to 150 s",
                "confirmed by DecayFactor",
            ),
        ),
        (
            "philips",
            (
                "AcquisitionTime, which moves with the frame",
                "FrameReferenceTime as frame centre agrees to 0.001 s",
                "DecayFactor says nothing (absent, 1, or no half-life)",
            ),
        ),
        (
            "cps",
            (
                "AcquisitionTime, which moves with the frame",
                "FrameReferenceTime is absent or 0 and says nothing",
            ),
        ),
    ],
)
def test_that_each_vendors_frame_start_says_which_attribute_and_why(
    vendor: str, texts: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path, vendor)
    fact = facts(read(tmp_path))["frame-start"]
    assert fact.value == "3 frames from 5 s to 395 s after the injection"
    assert set(texts) <= set(fact.source.split("; "))


def test_that_a_reading_chosen_by_the_decay_factor_says_so(tmp_path: Path) -> None:
    """A Siemens file whose FrameReferenceTime is the start, which only DecayFactor can tell."""

    def spoil(ds: Any, slice_: Any) -> None:
        ds.AcquisitionTime = ds.SeriesTime
        ds.FrameReferenceTime = f"{1000 * slice_.from_series_s:.3f}"

    write(tmp_path, "siemens", change=spoil)
    fact = facts(read(tmp_path))["frame-start"]
    assert fact.value == "3 frames from 5 s to 395 s after the injection"
    assert fact.source.startswith(
        "FrameReferenceTime as frame start, the only reading that fits DecayFactor; "
    )


def test_that_a_decay_factor_that_fits_no_reading_is_told(tmp_path: Path) -> None:
    def spoil(ds: Any, _slice: Any) -> None:
        ds.DecayFactor = "3.0"

    write(tmp_path, "siemens", change=spoil)
    assert facts(read(tmp_path))["frame-start"].source.endswith("; DecayFactor does not fit")


def test_that_entered_values_are_said_to_be_entered(tmp_path: Path) -> None:
    write(tmp_path, "siemens")
    entered = {
        "frame_start_s": "5, 35, 95",
        "frame_duration_s": "30, 60, 300",
        "injection_time": "10:35:12.25",
        "units": "BQML",
        "dose_bq": 3.1e8,
        "weight_kg": 81.5,
        "height_m": 1.8,
        "half_life_s": 6588.0,
    }
    told = facts(read(tmp_path, **entered))
    given = ("frame-start", "frame-duration", "time-zero", "units", "dose", "weight", "height")
    assert {told[code].source.split(";")[0] for code in given} == {"entered by you"}
    assert told["dose"].value == "310 MBq"
    assert told["weight"].value == "81.5 kg"
    assert told["height"].value == "1.8 m"
    assert told["half-life"] == Fact(
        "half-life",
        "Half-life",
        "6588 s (18F)",
        "entered by you; 0.027 % from the known 6586.2 s",
    )


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("ADMIN", "to the injection"),
        ("NONE", "not corrected in the files; KiView corrects each frame"),
    ],
)
def test_that_other_decay_states_are_named_and_may_be_entered(
    word: str, value: str, tmp_path: Path
) -> None:
    write(tmp_path, "siemens", decay_correction=word)
    fact = facts(read(tmp_path))["decay-reference"]
    assert (fact.value, fact.source) == (value, f"DecayCorrection {word}")
    assert facts(read(tmp_path, decay_correction=word))["decay-reference"].source == (
        "entered by you"
    )


def test_that_an_uncorrected_series_has_the_suv_factor_of_the_injection(tmp_path: Path) -> None:
    def uncorrected(ds: Any, _slice: Any) -> None:
        ds.CorrectedImage = ["ATTN"]

    write(tmp_path, "siemens", decay_correction="NONE", change=uncorrected)
    fact = facts(read(tmp_path))["suv-factor"]
    # 70,000 g / 350 MBq
    assert fact.value == "0.0002 g/Bq, for activity at the injection"


def test_that_slopes_per_slice_and_private_factors_are_told(tmp_path: Path) -> None:
    write(tmp_path / "ge", "ge", quantum_bqml=None)
    scale = facts(read(tmp_path / "ge"))["scale-factor"]
    assert scale.value.endswith(", one per slice")
    write(tmp_path / "philips", "philips")
    told = facts(read(tmp_path / "philips"))
    assert told["units"].source.startswith("Units CNTS x 2.49868 of Philips (7053,1009)")
    assert told["suv-factor"].source == "SUV factor of Philips (7053,1000)"


def test_that_what_is_unknown_says_so_and_why(tmp_path: Path) -> None:
    def forget(ds: Any, _slice: Any) -> None:
        item = ds.RadiopharmaceuticalInformationSequence[0]
        for keyword in ("RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime"):
            del item[keyword]
        del item.RadionuclideTotalDose, ds.ActualFrameDuration, ds.DecayCorrection, ds.Units
        del ds.Manufacturer, ds.ManufacturerModelName
        item.RadionuclideHalfLife = "0"
        ds.PatientWeight = "0"

    write(tmp_path, "siemens", change=forget)
    told = facts(read(tmp_path))
    unknown = {code: fact.source for code, fact in told.items() if fact.value == "unknown"}
    assert unknown == {
        "frame-start": "no attribute tells the frames apart",
        "frame-duration": "ActualFrameDuration is absent",
        "time-zero": "no attribute tells it; frames count from the start of the scan",
        "decay-reference": "DecayCorrection is absent",
        "units": "Units is absent",
        "dose": "RadionuclideTotalDose is absent",
        "weight": "PatientWeight is 0",
    }
    assert told["half-life"].value == "unknown (18F)"
    assert told["half-life"].source == "RadionuclideHalfLife is 0"
    assert told["suv-factor"].value == "none"
    assert "units-unknown" in told["suv-factor"].source
    assert "scanner" not in told


def test_that_gaps_and_small_overlaps_are_told_in_seconds(tmp_path: Path) -> None:
    write(tmp_path, "siemens", start=[5.0, 34.5, 100.0], duration=[30.0, 60.0, 300.0])
    told = facts(read(tmp_path))["frame-duration"]
    assert told.value == "30 to 300 s, gaps of up to 5.5 s and overlaps of up to 0.5 s"


def test_that_passes_over_beds_say_that_slices_have_their_own_times(tmp_path: Path) -> None:
    start = np.array(START_S)[:, None] + np.array([0.0, 0.0, 0.5, 0.5])
    write(tmp_path, "multibed", start=start, duration=np.full((3, 4), 25.0))
    told = facts(read(tmp_path))
    assert told["frame-start"].value == (
        "3 frames from 5 s to 120.5 s after the injection, each slice at its own time"
    )
    assert told["frame-duration"].value == "25 s, gaps of up to 35 s"


def test_that_images_left_out_are_counted(tmp_path: Path) -> None:
    paths = write(tmp_path, "philips_bqml")
    paths[-1].unlink()
    told = facts(read(tmp_path))["slices"]
    assert told.value == "4 slices in each frame, 3.27 mm apart"
    assert told.source.endswith("; NumberOfSlices agrees; 3 of 11 images left out")


def test_that_an_enhanced_object_names_its_own_attributes(tmp_path: Path) -> None:
    slices = read_slices(write(tmp_path / "classic", "siemens"))
    write_enhanced(tmp_path / "enhanced", [slices])
    told = facts(read(tmp_path / "enhanced"))
    classic = facts(read(tmp_path / "classic"))
    same = ("frame-start", "frame-duration", "time-zero", "dose", "weight", "slices", "suv-factor")
    assert {code: told[code].value for code in same} == {code: classic[code].value for code in same}
    assert told["frame-duration"].source == "FrameAcquisitionDuration"
    assert told["scale-factor"].source == "RealWorldValueSlope, intercept 0"
    assert told["decay-reference"].source == (
        "DecayCorrected YES; the time is that of DecayCorrectionDateTime"
    )
    assert told["frame-start"].source.split("; ") == [
        "FrameAcquisitionDateTime, which moves with the frame",
        "FrameReferenceDateTime as frame centre differs by up to 0.395 s",
        "FrameReferenceDateTime as frame start differs by up to 150 s",
        "FrameReferenceDateTime as mean time of the activity agrees to 0.001 s",
        "confirmed by DecayFactor",
    ]


def test_that_a_real_whole_body_of_beds_is_described() -> None:
    """GE Discovery ST: bed 1 begins 2711 s after the injection (11:20:11 less 10:35:00)."""
    told = facts(read(DATA / "mirp-sts001-raw"))
    start = told["frame-start"]
    assert start.value.startswith("1 frame from 2711 s to ")
    assert start.source.startswith(
        "FrameReferenceTime as frame start, as AcquisitionTime is the same for all beds, by the"
        " rule for GE; "
    )
    assert start.source.endswith("; confirmed by DecayFactor")
    assert told["dose"].value == "388.777 MBq"
    assert told["half-life"].source.endswith("; 0.027 % from the known 6586.2 s")
    assert told["suv-factor"].value == "0.000242903 g/Bq, for values as in the files"
    assert told["scanner"].value == "GE MEDICAL SYSTEMS Discovery ST"


def test_that_no_fact_tells_name_or_id(tmp_path: Path) -> None:
    write(tmp_path, "siemens", injection=datetime(2020, 12, 17, 10))  # noqa: DTZ001 - scanner clock
    told = str(read(tmp_path).facts)
    assert "Factory" not in told
    assert "FACTORY" not in told
