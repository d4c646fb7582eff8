"""Which frame, or sum of frames, the image column shows; and cine."""

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.images import DynamicImage
from kiview.core.provenance import Step
from kiview.core.timing import FrameTiming
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
        steps: What was done to the frames, for example that they were merged.

    Signals:
        frame_changed: other frames are shown.
        cine_changed: cine started or stopped.
    """

    frame_changed = Signal()
    cine_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.timing: FrameTiming | None = None
        self.steps: tuple[Step, ...] = ()
        self.shown = ShownFrames((0,))
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

    def open_image(self, image: DynamicImage | None) -> None:
        """Take over the frames of another image, and what was done to them."""
        self.steps = () if image is None else image.steps
        self.open(None if image is None else image.timing)

    def open(self, timing: FrameTiming | None) -> None:
        """Take over other frames; starts at the last one, where contrast is."""
        self.stop()
        self.timing = None if timing is None else timing.weighted()
        self._show(ShownFrames((max(0, self.frame_count - 1),)))

    def retime(self, timing: FrameTiming) -> None:
        """Take over other times of the same frames; what is shown stays where it can."""
        if timing.frame_count != self.frame_count:
            self.open(timing)
            return
        self.timing = timing.weighted()
        again = {"early": self.show_early, "late": self.show_late}.get(self.shown.name)
        if again is not None:
            again()
        else:
            self._show(self.shown)

    def show_frame(self, frame: int) -> None:
        """Show one frame; numbers outside are brought to the nearest end."""
        self._show(ShownFrames((min(max(frame, 0), max(0, self.frame_count - 1)),)))

    def step(self, frames: int) -> None:
        """Go some frames on or back."""
        self.show_frame(self.frame + frames)

    def next_frame(self) -> None:
        """Go to the next frame, after the last to the first."""
        if self.frame_count:
            self.show_frame((self.frame + 1) % self.frame_count)

    def show_early(self) -> None:
        """Show the mean of the first minute: blood in the vessels."""
        if self.timing is not None:
            start = self.timing.start_s - self.timing.start_s[0]
            self._show(ShownFrames(_indices(start < EARLY_S), "early"))

    def show_late(self) -> None:
        """Show the mean of the last twenty minutes: uptake with little noise."""
        if self.timing is not None:
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
        """What is shown in words, for example `frame 27 · 50-55 min`."""
        if self.timing is None:
            return ""
        first, last = self.shown.indices[0], self.shown.indices[-1]
        times = time_range_text(float(self.timing.start_s[first]), float(self.timing.end_s[last]))
        name = f"{self.shown.name} mean" if self.shown.is_sum else f"frame {first + 1}"
        return f"{name} · {times}"

    def _show(self, shown: ShownFrames) -> None:
        if not shown.is_sum:
            self._last_single = shown.indices[0]
        if shown.is_sum and self.is_playing:
            self.stop()
        self.shown = shown
        self.frame_changed.emit()


def time_range_text(start_s: float, end_s: float) -> str:
    """A time range in seconds while it is early, else in minutes: `50-55 min`."""
    dash = "\N{EN DASH}"
    if end_s <= _SHORT_TIME_S:
        return f"{start_s:.4g}{dash}{end_s:.4g} s"
    start, end = start_s / _SECONDS_PER_MINUTE, end_s / _SECONDS_PER_MINUTE
    return f"{start:.3g}{dash}{end:.3g} min"


def _indices(chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[int, ...]:
    return tuple(int(t) for t in np.flatnonzero(chosen))
