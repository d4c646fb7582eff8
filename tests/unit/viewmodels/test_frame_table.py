"""The frame table: what it shows, what it takes, and what an Apply does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import small_study

from kiview.core.errors import InvalidInputError
from kiview.core.images import ScaledFrameStore
from kiview.core.study import Finding, Verdict
from kiview.core.timing import FrameTiming
from kiview.io.dicom_frames import UNKNOWN_TIMES, stand_in_timing
from kiview.viewmodels.frame_entry import pasted_columns, seconds_text, time_of
from kiview.viewmodels.frame_rows import Fit
from kiview.viewmodels.frame_table import PER_SLICE

STARTS = [0.0, 10.0, 20.0, 50.0]
DURATIONS = [10.0, 10.0, 30.0, 60.0]
UNKNOWN = Finding(UNKNOWN_TIMES, "No times.", kinetics=Verdict.REFUSED, fields=("frame_start_s",))


def study_of(timing, findings=(), uid="1.2.3.4"):
    made = small_study.study(findings, uid)
    store = ScaledFrameStore(small_study.frames()[: timing.frame_count])
    image = small_study.image(timing=timing, store=store, series_uid=uid)
    return replace(made, series=(replace(made.series[0], image=image),))


def open_made(qtbot, models, made):
    asked = []
    models.study._open_job = small_study.obedient_job(made, asked)
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    settle(qtbot, models)
    return asked


def settle(qtbot, models):
    qtbot.waitUntil(lambda: not models.study.is_opening)
    qtbot.waitUntil(lambda: not models.runner.tasks)


@pytest.fixture
def table(qtbot, models):
    open_made(qtbot, models, study_of(FrameTiming(STARTS, DURATIONS)))
    return models.frame_table


def column(table, name):
    return [getattr(row, name) for row in table.rows]


# Times as people write them


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("90.5", 90.5),
        ("90,5", 90.5),
        (" 90 s ", 90.0),
        ("1:30", 90.0),
        ("60:00", 3600.0),
        ("-0:30", -30.0),
        ("\N{MINUS SIGN}12", -12.0),
        ("1e2", 100.0),
        ("1:05.5", 65.5),
    ],
)
def test_that_seconds_and_minutes_with_seconds_are_read(text, seconds):
    assert time_of(text, "Start") == seconds


@pytest.mark.parametrize("text", ["", "soon", "1:60", "1:2:3", "nan", "inf", "1 2", "1e999", "1_0"])
def test_that_anything_else_is_refused_with_what_to_type(text):
    with pytest.raises(InvalidInputError, match=r"Frame 3.*is no time; enter seconds"):
        time_of(text, "Frame 3, start")


@given(st.integers(-(10**7), 10**7))
def test_that_a_shown_time_is_read_back_to_the_millisecond(milliseconds):
    value = milliseconds / 1000
    assert time_of(seconds_text(value), "Start") == pytest.approx(value, abs=1e-9)


def test_that_a_table_from_a_spreadsheet_is_cut_into_columns():
    assert pasted_columns("0\t10\r\n10\t20\r\n") == [["0", "10"], ["10", "20"]]


# Showing


def test_that_rows_tell_start_duration_end_and_touching_frames_no_gap(table):
    assert column(table, "start") == ["0", "10", "20", "50"]
    assert column(table, "duration") == ["10", "10", "30", "60"]
    assert column(table, "end") == ["10", "20", "50", "110"]
    assert set(column(table, "fit")) == {Fit.CLOSE}


def test_that_gaps_and_overlaps_are_marked_by_how_bad_they_are(table):
    table.set_start(1, "12")
    table.set_start(2, "21")
    table.set_duration(2, "31.5")
    gaps = [(row.gap, row.fit) for row in table.rows]
    assert gaps == [
        ("", Fit.CLOSE),
        ("gap 2 s", Fit.GAP),
        ("overlap 1 s", Fit.OVERLAP),
        ("overlap 2.5 s", Fit.REFUSED),
    ]
    assert "Frame 3" in table.problem
    assert "overlaps the next by more than 1 s" in table.problem
    assert [row.is_start_changed for row in table.rows] == [False, True, True, False]
    assert [row.is_duration_changed for row in table.rows] == [False, False, True, False]


# Taking


def test_that_times_are_put_in_force_and_shown_everywhere(qtbot, models, table):
    table.set_duration(3, "1:10")
    table.apply()
    settle(qtbot, models)
    np.testing.assert_array_equal(models.study.image.timing.duration_s, [10, 10, 30, 70])
    assert models.study.overrides == {
        "frame_start_s": "0,10,20,50",
        "frame_duration_s": "10,10,30,70",
    }
    assert table.is_entered
    assert column(table, "duration")[3] == "70"
    models.views.frames.show_frame(3)
    assert "50\N{EN DASH}120 s" in models.views.frames.text


def test_that_the_files_times_come_back_by_reset_and_by_undo(qtbot, models, table):
    table.shift("30")
    table.apply()
    settle(qtbot, models)
    assert column(table, "start") == ["30", "40", "50", "80"]
    table.reset()
    assert column(table, "start") == ["0", "10", "20", "50"]
    assert models.study.image.timing.start_s[0] == 30.0  # nothing counts before Apply
    table.apply()
    settle(qtbot, models)
    assert models.study.overrides == {}
    models.undo.undo()
    settle(qtbot, models)
    assert models.study.image.timing.start_s[0] == 30.0
    models.undo.undo()
    settle(qtbot, models)
    assert models.study.image.timing.start_s[0] == 0.0
    assert column(table, "start") == ["0", "10", "20", "50"]


def test_that_typing_what_the_files_say_is_no_entry_of_the_users(table):
    table.set_start(1, "11")
    assert table.can_reset
    table.set_start(1, "10")
    assert not table.can_reset
    assert table.why_not == "Nothing was changed."


def test_that_rounding_on_screen_is_no_change(qtbot, models):
    open_made(qtbot, models, study_of(FrameTiming([0.0, 59.60044], [59.60044, 60.0])))
    table = models.frame_table
    table.set_start(1, table.rows[1].start)
    assert not table.can_reset


def test_that_a_column_from_a_spreadsheet_fills_the_frames_below(table):
    table.paste(1, 0, "15\t5\n20\t30\n")
    assert column(table, "start") == ["0", "15", "20", "50"]
    assert column(table, "duration") == ["10", "5", "30", "60"]


@pytest.mark.parametrize(
    ("frame", "place", "text", "sentence"),
    [
        (0, 0, "", "nothing to paste"),
        (0, 0, "0\n1\n2\n3\n4", "5 values were pasted from frame 1 on, but only 4"),
        (3, 0, "0\n1", "only 1 frames are left"),
        (0, 1, "1\t2", "2 columns were pasted where 1 fit"),
        (0, 0, "1\t2\n3", "Row 2 of what was pasted has 1 cells"),
        (0, 0, "5\nsoon", "Frame 2, start: 'soon' is no time"),
    ],
)
def test_that_a_paste_that_does_not_fit_changes_nothing(table, frame, place, text, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        table.paste(frame, place, text)
    assert not table.can_reset


def test_that_durations_follow_from_starts(table):
    table.set_start(3, "60")
    table.durations_from_starts()
    assert column(table, "duration") == ["10", "10", "40", "60"]
    assert table.problem == ""


@pytest.mark.parametrize(
    ("frame", "start", "duration", "sentence"),
    [
        (1, "10", "0", "Frame 2 .* has a duration that is not positive"),
        (1, "25", "10", "Frame 2 .* does not begin before the next"),
    ],
)
def test_that_impossible_times_are_told_and_cannot_be_applied(
    table, frame, start, duration, sentence
):
    table.set_start(frame, start)
    table.set_duration(frame, duration)
    with pytest.raises(InvalidInputError, match=sentence):
        table.apply()


def test_that_unknown_times_are_empty_not_stand_ins(qtbot, models):
    made = study_of(stand_in_timing(2), (UNKNOWN,))
    open_made(qtbot, models, made)
    table = models.frame_table
    assert column(table, "start") == ["", ""]
    assert table.note == "The files' frame times are not known."
    table.paste(0, 0, "0\n60")
    assert "Frame 1 has no duration yet" in table.problem
    table.paste(0, 1, "60\n60")
    table.apply()
    settle(qtbot, models)
    assert models.study.kinetics_verdict is Verdict.READY
    table.reset()
    table.apply()
    settle(qtbot, models)
    assert models.study.overrides == {}
    assert models.study.kinetics_verdict is Verdict.REFUSED


def test_that_times_that_count_from_the_scan_are_told_so(qtbot, models):
    missing = Finding("injection-time-missing", "None.", kinetics=Verdict.REFUSED)
    open_made(qtbot, models, study_of(FrameTiming(STARTS, DURATIONS), (missing,)))
    assert "count from the start of the scan" in models.frame_table.note


# Times per slice


def test_that_times_per_slice_are_ranges_and_cannot_be_edited(qtbot, models):
    open_made(qtbot, models, study_of(small_study.beds_timing()))
    table = models.frame_table
    assert column(table, "start")[0] == "0 \N{EN DASH} 200"
    assert column(table, "end")[0] == "180 \N{EN DASH} 380"
    assert column(table, "gap")[1] == "gap 220 s"
    for edit in (
        lambda: table.set_start(0, "1"),
        lambda: table.shift("1"),
        table.durations_from_starts,
    ):
        with pytest.raises(InvalidInputError, match="Each slice has times of its own"):
            edit()
    assert table.note == PER_SLICE


def test_that_one_time_per_frame_is_the_mean_of_the_slices_once_agreed(qtbot, models):
    asked = open_made(qtbot, models, study_of(small_study.beds_timing()))
    table = models.frame_table
    table.use_one_time_per_frame()
    assert column(table, "start") == ["100", "500", "900"]  # half of 40 slices 200 s later
    assert len(asked) == 1
    table.apply()
    settle(qtbot, models)
    assert not models.study.image.timing.is_per_slice
    table.reset()
    assert table.is_per_slice
    table.apply()
    settle(qtbot, models)
    assert models.study.image.timing.is_per_slice


# Several series


def test_that_entered_times_belong_to_one_series_of_several(qtbot, models):
    first = study_of(FrameTiming(STARTS, DURATIONS))
    second = study_of(FrameTiming([0.0, 60.0], [60.0, 60.0]), uid="9.9").series[0]
    made = replace(first, series=(*first.series, replace(second, description="Late")))
    asked = open_made(qtbot, models, made)
    table = models.frame_table
    table.shift("5")
    table.apply()
    settle(qtbot, models)
    assert asked[-1]["frame_series"] == "1.2.3.4"
    models.study.show_series("9.9")
    assert not table.is_entered
    assert "You entered the frame times of Dynamic PET" in table.note
    table.shift("7")
    with pytest.raises(InvalidInputError, match="only one series"):
        table.apply()
