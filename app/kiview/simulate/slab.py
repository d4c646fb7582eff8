"""Training slabs: frames, direct references and truth of a few slices of one random person.

Call `simulate_slab(training_config(seed), seed)` for a training group, or build a `SlabConfig` of
your own for a test protocol. Everything follows from configuration and seed, nothing is shared,
so slabs can be made in as many processes as there are cores (set one BLAS thread each).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.progress import NullProgress, Progress
from kiview.core.timing import FrameTiming
from kiview.simulate import acquisition, scanner_errors
from kiview.simulate.acquisition import Expected
from kiview.simulate.coarse import (
    coarse_mean,
    inside_of,
    majority_lesion,
    pure_labels,
    support_of,
)
from kiview.simulate.kinetics import (
    ActivityBasis,
    SampledInput,
    activity_basis,
    curve_tables,
    patlak_basis,
)
from kiview.simulate.other_phantoms import draw_brain, draw_nema, draw_uniform
from kiview.simulate.parametric import PatlakImages, direct_patlak
from kiview.simulate.phantom import Drawing, Lesion, Phantom
from kiview.simulate.plasma import draw_plasma
from kiview.simulate.recon import System, osem
from kiview.simulate.shapes import Grid
from kiview.simulate.slab_config import SlabConfig
from kiview.simulate.torso import HIGHEST_MM, LOWEST_MM, draw_torso

Floats = NDArray[np.float32]
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class SlabSimulation:
    """One slab: two noisy scans of the same person, references and truth.

    Arrays are (z, y, x) or (t, z, y, x) float32 on the reconstruction grid. Activity is in SUV
    (g/mL), decay-corrected to injection; the input function is in the same unit.

    Attributes:
        config: What was asked.
        seed: Of everything random.
        frames: OSEM frames of scan 1, (t, z, y, x).
        frames_second: OSEM frames of scan 2 (independent noise and background error).
        direct: Direct Ki and V0 of scan 1 (same data as `frames`), None if not asked for.
        direct_second: Direct Ki and V0 of scan 2 (independent of `frames`), None if not asked for.
        ki: True Ki, /min, averaged onto the pixels.
        v0: True V0, mL/mL.
        body: bool, inside the patient (lungs included).
        attenuation_per_mm: 511 keV.
        labels: uint8 material (`tissues.Label`) of pixels that hold one material only, else 255;
            air is 0.
        lesion_index: uint8, lesion i + 1 where more than half the pixel is lesion i, else 0.
        lesions: The tumours, in order of `lesion_index`.
        timing: (t,) frames, seconds from injection.
        plasma: Finely sampled input function (minutes, SUV), blood = plasma.
        basis: (2, t) frame means of the integral of the input (SUV x min) and of the input.
        weights: (t,) duration x mean decay factor.
        grid: Where the slab lies.
    """

    config: SlabConfig
    seed: int
    frames: Floats
    frames_second: Floats
    direct: PatlakImages | None
    direct_second: PatlakImages | None
    ki: Floats
    v0: Floats
    body: NDArray[np.bool_]
    attenuation_per_mm: Floats
    labels: NDArray[np.uint8]
    lesion_index: NDArray[np.uint8]
    lesions: tuple[Lesion, ...]
    timing: FrameTiming
    plasma: SampledInput
    basis: NDArray[np.float64]
    weights: NDArray[np.float64]
    grid: Grid

    @property
    def v_scale(self) -> float:
        """<C> / <S> (/min) with `weights`: V' = V0 x this is in the unit of Ki."""
        means = self.basis @ self.weights
        return float(means[1] / means[0])


def simulate_slab(
    config: SlabConfig,
    seed: int,
    progress: Progress | None = None,
    with_direct: bool = True,
) -> SlabSimulation:
    """Simulate a slab twice (two noise realisations), reconstruct both, keep the truth.

    Args:
        config: Protocol and scanner.
        seed: Same seed and configuration, same numbers; the person does not depend
            on protocol or counts.
        progress: Told after every step.
        with_direct: Also make the direct references (most of the time).
    """
    progress = progress or NullProgress()
    person, noise_first, noise_second = np.random.default_rng(seed).spawn(3)
    progress.step(0.0, "Phantom")
    slab = _draw_slab(config, person)
    progress.step(0.1, "Expected counts")
    expected = _expected(config, slab, person.spawn(1)[0])
    everything = coarse_mean(slab.phantom_mask()) > _HALF
    body = everything[slab.neighbours : len(everything) - slab.neighbours]
    system = System.build(config.projector(fine=False), support_of(everything), config.subsets)
    bench = _Bench(config, slab, system, expected, with_direct)
    first = bench.reconstruct(noise_first, progress.child(0.2, 0.6))
    second = bench.reconstruct(noise_second, progress.child(0.6, 1.0))
    return _collect(config, seed, slab, body, (first, second))


_Scan = tuple[Floats, PatlakImages | None]


@dataclass(frozen=True, slots=True)
class _Slab:
    """The person on the fine grid.

    At either end there are `neighbours` slices whose counts are mixed into the slab, and one more
    for the axial blur.
    """

    phantom: Phantom
    drawing: Drawing
    plasma: SampledInput
    activity: ActivityBasis
    patlak: NDArray[np.float64]
    weights: NDArray[np.float64]
    neighbours: int

    def measured(self, name: str) -> Floats:
        """A property of the slices that are measured, (z, y, x)."""
        return self.phantom.truth(self.drawing, name)[1:-1]

    def truth(self, name: str) -> Floats:
        """A property of the slab, (z, y, x)."""
        return self.phantom.truth(self.drawing, name)[self._inner()]

    def inner_labels(self) -> NDArray[np.uint8]:
        return self.drawing.labels[self._inner()]

    def phantom_mask(self) -> Floats:
        """Inside the patient, holes such as the windpipe filled; the slices that are measured."""
        return inside_of(self.drawing.labels[1:-1])

    def coarse_grid(self) -> Grid:
        fine = self.drawing.grid
        slices, height, width = fine.shape_zyx
        dz, dy, dx = fine.spacing_zyx_mm
        z, y, x = fine.origin_zyx_mm
        margin = self.neighbours + 1
        shape = (slices - 2 * margin, height // 2, width // 2)
        return Grid(shape, (dz, 2 * dy, 2 * dx), (z + margin * dz, y + dy / 2, x + dx / 2))

    def _inner(self) -> slice:
        margin = self.neighbours + 1
        return slice(margin, len(self.drawing.labels) - margin)


def _draw_slab(config: SlabConfig, rng: np.random.Generator) -> _Slab:
    phantom, z_mm = _draw_phantom(config, rng)
    neighbours = scanner_errors.mixing_reach(config.scanner.axial_mixing_fwhm_mm, config.slice_mm)
    slices = config.slices + 2 * (neighbours + 1)
    spacing = (config.slice_mm, config.pixel_mm / 2)
    grid = Grid.centred(slices, 2 * config.pixels, spacing, z_mm)
    timing = config.timing
    plasma = draw_plasma(rng).sampled(timing)
    activity = activity_basis(*curve_tables(phantom, plasma, timing))
    weights = timing.duration_s * acquisition.decay_factors(timing, config.scanner.half_life_s)
    basis = patlak_basis(plasma, timing)
    return _Slab(phantom, phantom.draw(grid), plasma, activity, basis, weights, neighbours)


def _draw_phantom(config: SlabConfig, rng: np.random.Generator) -> tuple[Phantom, float]:
    """A person and the height of the slab's middle."""
    half = 0.5 * config.slices * config.slice_mm
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


def _expected(config: SlabConfig, slab: _Slab, rng: np.random.Generator) -> Expected:
    """Mean counts of the measured slices, with what the scanner gets wrong in both scans."""
    grid, scanner = slab.drawing.grid, config.scanner
    images = slab.activity.images(slab.phantom, slab.drawing)
    blurred = acquisition.blur(images, grid.spacing_zyx_mm, scanner.blur_fwhm_mm)[:, 1:-1]
    geometry, mu = config.projector(fine=True), slab.measured("attenuation_per_mm")
    gain = slab.weights.astype(np.float32)
    curves = slab.activity.curves
    unit = acquisition.expected_counts(geometry, blurred, curves, mu, gain, scanner)
    per_frame = unit.trues.sum(axis=(0, 1), dtype=np.float64).mean(axis=0) / slab.weights
    factor = acquisition.sensitivity(
        per_frame, slab.weights, config.timing, config.scanner.trues_per_frame
    )
    known = scanner_errors.known_attenuation(mu, scanner, config.slice_mm, rng)
    if scanner.attenuation_error or scanner.attenuation_shift_mm:
        unit = scanner_errors.corrected_with(unit, geometry, known)
    return scanner_errors.with_bad_module(unit.scaled(factor), scanner, rng)


def _collect(
    config: SlabConfig, seed: int, slab: _Slab, body: NDArray[np.bool_], scans: tuple[_Scan, _Scan]
) -> SlabSimulation:
    """Frames and references of two scans with the truth on their pixels."""
    first, second = scans
    return SlabSimulation(
        config=config,
        seed=seed,
        frames=first[0],
        frames_second=second[0],
        direct=first[1],
        direct_second=second[1],
        ki=coarse_mean(slab.truth("ki")),
        v0=coarse_mean(slab.truth("v0")),
        body=body,
        attenuation_per_mm=coarse_mean(slab.truth("attenuation_per_mm")),
        labels=pure_labels(slab.inner_labels()),
        lesion_index=majority_lesion(slab.inner_labels()),
        lesions=slab.phantom.lesions,
        timing=config.timing,
        plasma=slab.plasma,
        basis=slab.patlak,
        weights=slab.weights,
        grid=slab.coarse_grid(),
    )


@dataclass(frozen=True, slots=True)
class _Bench:
    """Everything that two scans of the same person share."""

    config: SlabConfig
    slab: _Slab
    system: System
    expected: Expected
    with_direct: bool

    def reconstruct(self, rng: np.random.Generator, progress: Progress) -> _Scan:
        """Frames and direct maps of one noisy scan."""
        config = self.config
        errors = acquisition.draw_background_errors(config.scanner, config.frame_count, rng)
        data = acquisition.measure(self.expected, errors, rng)
        data = scanner_errors.mix_slices(data, config.scanner.axial_mixing_fwhm_mm, config.slice_mm)
        report = _Ticker(progress, 0.0, 0.3, config.iterations * config.subsets, "Frames")
        frames = osem(self.system, data, config.iterations, report.tick)
        spacing = (config.slice_mm, config.pixel_mm)
        frames = acquisition.post_filter(frames, config.post_filter_mm, spacing)
        if not self.with_direct:
            return frames, None
        steps = config.direct.iterations * config.subsets
        report = _Ticker(progress, 0.3, 1.0, steps, "Direct Patlak")
        direct = direct_patlak(self.system, data, self.slab.patlak, config.direct, report.tick)
        return frames, direct


class _Ticker:
    """Turns "one more update" into progress."""

    def __init__(
        self, progress: Progress, start: float, end: float, steps: int, message: str
    ) -> None:
        self._progress = progress.child(start, end)
        self._steps, self._done, self._message = steps, 0, message

    def tick(self) -> None:
        self._done += 1
        self._progress.step(self._done / self._steps, self._message)
