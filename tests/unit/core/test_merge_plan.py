"""Which frames join, which stay, which are left out, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiview.core.errors import InvalidInputError
from kiview.core.merge_plan import MergeSettings, default_start_s, merge_text, plan_merge
from kiview.core.timing import FrameTiming


def frames_min(*edges_min):
    """Frames between neighbouring edges."""
    edges = np.array(edges_min, float) * 60
    return FrameTiming(edges[:-1], np.diff(edges))


FDG = frames_min(0, 1, 2, 5, 10, 20, 30, 35, 40, 45, 50, 55, 60, 65)
"""Frames 1 to 6 before 30 min, 7 to 13 of five minutes after."""


def plan(timing, length_min, start_min):
    return plan_merge(timing, MergeSettings(length_min * 60.0, start_min * 60.0))


def refused(timing, length_min, start_min):
    with pytest.raises(InvalidInputError) as told:
        plan(timing, length_min, start_min)
    return str(told.value)


def test_that_frames_from_the_start_on_join_and_those_before_stay():
    made = plan(FDG, 10, 30)
    assert made.groups == ((0,), (1,), (2,), (3,), (4,), (5,), (6, 7), (8, 9), (10, 11))
    assert (made.kept_count, made.merged_count) == (6, 3)
    np.testing.assert_array_equal(made.timing.start_s / 60, [0, 1, 2, 5, 10, 20, 30, 40, 50])
    np.testing.assert_array_equal(made.timing.end_s / 60, [1, 2, 5, 10, 20, 30, 40, 50, 60])


def test_that_what_fills_no_frame_at_the_end_is_left_out_and_told():
    made = plan(FDG, 10, 30)
    assert made.left_out == (12,)
    assert merge_text(made, FDG) == (
        "Frames 7-12 (30-60 min) merged into 3 frames of 10 min. Frame 13 is left out (60-65 min):"
        " what is left lasts 5 min, less than 10 min."
    )
    made = plan(FDG, 20, 30)
    assert (made.groups[-1], made.left_out) == ((6, 7, 8, 9), (10, 11, 12))
    assert "into 1 frame of 20 min. Frames 11-13 are left out (50-65 min)" in merge_text(made, FDG)


def test_that_nothing_is_told_of_an_end_that_fits():
    made = plan(FDG, 5 * 7, 30)
    assert made.left_out == ()
    assert merge_text(made, FDG) == "Frames 7-13 (30-65 min) merged into 1 frame of 35 min."


def test_that_a_start_before_the_scan_is_its_first_frame():
    late = frames_min(40, 45, 50, 55, 60)
    assert plan(late, 10, 0).groups == ((0, 1), (2, 3))
    assert plan(late, 10, 30).kept_count == 0


def test_that_a_frame_across_the_start_is_refused_with_the_starts_that_fit():
    assert refused(FDG, 10, 32) == (
        "A frame runs from 30 to 35 min, across the start at 32 min, and frames are never split;"
        " start at 30 or 35 min."
    )
    assert plan(FDG, 10, 30 + 1 / 60).groups[6] == (6, 7)  # times in files are rounded
    assert "across the start" in refused(FDG, 10, 30 + 1.1 / 60)
    assert "across the start" in refused(FDG, 10, 62)
    assert plan(FDG, 10, 30 - 1 / 60).kept_count == 6
    assert "from 20 to 30 min" in refused(FDG, 10, 30 - 1.1 / 60)


def test_that_a_start_after_the_last_frame_is_refused():
    assert refused(FDG, 10, 65) == (
        "No frame starts at 65 min or later; the last one starts at 60 min. Choose an earlier"
        " start."
    )


def test_that_a_frame_across_the_end_of_the_first_group_is_refused_with_lengths_that_fit():
    told = refused(frames_min(30, 33, 36, 39, 42, 45), 10, 30)
    assert told == (
        "Frames of 10 min cannot be made from 30 min on: frame 4 (39-42 min) goes on across 40 min,"
        " and frames are never split; choose a length that fits, such as 9 or 12 min."
    )
    assert plan(frames_min(30, 33, 36, 39, 42, 45), 9, 30).left_out == (3, 4)


def test_that_a_frame_longer_than_the_length_is_refused():
    assert "frame 1 lasts 15 min, more than 10 min" in refused(frames_min(30, 45, 60), 10, 30)


def test_that_frames_of_the_length_already_are_no_merge():
    assert refused(frames_min(30, 40, 50), 10, 30) == (
        "Frames from 30 min on last 10 min already; choose a longer length."
    )


def test_that_too_few_frames_are_refused():
    assert "what is left lasts 10 min, less than 20 min; choose a shorter length" in refused(
        frames_min(50, 55, 60), 20, 50
    )


def test_that_longer_frames_later_end_the_merged_series_and_are_told():
    timing = frames_min(30, 35, 40, 45, 50, 65)
    made = plan(timing, 10, 30)
    assert (made.groups, made.left_out) == (((0, 1), (2, 3)), (4,))
    assert "frame 5 lasts 15 min, more than 10 min." in merge_text(made, timing)
    timing = frames_min(30, 35, 40, 43, 46, 49, 52)
    made = plan(timing, 10, 30)
    assert (made.groups, made.left_out) == (((0, 1),), (2, 3, 4, 5))
    assert "Frames 3-6 are left out (40-52 min): frame 6 (49-52 min) goes on across 50 min" in (
        merge_text(made, timing)
    )


def with_gap(gap_s, after=2):
    starts = np.arange(6) * 300.0
    starts[after:] += gap_s
    return FrameTiming(starts, np.full(6, 300.0))


def test_that_a_gap_inside_a_new_frame_is_refused_and_named():
    told = refused(with_gap(120, 1), 10, 0)
    assert "frames 1 and 2 are 120 s apart; only frames that follow each other can be" in told
    told = refused(with_gap(300, 1), 15, 0)  # 15 min from first to last, 10 measured
    assert "frames 1 and 2 are 300 s apart" in told
    made = plan(with_gap(120, 3), 10, 0)
    assert (made.groups, made.left_out) == (((0, 1),), (2, 3, 4, 5))
    assert made.why_left_out == "frames 3 and 4 are 120 s apart"


def test_that_a_gap_between_new_frames_stays():
    made = plan(with_gap(120), 10, 0)
    assert made.groups == ((0, 1), (2, 3), (4, 5))
    np.testing.assert_array_equal(made.timing.start_s, [0, 720, 1320])


def test_that_rounded_times_are_no_gap():
    assert plan(with_gap(1.0, 1), 10, 0).groups[0] == (0, 1)
    assert "apart" in refused(with_gap(1.5, 1), 10, 0)


def test_that_every_slice_must_fill_the_length():
    start = np.arange(4)[:, None] * 300.0 + [[0.0, 40.0]]
    duration = np.full((4, 2), 300.0)
    made = plan(FrameTiming(start, duration), 10, 5)
    assert made.groups == ((0,), (1, 2))
    np.testing.assert_array_equal(made.timing.start_s, [[0, 40], [300, 340]])
    np.testing.assert_array_equal(made.timing.duration_s, [[300, 300], [600, 600]])
    start[2:, 1] += 30  # a gap in the second slice only
    assert "frames 2 and 3 are 30 s apart" in refused(FrameTiming(start, duration), 10, 5)
    short = duration.copy()
    short[3, 1] = 200.0  # the last frame ends early there
    made = plan(FrameTiming(np.arange(4)[:, None] * [[300.0, 300.0]], short), 10, 0)
    assert (made.groups, made.left_out) == (((0, 1),), (2, 3))


@pytest.mark.parametrize(
    ("length_s", "start_s"), [(0, 0), (-60, 0), (np.nan, 0), (np.inf, 0), (600, np.nan)]
)
def test_that_an_impossible_length_or_start_is_refused(length_s, start_s):
    with pytest.raises(InvalidInputError, match="choose a length above 0 and a start"):
        MergeSettings(length_s, start_s)


def test_that_merging_starts_with_the_patlak_window_unless_told_otherwise():
    assert default_start_s(FDG, 1800) == 1800
    assert default_start_s(FDG, 1801) == 1800
    assert default_start_s(FDG, 1900) == 2100
    assert default_start_s(FDG, 5000) == 0
    assert default_start_s(frames_min(40, 50, 60), 1800) == 2400


@given(
    st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=2, max_size=40),
    st.sampled_from([2.0, 5.0, 10.0, 20.0]),
    st.integers(0, 30),
)
def test_that_every_frame_is_kept_merged_or_left_out_once_and_in_order(durations, length, at):
    timing = frames_min(*np.concatenate([[0.0], np.cumsum(durations)]))
    start_min = float(timing.start_s[min(at, len(durations) - 1)]) / 60
    try:
        made = plan(timing, length, start_min)
    except InvalidInputError:
        return
    told = [t for group in made.groups for t in group] + list(made.left_out)
    assert told == list(range(len(durations)))
    np.testing.assert_allclose(made.timing.duration_s[made.kept_count :], length * 60)
    assert made.timing.is_contiguous()
    measured = [timing.duration_s[list(group)].sum() for group in made.groups]
    np.testing.assert_allclose(made.timing.duration_s, measured)
