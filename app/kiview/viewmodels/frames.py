"""Which frame, or sum of frames, the image column shows; and cine."""

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.images import DynamicImage
from kiview.core.provenance import Step
from kiview.core.timing import TIME_UNKNOWN, FrameTiming, range_text, time_text
from kiview.core.units import ANATOMY
from kiview.viewmodels.layers import ShownFrames

EARLY_S = 60.0
"""The early sum holds frames that start within this time of the first."""
LATE_S = 1200.0
"""The late sum holds frames of the last twenty minutes."""
CINE_INTERVAL_MS = 200
_SECONDS_PER_MINUTE = 60.0
_SHORT_TIME_S = 120.0


class FramesViewModel(QObject):
    """The shown frame.

    Attributes:
        timing: Frame times of the open image, one per frame; None while nothing is open.
        shown: Frames that are shown now.
        arrived: Frames that have been read, None when all have.
        steps: What was done to the frames, for example that they were merged.

    Signals:
        frame_changed: other frames are shown.
        cine_changed: cine started or stopped.
        arrived_changed: more frames have been read.
    """

    frame_changed = Signal()
    arrived_changed = Signal()
    cine_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.timing: FrameTiming | None = None
        self.steps: tuple[Step, ...] = ()
        self.shown = ShownFrames((0,))
        self.arrived: frozenset[int] | None = None
        self._is_anatomy = False
        self._last_single = 0
        self._cine = QTimer(self)
        self._cine.setInterval(CINE_INTERVAL_MS)
        self._cine.timeout.connect(self.next_frame)

    @property
    def frame_count(self) -> int:
        """Number of frames; 0 while nothing is open."""
        return 0 if self.timing is None else self.timing.frame_count

    @property
    def frame(self) -> int:
        """The single frame shown now or last."""
        return self._last_single

    @property
    def is_playing(self) -> bool:
        """Whether cine runs."""
        return self._cine.isActive()

    @property
    def is_pending(self) -> bool:
        """Whether a frame that should be shown has not been read yet."""
        return self.arrived is not None and not self.arrived.issuperset(self.shown.indices)

    def open_image(self, image: DynamicImage | None, arrived: frozenset[int] | None = None) -> None:
        """Take over the frames of another image, and what was done to them.

        Args:
            image: The image, None where nothing is open.
            arrived: Frames that have been read so far, None for all.
        """
        self.steps = () if image is None else image.steps
        self._is_anatomy = image is not None and image.quantity in ANATOMY
        self.open(None if image is None else image.timing, arrived)

    def open(self, timing: FrameTiming | None, arrived: frozenset[int] | None = None) -> None:
        """Take over other frames; starts at the last one that was read, where contrast is.

        Args:
            timing: Of the image, None where nothing is open.
            arrived: Frames that have been read so far, None for all.
        """
        self.stop()
        self.timing = None if timing is None else timing.weighted()
        self.arrived = arrived
        self._show(ShownFrames((max(arrived or {max(0, self.frame_count - 1)}),)))

    def set_arrived(self, arrived: frozenset[int] | None) -> None:
        """More frames have been read, or all (None)."""
        was_pending, self.arrived = self.is_pending, arrived
        if was_pending and not self.is_pending:
            self.frame_changed.emit()
        self.arrived_changed.emit()

    def retime(self, timing: FrameTiming) -> None:
        """Take over other times of the same frames, all read; what is shown stays if it can."""
        if timing.frame_count != self.frame_count:
            self.open(timing)
            return
        self.timing, self.arrived = timing.weighted(), None
        again = {"early": self.show_early, "late": self.show_late}.get(self.shown.name)
        if again is not None:
            again()
        else:
            self._show(self.shown)
        self.arrived_changed.emit()

    def show_frame(self, frame: int) -> None:
        """Show one frame; numbers outside are brought to the nearest end."""
        self._show(ShownFrames((min(max(frame, 0), max(0, self.frame_count - 1)),)))

    def step(self, frames: int) -> None:
        """Go some frames on or back."""
        self.show_frame(self.frame + frames)

    def next_frame(self) -> None:
        """Go to the next frame that has been read, after the last to the first."""
        count = self.frame_count
        following = [(self.frame + step) % count for step in range(1, count + 1)]
        there = [t for t in following if self.arrived is None or t in self.arrived]
        if there:
            self.show_frame(there[0])

    def show_early(self) -> None:
        """Show the mean of the first minute: blood in the vessels; untimed, the first frame."""
        if self.timing is not None and not self.timing.is_known:
            self.show_frame(0)
        elif self.timing is not None:
            start = self.timing.start_s - self.timing.start_s[0]
            self._show(ShownFrames(_indices(start < EARLY_S), "early"))

    def show_late(self) -> None:
        """Show the mean of the last twenty minutes: little noise; untimed, the last frame."""
        if self.timing is not None and not self.timing.is_known:
            self.show_frame(self.frame_count - 1)
        elif self.timing is not None:
            before_end = self.timing.end_s[-1] - self.timing.start_s
            late = before_end <= LATE_S + 1.0
            late[-1] = True
            self._show(ShownFrames(_indices(late), "late"))

    def show_mean(self, frames: tuple[int, ...], name: str = "mean") -> None:
        """Show the duration-weighted mean of some frames."""
        if frames:
            self._show(ShownFrames(frames, name))

    def play(self) -> None:
        """Start cine."""
        if self.frame_count > 1 and not self.is_playing:
            self._cine.start()
            self.cine_changed.emit()

    def stop(self) -> None:
        """Stop cine."""
        if self.is_playing:
            self._cine.stop()
            self.cine_changed.emit()

    def toggle_cine(self) -> None:
        """Start or stop cine."""
        if self.is_playing:
            self.stop()
        else:
            self.play()

    @property
    def text(self) -> str:
        """What is shown in words, for example `frame 27 · 50-55 min`; empty for a CT or MR."""
        if self.timing is None or self._is_anatomy:
            return ""
        first, last = self.shown.indices[0], self.shown.indices[-1]
        times = TIME_UNKNOWN
        if self.timing.is_known:
            start_s, end_s = self.timing.start_s[first], self.timing.end_s[last]
            times = time_range_text(float(start_s), float(end_s))
        name = f"{self.shown.name} mean" if self.shown.is_sum else f"frame {first + 1}"
        return f"{name} · {times}"

    @property
    def arrived_text(self) -> str:
        """How many frames have been read while some are missing, else empty."""
        if self.arrived is None:
            return ""
        return f"{len(self.arrived)} of {self.frame_count} frames read"

    def _show(self, shown: ShownFrames) -> None:
        if not shown.is_sum:
            self._last_single = shown.indices[0]
        if shown.is_sum and self.is_playing:
            self.stop()
        self.shown = shown
        self.frame_changed.emit()


def time_range_text(start_s: float, end_s: float) -> str:
    """A time range in seconds while it is early, else in minutes: `50-55 min`."""
    if max(end_s, -start_s) <= _SHORT_TIME_S:
        first, last = (f"{round(moment_s, 1) + 0.0:g}" for moment_s in (start_s, end_s))
        return f"{range_text(first, last)} s"
    start, end = start_s / _SECONDS_PER_MINUTE, end_s / _SECONDS_PER_MINUTE
    return f"{range_text(time_text(start), time_text(end))} min"


def _indices(chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[int, ...]:
    return tuple(int(t) for t in np.flatnonzero(chosen))
