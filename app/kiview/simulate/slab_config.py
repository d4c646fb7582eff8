"""What a training slab is made of: phantom family, protocol, scanner, reconstruction."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.timing import FrameTiming
from kiview.simulate.acquisition import ScannerSettings
from kiview.simulate.frame_methods import Reconstruction, check_reconstruction
from kiview.simulate.parametric import DirectSettings
from kiview.simulate.person import Region
from kiview.simulate.projector import ProjectorGeometry
from kiview.simulate.recipe import ADDED_LATER

SlabKind = Literal["torso", "brain", "uniform", "nema", "body", "insert"]
Physiology = Literal["ideal", "varied"]
CONFIG_VERSION = 1
"""Raise when the same configuration and seed give other numbers than before."""
_EARLY_SECONDS = (*(12 * (5.0,)), *(6 * (10.0,)), *(8 * (30.0,)), *(4 * (60.0,)), *(5 * (120.0,)))
_LONG_S = 300.0
_SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class SlabConfig:
    """One slab, complete.

    Attributes:
        kind: Phantom family.
        region: Part of a body; drawn if None.
        physiology: "ideal": blood equals plasma, no delays, Feng's shape; "varied": plasma/blood
            ratio, arrival delays, infusions and shapes of a varied population.
        reversible: Organs have k4 > 0; the truth is then the noise-free Patlak of these frames.
        input_errors: Also draw an input function with the errors of a measured one.
        frame_start_s: First frame after injection.
        frame_duration_s: Of every frame, where `frame_seconds` doesn't say each.
        frame_count: Two or more, where `frame_seconds` doesn't say each.
        scanner: Counts, blur, background.
        slices: Of the slab.
        slice_mm: Distance between them.
        pixels: Of a reconstructed slice; drawn twice as fine.
        pixel_mm: Reconstructed; the field of view scales with it.
        angles: Of the sinogram, a multiple of `subsets`.
        iterations: OSEM passes; MLEM makes as many updates, so `subsets` times as many passes.
        subsets: OSEM and direct.
        direct: Direct reconstruction.
        post_filter_mm: FWHM of a 3-D Gaussian on the frames, 0 for none.
        lesions: Number of tumours; drawn if None: 1 to 5, in a body 4 to 14.
        smallest_lesion_mm: Of a body's tumours.
        high_counts: Also make a direct reference from this many times the counts, in a scan of
            its own; 0 for none.
        version: `CONFIG_VERSION` of the numbers.
        frame_seconds: Duration of each frame; empty for frames of one length.
        frame_gaps_s: Pause between each frame and the next; empty for contiguous frames.
        reconstruction: Of the frames: "osem", "mlem" with as many updates, or "fbp".
    """

    kind: SlabKind = "torso"
    region: Region | None = None
    physiology: Physiology = "ideal"
    reversible: bool = False
    input_errors: bool = False
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
    smallest_lesion_mm: float = 6.0
    high_counts: float = 0.0
    version: int = CONFIG_VERSION
    frame_seconds: tuple[float, ...] = field(default=(), metadata=ADDED_LATER)
    frame_gaps_s: tuple[float, ...] = field(default=(), metadata=ADDED_LATER)
    reconstruction: Reconstruction = field(default="osem", metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self.angles % self.subsets:
            raise InvalidInputError("The number of angles must be a multiple of the subsets.")
        check_reconstruction(self.reconstruction)
        seconds, gaps = self._durations_s(), self.frame_gaps_s
        if len(seconds) < 2:
            raise InvalidInputError("A Patlak slab needs two frames or more.")
        if min(seconds) <= 0:
            raise InvalidInputError("Every frame of a slab must be longer than 0 s.")
        if gaps and (len(gaps) != len(seconds) - 1 or min(gaps) < 0):
            raise InvalidInputError(
                f"{len(seconds)} frames have {len(seconds) - 1} gaps of 0 s or more between them,"
                f" not {gaps}; give one for each, or none for contiguous frames."
            )

    @property
    def timing(self) -> FrameTiming:
        """Frames, (t,)."""
        durations = self._durations_s()
        if self.frame_seconds or self.frame_gaps_s:
            before = np.cumsum(durations[:-1] + self._gaps_s()[:-1])
            return FrameTiming(self.frame_start_s + np.append(0.0, before), durations)
        return FrameTiming(self.frame_start_s + np.arange(self.frame_count) * durations, durations)

    def _durations_s(self) -> NDArray[np.float64]:
        """Of each frame, (t,)."""
        if self.frame_seconds:
            return np.asarray(self.frame_seconds, np.float64)
        return np.full(self.frame_count, self.frame_duration_s)

    def _gaps_s(self) -> NDArray[np.float64]:
        """Pause after each frame, (t,); none after the last."""
        if not self.frame_gaps_s:
            return np.zeros(len(self._durations_s()))
        return np.append(self.frame_gaps_s, 0.0)

    @property
    def whole_timing(self) -> FrameTiming:
        """Frames of a whole dynamic scan from injection that ends with the slab's frames, (t,)."""
        edges = [0.0]
        for seconds in (*_EARLY_SECONDS, *([_LONG_S] * int(self.frame_start_s // _LONG_S + 1))):
            if edges[-1] + seconds > self.frame_start_s - _SHORTEST_S:
                break
            edges.append(edges[-1] + seconds)
        late = self.timing
        starts = np.concatenate([edges, late.start_s])
        durations = np.diff(np.append(starts, late.end_s[-1]))
        durations[len(edges) :] -= self._gaps_s()
        return FrameTiming(starts, durations)

    def projector(self, fine: bool) -> ProjectorGeometry:
        """Detector with coarse (reconstruction) or twice as fine (data) pixels."""
        pixels = 2 * self.pixels if fine else self.pixels
        return ProjectorGeometry(pixels, self.pixels, self.angles, self.pixels * self.pixel_mm)
