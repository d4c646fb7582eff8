"""Input functions from curve files of every kind that is read."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from kiview.core.blood_names import BLOOD_WORDS, sounds_like_blood
from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.input_function import (
    Compartment,
    InputFunction,
    InputSource,
    from_region,
    from_samples,
)
from kiview.core.tac import TimeActivityCurve
from kiview.core.timing import FrameTiming
from kiview.io import curve_bids
from kiview.io.curve_tables import CurveTable, parse_curves

BIDS_ENDING = ".tsv"
TABLE_ENDINGS = (".csv", ".bld", ".crv", ".tac", ".voistat", ".txt", ".dft")
"""CSV, PMOD and Turku; a file of these endings may hold several curves."""
CURVE_ENDINGS = (BIDS_ENDING, *TABLE_ENDINGS)
_PLASMA_WORDS = ("plasma", "parent")
_MOST_BYTES = 50_000_000
_MOST_NAMES = 12
_DECAY = "The curve file names no decay reference; activity is taken as corrected to injection."


def read_input_function(path: Path, curve: str = "") -> InputFunction:
    """Read a curve to be used as input function.

    Args:
        path: BIDS `.tsv`, or a file with one of `TABLE_ENDINGS`.
        curve: Name of the wanted curve where a file holds several; empty takes the one that is
            named after plasma, else after blood.

    Returns:
        Input function; findings say what was assumed.

    Raises:
        ReadError: the file cannot be read or lacks a unit.
        InvalidInputError: times or values do not serve, or none of several curves is named.
        MissingInformationError: frames begin late, so that the integral before is unknown.
    """
    if path.suffix.lower() not in TABLE_ENDINGS:
        return curve_bids.read_input_function(path)
    content = _content(path)
    try:
        table = parse_curves(path.name, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ReadError(f"{path.name} is no text file; choose a curve file.") from error
    number = _chosen(path.name, table, curve)
    name = table.names[number]
    compartment, findings = _compartment(name)
    made = (
        _from_frames(path.name, table, number)
        if table.has_frames
        else _from_samples(path.name, table, number)
    )
    digest = hashlib.sha256(content).hexdigest()[:8]
    return replace(
        made,
        source=InputSource.SAMPLES,
        compartment=compartment,
        description=f"curve {name[:40] or number + 1} of curve file {digest}",
        findings=(*made.findings, *findings, _DECAY),
    )


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ReadError(f"{path.name} is too large for a curve.")
        return path.read_bytes()
    except OSError as error:
        raise ReadError(f"The curve {path.name} cannot be read: {error.strerror}.") from error


def _chosen(file: str, table: CurveTable, wanted: str) -> int:
    """Number of the curve to take."""
    known = range(len(table.names))
    fitting = [i for i in known if not wanted or table.names[i].lower() == wanted.lower()]
    for words in (_PLASMA_WORDS, BLOOD_WORDS):
        if len(fitting) > 1:
            fitting = [i for i in fitting if _has(table.names[i], words)] or fitting
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(table.names[:_MOST_NAMES])
    more = " and more" if len(table.names) > _MOST_NAMES else ""
    asked = f"no curve {wanted[:40]!r}" if not fitting else "several curves"
    raise InvalidInputError(
        f"{file} holds {asked}, and none that alone is called after plasma or blood; name one"
        f" (--region) or keep only that one: {names}{more}."
    )


def _has(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name.lower() for word in words)


def _compartment(name: str) -> tuple[Compartment, tuple[str, ...]]:
    if _has(name, _PLASMA_WORDS):
        return Compartment.PLASMA, ()
    if sounds_like_blood(name):
        return Compartment.WHOLE_BLOOD, ()
    told = f"The curve {name[:40]!r} is called after neither plasma nor blood; it was taken as"
    return Compartment.WHOLE_BLOOD, (f"{told} whole blood.",)


def _from_frames(file: str, table: CurveTable, number: int) -> InputFunction:
    values = table.values[number]
    if not np.isfinite(values).all():
        raise InvalidInputError(f"{file} has frames without a value in the curve that is used.")
    start_s, end_s = table.time_s
    timing = FrameTiming(start_s, end_s - start_s)
    curve = TimeActivityCurve(timing, values, np.zeros_like(values), 0, table.quantity, "")
    return from_region(curve)


def _from_samples(file: str, table: CurveTable, number: int) -> InputFunction:
    known = np.isfinite(table.values[number])
    if known.sum() < 2:
        raise InvalidInputError(f"{file} has fewer than two values in the curve that is used.")
    time_s = table.time_s[known]
    made = from_samples(time_s, table.values[number][known], table.quantity)
    findings = [*curve_bids.sampling_findings(time_s)]
    if not known.all():
        findings.insert(0, f"{int((~known).sum())} rows without an activity were left out.")
    return replace(made, findings=tuple(findings))
