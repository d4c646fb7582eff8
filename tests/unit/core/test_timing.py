"""Frame times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiview.core.errors import InvalidInputError
from kiview.core.timing import FrameTiming, range_text, time_text

durations = st.lists(st.floats(0.5, 1200), min_size=1, max_size=60)


@given(durations, st.floats(-600, 6000))
def test_that_contiguous_frames_have_no_gaps_and_end_where_the_next_begins(duration_s, first_s):
    start = first_s + np.concatenate([[0], np.cumsum(duration_s)[:-1]])
    timing = FrameTiming(start, duration_s)
    assert timing.is_contiguous()
    np.testing.assert_allclose(timing.end_s[:-1], timing.start_s[1:], atol=1e-6)
    np.testing.assert_allclose(2 * timing.mid_s, timing.start_s + timing.end_s)


@given(durations, st.integers(0, 59))
def test_that_selected_frames_keep_their_times(duration_s, last):
    start = np.concatenate([[0], np.cumsum(duration_s)[:-1]])
    chosen = np.arange(min(last + 1, len(duration_s)))
    timing = FrameTiming(start, duration_s).select(chosen)
    assert timing.frame_count == len(chosen)
    np.testing.assert_array_equal(timing.start_s, start[chosen])


def test_that_a_frame_belongs_to_a_window_when_it_sticks_out_by_at_most_one_second():
    timing = FrameTiming([1798.9, 2099.1, 2400, 3301], [300, 300, 300, 300])
    np.testing.assert_array_equal(timing.in_window(1800, 3600), [False, True, True, True])
    np.testing.assert_array_equal(timing.in_window(1800, 3599.9), [False, True, True, False])


def test_that_times_per_slice_are_decided_slice_by_slice():
    start = np.array([[0.0, 100.0], [300.0, 400.0]])
    timing = FrameTiming(start, np.full((2, 2), 90.0))
    assert timing.is_per_slice
    np.testing.assert_array_equal(timing.in_window(0, 400), [[True, True], [True, False]])
    np.testing.assert_array_equal(timing.slice_timing(1).start_s, [100, 400])
    np.testing.assert_allclose(timing.weighted(np.array([3.0, 1.0])).start_s, [25, 325])
    np.testing.assert_allclose(timing.gaps_s(), [[210, 210]])


def test_that_one_time_per_frame_is_its_own_slice_timing():
    timing = FrameTiming([0, 10], [10, 10])
    assert timing.slice_timing(3) is timing
    assert timing.weighted() is timing
    assert timing == FrameTiming([0, 10], [10, 10])
    assert timing != FrameTiming([0, 10], [10, 11])


@pytest.mark.parametrize(
    ("start", "duration", "sentence"),
    [
        ([0, 10], [10], "differ in number"),
        ([], [], "no frame"),
        ([0, np.nan], [10, 10], "not a number"),
        ([0, 10], [10, -1], "Frame 2 .* not positive"),
        ([10, 0], [1, 1], "Frame 1 .* does not begin before the next"),
        ([0, 10], [12, 10], "Frame 1 .* overlaps"),
    ],
)
def test_that_impossible_frame_tables_are_refused_with_a_sentence(start, duration, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        FrameTiming(start, duration)


def test_that_frame_times_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="read-only"):
        FrameTiming([0], [10]).start_s[0] = 5


def test_that_times_are_written_without_exponents_and_with_a_readable_span():
    assert [time_text(value) for value in (0.0, -0.0001, 7.0, 99.96, 1373.4, -1373.4)] == [
        "0",
        "0",
        "7",
        "100",
        "1373",
        "-1373",
    ]
    assert range_text("-83", "-33") == "-83 to -33"
    assert range_text("0", "33", "-") == "0-33"


def test_that_stand_ins_stay_known_as_such():
    stand_in = FrameTiming([0.0, 1.0], [1.0, 1.0], is_known=False)
    assert not stand_in.select([1]).is_known
    assert not stand_in.weighted().is_known
    assert stand_in != FrameTiming([0.0, 1.0], [1.0, 1.0])
