"""The person of a slab on its fine grid: anatomy, activity, truth, measured input function."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.simulate import acquisition, scanner_errors
from kiview.simulate.body import BodyOptions, draw_body
from kiview.simulate.coarse import inside_of
from kiview.simulate.insert_phantoms import draw_test_object
from kiview.simulate.kinetics import (
    ActivityBasis,
    SampledInput,
    activity_basis,
    curve_tables,
    patlak_basis,
)
from kiview.simulate.other_phantoms import draw_brain, draw_nema, draw_uniform
from kiview.simulate.patlak_truth import PatlakTruth, patlak_truth
from kiview.simulate.person import Region, draw_person, draw_region
from kiview.simulate.phantom import Drawing, Phantom
from kiview.simulate.plasma import draw_plasma, draw_varied_plasma
from kiview.simulate.plasma_errors import MeasuredInput, draw_measured_input
from kiview.simulate.scattered_lesions import LesionSettings
from kiview.simulate.shapes import Grid
from kiview.simulate.slab_config import SlabConfig
from kiview.simulate.torso import HIGHEST_MM, LOWEST_MM, draw_torso

Floats = NDArray[np.float32]
_REGIONS: tuple[Region, ...] = ("thorax", "abdomen", "pelvis", "head", "thigh")
_FEWEST_IN_BODY, _MOST_IN_BODY = 4, 14


@dataclass(frozen=True, slots=True)
class SlabPerson:
    """The person on the fine grid.

    At either end there are `neighbours` slices whose counts are mixed into the slab, and one more
    for the axial blur.

    Attributes:
        phantom: Anatomy and constants.
        drawing: On the fine grid.
        plasma: True input function (minutes, SUV).
        activity: Curves of all materials, compressed.
        basis: (2, t) frame means of the plasma's integral (SUV x min) and of the plasma.
        weights: (t,) duration x mean decay factor.
        neighbours: Slices at either end that are only measured.
        fitted: Noise-free Patlak of these frames, where constants alone do not say the truth.
        is_reversible: Whether Ki is that of `fitted` too, not only V0.
        measured: The input function as a site would have it, None if not asked for.
    """

    phantom: Phantom
    drawing: Drawing
    plasma: SampledInput
    activity: ActivityBasis
    basis: NDArray[np.float64]
    weights: NDArray[np.float64]
    neighbours: int
    fitted: PatlakTruth | None
    is_reversible: bool
    measured: MeasuredInput | None

    def measured_slices(self, name: str) -> Floats:
        """A property of the slices that are measured, (z, y, x)."""
        return self.phantom.truth(self.drawing, name)[1:-1]

    def true_ki(self) -> Floats:
        """Ki of the slab, (z, y, x), /min."""
        if self.fitted is not None and self.is_reversible:
            return self.fitted.ki(self.phantom, self.drawing)[self.inner]
        return self.phantom.truth(self.drawing, "ki")[self.inner]

    def true_v0(self) -> Floats:
        """V0 of the slab, (z, y, x), mL/mL."""
        if self.fitted is not None:
            return self.fitted.v0(self.phantom, self.drawing)[self.inner]
        return self.phantom.truth(self.drawing, "v0")[self.inner]

    def attenuation_per_mm(self) -> Floats:
        """Of the slab, (z, y, x)."""
        return self.phantom.truth(self.drawing, "attenuation_per_mm")[self.inner]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Of the slab, (z, y, x)."""
        return self.drawing.labels[self.inner]

    @property
    def inner(self) -> slice:
        """The slab's slices on the fine grid."""
        margin = self.neighbours + 1
        return slice(margin, len(self.drawing.labels) - margin)

    def mask(self) -> Floats:
        """Inside the person, holes such as the windpipe filled; the slices that are measured."""
        return inside_of(self.drawing.labels[1:-1])

    def coarse_grid(self) -> Grid:
        """Where the slab's voxels lie."""
        fine = self.drawing.grid
        slices, height, width = fine.shape_zyx
        dz, dy, dx = fine.spacing_zyx_mm
        z, y, x = fine.origin_zyx_mm
        margin = self.neighbours + 1
        shape = (slices - 2 * margin, height // 2, width // 2)
        return Grid(shape, (dz, 2 * dy, 2 * dx), (z + margin * dz, y + dy / 2, x + dx / 2))


def draw_slab_person(config: SlabConfig, rng: np.random.Generator) -> SlabPerson:
    """Draw who is scanned, on the fine grid of the slab, with the curves of all materials.

    Args:
        config: Family, physiology, protocol.
        rng: Everything random; the person does not depend on protocol or counts.
    """
    phantom, z_mm = _draw_phantom(config, rng)
    neighbours = scanner_errors.mixing_reach(config.scanner.axial_mixing_fwhm_mm, config.slice_mm)
    slices = config.slices + 2 * (neighbours + 1)
    spacing = (config.slice_mm, config.pixel_mm / 2)
    grid = Grid.centred(slices, 2 * config.pixels, spacing, z_mm)
    timing = config.timing
    is_varied = config.physiology == "varied"
    settings = draw_varied_plasma(rng) if is_varied else draw_plasma(rng)
    plasma = settings.sampled(timing)
    weights = timing.duration_s * acquisition.decay_factors(timing, config.scanner.half_life_s)
    simple = not (is_varied or config.reversible)
    measured = None
    if config.input_errors:
        whole = config.whole_timing
        measured = draw_measured_input(rng.spawn(1)[0], settings.sampled(whole), whole)
    return SlabPerson(
        phantom=phantom,
        drawing=phantom.draw(grid),
        plasma=plasma,
        activity=activity_basis(*curve_tables(phantom, plasma, timing)),
        basis=patlak_basis(plasma, timing),
        weights=weights,
        neighbours=neighbours,
        fitted=None if simple else patlak_truth(phantom, plasma, timing, weights),
        is_reversible=config.reversible,
        measured=measured,
    )


def _draw_phantom(config: SlabConfig, rng: np.random.Generator) -> tuple[Phantom, float]:
    """A person or test object and the height of the slab's middle."""
    half = 0.5 * config.slices * config.slice_mm
    if config.kind == "body":
        return _draw_body(config, rng, half)
    if config.kind == "insert":
        phantom = draw_test_object(rng, "insert")
        return phantom, float(rng.uniform(-60, 60))
    count = int(rng.integers(1, 6)) if config.lesions is None else config.lesions
    if config.kind == "torso":
        z = float(rng.uniform(LOWEST_MM + 20, HIGHEST_MM - 35))
        return draw_torso(rng, count, (z - half, z + half)), z
    z = float(rng.uniform(-25, 45))
    if config.kind == "brain":
        return draw_brain(rng, min(count, 2), (z - half, z + half)), z
    if config.kind == "uniform":
        return draw_uniform(rng, count, (z - half, z + half)), z
    return draw_nema(rng, z), z


def _draw_body(
    config: SlabConfig, rng: np.random.Generator, half_mm: float
) -> tuple[Phantom, float]:
    person = draw_person(rng)
    region = config.region or _REGIONS[int(rng.integers(len(_REGIONS)))]
    z = draw_region(rng, region, person)
    drawn = int(rng.integers(_FEWEST_IN_BODY, _MOST_IN_BODY + 1))
    count = drawn if config.lesions is None else config.lesions
    options = BodyOptions(
        reversible=config.reversible,
        delays=config.physiology == "varied",
        lesions=LesionSettings(smallest_mm=config.smallest_lesion_mm),
    )
    return draw_body(rng, person, count, (z - half_mm, z + half_mm), options), z
