"""Chunks of slices of a whole study: projected, measured with noise, reconstructed on threads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.progress import Progress
from kiview.simulate import acquisition, scanner_errors
from kiview.simulate.acquisition import Expected
from kiview.simulate.chunks import run_chunks
from kiview.simulate.coarse import coarse_mean
from kiview.simulate.frame_methods import FrameMethod
from kiview.simulate.kinetics import patlak_basis
from kiview.simulate.parametric import PatlakImages, direct_patlak
from kiview.simulate.projector import attenuation_factors, project
from kiview.simulate.recon import Sinograms, System
from kiview.simulate.scan_config import ScanConfig
from kiview.simulate.scan_person import ScanPerson

Floats = NDArray[np.float32]
Seeds = Sequence[np.random.SeedSequence]


def measured_sensitivity(person: ScanPerson, progress: Progress) -> float:
    """Counts per (Bq/mL x mm x s), from coarse projections of the activity basis."""
    config = person.config
    geometry = config.projector(fine=False)
    totals = np.zeros(len(person.activity.curves))
    for z in range(config.slices):
        progress.step(z / config.slices, "Setting the counts")
        part = person.part(z, z + 1)
        images = person.activity.images(person.phantom, part)[:, 1]
        mu = coarse_mean(person.phantom.truth(part, "attenuation_per_mm")[1:-1])
        factors = attenuation_factors(geometry, np.moveaxis(mu, 0, -1))
        lines = project(geometry, np.moveaxis(coarse_mean(images), 0, -1))
        totals += (lines * factors).sum(axis=(0, 1), dtype=np.float64)
    late = (totals / config.slices) @ person.activity.curves
    wanted = config.scanner.trues_per_frame
    return acquisition.sensitivity(late, config.gain, config.timing, wanted)


@dataclass(frozen=True, slots=True)
class ScanNoise:
    """Everything random of one scan.

    Attributes:
        background_errors: (2, t) estimated / true scatter and randoms.
        seeds: One per chunk; where slices share counts, one per slice from the first neighbour of
            the volume to the last, so that two chunks see the same counts of the slices between.
    """

    background_errors: Floats
    seeds: Seeds

    @classmethod
    def drawn(cls, config: ScanConfig, seed: np.random.SeedSequence) -> "ScanNoise":
        """Noise of one scan; the same seed gives the same."""
        frames = len(config.frame_seconds)
        rng = np.random.default_rng(seed)
        errors = acquisition.draw_background_errors(config.scanner, frames, rng)
        slices = config.slices + 2 * config.neighbours
        return cls(errors, seed.spawn(slices if config.neighbours else len(config.chunks)))


@dataclass(frozen=True, slots=True)
class ScanBench:
    """Measures and reconstructs chunks of slices.

    Attributes:
        person: Who is scanned.
        system: Projector of the reconstruction.
        sensitivity: Counts per (Bq/mL x mm x s).
        noise: Of the scan.
    """

    person: ScanPerson
    system: System
    sensitivity: float
    noise: ScanNoise

    def reconstruct(self, progress: Progress) -> tuple[Floats, PatlakImages | None]:
        """All frames, (t, z, y, x), before the post filter; direct maps if wanted."""
        config = self.person.config
        timing = config.timing
        shape = (timing.frame_count, config.slices, config.pixels, config.pixels)
        frames = np.zeros(shape, dtype=np.float32)
        window = self._direct_window()
        maps = [np.zeros(shape[1:], np.float32) for _ in range(2)] if window is not None else []
        method = FrameMethod.build(config.reconstruction, self.system, config.iterations)

        def work(chunk: int, tick: Callable[[], None]) -> None:
            first, last = config.chunks[chunk]
            data = self.measured(chunk, tick)
            tick()
            frames[:, first:last] = method.frames(data, tick)
            if window is not None:
                basis = patlak_basis(self.person.plasma, timing)[:, window]
                args = (data.select(window), basis, config.direct, tick)
                found = direct_patlak(self.system, *args)
                maps[0][first:last], maps[1][first:last] = found.ki, found.v0

        message = "Simulating and reconstructing frames"
        updates = method.updates + (config.direct.iterations * config.subsets if maps else 0) + 4
        run_chunks(work, len(config.chunks), updates, progress, (message, config.threads))
        return frames, PatlakImages(*maps) if maps else None

    def measured(self, chunk: int, tick: Callable[[], None]) -> Sinograms:
        """Noisy data of one chunk of slices, (angles, bins, z, t); the same whenever it is asked.

        Args:
            chunk: Number in `config.chunks`.
            tick: Called after every step.
        """
        config, noise = self.person.config, self.noise
        (first, last), reach = config.chunks[chunk], config.neighbours
        expected = self._expected(first - reach, last + reach, tick)
        if not reach:
            rng = np.random.default_rng(noise.seeds[chunk])
            return acquisition.measure(expected, noise.background_errors, rng)
        seeds = noise.seeds[first : last + 2 * reach]
        data = measure_by_slice(expected, noise.background_errors, seeds)
        return scanner_errors.mix_slices(data, config.scanner.axial_mixing_fwhm_mm, config.slice_mm)

    def _direct_window(self) -> NDArray[np.bool_] | None:
        """Frames of the direct reconstruction, (t,)."""
        config = self.person.config
        window = config.direct_window_s
        return None if window is None else config.timing.in_window(*window)

    def _expected(self, first: int, last: int, tick: Callable[[], None]) -> Expected:
        person = self.person
        config = person.config
        part = person.part(first, last)
        images = person.activity.images(person.phantom, part)
        fwhm = config.scanner.blur_fwhm_mm
        blurred = acquisition.blur(images, part.grid.spacing_zyx_mm, fwhm)[:, 1:-1]
        tick()
        mu = person.phantom.truth(part, "attenuation_per_mm")[1:-1]
        gain = np.asarray(config.gain * self.sensitivity, dtype=np.float32)
        geometry, curves = config.projector(fine=True), person.activity.curves
        tick()
        return acquisition.expected_counts(geometry, blurred, curves, mu, gain, config.scanner)


def measure_by_slice(expected: Expected, background_errors: Floats, seeds: Seeds) -> Sinograms:
    """`acquisition.measure` with a random stream of its own for every slice.

    Args:
        expected: Mean counts of z slices.
        background_errors: (2, t).
        seeds: (z,).
    """
    slices = []
    for z, seed in enumerate(seeds):
        one = slice(z, z + 1)
        trues, scatter = expected.trues[:, :, one], expected.scatter[:, :, one]
        attenuation, gain = expected.attenuation[:, :, one], expected.gain
        part = Expected(trues, scatter, expected.randoms[one], attenuation, gain)
        slices.append(acquisition.measure(part, background_errors, np.random.default_rng(seed)))
    counts = np.concatenate([data.counts for data in slices], axis=2)
    background = np.concatenate([data.background for data in slices], axis=2)
    return Sinograms(counts, background, expected.attenuation, expected.gain)
