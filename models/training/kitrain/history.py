"""What a training reports while it runs, when it stops early, and its log."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kitrain.config import StopConfig
from kitrain.manifest import write_whole


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a training.

    Attributes:
        step: Steps done.
        cost: Mean cost since the report before.
        train_accuracy: 1 - NRMSE to the target on some training groups.
        validation_accuracy: The same on validation.
        learning_rate: Of the last step.
        seconds: Of the training so far.
    """

    step: int
    cost: float
    train_accuracy: float
    validation_accuracy: float
    learning_rate: float
    seconds: float


History = Sequence[Progress]


def stop_reason(history: History, config: StopConfig) -> str:
    """Why a training ends here, or nothing if it goes on.

    The cost changes little when it differs from the report before by less than `change_below` of
    it, `patience` reports on end.
    """
    if not history:
        return ""
    cost = history[-1].cost
    if config.cost_below and cost < config.cost_below:
        return f"cost {cost:.4g} is below {config.cost_below:g}"
    recent = [progress.cost for progress in history[-config.patience - 1 :]]
    if not config.change_below or len(recent) <= config.patience:
        return ""
    changes = [abs(b - a) / abs(a) for a, b in itertools.pairwise(recent)]
    if max(changes) < config.change_below:
        return f"cost changed by less than {config.change_below:g} for {config.patience} reports"
    return ""


def write_log(path: Path, history: History) -> None:
    """Write the log: one JSON object a line, one line a report."""
    write_whole(path, "".join(json.dumps(asdict(progress)) + "\n" for progress in history))


def read_log(path: Path) -> list[Progress]:
    """Read what `write_log` wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Progress(**json.loads(line)) for line in lines]
