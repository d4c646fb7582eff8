"""What training minimises."""

import torch
from torch import Tensor

from kitrain.config import LossConfig
from kitrain.dataset import Batch


def charbonnier(difference: Tensor, width: float) -> Tensor:
    """Smooth absolute value: sqrt(d^2 + width^2) - width."""
    return torch.sqrt(difference * difference + width * width) - width


def loss(outputs: tuple[Tensor, Tensor], batch: Batch, config: LossConfig) -> Tensor:
    """Weighted mean error of one batch.

    Args:
        outputs: Ki / n and V / n, each (b, y, x).
        batch: Targets and masks.
        config: Weights of the terms.

    Returns:
        Charbonnier and relative square on Ki against its target (truth, blurred or not), plus
        Charbonnier on V against its target and against the 4-D direct reference.
    """
    ki, v = (part.float() for part in outputs)
    weight = config.outside + (1.0 - config.outside) * batch.body
    weight = weight * (1.0 + (config.lesion - 1.0) * batch.lesion)
    error = ki - batch.ki
    relative = error / (batch.ki + config.relative_floor)
    terms = charbonnier(error, config.charbonnier) + config.relative * relative * relative
    terms = terms + config.v_truth * charbonnier(v - batch.v, config.charbonnier)
    terms = terms + config.v_direct * charbonnier(v - batch.v_direct, config.charbonnier)
    return (weight * terms).sum() / weight.sum()
