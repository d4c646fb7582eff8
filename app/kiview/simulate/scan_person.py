"""The person of a whole study on its fine grid: anatomy, activity, truth."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kiview.core.progress import Progress
from kiview.simulate.body import body_range_mm, draw_body, transaxial_reach_mm
from kiview.simulate.coarse import coarse_mean, inside_of
from kiview.simulate.demo_torso import demo_torso
from kiview.simulate.kinetics import ActivityBasis, SampledInput, activity_basis, curve_tables
from kiview.simulate.person import draw_person
from kiview.simulate.phantom import Drawing, Phantom
from kiview.simulate.plasma import PlasmaSettings
from kiview.simulate.scan_config import ScanConfig
from kiview.simulate.shapes import Grid
from kiview.simulate.torso import draw_torso

Floats = NDArray[np.float32]
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class ScanPerson:
    """The person on the fine grid.

    At either end there are `config.neighbours` slices whose counts are mixed into the volume, and
    one more for the axial blur.

    Attributes:
        config: What was asked, with the volume and the weight that a body was drawn with.
        phantom: Anatomy and constants.
        drawing: On the fine grid.
        plasma: True input function (minutes, Bq/mL).
        activity: Curves of all materials, compressed.
        body: bool (z, y, x) on the voxels, inside the person.
    """

    config: ScanConfig
    phantom: Phantom
    drawing: Drawing
    plasma: SampledInput
    activity: ActivityBasis
    body: NDArray[np.bool_]

    def part(self, first: int, last: int) -> Drawing:
        """Fine slices first - 1 to last + 1 (exclusive), counted from the first of the volume."""
        grid = self.drawing.grid
        dz, dy, dx = grid.spacing_zyx_mm
        z, y, x = grid.origin_zyx_mm
        shape = (last - first + 2, *grid.shape_zyx[1:])
        start = first + self.config.neighbours
        sub = Grid(shape, (dz, dy, dx), (z + start * dz, y, x))
        cut = slice(start, start + shape[0])
        return Drawing(sub, self.drawing.labels[cut], self.drawing.mixture[cut])

    def coarse(self, name: str) -> Floats:
        """A property of `Tissue` on the voxels, slice by slice to spare memory, (z, y, x)."""
        slices = len(self.body)
        parts = [self.phantom.truth(self.part(z, z + 1), name)[1:-1] for z in range(slices)]
        return np.concatenate([coarse_mean(p) for p in parts])

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Of the volume, fine, (z, 2y, 2x)."""
        return _without_ends(self.drawing.labels, self.config)

    def coarse_grid(self) -> Grid:
        """Where the voxels lie."""
        fine = self.drawing.grid
        dz, dy, dx = fine.spacing_zyx_mm
        z, y, x = fine.origin_zyx_mm
        slices, height, width = self.body.shape
        shape, margin = (slices, height, width), self.config.neighbours + 1
        return Grid(shape, (dz, 2 * dy, 2 * dx), (z + margin * dz, y + dy / 2, x + dx / 2))


def draw_scan_person(
    config: ScanConfig, rng: np.random.Generator, progress: Progress
) -> ScanPerson:
    """Draw who is scanned, on the fine grid, with the curves of all materials.

    Args:
        config: Who, and when frames are measured.
        rng: Everything random of the person.
        progress: Told after each step.
    """
    phantom, config = _draw_phantom(config, rng)
    spacing = (config.slice_mm, config.pixel_mm / 2)
    slices = config.slices + 2 * (config.neighbours + 1)
    grid = Grid.centred(slices, 2 * config.pixels, spacing, config.middle_z_mm)
    drawing = phantom.draw(grid)
    progress.step(0.5, "Computing tissue curves")
    level = config.blood_suv * config.bqml_per_suv
    plasma = PlasmaSettings(config.feng, level).sampled(config.timing)
    activity = activity_basis(*curve_tables(phantom, plasma, config.timing))
    body = coarse_mean(inside_of(_without_ends(drawing.labels, config))) > _HALF
    return ScanPerson(config, phantom, drawing, plasma, activity, np.asarray(body))


def _draw_phantom(config: ScanConfig, rng: np.random.Generator) -> tuple[Phantom, ScanConfig]:
    if config.person == "demo":
        return demo_torso(), config
    if config.person == "torso":
        return draw_torso(rng, config.lesions), config
    person = draw_person(rng)
    config = replace(config, weight_kg=person.weight_kg)
    if config.is_whole_body:
        z_range = body_range_mm(person)
        phantom = draw_body(rng, person, config.lesions, z_range)
        return phantom, config.over(z_range, transaxial_reach_mm(phantom, z_range))
    half = 0.5 * config.slices * config.slice_mm
    z_range = (config.middle_z_mm - half, config.middle_z_mm + half)
    return draw_body(rng, person, config.lesions, z_range), config


def _without_ends(labels: NDArray[np.uint8], config: ScanConfig) -> NDArray[np.uint8]:
    """The volume's slices of what is drawn."""
    margin = config.neighbours + 1
    return labels[margin : len(labels) - margin]
