"""Dates and times of DICOM, and when frames were measured."""

import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiview.core.errors import InvalidInputError
from kiview.core.tracer import frame_decay_correction
from kiview.io.dicom_frame_times import DecayCheck, TimeTags, measure
from kiview.io.dicom_times import (
    DAY_S,
    Clock,
    Vendor,
    day_number,
    seconds_of_day,
    split_date_time,
    vendor_of,
)

HALF_LIFE_S = 6586.2
moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1))  # noqa: DTZ001


@given(moments)
def test_that_any_date_and_time_comes_back(moment: datetime) -> None:
    clock = Clock(moment.toordinal() - 3)
    midnight = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001
    seconds = (moment - midnight).total_seconds()
    assert seconds_of_day(moment.strftime("%H%M%S.%f")) == pytest.approx(seconds, abs=1e-6)
    both = clock.date_time(moment.strftime("%Y%m%d%H%M%S.%f"))
    assert both == pytest.approx(3 * DAY_S + seconds, abs=1e-6)
    assert clock.at(day_number(moment.strftime("%Y%m%d")), seconds) == pytest.approx(both)
    told = datetime.fromisoformat(clock.to_text(both))
    assert abs(told - moment) <= timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("103500.00", 38100.0),
        ("085000", 31800.0),
        ("084500.000000", 31500.0),
        ("0845", 31500.0),
        ("08", 28800.0),
        ("10:35:12.25", 38112.25),
        (" 085000 ", 31800.0),
        ("", None),
    ],
)
def test_that_forms_of_time_in_real_files_are_read(text: str, seconds: float | None) -> None:
    assert seconds_of_day(text) == seconds


@pytest.mark.parametrize(
    "text", ["8", "086100", "250000", "noon", "10.35.00", "103500,5", "-10000"]
)
def test_that_other_texts_are_no_time(text: str) -> None:
    with pytest.raises(InvalidInputError, match="time of day"):
        seconds_of_day(text)


def test_that_old_dates_are_read_and_wrong_ones_refused() -> None:
    assert day_number("2020.12.17") == day_number("20201217")
    assert day_number("") is None
    for wrong in ("20201332", "2020121", "yesterday"):
        with pytest.raises(InvalidInputError, match="not a date"):
            day_number(wrong)
    with pytest.raises(InvalidInputError, match="date and time"):
        split_date_time("2020-12-17")
    assert split_date_time("20201217") == (day_number("20201217"), 0.0)
    assert split_date_time("20201217103000+0100") == (day_number("20201217"), 37800.0)
    assert split_date_time("") is None


def test_that_a_broken_date_time_is_unknown() -> None:
    assert math.isnan(Clock(1).date_time("never"))


@pytest.mark.parametrize(
    ("text", "vendor"),
    [
        ("GE MEDICAL SYSTEMS", Vendor.GE),
        ("SIEMENS", Vendor.SIEMENS),
        ("Siemens Healthineers", Vendor.SIEMENS),
        ("Philips Medical Systems", Vendor.PHILIPS),
        ("CPS", Vendor.OTHER),
        ("GEMINI Inc", Vendor.OTHER),
        ("", Vendor.OTHER),
    ],
)
def test_that_vendors_are_known_by_their_names(text: str, vendor: Vendor) -> None:
    assert vendor_of(text) is vendor


def tags(vendor: Vendor, start: np.ndarray, duration: np.ndarray, **changes: object) -> TimeTags:
    """Tags of two slices per frame whose series starts at 100 s."""
    slices = 2
    begin, span = np.repeat(start, slices), np.repeat(duration, slices)
    values = {
        "vendor": vendor,
        "position": np.tile(np.arange(slices), len(start)),
        "acquisition_s": 100.0 + begin,
        "duration_s": span,
        "reference_s": begin,
        "decay_factor": np.full(len(begin), np.nan),
        "scan_start_s": 100.0,
    }
    return TimeTags(**(values | changes))


frame_tables = st.lists(st.integers(1, 600), min_size=2, max_size=12).map(
    lambda spans: (
        np.concatenate([[0.0], np.cumsum(spans)[:-1]]).astype(float),
        np.array(spans, dtype=float),
    )
)


@given(frame_tables, st.sampled_from(list(Vendor)))
def test_that_moving_acquisition_times_are_the_starts(
    table: tuple[np.ndarray, np.ndarray], vendor: Vendor
) -> None:
    start, duration = table
    times = measure(tags(vendor, start, duration), None)
    np.testing.assert_allclose(times.start_s, 100.0 + np.repeat(start, 2))
    assert times.are_known


@given(frame_tables)
def test_that_reference_times_mean_what_the_vendor_means(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    start, duration = table
    still = np.full(2 * len(start), 100.0)
    begin, centre = np.repeat(start, 2), np.repeat(start + duration / 2, 2)
    ge = measure(tags(Vendor.GE, start, duration, acquisition_s=still), None)
    np.testing.assert_allclose(ge.start_s, 100.0 + begin)
    for vendor in (Vendor.SIEMENS, Vendor.PHILIPS):
        told = tags(vendor, start, duration, acquisition_s=still, reference_s=centre)
        np.testing.assert_allclose(measure(told, None).start_s, 100.0 + begin)


@given(frame_tables)
def test_that_decay_factor_decides_for_unknown_vendors(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    start, duration = table[0], table[1] + 30.0
    start = np.concatenate([[0.0], np.cumsum(duration)[:-1]])
    factor = np.repeat(frame_decay_correction(start, duration, HALF_LIFE_S), 2)
    nowhere = np.full(2 * len(start), np.nan)
    check = DecayCheck(HALF_LIFE_S, (100.0,))
    for reference in (start, start + duration / 2):
        told = tags(
            Vendor.OTHER,
            start,
            duration,
            acquisition_s=nowhere,
            reference_s=np.repeat(reference, 2),
            decay_factor=factor,
        )
        times = measure(told, check)
        np.testing.assert_allclose(times.start_s, 100.0 + np.repeat(start, 2), atol=1e-6)


def test_that_equal_frames_of_an_unknown_vendor_are_to_be_confirmed() -> None:
    start, duration = np.array([2400.0, 2700.0, 3000.0]), np.full(3, 300.0)
    nowhere = np.full(6, np.nan)
    times = measure(tags(Vendor.OTHER, start, duration, acquisition_s=nowhere), None)
    assert [finding.code for finding in times.findings] == ["frame-times-unsure"]


def test_that_a_wrong_decay_factor_is_told() -> None:
    start, duration = np.array([0.0, 300.0]), np.array([300.0, 300.0])
    told = tags(Vendor.SIEMENS, start, duration, decay_factor=np.full(4, 3.0))
    times = measure(told, DecayCheck(HALF_LIFE_S, (100.0,)))
    assert [finding.code for finding in times.findings] == ["decay-factor-differs"]


@pytest.mark.parametrize(
    "change",
    [
        {"duration_s": np.zeros(4)},
        {"duration_s": np.full(4, np.nan)},
        {"acquisition_s": np.full(4, 100.0), "reference_s": np.zeros(4)},
    ],
)
def test_that_unknown_times_are_told(change: dict[str, np.ndarray]) -> None:
    start, duration = np.array([0.0, 300.0]), np.array([300.0, 300.0])
    times = measure(tags(Vendor.OTHER, start, duration, **change), None)
    assert not times.are_known
    assert [finding.code for finding in times.findings] == ["frame-times-unknown"]
