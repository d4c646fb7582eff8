"""Headers of DICOM files as text, one file or a whole series in columns."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, ReadError
from kiview.io.dicom_fast import MoreNeededError, NotPlainError
from kiview.io.dicom_slow import values_of
from kiview.io.dicom_templates import TemplateReader
from kiview.io.limited_file import TooMuchReadError, open_limited

FRAME = "FrameInFile"
"""Column with the index of an image in its multi-frame file; absent for single-slice files."""
_FIRST_BYTES = 16 << 10
_MOST_BYTES = 64 << 20
_MOST_SLOW_BYTES = 8 << 20
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")


@dataclass(frozen=True, slots=True)
class Header:
    """What was read from one file.

    Attributes:
        path: The file.
        size: Bytes.
        modified_ns: Time of the last change.
        own: Keyword -> text; several parts joined by a backslash.
        transfer_syntax: UID, empty if the file states none.
        pixel_offset: First byte of uncompressed little-endian pixels, or -1 to use pydicom.
        pixel_length: Bytes of those.
        shared: More keywords and texts, one dictionary for many files of a series.
    """

    path: str
    size: int
    modified_ns: int
    own: dict[str, str]
    transfer_syntax: str
    pixel_offset: int = -1
    pixel_length: int = 0
    shared: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """Keyword -> text."""
        return {**self.shared, **self.own}

    def text(self, name: str) -> str:
        """One text, empty where absent."""
        return self.own.get(name) or self.shared.get(name, "")


def read_header(path: str | Path, reader: TemplateReader | None = None) -> Header | None:
    """Read the header of one file, without its pixels.

    Args:
        path: The file.
        reader: Keeps what headers share from file to file; None reads this one on its own.

    Returns:
        The header, or None if the file is not DICOM.

    Raises:
        ReadError: the file cannot be opened, is cut off or damaged.
    """
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            status = os.fstat(file)
            where = _Where(str(path), status.st_size, status.st_mtime_ns)
            return _read_open_file(where, file, reader or TemplateReader())
        finally:
            os.close(file)
    except OSError as error:
        raise ReadError(f"cannot be read ({error.strerror or type(error).__name__})") from error


class _Where(NamedTuple):
    path: str
    size: int
    modified_ns: int


def _read_open_file(where: _Where, file: int, reader: TemplateReader) -> Header | None:
    data, size = os.read(file, _FIRST_BYTES), where.size
    if not looks_like_dicom(data):
        return None
    matched = _by_template(where, data, reader)
    if matched is not None:
        return matched
    while True:
        raw = None
        try:
            raw = reader.parse(data)
        except MoreNeededError as error:
            if len(data) >= min(size, _MOST_BYTES):
                raise ReadError("is cut off or damaged in its header") from error
        except NotPlainError:
            return read_with_pydicom(where.path)
        if raw is not None and (raw.is_whole or len(data) >= size):
            break
        data += os.read(file, 7 * len(data))
    learned = _by_template(where, data, reader)  # shares its texts with files to come
    if learned is not None:
        return learned
    _refuse_cut_off(raw.pixel_offset, raw.pixel_length, size)
    texts = {name: raw.text(name) for name in raw.values}
    return Header(*where, texts, raw.transfer_syntax, raw.pixel_offset, raw.pixel_length)


def _by_template(where: _Where, data: bytes, reader: TemplateReader) -> Header | None:
    found = reader.match(data)
    if found is None:
        return None
    template, own, offset, length = found
    _refuse_cut_off(offset, length, where.size)
    return Header(*where, own, template.transfer_syntax, offset, length, template.shared)


def _refuse_cut_off(offset: int, length: int, size: int) -> None:
    if offset >= 0 and offset + length > size:
        raise ReadError("is cut off: pixels are missing at its end")


def looks_like_dicom(data: bytes) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without a preamble."""
    if data[128:132] == b"DICM":
        return True
    if data[:2] not in _FIRST_GROUPS or data[3:4] != b"\0" or len(data) < 64:
        return False
    kind, length = data[4:6], int.from_bytes(data[4:8], "little")
    return (kind.isalpha() and kind.isupper()) or length < 256


def read_with_pydicom(path: str | Path) -> Header:
    """The same header by pydicom: other byte orders, files without a preamble, odd encodings.

    Raises:
        ReadError: pydicom cannot read the file either.
    """
    try:
        with open_limited(path, _MOST_SLOW_BYTES) as file:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            values = values_of(dataset)
    except OSError as error:
        raise ReadError(f"cannot be read ({error.strerror or 'damaged'})") from error
    except TooMuchReadError as error:
        raise ReadError("is damaged: its header claims more than a header holds") from error
    except Exception as error:  # pydicom raises many kinds on damaged files
        raise ReadError(f"is damaged ({type(error).__name__})") from error
    if not values:
        raise ReadError("is damaged: it holds no DICOM header")
    meta = getattr(dataset, "file_meta", None)
    stated = "" if meta is None else meta.get("TransferSyntaxUID", "")
    syntax = str(stated) if isinstance(stated, str) else "no UID"  # a sequence in a damaged file
    status = os.stat(path)  # noqa: PTH116 - a text, like all paths of headers
    return Header(str(path), status.st_size, status.st_mtime_ns, values, syntax)


@dataclass(slots=True, eq=False)
class HeaderTable:
    """Headers of many images in columns; a column of one value is kept once.

    Attributes:
        paths: The file of each image.
        columns: Keyword -> the text all files share, or one text per file.
        files: (n, 4) int64: bytes and time of change (ns) of each file, first byte (-1 where
            pydicom must read) and number of bytes of its pixels.
    """

    paths: list[str]
    columns: dict[str, str | list[str]]
    files: NDArray[np.int64]
    _numbers: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    @classmethod
    def from_headers(cls, headers: list[Header]) -> "HeaderTable":
        """Turn headers of a series into columns."""
        shared = list({id(header.shared): header.shared for header in headers}.values())
        own = {name for header in headers for name in header.own}
        names = dict.fromkeys([*own, *(name for texts in shared for name in texts)])
        columns: dict[str, str | list[str]] = {}
        for name in names:
            texts = {part.get(name, "") for part in shared}
            if name in own or len(texts) > 1:
                columns[name] = _column([header.text(name) for header in headers])
            else:
                columns[name] = texts.pop()
        columns["TransferSyntaxUID"] = _column([header.transfer_syntax for header in headers])
        return cls(
            [header.path for header in headers],
            columns,
            np.array(
                [(h.size, h.modified_ns, h.pixel_offset, h.pixel_length) for h in headers],
                np.int64,
            ),
        )

    @property
    def pixel_offset(self) -> NDArray[np.int64]:
        """(n,) first byte of uncompressed pixels, -1 where pydicom must read."""
        return self.files[:, 2]

    @property
    def pixel_length(self) -> NDArray[np.int64]:
        """(n,) bytes of uncompressed pixels."""
        return self.files[:, 3]

    def identities(self, index: Iterable[int]) -> list[tuple[str, int, int]]:
        """Path (and frame in it), bytes and time of change of some images, for cache keys."""
        sizes, times = self.files[:, 0].tolist(), self.files[:, 1].tolist()
        frames = [f"\0{text}" if text else "" for text in self.texts(FRAME)]
        return [(self.paths[i] + frames[i], sizes[i], times[i]) for i in index]

    def __len__(self) -> int:
        return len(self.paths)

    def texts(self, name: str) -> list[str]:
        """One text per file, empty where absent."""
        column = self.columns.get(name, "")
        return [column] * len(self) if isinstance(column, str) else column

    def text_at(self, name: str, index: int) -> str:
        """The text of one file, empty where absent."""
        column = self.columns.get(name, "")
        return column if isinstance(column, str) else column[index]

    def distinct(self, name: str) -> tuple[str, ...]:
        """The different texts of a column, in order of appearance."""
        column = self.columns.get(name, "")
        return (column,) if isinstance(column, str) else tuple(dict.fromkeys(column))

    def text(self, name: str) -> str:
        """The text of the first file."""
        return self.distinct(name)[0]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """(n,) numbers, NaN where absent.

        Raises:
            InvalidInputError: a text is not a number.
        """
        if name not in self._numbers:
            known = {text: self._number(name, text) for text in self.distinct(name)}
            column = self.columns.get(name, "")
            values = (
                np.full(len(self), known[column])
                if isinstance(column, str)
                else np.array([known[text] for text in column])
            )
            self._numbers[name] = values
        return self._numbers[name]

    def number(self, name: str) -> float | None:
        """The one number that all files share, or None where it is absent.

        Raises:
            InvalidInputError: it is no number, or files differ.
        """
        values = np.unique(self.numbers(name))
        if len(values) > 1:
            first, second = ("absent" if np.isnan(v) else f"{v:.10g}" for v in values[:2])
            raise InvalidInputError(
                f"{name} differs within the series ({first} and {second}); separate the images."
            )
        return None if np.isnan(values[0]) else float(values[0])

    def positive(self, name: str) -> tuple[float | None, str]:
        """The positive number that all files share, or None and why there is none."""
        try:
            value = self.number(name)
        except InvalidInputError as error:
            return None, str(error)
        if value is None:
            return None, f"{name} is absent."
        if value <= 0:
            return None, f"{name} is {value:g}."
        return value, ""

    def vectors(self, name: str, size: int) -> NDArray[np.float64]:
        """(n, size) numbers of a column with several parts.

        Raises:
            InvalidInputError: a text is absent or holds another number of parts.
        """
        known = {text: self._vector(name, text, size) for text in self.distinct(name)}
        return np.array([known[text] for text in self.texts(name)]).reshape(len(self), size)

    def take(self, index: Iterable[int]) -> "HeaderTable":
        """Some of the files, in the order given."""
        chosen = np.fromiter(index, np.int64)
        columns: dict[str, str | list[str]] = {
            name: column if isinstance(column, str) else [column[i] for i in chosen]
            for name, column in self.columns.items()
        }
        paths = [self.paths[i] for i in chosen]
        return HeaderTable(paths, columns, self.files[chosen])

    @staticmethod
    def _number(name: str, text: str) -> float:
        first = text.split("\\", maxsplit=1)[0].strip()
        if not first:
            return float("nan")
        try:
            value = float(first.replace("_", "?"))
        except ValueError as error:
            raise InvalidInputError(f"{name} is {first[:20]!r}, which is not a number.") from error
        if not np.isfinite(value):
            raise InvalidInputError(f"{name} is {first[:20]!r}, which is not a finite number.")
        return value

    @classmethod
    def _vector(cls, name: str, text: str, size: int) -> list[float]:
        parts = [cls._number(name, part) for part in text.split("\\")]
        if len(parts) != size or not np.isfinite(parts).all():
            raise InvalidInputError(f"{name} needs {size} numbers but is {text[:60]!r}.")
        return parts


def _column(texts: list[str]) -> str | list[str]:
    return texts[0] if texts.count(texts[0]) == len(texts) else texts
