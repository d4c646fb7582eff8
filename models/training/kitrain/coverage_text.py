"""How much of every tissue two standard deviations of a network hold, for its report."""

import math
from collections.abc import Iterator, Mapping

from kitrain.bars import LEAST_COVERED, MOST_COVERED
from kitrain.methods import SHIPPED
from kitrain.scores import ALL, MethodScores, SetScores
from kitrain.test_sets import COUNT_LEVELS, STANDARD


def coverage_text(sets: Mapping[str, SetScores]) -> str:
    """Section of a report as Markdown, empty where a network gives no standard deviation.

    Args:
        sets: Scores by the name of the set, the standard one first.
    """
    found = {name: scores.methods[SHIPPED].coverage() for name, scores in sets.items()}
    if not found[STANDARD.name]:
        return ""
    tissues = sorted({tissue for row in found.values() for tissue in row})
    lines = ["Share of voxels within two sigmas in percent:", ""]
    lines += ["| scans | " + " | ".join(tissues) + " |", "|---" * (len(tissues) + 1) + "|"]
    for name, row in found.items():
        cells = [_percent(row.get(tissue, math.nan)) for tissue in tissues]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    wanted = f"{100 * LEAST_COVERED:.0f} to {100 * MOST_COVERED:.0f} %"
    told = f"Wanted are {wanted}; the interval is that of 95 % as people are drawn anew:"
    lines += ["", told, ""]
    lines += [f"- {name}: {_outside(scores)}" for name, scores in _count_levels(sets)]
    return "\n".join(lines) + "\n\n"


def coverage_numbers(
    sets: Mapping[str, SetScores],
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Share by count level and tissue, its interval and the number of people."""
    return {
        name: {tissue: _plain(scores, tissue) for tissue in scores.coverage()}
        for name, scores in _count_levels(sets)
    }


def _count_levels(sets: Mapping[str, SetScores]) -> Iterator[tuple[str, MethodScores]]:
    for name in (STANDARD.name, *COUNT_LEVELS):
        if name in sets:
            yield name, sets[name].methods[SHIPPED]


def _outside(scores: MethodScores) -> str:
    shares = {tissue: share for tissue, share in scores.coverage().items() if tissue != ALL}
    told = []
    for tissue, share in sorted(shares.items(), key=lambda item: item[1]):
        if not LEAST_COVERED <= share <= MOST_COVERED:
            low, high, people = scores.coverage_interval(tissue)
            interval = f"{_percent(low)} to {_percent(high)}, {people} people"
            told.append(f"{tissue} {_percent(share)} ({interval})")
    inside = f"{len(shares) - len(told)} of {len(shares)} tissues"
    return f"{inside}; outside are {', '.join(told)}." if told else f"{inside}."


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def _plain(scores: MethodScores, tissue: str) -> dict[str, float | None]:
    low, high, people = scores.coverage_interval(tissue)
    named = {"share": scores.coverage()[tissue], "low": low, "high": high}
    found = {n: None if math.isnan(v) else round(v, 5) for n, v in named.items()}
    return {**found, "people": people}
