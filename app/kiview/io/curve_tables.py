"""Curve files of PMOD (`.bld`, `.crv`, `.tac`, `.voistat`, `.txt`), Turku (`.dft`, `.tac`) and CSV.

Told apart by their first lines, never by their names. Sources: PMOD's own help and the format
pages of Turku PET Centre (CRV, DFT); the fourth DFT line as Turku's `dft.c` reads it: `Time` is the
middle of a frame, `Times` are start and end. CSV has titles like PMOD, and tabs, commas or, where
the comma is the decimal sign, semicolons. Units are taken from the header; none is assumed.
"""

import csv
import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import ReadError
from kiview.core.units import ACTIVITY, SUV_BW, Quantity
from kiview.io.bids_sidecar import ACTIVITY_UNITS, unit_key

_TIME_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
_MISSING = {"", ".", "na", "n/a", "nan"}
_TITLE = re.compile(r"^(.*?)\s*\[(.*)\]$")
_DFT_TIMES = re.compile(r"^(\w+)\s*\((\w+)\)", re.IGNORECASE)
_DFT_HEAD_LINES = 4
_VOISTAT = "# PMOD_VOI_STATISTICS"

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CurveTable:
    """Curves of one file on common times.

    Attributes:
        names: Of the curves.
        time_s: (n,) sample times, or (2, n) starts and ends of frames.
        values: (curves, n) in `quantity`, NaN where missing.
        quantity: Meaning and unit.
    """

    names: tuple[str, ...]
    time_s: Values
    values: Values
    quantity: Quantity

    @property
    def has_frames(self) -> bool:
        """Whether values are means over frames."""
        return self.time_s.ndim == 2


def parse_curves(name: str, text: str) -> CurveTable:
    """Read the curves of a file.

    Args:
        name: File name, for messages.
        text: Its content.

    Raises:
        ReadError: the layout is none that is known, a unit is absent or unknown, or a cell is no
            number; the text says which.
    """
    if text.lstrip().startswith(_VOISTAT):
        return _voistat(name, text)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) < 2:
        raise ReadError(f"{name} holds no curve.")
    return _dft(name, lines) if lines[0].startswith("DFT") else _columns(name, lines)


def _columns(name: str, lines: list[str]) -> CurveTable:
    """PMOD CRV and CSV: one line of titles with units in brackets, then numbers."""
    mark = _mark(lines)
    titles = _titles(name, lines[0], mark)
    words = [title.lower() for title, _ in titles]
    has_frames = words[:2] == ["start", "end"]
    if len(titles) < (3 if has_frames else 2):
        raise ReadError(
            f"{name} does not begin with titles of time and activity, like 'time[min]' and"
            " 'plasma[kBq/cc]'; write such a line."
        )
    first = 2 if has_frames else 1
    seconds = _seconds(name, titles[0][1], titles[0][0])
    shared_unit = titles[1][1] if has_frames else ""
    scaled = [_activity(name, unit or shared_unit, title) for title, unit in titles[first:]]
    if len({quantity.code for quantity, _ in scaled}) > 1:
        raise ReadError(f"{name} mixes activity and SUV; keep the columns of one unit.")
    factors = np.array([factor for _, factor in scaled])
    cells = [_cells(name, line, mark) for line in lines[1:]]
    rows = _numbers(name, _with_points(name, cells) if mark == ";" else cells, len(titles))
    time_s = rows[:, :first].T * seconds
    names = tuple(title for title, _ in titles[first:])
    values = rows[:, first:].T * factors[:, None]
    return CurveTable(names, time_s if has_frames else time_s[0], values, scaled[0][0])


def _mark(lines: list[str]) -> str:
    """What stands between the cells: tab, semicolon or comma; empty for spaces."""
    return next((mark for mark in "\t;," if mark in lines[0] and mark in lines[1]), "")


def _titles(name: str, line: str, mark: str) -> list[tuple[str, str]]:
    """Titles and units; PMOD may put spaces before units and tabs after the last title."""
    cells = _cells(name, re.sub(r"[ ]+(?=\[)", "", line), mark)
    while cells and not cells[-1]:
        cells.pop()
    return [_split_title(cell) for cell in cells]


def _with_points(name: str, rows: list[list[str]]) -> list[list[str]]:
    """Numbers with decimal commas written with points, unless both signs occur."""
    numbers = [cell for row in rows for cell in row if cell.lower() not in _MISSING]
    if any("," in cell for cell in numbers) and any("." in cell for cell in numbers):
        raise ReadError(
            f"{name} has numbers with a comma and numbers with a point; write all with one of them."
        )
    return [[cell.replace(",", ".") for cell in row] for row in rows]


def _dft(name: str, lines: list[str]) -> CurveTable:
    """Turku DFT: four title lines, then numbers."""
    kind = _DFT_TIMES.match(lines[3]) if len(lines) > _DFT_HEAD_LINES else None
    if kind is None or kind.group(1).lower() not in ("time", "times"):
        raise ReadError(
            f"{name} is no DFT file that can be used: its fourth line must begin with Time (middle"
            " of the frame) or Times (start and end) and a unit, like 'Times (min)'."
        )
    heads = [_cells(name, line.rstrip()) for line in lines[:3]]
    count = len(heads[0]) - 1
    unit = heads[2].pop(0)
    if heads[2] and heads[2][0].startswith("("):
        heads[2].pop(0)
    parts = [heads[0][1:], heads[1][1:], heads[2]]
    names = tuple(
        " ".join(p[i] for p in parts if i < len(p) and p[i] not in ("", ".")) for i in range(count)
    )
    first = 2 if kind.group(1).lower() == "times" else 1
    rows = _numbers(name, [_cells(name, line) for line in lines[4:]], first + count)
    quantity, factor = _activity(name, unit)
    time_s = rows[:, :first].T * _seconds(name, kind.group(2))
    values = rows[:, first:].T * factor
    return CurveTable(names, time_s if first == 2 else time_s[0], values, quantity)


def _voistat(name: str, text: str) -> CurveTable:
    """PMOD VOI statistics: one line per region and frame, times in the middle of the frames."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    titles = [_split_title(cell) for cell in lines[0].lstrip("/ ").split("\t")] if lines else []
    place = {title: i for i, (title, _) in reversed(list(enumerate(titles)))}
    wanted = ("VoiName(Region)", "Time", "Averaged")
    if any(title not in place for title in wanted):
        raise ReadError(f"{name} lacks one of the columns {', '.join(wanted)}; export curves.")
    voi, time, mean = (place[title] for title in wanted)
    quantity, factor = _activity(name, titles[mean][1], titles[mean][0])
    seconds = _seconds(name, titles[time][1], titles[time][0])
    found: dict[str, list[list[str]]] = {}
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) < len(titles):
            raise ReadError(f"{name}: row {number} of the table has too few cells.")
        found.setdefault(cells[voi].strip(), []).append([cells[time], cells[mean]])
    tables = [_numbers(name, rows, 2) for rows in found.values()]
    if not tables or any(not np.array_equal(one[:, 0], tables[0][:, 0]) for one in tables):
        raise ReadError(f"{name} holds no curves, or regions at different times; export them anew.")
    values = np.array([one[:, 1] for one in tables]) * factor
    return CurveTable(tuple(found), tables[0][:, 0] * seconds, values, quantity)


def _cells(name: str, line: str, mark: str = "") -> list[str]:
    """Cells between marks; without one between tabs, or between spaces where there is no tab."""
    mark = mark or ("\t" if "\t" in line else "")
    if not mark:
        return line.split()
    try:
        cells = next(csv.reader([line], delimiter=mark, skipinitialspace=True))
    except csv.Error as error:
        raise ReadError(f"{name} is no table: {error}.") from error
    return [cell.strip() for cell in cells]


def _split_title(cell: str) -> tuple[str, str]:
    match = _TITLE.match(cell.strip())
    return (match.group(1).strip(), match.group(2).strip()) if match else (cell.strip(), "")


def _numbers(name: str, rows: list[list[str]], width: int) -> Values:
    """(rows, width) numbers, NaN where missing."""
    for n, row in enumerate(rows, 1):
        if len(row) < width or any(row[width:]):
            raise ReadError(f"{name}: row {n} of the numbers has {len(row)} cells, not {width}.")
    return np.array(
        [[_number(name, n, cell) for cell in row[:width]] for n, row in enumerate(rows, 1)]
    )


def _number(name: str, row: int, cell: str) -> float:
    if cell.strip().lower() in _MISSING:
        return math.nan
    try:
        return float(cell.replace("_", "?"))  # Python reads 1_000, which nobody means
    except ValueError as error:
        raise ReadError(f"{name}: {cell[:20]!r} in row {row} of the numbers is none.") from error


def _seconds(name: str, unit: str, title: str = "") -> float:
    if unit.lower() in _TIME_UNITS:
        return _TIME_UNITS[unit.lower()]
    column = f" in its first column, {title[:40]!r}," if title else ""
    told = f"gives the time{column} in {unit[:20]!r}" if unit else f"has no unit of time{column}"
    raise ReadError(
        f"{name} {told}; put the time first and sec, min or h into its title, like 'time[min]'."
    )


def _activity(name: str, unit: str, title: str = "") -> tuple[Quantity, float]:
    key = unit_key(unit)
    if key in ACTIVITY_UNITS:
        return ACTIVITY, ACTIVITY_UNITS[key]
    if key in ("g/ml", "suv"):
        return SUV_BW, 1.0
    column = f" in column {title[:40]!r}" if title else ""
    told = f"gives activity{column} in {unit[:20]!r}" if unit else f"has no unit{column}"
    raise ReadError(
        f"{name} {told}; write Bq/mL, kBq/mL, MBq/mL, nCi/mL, uCi/mL or g/mL into the title of the"
        " activity, like 'plasma[kBq/mL]', and leave out columns of something else."
    )
