"""Whole bodies to judge networks by: pictures and false hot spots, never training.

A body costs minutes and is kept on disk under a name that changes with person, recipe and
`GROUP_VERSION`, as slabs are. Put the files into a split named "test" (`data.split_of`) and check
it beside the splits of the training (`leaks.check_splits`).
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

import numpy as np

from kitrain.data import TEST_SEEDS, THREADS, Report, is_test_seed
from kitrain.group_file import GROUP_VERSION, save_group
from kitrain.groups import (
    DIRECT,
    ActivityUnit,
    CurveSource,
    PlasmaCurve,
    ReferenceMaps,
    TrainingGroup,
    Truth,
)
from kitrain.leaks import LeakError
from kitrain.manifest import make_entry
from kitrain.simulated import direct_method, simulated_identity
from kiview.core.errors import InvalidInputError
from kiview.nets.preprocess import FrameInput
from kiview.simulate.kinetics import patlak_basis
from kiview.simulate.plasma import draw_plasma
from kiview.simulate.recipe import recipe_of
from kiview.simulate.scan import WHOLE_BODY, ScanConfig, ScanSimulation, simulate_scan
from kiview.simulate.slab_recipes import standard_config

LESIONS_RANGE = (8, 24)
"""Fewest and most tumours wanted in a body (design)."""
_FIRST_SEED, _SEEDS_APART = 5_000, 10_000
_SECONDS_PER_MINUTE = 60.0
_SLICES_PER_CHUNK = 12
"""Four neighbours are measured again with every chunk; more slices at once need more memory."""


def body_seeds(count: int, seed: int = 0) -> tuple[int, ...]:
    """Seeds of people of the test range that the first 5000 test slabs of a data seed are not.

    Args:
        count: How many people.
        seed: `DataConfig.seed`, 0 to 99.
    """
    first = seed * _SEEDS_APART + _FIRST_SEED
    return tuple(TEST_SEEDS[first : first + count])


def body_config(seed: int) -> ScanConfig:
    """The whole of one person under the standard protocol of the slabs (`standard_config`).

    The input function and the number of tumours are drawn here, the person by `simulate_scan`.
    """
    rng = np.random.default_rng([seed, 73])
    plasma = draw_plasma(rng)
    slab = standard_config()
    start, length = slab.frame_start_s, slab.frame_duration_s
    return ScanConfig(
        person="body",
        lesions=int(rng.integers(LESIONS_RANGE[0], LESIONS_RANGE[1] + 1)),
        first_start_s=start,
        frame_seconds=(length,) * slab.frame_count,
        scanner=slab.scanner,
        slices=WHOLE_BODY,
        slice_mm=slab.slice_mm,
        pixels=slab.pixels,
        pixel_mm=slab.pixel_mm,
        angles=slab.angles,
        iterations=slab.iterations,
        subsets=slab.subsets,
        post_filter_mm=slab.post_filter_mm,
        direct_window_s=(start, start + length * slab.frame_count),
        direct=slab.direct,
        blood_suv=plasma.level,
        feng=plasma.parameters,
        threads=1,
        slices_per_chunk=_SLICES_PER_CHUNK,
    )


def body_group(seed: int, config: ScanConfig | None = None) -> TrainingGroup:
    """One whole body: frames of one scan in SUV, the direct reference of the same counts, truth.

    Volumes are (z, y, x), +x to the left, +y to the back, +z to the head of the person.

    Args:
        seed: Of the test range.
        config: Another scan than `body_config`, with a direct window over all frames.

    Raises:
        LeakError: the seed is not one of those kept for tests.
        InvalidInputError: the direct window leaves frames out, or none was asked for.
    """
    _refuse_training_seeds([seed])
    config = config or body_config(seed)
    window = config.direct_window_s
    if window is None or not config.timing.in_window(*window).all():
        raise InvalidInputError(
            f"A body's direct reference needs all frames, but its window is {window} s; set"
            " direct_window_s from the first start to the last end."
        )
    return _group_of(simulate_scan(config, seed))


def make_bodies(
    seeds: Sequence[int],
    folder: Path,
    workers: int,
    report: Report,
    config_of: Callable[[int], ScanConfig] = body_config,
) -> list[Path]:
    """Simulate the bodies that are not there yet; the files of all, in the order of the seeds.

    Args:
        seeds: Of the test range (`body_seeds`).
        folder: Where groups are kept.
        workers: Processes, each of up to 1.5 GB; 0 for one per core.
        report: Takes a line after each body.
        config_of: Scan of each seed.

    Raises:
        LeakError: a seed is not one of those kept for tests.
    """
    _refuse_training_seeds(seeds)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(config_of(seed), seed) for seed in seeds]
    paths = [folder / f"{body_name(config, seed)}.npz" for config, seed in jobs]
    missing = [(*job, path) for job, path in zip(jobs, paths, strict=True) if not path.is_file()]
    if missing:
        _simulate(missing, workers, report)
    return paths


def body_name(config: ScanConfig, seed: int) -> str:
    """File name that changes with person, recipe and `GROUP_VERSION`."""
    recipe = json.dumps([recipe_of(config), seed, GROUP_VERSION], sort_keys=True)
    return f"body-{seed}-{hashlib.sha256(recipe.encode('utf-8')).hexdigest()[:12]}"


def _refuse_training_seeds(seeds: Sequence[int]) -> None:
    wrong = [str(seed) for seed in seeds if not is_test_seed(seed)]
    if wrong:
        raise LeakError(
            f"Whole bodies judge networks, but seed {', '.join(wrong)} is not kept for tests;"
            f" choose seeds from {TEST_SEEDS.start} to {TEST_SEEDS.stop - 1}."
        )


def _simulate(jobs: Sequence[tuple[ScanConfig, int, Path]], workers: int, report: Report) -> None:
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        pending = [pool.submit(_make_body, *job) for job in jobs]
        for done, future in enumerate(as_completed(pending), start=1):
            future.result()
            report(f"simulated {done} of {len(jobs)} whole bodies")


def _make_body(config: ScanConfig, seed: int, path: Path) -> None:
    save_group(body_group(seed, config), path)
    make_entry(path)


def _group_of(scan: ScanSimulation) -> TrainingGroup:
    config, direct, plasma = scan.config, scan.direct, scan.plasma
    if direct is None:
        raise InvalidInputError("A body needs its direct reference; set direct_window_s.")
    per_suv = config.bqml_per_suv
    integral, mean = patlak_basis(plasma, scan.timing) / per_suv
    curve = PlasmaCurve(
        plasma.time_min * _SECONDS_PER_MINUTE,
        plasma.activity / per_suv,
        CurveSource.TRUE,
        "simulated, without error",
    )
    basis = FrameInput(mean, integral, config.gain)
    z, y, x = (float(d) for d in scan.geometry.spacing_zyx_mm)
    settings = asdict(config.direct) | {"subsets": config.subsets}
    method = direct_method(config.direct)
    return TrainingGroup(
        frames=scan.frames_bqml[None] / np.float32(per_suv),
        unit=ActivityUnit.SUV,
        timing=scan.timing,
        curve=curve,
        basis=basis,
        references={DIRECT: ReferenceMaps(direct.ki[None], direct.v0[None], method, settings)},
        body=scan.body.astype(np.uint8),
        lesions=scan.lesion_index,
        labels=scan.labels,
        spacing_mm=(z, y, x),
        identity=simulated_identity(scan.seed, recipe_of(config)),
        truth=Truth(scan.ki, scan.v0, curve, basis),
    )
