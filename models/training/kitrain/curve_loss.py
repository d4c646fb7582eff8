"""What the curve network minimises: wrong plasma curves, and blood where there is none.

The same numbers as `kiview.nets.curve_features.attended` and `kiview.nets.curve_readout`, with
gradients.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kitrain.curve_data import UNKNOWN, CurveSample
from kitrain.curve_network import Readout, ln_ratio
from kiview.nets.curve_features import (
    LN_GAIN_CENTRE,
    LN_VOLUME_CENTRE,
    LN_VOLUME_SCALE,
    POPULATION,
    SCALE_MIN,
    SLOPE_LIMIT,
    SLOPE_MIN,
    SMALLEST,
)
from kiview.nets.preprocess import FEATURE_NAMES

_MM3_PER_ML = 1000.0
_MASK_WEIGHT = 10.0
"""Blood is one voxel in fifty, so that a mean cross entropy is small."""


@dataclass(frozen=True, slots=True, eq=False)
class CurvePart:
    """Some slices of a sample as tensors.

    Attributes:
        features: (b, 9, y, x).
        maps: (4, b, y, x) uptake, of the earlier and of the later half, network Ki.
        blood: (b, y, x) as in the sample.
        ratio: (2, b) of the halves, by slice.
        sample: Where it is from.
    """

    features: Tensor
    maps: Tensor
    blood: Tensor
    ratio: Tensor
    sample: CurveSample


def part_of(sample: CurveSample, slices: NDArray[np.int64], turn: int, flip: bool) -> CurvePart:
    """Slices of a sample, turned by quarters and mirrored.

    Args:
        sample: The sample.
        slices: Which.
        turn: Quarter turns.
        flip: Whether mirrored before.
    """
    names = [FEATURE_NAMES.index(n) for n in ("fur", "fur_early", "fur_late")]
    maps = np.concatenate([sample.study.values[names], sample.ki[None]])[:, slices]
    ratio = np.broadcast_to(sample.halves.ratio, (2, len(sample.ki)))[:, slices]
    features, seen, blood = (
        _turned(torch.from_numpy(np.ascontiguousarray(a)), turn, flip)
        for a in (sample.features[slices], maps, sample.blood[slices])
    )
    return CurvePart(features, seen, blood, torch.from_numpy(ratio.astype(np.float32)), sample)


def _turned(values: Tensor, turn: int, flip: bool) -> Tensor:
    mirrored = values.flip(-1) if flip else values
    return torch.rot90(mirrored, turn, (-2, -1))


def measured(logits: Tensor, part: CurvePart) -> tuple[Tensor, Tensor, Tensor]:
    """Level, slope and statistics of what is attended to.

    Args:
        logits: (b, y, x).
        part: The slices.

    Returns:
        ln level and slope, () each, and the statistics (8,).
    """
    sample = part.sample
    weights = torch.softmax(logits.flatten(), 0).view_as(logits)
    by_slice = (weights * part.maps).sum(dim=(-2, -1))
    uptake, ki = by_slice[0].sum(), by_slice[3].sum()
    early, late = ((by_slice[i] * part.ratio[i - 1]).sum().clamp_min(SMALLEST) for i in (1, 2))
    first, last = (float(t) for t in sample.halves.time_min)
    slope = (late.log() - early.log()) * SLOPE_MIN / (last - first)
    slope = slope.clamp(-SLOPE_LIMIT, SLOPE_LIMIT)
    voxel_ml = float(np.prod(sample.spacing_mm)) / _MM3_PER_ML
    volume = voxel_ml / weights.square().sum()
    uptake = uptake.clamp_min(SMALLEST)
    plain = logits.new_tensor([
        (0.5 * (first + last) - SCALE_MIN) / SLOPE_MIN,
        (last - first) / SLOPE_MIN,
        np.log(sample.study.noise_gain) - LN_GAIN_CENTRE,
    ])  # fmt: skip
    statistics = torch.stack([
        slope,
        *plain,
        uptake.log(),
        ki / uptake,
        LN_VOLUME_SCALE * (volume.log() - LN_VOLUME_CENTRE),
        (weights * torch.sigmoid(logits)).sum(),
    ])  # fmt: skip
    level = 0.5 * (early.log() + late.log()) + float(np.log(sample.study.normaliser))
    return level, slope, statistics


def curve_error(logits: Tensor, part: CurvePart, readout: Readout) -> Tensor:
    """|ln| of the area under the curve, plus the mean |ln| of the curve over the frames."""
    level, slope, statistics = measured(logits, part)
    shape = readout(statistics[None])
    middle = logits.new_tensor([float(np.mean(part.sample.halves.time_min))])
    truth = part.sample.truth

    def ratio(time_min: NDArray[np.float64]) -> Tensor:
        t = logits.new_tensor(time_min)[None]
        return ln_ratio(level[None], middle, slope[None], shape, t)[0]

    population = logits.new_tensor(POPULATION.at(60.0 * truth.area_time_min))
    curve = population * ratio(truth.area_time_min).clamp(-20.0, 20.0).exp()
    area = torch.trapezoid(curve, logits.new_tensor(truth.area_time_min))
    late = logits.new_tensor(np.log(truth.late / POPULATION.at(60.0 * truth.late_min)))
    error = (area.log() - float(np.log(truth.area))).abs()
    return error + (ratio(truth.late_min) - late).abs().mean()


def mask_error(logits: Tensor, blood: Tensor) -> Tensor:
    """Cross entropy where it is known whether there is blood."""
    known = blood != UNKNOWN
    wanted = (blood == 1).float()
    return functional.binary_cross_entropy_with_logits(logits[known], wanted[known])


def curve_loss(logits: Tensor, part: CurvePart, readout: Readout) -> Tensor:
    """Both errors; the curve counts only where there is a vessel."""
    error = _MASK_WEIGHT * mask_error(logits, part.blood)
    if part.sample.has_blood:
        error = error + curve_error(logits, part, readout)
    return error
