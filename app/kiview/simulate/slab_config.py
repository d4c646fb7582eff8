"""What a training slab is made of: phantom family, protocol, scanner, reconstruction."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kiview.core.errors import InvalidInputError
from kiview.core.timing import FrameTiming
from kiview.simulate.acquisition import ScannerSettings
from kiview.simulate.parametric import DirectSettings
from kiview.simulate.projector import ProjectorGeometry

SlabKind = Literal["torso", "brain", "uniform", "nema"]
CONFIG_VERSION = 1
"""Raise when the same configuration and seed give other numbers than before."""
_KINDS: tuple[SlabKind, ...] = ("torso", "brain", "uniform", "nema")
_KIND_SHARES = (0.80, 0.08, 0.07, 0.05)
_STANDARD_SHARE, _FILTERED_SHARE, _RESIZED_SHARE = 0.35, 0.5, 0.33


@dataclass(frozen=True, slots=True)
class SlabConfig:
    """One slab, complete.

    Attributes:
        kind: Phantom family.
        frame_start_s: First frame after injection.
        frame_duration_s: Of every frame; frames are contiguous.
        frame_count: Two or more.
        scanner: Counts, blur, background.
        slices: Of the slab.
        slice_mm: Distance between them.
        pixels: Of a reconstructed slice; drawn twice as fine.
        pixel_mm: Reconstructed; the field of view scales with it.
        angles: Of the sinogram, a multiple of `subsets`.
        iterations: OSEM passes.
        subsets: OSEM and direct.
        direct: Direct reconstruction.
        post_filter_mm: FWHM of a 3-D Gaussian on the frames, 0 for none.
        lesions: Number of tumours; drawn 1 to 5 if None.
        version: `CONFIG_VERSION` of the numbers.
    """

    kind: SlabKind = "torso"
    frame_start_s: float = 1800.0
    frame_duration_s: float = 300.0
    frame_count: int = 6
    scanner: ScannerSettings = field(default_factory=ScannerSettings)
    slices: int = 8
    slice_mm: float = 4.0
    pixels: int = 128
    pixel_mm: float = 4.0
    angles: int = 160
    iterations: int = 3
    subsets: int = 16
    direct: DirectSettings = field(default_factory=DirectSettings)
    post_filter_mm: float = 0.0
    lesions: int | None = None
    version: int = CONFIG_VERSION

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self.angles % self.subsets:
            raise InvalidInputError("The number of angles must be a multiple of the subsets.")
        if self.frame_count < 2:
            raise InvalidInputError("A Patlak slab needs two frames or more.")

    @property
    def timing(self) -> FrameTiming:
        """Frames, (t,)."""
        durations = np.full(self.frame_count, self.frame_duration_s)
        return FrameTiming(self.frame_start_s + np.arange(self.frame_count) * durations, durations)

    def projector(self, fine: bool) -> ProjectorGeometry:
        """Detector with coarse (reconstruction) or twice as fine (data) pixels."""
        pixels = 2 * self.pixels if fine else self.pixels
        return ProjectorGeometry(pixels, self.pixels, self.angles, self.pixels * self.pixel_mm)


def training_config(seed: int) -> SlabConfig:
    """Random protocol, counts, filter and phantom family for a training slab.

    35 % are the standard protocol (6 x 5 min from 30 min); the rest start at 25 to 45 min with 2
    to 8 frames of 3 to 10 min. Counts are log-uniform from 1e5 to 3e6 trues per 5 min and slice.
    80 % are torsos. Half of the slabs have a light post filter, a third other pixel sizes.
    """
    rng = np.random.default_rng([seed, 71])
    kind = _KINDS[int(rng.choice(len(_KINDS), p=_KIND_SHARES))]
    start, duration, count = 30.0, 5.0, 6
    if rng.random() >= _STANDARD_SHARE:
        start = float(rng.uniform(25, 45))
        duration = float(rng.choice((3.0, 4.0, 5.0, 6.0, 8.0, 10.0)))
        count = min(int(rng.integers(2, 9)), max(2, int(45 // duration)))
    trues = float(np.exp(rng.uniform(np.log(1e5), np.log(3e6))))
    post = float(rng.uniform(2, 6)) if rng.random() < _FILTERED_SHARE else 0.0
    pixel = float(rng.uniform(3.3, 4.6)) if rng.random() < _RESIZED_SHARE else 4.0
    return SlabConfig(
        kind=kind,
        frame_start_s=60 * start,
        frame_duration_s=60 * duration,
        frame_count=count,
        scanner=ScannerSettings(trues_per_frame=trues),
        pixel_mm=pixel,
        post_filter_mm=post,
    )
