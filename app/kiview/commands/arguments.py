"""Reading the words of the command line into checked values."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from kiview.commands.terminal import UsageError
from kiview.core.patlak import SECONDS_PER_MINUTE
from kiview.io.curve_files import CURVE_ENDINGS
from kiview.jobs.regions import RegionFile

Word = TypeVar("Word", bound=StrEnum)


class Method(StrEnum):
    """How maps are computed."""

    PATLAK = "patlak"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class InputWord:
    """What `--input` asked for.

    Attributes:
        kind: `file`, `population`, `aorta` or `network`.
        value: File, name of the population curve, or region file; empty if not given.
    """

    kind: str
    value: str = ""


def path(text: str) -> Path:
    """A path; an empty text, as a variable that was never set leaves it, is none."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def window_s(text: str) -> tuple[float, float]:
    """A time window like `30-60` in minutes, as seconds."""
    first, dash, last = text.partition("-")
    try:
        start, end = float(first), float(last)
    except ValueError:
        start = end = math.nan
    if not dash or not 0 <= start < end < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no window; write start and end in minutes, for example 30-60"
        )
    return start * SECONDS_PER_MINUTE, end * SECONDS_PER_MINUTE


@dataclass(frozen=True, slots=True)
class MergeWord:
    """What `--merge` asked for.

    Attributes:
        length_s: Length of the new frames.
        start_s: Where the first begins, or None for the first frame of the window.
    """

    length_s: float
    start_s: float | None = None


def merge_word(text: str) -> MergeWord:
    """Length and start like `10@30` in minutes, as seconds; the start may be left out."""
    length, at, start = text.partition("@")
    try:
        minutes = [float(length), float(start) if at else 0.0]
    except ValueError:
        minutes = [math.nan, math.nan]
    if not (0 < minutes[0] < math.inf and 0 <= minutes[1] < math.inf):
        raise argparse.ArgumentTypeError(
            f"{text!r}: write the length, and @ where it starts, in minutes, for example 10@30"
        )
    length_s, start_s = (value * SECONDS_PER_MINUTE for value in minutes)
    return MergeWord(length_s, start_s if at else None)


def size_gb(text: str) -> float:
    """A size in GB, 0 or more."""
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write GB, for example 50")
    return size


def words(kind: type[Word]) -> Callable[[str], tuple[Word, ...]]:
    """Reader of a comma-separated list of known words."""

    def read(text: str) -> tuple[Word, ...]:
        try:
            found = [kind(word.strip()) for word in text.split(",")]
        except ValueError as error:
            known = ", ".join(kind)
            raise argparse.ArgumentTypeError(f"{text!r}: choose from {known}") from error
        return tuple(dict.fromkeys(found))

    return read


def assignment(text: str) -> tuple[str, str]:
    """One `name=value` of `--set`."""
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value.strip()):
        raise argparse.ArgumentTypeError(f"{text!r}: write name=value, for example weight_kg=70")
    return name.strip(), value.strip()


def input_word(text: str) -> InputWord:
    """What `--input` asks for: a file, `population[:NAME]`, `aorta[:ROI]`, `network`."""
    head, _, tail = text.partition(":")
    if head in ("population", "aorta"):
        return InputWord(head, tail)
    if text == "network":
        return InputWord(text)
    if not text.lower().endswith(CURVE_ENDINGS):
        known = ", ".join(CURVE_ENDINGS)
        raise argparse.ArgumentTypeError(
            f"{text!r}: give a curve file ({known}), population[:NAME], aorta:ROI or network"
        )
    return InputWord("file", text)


def overrides(assignments: Sequence[tuple[str, str]] | None) -> dict[str, str]:
    """All `--set` values by name.

    Raises:
        UsageError: a name is given twice.
    """
    found: dict[str, str] = {}
    for name, value in assignments or ():
        if name in found:
            raise UsageError(f"--set {name} is given twice")
        found[name] = value
    return found


def require_file(path: Path, what: str) -> Path:
    """The path, if there is such a file.

    Raises:
        UsageError: there is none.
    """
    if not path.is_file():
        raise UsageError(f"{what} {path} is no file")
    return path


def region_file(path: Path, region: str, trusts_position: bool, what: str) -> RegionFile:
    """The region file of `--roi FILE[:NAME]` and `--region NAME`.

    Args:
        path: As given; what follows a colon is a name when only the part before it is a file.
        region: Name given apart.
        trusts_position: Whether a DICOM object of another frame of reference is taken.
        what: The option, for the error.

    Raises:
        UsageError: there is no such file, or the name is given twice.
    """
    text, name = str(path), ""
    for place in (i for i, letter in enumerate(text) if letter == ":"):
        if not path.is_file() and Path(text[:place]).is_file():
            path, name = Path(text[:place]), text[place + 1 :]
            break
    if name and region:
        raise UsageError(f"the region is named twice: {what} and --region")
    return RegionFile(require_file(path, what), name or region, trusts_position)
