"""Doubts about DICOM headers that must be told before any number is computed."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.multiframe import read_slices, write_enhanced
from tests.helpers.opening import read
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine
from tests.helpers.real_headers import DATA

from kiview.core.study import Finding, Series, Verdict

SHAPE = (4, 5, 6)
START_S, DURATION_S = [5.0, 35.0, 95.0], [30.0, 60.0, 300.0]
READY, CONFIRM, REFUSED = Verdict.READY, Verdict.CONFIRM, Verdict.REFUSED
DAY_S = 86400.0
Change = Callable[[Any, Any], None]


def write(folder: Path, vendor: str = "siemens", **options: Any) -> list[Path]:
    start, duration = options.pop("start", START_S), options.pop("duration", DURATION_S)
    activity = options.pop("activity", asymmetric_phantom(SHAPE, len(start)))
    options = {"quantum_bqml": QUANTUM_BQML, "scan_start_s": start[0]} | options
    return write_dynamic_series(
        folder, vendor, activity, axial_affine(), start, duration, **options
    )


def found(series: Series) -> dict[str, Finding]:
    return {finding.code: finding for finding in series.findings}


def setting(**texts: str) -> Change:
    """Sets attributes of a slice, or of its radiopharmaceutical; None removes one."""

    def change(ds: Any, _slice: Any) -> None:
        item = ds.RadiopharmaceuticalInformationSequence[0]
        for keyword, text in texts.items():
            where = item if keyword.startswith("Radio") else ds
            if text is None:
                del where[keyword]
            else:
                setattr(where, keyword, text)

    return change


@pytest.mark.parametrize("vendor", ["siemens", "ge", "philips", "philips_bqml", "multibed"])
def test_that_a_series_without_doubt_has_no_finding(vendor: str, tmp_path: Path) -> None:
    write(tmp_path, vendor)
    assert found(read(tmp_path)) == {}


def test_that_a_half_life_in_the_files_is_settled_by_the_right_one(tmp_path: Path) -> None:
    write(tmp_path, change=setting(RadionuclideHalfLife="1220.04"))
    assert "of the files" in found(read(tmp_path))["half-life-differs"].message
    assert "half-life-differs" not in found(read(tmp_path, half_life_s=6586.2))
    wrong = found(read(tmp_path, half_life_s=109.77))["half-life-differs"]
    assert "that you entered" in wrong.message


def test_that_a_half_life_says_nothing_about_values_that_need_no_decay(tmp_path: Path) -> None:
    write(tmp_path, decay_correction="ADMIN", change=setting(RadionuclideHalfLife="1220.04"))
    assert "half-life-differs" not in found(read(tmp_path))


def test_that_an_entered_dose_in_another_unit_is_told_too(tmp_path: Path) -> None:
    write(tmp_path)
    assert "0.35 MBq" in found(read(tmp_path, dose_bq=350e3))["dose-unusual"].message
    assert "dose-unusual" not in found(read(tmp_path, dose_bq=350e6))


@pytest.mark.parametrize(
    ("weight", "is_odd"), [("1.9", True), ("2.1", False), ("349", False), ("351", True)]
)
def test_that_an_unusual_weight_is_to_be_confirmed(
    weight: str, is_odd: bool, tmp_path: Path
) -> None:
    write(tmp_path, change=setting(PatientWeight=weight))
    series = read(tmp_path)
    assert ("weight-unusual" in found(series)) == is_odd
    assert series.kinetics_verdict is READY


def test_that_an_injection_time_without_a_date_over_midnight_is_confirmed(tmp_path: Path) -> None:
    late = datetime(2020, 12, 31, 23, 59, 50)  # noqa: DTZ001 - scanner clock
    start = [60.0, 90.0, 150.0]
    write(tmp_path / "time", "ge", injection=late, start=start)
    series = read(tmp_path / "time")
    told = found(series)["injection-day-assumed"]
    assert (told.suv, told.kinetics, told.fields) == (CONFIRM, CONFIRM, ("injection_time",))
    assert "2020-12-31 23:59:50" in told.message
    assert "2021-01-01 00:00:50" in told.message
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=1e-2)
    write(tmp_path / "date", "siemens", injection=late, start=start)
    assert found(read(tmp_path / "date")) == {}
    early = datetime(2021, 1, 1, 0, 0, 10)  # noqa: DTZ001
    write(tmp_path / "same day", "ge", injection=early, start=start)
    assert found(read(tmp_path / "same day")) == {}


def test_that_two_times_of_the_injection_that_differ_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a", change=setting(RadiopharmaceuticalStartTime="103312"))
    series = read(tmp_path / "a")
    told = found(series)["injection-times-differ"]
    assert (told.suv, told.kinetics, told.fields) == (CONFIRM, CONFIRM, ("injection_time",))
    assert "are 120 s apart" in told.message
    assert "injection-times-differ" not in found(read(tmp_path / "a", injection_time="10:33:12"))
    write(tmp_path / "b", change=setting(RadiopharmaceuticalStartTime="103512"))  # rounded
    assert found(read(tmp_path / "b")) == {}


def test_that_an_injection_time_in_another_zone_is_to_be_confirmed(tmp_path: Path) -> None:
    moment = {"RadiopharmaceuticalStartDateTime": "20201217103512.25+0000"}
    write(tmp_path / "a", change=setting(RadiopharmaceuticalStartTime=None, **moment))
    told = found(read(tmp_path / "a"))["injection-zone"]
    assert (told.suv, told.kinetics, told.fields) == (CONFIRM, CONFIRM, ("injection_time",))
    assert "+0000" in told.message
    write(tmp_path / "b", change=setting(**moment))  # the other time is that of the clock
    assert found(read(tmp_path / "b")) == {}


@pytest.mark.parametrize(
    ("moment", "time", "code"),
    [
        ("20201217103512.25+0100", None, None),
        ("20201217093512.25+0000", None, "injection-zone"),
        ("20201217093512.25+0000", "103512.25", None),  # both tell the same
        ("20201217050512.25-0430", None, "injection-zone"),
    ],
)
def test_that_the_zone_of_the_scan_tells_when_the_injection_was(
    moment: str, time: str | None, code: str | None, tmp_path: Path
) -> None:
    """All are 10:35:12.25 on the clock of a scanner in +0100."""

    def change(ds: Any, slice_: Any) -> None:
        ds.TimezoneOffsetFromUTC = "+0100"
        setting(RadiopharmaceuticalStartDateTime=moment, RadiopharmaceuticalStartTime=time)(
            ds, slice_
        )

    write(tmp_path, change=change)
    series = read(tmp_path)
    assert set(found(series)) == ({code} if code else set())
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, START_S, atol=1e-3)
    if code:
        told = found(series)[code]
        assert (told.suv, told.kinetics) == (CONFIRM, CONFIRM)
        assert f"zone {moment[-5:]}, the scan in +0100; it is 2020-12-17 10:35:12" in told.message


def test_that_an_injection_dated_after_the_scan_is_taken_on_its_day_and_confirmed(
    tmp_path: Path,
) -> None:
    """Two real patients (STS_002, STS_009) have a date one day late."""
    late = setting(RadiopharmaceuticalStartDateTime="20201218103512.25")
    write(tmp_path / "a", change=late)
    series = read(tmp_path / "a")
    told = found(series)["injection-date-late"]
    assert (told.suv, told.kinetics, told.fields) == (CONFIRM, CONFIRM, ("injection_time",))
    assert "2020-12-18 10:35:12.25" in told.message
    assert "2020-12-17 10:35:12.25, was taken" in told.message
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, START_S, atol=1e-3)
    write(tmp_path / "b", decay_correction="ADMIN", change=late)
    assert read(tmp_path / "b").suv_verdict is READY
    after = setting(RadiopharmaceuticalStartDateTime="20201218233000")
    write(tmp_path / "c", decay_correction="ADMIN", change=after)
    told = found(read(tmp_path / "c"))["injection-after-scan"]
    assert (told.suv, told.kinetics) == (READY, REFUSED)


def test_that_a_weight_that_does_not_fit_the_height_is_to_be_confirmed(tmp_path: Path) -> None:
    write(tmp_path, "ge", change=setting(PatientWeight="7"))  # and PatientSize 1.75
    series = read(tmp_path)
    assert "7 kg does not fit a height of 1.75 m (2.3 kg/m2)" in (
        found(series)["weight-unusual"].message
    )
    assert (series.suv_verdict, series.kinetics_verdict) == (CONFIRM, READY)
    for weight, height, is_odd in ((31, 1.75, 0), (30, 1.75, 1), (244, 1.75, 0), (246, 1.75, 1)):
        series = read(tmp_path, weight_kg=weight, height_m=height)
        assert ("weight-unusual" in found(series)) == bool(is_odd)
    assert "weight-unusual" not in found(read(tmp_path, weight_kg=13, height_m=1.2))  # a child


ZIRCONIUM_S = 282276.0


def zirconium(ds: Any, _slice: Any) -> None:
    item = ds.RadiopharmaceuticalInformationSequence[0]
    item.RadionuclideCodeSequence[0].CodeMeaning = "^89^Zirconium"


@pytest.mark.parametrize(
    ("hours", "half_life_s", "is_told"),
    [
        (10.9, 6586.2, False),
        (11.1, 6586.2, True),  # 6 half-lives are 10.98 h
        (23.9, ZIRCONIUM_S, False),
        (24.1, ZIRCONIUM_S, True),
    ],
)
def test_that_an_injection_long_ago_is_to_be_confirmed(
    hours: float, half_life_s: float, is_told: bool, tmp_path: Path
) -> None:
    start = [3600 * hours + shift for shift in (0.0, 30.0, 90.0)]
    change = zirconium if half_life_s == ZIRCONIUM_S else None
    write(tmp_path, start=start, half_life_s=half_life_s, change=change)
    series = read(tmp_path)
    assert ("injection-long-ago" in found(series)) == is_told
    assert series.kinetics_verdict is (CONFIRM if is_told else READY)


def test_that_the_date_of_an_injection_days_ago_is_believed_while_activity_lasts(
    tmp_path: Path,
) -> None:
    start = [4 * DAY_S, 4 * DAY_S + 30.0, 4 * DAY_S + 90.0]
    write(tmp_path / "zr", start=start, half_life_s=ZIRCONIUM_S, change=zirconium)
    series = read(tmp_path / "zr")
    assert set(found(series)) == {"injection-long-ago"}
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=1e-3)
    write(tmp_path / "f", change=setting(RadiopharmaceuticalStartDateTime="20201213103512.25"))
    series = read(tmp_path / "f")
    assert set(found(series)) == {"injection-date-strange"}
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, START_S, atol=1e-3)


def test_that_a_series_time_of_later_processing_is_told(tmp_path: Path) -> None:
    """The CPS pattern: processed 2 h 15 min after the scan, FrameReferenceTime 0."""
    write(tmp_path, "cps")
    series = read(tmp_path)
    told = found(series)["series-time-later"]
    assert (told.suv, told.kinetics) == (READY, READY)
    assert "SeriesTime (2020-12-17 12:50:17.25)" in told.message
    assert "the first AcquisitionTime (2020-12-17 10:35:17.25)" in told.message
    (decay,) = [fact for fact in series.facts if fact.code == "decay-reference"]
    assert decay.source == "DecayCorrection START; the time is that of the first AcquisitionTime"
    write(tmp_path / "admin", "cps", decay_correction="ADMIN")
    assert "series-time-later" not in found(read(tmp_path / "admin"))


def test_that_a_later_series_whose_reference_does_not_fit_is_to_be_confirmed(
    tmp_path: Path,
) -> None:
    def later(ds: Any, slice_: Any) -> None:
        ds.SeriesTime = "125017.25"
        # Counted from where? The frames lie 30 and 60 s apart, these times 60 and 120.
        ds.FrameReferenceTime = str(1000 * (2 * slice_.from_series_s + slice_.duration_s / 2))

    write(tmp_path, change=later)
    told = found(read(tmp_path))["series-time-later"]
    assert (told.suv, told.kinetics) == (CONFIRM, CONFIRM)


def test_that_the_scanners_own_decay_time_wins_in_a_later_series(tmp_path: Path) -> None:
    def later(ds: Any, _slice: Any) -> None:
        ds.SeriesTime = "125017.25"
        block = ds.private_block(0x0071, "SIEMENS MED PT", create=True)
        block.add_new(0x22, "DT", "20201217103517.25")

    write(tmp_path, change=later)
    series = read(tmp_path)
    told = found(series)["series-time-later"]
    assert (told.suv, told.kinetics) == (READY, READY)
    assert "the decay time of Siemens (0071,1022) (2020-12-17 10:35:17.25)" in told.message


def test_that_frame_times_that_two_attributes_tell_differently_are_confirmed(
    tmp_path: Path,
) -> None:
    def shift(by_s: float, factor: float) -> Change:
        def change(ds: Any, slice_: Any) -> None:
            del ds.DecayFactor
            middle = factor * slice_.from_series_s + slice_.duration_s / 2 + by_s
            ds.FrameReferenceTime = f"{1000 * middle:.3f}"

        return change

    write(tmp_path / "a", change=shift(0.0, 1.1))  # 9 s more at 90 s
    told = found(read(tmp_path / "a"))["frame-reference-differs"]
    assert (told.suv, told.kinetics) == (READY, CONFIRM)
    assert told.fields == ("frame_start_s", "frame_duration_s")
    assert "up to 9 s" in told.message
    write(tmp_path / "b", change=shift(20.0, 1.0))  # another clock, the same frames
    assert found(read(tmp_path / "b")) == {}


def test_that_the_mean_time_of_short_lived_activity_is_no_contradiction(tmp_path: Path) -> None:
    """11C in 300 and 1200 s: its mean time lies 2 and 34 s before the middle (Siemens)."""

    def change(ds: Any, _slice: Any) -> None:
        item = ds.RadiopharmaceuticalInformationSequence[0]
        item.RadionuclideCodeSequence[0].CodeMeaning = "^11^Carbon"
        del ds.DecayFactor

    start, duration = [5.0, 305.0, 1505.0], [300.0, 1200.0, 1200.0]
    write(tmp_path, start=start, duration=duration, half_life_s=1220.04, change=change)
    assert found(read(tmp_path)) == {}


def test_that_values_taken_out_with_the_name_are_listed(tmp_path: Path) -> None:
    texts = {"PatientIdentityRemoved": "YES", "PatientWeight": "0", "RadionuclideTotalDose": ""}
    write(tmp_path, change=setting(**texts))
    told = found(read(tmp_path))["values-removed"]
    assert (told.suv, told.kinetics) == (READY, READY)
    assert "PatientWeight is 0; RadionuclideTotalDose is empty." in told.message
    write(tmp_path / "b", change=setting(PatientIdentityRemoved="YES"))
    assert found(read(tmp_path / "b")) == {}


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        ({"SeriesTime": "000000.00"}, "SeriesTime is 000000.00"),
        (
            {
                "RadiopharmaceuticalStartTime": "000000",
                "RadiopharmaceuticalStartDateTime": None,
            },
            "RadiopharmaceuticalStartTime is 000000",
        ),
        ({"AcquisitionTime": "000000.000000"}, "AcquisitionTime is 000000.000000"),
    ],
)
def test_that_a_zero_that_stands_for_a_time_is_to_be_confirmed(
    texts: dict[str, Any], named: str, tmp_path: Path
) -> None:
    write(tmp_path, change=setting(**texts))
    told = found(read(tmp_path))["values-removed"]
    assert (told.suv, told.kinetics, told.fields) == (CONFIRM, CONFIRM, ("injection_time",))
    assert named in told.message


def test_that_a_zero_besides_a_full_time_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path, change=setting(RadiopharmaceuticalStartTime="000000"))
    assert found(read(tmp_path)) == {}


def test_that_an_enhanced_object_has_its_times_elsewhere_and_no_doubt(tmp_path: Path) -> None:
    slices = read_slices(write(tmp_path / "classic", change=setting(PatientIdentityRemoved="YES")))

    def removed(ds: Any) -> None:
        ds.PatientIdentityRemoved = "YES"

    write_enhanced(tmp_path / "enhanced", [slices], change=removed)
    assert found(read(tmp_path / "enhanced")) == {}


def test_that_slices_missing_at_an_end_are_found_by_their_number(tmp_path: Path) -> None:
    def of(number: int) -> Change:
        def change(ds: Any, _slice: Any) -> None:
            ds.NumberOfSlices = number

        return change

    for number, is_told in ((4, False), (5, True), (12, False), (3, False)):
        write(tmp_path / str(number), change=of(number))
        told = found(read(tmp_path / str(number)))
        assert ("slices-missing" in told) == is_told
    told = found(read(tmp_path / "5"))["slices-missing"]
    assert (told.suv, told.kinetics) == (CONFIRM, CONFIRM)
    assert "NumberOfSlices is 5 but each frame has 4" in told.message


def test_that_part_of_a_real_whole_body_is_called_a_part() -> None:
    told = found(read(DATA / "mirp-sts001-raw"))
    assert "NumberOfSlices is 267 but each frame has 10" in told["slices-missing"].message


def test_that_a_dose_in_another_unit_gives_an_impossible_suv(tmp_path: Path) -> None:
    write(tmp_path)
    series = read(tmp_path, dose_bq=350e3)
    told = found(series)["suv-implausible"]
    assert told.fields == ("dose_bq", "weight_kg", "units")
    assert series.suv_verdict is CONFIRM
    assert series.kinetics_verdict is READY
    assert "suv-implausible" not in found(read(tmp_path))
