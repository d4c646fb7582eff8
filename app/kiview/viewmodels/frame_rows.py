"""Rows of a frame table: texts, and how each frame follows the one before."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from kiview.core.timing import OVERLAP_TOLERANCE_S, FrameTiming
from kiview.viewmodels.frame_entry import seconds_text, span_text

_SAME_S = 1e-6
_FINEST_S = 1e-3
"""Times are shown to the millisecond."""
Times = tuple[list[float], list[float]]
"""Starts and durations in s from the injection."""


class Fit(StrEnum):
    """How a frame follows the one before."""

    CLOSE = "close"
    GAP = "gap"
    OVERLAP = "overlap"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One line of the table, times in s from the injection.

    Attributes:
        start: Text of the start; a range where slices differ, empty while unknown.
        duration: Likewise.
        end: Likewise.
        gap: Time since the end of the frame before, in words; empty where they touch.
        fit: How it follows the frame before.
        is_start_changed: Whether the start differs from the files'.
        is_duration_changed: Whether the duration does.
    """

    start: str
    duration: str
    end: str
    gap: str
    fit: Fit
    is_start_changed: bool = False
    is_duration_changed: bool = False


def are_same(some: Times | None, others: Times | None) -> bool:
    """Whether two tables have the same times, to the microsecond."""
    if some is None or others is None:
        return some is others
    return bool(np.allclose(some, others, rtol=0, atol=_SAME_S))


def row_of(t: int, start: list[float], duration: list[float], was: FrameTiming | None) -> FrameRow:
    """Row of frame `t`; `was` has the times to compare with."""
    gap_s = start[t] - start[t - 1] - duration[t - 1] if t else 0.0
    fit = _fit(gap_s)
    gap = (
        ""
        if fit is Fit.CLOSE
        else f"{'gap' if gap_s > 0 else 'overlap'} {seconds_text(abs(gap_s))} s"
    )
    starts = was is not None and not abs(start[t] - was.start_s[t]) <= _SAME_S
    lasts = was is not None and not abs(duration[t] - was.duration_s[t]) <= _SAME_S
    begin, last, end = map(seconds_text, (start[t], duration[t], start[t] + duration[t]))
    return FrameRow(begin, last, end, gap, fit, starts, lasts)


def _fit(gap_s: float) -> Fit:
    if np.isnan(gap_s) or abs(gap_s) < _FINEST_S / 2:
        return Fit.CLOSE
    if gap_s > 0:
        return Fit.GAP
    return Fit.REFUSED if -gap_s > OVERLAP_TOLERANCE_S else Fit.OVERLAP


def slice_rows(timing: FrameTiming) -> tuple[FrameRow, ...]:
    """Rows of a table with times per slice, as ranges."""
    rows = []
    for t in range(timing.frame_count):
        gap = span_text(timing.gaps_s()[t - 1]) if t else "0"
        gap = f"gap {gap} s" if gap != "0" else ""
        begin, last = span_text(timing.start_s[t]), span_text(timing.duration_s[t])
        rows.append(FrameRow(begin, last, span_text(timing.end_s[t]), gap, Fit.CLOSE))
    return tuple(rows)
