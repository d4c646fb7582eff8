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
from kiview.simulate.coarse import coarse_mean, majority_lesion, pure_labels, support_of
from kiview.simulate.frame_methods import FrameMethod
from kiview.simulate.kinetics import SampledInput
from kiview.simulate.parametric import PatlakImages, direct_patlak
from kiview.simulate.phantom import Lesion
from kiview.simulate.plasma_errors import MeasuredInput
from kiview.simulate.recon import Sinograms, System
from kiview.simulate.shapes import Grid
from kiview.simulate.slab_config import SlabConfig
from kiview.simulate.slab_person import SlabPerson, draw_slab_person

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
        frames: Reconstructed frames of scan 1, (t, z, y, x).
        frames_second: Those of scan 2 (independent noise and background error).
        direct: Direct Ki and V0 of scan 1 (same data as `frames`), None if not asked for.
        direct_second: Direct Ki and V0 of scan 2 (independent of `frames`), None if not asked for.
        direct_high: Direct Ki and V0 of a third scan with `config.high_counts` times the counts,
            None if not asked for.
        ki: True Ki, /min, averaged onto the pixels.
        v0: True V0, mL/mL.
        body: bool, inside the patient (lungs included).
        attenuation_per_mm: 511 keV.
        labels: uint8 material (`tissues.Label`) of pixels that hold one material only, else 255;
            air is 0.
        lesion_index: uint8, lesion i + 1 where more than half the pixel is lesion i, else 0.
        lesions: The tumours, in order of `lesion_index`.
        timing: (t,) frames, seconds from injection.
        plasma: Finely sampled true input function (minutes, SUV).
        measured: The input function with the errors of a measured one, None if not asked for.
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
    direct_high: PatlakImages | None
    ki: Floats
    v0: Floats
    body: NDArray[np.bool_]
    attenuation_per_mm: Floats
    labels: NDArray[np.uint8]
    lesion_index: NDArray[np.uint8]
    lesions: tuple[Lesion, ...]
    timing: FrameTiming
    plasma: SampledInput
    measured: MeasuredInput | None
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
    streams = np.random.default_rng(seed).spawn(4)
    progress.step(0.0, "Phantom")
    person = draw_slab_person(config, streams[0])
    progress.step(0.1, "Expected counts")
    expected = expected_counts_of(config, person, streams[0].spawn(1)[0])
    everything = coarse_mean(person.mask()) > _HALF
    body = everything[person.neighbours : len(everything) - person.neighbours]
    system = System.build(config.projector(fine=False), support_of(everything), config.subsets)
    method = FrameMethod.build(config.reconstruction, system, config.iterations)
    bench = _Bench(config, person, system, method, expected, with_direct)
    end = 0.8 if config.high_counts else 1.0
    middle = 0.5 * (0.2 + end)
    first = bench.reconstruct(streams[1], progress.child(0.2, middle))
    second = bench.reconstruct(streams[2], progress.child(middle, end))
    high = bench.reference(streams[3], progress.child(end, 1.0)) if config.high_counts else None
    return SlabSimulation(
        config=config,
        seed=seed,
        frames=first[0],
        frames_second=second[0],
        direct=first[1],
        direct_second=second[1],
        direct_high=high,
        ki=coarse_mean(person.true_ki()),
        v0=coarse_mean(person.true_v0()),
        body=body,
        attenuation_per_mm=coarse_mean(person.attenuation_per_mm()),
        labels=pure_labels(person.labels),
        lesion_index=majority_lesion(person.labels),
        lesions=person.phantom.lesions,
        timing=config.timing,
        plasma=person.plasma,
        measured=person.measured,
        basis=person.basis,
        weights=person.weights,
        grid=person.coarse_grid(),
    )


_Scan = tuple[Floats, PatlakImages | None]


def expected_counts_of(
    config: SlabConfig, person: SlabPerson, rng: np.random.Generator
) -> Expected:
    """Mean counts of the measured slices, with what the scanner gets wrong in both scans."""
    grid, scanner = person.drawing.grid, config.scanner
    images = person.activity.images(person.phantom, person.drawing)
    blurred = acquisition.blur(images, grid.spacing_zyx_mm, scanner.blur_fwhm_mm)[:, 1:-1]
    geometry, mu = config.projector(fine=True), person.measured_slices("attenuation_per_mm")
    gain, curves = person.weights.astype(np.float32), person.activity.curves
    unit = acquisition.expected_counts(geometry, blurred, curves, mu, gain, scanner)
    per_frame = unit.trues.sum(axis=(0, 1), dtype=np.float64).mean(axis=0) / person.weights
    factor = acquisition.sensitivity(
        per_frame, person.weights, config.timing, scanner.trues_per_frame
    )
    known = scanner_errors.known_attenuation(mu, scanner, config.slice_mm, rng)
    if scanner.attenuation_error or scanner.attenuation_shift_mm:
        unit = scanner_errors.corrected_with(unit, geometry, known)
    return scanner_errors.with_bad_module(unit.scaled(factor), scanner, rng)


@dataclass(frozen=True, slots=True)
class _Bench:
    """Everything that two scans of the same person share."""

    config: SlabConfig
    person: SlabPerson
    system: System
    method: FrameMethod
    expected: Expected
    with_direct: bool

    def reconstruct(self, rng: np.random.Generator, progress: Progress) -> _Scan:
        """Frames and direct maps of one noisy scan."""
        config = self.config
        data = self._measured(self.expected, rng)
        report = _Ticker(progress, 0.0, 0.3, self.method.updates, "Frames")
        frames = self.method.frames(data, report.tick)
        spacing = (config.slice_mm, config.pixel_mm)
        frames = acquisition.post_filter(frames, config.post_filter_mm, spacing)
        if not self.with_direct:
            return frames, None
        return frames, self._direct(data, progress.child(0.3, 1.0))

    def reference(self, rng: np.random.Generator, progress: Progress) -> PatlakImages:
        """Direct maps of a scan with more counts and noise of its own."""
        data = self._measured(self.expected.scaled(self.config.high_counts), rng)
        return self._direct(data, progress)

    def _measured(self, expected: Expected, rng: np.random.Generator) -> Sinograms:
        scanner = self.config.scanner
        errors = acquisition.draw_background_errors(scanner, len(self.person.weights), rng)
        data = acquisition.measure(expected, errors, rng)
        mixing, slice_mm = scanner.axial_mixing_fwhm_mm, self.config.slice_mm
        return scanner_errors.mix_slices(data, mixing, slice_mm)

    def _direct(self, data: Sinograms, progress: Progress) -> PatlakImages:
        settings = self.config.direct
        steps = settings.iterations * self.config.subsets
        report = _Ticker(progress, 0.0, 1.0, steps, "Direct Patlak")
        return direct_patlak(self.system, data, self.person.basis, settings, report.tick)


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
