"""Simulated slabs on disk: which seeds belong to which split, a manifest, and its hash."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kitrain.config import DataConfig
from kitrain.records import SlabRecord, load_record
from kiview.nets import preprocess
from kiview.nets.preprocess import FEATURE_VERSION, FrameInput
from kiview.simulate.slab import SlabSimulation, simulate_slab
from kiview.simulate.slab_config import SlabConfig, training_config

SPLITS = ("train", "validation", "test")
SEEDS_PER_SPLIT = 1_000_000
"""Each split draws from its own range of seeds, so no person is in two splits."""
SLABS_PER_SEED = 10_000
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_TEST_FRAMES = SlabConfig()
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Split:
    """The slabs of one split.

    Attributes:
        name: Of `SPLITS`.
        seeds: Of the slabs.
        records: Their files, in the order of the seeds.
        sha256: Over the manifest: configuration, seeds and content of every slab.
    """

    name: str
    seeds: tuple[int, ...]
    records: tuple[Path, ...]
    sha256: str

    def load(self) -> list[SlabRecord]:
        """All records."""
        return [load_record(path) for path in self.records]


def split_seeds(name: str, config: DataConfig) -> tuple[int, ...]:
    """Seeds of the slabs of a split."""
    count = {"train": config.train, "validation": config.validation, "test": config.test}[name]
    first = (SPLITS.index(name) + 1) * SEEDS_PER_SPLIT + config.seed * SLABS_PER_SEED
    return tuple(range(first, first + count))


def slab_config(name: str, seed: int) -> SlabConfig:
    """Protocol of one slab: drawn at random for training, the standard torso for tests."""
    return _TEST_FRAMES if name == "test" else training_config(seed)


def make_split(name: str, config: DataConfig, folder: Path, report: Report) -> Split:
    """Simulate the slabs of a split that are not there yet, and write its manifest.

    Args:
        name: Of `SPLITS`.
        config: How many, which seeds.
        folder: Where records are kept; one folder serves all splits and sizes.
        report: Takes a line now and then.
    """
    seeds = split_seeds(name, config)
    jobs = [(seed, slab_config(name, seed)) for seed in seeds]
    paths = make_records(jobs, config.workers, folder, report)
    entries = [
        {"seed": seed, "config": asdict(slab), "sha256": content_hash(path)}
        for (seed, slab), path in zip(jobs, paths, strict=True)
    ]
    manifest = {"split": name, "feature_version": FEATURE_VERSION, "slabs": entries}
    text = json.dumps(manifest, indent=1, sort_keys=True)
    (folder / f"{name}-{len(seeds)}-{config.seed}.json").write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return Split(name, seeds, tuple(paths), digest)


def make_records(
    jobs: Sequence[tuple[int, SlabConfig]], workers: int, folder: Path, report: Report
) -> list[Path]:
    """Simulate slabs, given as (seed, configuration), that are not there yet; their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{record_name(config, seed)}.npz" for seed, config in jobs]
    missing = [
        (config, seed, path)
        for (seed, config), path in zip(jobs, paths, strict=True)
        if not path.is_file()
    ]
    _simulate(missing, workers, report)
    return paths


def record_name(config: SlabConfig, seed: int) -> str:
    """File name that changes with anything that changes the numbers."""
    recipe = json.dumps([asdict(config), seed, FEATURE_VERSION], sort_keys=True)
    return f"slab-{seed}-{hashlib.sha256(recipe.encode('utf-8')).hexdigest()[:12]}"


def content_hash(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _simulate(jobs: Sequence[tuple[SlabConfig, int, Path]], workers: int, report: Report) -> None:
    if not jobs:
        return
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        pending = [pool.submit(_make_record, *job) for job in jobs]
        for done, future in enumerate(as_completed(pending), start=1):
            future.result()
            if done % 20 == 0 or done == len(jobs):
                report(f"simulated {done} of {len(jobs)} slabs")


def _make_record(config: SlabConfig, seed: int, path: Path) -> None:
    record_of(simulate_slab(config, seed)).save(path)


def record_of(slab: SlabSimulation) -> SlabRecord:
    """Features and references of a simulated slab, by the code the program uses."""
    if slab.direct is None or slab.direct_second is None:
        raise ValueError("Training needs the direct references of both scans.")
    frames = FrameInput(slab.basis[1], slab.basis[0], slab.weights)
    operators = preprocess.linear_operators(frames)
    spacing = slab.grid.spacing_zyx_mm
    studies = [
        preprocess.study_features(
            preprocess.linear_maps(scan, operators.matrix), operators.noise_gain, spacing
        )
        for scan in (slab.frames, slab.frames_second)
    ]
    direct = (slab.direct, slab.direct_second)
    scale = np.float32(slab.v_scale)
    return SlabRecord(
        features=np.stack([study.values for study in studies]),
        normaliser=np.array([study.normaliser for study in studies]),
        noise_gain=np.array(operators.noise_gain),
        ki=slab.ki,
        v=slab.v0 * scale,
        ki_direct=np.stack([maps.ki for maps in direct]),
        v_direct=np.stack([maps.v0 for maps in direct]) * scale,
        body=slab.body.astype(np.uint8),
        lesions=slab.lesion_index,
        spacing=np.array(spacing),
    )
