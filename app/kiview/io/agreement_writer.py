"""Write how two maps agree: numbers as CSV and JSON, pictures as SVG."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from kiview import __version__
from kiview.core.agreement import Agreement
from kiview.core.provenance import JsonValue
from kiview.io.dicom_common import APPLICATION, RESEARCH_USE

CSV_NAME, JSON_NAME = "agreement.csv", "agreement.json"
SCATTER_NAME, BLAND_ALTMAN_NAME = "scatter.svg", "bland_altman.svg"
NAMES = [CSV_NAME, JSON_NAME, SCATTER_NAME, BLAND_ALTMAN_NAME]
"""What `write_agreement` writes."""

_WIDTH, _HEIGHT, _LEFT, _TOP, _MARGIN = 640, 480, 84, 46, 24
_BOTTOM = 62
_TICKS = 5


@dataclass(frozen=True, slots=True, eq=False)
class AgreementReport:
    """What is written.

    Attributes:
        rows: Numbers per region; the first is the one that is drawn.
        first: (n,) values of map A in some voxels.
        second: (n,) values of map B in the same voxels.
        names: What A and B are, for axes and records.
        unit: Unit of both.
        findings: Sentences about what could not be compared.
    """

    rows: tuple[Agreement, ...]
    first: NDArray[np.float32]
    second: NDArray[np.float32]
    names: tuple[str, str]
    unit: str
    findings: tuple[str, ...] = ()


def write_agreement(folder: Path, report: AgreementReport) -> None:
    """Write all files of `NAMES` into an existing folder."""
    _write_csv(folder / CSV_NAME, report)
    record = _record(report)
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    (folder / JSON_NAME).write_text(text, encoding="utf-8")
    (folder / SCATTER_NAME).write_text(_scatter(report), encoding="utf-8")
    (folder / BLAND_ALTMAN_NAME).write_text(_bland_altman(report), encoding="utf-8")


def _write_csv(path: Path, report: AgreementReport) -> None:
    columns = [field.name for field in fields(Agreement)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, "unit", "map_a", "map_b"])
        for row in report.rows:
            values = asdict(row)
            writer.writerow([*(values[c] for c in columns), report.unit, *report.names])


def _record(report: AgreementReport) -> dict[str, JsonValue]:
    rows: list[JsonValue] = [
        {name: _finite(value) for name, value in asdict(row).items()} for row in report.rows
    ]
    return {
        "map_a": report.names[0],
        "map_b": report.names[1],
        "unit": report.unit,
        "regions": rows,
        "findings": [*report.findings],
        "software": f"{APPLICATION} {__version__}",
        "intended_use": RESEARCH_USE,
    }


def _finite(value: JsonValue) -> JsonValue:
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where values lie in a picture."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        width, height = _WIDTH - _LEFT - _MARGIN, _HEIGHT - _TOP - _BOTTOM
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return _LEFT + across * width, _HEIGHT - _BOTTOM - up * height


def _scatter(report: AgreementReport) -> str:
    both = np.concatenate([report.first, report.second])
    axes = _Axes(_range(both), _range(both))
    row = report.rows[0]
    title = (
        f"{row.name}: r = {row.correlation:.4f}, concordance = {row.concordance:.4f},"
        f" n = {row.voxel_count}"
    )
    low, high = axes.x
    lines = [_line(axes, (low, low), (high, high), "#888888")]
    labels = tuple(f"{name} [{report.unit}]" for name in report.names)
    return _picture(axes, title, labels, [*lines, *_dots(axes, report.first, report.second)])


def _bland_altman(report: AgreementReport) -> str:
    mean, difference = (report.first + report.second) / 2, report.second - report.first
    row = report.rows[0]
    levels = [row.lower_limit, row.bias, row.upper_limit]
    axes = _Axes(_range(mean), _range(np.concatenate([difference, levels])))
    lines = [
        _line(axes, (axes.x[0], level), (axes.x[1], level), colour)
        for level, colour in zip(levels, ("#b33a3a", "#222222", "#b33a3a"), strict=True)
    ]
    title = (
        f"{row.name}: bias {row.bias:.3g}, limits of agreement {row.lower_limit:.3g} to"
        f" {row.upper_limit:.3g} {report.unit}"
    )
    labels = (f"mean [{report.unit}]", f"{report.names[1]} - {report.names[0]} [{report.unit}]")
    return _picture(axes, title, labels, [*_dots(axes, mean, difference), *lines])


def _range(values: NDArray[np.floating]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room


def _dots(axes: _Axes, x: NDArray[np.floating], y: NDArray[np.floating]) -> list[str]:
    places = (axes.place(float(a), float(b)) for a, b in zip(x, y, strict=True))
    return [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="1.6"/>' for a, b in places]


def _line(axes: _Axes, a: tuple[float, float], b: tuple[float, float], colour: str) -> str:
    (x1, y1), (x2, y2) = axes.place(*a), axes.place(*b)
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="1.5"/>'


def _picture(axes: _Axes, title: str, labels: Sequence[str], content: list[str]) -> str:
    across, up = (escape(label) for label in labels)
    middle_x, middle_y = (_LEFT + _WIDTH - _MARGIN) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    parts = [
        f'{opening} font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="26">{escape(title)}</text>',
        *_frame(axes),
        f'<g fill="#1f6fb2" fill-opacity="0.45">{"".join(content)}</g>',
        f'<text x="{middle_x}" y="{_HEIGHT - 26}" text-anchor="middle">{across}</text>',
        f'<text transform="translate(18 {middle_y}) rotate(-90)" text-anchor="middle">{up}</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}" font-size="10" fill="#666666">{RESEARCH_USE}</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)


def _frame(axes: _Axes) -> list[str]:
    parts = []
    for x, y in zip(np.linspace(*axes.x, _TICKS), np.linspace(*axes.y, _TICKS), strict=True):
        left, bottom = axes.place(float(x), axes.y[0])
        parts.append(f'<text x="{left:.1f}" y="{bottom + 16:.1f}" font-size="11"')
        parts.append(f' text-anchor="middle">{x:.3g}</text>')
        left, level = axes.place(axes.x[0], float(y))
        parts.append(f'<text x="{left - 6:.1f}" y="{level + 4:.1f}" font-size="11"')
        parts.append(f' text-anchor="end">{y:.3g}</text>')
    corner, size = (_LEFT, _TOP), (_WIDTH - _LEFT - _MARGIN, _HEIGHT - _TOP - _BOTTOM)
    parts.append(
        f'<rect x="{corner[0]}" y="{corner[1]}" width="{size[0]}" height="{size[1]}"'
        ' fill="none" stroke="#444444"/>'
    )
    return parts
