"""The report of a curve network."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitrain.curve_scores import FLOOR, NETWORK, REGION, UNSCALED, CurveScores
from kitrain.report import bars_table

if TYPE_CHECKING:
    from kitrain.curve_judge import CurveJudgement

_METHODS = (UNSCALED, REGION, FLOOR, NETWORK)
_TEXT = """# How {id} {version} was judged

`python -m kitrain evaluate --network models/{id} {options}`
simulated people that no training has seen and printed every number here. Errors are means of
absolute relative errors in percent: of the area under the plasma curve up to 60 min (or the end
of the scan), and of the curve at five times over the frames. Vessels are blood of at most 12 cm2
in a slice; the floor scales the population curve to all blood without its outermost voxels. A scan
has a vessel when at least 2 mL of its slices are blood. Definitions: `kitrain/curve_scores.py`.

## What it has to reach

{bars}

## Error of the area under the curve (over the frames)

{table}

## Scans with and without a vessel

It refuses when the mean probability of what it attends to is below {threshold}.

{refused}
"""


def curve_report(judged: "CurveJudgement", card: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    sets, effort = {"standard": judged.standard, **judged.others}, judged.effort
    return _TEXT.format(
        id=card["id"],
        version=card["version"],
        options=f"--slabs {effort.scans} --conditions {effort.per_condition} --seed {effort.seed}",
        bars=bars_table(judged.bars),
        table=_table(judged.titles, sets),
        threshold=card["least_probability"],
        refused=_refused(judged.titles, sets),
    )


def _table(titles: Mapping[str, str], sets: Mapping[str, CurveScores]) -> str:
    lines = [
        "| scans | with a vessel | " + " | ".join(_METHODS) + " |",
        "|---" * (len(_METHODS) + 2) + "|",
    ]
    for name, scores in sets.items():
        if scores.with_vessel:
            cells = [_cell(scores, method) for method in _METHODS]
            lines.append(f"| {titles[name]} | {scores.with_vessel} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(scores: CurveScores, method: str) -> str:
    if method not in scores.errors:
        return "-"
    return f"{100 * scores.mean(method, 'area'):.1f} ({100 * scores.mean(method, 'late'):.1f})"


def _refused(titles: Mapping[str, str], sets: Mapping[str, CurveScores]) -> str:
    lines = ["| scans | refused of those with | refused of those without |", "|---|---|---|"]
    for name, scores in sets.items():
        lines.append(
            f"| {titles[name]} | {scores.refused} of {scores.with_vessel} |"
            f" {scores.refused_without} of {scores.without_vessel} |"
        )
    return "\n".join(lines)
