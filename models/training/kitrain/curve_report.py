"""The report of a curve network."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitrain.card_text import people_of
from kitrain.curve_scores import FLOOR, NETWORK, REGION, UNSCALED, CurveScores
from kitrain.report import REPORT_NAME, bars_table, seeds_table

if TYPE_CHECKING:
    from kitrain.curve_judge import CurveJudgement
    from kitrain.evaluate import Effort

_METHODS = (UNSCALED, REGION, FLOOR, NETWORK)
_TEXT = """# How {id} {version} was judged

`python -m kitrain evaluate --network models/{id} {options}`
simulated people that no training has seen and printed every number here. Errors are means of
absolute relative errors in percent: of the area under the plasma curve up to 60 min (or the end
of the scan), and of the curve at five times over the frames. Vessels are blood of at most 12 cm2
in a slice; the floor scales the population curve to all blood without its outermost voxels. A scan
has a vessel when at least 2 mL of its slices are blood. Ki maps are made by the network that
`--ki` names. Definitions: `kitrain/curve_scores.py`.

## What it has to reach

{bars}

{seeds}## Error of the area under the curve (over the frames)

{table}

## Scans with and without a vessel

It refuses when the mean probability of what it attends to is below {threshold}.

{refused}
"""


_SEEDS = """## Every seed of the training

The same training from other seeds, with the same people, on the same scans (`--seeds`). Those
networks do not come with the program.

{table}

"""


_CARD = """# {title} ({id} {version})

Research use only. Finds blood in late frames of an FDG scan and tells the plasma curve from
injection on, so that nobody has to draw a region. Follows the second network of US 2021/0272340
A1 (granted as US 11,010,938). Licence {licence}.

## What goes in and comes out

Frames decay-corrected to injection, any {frames} or more. `kiview.nets.curve_features` makes
nine maps of them with the population curve and with the network `{ki}`; this network gives a
logit per voxel that it is blood, on {voxel} mm voxels. Attention over the whole scan gives
level and slope of blood, and the read-out in `card.toml` turns eight numbers without unit into
the curve (`kiview.nets.curve_readout`). Doubling the frames doubles the curve exactly. Below a
mean probability of {threshold} it refuses.

## What it was trained on

Simulation only ({train} people for training, {validation} for validation): {people}. Command:
`{command}` ({minutes} min), seed {seed}; configuration and hashes of the data in `card.toml`.

## Scores

From [{report}]({report}), which tells how and holds every table.

{bars}

## What it gets wrong

- Late frames tell little of the early part of a curve; that part is a population's.
- It knows simulated people only, and vessels that are at least 2 mL of the scan.
- Plasma over blood is that of the simulated people; a measured ratio cannot be given to it.
- Never checked against blood samples of patients.
"""


def curve_card_text(card: Mapping[str, Any], judged: "CurveJudgement") -> str:
    """The readable card of a judged curve network."""
    training = card["training"]
    data = training["config"]["data"]
    return _CARD.format(
        title=card["title"],
        id=card["id"],
        version=card["version"],
        licence=card["licence"],
        frames=card["domain"]["frame_count"][0],
        ki=card["ki_network"]["id"],
        voxel=" x ".join(f"{d:g}" for d in card["voxel_mm"]),
        threshold=card["least_probability"],
        train=data["train"],
        validation=data["validation"],
        people=people_of(data),
        command=training["command"],
        minutes=training["minutes"],
        seed=training["seed"],
        report=REPORT_NAME,
        bars=bars_table(judged.bars),
    )


def curve_report(judged: "CurveJudgement", card: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    sets = {"standard": judged.standard, **judged.others}
    return _TEXT.format(
        id=card["id"],
        version=card["version"],
        options=_options(judged.effort, judged.ki_id) + judged.asked,
        bars=bars_table(judged.bars),
        seeds=_SEEDS.format(table=seeds_table(judged.seeds)) if judged.seeds else "",
        table=_table(judged.titles, sets),
        threshold=card["least_probability"],
        refused=_refused(judged.titles, sets),
    )


def _options(effort: "Effort", ki_id: str) -> str:
    told = {"slabs": effort.scans, "conditions": effort.per_condition, "seed": effort.seed}
    return " ".join(f"--{n} {value}" for n, value in told.items()) + f" --ki models/{ki_id}"


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
