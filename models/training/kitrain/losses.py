"""What training minimises."""

from torch import Tensor

from kitrain.config import LossConfig
from kitrain.dataset import Batch
from kitrain.loss_terms import (
    gradient_term,
    known_penalty,
    multiscale_term,
    penalty,
    sigma_term,
    weighted_mean,
)


def loss(outputs: tuple[Tensor, ...], batch: Batch, config: LossConfig) -> Tensor:
    """Weighted mean error of one batch.

    Args:
        outputs: Ki / n and V / n, and the standard deviation of Ki / n if there is one; each
            (b, y, x).
        batch: Targets and masks; a V target that nobody knows is NaN and does not count.
        config: Weights of the terms.

    Returns:
        Error and relative square on Ki against its target (truth or a reference, blurred or not),
        plus V against its target and against the 4-D direct reference, plus the error of edges and
        of coarser scales of Ki where they have a weight.
    """
    ki, v = (part.float() for part in outputs[:2])
    weight = config.outside + (1.0 - config.outside) * batch.body
    more = (config.lesion - 1.0) * batch.lesion + (config.vessel - 1.0) * batch.vessel
    weight = weight * (1.0 + more)
    error = ki - batch.ki
    relative = error / (batch.ki.clamp(min=0) + config.relative_floor)
    terms = penalty(error, config) + config.relative * relative * relative
    terms = terms + config.v_truth * known_penalty(v, batch.v, config)
    terms = terms + config.v_direct * known_penalty(v, batch.v_direct, config)
    total = weighted_mean(terms, weight)
    if config.sigma and len(outputs) > 2:
        total = total + config.sigma * weighted_mean(sigma_term(error, outputs[2]), weight)
    if config.gradient:
        total = total + config.gradient * gradient_term(error, weight, config)
    if config.multiscale:
        total = total + config.multiscale * multiscale_term(error, weight, config)
    return total
