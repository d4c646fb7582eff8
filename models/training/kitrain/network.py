"""The network: a U-Net that corrects an uptake ratio and splits it into Ki and V.

It may also say how far off its Ki is likely to be.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from kiview.nets.preprocess import CHANNEL_COUNT, FUR_CHANNEL
from kiview.nets.reach import THREE_LEVELS, Reach

SHARPNESS = 4.0
"""Of the softplus: near the identity for an uptake above a quarter of the normaliser."""
TYPICAL_SIGMA = 0.1
"""Standard deviation of Ki / n where the network has learned nothing about it."""
_LOG_SIGMA_LIMITS = (-5.0, 4.0)
LEAST_SHOWN = 0.005
"""Added to Ki / n, V / n, its standard deviation and the uptake ratio before their logarithm."""
_LOG_FACTOR_LIMITS = (-2.0, 2.0)


class _Convolutions(nn.Module):
    def __init__(self, kernel: int, *channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, kernel, padding=kernel // 2) for a, b in itertools.pairwise(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.1)
        return x


class Calibration(nn.Module):
    """By how much the standard deviation of a network is too small, voxel by voxel.

    The network knows more of a voxel than it says: what it saw on the way tells lung from muscle,
    and their errors differ. Made after the network is trained (`calibrate`).

    Args:
        width: Channels of what the network saw.
        hidden: Of its own two layers.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        sizes = (width + 4, hidden, hidden)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in itertools.pairwise(sizes))
        self.last = nn.Conv2d(hidden, 1, 1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, seen: Tensor, told: Tensor) -> Tensor:
        """Factors of the standard deviation.

        Args:
            seen: (b, width, y, x) of the last hidden layer.
            told: (b, 4, y, x) Ki / n, V / n, its standard deviation and the uptake ratio.

        Returns:
            (b, y, x).
        """
        x = torch.cat([seen, torch.log(told.clamp(min=0.0) + LEAST_SHOWN)], dim=1)
        return torch.exp(self._log_factor(x)[:, 0])

    def log_factor(self, inputs: Tensor) -> Tensor:
        """Logarithm of the factors of single voxels.

        Args:
            inputs: (n, width + 4), what was seen and logarithms of what was told.

        Returns:
            (n,).
        """
        return self._log_factor(inputs.T[None, :, :, None])[0, 0, :, 0]

    def _log_factor(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.1)
        factors: Tensor = self.last(x)
        return factors.float().clamp(*_LOG_FACTOR_LIMITS)


class KiNetwork(nn.Module):
    """Features -> Ki / n and V / n, and the standard deviation of Ki / n if wanted.

    D = softplus(FUR + r1), Ki = D sigmoid(r2), V = D (1 - sigmoid(r2)): both are non-negative and
    their sum is a denoised uptake ratio. The standard deviation is 0.1 exp(r3). There are no
    normalisation layers, so that weights of two fine-tunings of one start may be mixed.

    Args:
        width: Channels of the first level; twice as many further down.
        sigma: Whether it has the third output.
        calibration: Hidden channels of its `Calibration`, the fourth output; 0 for none.
        levels: Resolutions, the finest included; each is half as fine as the one before.
        kernel: Side of the kernels in voxels, odd; those of the head are of one voxel.
    """

    def __init__(
        self,
        width: int,
        sigma: bool = False,
        calibration: int = 0,
        levels: int = 3,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        self.has_sigma = sigma
        self.reach = reach_of(levels, kernel)
        self._upper = tuple(range(levels - 1))
        given = CHANNEL_COUNT
        for level in self._upper:
            made = width if level == 0 else 2 * width
            self.add_module(f"encoder{level}", _Convolutions(kernel, given, made, made))
            given = made
        self.bottom = _Convolutions(kernel, given, 2 * width, 2 * width)
        for level in reversed(self._upper[1:]):
            self.add_module(f"decoder{level}", _Convolutions(kernel, 4 * width, 2 * width))
        self.decoder0 = _Convolutions(kernel, 3 * width, width, width)
        self.head = nn.Conv2d(width, 3 if sigma else 2, 1)
        nn.init.normal_(self.head.weight, std=1e-3)
        self.calibration = Calibration(width, calibration) if calibration else None

    def seen(self, features: Tensor) -> Tensor:
        """Last hidden layer, (b, width, y, x)."""
        kept: list[Tensor] = []
        x = features
        for level in self._upper:
            kept.append(self.get_submodule(f"encoder{level}")(x))
            x = functional.avg_pool2d(kept[-1], 2)
        x = self.bottom(x)
        for level in reversed(self._upper):
            up = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.get_submodule(f"decoder{level}")(torch.cat([kept[level], up], dim=1))
        result: Tensor = x
        return result

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Compute all maps.

        Args:
            features: (b, 31, y, x), sides in the alignment of its reach.

        Returns:
            Ki / n and V / n, the standard deviation of Ki / n of a network that has it, and the
            factor of its calibration; each (b, y, x).
        """
        seen = self.seen(features)
        told = self.maps(features, seen)
        if self.calibration is None:
            return told
        shown = torch.stack([*told, features[:, FUR_CHANNEL]], dim=1)
        return (*told, self.calibration(seen, shown))

    def maps(self, features: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        """All but the calibration, from the last hidden layer."""
        residuals = self.head(seen)
        maps = combine(features, residuals)
        return (*maps, spread(residuals)) if self.has_sigma else maps


def reach_of(levels: int, kernel: int) -> Reach:
    """How far a network of this architecture looks.

    With s voxels to one of the coarsest level and r the half of a kernel, its convolutions reach
    r (5 s - 2) voxels and the steps up, each to the neighbour, 2 (s - 1).

    Args:
        levels: Of the network.
        kernel: Side of its kernels.
    """
    coarsest = 2 ** (levels - 1)
    alignment = max(THREE_LEVELS.alignment, coarsest)
    halo = kernel // 2 * (5 * coarsest - 2) + 2 * (coarsest - 1)
    return Reach(alignment, -(-halo // alignment) * alignment)


def combine(features: Tensor, residuals: Tensor) -> tuple[Tensor, Tensor]:
    """The head: uptake ratio and residuals -> Ki / n and V / n, each (b, y, x)."""
    uptake = features[:, FUR_CHANNEL] + residuals[:, 0]
    total = functional.softplus(uptake * SHARPNESS) / SHARPNESS
    share = torch.sigmoid(residuals[:, 1])
    return total * share, total * (1.0 - share)


def spread(residuals: Tensor) -> Tensor:
    """Standard deviation of Ki / n, (b, y, x), from the third residual."""
    return TYPICAL_SIGMA * torch.exp(residuals[:, 2].float().clamp(*_LOG_SIGMA_LIMITS))


def mean_weights(several: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of the weights of networks from one start, in double precision and rounded once."""
    return {
        name: torch.stack([weights[name].double() for weights in several]).mean(dim=0).float()
        for name in several[0]
    }


def blend(
    smooth: dict[str, Tensor], sharp: dict[str, Tensor], position: float
) -> dict[str, Tensor]:
    """W = (1 - a) smooth + a sharp, computed in double precision and rounded once."""
    return {
        name: ((1.0 - position) * smooth[name].double() + position * sharp[name].double()).float()
        for name in smooth
    }
