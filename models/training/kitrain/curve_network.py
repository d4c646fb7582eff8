"""The curve network: where is blood, and what plasma curve follows from its activity."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from kiview.nets.curve_features import CURVE_CHANNELS, SLOPE_MIN, STATISTIC_NAMES
from kiview.nets.curve_readout import EARLY_MIN, READOUT_OUTPUTS

_HIDDEN = 16


class CurveNetwork(nn.Module):
    """Features of a study -> a logit per voxel that it is blood; a U-Net of three levels.

    The read-out from eight numbers to the shape of the curve is trained with it and exported beside
    it.

    Args:
        width: Channels of the first level; twice as many further down.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder0 = _block(CURVE_CHANNELS, width, width)
        self.encoder1 = _block(width, 2 * width, 2 * width)
        self.bottom = _block(2 * width, 2 * width, 2 * width)
        self.decoder1 = _block(4 * width, 2 * width)
        self.decoder0 = _block(3 * width, width)
        self.head = nn.Conv2d(width, 1, 1)
        self.readout = Readout()

    def forward(self, features: Tensor) -> Tensor:
        """Logits.

        Args:
            features: (b, 9, y, x), sides multiples of 4.

        Returns:
            (b, y, x).
        """
        level0 = self.encoder0(features)
        level1 = self.encoder1(functional.avg_pool2d(level0, 2))
        level2 = self.bottom(functional.avg_pool2d(level1, 2))
        level1 = self.decoder1(torch.cat([level1, _up(level2)], dim=1))
        logits: Tensor = self.head(self.decoder0(torch.cat([level0, _up(level1)], dim=1)))
        return logits[:, 0]


class Readout(nn.Module):
    """`kiview.nets.curve_readout.CurveReadout` with gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(len(STATISTIC_NAMES), _HIDDEN)
        self.out = nn.Linear(_HIDDEN, len(READOUT_OUTPUTS))
        nn.init.normal_(self.out.weight, std=1e-2)
        nn.init.zeros_(self.out.bias)

    def forward(self, statistics: Tensor) -> Tensor:
        """(n, 8) -> (n, 3): correction, share of the slope, early part."""
        raw = self.out(torch.tanh(self.hidden(statistics)))
        return torch.stack([raw[:, 0], torch.sigmoid(raw[:, 1]), raw[:, 2]], dim=1)


def ln_ratio(level: Tensor, middle_min: Tensor, slope: Tensor, shape: Tensor, t: Tensor) -> Tensor:
    """Ln of the plasma curve over the population curve.

    Args:
        level: (n,) measured at the middle of the frames.
        middle_min: (n,).
        slope: (n,) measured, per 20 min.
        shape: (n, 3) of the read-out.
        t: (n, k) times in min.

    Returns:
        (n, k).
    """
    correction, share, early = (part[:, None] for part in shape.unbind(dim=1))
    tilt = share * slope[:, None] * (t - middle_min[:, None]) / SLOPE_MIN
    return level[:, None] + correction + tilt + early * torch.exp(-t / EARLY_MIN)


def _block(*channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(channels):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)


def _up(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
