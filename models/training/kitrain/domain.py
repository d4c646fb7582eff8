"""What a network was trained on, for its card: the ranges that training slabs are drawn from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kiview.nets.noise import uptake_noise
from kiview.nets.preprocess import StudyFeatures
from kiview.simulate.acquisition import F18_HALF_LIFE_S
from kiview.simulate.person import DRAWN_HEIGHTS_M, NOMINAL_HEIGHT_M
from kiview.simulate.physique import HIGHEST_MM, LOWEST_MM
from kiview.simulate.slab_config import SlabConfig
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
_NOISIEST_SHARE = 0.98
"""Of the training slabs, those that the limit of noise covers: the few beyond it have few counts in
a short window, and one of them would decide where few counts begin."""
_WHOLE = ("BODY", "WHOLEBODY", "TRUNK", "TORSO", "NECKCHESTABDPELV", "CHESTABDPELVIS", "SPINE")
_PARTS = {
    "head": ("HEAD", "BRAIN", "SKULL", "NECK", "CSPINE", "THYROID"),
    "thorax": ("CHEST", "THORAX", "MEDIASTINUM", "TSPINE", "LUNG", "HEART", "AORTA"),
    "abdomen": (
        "ABDOMEN", "LSPINE", "AORTA", "LIVER", "SPLEEN", "KIDNEY", "PANCREAS", "STOMACH", "COLON",
        "GALLBLADDER",
    ),
    "pelvis": ("PELVIS", "HIP", "SSPINE", "BLADDER", "UTERUS", "PROSTATE", "COLON"),
    "thigh": ("THIGH", "HIP"),
}  # fmt: skip
"""DICOM terms (Body Part Examined) of what simulated people are made of, by region. A breast is
part of a chest here; one that is scanned alone hangs in a scanner of its own. Terms made of these
words need no entry."""
_TEST_OBJECTS = "PHANTOM"


def measured_ranges(studies: Sequence[StudyFeatures]) -> dict[str, list[float]]:
    """Range of the noise gain, and of the noise of uptake over n, of training groups.

    Lowest and highest; of the noise the highest but for the noisiest 2 %.
    """
    gains = [study.noise_gain for study in studies]
    noises = [noise for noise in map(uptake_noise, studies) if not np.isnan(noise)]
    found = {"noise_gain": [min(gains), max(gains)]}
    if noises:
        found["uptake_noise"] = [min(noises), float(np.quantile(noises, _NOISIEST_SHARE))]
    return found


def scan_heights_mm() -> tuple[float, float]:
    """From a training slab to the tallest person drawn, from the middle of the thighs to the top.

    Networks learn from slabs and see five slices at a time; they are judged on whole people.
    """
    slab = SlabConfig()
    tallest = DRAWN_HEIGHTS_M[1] / NOMINAL_HEIGHT_M * (HIGHEST_MM - LOWEST_MM)
    return slab.slices * slab.slice_mm, float(round(tallest))


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
        "body_parts": _body_parts(data.get("regions", REGIONS)),
        "scan_height_mm": [*scan_heights_mm()],
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


def _body_parts(weights: Mapping[str, float]) -> list[str]:
    """DICOM terms of them; those of the whole where no region is missing."""
    names = [name for name in REGIONS if weights.get(name, 0.0) > 0]
    whole = _WHOLE if len(names) == len(REGIONS) else ()
    found = [*whole, *(part for name in names for part in _PARTS[name]), _TEST_OBJECTS]
    return list(dict.fromkeys(found))
