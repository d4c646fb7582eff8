"""When each image of a PET series was measured (`science.md` 6.1).

No single tag can be trusted: AcquisitionTime where it moves with the frame, else
FrameReferenceTime by the vendor's meaning, both checked against DecayFactor.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kiview.core.study import Finding, Verdict
from kiview.core.tracer import average_activity_offset_s, frame_decay_correction
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_times import Clock, Vendor, acquisition_start_s, vendor_of

_SAME_S = 1e-3
_MOVES_S = 0.5
_CONTIGUOUS_S = 1.0
_DECAY_TOLERANCE = 1e-3
FIELDS = ("frame_start_s", "frame_duration_s")
ACQUISITION = "AcquisitionTime"
_REFERENCE = "FrameReferenceTime"

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StartSource:
    """Where the starts of frames come from, and what they were compared with.

    Attributes:
        name: The reading that was taken, for example `AcquisitionTime`; empty if none.
        compared: (reading, largest difference to the one taken in s) of every other one.
        fits_decay: Whether DecayFactor fits; None where it says nothing.
        why: Why this reading, empty if none was taken.
        reference_is_told: Whether FrameReferenceTime says anything.
    """

    name: str = ""
    compared: tuple[tuple[str, float], ...] = ()
    fits_decay: bool | None = None
    why: str = ""
    reference_is_told: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ImageTimes:
    """When each image of a series was measured, on the series' clock.

    Attributes:
        start_s: (n,) NaN where unknown.
        duration_s: (n,) NaN where unknown.
        findings: What was assumed or does not fit.
        source: Which reading of the files the starts are.
    """

    start_s: Times
    duration_s: Times
    findings: tuple[Finding, ...] = ()
    source: StartSource = field(default_factory=StartSource)

    @property
    def are_known(self) -> bool:
        """Whether every image has a start and a positive duration."""
        known = np.isfinite(self.start_s).all() and np.isfinite(self.duration_s).all()
        return bool(known and (self.duration_s > 0).all())


@dataclass(frozen=True, slots=True, eq=False)
class TimeTags:
    """Times of a series as its tags say.

    Attributes:
        vendor: Whose rules hold.
        position: (n,) index of each image's slice position.
        acquisition_s: (n,) acquisition start on the clock, NaN where absent.
        duration_s: (n,) frame duration.
        reference_s: (n,) FrameReferenceTime, s from the series start.
        decay_factor: (n,) NaN where absent.
        scan_start_s: Time that FrameReferenceTime counts from, NaN if unknown.
    """

    vendor: Vendor
    position: NDArray[np.int64]
    acquisition_s: Times
    duration_s: Times
    reference_s: Times
    decay_factor: Times
    scan_start_s: float

    @classmethod
    def read(
        cls, headers: HeaderTable, clock: Clock, position: NDArray[np.int64], scan_start_s: float
    ) -> "TimeTags":
        """Take them from headers.

        Args:
            headers: Of the series.
            clock: Of the series.
            position: (n,) index of each image's slice position.
            scan_start_s: Time that FrameReferenceTime counts from, on the clock.

        Raises:
            InvalidInputError: a tag holds no number or no time.
        """
        reference = headers.numbers("FrameReferenceTime") / 1000.0
        moments = headers.texts("FrameReferenceDateTime")
        if np.isnan(reference).all() and any(moments):  # multi-frame objects: a time of the clock
            reference = np.array([clock.date_time(text) for text in moments])
            scan_start_s = 0.0
        return cls(
            vendor_of(headers.text("Manufacturer")),
            position,
            acquisition_start_s(headers, clock),
            headers.numbers("ActualFrameDuration") / 1000.0,
            reference,
            headers.numbers("DecayFactor"),
            scan_start_s,
        )

    @property
    def has_repeats(self) -> bool:
        """Whether a slice position occurs more than once."""
        return len(np.unique(self.position)) < len(self.position)

    @property
    def reference_is_told(self) -> bool:
        """Whether FrameReferenceTime says anything; CPS writes 0 everywhere."""
        known = np.isfinite(self.reference_s).all() and np.isfinite(self.scan_start_s)
        return bool(known and self.reference_s.any())

    def moves(self, start_s: Times) -> bool:
        """Whether times tell the frames of every position apart."""
        if not np.isfinite(start_s).all():
            return False
        order = np.lexsort((start_s, self.position))
        same_place = np.diff(self.position[order]) == 0
        return bool((np.diff(start_s[order])[same_place] > _SAME_S).all())

    def is_contiguous(self, start_s: Times) -> bool:
        """Whether each frame begins where the one before at its position ended."""
        order = np.lexsort((start_s, self.position))
        same_place = np.diff(self.position[order]) == 0
        gap = start_s[order][1:] - (start_s + self.duration_s)[order][:-1]
        return bool((np.abs(gap[same_place]) <= _CONTIGUOUS_S).all())


@dataclass(frozen=True, slots=True, eq=False)
class DecayCheck:
    """What DecayFactor can be checked with.

    Attributes:
        half_life_s: Half-life.
        references_s: Times the factor may count from: decay reference (one, or one per image);
            where it is not that of START, also series start and injection.
        needs_reference: Whether activity at the injection, so SUV, needs the decay reference.
    """

    half_life_s: float
    references_s: tuple[float | Times, ...]
    needs_reference: bool = False

    def agrees(self, tags: TimeTags, start_s: Times) -> bool | None:
        """Whether frame starts fit DecayFactor; None where it says nothing (absent or 1)."""
        factor = tags.decay_factor
        if not np.isfinite(factor).all() or (factor == 1.0).all():
            return None
        for reference in self.references_s:
            with np.errstate(over="ignore"):  # a reference from another day does not agree
                expected = frame_decay_correction(
                    start_s - reference, tags.duration_s, self.half_life_s
                )
            if (np.abs(factor / expected - 1.0) <= _DECAY_TOLERANCE).all():
                return True
        return False


def measure(tags: TimeTags, check: DecayCheck | None) -> ImageTimes:
    """Find start and duration of each image.

    Args:
        tags: What the files say.
        check: For DecayFactor, or None where the half-life is unknown.
    """
    if not (np.isfinite(tags.duration_s).all() and (tags.duration_s > 0).all()):
        return _unknown(tags, "ActualFrameDuration is absent or not positive")
    candidates = _candidates(tags)
    if not candidates:
        return _unknown(tags, "neither AcquisitionTime nor FrameReferenceTime tells frames apart")
    return _choose(tags, candidates, check)


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    name: str
    start_s: Times
    is_sure: bool = True
    note: str = field(default="")


def _candidates(tags: TimeTags) -> list[_Candidate]:
    """Possible frame starts, the most trusted first."""
    by_reference = _from_reference(tags)
    acquisition = _Candidate(ACQUISITION, tags.acquisition_s)
    if not tags.moves(tags.acquisition_s):
        return by_reference
    if not tags.has_repeats and by_reference and _beds_share_a_time(tags, by_reference[0]):
        return [*by_reference, acquisition]
    return [acquisition, *by_reference]


def _beds_share_a_time(tags: TimeTags, by_reference: _Candidate) -> bool:
    """A static whole body of GE: one AcquisitionTime, FrameReferenceTime moves with the bed."""
    if np.ptp(tags.acquisition_s) > _SAME_S:
        return False
    if tags.vendor is Vendor.GE:
        return bool(np.abs(by_reference.start_s - tags.acquisition_s).max() > _MOVES_S)
    return bool(np.ptp(by_reference.start_s) > _MOVES_S)


def _from_reference(tags: TimeTags) -> list[_Candidate]:
    if not tags.reference_is_told or not tags.moves(tags.reference_s):
        return []
    begin = tags.scan_start_s + tags.reference_s
    start = _Candidate(f"{_REFERENCE} as frame start", begin)
    centre = _Candidate(f"{_REFERENCE} as frame centre", begin - tags.duration_s / 2)
    if tags.vendor is Vendor.GE:
        return [start, centre]
    if tags.vendor in (Vendor.SIEMENS, Vendor.PHILIPS):
        return [centre, start]
    first = int(np.argmin(tags.reference_s))
    if tags.reference_s[first] < tags.duration_s[first] / 2 - _CONTIGUOUS_S:
        return [start]
    fits = [one for one in (centre, start) if tags.is_contiguous(one.start_s)]
    if len(fits) == 1:
        return [*fits, *(one for one in (centre, start) if one is not fits[0])]
    return [_Candidate(one.name, one.start_s, is_sure=False) for one in (centre, start)]


def _choose(tags: TimeTags, candidates: list[_Candidate], check: DecayCheck | None) -> ImageTimes:
    chosen, findings = candidates[0], []
    agrees = None if check is None else check.agrees(tags, chosen.start_s)
    if check is not None and agrees is False:
        better = [one for one in candidates[1:] if check.agrees(tags, one.start_s)]
        if better:
            chosen = better[0]
            findings.append(_chosen_by_decay(chosen))
        else:
            findings.append(_decay_differs(chosen, needs_reference=check.needs_reference))
    elif not chosen.is_sure and agrees is None and tags.has_repeats:
        findings.append(_unsure(chosen))
    others = [one for one in candidates if one is not chosen] + _averages(tags, candidates, check)
    source = StartSource(
        chosen.name,
        tuple((one.name, float(np.abs(one.start_s - chosen.start_s).max())) for one in others),
        None if check is None else check.agrees(tags, chosen.start_s),
        _why(tags, chosen, is_first=chosen is candidates[0]),
        tags.reference_is_told,
    )
    if chosen.name == ACQUISITION and not source.fits_decay:
        findings += _reference_differs(tags, chosen, others)
    return ImageTimes(chosen.start_s, tags.duration_s, tuple(findings), source)


def _averages(
    tags: TimeTags, candidates: list[_Candidate], check: DecayCheck | None
) -> list[_Candidate]:
    """FrameReferenceTime as what the standard says, to compare with: it never decides."""
    if check is None or not any(one.name.startswith(_REFERENCE) for one in candidates):
        return []
    offset = average_activity_offset_s(tags.duration_s, check.half_life_s)
    start_s = tags.scan_start_s + tags.reference_s - offset
    return [_Candidate(f"{_REFERENCE} as mean time of the activity", start_s)]


def _why(tags: TimeTags, chosen: _Candidate, *, is_first: bool) -> str:
    if not is_first:
        return "the only reading that fits DecayFactor"
    if chosen.name == ACQUISITION:
        if tags.has_repeats:
            return "which moves with the frame"
        moves = bool(np.ptp(tags.acquisition_s) > _SAME_S)
        return "which moves with the bed" if moves else "the same for all slices"
    rule = "" if tags.vendor is Vendor.OTHER else f" by the rule for {tags.vendor}"
    if tags.moves(tags.acquisition_s):
        return f"as AcquisitionTime is the same for all beds,{rule or ' by the shape of the times'}"
    return f"as AcquisitionTime does not tell the frames apart{',' + rule if rule else ''}"


def _reference_differs(
    tags: TimeTags, chosen: _Candidate, others: list[_Candidate]
) -> list[Finding]:
    """FrameReferenceTime as a cross-check (`science.md` 6.1): by no reading the same pattern.

    A constant difference says nothing: the two may count from different clocks.
    """
    spreads = [float(np.ptp(one.start_s - chosen.start_s)) for one in others]
    if not tags.has_repeats or not spreads or min(spreads) <= _CONTIGUOUS_S:
        return []
    message = (
        f"AcquisitionTime and FrameReferenceTime put the frames apart by up to {min(spreads):.0f} s"
        " differently; AcquisitionTime was taken. Check the frame table."
    )
    return [
        Finding("frame-reference-differs", message, kinetics=Verdict.CONFIRM, fields=FIELDS),
    ]


def _chosen_by_decay(chosen: _Candidate) -> Finding:
    return Finding(
        "frame-times-by-decay-factor",
        f"Frame starts were taken from {chosen.name}, the only reading that fits DecayFactor;"
        " check the frame table.",
        kinetics=Verdict.CONFIRM,
        fields=FIELDS,
    )


def _decay_differs(chosen: _Candidate, *, needs_reference: bool) -> Finding:
    """Frame starts, half-life or, with START, the decay reference are wrong: then SUV is, too."""
    what = (
        "the frame table, the half-life and the decay reference"
        if needs_reference
        else ("the frame table and the half-life")
    )
    return Finding(
        "decay-factor-differs",
        f"DecayFactor does not fit the frame starts taken from {chosen.name}; check {what}.",
        suv=Verdict.CONFIRM if needs_reference else Verdict.READY,
        kinetics=Verdict.CONFIRM,
        fields=FIELDS,
    )


def _unsure(chosen: _Candidate) -> Finding:
    return Finding(
        "frame-times-unsure",
        f"The files do not tell whether FrameReferenceTime is the frame start or its centre;"
        f" {chosen.name} was assumed. Check the frame table or enter it.",
        kinetics=Verdict.CONFIRM,
        fields=FIELDS,
    )


def _unknown(tags: TimeTags, why: str) -> ImageTimes:
    nothing = np.full(len(tags.position), np.nan)
    finding = Finding(
        "frame-times-unknown",
        f"The frame times are unknown: {why}. Enter frame_start_s and frame_duration_s.",
        kinetics=Verdict.REFUSED,
        fields=FIELDS,
    )
    return ImageTimes(nothing, nothing, (finding,))
