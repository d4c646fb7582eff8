"""Series that may be parts of one scan and were not joined: each is told of its neighbour and why.

A neighbour has the same description but for numbers, in one study of one patient, and is measured
before or after without overlap. Two reconstructions of the same frames overlap and are none.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kiview.core.errors import KiviewError
from kiview.core.study import Finding
from kiview.core.timing import time_text
from kiview.io.dicom_joined import (
    LONGEST_PAUSE_S,
    OVERLAP_S,
    SAME,
    Part,
    part_of,
    plain_name,
    same_places,
)
from kiview.io.overrides import UserGiven
from kiview.io.scan import DicomSeriesFiles
from kiview.io.sop_classes import PET

Groups = list[list[DicomSeriesFiles]]
_KIN = ("StudyInstanceUID", "PatientID")


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """A group of series that are read as one.

    Attributes:
        place: Of the group among the others.
        part: Its first series.
        start_s: Of its first frame, from the beginning of the calendar.
        end_s: Of its last frame.
    """

    place: int
    part: Part
    start_s: float
    end_s: float


def tell_apart(groups: Groups, given: UserGiven) -> Groups:
    """The groups, of which each that has a neighbour begins with a series that tells of it.

    Args:
        groups: Series that are read as one, as `joined` gives them.
        given: Values entered by the user.
    """
    kin: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, (first, *_) in enumerate(groups):
        if first.sop_class == PET:
            key = [first.headers.distinct(name) for name in _KIN]
            kin[plain_name(first.headers), *key].append(place)
    told: dict[int, list[str]] = defaultdict(list)
    for places in kin.values():
        known = [_scan(place, groups[place], given) for place in places if len(places) > 1]
        scans = [scan for scan in known if scan is not None]
        for before in scans:
            _tell_follower(before, scans, told)
    return [_telling(group, told[place]) for place, group in enumerate(groups)]


def not_one(members: Iterable[DicomSeriesFiles], reason: str) -> list[DicomSeriesFiles]:
    """Series that looked like one scan, each telling why they could not be read as one."""
    message = (
        "Series that follow each other in time look like parts of one scan but were read apart, as"
        f" together they cannot be read: {reason}"
    )
    return [_telling([one], [message])[0] for one in members]


def _telling(group: list[DicomSeriesFiles], messages: list[str]) -> list[DicomSeriesFiles]:
    if not messages:
        return group
    apart = Finding("series-apart", " ".join(messages))
    return [replace(group[0], findings=(*group[0].findings, apart)), *group[1:]]


def _scan(place: int, group: list[DicomSeriesFiles], given: UserGiven) -> _Scan | None:
    """When a group was measured, None where that is not known."""
    given = UserGiven(given.numbers, given.words)  # entered times are those of one series
    try:
        parts = [part_of(files, given) for files in group]
    except KiviewError:
        return None
    if not all(part.frames.are_known and part.clock.base_day > 1 for part in parts):
        return None
    spans = [span for part in parts for span in part.spans()]
    return _Scan(place, parts[0], min(spans)[0], max(end for _, end in spans))


def _tell_follower(before: _Scan, scans: list[_Scan], told: dict[int, list[str]]) -> None:
    """Tell a scan and the next one of each other; of several at a time the one most alike."""
    later = [scan for scan in scans if scan.start_s >= before.end_s - OVERLAP_S]
    after = min(
        later,
        key=lambda scan: (scan.start_s, len(_differing(before.part, scan.part))),
        default=None,
    )
    if after is None or after is before:
        return
    why = _why(before, after)
    pause_s = after.start_s - before.end_s
    apart = f"{time_text(pause_s / 60)} min" if pause_s > OVERLAP_S else "right"
    hint = "if both are one scan, look for missing images or enter what differs."
    for scan, other, when in (
        (before, after, f"begins {apart} after this one ended"),
        (after, before, f"ended {apart} before this one began"),
    ):
        uid = other.part.files.uid
        told[scan.place].append(f"Series {uid} {when} and was not joined with it: {why}; {hint}")


def _differing(before: Part, after: Part) -> list[str]:
    """Attributes that differ and that parts of one scan share."""
    one, other = before.files.headers, after.files.headers
    return [name for name in SAME if set(one.distinct(name)) != set(other.distinct(name))]


def _why(before: _Scan, after: _Scan) -> str:
    reasons = []
    if after.start_s - before.end_s > LONGEST_PAUSE_S:
        reasons.append("the pause is longer than within one scan")
    differing = _differing(before.part, after.part)
    if differing:
        verb = "differs" if len(differing) == 1 else "differ"
        reasons.append(f"{', '.join(differing)} {verb}")
    if not same_places([before.part, after.part]):
        reasons.append("their slices lie at other places")
    if not (before.part.has_sure_reference and after.part.has_sure_reference):
        reasons.append("a series time is later than the images, so decay has no common reference")
    return " and ".join(reasons) or "not all their images follow each other as those of one scan do"
