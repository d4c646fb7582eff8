"""Which frames join into longer ones.

Frames are never split. Those before the chosen start stay as acquired, so that an input function
from a region keeps its early part; from the start on frames join into new ones of one length. What
follows the last full one is left out and told, so that no hole comes into the middle.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.timing import WINDOW_TOLERANCE_S, FrameTiming

TOLERANCE_S = 1.0
"""Frames fill a length, and follow each other, when they do so to this (rounded times in files)."""
_SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """What the user chose.

    Attributes:
        length_s: Length of the new frames.
        start_s: Where the first of them begins, s from injection; frames before it stay.

    Raises:
        InvalidInputError: the length is not positive, or a value is not a number.
    """

    length_s: float
    start_s: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.length_s, self.start_s]).all() and self.length_s > 0):
            raise InvalidInputError(
                f"Frames of {minutes(self.length_s)} min from {minutes(self.start_s)} min on cannot"
                " be made; choose a length above 0 and a start, both in minutes."
            )


@dataclass(frozen=True, slots=True, eq=False)
class MergePlan:
    """Which frames join.

    Attributes:
        settings: What was chosen.
        groups: Source frames of each new frame, indices from 0; the first `kept_count` are single.
        kept_count: Frames before the start, which stay as acquired.
        left_out: Source frames at the end that fill no new frame.
        why_left_out: Half a sentence; empty if none is left out.
        timing: Times of the new frames: from the start of their first to the end of their last
            source frame, per slice where those are.
    """

    settings: MergeSettings
    groups: tuple[tuple[int, ...], ...]
    kept_count: int
    left_out: tuple[int, ...]
    why_left_out: str
    timing: FrameTiming

    @property
    def merged_count(self) -> int:
        """Number of new frames of the chosen length."""
        return len(self.groups) - self.kept_count


@dataclass(frozen=True, slots=True)
class _Misfit:
    """Why frames do not fill a length, and what would help."""

    fact: str
    advice: str


def plan_merge(timing: FrameTiming, settings: MergeSettings) -> MergePlan:
    """Choose which frames join.

    With times per slice, the slice that is scanned first decides where the start is; every slice
    has to fill the length without a gap.

    Args:
        timing: Of the frames as acquired.
        settings: Length and start.

    Raises:
        InvalidInputError: no frame begins at the start, or none can be merged; the sentence says
            why and what would fit.
    """
    first = _first_frame(timing, settings.start_s)
    merged, misfit = _filled(timing, first, settings.length_s)
    if not any(len(group) > 1 for group in merged):
        raise InvalidInputError(_nothing_merged(settings, misfit))
    groups = (*((t,) for t in range(first)), *merged)
    heads, tails = [group[0] for group in groups], [group[-1] for group in groups]
    start_s = timing.start_s[heads]
    return MergePlan(
        settings,
        groups,
        first,
        tuple(range(tails[-1] + 1, timing.frame_count)),
        "" if misfit is None else misfit.fact,
        FrameTiming(start_s, timing.end_s[tails] - start_s),
    )


def default_start_s(timing: FrameTiming, window_start_s: float) -> float:
    """Start of the first frame that begins in a window, where merging usually starts.

    Args:
        timing: Of the frames as acquired.
        window_start_s: Start of the Patlak window.

    Returns:
        Seconds from injection; 0 where no frame begins that late.
    """
    begins = _earliest(timing.start_s)
    inside = begins >= window_start_s - WINDOW_TOLERANCE_S
    return float(begins[inside][0]) if inside.any() else 0.0


def merge_text(plan: MergePlan, timing: FrameTiming) -> str:
    """What a merge does, in sentences for people.

    Args:
        plan: What is done.
        timing: Of the source frames.
    """
    count, length = plan.merged_count, minutes(plan.settings.length_s)
    first, last = plan.groups[plan.kept_count][0], plan.groups[-1][-1]
    made = f"{count} frame of {length} min" if count == 1 else f"{count} frames of {length} min"
    merged = f"Frames {first + 1}-{last + 1} ({_range(timing, first, last)}) merged into {made}."
    left_out = _left_out_text(plan, timing)
    return f"{merged} {left_out}" if left_out else merged


def _first_frame(timing: FrameTiming, start_s: float) -> int:
    """The frame that merging starts with."""
    begins, ends = _earliest(timing.start_s), _earliest(timing.end_s)
    inside = begins >= start_s - WINDOW_TOLERANCE_S
    before = int(np.argmax(inside)) - 1 if inside.any() else timing.frame_count - 1
    if before >= 0 and ends[before] > start_s + WINDOW_TOLERANCE_S:
        raise InvalidInputError(
            f"A frame runs from {minutes(begins[before])} to {minutes(ends[before])} min, across"
            f" the start at {minutes(start_s)} min, and frames are never split; start at"
            f" {minutes(begins[before])} or {minutes(ends[before])} min."
        )
    if not inside.any():
        raise InvalidInputError(
            f"No frame starts at {minutes(start_s)} min or later; the last one starts at"
            f" {minutes(begins[-1])} min. Choose an earlier start."
        )
    return before + 1


def _filled(
    timing: FrameTiming, first: int, length_s: float
) -> tuple[list[tuple[int, ...]], _Misfit | None]:
    """Groups that fill the length one after the other, and why the frames after them do not."""
    groups: list[tuple[int, ...]] = []
    at = first
    while at < timing.frame_count:
        last, misfit = _fill(timing, at, length_s)
        if misfit is not None:
            return groups, misfit
        groups.append(tuple(range(at, last + 1)))
        at = last + 1
    return groups, None


def _fill(timing: FrameTiming, at: int, length_s: float) -> tuple[int, _Misfit | None]:
    """The last of the frames from `at` on that fill the length, or why they do not."""
    for last in range(at, timing.frame_count):
        elapsed = timing.end_s[last] - timing.start_s[at]
        if (np.abs(elapsed - length_s) <= TOLERANCE_S).all():
            return last, None
        if (elapsed > length_s + TOLERANCE_S).any():
            return last, _too_long(timing, at, last, length_s)
        if last + 1 < timing.frame_count and (timing.gaps_s()[last] > TOLERANCE_S).any():
            return last, _gap(timing, last)
    lasts = float((timing.end_s[-1] - timing.start_s[at]).mean())
    fact = f"what is left lasts {minutes(lasts)} min, less than {minutes(length_s)} min"
    return at, _Misfit(fact, "choose a shorter length or an earlier start")


def _too_long(timing: FrameTiming, at: int, last: int, length_s: float) -> _Misfit:
    elapsed = float((timing.end_s[last] - timing.start_s[at]).max())
    if last == at:
        fact = f"frame {at + 1} lasts {minutes(elapsed)} min, more than {minutes(length_s)} min"
        return _Misfit(fact, "choose a longer length or another start")
    shorter = float((timing.end_s[last - 1] - timing.start_s[at]).max())
    ends = minutes(float(_earliest(timing.start_s)[at]) + length_s)
    fact = f"frame {last + 1} ({_range(timing, last, last)}) goes on across {ends} min"
    return _Misfit(
        f"{fact}, and frames are never split",
        f"choose a length that fits, such as {minutes(shorter)} or {minutes(elapsed)} min",
    )


def _gap(timing: FrameTiming, last: int) -> _Misfit:
    gap_s = float(timing.gaps_s()[last].max())
    fact = f"frames {last + 1} and {last + 2} are {gap_s:.4g} s apart"
    return _Misfit(fact, "only frames that follow each other can be merged, choose another start")


def _nothing_merged(settings: MergeSettings, misfit: _Misfit | None) -> str:
    length, start = minutes(settings.length_s), minutes(settings.start_s)
    if misfit is None:
        return f"Frames from {start} min on last {length} min already; choose a longer length."
    what = f"Frames of {length} min cannot be made from {start} min on"
    return f"{what}: {misfit.fact}; {misfit.advice}."


def _left_out_text(plan: MergePlan, timing: FrameTiming) -> str:
    """What of the end was left out and why; empty if nothing was."""
    if not plan.left_out:
        return ""
    first, last = plan.left_out[0], plan.left_out[-1]
    numbers = f"Frame {first + 1} is" if first == last else f"Frames {first + 1}-{last + 1} are"
    return f"{numbers} left out ({_range(timing, first, last)}): {plan.why_left_out}."


def _range(timing: FrameTiming, first: int, last: int) -> str:
    begins, ends = _earliest(timing.start_s)[first], _earliest(timing.end_s)[last]
    return f"{minutes(begins)}-{minutes(ends)} min"


def _earliest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(t,) of the slice that is scanned first."""
    return values if values.ndim == 1 else values.min(axis=1)


def minutes(seconds: float) -> str:
    """A time in minutes for a sentence, without the unit."""
    return f"{seconds / _SECONDS_PER_MINUTE:.4g}"
