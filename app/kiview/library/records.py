"""What the library holds about a study, and the checks of what comes back from its file."""

import math
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.study import FileEntry

LONGEST_TEXT = 1024
LONGEST_PATH_BYTES = 32_768
LARGEST_SIDE = 256
"""Of a thumbnail, pixels."""
ID_PREFIX = "lib-"
_ID_DIGITS = 10


class LibrarySort(StrEnum):
    """Order of the list."""

    RECENT = "recent"
    NAME = "name"
    DATE = "date"
    TRACER = "tracer"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture of a study.

    Attributes:
        width: Pixels.
        height: Pixels.
        grey: One byte a pixel, row by row, 0 black.
    """

    width: int
    height: int
    grey: bytes

    def __post_init__(self) -> None:
        sides = (self.width, self.height)
        if not all(1 <= side <= LARGEST_SIDE for side in sides):
            raise InvalidInputError(f"A thumbnail of {sides} pixels is not kept.")
        if len(self.grey) != self.width * self.height:
            raise InvalidInputError("The pixels of a thumbnail do not fit its size.")


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """One series of a study in the library.

    Attributes:
        uid: Series instance UID.
        kind: What it is, see `SeriesKind`.
        modality: DICOM modality.
        description: Series description.
        frame_count: Frames, 0 where it cannot be shown.
        slice_count: Slices, 0 where it cannot be shown.
        span_s: Start and end in s from the injection, or None where unknown.
        store_key: Its store in the voxel cache, or None.
        files: Paths of its files.
    """

    uid: str
    kind: str
    modality: str
    description: str
    frame_count: int
    slice_count: int
    span_s: tuple[float, float] | None = None
    store_key: str | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study as it is put into the library.

    Attributes:
        uid: Study instance UID.
        source: Absolute path it was opened from.
        patient_id: Hospital id.
        patient_name: Name as in the files (DICOM PN).
        patient_sex: `M`, `F`, `O` or empty.
        study_date: `YYYY-MM-DD` or empty.
        tracer: Tracer or nuclide, empty if unknown.
        activity_bq: Injected activity, or None.
        series: Its series.
        main_series: Index of the series shown first, or None.
        files: Every file that was looked at.
        fingerprint: Name of the remembered folder in the cache; another one means that files
            changed.
        thumbnail: A small picture, or None to keep the one that is there.
    """

    uid: str
    source: Path
    patient_id: str
    patient_name: str
    patient_sex: str
    study_date: str
    tracer: str
    activity_bq: float | None
    series: tuple[SeriesRecord, ...]
    main_series: int | None
    files: tuple[FileEntry, ...]
    fingerprint: str
    thumbnail: Thumbnail | None = None


@dataclass(frozen=True, slots=True)
class LibraryStudy:
    """A study as the library lists it.

    Attributes:
        library_id: Short name without meaning, stands for the study on the command line.
        uid: Study instance UID.
        path: What to open.
        patient_id: Hospital id.
        patient_name: Name as in the files (DICOM PN).
        study_date: `YYYY-MM-DD` or empty.
        tracer: Tracer or nuclide, empty if unknown.
        activity_bq: Injected activity, or None.
        frame_count: Frames of the series shown first.
        slice_count: Its slices.
        span_s: Its start and end in s from the injection, or None.
        file_count: Files that were looked at.
        size_bytes: What they take.
        opened_s: When it was last opened, seconds since 1970.
        thumbnail: A small picture, or None.
    """

    library_id: str
    uid: str
    path: Path
    patient_id: str
    patient_name: str
    study_date: str
    tracer: str
    activity_bq: float | None
    frame_count: int
    slice_count: int
    span_s: tuple[float, float] | None
    file_count: int
    size_bytes: int
    opened_s: float
    thumbnail: Thumbnail | None = None


def is_library_id(text: str) -> bool:
    """Whether a text has the form of a library id, for example `lib-0f3a9c1b22`."""
    digits = text.removeprefix(ID_PREFIX)
    return text.startswith(ID_PREFIX) and len(digits) == _ID_DIGITS and _is_hex(digits)


def name_of(record: StudyRecord) -> str:
    """The patient's name as it is kept."""
    return stored_text(record.patient_name)


def search_text(record: StudyRecord) -> str:
    """All that a search looks through, one line a thing, in one case."""
    parts = (
        record.patient_name.replace("^", " "),
        record.patient_id,
        record.study_date,
        record.tracer,
        str(record.source),
        *(one.description for one in record.series),
    )
    return "\n".join(stored_text(part) for part in parts).casefold()


def path_below(root: str, path: str) -> str:
    """The part of a path below a folder; other paths stay whole."""
    start = root.rstrip(os.sep) + os.sep
    return path[len(start) :] if path.startswith(start) else path


def stored_text(text: str) -> str:
    """A text as it may be kept: no unpaired surrogates, no control characters, not endless."""
    sound = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else " " for c in sound[:LONGEST_TEXT]).strip()


def stored_path(path: str | Path) -> bytes:
    """A path as bytes, whatever its name is made of."""
    return os.fsencode(path)


def read_path(value: Any) -> Path:  # noqa: ANN401 - from a file
    """A path of the library's file.

    Raises:
        ReadError: it is none, or not absolute.
    """
    if not isinstance(value, bytes) or not 0 < len(value) <= LONGEST_PATH_BYTES or b"\0" in value:
        raise ReadError("a path in the library is damaged")
    path = Path(os.fsdecode(value))
    if not path.is_absolute() or ".." in path.parts:
        raise ReadError("a path in the library is not absolute")
    return path


def read_file(row: tuple[Any, ...]) -> FileEntry:
    """A row (folder, path below it or whole, bytes, time) as a file.

    Raises:
        ReadError: a value cannot be.
    """
    folder, path, size, modified_ns = row
    if not isinstance(folder, bytes) or not isinstance(path, bytes) or not path:
        raise ReadError("a path in the library is damaged")
    whole = read_path(os.path.join(folder, path))  # noqa: PTH118 - bytes
    if not isinstance(modified_ns, int):
        raise ReadError("a time in the library is damaged")
    return FileEntry(str(whole), _checked_count(size), modified_ns)


def read_study(row: tuple[Any, ...]) -> LibraryStudy:
    """A row of `Library.search` as a study.

    Raises:
        ReadError: a value is not of its type or cannot be.
    """
    texts = [_checked_text(value) for value in row[:6]]
    if not is_library_id(texts[0]):
        raise ReadError("an id in the library is damaged")
    counts = [_checked_count(value) for value in row[8:12]]
    return LibraryStudy(
        library_id=texts[0],
        uid=texts[1],
        path=read_path(row[6]),
        patient_id=texts[2],
        patient_name=texts[3],
        study_date=texts[4],
        tracer=texts[5],
        activity_bq=_checked_number(row[7]),
        frame_count=counts[0],
        slice_count=counts[1],
        file_count=counts[2],
        size_bytes=counts[3],
        opened_s=_checked_number(row[12]) or 0.0,
        span_s=_span(row[13], row[14]),
        thumbnail=_thumbnail(*row[15:18]),
    )


def _span(start: Any, end: Any) -> tuple[float, float] | None:  # noqa: ANN401 - from a file
    if start is None or end is None:
        return None
    return _checked_number(start) or 0.0, _checked_number(end) or 0.0


def _thumbnail(width: Any, height: Any, grey: Any) -> Thumbnail | None:  # noqa: ANN401 - from a file
    if grey is None:
        return None
    if not isinstance(grey, bytes):
        raise ReadError("a picture in the library is damaged")
    try:
        return Thumbnail(_checked_count(width), _checked_count(height), grey)
    except InvalidInputError as error:
        raise ReadError("a picture in the library is damaged") from error


def _checked_text(value: Any) -> str:  # noqa: ANN401 - from a file
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or value != stored_text(value):
        raise ReadError("a text in the library is damaged")
    return value


def _checked_count(value: Any) -> int:  # noqa: ANN401 - from a file
    if not isinstance(value, int) or not 0 <= value < 2**62:
        raise ReadError("a number in the library is damaged")
    return value


def _checked_number(value: Any) -> float | None:  # noqa: ANN401 - from a file
    if value is None:
        return None
    if not isinstance(value, float | int) or not math.isfinite(value):
        raise ReadError("a number in the library is damaged")
    return float(value)


def _is_hex(text: str) -> bool:
    return all(c in "0123456789abcdef" for c in text)
