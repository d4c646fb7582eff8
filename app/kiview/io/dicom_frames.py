"""Frames of a PET series: which file is which slice of which frame, and the frame table."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.study import Finding, Verdict
from kiview.core.timing import FrameTiming
from kiview.io.dicom_frame_times import FIELDS, DecayCheck, StartSource, TimeTags, measure
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_injection import injection_of, span_of
from kiview.io.dicom_meaning import DecayState, finding
from kiview.io.dicom_slices import FrameOrder, SliceStack, order_frames, without_copies
from kiview.io.dicom_times import Clock
from kiview.io.overrides import UserGiven
from kiview.io.time_checks import ended_findings, entered_findings

SAME_TIME_S = 1e-3
GAP_TOLERANCE_S = 1.0
ROOM_FOR_A_PASS = 0.5
"""Of the shorter pass beside it: what a pause between passes over beds may exceed the usual by."""
UNKNOWN_TIMES = "frame-times-unknown"
"""Code of the finding that says that the frame times in the image are stand-ins."""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Frames on the series' clock.

    Attributes:
        order: Which file is where.
        start_tz: (t, z) starts, NaN where unknown.
        duration_tz: (t, z) durations, NaN where unknown.
        findings: What was assumed, does not fit, or was left out.
        source: Which reading of the files the starts are.
    """

    order: FrameOrder
    start_tz: NDArray[np.float64]
    duration_tz: NDArray[np.float64]
    findings: tuple[Finding, ...]
    source: StartSource = field(default_factory=StartSource)

    @property
    def count(self) -> int:
        """Number of frames."""
        return int(self.start_tz.shape[0])

    @property
    def shape_tz(self) -> tuple[int, int]:
        """Number of frames and of slices."""
        return self.count, int(self.start_tz.shape[1])

    @property
    def are_known(self) -> bool:
        """Whether all times are known."""
        return bool(np.isfinite(self.start_tz).all())

    @property
    def first_s(self) -> float:
        """Start of the scan, NaN if unknown."""
        return float(self.start_tz.min())

    @property
    def last_s(self) -> float:
        """End of the scan, NaN if unknown."""
        return float((self.start_tz + self.duration_tz).max())


def frames_of(
    headers: HeaderTable, clock: Clock, stack: SliceStack, state: DecayState, given: UserGiven
) -> Frames:
    """Measure the images' times and sort them into frames.

    Raises:
        ReadError: images cannot be told apart or are missing.
        InvalidInputError: a tag holds no number or time.
    """
    keep = without_copies(headers)[0]
    timed = headers if len(keep) == len(headers) else headers.take(keep)
    tags = TimeTags.read(timed, clock, stack.position[keep], state.reference_s)
    times = measure(tags, _decay_check(headers, clock, state, given, keep))
    start_s, duration_s = np.full((2, len(headers)), np.nan)
    start_s[keep], duration_s[keep] = times.start_s, times.duration_s
    order = order_frames(headers, stack, start_s)
    return Frames(
        order,
        start_s[order.files],
        duration_s[order.files],
        (
            *(() if given.lists else times.findings),
            *order.findings,
            *_index_findings(headers, order, timed=times.are_known),
        ),
        times.source,
    )


def _index_findings(headers: HeaderTable, order: FrameOrder, *, timed: bool) -> tuple[Finding, ...]:
    """TemporalPositionIndex must rise with time at each position of one object."""
    index = headers.numbers("TemporalPositionIndex")[order.files]
    if not timed or not np.isfinite(index).all():
        return ()
    sources = {path: number for number, path in enumerate(dict.fromkeys(headers.paths))}
    source = np.array([sources[path] for path in headers.paths])[order.files]
    falls = (np.diff(index, axis=0) < 0) & (np.diff(source, axis=0) == 0)
    if not falls.any():
        return ()
    message = (
        "TemporalPositionIndex does not rise with the times of the frames; the times were used."
        " Check the frame table."
    )
    return (finding("temporal-order-differs", message, (Verdict.READY, Verdict.CONFIRM), *FIELDS),)


def _decay_check(
    headers: HeaderTable,
    clock: Clock,
    state: DecayState,
    given: UserGiven,
    keep: NDArray[np.int64],
) -> DecayCheck | None:
    half_life = given.number("half_life_s") or headers.positive("RadionuclideHalfLife")[0]
    if half_life is None:
        return None
    span = span_of(headers, clock, math.nan, math.nan, needs_injection=True)
    injection_s = injection_of(headers, clock, given, span).time_s
    is_told = state.references_s is not None  # by DecayCorrectionDateTime, whatever the factor is
    is_start = state.correction == "START" and not (is_told or math.isnan(state.reference_s))
    references = (state.reference_s, *(() if is_start else (span.series_s, injection_s)))
    known: list[float | NDArray[np.float64]] = [r for r in references if not math.isnan(r)]
    if state.references_s is not None:
        known.insert(0, state.references_s[keep])
    return DecayCheck(half_life, tuple(known), needs_reference=is_start)


def frame_table(
    frames: Frames,
    injection_s: float,
    state: DecayState,
    given: UserGiven,
    *,
    needs_decay: bool = True,
) -> tuple[FrameTiming, tuple[Finding, ...]]:
    """Frame table from the injection: the user's, else the files', else a stand-in.

    Args:
        frames: Times on the clock.
        injection_s: On the clock; NaN counts from the decay reference or the first frame.
        state: For the decay reference.
        given: What the user entered.
        needs_decay: Whether SUV rests on the time since the injection.

    Raises:
        InvalidInputError: the entered frame table does not fit the series.
    """
    if given.lists:
        timing, told_s = given_table(given, frames.count), frames.start_tz - injection_s
        ended = ended_findings(timing, needs_decay=needs_decay)
        odd = entered_findings(timing, told_s, needs_decay=needs_decay)
        return timing, (*ended, *odd, *gap_findings(timing))
    if not frames.are_known:
        return stand_in_timing(frames.count), ()
    zero = injection_s
    if math.isnan(zero):
        zero = frames.first_s if math.isnan(state.reference_s) else state.reference_s
    start, duration = frames.start_tz - zero, frames.duration_tz
    spread = max(np.ptp(start, axis=1).max(), np.ptp(duration, axis=1).max())
    if spread <= SAME_TIME_S:
        start, duration = start[:, 0], duration[:, 0]
    try:
        timing = FrameTiming(start, duration)
    except InvalidInputError as error:
        message = f"The frame times of the files cannot be right: {error}"
        verdicts = (Verdict.READY, Verdict.REFUSED)
        unknown = finding(UNKNOWN_TIMES, message, verdicts, *FIELDS)
        return stand_in_timing(frames.count), (unknown,)
    return timing, (*gap_findings(timing), *pass_findings(timing))


def given_table(given: UserGiven, count: int) -> FrameTiming:
    """The frame table that the user entered, from the injection.

    Raises:
        InvalidInputError: it has not one start and one duration per frame.
    """
    start, duration = given.lists["frame_start_s"], given.lists["frame_duration_s"]
    if not len(start) == len(duration) == count:
        raise InvalidInputError(
            f"The series has {count} frames but {len(start)} values of frame_start_s and"
            f" {len(duration)} of frame_duration_s were entered."
        )
    return FrameTiming(start, duration)


def stand_in_timing(count: int) -> FrameTiming:
    """One second per frame, where times are unknown and a finding says so."""
    return FrameTiming(np.arange(count, dtype=np.float64), np.ones(count), is_known=False)


def gap_findings(timing: FrameTiming) -> tuple[Finding, ...]:
    """Gaps of a table with one time per frame; those between beds are natural."""
    wide = timing.gaps_s() > GAP_TOLERANCE_S
    if timing.is_per_slice or not wide.any():
        return ()
    first = int(np.argmax(wide))
    message = (
        f"There is a gap of {timing.gaps_s()[first]:.0f} s between frames {first + 1} and"
        f" {first + 2} ({int(wide.sum())} gaps in all); check that no frame is missing."
    )
    return (finding("frame-gaps", message, (Verdict.READY, Verdict.CONFIRM), *FIELDS),)


def pass_findings(timing: FrameTiming) -> tuple[Finding, ...]:
    """Pauses between passes over beds in which a pass may be missing.

    A slice waits for the other beds between two passes; the scanner does not. What counts is the
    time from the end of the last slice to the start of the first one of the next pass. Where there
    are several pauses the shortest is the usual one.
    """
    if not timing.is_per_slice:
        return ()
    begins, ends = timing.start_s.min(axis=1), timing.end_s.max(axis=1)
    pause, lasts = begins[1:] - ends[:-1], ends - begins
    room = ROOM_FOR_A_PASS * np.minimum(lasts[1:], lasts[:-1])
    usual = max(float(pause.min()), 0.0) if len(pause) > 1 else 0.0
    wide = pause > usual + np.maximum(room, GAP_TOLERANCE_S)
    if not wide.any():
        return ()
    first, count = int(np.argmax(wide)), int(wide.sum())
    others = f" ({count} such pauses in all)" if count > 1 else ""
    message = (
        f"Nothing was measured for {pause[first]:.0f} s between passes {first + 1} and {first + 2},"
        f" which last {lasts[first]:.0f} and {lasts[first + 1]:.0f} s{others}; a pass may be"
        " missing. Copy the study again, or confirm the pause."
    )
    return (finding("pass-missing", message, (Verdict.READY, Verdict.CONFIRM)),)
