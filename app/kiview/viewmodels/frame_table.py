"""The frame table: start and duration of every frame, edited as a whole and then put in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.core.timing import OVERLAP_TOLERANCE_S, FrameTiming
from kiview.viewmodels.file_values import is_pet, known_timing
from kiview.viewmodels.frame_entry import pasted_columns, seconds_text, span_text, time_of
from kiview.viewmodels.missing_values import FRAME_FIELDS
from kiview.viewmodels.overrides import OverridesViewModel

_SAME_S = 1e-6
_FINEST_S = 1e-3
"""Times are shown to the millisecond."""
_START, _DURATION = FRAME_FIELDS
_NAMES = ("start", "duration")
_Times = tuple[list[float], list[float]]
"""Starts and durations in s from the injection."""
PER_SLICE = (
    "Each slice has times of its own here (beds measured one after the other), which maps use."
    " They cannot be edited one by one; to move all of them, change the injection time."
)


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


class FrameTableViewModel(QObject):
    """A draft of the frame times; nothing of it counts before `apply`.

    Signals:
        changed: The draft, the times in force or what may be done changed.
    """

    changed = Signal()

    def __init__(self, overrides: OverridesViewModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._overrides, self._study = overrides, overrides.study
        self._draft: _Times | None = None
        self._before: _Times | None = None
        self._of: object = None
        overrides.changed.connect(self._on_overrides_changed)
        self._study.opening_changed.connect(self.changed)
        self._on_overrides_changed()

    # What there is

    @property
    def frame_count(self) -> int:
        """Number of frames; 0 where there is no table."""
        series = self._study.series
        if series is None or series.image is None or not is_pet(series):
            return 0
        return series.image.frame_count

    @property
    def is_per_slice(self) -> bool:
        """Whether what is shown are times of slices, which cannot be edited."""
        timing = self._file_timing if self._draft is None else None
        return timing is not None and timing.is_per_slice

    @property
    def is_entered(self) -> bool:
        """Whether the times in force are the user's."""
        return _START in self._overrides.values

    @property
    def _file_timing(self) -> FrameTiming | None:
        series = self._study.series
        values = self._overrides.values
        return None if series is None else self._overrides.files.timing(series, values)

    @property
    def rows(self) -> tuple[FrameRow, ...]:
        """The lines of the table."""
        timing = self._file_timing
        if self._draft is None and timing is not None and timing.is_per_slice:
            return _slice_rows(timing)
        start, duration = self._times()
        was = None if timing is None else timing.weighted()
        return tuple(_row(t, start, duration, was) for t in range(self.frame_count))

    @property
    def problem(self) -> str:
        """What is wrong with the draft, or empty."""
        if self._draft is None:
            return ""
        start, duration = self._draft
        for name, values in zip(_NAMES, (start, duration), strict=True):
            missing = np.flatnonzero(np.isnan(values))
            if missing.size:
                return f"Frame {missing[0] + 1} has no {name} yet; enter all times."
        try:
            FrameTiming(start, duration)
        except InvalidInputError as error:
            return str(error)
        return ""

    @property
    def note(self) -> str:
        """What should be known of the times that are shown, or empty."""
        if self.is_per_slice:
            return PER_SLICE
        if self._draft is None:
            unknown = self.frame_count and self._file_timing is None
            return "The files' frame times are not known." if unknown else ""
        gaps = [row for row in self.rows if row.fit is Fit.GAP]
        if gaps and not self.problem:
            return f"{len(gaps)} gaps between frames; check that none is missing."
        return ""

    @property
    def is_edited(self) -> bool:
        """Whether the draft differs from what is in force."""
        return self._draft != self._in_force()

    @property
    def can_reset(self) -> bool:
        """Whether the draft is not simply the files' times."""
        return self._draft is not None

    @property
    def why_not(self) -> str:
        """Why nothing can be applied now, or empty."""
        if not self.frame_count:
            return "Open a PET series first."
        if self._study.is_opening:
            return "The study is being read."
        return self.problem or ("" if self.is_edited else "Nothing was changed.")

    # Editing

    def set_start(self, frame: int, text: str) -> None:
        """Enter the start of a frame.

        Raises:
            InvalidInputError: the text is no time, or slices have times of their own.
        """
        self._edit(0, frame, (text,))

    def set_duration(self, frame: int, text: str) -> None:
        """Enter the duration of a frame.

        Raises:
            InvalidInputError: the text is no time, or slices have times of their own.
        """
        self._edit(1, frame, (text,))

    def paste(self, frame: int, column: int, text: str) -> None:
        """Fill start (column 0) and duration (1) from a spreadsheet, from a frame on.

        Raises:
            InvalidInputError: a cell is no time, or there are more than frames or columns.
        """
        columns = pasted_columns(text)
        if len(columns) > len(_NAMES) - column:
            raise InvalidInputError(
                f"{len(columns)} columns were pasted where {len(_NAMES) - column} fit; copy start,"
                " or start and duration."
            )
        left = self.frame_count - frame
        if len(columns[0]) > left:
            raise InvalidInputError(
                f"{len(columns[0])} values were pasted from frame {frame + 1} on, but only {left}"
                " frames are left."
            )
        for place, cells in enumerate(columns, start=column):
            self._check(place, frame, cells)
        for place, cells in enumerate(columns, start=column):
            self._edit(place, frame, cells)

    def shift(self, text: str) -> None:
        """Move all starts by a time, negative for earlier.

        Raises:
            InvalidInputError: the text is no time, or slices have times of their own.
        """
        by_s = time_of(text, "Shift")
        start, duration = self._editable()
        self._take([value + by_s for value in start], duration)

    def durations_from_starts(self) -> None:
        """Let every frame but the last end where the next begins.

        Raises:
            InvalidInputError: slices have times of their own.
        """
        start, duration = self._editable()
        between = [after - before for before, after in pairwise(start)]
        self._take(start, [*between, duration[-1]])

    def use_one_time_per_frame(self) -> None:
        """Replace times per slice by their mean over the slices; the user has agreed."""
        timing = self._file_timing
        if self.is_per_slice and timing is not None:
            mean = timing.weighted()
            self._take(mean.start_s.tolist(), mean.duration_s.tolist())

    def reset(self) -> None:
        """Take the files' times again, once applied."""
        self._draft = None
        self.changed.emit()

    def apply(self) -> None:
        """Read the study again with these times.

        Raises:
            InvalidInputError: they cannot be; nothing changes.
        """
        if self.why_not:
            raise InvalidInputError(self.why_not)
        if self._draft is None:
            self._overrides.change(dict.fromkeys(FRAME_FIELDS))
            return
        texts = (",".join(f"{value:.12g}" for value in values) for values in self._draft)
        self._overrides.change(dict(zip(FRAME_FIELDS, texts, strict=True)))

    def _on_overrides_changed(self) -> None:
        """Show what is in force now; a draft of this series that is not applied yet stays."""
        now, series = self._in_force(), self._study.series
        of = (self._study.path, "" if series is None else series.uid, self.frame_count)
        if of != self._of or self._draft == self._before or _are_same(self._draft, now):
            self._draft = now
        self._before, self._of = now, of
        self.changed.emit()

    def _edit(self, column: int, frame: int, texts: Sequence[str]) -> None:
        values = self._check(column, frame, texts)
        start, duration = self._editable()
        (start, duration)[column][frame : frame + len(values)] = values
        self._take(start, duration)

    @staticmethod
    def _check(column: int, frame: int, texts: Sequence[str]) -> list[float]:
        name = _NAMES[column]
        return [time_of(text, f"Frame {frame + n + 1}, {name}") for n, text in enumerate(texts)]

    def _editable(self) -> _Times:
        if self.is_per_slice:
            raise InvalidInputError(PER_SLICE)
        return self._times()

    def _times(self) -> _Times:
        """Starts and durations that are shown, NaN where unknown; copies."""
        timing = self._file_timing
        if self._draft is not None:
            return list(self._draft[0]), list(self._draft[1])
        if timing is None:
            return [np.nan] * self.frame_count, [np.nan] * self.frame_count
        return timing.start_s.tolist(), timing.duration_s.tolist()

    def _take(self, start: list[float], duration: list[float]) -> None:
        timing = self._file_timing
        is_files = timing is not None and not timing.is_per_slice
        files = (
            (timing.start_s.tolist(), timing.duration_s.tolist()) if is_files and timing else None
        )
        self._draft = None if _are_same(files, (start, duration)) else (start, duration)
        self.changed.emit()

    def _in_force(self) -> _Times | None:
        series = self._study.series
        timing = None if series is None else known_timing(series)
        if not self.is_entered or timing is None or not self.frame_count:
            return None
        return timing.start_s.tolist(), timing.duration_s.tolist()


def _are_same(some: _Times | None, others: _Times | None) -> bool:
    if some is None or others is None:
        return some is others
    return bool(np.allclose(some, others, rtol=0, atol=_SAME_S))


def _row(t: int, start: list[float], duration: list[float], was: FrameTiming | None) -> FrameRow:
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


def _slice_rows(timing: FrameTiming) -> tuple[FrameRow, ...]:
    rows = []
    for t in range(timing.frame_count):
        gap = span_text(timing.gaps_s()[t - 1]) if t else "0"
        gap = f"gap {gap} s" if gap != "0" else ""
        begin, last = span_text(timing.start_s[t]), span_text(timing.duration_s[t])
        rows.append(FrameRow(begin, last, span_text(timing.end_s[t]), gap, Fit.CLOSE))
    return tuple(rows)
