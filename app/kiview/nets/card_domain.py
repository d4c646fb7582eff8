"""What a card says a network was trained on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kiview.nets.card_values import POSITIVE, pair, within, words

_ANY = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Domain:
    """What a network was trained on; each pair is (lowest, highest).

    Attributes:
        tracers: Names of tracers.
        region: Part of the body.
        half_life_s: Of the radionuclide.
        frame_count: Number of frames used.
        start_min: Start of the first frame after injection.
        end_min: End of the last frame.
        frame_length_min: Length of a frame.
        noise_gain: g of the protocol, how much noisier Ki is than the uptake ratio.
        source_voxel_mm: Voxel spacing of the frames before resampling.
        scan_height_mm: Length of the scan along the patient; endless where the card has none.
        uptake_noise: Noise of uptake over its normaliser, which tells counts (`nets.noise`);
            likewise.
        patlak_noise: That of the Patlak map, on cards of before; likewise.
        body_parts: DICOM terms of what was scanned, in capitals; empty for any.
    """

    tracers: tuple[str, ...]
    region: str
    half_life_s: float
    frame_count: tuple[float, float]
    start_min: tuple[float, float]
    end_min: tuple[float, float]
    frame_length_min: tuple[float, float]
    noise_gain: tuple[float, float]
    source_voxel_mm: tuple[float, float]
    scan_height_mm: tuple[float, float] = _ANY
    uptake_noise: tuple[float, float] = _ANY
    patlak_noise: tuple[float, float] = _ANY
    body_parts: tuple[str, ...] = ()


def read_domain(domain: Mapping[str, Any]) -> Domain:
    """The `[domain]` table of a card.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another type.
        ValueError: a value is none.
    """
    return Domain(
        tracers=tuple(words(name) for name in domain["tracers"]),
        region=words(domain["region"]),
        half_life_s=within(float(domain["half_life_s"]), POSITIVE),
        frame_count=pair(domain["frame_count"]),
        start_min=pair(domain["start_min"]),
        end_min=pair(domain["end_min"]),
        frame_length_min=pair(domain["frame_length_min"]),
        noise_gain=pair(domain["noise_gain"]),
        source_voxel_mm=pair(domain["source_voxel_mm"]),
        scan_height_mm=pair(domain.get("scan_height_mm", _ANY)),
        uptake_noise=pair(domain.get("uptake_noise", _ANY)),
        patlak_noise=pair(domain.get("patlak_noise", _ANY)),
        body_parts=tuple(words(part) for part in domain.get("body_parts", ())),
    )
