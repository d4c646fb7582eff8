"""Judging a curve network, and the report beside its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kitrain.bars import Bar
from kitrain.bundle import list_in_catalogue
from kitrain.curve_bundle import card_of, ki_network_of, read_curve_model
from kitrain.curve_report import curve_card_text, curve_report
from kitrain.curve_scores import CurveScores, curve_bars, score_curves
from kitrain.evaluate import Effort, test_groups
from kitrain.group_file import load_group
from kitrain.learning import Report
from kitrain.manifest import write_whole
from kitrain.network import KiNetwork
from kitrain.report import REPORT_NAME
from kitrain.test_sets import ROBUSTNESS, STANDARD, TestSet
from kitrain.toml_writer import to_toml
from kiview.nets.catalog import CARD_NAME
from kiview.nets.curve_card import CURVE_ENTRY


@dataclass(frozen=True, slots=True, eq=False)
class CurveJudgement:
    """Everything found about a curve network.

    Attributes:
        effort: How much was judged.
        standard: Scores on the standard set, with maps.
        others: Scores on further sets, by name.
        titles: Of the sets, by name.
        bars: What it has to reach.
        ki_id: Network that made Ki maps with its curves.
    """

    effort: Effort
    standard: CurveScores
    others: Mapping[str, CurveScores]
    titles: Mapping[str, str]
    bars: Sequence[Bar]
    ki_id: str

    @property
    def passed(self) -> bool:
        """Whether no bar that was judged is missed."""
        return all(bar.verdict != "MISSED" for bar in self.bars)


def judge_curve_network(
    folder: Path, effort: Effort, data: Path, report: Report, ki_folder: Path
) -> CurveJudgement:
    """Judge a curve network on people that no training has seen.

    Args:
        folder: Of the network.
        effort: How much; whole bodies are not judged.
        data: Cache of simulated scans.
        report: Takes progress lines.
        ki_folder: Of the network that makes Ki maps with the found curve.

    Raises:
        LeakError: a test person was trained on.
    """
    model, chain = read_curve_model(folder), ki_network_of(ki_folder)

    def scored(kind: TestSet, count: int, network: KiNetwork | None) -> CurveScores:
        paths = test_groups(kind, effort.size(count), effort.workers, data, report)
        return score_curves((load_group(path) for path in paths), model, report, network)

    standard = scored(STANDARD, effort.scans, chain)
    kinds = ROBUSTNESS if effort.per_condition else ()
    others = {kind.name: scored(kind, effort.per_condition, None) for kind in kinds}
    titles = {kind.name: kind.title for kind in (STANDARD, *kinds)}
    bars = curve_bars(standard, others)
    return CurveJudgement(effort, standard, others, titles, bars, ki_folder.name)


def report_text(folder: Path, judged: CurveJudgement) -> str:
    """The report of a judgement."""
    return curve_report(judged, card_of(folder))


def write_curve_results(folder: Path, judged: CurveJudgement) -> None:
    """Put a judgement into the card and a report beside it."""
    said = card_of(folder)
    said["results"] = {
        bar.what: round(bar.value, 4) for bar in judged.bars if bar.verdict != "not judged"
    }
    write_whole(folder / CARD_NAME, to_toml(said))
    write_whole(folder / REPORT_NAME, curve_report(judged, said))
    write_whole(folder / "CARD.md", curve_card_text(said, judged))
    list_in_catalogue(folder, CURVE_ENTRY)
