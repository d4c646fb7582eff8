"""Chunks of slices of a whole study: projected, measured with noise, reconstructed on threads."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.progress import Progress
from kiview.simulate import acquisition
from kiview.simulate.chunks import run_chunks
from kiview.simulate.coarse import coarse_mean
from kiview.simulate.kinetics import patlak_basis
from kiview.simulate.parametric import PatlakImages, direct_patlak
from kiview.simulate.projector import attenuation_factors, project
from kiview.simulate.recon import System, osem
from kiview.simulate.scan_config import ScanConfig
from kiview.simulate.scan_person import ScanPerson

Floats = NDArray[np.float32]


def measured_sensitivity(config: ScanConfig, study: ScanPerson, progress: Progress) -> float:
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
class ScanBench:
    """Projects and reconstructs chunks of slices."""

    config: ScanConfig
    study: ScanPerson
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


def _gain(config: ScanConfig) -> NDArray[np.float64]:
    """Duration x mean decay of each frame, (t,)."""
    decay = acquisition.decay_factors(config.timing, config.scanner.half_life_s)
    return np.asarray(config.timing.duration_s * decay)
