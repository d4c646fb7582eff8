"""Blood and region curves from BIDS-style TSV files with a JSON sidecar; see `curve_files`.

`time` in s from injection first, then `plasma_radioactivity` and/or `whole_blood_radioactivity`;
plasma is used where both are given. With `frame_start` and `frame_duration` activities are means
over frames. Missing values are `n/a`. Units come from the sidecar.
"""

import csv
import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.input_curves import FrameCurve
from kiview.core.input_function import Compartment, InputFunction, InputSource, from_samples
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY, SUV_BW, Quantity

_TIME_UNITS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "min": 60.0, "minutes": 60.0}
_ACTIVITY_UNITS: dict[str, tuple[Quantity, float]] = {
    "bq/ml": (ACTIVITY, 1.0),
    "kbq/ml": (ACTIVITY, 1e3),
    "mbq/ml": (ACTIVITY, 1e6),
    "g/ml": (SUV_BW, 1.0),
    "suv": (SUV_BW, 1.0),
}
REGION = "region_radioactivity"
"""Column of the mean of a region that is not called after blood."""
_COMPARTMENTS = {
    "plasma_radioactivity": Compartment.PLASMA,
    "whole_blood_radioactivity": Compartment.WHOLE_BLOOD,
    REGION: Compartment.WHOLE_BLOOD,
}
_PARENT_FRACTION = "metabolite_parent_fraction"
_MISSING = {"", "n/a"}
_COUNTS = {"CPM", "CPS", "TC", "COUNTS"}
_CLOCK = re.compile(r"^\s*\d{1,2}:\d{2}(:\d{2})?\s*$")
_LARGEST_BYTES = 50_000_000
_LARGEST = 1e30
"""Of an integral in Bq s/mL; JSON can hold numbers that no float does."""
_LATE_START_S = 60.0
"""The peak of a bolus is over before."""
_LONG_GAP_S = 1800.0

Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Table:
    columns: Columns
    sidecar: dict[str, Any]
    path: Path
    sha256: str

    def unit(self, name: str) -> str:
        described = self.sidecar.get(name)
        unit = described.get("Units") if isinstance(described, dict) else None
        if isinstance(unit, list) and len(unit) == 1:
            unit = unit[0]
        return str(unit).strip().lower() if unit else ""


def read_input_function(path: Path) -> InputFunction:
    """Read a curve to be used as input function.

    Args:
        path: File ending in `.tsv`, its sidecar beside it with the ending `.json`.

    Returns:
        Input function; findings say what was assumed.

    Raises:
        ReadError: the file cannot be read, is no such table, or names an unknown unit.
        InvalidInputError: the times are not increasing, or a value is not a number.
    """
    table = _read_table(path)
    name = next((name for name in _COMPARTMENTS if name in table.columns), "")
    if not name:
        wanted = " or ".join(known for known in _COMPARTMENTS if known != REGION)
        raise ReadError(f"{path.name} has no column {wanted}; rename the column of the activity.")
    quantity, factor = _activity_unit(table, name)
    activity = table.columns[name] * factor
    known = np.isfinite(activity)
    if "frame_start" in table.columns and "frame_duration" in table.columns:
        curve = _from_frames(table, activity, known, factor)
        measured = InputFunction(curve, _source(table), quantity, _COMPARTMENTS[name])
    else:
        time_s = table.columns["time"] * _time_unit_s(table, "time")
        measured = from_samples(time_s[known], activity[known], quantity, _COMPARTMENTS[name])
    return replace(
        measured,
        source=_source(table),
        description=_description(table),
        findings=_findings(table, name, known),
    )


def _from_frames(
    table: _Table, activity: NDArray[np.float64], known: NDArray[np.bool_], factor: float
) -> FrameCurve:
    if not known.all():
        raise InvalidInputError(f"{table.path.name} has frames without a value.")
    start_s = table.columns["frame_start"] * _time_unit_s(table, "frame_start")
    duration_s = table.columns["frame_duration"] * _time_unit_s(table, "frame_duration")
    timing = FrameTiming(start_s, duration_s)
    before = table.sidecar.get("integral_before_first_frame", 0.0)
    if (
        isinstance(before, bool)
        or not isinstance(before, int | float)
        or not (abs(before) <= _LARGEST)
    ):
        raise ReadError(f"The sidecar of {table.path.name} has no usable integral before frame 1.")
    return FrameCurve(timing.start_s, timing.duration_s, activity, float(before) * factor)


def _source(table: _Table) -> InputSource:
    """Where the curve came from, if KiView wrote it; else samples."""
    known = {str(source): source for source in InputSource}
    return known.get(str(table.sidecar.get("source")), InputSource.SAMPLES)


def _description(table: _Table) -> str:
    """Where it came from and a hash instead of the file's name, which may name the patient."""
    described = table.sidecar.get("description")
    origin = f"{_plain(described)}, " if isinstance(described, str) and described else ""
    return f"{origin}curve file {table.sha256[:8]}"


def _plain(text: str, longest: int = 300) -> str:
    """A text of the file for the screen: one line, not endless."""
    return "".join(c if c.isprintable() else " " for c in text[:longest])


def _findings(table: _Table, name: str, known: NDArray[np.bool_]) -> tuple[str, ...]:
    written = table.sidecar.get("findings")
    sentences = written if isinstance(written, list) else []
    found = [_plain(sentence) for sentence in sentences if isinstance(sentence, str)]
    if name == REGION:
        found.append("The region is not called after blood; its curve was taken as whole blood.")
    if not table.unit(name):
        found.append("The curve file names no unit of activity; Bq/mL was assumed.")
    if not table.unit("time"):
        found.append("The curve file names no unit of time; seconds were assumed.")
    if not known.all():
        found.append(f"{int((~known).sum())} rows without an activity were left out.")
    found += _time_findings(table, known)
    if _PARENT_FRACTION in table.columns:
        found.append(f"The column {_PARENT_FRACTION} was not applied.")
    if not table.sidecar:
        found.append("Without a sidecar the activity is taken as decay-corrected to injection.")
    return tuple(found)


def _time_findings(table: _Table, known: NDArray[np.bool_]) -> list[str]:
    """Where straight lines stand for what was not sampled; frames say it themselves."""
    if "frame_start" in table.columns:
        return []
    return sampling_findings(table.columns["time"][known] * _time_unit_s(table, "time"))


def sampling_findings(time_s: NDArray[np.float64]) -> list[str]:
    """What should be known of the times of samples, (n,) s from injection, at least two."""
    found = []
    if time_s[0] > _LATE_START_S:
        found.append(
            f"The first sample lies {time_s[0]:.0f} s after injection; a straight line from 0 was"
            " taken before it, which can make Ki wrong."
        )
    if np.diff(time_s).max() > _LONG_GAP_S:
        found.append(
            f"Samples lie up to {np.diff(time_s).max() / 60:.0f} min apart; straight lines were"
            " taken between them, which can make Ki wrong."
        )
    return found


def _activity_unit(table: _Table, name: str) -> tuple[Quantity, float]:
    unit = table.unit(name) or "bq/ml"
    if unit not in _ACTIVITY_UNITS:
        known = "Bq/mL, kBq/mL, MBq/mL, g/mL"
        raise ReadError(
            f"{table.path.name} gives {name} in {unit!r}, which cannot be compared with an image;"
            f" convert it to one of {known}."
        )
    return _ACTIVITY_UNITS[unit]


def _time_unit_s(table: _Table, name: str) -> float:
    unit = table.unit(name) or "s"
    if unit not in _TIME_UNITS:
        raise ReadError(
            f"{table.path.name} gives {name} in {unit!r}; write seconds from injection."
        )
    return _TIME_UNITS[unit]


def _read_table(path: Path) -> _Table:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ReadError(f"{path.name} is too large for a curve.")
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ReadError(f"The curve {path.name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ReadError(f"{path.name} is no text file; choose a BIDS .tsv curve.") from error
    columns = _columns(path, text)
    return _Table(columns, _sidecar(path), path, hashlib.sha256(content).hexdigest())


def _columns(path: Path, text: str) -> Columns:
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter="\t") if any(row)]
    except csv.Error as error:
        raise ReadError(f"{path.name} is no table: {error}.") from error
    heading = [name.strip() for name in rows[0]] if rows else []
    if "time" not in heading or len(set(heading)) < len(heading):
        raise ReadError(
            f"{path.name} does not begin with a heading that has one column 'time' and tabs between"
            f" the columns; choose a BIDS .tsv curve.{_what_it_is(heading, rows)}"
        )
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(heading):
            raise ReadError(f"{path.name}: row {number} has {len(row)} cells, not {len(heading)}.")
    return {
        name: np.array(
            [_number(path, row[i], (number, name)) for number, row in enumerate(rows[1:], 2)]
        )
        for i, name in enumerate(heading)
        if name in {"time", "frame_start", "frame_duration", *_COMPARTMENTS, _PARENT_FRACTION}
    }


def _what_it_is(heading: list[str], rows: list[list[str]]) -> str:
    """Why a table of counts or clock times is no curve, as far as it shows."""
    told = []
    for column, name in enumerate(_plain(name, 40) for name in heading):
        if name.upper() in _COUNTS:
            told.append(f" Column {name} holds counts, which need the counter's factor to Bq/mL.")
        cells = [(row[column] if len(row) > column else "") for row in rows]
        clock = next((n for n, cell in enumerate(cells, 1) if _CLOCK.match(cell)), 0)
        if clock:
            first = cells[clock - 1].strip()
            told.append(f" Column {name} holds clock times ({first} in row {clock}), not seconds.")
    return "".join(told)


def _number(path: Path, cell: str, place: tuple[int, str]) -> float:
    if cell.strip().lower() in _MISSING:
        return math.nan
    try:
        return float(cell.replace("_", "?"))  # Python reads 1_000, which nobody means
    except ValueError as error:
        raise ReadError(
            f"{path.name}: {cell[:20]!r} in row {place[0]}, column {place[1]}, is no number; write"
            " times in seconds from injection and n/a where a value is missing."
        ) from error


def _sidecar(path: Path) -> dict[str, Any]:
    file = path.with_suffix(".json")
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(f"The sidecar {file.name} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ReadError(f"The sidecar {file.name} is no JSON object.")
    return content
