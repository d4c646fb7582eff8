"""Clocks and dates in every vendor's tags must give the same frame times and decay."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.dicom_patterns import VENDORS
from tests.helpers.four_frames import START_S, SUV_PER_BQML, write
from tests.helpers.opening import read_main as read
from tests.helpers.opening import voxels
from tests.helpers.phantoms import asymmetric_phantom

from kiview.core.errors import ReadError
from kiview.core.study import Verdict

ONE_MS = 1e-3


def test_that_times_per_slice_are_kept_for_beds(tmp_path: Path) -> None:
    bed = np.array([0, 0, 1, 1, 1])
    start = np.arange(4)[:, None] * 120.0 + bed * 45.0
    duration = np.full_like(start, 40.0)
    series = read(write(tmp_path, "multibed", start=start, duration=duration))
    image = series.image
    assert image is not None
    assert image.timing.is_per_slice
    np.testing.assert_allclose(image.timing.start_s, start, atol=ONE_MS)
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(), rtol=1e-6)
    assert series.kinetics_verdict is not Verdict.REFUSED


@pytest.mark.parametrize("vendor", VENDORS)
def test_that_a_scan_over_midnight_counts_on(vendor: str, tmp_path: Path) -> None:
    injection = datetime(2020, 12, 31, 23, 55, 0)  # noqa: DTZ001 - scanner clock
    image = read(write(tmp_path, vendor, injection=injection)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


@pytest.mark.parametrize("vendor", VENDORS)
def test_that_a_late_scan_is_brought_to_the_injection(vendor: str, tmp_path: Path) -> None:
    start = np.array([3600.0, 3900.0])
    series = read(
        write(
            tmp_path,
            vendor,
            start=start,
            duration=np.array([300.0, 300.0]),
            activity=asymmetric_phantom(frame_count=2),
        )
    )
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(frame_count=2), rtol=1e-6)
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)


def test_that_a_scan_begun_before_the_injection_is_confirmed_with_negative_times(
    tmp_path: Path,
) -> None:
    start = np.array([-15.0, 0.0, 60.0, 360.0])
    duration = np.array([15.0, 60.0, 300.0, 300.0])
    series = read(write(tmp_path, "siemens", start=start, duration=duration, scan_start_s=-15.0))
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    assert series.kinetics_verdict is Verdict.CONFIRM
    assert "injection-after-start" in {finding.code for finding in series.findings}


def test_that_an_entered_injection_time_moves_times_and_decay(tmp_path: Path) -> None:
    image = read(write(tmp_path, "siemens"), injection_time="10:34:12.25").image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S + 60.0, atol=ONE_MS)
    first = image.store.frame(0)[0, 0, 0]
    expected = asymmetric_phantom()[0, 0, 0, 0] * 2.0 ** (60.0 / 6586.2)
    assert first == pytest.approx(expected, rel=1e-6)


def test_that_a_series_without_injection_time_is_refused_until_it_is_entered(
    tmp_path: Path,
) -> None:
    def forget(ds: object, _facts: object) -> None:
        item = ds.RadiopharmaceuticalInformationSequence[0]
        del item.RadiopharmaceuticalStartTime
        del item.RadiopharmaceuticalStartDateTime

    write(tmp_path, "siemens", change=forget)
    series = read(tmp_path)
    assert series.kinetics_verdict is Verdict.REFUSED
    assert "injection_time" in {field for finding in series.findings for field in finding.fields}
    assert series.image is not None
    assert not series.image.decay_corrected
    entered = read(tmp_path, injection_time="2020-12-17T10:35:12.25")
    assert entered.kinetics_verdict is Verdict.READY
    np.testing.assert_allclose(voxels(entered), asymmetric_phantom(), rtol=1e-6)


def test_that_unknown_vendors_with_frame_centres_are_recognised(tmp_path: Path) -> None:
    def anonymous(ds: object, _facts: object) -> None:
        ds.Manufacturer = "Some Scanner"
        del ds.AcquisitionTime

    image = read(write(tmp_path, "philips_bqml", change=anonymous)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


def test_that_decay_factor_corrects_a_wrong_reading_of_reference_time(tmp_path: Path) -> None:
    def starts_at_centre(ds: object, facts: object) -> None:
        centre = facts.from_series_s + facts.duration_s / 2
        ds.FrameReferenceTime = str(round(1000 * centre, 3))

    start = np.arange(4) * 300.0 + 20.0
    duration = np.full(4, 300.0)
    folder = write(tmp_path, "ge", start=start, duration=duration, change=starts_at_centre)
    series = read(folder)
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    assert "frame-times-by-decay-factor" in {finding.code for finding in series.findings}


def later(ds: object, facts: object) -> None:
    """The series was made anew two hours after the scan."""
    moment = facts.spec.series_start + timedelta(hours=2)
    ds.SeriesTime = moment.strftime("%H%M%S.%f")


def later_with_siemens_tag(ds: object, facts: object) -> None:
    later(ds, facts)
    block = ds.private_block(0x0071, "SIEMENS MED PT", create=True)
    block.add_new(0x22, "DT", facts.spec.series_start.strftime("%Y%m%d%H%M%S.%f"))


def later_with_ge_tag(ds: object, facts: object) -> None:
    later(ds, facts)
    block = ds.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x0D, "DT", facts.spec.series_start.strftime("%Y%m%d%H%M%S.%f"))


@pytest.mark.parametrize(
    ("vendor", "change", "relative"),
    [
        ("siemens", later, 1e-4),  # centre and decay average differ by up to 0.4 s
        ("siemens", later_with_siemens_tag, 1e-6),
        ("philips", later, 1e-6),
        ("philips_bqml", later, 1e-6),
        ("ge", later, 1e-6),
        ("ge", later_with_ge_tag, 1e-6),
    ],
)
def test_that_a_series_made_anew_keeps_the_scan_as_decay_reference(
    vendor: str, change: object, relative: float, tmp_path: Path
) -> None:
    start = np.array([1800.0, 1830.0, 1890.0, 2190.0])
    duration = np.array([30.0, 60.0, 300.0, 300.0])
    series = read(write(tmp_path, vendor, start=start, duration=duration, change=change))
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(), rtol=relative)
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=relative)


def test_that_a_late_cut_of_a_long_scan_is_decayed_to_the_series_start(tmp_path: Path) -> None:
    start, duration = np.array([3000.0, 3300.0]), np.array([300.0, 300.0])
    activity = asymmetric_phantom(frame_count=2)
    folder = write(
        tmp_path, "siemens", start=start, duration=duration, activity=activity, scan_start_s=10.0
    )
    series = read(folder)
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    np.testing.assert_allclose(voxels(series), activity, rtol=1e-6)


@pytest.mark.parametrize("correction", ["START", "NONE"])
def test_that_without_any_clock_neither_suv_nor_ki_is_promised(
    correction: str, tmp_path: Path
) -> None:
    def no_clock(ds: object, _facts: object) -> None:
        del ds.SeriesTime
        del ds.AcquisitionTime
        if correction == "NONE":
            ds.CorrectedImage = ["ATTN"]

    series = read(write(tmp_path, "siemens", change=no_clock, decay_correction=correction))
    assert series.suv_verdict is Verdict.REFUSED
    assert series.kinetics_verdict is Verdict.REFUSED
    assert series.image is not None
    assert series.image.suv_factor is None


def test_that_frames_without_times_are_ordered_by_number(tmp_path: Path) -> None:
    def forget(ds: object, facts: object) -> None:
        del ds.ActualFrameDuration
        ds.ImageIndex = 1 + facts.slice_index  # of the slice only

    series = read(write(tmp_path, "siemens", change=forget))
    np.testing.assert_allclose(voxels(series)[3], asymmetric_phantom()[3], rtol=1e-6)

    def forget_all(ds: object, facts: object) -> None:
        forget(ds, facts)
        del ds.InstanceNumber

    write(tmp_path / "b", "siemens", change=forget_all)
    with pytest.raises(ReadError, match="cannot be told apart"):
        read(tmp_path / "b")


def test_that_an_acquisition_after_midnight_without_its_date_is_the_next_day(
    tmp_path: Path,
) -> None:
    def no_date(ds: object, _facts: object) -> None:
        del ds.AcquisitionDate

    injection = datetime(2020, 12, 31, 23, 57, 0)  # noqa: DTZ001 - scanner clock
    image = read(write(tmp_path, "siemens", injection=injection, change=no_date)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


def test_that_a_series_without_any_date_is_read_by_its_clock(tmp_path: Path) -> None:
    def no_dates(ds: object, _facts: object) -> None:
        for keyword in ("SeriesDate", "AcquisitionDate", "StudyDate"):
            delattr(ds, keyword)
        del ds.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime

    image = read(write(tmp_path, "siemens", change=no_dates)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


def test_that_one_date_time_tag_serves_as_date_and_time(tmp_path: Path) -> None:
    def joined(ds: object, facts: object) -> None:
        del ds.AcquisitionDate
        del ds.AcquisitionTime
        ds.AcquisitionDateTime = facts.start.strftime("%Y%m%d%H%M%S.%f")

    image = read(write(tmp_path, "siemens", change=joined)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


@pytest.mark.parametrize("maker", ["GE MEDICAL SYSTEMS", "Some Scanner"])
def test_that_static_beds_under_one_acquisition_time_keep_their_own(
    maker: str, tmp_path: Path
) -> None:
    def named(ds: object, _facts: object) -> None:
        ds.Manufacturer = maker

    start = np.array([[0.0, 0.0, 243.0, 243.0, 486.0]])
    image = read(
        write(
            tmp_path,
            "ge",
            activity=asymmetric_phantom(frame_count=1),
            start=start,
            duration=np.full_like(start, 240.0),
            change=named,
        )
    ).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, start, atol=ONE_MS)
