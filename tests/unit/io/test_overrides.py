"""Values that the user enters."""

import math

import pytest

from kiview.core.errors import InvalidInputError
from kiview.io.dicom_times import DAY_S, Clock
from kiview.io.overrides import NAMES, parse_overrides

CLOCK = Clock(737_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_kg", "abc"),
        ("weight_kg", "1_0"),
        pytest.param("dose_bq", 10**400, id="dose_bq-too-large"),
        ("weight_kg", 0),
        ("weight_kg", -70.0),
        ("weight_kg", math.nan),
        ("weight_kg", 7000),
        ("height_m", 175),
        ("dose_bq", "350 MBq"),
        ("dose_bq", math.inf),
        ("half_life_s", 0),
        ("units", "MBQ"),
        ("decay_correction", "maybe"),
        ("injection_time", "10 o'clock"),
        ("injection_time", "25:00:00"),
        ("injection_time", "2020-13-01T10:00:00"),
        ("frame_start_s", "0,ten"),
        ("frame_start_s", None),
        ("wieght_kg", 70),
    ],
)
def test_that_a_value_that_cannot_be_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=name):
        parse_overrides({name: value})


def test_that_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_overrides({"age": 3})
    assert all(name in str(caught.value) for name in NAMES)


def test_that_starts_and_durations_come_together() -> None:
    with pytest.raises(InvalidInputError, match="together"):
        parse_overrides({"frame_start_s": "0,10"})


def test_that_texts_of_the_command_line_become_values() -> None:
    given = parse_overrides(
        {
            "weight_kg": "70",
            "units": "bqml",
            "decay_correction": "admin",
            "injection_time": "10:35",
            "frame_start_s": "0, 10;30",
            "frame_duration_s": [10, 20, 30.5],
        }
    )
    assert given.number("weight_kg") == 70.0
    assert given.word("units") == "BQML"
    assert given.lists["frame_start_s"] == (0.0, 10.0, 30.0)
    assert dict(given.record()) == {
        "weight_kg": 70.0,
        "units": "BQML",
        "decay_correction": "ADMIN",
        "injection_time": "10:35",
        "frame_start_s": "0,10,30",
        "frame_duration_s": "10,20,30.5",
    }


@pytest.mark.parametrize(
    ("text", "scan_s", "expected"),
    [
        ("10:00:00", 36_600.0, 36_000.0),
        ("10:00:00.5", 36_600.0, 36_000.5),
        ("23:50:00", 600.0, 85_800.0 - DAY_S),
        ("00:00:30", DAY_S - 10.0, DAY_S + 30.0),
        ("10:00:00", math.nan, 36_000.0),
    ],
)
def test_that_a_time_of_day_is_taken_closest_to_the_scan(
    text: str, scan_s: float, expected: float
) -> None:
    given = parse_overrides({"injection_time": text})
    assert given.injection_s(CLOCK, scan_s) == expected


def test_that_a_full_date_is_taken_as_it_is() -> None:
    given = parse_overrides({"injection_time": "2018-11-03T10:00:00"})
    day = Clock(737_000 + 5).base_day
    moment = given.injection_s(Clock(day), 0.0)
    assert moment is not None
    assert moment % DAY_S == 36_000.0
    assert parse_overrides({}).injection_s(CLOCK, 0.0) is None


FRAMES = {"frame_start_s": "0,60", "frame_duration_s": [60, 120]}


def test_that_frame_times_hold_for_every_series_unless_one_is_named() -> None:
    given = parse_overrides(FRAMES | {"weight_kg": 70})
    assert given.for_series("1.2.3") is given
    named = parse_overrides(FRAMES | {"weight_kg": 70, "frame_series": "1.2.3"})
    assert named.for_series("1.2.3").lists == given.lists
    other = named.for_series("1.2.4")
    assert other.lists == {}
    assert other.record() == (("weight_kg", 70.0),)


def test_that_the_record_of_frame_times_can_be_entered_again() -> None:
    named = parse_overrides(FRAMES | {"frame_series": "1.2.3"})
    assert parse_overrides(dict(named.record())) == named


@pytest.mark.parametrize("uid", ["", "1.2/../3", "1 2", "a" * 81])
def test_that_a_series_is_named_by_a_uid(uid: str) -> None:
    with pytest.raises(InvalidInputError, match="frame_series"):
        parse_overrides(FRAMES | {"frame_series": uid})


def test_that_a_series_without_times_for_it_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="goes with frame_start_s"):
        parse_overrides({"frame_series": "1.2.3"})
