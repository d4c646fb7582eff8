"""Terms of the cost: pointwise errors, edges, and errors on coarser scales."""

import torch
from torch import Tensor
from torch.nn import functional

from kitrain.config import LossConfig, Norm

_SCALES = (2, 4, 8)


def charbonnier(difference: Tensor, width: float) -> Tensor:
    """Smooth absolute value: sqrt(d^2 + width^2) - width."""
    return torch.sqrt(difference * difference + width * width) - width


def penalty(difference: Tensor, config: LossConfig) -> Tensor:
    """Error of every voxel, same shape: `charbonnier`, or the square over twice its width.

    The scale of the square makes both the same for errors far below the width.
    """
    if config.norm is Norm.SQUARE:
        return difference * difference / (2 * config.charbonnier)
    return charbonnier(difference, config.charbonnier)


def known_penalty(values: Tensor, target: Tensor, config: LossConfig) -> Tensor:
    """`penalty` where the target is known (finite), 0 elsewhere; the gradient is 0 there too."""
    known = torch.isfinite(target)
    return penalty(torch.where(known, values - target, 0.0), config) * known


def weighted_mean(terms: Tensor, weight: Tensor) -> Tensor:
    """sum(w t) / sum(w)."""
    return (weight * terms).sum() / weight.sum()


def sigma_term(error: Tensor, sigma: Tensor) -> Tensor:
    """Negative log-likelihood of an error under a normal distribution, without its constant.

    Only the standard deviation learns from it: the error is taken as given.

    Args:
        error: (b, y, x) estimate minus target.
        sigma: (b, y, x) positive.
    """
    given = error.detach()
    return 0.5 * (given / sigma) ** 2 + torch.log(sigma)


def gradient_term(error: Tensor, weight: Tensor, config: LossConfig) -> Tensor:
    """Penalty of the in-plane gradient of an error: edges that are missing or too many.

    Args:
        error: (b, y, x) estimate minus target; differentiation is linear.
        weight: (b, y, x).
        config: Norm and width.
    """
    rows, columns = error.diff(dim=1), error.diff(dim=2)
    row_weight = torch.minimum(weight[:, 1:], weight[:, :-1])
    column_weight = torch.minimum(weight[:, :, 1:], weight[:, :, :-1])
    down = weighted_mean(penalty(rows, config), row_weight)
    return down + weighted_mean(penalty(columns, config), column_weight)


def multiscale_term(error: Tensor, weight: Tensor, config: LossConfig) -> Tensor:
    """Penalty of an error averaged over 2, 4 and 8 voxels, mean over the scales.

    Args:
        error: (b, y, x) estimate minus target.
        weight: (b, y, x).
        config: Norm and width.
    """
    total = error.new_zeros(())
    for scale in _SCALES:
        coarse = functional.avg_pool2d(error[:, None], scale)[:, 0]
        coarse_weight = functional.avg_pool2d(weight[:, None], scale)[:, 0]
        total = total + weighted_mean(penalty(coarse, config), coarse_weight)
    return total / len(_SCALES)
