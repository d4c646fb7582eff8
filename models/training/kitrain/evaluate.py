"""Judging a network: filters chosen on validation people, then every set of test people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kitrain.bars import (
    Bar,
    default_bars,
    direct_bars,
    hot_spot_bar,
    independent_bars,
    slider_bars,
)
from kitrain.config import DataConfig
from kitrain.data import make_groups, split_of
from kitrain.leaks import check_splits
from kitrain.methods import (
    NETWORK,
    Chosen,
    Family,
    choose_filters,
    control_family,
    conventional,
    network_family,
    shipped_name,
    tradeoff_family,
)
from kitrain.pipeline import Run, Weights
from kitrain.records import load_record
from kitrain.scores import MethodScores, SetScores, score_files
from kitrain.targets import Target
from kitrain.test_sets import COUNT_LEVELS, ROBUSTNESS, STANDARD, TestSet, validation_jobs
from kitrain.whole_bodies import WholeBodies, judge_bodies

COMPARED = "network trained on the same counts"
SLIDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
VALIDATION_SCANS, TRADEOFF_SCANS, SLIDER_SCANS = 12, 48, 12
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is judged.

    Attributes:
        scans: People of the standard set.
        per_condition: People of every robustness set, 0 for none of them.
        per_count: Instead of that, people of the scans with few and with many counts: the standard
            deviation is judged tissue by tissue there.
        bodies: Whole bodies, for false hot spots and pictures.
        seed: Which test people.
        workers: Processes that simulate and threads that score, 0 takes all cores.
    """

    scans: int = 48
    per_condition: int = 8
    per_count: int = 48
    bodies: int = 6
    seed: int = 1
    workers: int = 0

    def people(self, kind: TestSet) -> int:
        """People of a robustness set."""
        return self.per_count if kind.name in COUNT_LEVELS else self.per_condition

    def size(self, count: int) -> DataConfig:
        """People of one set."""
        return DataConfig(1, 1, count, self.seed, self.workers)


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Everything found about a network.

    Attributes:
        effort: How much was judged.
        chosen: Filters, chosen on validation people.
        standard: Scores on the standard set.
        others: Scores on the robustness sets, by name.
        slider: Scores along the slider, as shipped.
        target: What the network was trained on.
        bodies: False hot spots and pictures of whole bodies, None where none were judged.
        bars: What it has to reach.
        validation_scans: People the filters were chosen on.
        tradeoff_scans: People the trade-off was found on, those among them.
        tradeoff: Scores with more and less of the consistency step, on those people.
        seeds: What every seed of the training reached of those bars that the standard set has, in
            one order; empty where the seeds were not judged.
        asked: What else the command was given, for the report.
    """

    effort: Effort
    chosen: Chosen
    standard: SetScores
    others: Mapping[str, SetScores]
    slider: Mapping[float, MethodScores]
    target: str = "truth"
    bodies: WholeBodies | None = None
    bars: Sequence[Bar] = field(default=())
    validation_scans: int = VALIDATION_SCANS
    tradeoff_scans: int = TRADEOFF_SCANS
    tradeoff: Mapping[str, MethodScores] = field(default_factory=dict)
    seeds: Mapping[int, Sequence[Bar]] = field(default_factory=dict)
    asked: str = ""

    @property
    def passed(self) -> bool:
        """Whether no bar that was judged is missed."""
        return all(bar.verdict != "MISSED" for bar in self.bars)


def judge_network(
    run: Run,
    effort: Effort,
    folder: Path,
    report: Report,
    direct: Run | None = None,
    seeds: Mapping[int, Weights] | None = None,
) -> Judgement:
    """Judge a network on people that no training has seen.

    Args:
        run: Its weights and record.
        effort: How much.
        folder: Cache of simulated scans.
        report: Takes progress lines.
        direct: Network trained on the direct image of the same counts, to compare one that was
            trained on that of an independent scan with.
        seeds: Weights of every seed of the training, for the spread of its numbers.

    Raises:
        LeakError: a test person was trained on.
    """
    size, seeds = effort.size(effort.scans), seeds or {}
    most = max(effort.scans, 2)
    spare = validation_jobs(size, min(VALIDATION_SCANS, most))
    more = validation_jobs(size, min(TRADEOFF_SCANS, most))
    where = (effort.workers, folder, report)
    chosen = choose_filters([load_record(path) for path in make_groups(spare, *where)])
    report(f"filters chosen on {len(spare)} validation people: {chosen}")
    weights = run.at(run.shipped_position)
    report("more and less of the consistency step, on validation people")
    tried = tradeoff_family(weights)
    tradeoff = score_files(make_groups(more, *where), [tried], effort.workers, report).methods
    families = [*conventional(chosen), control_family(), network_family(weights)]
    if direct is not None:
        theirs = direct.at(direct.shipped_position)
        families.append(network_family(theirs, COMPARED))
    each = [network_family(weights, f"seed {s}") for s, weights in seeds.items()]
    standard = _scored(STANDARD, size, effort, folder, [*families, *each], report)
    kinds = [kind for kind in ROBUSTNESS if effort.people(kind)]
    others = {kind.name: _harder(kind, effort, folder, families, report) for kind in kinds}
    slider = _slider(run, effort, folder, report) if run.has_slider else {}
    bodies = None
    if effort.bodies:
        args = (folder, effort.workers, report)
        bodies = judge_bodies(effort.bodies, effort.seed, [*families, tried], *args)
    judged = Judgement(
        effort,
        chosen,
        standard,
        others,
        slider,
        run.target,
        bodies,
        validation_scans=len(spare),
        tradeoff_scans=len(more),
        tradeoff=tradeoff,
        seeds={s: _standard_bars(run.target, standard, f"seed {s}") for s in seeds},
    )
    return replace(judged, bars=tuple(_bars(judged)))


def _standard_bars(
    target: str,
    standard: SetScores,
    network: str,
    others: Mapping[str, SetScores] | None = None,
) -> list[Bar]:
    """Bars of a network as shipped, by its name in the standard set."""
    shipped = shipped_name(network)
    if target == Target.DIRECT.value:
        return direct_bars(standard, shipped)
    if target == Target.INDEPENDENT.value:
        theirs = standard.methods.get(shipped_name(COMPARED))
        return independent_bars(standard, theirs, shipped)
    return default_bars(standard, others or {}, shipped)


def _bars(judged: Judgement) -> list[Bar]:
    found = _standard_bars(judged.target, judged.standard, NETWORK, judged.others)
    if judged.target in {Target.DIRECT.value, Target.INDEPENDENT.value}:
        return found
    if judged.bodies is not None:
        found.append(hot_spot_bar(judged.bodies))
    return found + (slider_bars(judged.slider) if judged.slider else [])


def _slider(run: Run, effort: Effort, folder: Path, report: Report) -> dict[float, MethodScores]:
    """Scores along the slider on the first people of the standard set."""
    size = effort.size(min(effort.scans, SLIDER_SCANS))
    families = [network_family(run.at(a), f"slider at {a:g}") for a in SLIDER]
    found = _scored(STANDARD, size, effort, folder, families, report)
    return {a: found.methods[shipped_name(f"slider at {a:g}")] for a in SLIDER}


def _harder(
    kind: TestSet, effort: Effort, folder: Path, families: Sequence[Family], report: Report
) -> SetScores:
    """Scores on a robustness set."""
    return _scored(kind, effort.size(effort.people(kind)), effort, folder, families, report)


def _scored(
    kind: TestSet,
    size: DataConfig,
    effort: Effort,
    folder: Path,
    families: Sequence[Family],
    report: Report,
) -> SetScores:
    paths = test_groups(kind, size, effort.workers, folder, report)
    return score_files(paths, families, effort.workers, report)


def test_groups(
    kind: TestSet, size: DataConfig, workers: int, folder: Path, report: Report
) -> list[Path]:
    """Files of the groups of a test set, simulated where they are not there.

    Raises:
        LeakError: a test person was trained on.
    """
    report(f"{kind.title}: {size.test} people")
    paths = make_groups(kind.jobs(size), workers, folder, report)
    manifest = folder / f"test-{kind.name}-{size.test}-{size.seed}.manifest.json"
    check_splits(split_of("test", paths, manifest))
    return paths


test_groups.__test__ = False  # type: ignore[attr-defined]  # no test, whatever its name
