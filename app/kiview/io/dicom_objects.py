"""Opening DICOM objects that are no images: untrusted, of any size, read whole or in part."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pydicom.config
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info, read_partial

from kiview.core.errors import KiviewError, ReadError
from kiview.core.progress import Cancelled
from kiview.io.dicom_fast import DEFLATED
from kiview.io.dicom_inflate import inflated
from kiview.io.limited_file import TooMuchReadError, open_limited

pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # as in dicom_common

MOST_BYTES = 1 << 30
"""Larger files are refused."""
MOST_STRUCTURES = 2000
LONGEST_NAME = 64
LARGEST_MM = 10_000.0
"""Positions beyond this are no place in or near a patient."""
_HEADER_BYTES = 64 << 20
_ROOM = 1 << 20
_WORK_S, _PAUSE_S = 0.003, 0.001


class Breath:
    """Lets other threads have the interpreter now and then.

    Python code that never waits gives it up every 5 ms only, and a window that is drawn needs it
    for each of its many short calls.
    """

    def __init__(self) -> None:
        self._since_s = time.perf_counter()

    def take(self) -> None:
        """Pause for a millisecond if the last pause was some time ago."""
        if time.perf_counter() - self._since_s > _WORK_S:
            time.sleep(_PAUSE_S)
            self._since_s = time.perf_counter()


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Turn whatever pydicom raises on a damaged file into one sentence.

    Raises:
        ReadError: the file cannot be read or is damaged.
    """
    try:
        yield
    except (KiviewError, Cancelled):
        raise
    except TooMuchReadError as error:
        raise ReadError(f"{path.name} is damaged: it claims to hold more than it does.") from error
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read ({error.strerror or 'damaged'}).") from error
    except Exception as error:  # pydicom raises many kinds on damaged files
        raise ReadError(
            f"{path.name} is damaged ({type(error).__name__}); export it again."
        ) from error


def read_header_until(path: Path, tag: int) -> Dataset:
    """Everything before an element.

    Args:
        path: The file.
        tag: The first element that is left out.

    Raises:
        ReadError: the file inflates to too much.
        OSError, TooMuchReadError, Exception: as pydicom pleases; use within `told_of`.
    """
    with _plain(path) as (plain, _), open_limited(plain, _HEADER_BYTES) as file:
        return read_partial(file, lambda found, _kind, _length: found >= tag, force=True)


def read_whole(path: Path) -> Dataset:
    """The whole object; a deflated one is inflated first, never into memory.

    Raises:
        ReadError: the file is too large or inflates to too much.
        OSError, TooMuchReadError, Exception: as pydicom pleases; use within `told_of`.
    """
    with _plain(path) as (plain, size), open_limited(plain, 2 * size + _ROOM) as file:
        return pydicom.dcmread(file, force=True)


@contextmanager
def _plain(path: Path) -> Iterator[tuple[Path, int]]:
    """The file, or what it inflates to, and its size in bytes."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ReadError(
            f"{path.name} is larger than {MOST_BYTES >> 20} MB, which KiView does not read; export"
            " fewer structures."
        )
    try:
        syntax = str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
    except InvalidDicomError:
        syntax = ""  # no preamble: never deflated
    if syntax != DEFLATED:
        yield path, size
        return
    with inflated(str(path), MOST_BYTES) as plain:
        yield plain, plain.stat().st_size


def items_of(dataset: Dataset, keyword: str, most: int, what: str) -> list[Dataset]:
    """Items of a sequence, none where it is absent.

    Args:
        dataset: Where it is.
        keyword: Of the sequence.
        most: More items than this are refused.
        what: The items in words.

    Raises:
        ReadError: it is no sequence, or there are too many.
    """
    value = dataset.get(keyword)
    if value is None:
        return []
    if isinstance(value, str | bytes | int | float) or not hasattr(value, "__len__"):
        raise ReadError(f"The list of {what} is no list; export the object again.")
    if len(value) > most:
        raise ReadError(f"There are {len(value)} {what}, more than the {most} that KiView reads.")
    items = list(value)
    if not all(isinstance(item, Dataset) for item in items):
        raise ReadError(f"The list of {what} holds something else; export the object again.")
    return items


def first_item(dataset: Dataset, keyword: str) -> Dataset:
    """The first item of a sequence, an empty data set where it is absent."""
    items = items_of(dataset, keyword, MOST_BYTES, keyword)
    return items[0] if items else Dataset()


def text_of(dataset: Dataset, keyword: str) -> str:
    """A text on one line, cut to what a label needs; empty where absent."""
    value = dataset.get(keyword)
    if value is None or isinstance(value, list | Dataset):
        return ""
    shown = "".join(c if c.isprintable() else " " for c in str(value))
    return " ".join(shown.split())[:LONGEST_NAME]


def number_of(dataset: Dataset, keyword: str) -> float:
    """A finite number.

    Raises:
        ReadError: it is absent or something else.
    """
    value: Any = dataset.get(keyword)
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ReadError(f"{keyword} is absent or no number; export the object again.") from error
    if not math.isfinite(number):
        raise ReadError(f"{keyword} is no finite number; export the object again.")
    return number


def whole_number(dataset: Dataset, keyword: str) -> int:
    """A whole number.

    Raises:
        ReadError: it is absent or something else.
    """
    number = number_of(dataset, keyword)
    if number != int(number):
        raise ReadError(f"{keyword} is no whole number; export the object again.")
    return int(number)


def numbers_of(dataset: Dataset, keyword: str, count: int) -> list[float]:
    """Some finite numbers.

    Raises:
        ReadError: they are absent, of another count, not finite, or beyond any patient.
    """
    value: Any = dataset.get(keyword)
    try:
        numbers = [float(part) for part in value]
    except (TypeError, ValueError) as error:
        raise ReadError(f"{keyword} is absent or damaged; export the object again.") from error
    if len(numbers) != count or not all(abs(number) <= LARGEST_MM for number in numbers):
        raise ReadError(f"{keyword} is not {count} possible numbers; export the object again.")
    return numbers


def distinct_names(names: list[str], numbers: list[int]) -> list[str]:
    """Names by which regions can be asked for: the number is added where two are the same."""
    lower = [name.lower() for name in names]
    return [
        f"{name} ({number})" if lower.count(name.lower()) > 1 else name
        for name, number in zip(names, numbers, strict=True)
    ]
