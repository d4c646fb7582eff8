"""The frame table: start and duration of every frame, edited as a whole and then put in force."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.core.timing import FrameTiming
from kiview.io.overrides import SERIES
from kiview.viewmodels.frame_entry import pasted_columns, seconds_text, time_of
from kiview.viewmodels.frame_rows import Fit, FrameRow, Times, are_same, row_of, slice_rows
from kiview.viewmodels.frames_in_force import FramesInForce
from kiview.viewmodels.missing_values import FRAME_FIELDS
from kiview.viewmodels.overrides import OverridesViewModel

_START, _DURATION = FRAME_FIELDS
_NAMES = ("start", "duration")
NO_INJECTION = "injection-time-missing"
"""Code of the finding that says that times count from the start of the scan."""
PER_SLICE = (
    "Each slice has times of its own here (beds measured one after the other), which maps use."
    " They cannot be edited one by one; to move all of them, change the injection time."
)


class FrameTableViewModel(FramesInForce):
    """A draft of the frame times; nothing of it counts before `apply`.

    Signals:
        changed: The draft, the times in force or what may be done changed.
    """

    changed = Signal()

    def __init__(self, overrides: OverridesViewModel, parent: QObject | None = None) -> None:
        super().__init__(overrides, parent)
        self._draft: Times | None = None
        self._before: Times | None = None
        self._of: object = None
        overrides.changed.connect(self._on_overrides_changed)
        self._study.opening_changed.connect(self.changed)
        self._on_overrides_changed()

    # What there is

    @property
    def is_per_slice(self) -> bool:
        """Whether what is shown are times of slices, which cannot be edited."""
        timing = self._file_timing if self._draft is None else None
        return timing is not None and timing.is_per_slice

    @property
    def rows(self) -> tuple[FrameRow, ...]:
        """The lines of the table."""
        timing = self._file_timing
        if self._draft is None and timing is not None and timing.is_per_slice:
            return slice_rows(timing)
        start, duration = self._times()
        was = None if timing is None else timing.weighted()
        return tuple(row_of(t, start, duration, was) for t in range(self.frame_count))

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
        if self._taken_by:
            return self._why_taken
        if self._draft is None:
            return self._about_files
        gaps = [row for row in self.rows if row.fit is Fit.GAP]
        if gaps and not self.problem:
            return f"{len(gaps)} gaps between frames; check that none is missing."
        return ""

    @property
    def _about_files(self) -> str:
        """What must be known of the files' times, or empty."""
        if self.frame_count and self._file_timing is None:
            return "The files' frame times are not known."
        if any(finding.code == NO_INJECTION for finding in self._study.findings):
            return "The injection time is not known: these times count from the start of the scan."
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
        if self._taken_by:
            return self._why_taken
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
            self._overrides.change(dict.fromkeys((*FRAME_FIELDS, SERIES)))
            return
        start, duration = (",".join(f"{v:.12g}" for v in values) for values in self._draft)
        series = self._study.series
        is_one_of_many = series is not None and len(self._overrides.pet_series) > 1
        uid = series.uid if is_one_of_many and series is not None else None
        self._overrides.change({_START: start, _DURATION: duration, SERIES: uid})

    def _on_overrides_changed(self) -> None:
        """Show what is in force now; a draft of this series that is not applied yet stays."""
        now, series = self._in_force(), self._study.series
        of = (self._study.path, "" if series is None else series.uid, self.frame_count)
        if of != self._of or self._draft == self._before or are_same(self._draft, now):
            self._draft = now
        self._before, self._of = now, of
        self.changed.emit()

    def _edit(self, column: int, frame: int, texts: Sequence[str]) -> None:
        values = self._check(column, frame, texts)
        start, duration = self._editable()
        column_s = (start, duration)[column]
        for t, (value, text) in enumerate(zip(values, texts, strict=True), start=frame):
            if text.strip() != seconds_text(column_s[t]):  # else it is as shown, only rounded
                column_s[t] = value
        self._take(start, duration)

    @staticmethod
    def _check(column: int, frame: int, texts: Sequence[str]) -> list[float]:
        name = _NAMES[column]
        return [time_of(text, f"Frame {frame + n + 1}, {name}") for n, text in enumerate(texts)]

    def _editable(self) -> Times:
        if self.is_per_slice:
            raise InvalidInputError(PER_SLICE)
        return self._times()

    def _times(self) -> Times:
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
        self._draft = None if are_same(files, (start, duration)) else (start, duration)
        self.changed.emit()
