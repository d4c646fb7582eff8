"""Checks of frame tables for every format: against the files, the injection and the half-life."""

import numpy as np
from numpy.typing import NDArray

from kiview.core.study import Finding, Verdict
from kiview.core.timing import FrameTiming, time_text
from kiview.io.dicom_frame_times import FIELDS
from kiview.io.dicom_meaning import BOTH_TO_CONFIRM, finding

_SAME_START_S = 1.0
_MOST_HALF_LIVES = 10.0
"""After as many a thousandth of the activity is left, which no scan measures."""


def ended_findings(entered: FrameTiming, *, needs_decay: bool) -> tuple[Finding, ...]:
    """Whether a frame table that the user entered is over before the injection.

    Args:
        entered: From the injection.
        needs_decay: Whether SUV rests on the time since the injection.
    """
    end_s = float(entered.end_s.max())
    if end_s > 0:
        return ()
    message = (
        f"The frame table that you entered ends {-end_s:.0f} s before the injection; correct"
        " frame_start_s, which counts from the injection."
    )
    suv = Verdict.REFUSED if needs_decay else Verdict.READY
    return (finding("injection-after-scan", message, (suv, Verdict.REFUSED), *FIELDS),)


def entered_findings(
    entered: FrameTiming, told_s: NDArray[np.float64] | None, *, needs_decay: bool
) -> tuple[Finding, ...]:
    """Whether a frame table that the user entered starts where the files say.

    Args:
        entered: From the injection.
        told_s: (t,) or (t, z) starts of the files from the injection, None where they tell none.
        needs_decay: Whether SUV rests on the time since the injection.
    """
    if told_s is None or not np.isfinite(told_s).all():
        return ()
    by_slice = told_s.reshape(len(told_s), -1)
    first, last = by_slice.min(axis=1), by_slice.max(axis=1)
    apart = np.maximum(first - entered.start_s, entered.start_s - last)
    t = int(np.argmax(apart))
    if not apart[t] > _SAME_START_S:
        return ()
    message = (
        f"Frame {t + 1} starts {entered.start_s[t]:.0f} s from the injection in the frame table"
        f" that you entered, but {first[t]:.0f} s in the files, {time_text(apart[t] / 60)} min"
        " apart; confirm it, or correct the frame table or the injection time."
    )
    suv = Verdict.CONFIRM if needs_decay else Verdict.READY
    return (finding("entered-times-differ", message, (suv, Verdict.CONFIRM), *FIELDS),)


def late_findings(timing: FrameTiming, half_life_s: float | None) -> tuple[Finding, ...]:
    """Whether the last frame ends after all activity has decayed."""
    end_s = float(timing.end_s.max())
    if half_life_s is None or not timing.is_known or end_s <= _MOST_HALF_LIVES * half_life_s:
        return ()
    message = (
        f"The last frame ends {_span(end_s)} after the injection, {end_s / half_life_s:.0f}"
        f" half-lives of {_span(half_life_s)}; confirm it, or enter frame_start_s and"
        " frame_duration_s in s (the times may be in ms)."
    )
    return (finding("frames-after-decay", message, BOTH_TO_CONFIRM, *FIELDS),)


def _span(seconds: float) -> str:
    return f"{time_text(seconds / 60)} min"
