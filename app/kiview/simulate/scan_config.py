"""What a whole simulated study is made of: person, protocol, scanner, reconstruction."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FENG_FDG, FengParameters
from kiview.core.timing import FrameTiming
from kiview.simulate.acquisition import ScannerSettings
from kiview.simulate.parametric import DirectSettings
from kiview.simulate.projector import ProjectorGeometry

CONFIG_VERSION = 1
"""Raise when the same configuration and seed give other numbers than before."""
DEMO_SEED = 4
DEMO_FRAME_SECONDS = (
    *(12 * (5.0,)),
    *(6 * (10.0,)),
    *(8 * (30.0,)),
    *(4 * (60.0,)),
    *(5 * (120.0,)),
    *(9 * (300.0,)),
)
"""44 frames, 65 min: the first 6 min (12 x 5, 6 x 10, 8 x 30 s) of a whole-body protocol with a
heart bed, then 4 x 60, 5 x 120 and 9 x 300 s of a 65-min long-axial-field-of-view protocol
(`science.md` section 3). Frame edges fall on 20, 25, ... 65 min."""
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class ScanConfig:
    """A study, complete.

    Attributes:
        person: "demo" (fixed) or "torso" (random, from the seed).
        lesions: Number of tumours of a random person.
        frame_seconds: Duration of each frame; contiguous from injection.
        scanner: Counts, blur, background.
        slices: Of the volume.
        slice_mm: Distance between them.
        middle_z_mm: Height of the middle of the volume.
        pixels: Of a slice; drawn twice as fine.
        pixel_mm: Side of a pixel.
        angles: Of the sinogram, a multiple of `subsets`.
        iterations: OSEM passes.
        subsets: OSEM.
        post_filter_mm: FWHM of a 3-D Gaussian on the frames, 0 for none.
        direct_window_s: Also reconstruct Ki and V0 directly (4-D) from the frames of this window.
        direct: Settings of that.
        injected_bq: Activity at injection.
        weight_kg: Of the person.
        blood_suv: Blood activity 45 min after injection, g/mL.
        feng: Shape of the input function.
        threads: Workers.
        slices_per_chunk: Reconstructed together.
        version: `CONFIG_VERSION` of the numbers.
    """

    person: Literal["demo", "torso"] = "demo"
    lesions: int = 6
    frame_seconds: tuple[float, ...] = DEMO_FRAME_SECONDS
    scanner: ScannerSettings = field(default_factory=ScannerSettings)
    slices: int = 90
    slice_mm: float = 4.0
    middle_z_mm: float = 8.0
    pixels: int = 128
    pixel_mm: float = 4.0
    angles: int = 160
    iterations: int = 3
    subsets: int = 16
    post_filter_mm: float = 4.0
    direct_window_s: tuple[float, float] | None = None
    direct: DirectSettings = field(default_factory=DirectSettings)
    injected_bq: float = 250e6
    weight_kg: float = 75.0
    blood_suv: float = 1.95
    feng: FengParameters = FENG_FDG
    threads: int = 2
    slices_per_chunk: int = 6
    version: int = CONFIG_VERSION

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self.angles % self.subsets:
            raise InvalidInputError("The number of angles must be a multiple of the subsets.")
        if not self.frame_seconds or min(self.frame_seconds) <= 0:
            raise InvalidInputError("A study needs at least one frame, each longer than 0 s.")

    @property
    def timing(self) -> FrameTiming:
        """Frames, (t,)."""
        durations = np.asarray(self.frame_seconds)
        return FrameTiming(np.cumsum(durations) - durations, durations)

    @property
    def bqml_per_suv(self) -> float:
        """Bq/mL of SUV 1."""
        return self.injected_bq / (1000 * self.weight_kg)

    def projector(self, fine: bool) -> ProjectorGeometry:
        """Detector with coarse (reconstruction) or twice as fine (data) pixels."""
        pixels = 2 * self.pixels if fine else self.pixels
        return ProjectorGeometry(pixels, self.pixels, self.angles, self.pixels * self.pixel_mm)


def demo_config() -> ScanConfig:
    """The demo study: shoulders to kidneys, 90 x 128 x 128 voxels of 4 mm, 44 frames."""
    return ScanConfig()
