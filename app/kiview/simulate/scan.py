"""A whole simulated study: frames, attenuation and truth of one person.

`simulate_scan(demo_config(), DEMO_SEED, progress)` makes the demo study. Slices are projected and
reconstructed in chunks on threads (the sparse products release the interpreter lock). Noise comes
from one stream per chunk, or per slice where slices share counts, so the result does not depend on
the number of threads.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import NullProgress, Progress
from kiview.core.timing import FrameTiming
from kiview.simulate import acquisition
from kiview.simulate.chunks import run_chunks
from kiview.simulate.coarse import majority_lesion, pure_labels, support_of
from kiview.simulate.kinetics import SampledInput
from kiview.simulate.parametric import PatlakImages
from kiview.simulate.phantom import Lesion, Phantom
from kiview.simulate.projector import forward_matrix
from kiview.simulate.recon import System
from kiview.simulate.scan_bench import ScanBench, ScanNoise, measured_sensitivity
from kiview.simulate.scan_config import (
    CONFIG_VERSION,
    DEMO_FRAME_SECONDS,
    DEMO_SEED,
    WHOLE_BODY,
    ScanConfig,
    demo_config,
)
from kiview.simulate.scan_person import ScanPerson, draw_scan_person

__all__ = [
    "CONFIG_VERSION",
    "DEMO_FRAME_SECONDS",
    "DEMO_SEED",
    "WHOLE_BODY",
    "ScanConfig",
    "ScanSimulation",
    "demo_config",
    "simulate_scan",
]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ScanSimulation:
    """A study and its truth; arrays are (z, y, x) or (t, z, y, x) on `geometry`.

    Attributes:
        config: What was asked, with the volume and the weight that a body was drawn with; it gives
            the same study again.
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
    drawing, noise = np.random.SeedSequence(seed).spawn(2)
    person = draw_scan_person(config, np.random.default_rng(drawing), progress.child(0.0, 0.1))
    config = person.config
    system = _build_projectors(config, support_of(person.body), progress.child(0.1, 0.2))
    sensitivity = measured_sensitivity(person, progress.child(0.2, 0.25))
    bench = ScanBench(person, system, sensitivity, ScanNoise.drawn(config, noise))
    frames, direct = bench.reconstruct(progress.child(0.25, 0.95))
    _filter(frames, config, progress.child(0.95, 1.0))
    return _with_truth(person, seed, frames, direct)


def _with_truth(
    person: ScanPerson, seed: int, frames: Floats, direct: PatlakImages | None
) -> ScanSimulation:
    grid = person.coarse_grid()
    return ScanSimulation(
        config=person.config,
        seed=seed,
        frames_bqml=frames,
        timing=person.config.timing,
        geometry=VolumeGeometry(grid.shape_zyx, grid.affine_lps_mm),
        attenuation_per_mm=person.coarse("attenuation_per_mm"),
        direct=direct,
        ki=person.coarse("ki"),
        v0=person.coarse("v0"),
        body=person.body,
        labels=pure_labels(person.labels),
        lesion_index=majority_lesion(person.labels),
        lesions=person.phantom.lesions,
        phantom=person.phantom,
        plasma=person.plasma,
    )


def _build_projectors(config: ScanConfig, support: NDArray[np.bool_], progress: Progress) -> System:
    """Matrices for the data (kept for the process) and for the reconstruction."""
    built: list[System] = []

    def work(_chunk: int, _tick: Callable[[], None]) -> None:
        forward_matrix(config.projector(fine=True).sampling)
        built.append(System.build(config.projector(fine=False), support, config.subsets))

    run_chunks(work, 1, 1, progress, ("Building the projector", 1))
    return built[0]


def _filter(frames: Floats, config: ScanConfig, progress: Progress) -> None:
    """Post filter in place."""
    spacing = (config.slice_mm, config.pixel_mm)
    for t in range(len(frames)):
        progress.step(t / len(frames), "Filtering frames")
        frames[t] = acquisition.post_filter(frames[t], config.post_filter_mm, spacing)
