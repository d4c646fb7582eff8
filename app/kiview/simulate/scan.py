"""A whole simulated study: frames, attenuation and truth of one person.

`simulate_scan(demo_config(), DEMO_SEED, progress)` makes the demo study. Slices are projected and
reconstructed in chunks on threads (the sparse products release the interpreter lock); noise is
drawn per chunk from its own stream, so the result does not depend on the number of threads.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FENG_FDG, FengParameters
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import NullProgress, Progress
from kiview.core.timing import FrameTiming
from kiview.simulate import acquisition
from kiview.simulate.acquisition import ScannerSettings
from kiview.simulate.chunks import run_chunks
from kiview.simulate.coarse import coarse_mean, inside_of, majority_lesion, pure_labels, support_of
from kiview.simulate.demo_torso import demo_torso
from kiview.simulate.kinetics import (
    ActivityBasis,
    SampledInput,
    activity_basis,
    curve_tables,
    patlak_basis,
)
from kiview.simulate.parametric import DirectSettings, PatlakImages, direct_patlak
from kiview.simulate.phantom import Drawing, Lesion, Phantom
from kiview.simulate.plasma import PlasmaSettings
from kiview.simulate.projector import (
    ProjectorGeometry,
    attenuation_factors,
    forward_matrix,
    project,
)
from kiview.simulate.recon import System, osem
from kiview.simulate.shapes import Grid
from kiview.simulate.torso import draw_torso

Floats = NDArray[np.float32]
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


@dataclass(frozen=True, slots=True)
class ScanSimulation:
    """A study and its truth; arrays are (z, y, x) or (t, z, y, x) on `geometry`.

    Attributes:
        config: What was asked.
        seed: Of everything random.
        frames_bqml: (t, z, y, x) float32, decay-corrected to injection.
        timing: (t,) frames, seconds from injection.
        geometry: +x left, +y back, +z head.
        attenuation_per_mm: float32, 511 keV.
        direct: Ki and V0 by direct 4-D Patlak, None if not asked for.
        ki: True Ki, /min, averaged onto the voxels.
        v0: True V0, mL/mL.
        body: bool, inside the person (lungs and windpipe included).
        labels: uint8 material of voxels that hold one material only, else 255; air is 0.
        lesion_index: uint8, i + 1 where more than half of the voxel is lesion i, else 0.
        lesions: The tumours.
        phantom: The analytic person.
        plasma: Finely sampled true input (minutes, Bq/mL), blood = plasma.
    """

    config: ScanConfig
    seed: int
    frames_bqml: Floats
    timing: FrameTiming
    geometry: VolumeGeometry
    attenuation_per_mm: Floats
    direct: PatlakImages | None
    ki: Floats
    v0: Floats
    body: NDArray[np.bool_]
    labels: NDArray[np.uint8]
    lesion_index: NDArray[np.uint8]
    lesions: tuple[Lesion, ...]
    phantom: Phantom
    plasma: SampledInput


def demo_config() -> ScanConfig:
    """The demo study: shoulders to kidneys, 90 x 128 x 128 voxels of 4 mm, 44 frames."""
    return ScanConfig()


def simulate_scan(
    config: ScanConfig, seed: int, progress: Progress | None = None
) -> ScanSimulation:
    """Simulate and reconstruct a study.

    Args:
        config: Person, protocol, scanner, reconstruction.
        seed: Same seed and configuration, same numbers.
        progress: Told, and asked whether to stop, at least every second.

    Raises:
        Cancelled: the user asked to stop.
    """
    progress = progress or NullProgress()
    progress.step(0.0, "Drawing the phantom")
    person, noise = np.random.default_rng(seed).spawn(2)
    study = _prepare(config, person, progress.child(0.0, 0.1))
    system = _build_projectors(config, support_of(study.body), progress.child(0.1, 0.2))
    sensitivity = _sensitivity(config, study, progress.child(0.2, 0.25))
    bench = _Bench(config, study, system, sensitivity, noise)
    frames, direct = bench.reconstruct(progress.child(0.25, 0.95))
    _filter(frames, config, progress.child(0.95, 1.0))
    return study.with_frames(config, seed, frames, direct)


@dataclass(frozen=True, slots=True)
class _Study:
    """The person on the fine grid, one slice more at either end for the axial blur."""

    phantom: Phantom
    drawing: Drawing
    plasma: SampledInput
    activity: ActivityBasis
    body: NDArray[np.bool_]

    def part(self, first: int, last: int) -> Drawing:
        """Fine slices first - 1 to last + 1 (exclusive) of the volume."""
        grid = self.drawing.grid
        dz, dy, dx = grid.spacing_zyx_mm
        z, y, x = grid.origin_zyx_mm
        shape = (last - first + 2, *grid.shape_zyx[1:])
        sub = Grid(shape, (dz, dy, dx), (z + first * dz, y, x))
        cut = slice(first, last + 2)
        return Drawing(sub, self.drawing.labels[cut], self.drawing.mixture[cut])

    def coarse(self, name: str) -> Floats:
        """Truth on the voxels, slice by slice to spare memory."""
        slices = len(self.drawing.labels) - 2
        parts = [self.phantom.truth(self.part(z, z + 1), name)[1:-1] for z in range(slices)]
        return np.concatenate([coarse_mean(p) for p in parts])

    def with_frames(
        self, config: ScanConfig, seed: int, frames: Floats, direct: PatlakImages | None
    ) -> ScanSimulation:
        labels = self.drawing.labels[1:-1]
        fine = self.drawing.grid
        dz, dy, dx = fine.spacing_zyx_mm
        z, y, x = fine.origin_zyx_mm
        shape = frames.shape[1:]
        voxels = Grid(shape, (dz, 2 * dy, 2 * dx), (z + dz, y + dy / 2, x + dx / 2))
        return ScanSimulation(
            config=config,
            seed=seed,
            frames_bqml=frames,
            timing=config.timing,
            geometry=VolumeGeometry(voxels.shape_zyx, voxels.affine_lps_mm),
            attenuation_per_mm=self.coarse("attenuation_per_mm"),
            direct=direct,
            ki=self.coarse("ki"),
            v0=self.coarse("v0"),
            body=self.body,
            labels=pure_labels(labels),
            lesion_index=majority_lesion(labels),
            lesions=self.phantom.lesions,
            phantom=self.phantom,
            plasma=self.plasma,
        )


def _prepare(config: ScanConfig, rng: np.random.Generator, progress: Progress) -> _Study:
    phantom = demo_torso() if config.person == "demo" else draw_torso(rng, config.lesions)
    spacing = (config.slice_mm, config.pixel_mm / 2)
    grid = Grid.centred(config.slices + 2, 2 * config.pixels, spacing, config.middle_z_mm)
    drawing = phantom.draw(grid)
    progress.step(0.5, "Computing tissue curves")
    level = config.blood_suv * config.bqml_per_suv
    plasma = PlasmaSettings(config.feng, level).sampled(config.timing)
    activity = activity_basis(*curve_tables(phantom, plasma, config.timing))
    body = coarse_mean(inside_of(drawing.labels[1:-1])) > _HALF
    return _Study(phantom, drawing, plasma, activity, np.asarray(body))


def _gain(config: ScanConfig) -> NDArray[np.float64]:
    """Duration x mean decay of each frame, (t,)."""
    decay = acquisition.decay_factors(config.timing, config.scanner.half_life_s)
    return np.asarray(config.timing.duration_s * decay)


def _build_projectors(config: ScanConfig, support: NDArray[np.bool_], progress: Progress) -> System:
    """Matrices for the data (kept for the process) and for the reconstruction."""
    built: list[System] = []

    def work(_chunk: int, _tick: Callable[[], None]) -> None:
        forward_matrix(config.projector(fine=True).sampling)
        built.append(System.build(config.projector(fine=False), support, config.subsets))

    run_chunks(work, 1, 1, progress, ("Building the projector", 1))
    return built[0]


def _sensitivity(config: ScanConfig, study: _Study, progress: Progress) -> float:
    """Counts per (Bq/mL x mm x s), from coarse projections of the activity basis."""
    geometry = config.projector(fine=False)
    totals = np.zeros(len(study.activity.curves))
    slices = len(study.body)
    for z in range(slices):
        progress.step(z / slices, "Setting the counts")
        part = study.part(z, z + 1)
        images = study.activity.images(study.phantom, part)[:, 1]
        mu = coarse_mean(study.phantom.truth(part, "attenuation_per_mm")[1:-1])
        factors = attenuation_factors(geometry, np.moveaxis(mu, 0, -1))
        lines = project(geometry, np.moveaxis(coarse_mean(images), 0, -1))
        totals += (lines * factors).sum(axis=(0, 1), dtype=np.float64)
    late = (totals / slices) @ study.activity.curves
    wanted = config.scanner.trues_per_frame
    return acquisition.sensitivity(late, _gain(config), config.timing, wanted)


@dataclass(frozen=True, slots=True)
class _Bench:
    """Projects and reconstructs chunks of slices."""

    config: ScanConfig
    study: _Study
    system: System
    sensitivity: float
    rng: np.random.Generator

    def reconstruct(self, progress: Progress) -> tuple[Floats, PatlakImages | None]:
        """All frames, (t, z, y, x), before the post filter; direct maps if wanted."""
        config = self.config
        timing = config.timing
        shape = (timing.frame_count, config.slices, config.pixels, config.pixels)
        frames = np.zeros(shape, dtype=np.float32)
        errors = acquisition.draw_background_errors(config.scanner, timing.frame_count, self.rng)
        starts = range(0, config.slices, config.slices_per_chunk)
        streams = self.rng.spawn(len(starts))
        gain = np.asarray(_gain(config) * self.sensitivity, dtype=np.float32)
        window = self._direct_window()
        maps = [np.zeros(shape[1:], np.float32) for _ in range(2)] if window is not None else []
        passes = config.iterations + (config.direct.iterations if maps else 0)

        def work(chunk: int, tick: Callable[[], None]) -> None:
            first = starts[chunk]
            last = min(first + config.slices_per_chunk, config.slices)
            expected = self._expected(first, last, gain, tick)
            data = acquisition.measure(expected, errors, streams[chunk])
            tick()
            frames[:, first:last] = osem(self.system, data, config.iterations, tick)
            if window is not None:
                basis = patlak_basis(self.study.plasma, timing)[:, window]
                args = (data.select(window), basis, config.direct, tick)
                found = direct_patlak(self.system, *args)
                maps[0][first:last], maps[1][first:last] = found.ki, found.v0

        message = "Simulating and reconstructing frames"
        updates = passes * config.subsets + 4
        run_chunks(work, len(starts), updates, progress, (message, config.threads))
        return frames, PatlakImages(*maps) if maps else None

    def _direct_window(self) -> NDArray[np.bool_] | None:
        """Frames of the direct reconstruction, (t,)."""
        window = self.config.direct_window_s
        return None if window is None else self.config.timing.in_window(*window)

    def _expected(
        self, first: int, last: int, gain: Floats, tick: Callable[[], None]
    ) -> acquisition.Expected:
        part = self.study.part(first, last)
        images = self.study.activity.images(self.study.phantom, part)
        fwhm = self.config.scanner.blur_fwhm_mm
        blurred = acquisition.blur(images, part.grid.spacing_zyx_mm, fwhm)[:, 1:-1]
        tick()
        mu = self.study.phantom.truth(part, "attenuation_per_mm")[1:-1]
        geometry = self.config.projector(fine=True)
        curves = self.study.activity.curves
        tick()
        return acquisition.expected_counts(geometry, blurred, curves, mu, gain, self.config.scanner)


def _filter(frames: Floats, config: ScanConfig, progress: Progress) -> None:
    """Post filter in place."""
    spacing = (config.slice_mm, config.pixel_mm)
    for t in range(len(frames)):
        progress.step(t / len(frames), "Filtering frames")
        frames[t] = acquisition.post_filter(frames[t], config.post_filter_mm, spacing)
