"""Curves of activity over time that know their own integral from injection.

Integration rules (`science.md` 1.7): frames contribute mean x duration, so the integral to a frame
edge is exact; samples are joined by straight lines with (0, 0) before them; the population curve
has a closed form.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core._arrays import frozen_float64
from kiview.core.errors import InvalidInputError
from kiview.core.feng import FengParameters, feng_activity, feng_integral
from kiview.core.timing import WINDOW_TOLERANCE_S

LARGEST_ACTIVITY = 1e12
"""No blood sample in any unit reaches this; beyond it integrals lose their meaning."""


class Curve(ABC):
    """A curve of activity over time that knows its own integral from injection."""

    @abstractmethod
    def at(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Activity at times in s."""

    @abstractmethod
    def integral(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Integral from injection to times in s, activity x s."""

    @abstractmethod
    def natural_time_s(self, end_s: float) -> NDArray[np.float64]:
        """Times at which to draw or store the curve, up to `end_s` where it has no end itself."""


@dataclass(frozen=True, slots=True)
class FengCurve(Curve):
    """Feng shape times a factor.

    Attributes:
        parameters: Shape, times in minutes.
        scale: Factor from shape unit to the quantity of the input function.
    """

    parameters: FengParameters
    scale: float

    def at(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Activity at times in s."""
        return self.scale * feng_activity(np.asarray(time_s) / 60.0, self.parameters)

    def integral(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Integral from injection, activity x s, closed form."""
        return 60.0 * self.scale * feng_integral(np.asarray(time_s) / 60.0, self.parameters)

    def natural_time_s(self, end_s: float) -> NDArray[np.float64]:
        """Every second for five minutes, then every 20 s."""
        late = np.arange(320.0, max(end_s, 320.0) + 1e-6, 20.0)
        return np.unique(np.concatenate([np.arange(0.0, 300.0 + 1e-6), late, [end_s]]))


@dataclass(frozen=True, slots=True, eq=False)
class SampledCurve(Curve):
    """Samples joined by straight lines, with (0, 0) before the first.

    Attributes:
        time_s: (n,) increasing, not negative.
        activity: (n,).
    """

    time_s: NDArray[np.float64]
    activity: NDArray[np.float64]
    _cumulative: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        time, activity = frozen_float64(self.time_s), frozen_float64(self.activity)
        _check_samples(time, activity)
        if time[0] > 0:
            time = frozen_float64(np.concatenate([[0.0], time]))
            activity = frozen_float64(np.concatenate([[0.0], activity]))
        areas = 0.5 * (activity[1:] + activity[:-1]) * np.diff(time)
        object.__setattr__(self, "time_s", time)
        object.__setattr__(self, "activity", activity)
        object.__setattr__(
            self, "_cumulative", frozen_float64(np.concatenate([[0.0], np.cumsum(areas)]))
        )

    def at(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Activity at times in s, 0 before injection.

        Raises:
            InvalidInputError: a time lies after the last sample.
        """
        time = self._checked(time_s)
        return np.interp(time, self.time_s, self.activity, left=0.0)

    def integral(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Integral from injection, activity x s, exact for straight lines between samples."""
        time = np.maximum(self._checked(time_s), 0.0)
        left = np.clip(np.searchsorted(self.time_s, time, side="right") - 1, 0, None)
        part = 0.5 * (self.activity[left] + self.at(time)) * (time - self.time_s[left])
        return np.asarray(self._cumulative[left] + part)

    def natural_time_s(self, end_s: float) -> NDArray[np.float64]:  # noqa: ARG002 - has an end
        """The sample times."""
        return self.time_s

    def _checked(self, time_s: ArrayLike) -> NDArray[np.float64]:
        return _refuse_after(np.asarray(time_s, np.float64), float(self.time_s[-1]), "sample")


@dataclass(frozen=True, slots=True, eq=False)
class FrameCurve(Curve):
    """Frame means of a region: exact integrals at frame edges.

    Attributes:
        start_s: (t,) frame starts.
        duration_s: (t,) frame durations.
        mean: (t,) frame means.
        before: Integral from injection to the first frame's start (activity x s), from elsewhere.
    """

    start_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    mean: NDArray[np.float64]
    before: float = 0.0
    _edge_s: NDArray[np.float64] = field(init=False, repr=False)
    _cumulative: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        end = self.start_s + self.duration_s
        gap = np.maximum(self.start_s[1:] - end[:-1], 0.0)
        filled = 0.5 * (self.mean[1:] + self.mean[:-1]) * gap
        frames = self.mean * self.duration_s
        steps = np.empty(2 * len(frames) - 1)
        steps[0::2], steps[1::2] = frames, filled
        edges = np.column_stack([self.start_s, end]).ravel()
        cumulative = self.before + np.concatenate([[0.0], np.cumsum(steps)])
        object.__setattr__(self, "_edge_s", frozen_float64(np.maximum.accumulate(edges)))
        object.__setattr__(self, "_cumulative", frozen_float64(cumulative))

    def at(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Activity at times in s: the frame mean at mid-frame, straight lines between."""
        time = _refuse_after(np.asarray(time_s, np.float64), float(self._edge_s[-1]), "frame")
        mid = self.start_s + 0.5 * self.duration_s
        return np.interp(time, mid, self.mean)

    def integral(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Integral from injection, activity x s; straight between frame edges."""
        time = _refuse_after(np.asarray(time_s, np.float64), float(self._edge_s[-1]), "frame")
        if self._edge_s[0] <= 0:
            return np.interp(time, self._edge_s, self._cumulative)
        knots = np.concatenate([[0.0], self._edge_s])
        return np.asarray(np.interp(time, knots, np.concatenate([[0.0], self._cumulative])))

    def natural_time_s(self, end_s: float) -> NDArray[np.float64]:  # noqa: ARG002 - has an end
        """The frames' mid-times."""
        return np.asarray(self.start_s + 0.5 * self.duration_s)


def _check_samples(time_s: NDArray[np.float64], activity: NDArray[np.float64]) -> None:
    if time_s.shape != activity.shape or time_s.ndim != 1 or len(time_s) < 2:
        raise InvalidInputError("A blood curve needs at least two samples, each with a time.")
    if not (np.isfinite(time_s).all() and np.isfinite(activity).all()):
        raise InvalidInputError("A blood sample has a time or activity that is not a number.")
    if np.abs(activity).max() > LARGEST_ACTIVITY:
        raise InvalidInputError(
            f"A blood sample of {np.abs(activity).max():.3g} cannot be; check values and unit."
        )
    if time_s[0] < 0:
        raise InvalidInputError(
            f"A blood sample lies {-time_s[0]:g} s before injection; check the time zero."
        )
    repeated = np.flatnonzero(np.diff(time_s) <= 0)
    if len(repeated):
        raise InvalidInputError(
            f"Blood sample {repeated[0] + 2} at {time_s[repeated[0] + 1]:g} s is not later than the"
            " one before; sort the samples and remove duplicates."
        )


def _refuse_after(time_s: NDArray[np.float64], last_s: float, what: str) -> NDArray[np.float64]:
    if (time_s > last_s + WINDOW_TOLERANCE_S).any():
        raise InvalidInputError(
            f"The input function ends at {last_s:.0f} s (its last {what}) but is needed at"
            f" {float(time_s.max()):.0f} s; use a longer curve or an earlier window."
        )
    return np.minimum(time_s, last_s)
