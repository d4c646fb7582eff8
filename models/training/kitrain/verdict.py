"""Did a training learn too little or its own groups by heart, and what to change.

The rules are those of the method (`0106`-`0112`) with the usual meaning of the words: a training
that stays inaccurate on the groups it learns from underfits; one that is accurate there but not on
people it has not seen overfits.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from kitrain.config import NetworkConfig, OptimiserConfig, VerdictConfig
from kitrain.config_file import LIMITS
from kitrain.history import History

_WIDTH_FACTOR, _RATE_FACTOR, _LENGTH_FACTOR = 1.5, 0.5, 0.5
_WIDTH_STEP = 4
_FALL = 0.02
"""Validation accuracy this far below its best, while training goes on rising, is overfitting."""


class Fit(StrEnum):
    """How a training ended."""

    GOOD = "good"
    UNDERFIT = "underfit"
    OVERFIT = "overfit"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found after a training.

    Attributes:
        fit: How it ended.
        reason: One sentence with the numbers.
        network: Proposed size, the same when the fit is good.
        schedule: Proposed steps, likewise.
    """

    fit: Fit
    reason: str
    network: NetworkConfig
    schedule: OptimiserConfig

    def record(self) -> dict[str, object]:
        """Plain values, for the record of the run."""
        return asdict(self)


def judge(
    history: History, config: VerdictConfig, network: NetworkConfig, schedule: OptimiserConfig
) -> Verdict:
    """Judge a finished training by its reports.

    Args:
        history: Reports of the training.
        config: What it has to reach.
        network: Its size.
        schedule: Its steps.

    Returns:
        The verdict, with a proposal that stays within the limits of a configuration.
    """
    last = history[-1]
    train, validation = last.train_accuracy, last.validation_accuracy
    best = max(progress.validation_accuracy for progress in history)
    numbers = f"accuracy {train:.3f} in training, {validation:.3f} on validation"
    if train - validation > config.gap:
        reason = f"overfit: {numbers}, more than {config.gap:g} apart"
        return _overfit(reason, network, schedule)
    if best - validation > _FALL and train >= max(p.train_accuracy for p in history):
        reason = f"overfit: {numbers}, which had been {best:.3f} before"
        return _overfit(reason, network, schedule)
    if validation < config.accuracy:
        reason = f"underfit: {numbers}, below {config.accuracy:g}"
        return _underfit(reason, network, schedule)
    return Verdict(Fit.GOOD, f"good: {numbers}", network, schedule)


def _underfit(reason: str, network: NetworkConfig, schedule: OptimiserConfig) -> Verdict:
    """More layers and kernels, lower rate."""
    larger = replace(
        network,
        width=_clamped("width", _whole_width(network.width * _WIDTH_FACTOR)),
        levels=_clamped("levels", network.levels + 1),
    )
    return Verdict(Fit.UNDERFIT, reason, larger, _scaled(schedule, 1.0))


def _overfit(reason: str, network: NetworkConfig, schedule: OptimiserConfig) -> Verdict:
    """Fewer layers and kernels, lower rate, fewer epochs."""
    smaller = replace(
        network,
        width=_clamped("width", _whole_width(network.width / _WIDTH_FACTOR)),
        levels=_clamped("levels", network.levels - 1),
    )
    return Verdict(Fit.OVERFIT, reason, smaller, _scaled(schedule, _LENGTH_FACTOR))


def _scaled(schedule: OptimiserConfig, length: float) -> OptimiserConfig:
    rate = max(schedule.learning_rate * _RATE_FACTOR, LIMITS["learning_rate"][0])
    iterations = max(1, round(schedule.iterations * length))
    return replace(
        schedule, learning_rate=rate, iterations=iterations, epochs=schedule.epochs * length
    )


def _whole_width(width: float) -> int:
    return max(_WIDTH_STEP, _WIDTH_STEP * round(width / _WIDTH_STEP))


def _clamped(name: str, value: int) -> int:
    low, high = LIMITS[name]
    return int(min(max(value, low), high))


def changes(
    verdict: Verdict, network: NetworkConfig, schedule: OptimiserConfig
) -> Mapping[str, tuple[object, object]]:
    """What a proposal would change: (now, then) by key."""
    now = {**asdict(network), **asdict(schedule)}
    then = {**asdict(verdict.network), **asdict(verdict.schedule)}
    return {name: (value, then[name]) for name, value in now.items() if then[name] != value}
