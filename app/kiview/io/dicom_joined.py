"""One scan written as several PET series, each with a frame, a pass or a bed of its own.

Some systems give each frame or bed a series instance UID. Such series are read as one where
nothing contradicts it: same study, patient position, grid, unit, corrections and injection, the
same description but for numbers, and times that follow each other without overlap, as one scanner
can only do one thing at a time. Two reconstructions of the same frames overlap in time, an early
and a late scan leave a gap: both stay apart. What is joined is told and to be confirmed.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import KiviewError
from kiview.core.study import Finding, Verdict
from kiview.io.dicom_frames import Frames, frames_of
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_meaning import decay_state_of
from kiview.io.dicom_slices import SAME_POSITION_MM, SPACING_TOLERANCE_MM, SliceStack, stack_slices
from kiview.io.dicom_times import DAY_S, Clock, series_start_s
from kiview.io.overrides import UserGiven
from kiview.io.scan import DicomSeriesFiles
from kiview.io.sop_classes import PET

LONGEST_PAUSE_S = 60.0
"""Between frames or beds of one scan; an early and a late scan are farther apart."""
OVERLAP_S = 0.5
"""Frames that follow each other may overlap by this much."""
_SAME_MOMENT_S = 1e-3
SAME = (
    "StudyInstanceUID",
    "PatientID",
    "FrameOfReferenceUID",
    "Manufacturer",
    "ImageType",
    "SeriesType",
    "Rows",
    "Columns",
    "PixelSpacing",
    "SliceThickness",
    "ImageOrientationPatient",
    "Units",
    "SUVType",
    "DecayCorrection",
    "CorrectedImage",
    "RadiopharmaceuticalStartTime",
    "RadiopharmaceuticalStartDateTime",
    "RadionuclideTotalDose",
    "RadionuclideHalfLife",
    "PatientWeight",
)
"""What series of one scan share."""
_NUMBER = re.compile(r"[\d.,:/#()\[\]_-]+")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One series with its own places and times.

    Attributes:
        files: The series.
        clock: Of the series.
        stack: Positions of its images.
        frames: Times of its images.
        reference_s: Decay reference on its clock, NaN where there is none.
    """

    files: DicomSeriesFiles
    clock: Clock
    stack: SliceStack
    frames: Frames
    reference_s: float

    @property
    def place_mm(self) -> NDArray[np.float64]:
        """Positions of its slices along the normal, ascending."""
        affine = self.stack.geometry.affine_lps_mm
        step = float(np.linalg.norm(affine[:3, 0]))
        first = float(affine[:3, 3] @ (affine[:3, 0] / step))
        return np.asarray(first + step * np.arange(self.stack.slice_count), np.float64)

    @property
    def has_sure_reference(self) -> bool:
        """Whether the decay reference is the series time, not one guessed from its images.

        A series time after its images is that of later processing, and the images of one frame do
        not tell when the scan began.
        """
        start = series_start_s(self.files.headers, self.clock)
        return start <= self.frames.first_s + _SAME_MOMENT_S

    def spans(self) -> list[tuple[float, float]]:
        """Start and end of each frame, s from the beginning of the calendar."""
        zero = self.clock.base_day * DAY_S
        start = self.frames.start_tz + zero
        end = start + self.frames.duration_tz
        return [(float(a.min()), float(b.max())) for a, b in zip(start, end, strict=True)]


def joined(series: Iterable[DicomSeriesFiles], given: UserGiven) -> list[list[DicomSeriesFiles]]:
    """Which series are one scan.

    Args:
        series: Of one patient.
        given: Values entered by the user.

    Returns:
        Groups of series, in the order of their first one; most hold one.
    """
    groups: dict[tuple[str, ...], list[DicomSeriesFiles]] = defaultdict(list)
    for number, files in enumerate(series):
        groups[_signature(files) or (str(number),)].append(files)
    result = []
    for members in groups.values():
        is_one = len(members) > 1 and _parts_of_one_scan(members, given) is not None
        result += [members] if is_one else [[one] for one in members]
    return result


def join(members: list[DicomSeriesFiles], given: UserGiven) -> DicomSeriesFiles:
    """Series of a group of `joined` as one.

    Where all tell the same series time, only the UID was different and all tags mean what they mean
    in one series. Else each series tells times and decay reference of its own.
    """
    parts = _parts_of_one_scan(members, given) if len(members) > 1 else None
    if parts is None:
        return members[0]
    names = dict.fromkeys(name for part in parts for name in part.files.headers.columns)
    columns = {
        name: _column([text for part in parts for text in part.files.headers.texts(name)])
        for name in names
    }
    if not _share_a_start(parts):
        columns.update(AcquisitionDate="", AcquisitionTime="", FrameReferenceTime="", ImageIndex="")
        columns["AcquisitionDateTime"] = [text for part in parts for text in _moments(part)]
        columns["DecayReferenceDateTime"] = [text for part in parts for text in _references(part)]
    headers = HeaderTable(
        [path for part in parts for path in part.files.headers.paths],
        columns,
        np.concatenate([part.files.headers.files for part in parts]),
    )
    first = parts[0].files
    apart = (one for part in parts for one in part.files.findings)
    return DicomSeriesFiles(first.uid, first.sop_class, headers, (_told(parts), *apart))


def _signature(files: DicomSeriesFiles) -> tuple[str, ...] | None:
    """What series of one scan share; None for what is never joined."""
    headers = files.headers
    if files.sop_class != PET or not headers.text("FrameOfReferenceUID"):
        return None
    values = [headers.distinct(name) for name in SAME]
    if any(len(one) > 1 for one in values):
        return None
    return (plain_name(headers), *(one[0] for one in values))


def plain_name(headers: HeaderTable) -> str:
    """Series description without numbers, by which parts of one scan differ."""
    return " ".join(_NUMBER.sub(" ", headers.text("SeriesDescription")).casefold().split())


def _parts_of_one_scan(members: list[DicomSeriesFiles], given: UserGiven) -> list[Part] | None:
    """The series in the order of time, or None where they are no single scan.

    Entered frame times are those of the scan, not of its parts: the files' own decide.
    """
    given = UserGiven(given.numbers, given.words)
    try:
        parts = [part_of(files, given) for files in members]
    except KiviewError:
        return None
    if not all(part.frames.are_known and part.clock.base_day > 1 for part in parts):
        return None
    if any(len(part.frames.order.left_out) for part in parts):
        return None
    parts.sort(key=lambda part: part.spans()[0])
    if not _share_a_start(parts) and not all(part.has_sure_reference for part in parts):
        return None
    follows = _follow_each_other([span for part in parts for span in part.spans()])
    return parts if follows and (same_places(parts) or _beds(parts)) else None


def _share_a_start(parts: list[Part]) -> bool:
    """Whether all series tell the same date and time."""
    told = {
        (part.files.headers.distinct("SeriesDate"), part.files.headers.distinct("SeriesTime"))
        for part in parts
    }
    return len(told) == 1


def part_of(files: DicomSeriesFiles, given: UserGiven) -> Part:
    """Places and times of one series.

    Raises:
        KiviewError: it cannot be read alone.
    """
    clock = Clock.of(files.headers)
    state = decay_state_of(files.headers, clock, given)
    stack = stack_slices(files.headers)
    frames = frames_of(files.headers, clock, stack, state, given)
    return Part(files, clock, stack, frames, state.reference_s)


def _follow_each_other(spans: list[tuple[float, float]]) -> bool:
    """Whether frames neither overlap nor leave a pause longer than a scan does."""
    ordered = sorted(spans)
    pauses = [after[0] - before[1] for before, after in pairwise(ordered)]
    return all(-OVERLAP_S <= pause <= LONGEST_PAUSE_S for pause in pauses)


def same_places(parts: list[Part]) -> bool:
    """Whether each series covers the whole range: a frame or a pass."""
    first = parts[0].place_mm
    return all(
        len(part.place_mm) == len(first)
        and float(np.abs(part.place_mm - first).max()) <= SAME_POSITION_MM
        for part in parts
    )


def _beds(parts: list[Part]) -> bool:
    """Each series covers a range of its own, side by side, with as many frames."""
    if len({part.frames.count for part in parts}) > 1:
        return False
    places = sorted((part.place_mm for part in parts), key=lambda place: float(place[0]))
    gaps = np.diff(np.concatenate(places))
    usual = float(np.median(gaps))
    return usual > SAME_POSITION_MM and bool(
        (np.abs(gaps - usual) <= max(SPACING_TOLERANCE_MM, 0.1 * usual)).all()
    )


def _moments(part: Part) -> list[str]:
    """Start of each image as a DICOM date and time."""
    start = np.full(len(part.files.headers), math.nan)
    start[part.frames.order.files] = part.frames.start_tz
    return [_date_time(part.clock, float(value)) for value in start]


def _references(part: Part) -> list[str]:
    """Decay reference for each image, empty where the series has none."""
    known = not math.isnan(part.reference_s)
    text = _date_time(part.clock, part.reference_s) if known else ""
    return [text] * len(part.files.headers)


def _date_time(clock: Clock, seconds: float) -> str:
    day, micro = divmod(round(seconds * 1e6), round(DAY_S * 1e6))
    whole, rest = divmod(micro, 1_000_000)
    when = date.fromordinal(clock.base_day + day)
    hour, minute, second = whole // 3600, whole // 60 % 60, whole % 60
    return f"{when:%Y%m%d}{hour:02d}{minute:02d}{second:02d}.{rest:06d}"


def _column(texts: list[str]) -> str | list[str]:
    return texts[0] if texts.count(texts[0]) == len(texts) else texts


def _told(parts: list[Part]) -> Finding:
    what = "frames" if same_places(parts) else "beds"
    message = (
        f"{len(parts)} series that follow each other in time were read as {what} of one scan;"
        " confirm that they belong together."
    )
    return Finding("series-joined", message, kinetics=Verdict.CONFIRM)
