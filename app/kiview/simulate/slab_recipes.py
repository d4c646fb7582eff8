"""Which slabs a network learns from: random people, protocols, scanners and input functions.

`training_config(seed)` draws one slab; every range is here. `standard_config` is the protocol that
scores are told for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from kiview.core.errors import InvalidInputError
from kiview.simulate.acquisition import ScannerSettings
from kiview.simulate.person import Region
from kiview.simulate.slab_config import SlabConfig, SlabKind

_Name = TypeVar("_Name", bound=str)
STANDARD_MIXING_FWHM_MM = 5.0
"""Axial sharing of the standard scanner: noise of neighbouring slices (4 mm) correlates by 0.3."""
TRUES_RANGE = (5e4, 3e6)
"""Trues per slice in 5 minutes: conventional to long-axial scanners."""
PIXEL_RANGE_MM = (3.0, 5.0)
START_RANGE_MIN, LAST_END_MIN = (25.0, 45.0), 95.0
FRAME_MINUTES = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0)
MOST_FRAMES, LONGEST_WINDOW_MIN = 10, 50.0
KINDS: dict[SlabKind, float] = {
    "body": 0.78, "torso": 0.06, "uniform": 0.06, "nema": 0.05, "insert": 0.05, "brain": 0.0,
}  # fmt: skip
"""Phantom families and their usual shares of training slabs."""
REGIONS: dict[Region, float] = {
    "thorax": 0.38, "abdomen": 0.34, "pelvis": 0.11, "head": 0.12, "thigh": 0.05,
}  # fmt: skip
"""Parts of a body and their usual shares of its slabs."""
_STANDARD_SHARE, _FILTERED_SHARE, _RESIZED_SHARE = 0.35, 0.4, 0.33
_VARIED_SHARE, _REVERSIBLE_SHARE, _MEASURED_SHARE = 0.6, 0.25, 0.4


def standard_config() -> SlabConfig:
    """The protocol of the scores: 6 x 5 min from 30 min, 6e5 trues, slices that share noise."""
    scanner = ScannerSettings(axial_mixing_fwhm_mm=STANDARD_MIXING_FWHM_MM)
    return SlabConfig(kind="body", scanner=scanner)


@dataclass(frozen=True, slots=True)
class TrainingMix:
    """Which phantoms training slabs are of.

    Attributes:
        kinds: Weight of each phantom family of `KINDS`; what is not named does not occur.
        regions: Weight of each part of a body of `REGIONS`, likewise.

    Raises:
        InvalidInputError: a name is unknown, a weight is negative or all are 0.
    """

    kinds: Mapping[str, float] = field(default_factory=lambda: dict(KINDS.items()))
    regions: Mapping[str, float] = field(default_factory=lambda: dict(REGIONS.items()))

    def __post_init__(self) -> None:
        for said, known in ((self.kinds, KINDS), (self.regions, REGIONS)):
            unknown = sorted(set(said) - set(known))
            if unknown:
                raise InvalidInputError(f"{unknown[0]!r} is none of {', '.join(known)}.")
            if min(said.values(), default=0.0) < 0 or not sum(said.values()) > 0:
                raise InvalidInputError(
                    f"The weights {dict(said)} can't be drawn from; give 0 or more, one above 0."
                )


USUAL_MIX = TrainingMix()


def training_config(seed: int, mix: TrainingMix = USUAL_MIX) -> SlabConfig:
    """One random training slab.

    35 % have the standard frames; the rest start 25 to 45 min after injection with 2 to 10 frames
    of 3 to 20 min. By the usual mix 78 % are slabs of bodies, head to thigh. Counts, background and
    its error, blur, axial sharing, attenuation error, faulty modules, filter and pixel size vary;
    60 % have a varied physiology, 25 % organs with k4, 40 % an input function with errors.
    """
    rng = np.random.default_rng([seed, 72])
    kind = _drawn(rng, list(KINDS), mix.kinds)
    region = _drawn(rng, list(REGIONS), mix.regions)
    start, duration, count = _draw_frames(rng)
    config = SlabConfig(
        kind=kind,
        region=region if kind == "body" else None,
        physiology="varied" if rng.random() < _VARIED_SHARE else "ideal",
        reversible=kind == "body" and bool(rng.random() < _REVERSIBLE_SHARE),
        input_errors=bool(rng.random() < _MEASURED_SHARE),
        frame_start_s=60 * start,
        frame_duration_s=60 * duration,
        frame_count=count,
        scanner=_draw_scanner(rng),
        iterations=int(rng.integers(2, 5)),
    )
    post = float(rng.uniform(2, 6)) if rng.random() < _FILTERED_SHARE else 0.0
    pixel = float(rng.uniform(*PIXEL_RANGE_MM)) if rng.random() < _RESIZED_SHARE else 4.0
    return replace(config, post_filter_mm=post, pixel_mm=pixel)


def _drawn(rng: np.random.Generator, names: Sequence[_Name], weights: Mapping[str, float]) -> _Name:
    """One of the names; the order of the weights does not matter."""
    shares = np.array([weights.get(name, 0.0) for name in names])
    total = shares.sum()
    if not np.isclose(total, 1.0, rtol=1e-9):
        shares /= total
    return names[int(rng.choice(len(names), p=shares))]


def _draw_frames(rng: np.random.Generator) -> tuple[float, float, int]:
    """Start and length in minutes, number of frames."""
    if rng.random() < _STANDARD_SHARE:
        return 30.0, 5.0, 6
    start = float(rng.uniform(*START_RANGE_MIN))
    duration = float(rng.choice(FRAME_MINUTES))
    window = min(LONGEST_WINDOW_MIN, LAST_END_MIN - start)
    most = min(MOST_FRAMES, max(2, int(window // duration)))
    return start, duration, int(rng.integers(2, most + 1))


def _draw_scanner(rng: np.random.Generator) -> ScannerSettings:
    low, high = np.log(TRUES_RANGE)
    return ScannerSettings(
        trues_per_frame=float(np.exp(rng.uniform(low, high))),
        blur_fwhm_mm=float(rng.uniform(4.0, 6.0)),
        scatter_fraction=float(rng.uniform(0.25, 0.5)),
        randoms_fraction=float(rng.uniform(0.1, 0.6)),
        background_error=float(rng.uniform(0.01, 0.05)),
        axial_mixing_fwhm_mm=float(rng.uniform(0.0, 7.0)),
        attenuation_error=0.02,
        attenuation_shift_mm=float(rng.choice((0.0, 5.0))),
        bad_module_share=0.1,
    )
