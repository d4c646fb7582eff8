"""Judging a curve network, and the report beside its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kitrain.bars import Bar
from kitrain.bundle import CARD_TEXT_NAME, list_in_catalogue
from kitrain.curve_bundle import card_of, ki_network_of, read_curve_model
from kitrain.curve_report import curve_card_text, curve_report
from kitrain.curve_scores import CurveModel, CurveScores, curve_bars, score_curve_files
from kitrain.evaluate import Effort, test_groups
from kitrain.learning import Report
from kitrain.manifest import write_whole
from kitrain.network import KiNetwork
from kitrain.report import REPORT_NAME, mean_bar
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
        seeds: Bars of the same training from every seed, its own included; empty where the others
            were not judged.
        asked: What else the command was given, for the report.
    """

    effort: Effort
    standard: CurveScores
    others: Mapping[str, CurveScores]
    titles: Mapping[str, str]
    bars: Sequence[Bar]
    ki_id: str
    seeds: Mapping[int, Sequence[Bar]] = field(default_factory=dict)
    asked: str = ""

    @property
    def passed(self) -> bool:
        """Whether no bar that was judged is missed."""
        return all(bar.verdict != "MISSED" for bar in self.bars)


def judge_curve_network(
    folder: Path,
    effort: Effort,
    data: Path,
    report: Report,
    ki_folder: Path,
    seeds: Sequence[Path] = (),
) -> CurveJudgement:
    """Judge a curve network on people that no training has seen.

    Args:
        folder: Of the network.
        effort: How much; whole bodies are not judged.
        data: Cache of simulated scans.
        report: Takes progress lines.
        ki_folder: Of the network that makes Ki maps with the found curve.
        seeds: Folders of the same network trained from other seeds, for the spread of its numbers.

    Raises:
        LeakError: a test person was trained on.
    """
    chain = ki_network_of(ki_folder)

    def scored(
        model: CurveModel, kind: TestSet, count: int, network: KiNetwork | None
    ) -> CurveScores:
        paths = test_groups(kind, effort.size(count), effort.workers, data, report)
        return score_curve_files(paths, model, effort.workers, report, network)

    kinds = ROBUSTNESS if effort.per_condition else ()
    found: dict[int, tuple[CurveScores, dict[str, CurveScores]]] = {}
    for one in (folder, *seeds):
        model, seed = read_curve_model(one), _seed_of(one)
        report(f"curve network from seed {seed}")
        standard = scored(model, STANDARD, effort.scans, chain)
        others = {kind.name: scored(model, kind, effort.per_condition, None) for kind in kinds}
        found[seed] = standard, others
    each = {seed: curve_bars(*found[seed]) for seed in sorted(found)}
    own = _seed_of(folder)
    titles = {kind.name: kind.title for kind in (STANDARD, *kinds)}
    spread = each if seeds else {}
    return CurveJudgement(effort, *found[own], titles, each[own], ki_folder.name, spread)


def _seed_of(folder: Path) -> int:
    return int(card_of(folder)["training"]["seed"])


def report_text(folder: Path, judged: CurveJudgement) -> str:
    """The report of a judgement."""
    return curve_report(judged, card_of(folder))


def write_curve_results(folder: Path, judged: CurveJudgement) -> None:
    """Put a judgement into the card and a report beside it."""
    said = card_of(folder)
    said["results"] = {
        bar.what: round(bar.value, 4) for bar in judged.bars if bar.verdict != "not judged"
    }
    if judged.seeds:
        means = [mean_bar(bars) for bars in zip(*judged.seeds.values(), strict=True)]
        said["results"] |= {f"{bar.what}, mean of the seeds": round(bar.value, 4) for bar in means}
    write_whole(folder / CARD_NAME, to_toml(said))
    write_whole(folder / REPORT_NAME, curve_report(judged, said))
    write_whole(folder / CARD_TEXT_NAME, curve_card_text(said, judged))
    list_in_catalogue(folder, CURVE_ENTRY)
