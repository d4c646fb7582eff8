"""What a whole simulated study is made of: person, protocol, scanner, reconstruction."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FENG_FDG, FengParameters
from kiview.core.timing import FrameTiming
from kiview.simulate.acquisition import ScannerSettings, decay_factors
from kiview.simulate.frame_methods import Reconstruction, check_reconstruction
from kiview.simulate.parametric import DirectSettings
from kiview.simulate.projector import ProjectorGeometry
from kiview.simulate.recipe import ADDED_LATER
from kiview.simulate.scanner_errors import mixing_reach

CONFIG_VERSION = 1
"""Raise when the same configuration and seed give other numbers than before."""
WHOLE_BODY = 0
"""Number of slices that asks for the whole of a body."""
_RIM_PIXELS = 2
"""The reach is sampled coarsely, and the outermost pixel is not seen from every angle."""
_PIXEL_STEP = 8
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
        person: "demo" (fixed), or from the seed "torso" or "body" (head to thigh).
        lesions: Number of tumours of a random person.
        first_start_s: First frame after injection.
        frame_seconds: Duration of each frame; contiguous.
        scanner: Counts, blur, background, sharing of counts between slices.
        slices: Of the volume; `WHOLE_BODY` for as many as a body is tall, in slices as wide as
            the body (`pixels` or more).
        slice_mm: Distance between them.
        middle_z_mm: Height of the middle of the volume; drawn with a whole body.
        pixels: Of a slice; drawn twice as fine. What lies outside its circle is not seen.
        pixel_mm: Side of a pixel.
        angles: Of the sinogram, a multiple of `subsets`.
        iterations: OSEM passes; MLEM makes as many updates, so `subsets` times as many passes.
        subsets: OSEM.
        post_filter_mm: FWHM of a 3-D Gaussian on the frames, 0 for none.
        direct_window_s: Also reconstruct Ki and V0 directly (4-D) from the frames of this window.
        direct: Settings of that.
        injected_bq: Activity at injection.
        weight_kg: Of the person; drawn with a body.
        blood_suv: Blood activity 45 min after injection, g/mL.
        feng: Shape of the input function.
        threads: Workers.
        slices_per_chunk: Reconstructed together.
        version: `CONFIG_VERSION` of the numbers.
        reconstruction: Of the frames: "osem", "mlem" with as many updates, or "fbp".
    """

    person: Literal["demo", "torso", "body"] = "demo"
    lesions: int = 6
    first_start_s: float = 0.0
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
    reconstruction: Reconstruction = field(default="osem", metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self.angles % self.subsets:
            raise InvalidInputError("The number of angles must be a multiple of the subsets.")
        if not self.frame_seconds or min(self.frame_seconds) <= 0:
            raise InvalidInputError("A study needs at least one frame, each longer than 0 s.")
        check_reconstruction(self.reconstruction)
        if self.first_start_s < 0:
            raise InvalidInputError(
                f"A first frame {-self.first_start_s:g} s before the injection can't be simulated;"
                " give a start of 0 s or later."
            )
        if self.slices < 1 and not self.is_whole_body:
            raise InvalidInputError(
                f"A {self.person} of {self.slices} slices can't be simulated; give 1 or more (only"
                " a body may be as tall as it is)."
            )
        scanner = self.scanner
        if scanner.attenuation_error or scanner.attenuation_shift_mm or scanner.bad_module_share:
            raise InvalidInputError(
                "A whole study has no attenuation errors and no bad modules; simulate a slab, or"
                " leave them out."
            )

    @property
    def is_whole_body(self) -> bool:
        """Whether the volume is as large as the person."""
        return self.person == "body" and self.slices == WHOLE_BODY

    @property
    def neighbours(self) -> int:
        """Slices beyond either end of some slices whose counts are mixed into them."""
        return mixing_reach(self.scanner.axial_mixing_fwhm_mm, self.slice_mm)

    @property
    def chunks(self) -> tuple[tuple[int, int], ...]:
        """First and last (exclusive) slice of everything reconstructed together."""
        size = self.slices_per_chunk
        return tuple((z, min(z + size, self.slices)) for z in range(0, self.slices, size))

    @property
    def timing(self) -> FrameTiming:
        """Frames, (t,)."""
        durations = np.asarray(self.frame_seconds)
        return FrameTiming(self.first_start_s + np.cumsum(durations) - durations, durations)

    @property
    def gain(self) -> NDArray[np.float64]:
        """Duration x mean decay of each frame, (t,) s: also the weights of a Patlak fit."""
        timing = self.timing
        return np.asarray(timing.duration_s * decay_factors(timing, self.scanner.half_life_s))

    def over(self, z_range_mm: tuple[float, float], reach_mm: float) -> "ScanConfig":
        """The same study with a volume that holds a person.

        Args:
            z_range_mm: Lowest and highest point.
            reach_mm: Largest distance from the z axis.

        Returns:
            As many slices as cover the range, centred on it; slices of `pixels`, or of the next
            multiple of 8 that sees the person from every angle.
        """
        low, high = z_range_mm
        slices = int(np.ceil((high - low) / self.slice_mm))
        needed = 2 * (reach_mm / self.pixel_mm + _RIM_PIXELS)
        pixels = max(self.pixels, _PIXEL_STEP * int(np.ceil(needed / _PIXEL_STEP)))
        return replace(self, slices=slices, middle_z_mm=0.5 * (low + high), pixels=pixels)

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
