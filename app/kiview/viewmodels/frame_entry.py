"""Frame times as people write them: seconds or minutes and seconds, typed or from a spreadsheet."""

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError

_MINUS = "\N{MINUS SIGN}"
_MINUTES = re.compile(r"^(-?)(\d+):([0-5]?\d(?:\.\d+)?)$")
_SECONDS = re.compile(r"^-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")
_SHOWN_CHARACTERS = 20


def time_of(text: str, what: str) -> float:
    """A time in s: `90`, `90.5`, `90,5`, or minutes and seconds, `1:30`.

    Args:
        text: As written.
        what: What it is, for the sentence.

    Raises:
        InvalidInputError: it is no such time.
    """
    plain = text.strip().removesuffix("s").strip().replace(_MINUS, "-").replace(",", ".")
    minutes = _MINUTES.match(plain)
    if minutes:
        seconds = 60 * int(minutes[2]) + float(minutes[3])
        return -seconds if minutes[1] else seconds
    if _SECONDS.match(plain) and math.isfinite(float(plain)):
        return float(plain)
    raise InvalidInputError(
        f"{what}: '{text.strip()[:_SHOWN_CHARACTERS]}' is no time; enter seconds (90) or minutes"
        " and seconds (1:30)."
    )


def pasted_columns(text: str) -> list[list[str]]:
    """Cells of a table that was copied from a spreadsheet, by column.

    Raises:
        InvalidInputError: there is nothing, or rows have different numbers of cells.
    """
    lines = [line.split("\t") for line in text.strip("\r\n").splitlines()]
    if not lines or not any(cell.strip() for line in lines for cell in line):
        raise InvalidInputError("There is nothing to paste; copy a column of times first.")
    odd = next((n for n, line in enumerate(lines) if len(line) != len(lines[0])), None)
    if odd is not None:
        raise InvalidInputError(
            f"Row {odd + 1} of what was pasted has {len(lines[odd])} cells, the first has"
            f" {len(lines[0])}; copy a full column."
        )
    return [list(column) for column in zip(*lines, strict=True)]


def seconds_text(value_s: float) -> str:
    """A time in s to the millisecond without needless zeros; empty for NaN."""
    if math.isnan(value_s):
        return ""
    text = f"{value_s:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", _MINUS)


def span_text(values_s: NDArray[np.float64] | Sequence[float]) -> str:
    """Smallest and largest of some times in s, or the one that all are."""
    low, high = (seconds_text(float(value)) for value in (np.min(values_s), np.max(values_s)))
    dash = "to" if _MINUS in low + high else "\N{EN DASH}"
    return low if low == high else f"{low} {dash} {high}"
