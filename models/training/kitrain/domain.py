"""What a network was trained on, for its card: the ranges that training slabs are drawn from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kiview.nets.noise import patlak_noise
from kiview.nets.preprocess import StudyFeatures
from kiview.simulate.acquisition import F18_HALF_LIFE_S
from kiview.simulate.slab_recipes import (
    FRAME_MINUTES,
    LAST_END_MIN,
    MOST_FRAMES,
    PIXEL_RANGE_MM,
    REGIONS,
    START_RANGE_MIN,
    TRUES_RANGE,
)

_FEWEST_FRAMES = 2


def measured_ranges(studies: Sequence[StudyFeatures]) -> dict[str, list[float]]:
    """Lowest and highest noise gain, and noise of the Patlak map over n, of training groups."""
    gains = [study.noise_gain for study in studies]
    noises = [noise for noise in map(patlak_noise, studies) if not np.isnan(noise)]
    found = {"noise_gain": [min(gains), max(gains)]}
    return found | ({"patlak_noise": [min(noises), max(noises)]} if noises else {})


def domain_table(
    measured: Mapping[str, Sequence[float]], data: Mapping[str, Any]
) -> dict[str, Any]:
    """The `[domain]` table of a card.

    Args:
        measured: From `measured_ranges`.
        data: Configuration of the data as plain values; older ones say less.
    """
    start, shortest = START_RANGE_MIN[0], min(FRAME_MINUTES)
    return {
        "tracers": ["FDG", "fluorodeoxyglucose"],
        "region": _region(data.get("regions", REGIONS)),
        "half_life_s": F18_HALF_LIFE_S,
        "frame_count": [_FEWEST_FRAMES, MOST_FRAMES],
        "start_min": [*START_RANGE_MIN],
        "end_min": [start + _FEWEST_FRAMES * shortest, LAST_END_MIN],
        "frame_length_min": [shortest, max(FRAME_MINUTES)],
        "source_voxel_mm": [*PIXEL_RANGE_MM],
        "trues_per_slice_and_5_min": [*TRUES_RANGE],
        **{name: [float(f"{v:.4g}") for v in pair] for name, pair in measured.items()},
    }


def _region(weights: Mapping[str, float]) -> str:
    """Parts of the body that were learnt from."""
    names = [name for name in REGIONS if weights.get(name, 0.0) > 0]
    return "head to thigh" if len(names) == len(REGIONS) else ", ".join(names)
