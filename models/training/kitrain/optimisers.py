"""Rules of the steps and of the learning rate."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from kitrain.config import Optimiser, OptimiserConfig, Schedule

_LATE, _LATE_FACTOR = 2 / 3, 0.1


def make_optimiser(parameters: Iterable[Tensor], config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser that a configuration names, at its first learning rate."""
    rate, decay, momentum = config.learning_rate, config.weight_decay, config.momentum
    optim = torch.optim
    match config.optimiser:
        case Optimiser.SGD:
            return optim.SGD(parameters, rate, momentum=momentum, weight_decay=decay)
        case Optimiser.ADAM:
            return optim.Adam(parameters, rate, weight_decay=decay)
        case Optimiser.ADAMW:
            return optim.AdamW(parameters, rate, weight_decay=decay)
        case Optimiser.ADAGRAD:
            return optim.Adagrad(parameters, rate, weight_decay=decay)
        case Optimiser.ADADELTA:
            return optim.Adadelta(parameters, rate, weight_decay=decay)
        case Optimiser.RMSPROP:
            return optim.RMSprop(parameters, rate, momentum=momentum, weight_decay=decay)


def rate_at(step: int, steps: int, config: OptimiserConfig) -> float:
    """Learning rate of one step.

    Args:
        step: 1 for the first.
        steps: Of the whole training.
        config: First rate and schedule.
    """
    done = (step - 1) / steps
    factor = {
        Schedule.COSINE: 0.5 * (1.0 + math.cos(math.pi * done)),
        Schedule.LINEAR: 1.0 - done,
        Schedule.STEP: 1.0 if done < _LATE else _LATE_FACTOR,
        Schedule.CONSTANT: 1.0,
    }[config.schedule]
    rising = min(1.0, step / config.warm_up) if config.warm_up else 1.0
    return config.learning_rate * factor * rising


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Use a learning rate from the next step on."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def step_count(config: OptimiserConfig, slice_voxels: int) -> int:
    """Steps of a training: `iterations`, or so many that `epochs` cover all slices by area.

    Args:
        config: Of the training.
        slice_voxels: Voxels of all training slices together.
    """
    if not config.epochs:
        return config.iterations
    per_step = config.batch * config.crop**2
    return max(1, math.ceil(config.epochs * slice_voxels / per_step))
