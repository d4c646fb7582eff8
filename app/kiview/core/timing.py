"""When each frame was measured, per frame or per (frame, slice), and how times are written."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core._arrays import frozen_float64
from kiview.core.errors import InvalidInputError

OVERLAP_TOLERANCE_S = 1.0
"""Frames may overlap by this much (rounded times in files) before they are refused."""
WINDOW_TOLERANCE_S = 1.0
"""A frame belongs to a window when it sticks out by at most this much at either end."""
TIME_UNKNOWN = "time unknown"
"""Stands where the times of stand-ins would be invented."""
_WHOLE_FROM = 100.0
"""Times from here on are written without decimals."""


def time_text(value: float) -> str:
    """A time in s or min with three digits that matter, never an exponent."""
    if abs(value) >= _WHOLE_FROM:
        return f"{value:.0f}"
    return f"{round(value, 3) + 0.0:.3g}"


def range_text(start: str, end: str, dash: str = "\N{EN DASH}") -> str:
    """A span of two written times; a dash beside a minus would read as another one."""
    return f"{start} to {end}" if "-" in start + end else f"{start}{dash}{end}"


@dataclass(frozen=True, slots=True, eq=False)
class FrameTiming:
    """Start and duration of frames in seconds; zero is the injection.

    Attributes:
        start_s: (t,) or (t, z) float64, increasing along t; negative if measured before injection.
        duration_s: same shape, positive.
        is_known: False where the times only stand in for unknown ones and must not be shown.

    Raises:
        InvalidInputError: shapes differ, a duration is not positive, a value is not finite, or
            frames are out of order or overlap by more than `OVERLAP_TOLERANCE_S`.
    """

    start_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    is_known: bool

    def __init__(self, start_s: ArrayLike, duration_s: ArrayLike, *, is_known: bool = True) -> None:
        object.__setattr__(self, "start_s", frozen_float64(start_s))
        object.__setattr__(self, "duration_s", frozen_float64(duration_s))
        object.__setattr__(self, "is_known", is_known)
        self._check()

    def _check(self) -> None:
        if self.start_s.shape != self.duration_s.shape or self.start_s.ndim not in (1, 2):
            raise InvalidInputError(
                f"Frame starts {self.start_s.shape} and durations {self.duration_s.shape} differ in"
                " number; give one start and one duration per frame (or per frame and slice)."
            )
        if self.start_s.size == 0:
            raise InvalidInputError("The series has no frame.")
        if not (np.isfinite(self.start_s).all() and np.isfinite(self.duration_s).all()):
            raise InvalidInputError("A frame start or duration is not a number.")
        self._refuse_first(self.duration_s <= 0, "has a duration that is not positive")
        late = self.start_s[:-1] + self.duration_s[:-1] - self.start_s[1:]
        self._refuse_first(np.diff(self.start_s, axis=0) <= 0, "does not begin before the next")
        self._refuse_first(late > OVERLAP_TOLERANCE_S, "overlaps the next by more than 1 s")

    def _refuse_first(self, wrong: NDArray[np.bool_], what: str) -> None:
        if wrong.any():
            t = int(np.argwhere(wrong)[0][0])
            start, duration = self.start_s[t].flat[0], self.duration_s[t].flat[0]
            raise InvalidInputError(
                f"Frame {t + 1} (start {start:g} s, duration {duration:g} s) {what};"
                " correct the frame times."
            )

    def __eq__(self, other: object) -> bool:
        """True when every start and duration is the same."""
        return (
            isinstance(other, FrameTiming)
            and self.is_known == other.is_known
            and np.array_equal(self.start_s, other.start_s)
            and np.array_equal(self.duration_s, other.duration_s)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays are compared by value

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return int(self.start_s.shape[0])

    @property
    def is_per_slice(self) -> bool:
        """Whether slices have times of their own."""
        return self.start_s.ndim == 2

    @property
    def end_s(self) -> NDArray[np.float64]:
        """End of each frame, same shape as `start_s`."""
        return self.start_s + self.duration_s

    @property
    def mid_s(self) -> NDArray[np.float64]:
        """Middle of each frame, same shape as `start_s`."""
        return self.start_s + 0.5 * self.duration_s

    def slice_timing(self, z: int) -> "FrameTiming":
        """Times of one slice, (t,)."""
        if not self.is_per_slice:
            return self
        return FrameTiming(self.start_s[:, z], self.duration_s[:, z])

    def weighted(self, weight_z: NDArray[np.float64] | None = None) -> "FrameTiming":
        """One time per frame: the mean over slices, weighted by `weight_z` (z,) if given."""
        if not self.is_per_slice:
            return self
        return FrameTiming(
            np.average(self.start_s, axis=1, weights=weight_z),
            np.average(self.duration_s, axis=1, weights=weight_z),
        )

    def select(self, frames: ArrayLike) -> "FrameTiming":
        """Times of some frames, by index or boolean mask along t."""
        index = np.asarray(frames)
        return FrameTiming(self.start_s[index], self.duration_s[index], is_known=self.is_known)

    def in_window(self, start_s: float, end_s: float) -> NDArray[np.bool_]:
        """Which frames lie in a time window, same shape as `start_s`.

        A frame is in when it starts at or after `start_s` - 1 s and ends at or before
        `end_s` + 1 s; decided for each slice on its own.
        """
        begins = self.start_s >= start_s - WINDOW_TOLERANCE_S
        return begins & (self.end_s <= end_s + WINDOW_TOLERANCE_S)

    def gaps_s(self) -> NDArray[np.float64]:
        """Time between the end of each frame and the start of the next, (t - 1,) or (t - 1, z)."""
        return self.start_s[1:] - self.end_s[:-1]

    def is_contiguous(self, tolerance_s: float = 1e-3) -> bool:
        """Whether each frame begins where the one before ended."""
        return bool((np.abs(self.gaps_s()) <= tolerance_s).all())
