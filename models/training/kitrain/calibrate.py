"""Calibrate the standard deviation of a network, tissue by tissue.

A network that learns its own standard deviation beside its maps is right about it on average, not
in every tissue: too large in liver and lung, too small in thin walls. What tells these tissues
apart is in its last hidden layer. A small network on top of that learns a factor, on people who
trained nothing, after everything else is trained: the maps stay as they are.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kitrain.bars import LEAST_COVERED, MOST_COVERED
from kitrain.calibration_data import Key, Voxels
from kitrain.config import CalibrationConfig
from kitrain.loss_terms import sigma_term
from kitrain.network import LEAST_SHOWN, Calibration
from kitrain.optimisers import make_optimiser, rate_at
from kitrain.scores import SIGMAS

_AIM = (0.92, 0.95)
"""Shares between which a tissue costs nothing."""
_SOFT = 0.15
"""Width in ln(2 sigma / error) over which a voxel goes from outside to inside."""
_LEAST_DEVIATION = 0.01
"""Added to that of every input, by which it is divided: one that hardly varies tells little."""
_FEWEST = 400
"""Voxels of a tissue that has a say."""
_LEAST_SPREAD = 1e-3
"""In units of the normaliser; smaller ones, in air, count as that, for the logarithm."""
_LEAST_ERROR = 1e-4
"""In standard deviations; smaller ones count as that, for the logarithm."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a standard deviation fits.

    Attributes:
        cost: Mean negative logarithm of the Gaussian likelihood over tissues and kinds of scans,
            but for a constant.
        outside: Names of what is covered less or more than it should be.
        count: Of tissues and kinds of scans.
    """

    cost: float
    outside: tuple[str, ...]
    count: int


def learnt_calibration(
    width: int, voxels: Mapping[Key, Voxels], config: CalibrationConfig
) -> Calibration:
    """Train a calibration.

    Minimises the negative log likelihood of the error, every tissue of every kind of scan alike,
    and what a tissue is covered less or more than it should be.

    Args:
        width: Of the last hidden layer of the network.
        voxels: To learn from.
        config: How.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    parts = [v for v in voxels.values() if len(v) >= _FEWEST]
    moments = _moments(parts)
    scaled = [_Scaled.of(part, moments) for part in parts]
    made = Calibration(width, config.hidden).train()
    schedule = config.schedule
    optimiser = make_optimiser(made.parameters(), schedule)
    for step in range(1, schedule.iterations + 1):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, schedule.iterations, schedule)
        cost = _cost(made, [one.drawn(rng, schedule.batch) for one in scaled], config.coverage)
        optimiser.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]  # torch types it no further
        optimiser.step()
    _take_scale_in(made, moments)
    return made.eval()


@dataclass(frozen=True, slots=True, eq=False)
class _Scaled:
    """Voxels of one tissue, inputs scaled to zero mean and unit variance of all."""

    inputs: Tensor
    log_spread: Tensor
    error: Tensor

    @classmethod
    def of(cls, voxels: Voxels, moments: tuple[Tensor, Tensor]) -> "_Scaled":
        mean, deviation = moments
        inputs = (_inputs(voxels) - mean) / deviation
        spread, error = torch.from_numpy(voxels.spread), torch.from_numpy(voxels.error)
        return cls(inputs, torch.log(spread.clamp(min=_LEAST_SPREAD)), error)

    def drawn(self, rng: np.random.Generator, count: int) -> "_Scaled":
        rows = torch.from_numpy(rng.integers(0, len(self.error), count))
        return _Scaled(self.inputs[rows], self.log_spread[rows], self.error[rows])


def _inputs(voxels: Voxels) -> Tensor:
    """As `Calibration` sees them, (n, width + 4)."""
    seen, told = torch.from_numpy(voxels.seen.astype(np.float32)), torch.from_numpy(voxels.told)
    return torch.cat([seen, torch.log(told.clamp(min=0.0) + LEAST_SHOWN)], dim=1)


def _moments(parts: list[Voxels]) -> tuple[Tensor, Tensor]:
    together = torch.cat([_inputs(part) for part in parts])
    return together.mean(dim=0), together.std(dim=0) + _LEAST_DEVIATION


def _cost(made: Calibration, parts: list[_Scaled], coverage: float) -> Tensor:
    inputs = torch.cat([part.inputs for part in parts])
    log_sigma = torch.cat([part.log_spread for part in parts]) + made.log_factor(inputs)
    error, sigma = torch.cat([part.error for part in parts]), torch.exp(log_sigma)
    cost = sigma_term(error, sigma).mean()
    inside = torch.sigmoid(torch.log(SIGMAS / (error / sigma).clamp(min=_LEAST_ERROR)) / _SOFT)
    shares = inside.reshape(len(parts), -1).mean(dim=1)
    low, high = _AIM
    return cost + coverage * (torch.relu(low - shares) + torch.relu(shares - high)).sum()


def _take_scale_in(made: Calibration, moments: tuple[Tensor, Tensor]) -> None:
    """Let the first layer take inputs as they are."""
    mean, deviation = moments
    weight, bias = (made.get_parameter(f"layers.0.{name}") for name in ("weight", "bias"))
    with torch.no_grad():
        weight.div_(deviation[None, :, None, None])
        bias.sub_(weight[:, :, 0, 0] @ mean)


def fit_of(made: Calibration | None, voxels: Mapping[Key, Voxels]) -> Fit:
    """How well a calibration fits voxels, or the standard deviation without one."""
    costs, outside = [], []
    for (kind, tissue), part in voxels.items():
        sigma = np.maximum(part.spread, _LEAST_SPREAD)
        if made is not None:
            with torch.inference_mode():
                sigma = sigma * torch.exp(made.log_factor(_inputs(part))).numpy()
        costs.append(float(np.mean(np.log(sigma) + 0.5 * np.square(part.error / sigma))))
        share = float(np.mean(part.error <= SIGMAS * sigma))
        if not LEAST_COVERED <= share <= MOST_COVERED:
            outside.append(f"{kind} {tissue} {100 * share:.1f} %")
    return Fit(math.fsum(costs) / len(costs), tuple(outside), len(costs))
