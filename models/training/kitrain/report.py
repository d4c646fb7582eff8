"""The report of a judgement: tables, every lesion, plain numbers."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kitrain.bars import SMALLEST_ORGAN_KI, Bar, best_conventional
from kitrain.bundle import CARD_TEXT_NAME
from kitrain.coverage_text import coverage_numbers, coverage_text
from kitrain.evaluate import Effort, Judgement
from kitrain.manifest import write_whole
from kitrain.methods import CONTROL, DIRECT, NETWORK, SHIPPED
from kitrain.pictures import save_sheet
from kitrain.scores import ALL, FAINT_RECOVERY, LesionRow, MethodScores, SetScores
from kitrain.test_sets import ROBUSTNESS, STANDARD
from kitrain.whole_bodies import WholeBodies
from kiview.core.map_scores import LOST_RECOVERY
from kiview.nets.tie import DENY_SIGMAS, KEEP_SIGMAS

REPORT_NAME, LESIONS_NAME, SCORES_NAME = "REPORT.md", "lesions.csv", "scores.json"
CONFIRMATION_NAME = "CONFIRMATION.md"
_CONFIRMED = """The judgement of `REPORT.md` once more, of a finished network, on people who
were simulated for it: nothing of network, program or judging was chosen with them.

"""

_REACHED = "## What it has to reach\n\n"
_IN_CARD = """## On people with whom nothing was chosen

From [{file}]({file}), which says who they are and holds every table.

"""

_TEXT = """# How {name} was judged

`python -m kitrain evaluate --network models/{id} {options}`
simulated {scans} people that no training has seen ({standard}; {lesions} lesions of 2 : 1 or more
and 0.5 mL or more, each in two noise realisations) and printed every number here. Noise of
neighbouring slices is correlated as that of the standard scanner. Definitions:
`core/map_scores.py` and `kitrain/scored.py`. The widths of the filters were chosen on
{validation} other people. `{shipped}` is what the program shows.

## What it has to reach

{bars}

{seeds}## Standard scan

{table}

Lesion bias: all (fewer than 20 voxels / more). CNR is the median. "Lost" has its exact binomial
95 % interval; lesions of both noise realisations count, so the interval is a little too narrow.

## Tissues

Bias of the mean in percent; where the true Ki is below 0.001 /min, the mean in 1/1000 min and the
truth in brackets.

{organs}

{coverage}## Other scans

NRMSE to truth, {per} people each; {counts} with few and with many counts.

{conditions}

## Whole bodies

{bodies}

## Slider

{slider}

## Consistency step: what it gives and costs

On {more} people who neither trained nor are judged, among them those the filters were chosen on.
The program keeps what Patlak shows beyond {keep:g} sigma and denies what the network shows beyond
{deny:g}, and beyond more where Patlak is noisy, in every row; beyond half as much where the
network is unsure, and what may as well be a vessel is held to Patlak, in all rows but the last two
(`nets/tie.py`). What each does to false hot spots stands with the whole bodies; nothing was chosen
by it.

{tradeoff}
"""


def write_report(folder: Path, judged: Judgement, name: str) -> None:
    """Write the report, the list of lesions and all numbers into the folder of a network.

    Args:
        folder: Of the network.
        judged: What was found.
        name: Of the network and its version, for the heading.
    """
    write_whole(folder / REPORT_NAME, report_text(judged, folder.name, name))
    write_whole(folder / LESIONS_NAME, lesion_list(judged.standard))
    write_whole(folder / SCORES_NAME, json.dumps(numbers(judged), indent=1) + "\n")
    for number, sheet in enumerate(judged.bodies.sheets if judged.bodies else ()):
        save_sheet(sheet, folder / _picture_name(number))


def write_confirmation(folder: Path, text: str) -> None:
    """Write a report on other people beside the report of a network, without its pictures.

    What it reached there is told at the end of its card, too.
    """
    told = "\n".join(line for line in text.split("\n") if not line.startswith("!["))
    heading, _, body = told.partition("\n\n")
    write_whole(folder / CONFIRMATION_NAME, f"{heading}, once more\n\n{_CONFIRMED}{body}")
    card = folder / CARD_TEXT_NAME
    if card.is_file():
        section = _IN_CARD.format(file=CONFIRMATION_NAME)
        before = card.read_text(encoding="utf-8").partition(section)[0].rstrip("\n")
        reached = body.partition(_REACHED)[2].partition("\n\n")[0]
        write_whole(card, f"{before}\n\n{section}{reached}\n")


def report_text(judged: Judgement, network_id: str, name: str) -> str:
    """The report as Markdown."""
    return _TEXT.format(
        name=name,
        id=network_id,
        scans=judged.standard.scans,
        options=_options(judged.effort) + judged.asked,
        per=judged.effort.per_condition,
        counts=judged.effort.per_count,
        standard=STANDARD.title,
        lesions=judged.standard.lesions,
        validation=judged.validation_scans,
        shipped=SHIPPED,
        bars=bars_table(judged.bars),
        seeds=_SEEDS.format(table=seeds_table(judged.seeds)) if judged.seeds else "",
        table=scores_table(judged.standard.methods),
        organs=_organs(judged.standard),
        coverage=coverage_text({STANDARD.name: judged.standard, **judged.others}),
        conditions=_conditions(judged) if judged.others else "(not judged)",
        bodies=_bodies(judged.bodies),
        slider=_slider(judged) if judged.slider else "The network has none.",
        keep=KEEP_SIGMAS,
        deny=DENY_SIGMAS,
        more=judged.tradeoff_scans,
        tradeoff=scores_table(judged.tradeoff),
    )


def _options(effort: Effort) -> str:
    told = {"slabs": effort.scans, "conditions": effort.per_condition, "counts": effort.per_count}
    told |= {"bodies": effort.bodies}
    return " ".join(f"--{name} {value}" for name, value in (told | {"seed": effort.seed}).items())


def bars_table(bars: Sequence[Bar]) -> str:
    """Bars as Markdown."""
    lines = ["| what | found | to reach | | |", "|---|---|---|---|---|"]
    lines += [
        f"| {_cell(b.what)} | {b.value:.3g} | {b.sign} {b.bound:.3g} | {b.verdict} | {b.note} |"
        for b in bars
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_SEEDS = """## Every seed of the training

The same trainings from other seeds, each on its own, on the standard scan. Their weights are those
that the training left in its folder (`--run`), before any calibration of their uncertainty; they do
not come with the network.

{table}

"""


def seeds_table(seeds: Mapping[int, Sequence[Bar]]) -> str:
    """What several seeds reached, and their mean, as Markdown."""
    heads = ["what", *(f"seed {seed}" for seed in seeds), "mean", "to reach", ""]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for bars in zip(*seeds.values(), strict=True):
        mean = mean_bar(bars)
        cells = [_cell(mean.what), *(f"{bar.value:.3g}" for bar in (*bars, mean))]
        cells += [f"{mean.sign} {mean.bound:.3g}", mean.verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean_bar(bars: Sequence[Bar]) -> Bar:
    """One bar with the mean of what several seeds reached."""
    names = {bar.what for bar in bars}
    what = bars[0].what if len(names) == 1 else bars[0].what.partition(" (")[0]
    value = float(np.mean([bar.value for bar in bars]))
    return replace(bars[0], what=what, value=value, note="")


_HEADS = (
    "method", "NRMSE truth", "SSIM", "NRMSE 4-D", "SSIM 4-D", "NRMSE indep. 4-D", "NRMSE 5x 4-D",
    "noise %", "body bias %", "lesion bias %", "CRC", "CNR", "lost % (95 %)", "CRC < 0.3 %",
)  # fmt: skip


def scores_table(methods: Mapping[str, MethodScores]) -> str:
    """Methods and their main scores as Markdown; shares in percent."""
    lines = ["| " + " | ".join(_HEADS) + " |", "|---" * len(_HEADS) + "|"]
    lines += [f"| {name} | " + " | ".join(_cells(s)) + " |" for name, s in methods.items()]
    return "\n".join(lines)


def _cells(scores: MethodScores) -> list[str]:
    names = ("nrmse", "ssim", "nrmse_direct", "ssim_direct", "nrmse_independent", "nrmse_high")
    small, large = (_lesion_bias(scores, large=flag) for flag in (False, True))
    share, low, high = scores.lost_interval()
    faint, count = scores.below(FAINT_RECOVERY)
    return [
        *(_figure(scores.mean(name), 3) for name in names),
        _figure(100 * float(np.mean(scores.noise)) if scores.noise else float("nan"), 1),
        _figure(100 * scores.mean("body_bias"), 1),
        f"{100 * scores.bias():.0f} ({small:.0f} / {large:.0f})",
        _figure(scores.recovery, 2),
        _figure(scores.contrast_to_noise, 1),
        f"{100 * share:.2f} ({100 * low:.2f} to {100 * high:.2f})",
        _figure(100 * faint / count if count else float("nan"), 1),
    ]


def _lesion_bias(scores: MethodScores, *, large: bool) -> float:
    return 100 * scores.bias(lambda row: row.score.is_large is large)


def _figure(value: float, digits: int) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def _organs(scores: SetScores) -> str:
    shown = [name for name in scores.methods if name != CONTROL]
    tissues = sorted({tissue for n in shown for tissue in scores.methods[n].organs} - {ALL})
    lines = ["| tissue | " + " | ".join(shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for tissue in tissues:
        cells = [_organ(scores.methods[name].organs.get(tissue)) for name in shown]
        lines.append(f"| {tissue} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _organ(sums: Sequence[float] | None) -> str:
    if sums is None:
        return "-"
    values, truth, voxels = sums
    if truth / voxels >= SMALLEST_ORGAN_KI:
        return f"{100 * (values / truth - 1):.1f} %"
    return f"{1e3 * values / voxels:.2f} ({1e3 * truth / voxels:.2f})"


def _conditions(judged: Judgement) -> str:
    titles = {kind.name: kind.title for kind in ROBUSTNESS}
    heads = ["scans", "best filter", "its NRMSE", DIRECT, NETWORK, SHIPPED]
    heads += ["body bias % of both", "lost of counted"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, scores in judged.others.items():
        rival = best_conventional(scores)
        methods = [scores.methods[m] for m in (rival, DIRECT, NETWORK, SHIPPED)]
        biases = " / ".join(f"{100 * m.mean('body_bias'):.1f}" for m in methods[2:])
        lost, count = methods[3].below(LOST_RECOVERY)
        cells = [titles[name], rival, *(_figure(m.mean("nrmse"), 3) for m in methods)]
        lines.append("| " + " | ".join([*cells, biases, f"{lost} of {count}"]) + " |")
    return "\n".join(lines)


def lesion_list(scores: SetScores) -> str:
    """Every lesion in every map as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["method", "subject", "lesion", "realisation", "volume_ml", "true_contrast"]
    writer.writerow([*head, "bias", "crc", "cnr", "must_not_be_lost"])
    for name, method in scores.methods.items():
        writer.writerows([name, *_lesion_cells(row)] for row in method.lesions)
    return out.getvalue()


def _lesion_cells(row: LesionRow) -> list[object]:
    score = row.score
    found = (row.volume_ml, row.contrast, score.bias, score.recovery, score.contrast_to_noise)
    head = [row.subject, row.number, row.realisation]
    return [*head, *(f"{value:.4g}" for value in found), int(row.counts)]


def numbers(judged: Judgement) -> dict[str, Any]:
    """Everything as plain values, for programs."""
    sets = {STANDARD.name: judged.standard, **judged.others}
    return {
        "bars": [
            {"what": b.what, "found": _plain(b.value), "sign": b.sign, "bound": _plain(b.bound),
             "verdict": b.verdict}
            for b in judged.bars
        ],
        "seeds": {
            str(seed): {b.what: _plain(b.value) for b in bars}
            for seed, bars in judged.seeds.items()
        },
        "sets": {
            name: {
                "scans": scores.scans,
                "lesions": scores.lesions,
                "methods": {m: summary(s) for m, s in scores.methods.items()},
            }
            for name, scores in sets.items()
        },
        "coverage": coverage_numbers(sets),
        "slider": {f"{a:g}": summary(s) for a, s in judged.slider.items()},
        "tradeoff": {name: summary(s) for name, s in judged.tradeoff.items()},
    }  # fmt: skip


def summary(scores: MethodScores) -> dict[str, float | None]:
    """Main scores of a method by name."""
    names = {name for row in scores.maps for name in row}
    share, low, high = scores.lost_interval()
    faint, count = scores.below(FAINT_RECOVERY)
    found = {name: scores.mean(name) for name in sorted(names)} | {
        "noise": float(np.mean(scores.noise)) if scores.noise else float("nan"),
        "lesion_bias": scores.bias(),
        "lesion_bias_small": _lesion_bias(scores, large=False) / 100,
        "lesion_bias_large": _lesion_bias(scores, large=True) / 100,
        "crc": scores.recovery,
        "cnr": scores.contrast_to_noise,
        "lost": share,
        "lost_low": low,
        "lost_high": high,
        "faint": faint / count if count else float("nan"),
    }
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 5)


def _slider(judged: Judgement) -> str:
    rows = {f"slider at {a:g}": scores for a, scores in judged.slider.items()}
    people = max(len(scores.noise) for scores in judged.slider.values())
    return f"As shipped, {people} people.\n\n{scores_table(rows)}"


def _bodies(bodies: WholeBodies | None) -> str:
    if bodies is None:
        return "None were judged."
    lines = ["False hot spots, body by body:", "", "| method | per body | |", "|---|---|---|"]
    for name, counts in bodies.hot_spots.items():
        each = ", ".join(str(count) for count in counts)
        lines.append(f"| {name} | {bodies.mean_count(name):.1f} | {each} |")
    pictures = [f"![Body {n + 1}]({_picture_name(n)})" for n in range(len(bodies.sheets))]
    return "\n".join([*lines, "", *pictures])


def _picture_name(number: int) -> str:
    return f"body-{number + 1}.png"
