"""The same test persons under other counts and protocols, and bodies of other kinds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from kitrain.baselines import direct, gaussian_baselines, guided_baselines
from kitrain.config import DataConfig
from kitrain.data import Report, make_groups, split_seeds
from kitrain.evaluate import NETWORK, TIED, Evaluation, evaluate, network_method
from kitrain.records import load_record
from kiview.simulate.slab_config import SlabConfig

_STANDARD = SlabConfig()
_DIRECT = "4-D direct"


@dataclass(frozen=True, slots=True)
class Condition:
    """One way in which a scan differs from the standard one.

    Attributes:
        name: For the table.
        config: Of the slabs.
    """

    name: str
    config: SlabConfig


def _counts(trues: float) -> SlabConfig:
    return replace(_STANDARD, scanner=replace(_STANDARD.scanner, trues_per_frame=trues))


def _frames(start_min: float, length_min: float, count: int) -> SlabConfig:
    return replace(
        _STANDARD,
        frame_start_s=60 * start_min,
        frame_duration_s=60 * length_min,
        frame_count=count,
    )


CONDITIONS: tuple[Condition, ...] = (
    Condition("low counts (1e5)", _counts(1e5)),
    Condition("high counts (3e6)", _counts(3e6)),
    Condition("3 x 10 min from 30", _frames(30, 10, 3)),
    Condition("2 x 10 min from 40", _frames(40, 10, 2)),
    Condition("10 x 3 min from 30 (never trained)", _frames(30, 3, 10)),
    Condition("2 x 20 min from 40 (never trained)", _frames(40, 20, 2)),
    Condition("brain", replace(_STANDARD, kind="brain")),
    Condition("uniform body", replace(_STANDARD, kind="uniform")),
    Condition("NEMA-like body", replace(_STANDARD, kind="nema")),
)


def evaluate_conditions(
    weights: Mapping[str, Tensor], width: int, size: DataConfig, folder: Path, report: Report
) -> dict[str, Evaluation]:
    """Score the network and its rivals under every condition.

    Args:
        weights: Of the network.
        width: Of the network.
        size: How many test slabs, which seed.
        folder: Cache of slabs.
        report: Takes progress lines.
    """
    methods = {
        **gaussian_baselines(),
        **guided_baselines(),
        _DIRECT: direct(0.0),
        NETWORK: network_method(weights, width, tied=False),
        TIED: network_method(weights, width, tied=True),
    }
    found = {}
    for condition in CONDITIONS:
        jobs = [(seed, condition.config) for seed in split_seeds("test", size)]
        paths = make_groups(jobs, size.workers, folder, report)
        found[condition.name] = evaluate(methods, [load_record(path) for path in paths])
        report(f"scored {condition.name}")
    return found


def conditions_table(found: Mapping[str, Evaluation]) -> str:
    """NRMSE to truth, and the body bias of the network without and with the tie (Markdown)."""
    heads = ["condition", "best Gaussian", "best HYPR-like", _DIRECT, "network", "tied"]
    heads += ["body bias network / tied %"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, evaluation in found.items():
        methods = [evaluation.best("Patlak"), evaluation.best("HYPR-like"), _DIRECT, NETWORK, TIED]
        lines.append("| " + " | ".join([name, *_cells(evaluation, methods)]) + " |")
    return "\n".join(lines)


def _cells(evaluation: Evaluation, methods: Sequence[str]) -> list[str]:
    cells = [f"{evaluation.scores[method]['nrmse']:.3f}" for method in methods]
    biases = [100 * evaluation.scores[method]["body_bias"] for method in (NETWORK, TIED)]
    return [*cells, f"{biases[0]:.1f} / {biases[1]:.1f}"]
