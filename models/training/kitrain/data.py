"""Simulated groups on disk: which people belong to which split, and what is made of them."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from kitrain.config import DataConfig
from kitrain.folds import validation_fold
from kitrain.group_file import GROUP_VERSION, save_group
from kitrain.manifest import GroupEntry, entry_of, make_entry, write_manifest
from kitrain.records import GroupRecord, load_record
from kitrain.simulated import group_of
from kiview.simulate.recipe import recipe_of
from kiview.simulate.slab import simulate_slab
from kiview.simulate.slab_config import SlabConfig
from kiview.simulate.slab_recipes import TrainingMix, standard_config, training_config

SPLITS = ("train", "validation", "test")
POOL_SEEDS, TEST_SEEDS = range(1_000_000, 3_000_000), range(3_000_000, 4_000_000)
"""People to learn from and people to be judged by have seeds from ranges that never meet."""
_DATA_SEEDS = 100
"""Values that `DataConfig.seed` may have; each owns an equal part of both ranges."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_TEST_FRAMES = standard_config()
_USUAL = DataConfig(1, 1, 1)
_RECIPE_KEYS = ("reconstruction", "direct_update", "direct_iterations", "kinds", "regions")
"""What of the configuration changes the scans, not who is scanned."""
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Split:
    """The groups of one split.

    Attributes:
        name: Of `SPLITS`.
        entries: What is known of every group, in a fixed order.
        paths: Their files, in the same order.
        sha256: Over the manifest: who was scanned and the content of every group.
    """

    name: str
    entries: tuple[GroupEntry, ...]
    paths: tuple[Path, ...]
    sha256: str

    def load(self) -> list[GroupRecord]:
        """All groups with their features."""
        return list(self)

    def __iter__(self) -> Iterator[GroupRecord]:
        """One group after the other."""
        return (load_record(path) for path in self.paths)


def split_seeds(name: str, config: DataConfig) -> tuple[int, ...]:
    """Seeds of the people of a split.

    Training and validation share the people of one range; `config.draw` decides who of them
    validates, with those behind them who always do. Test people come from a range of their own.
    """
    if name == "test":
        return _part(TEST_SEEDS, config.seed, config.test)
    drawn = config.train + config.validation
    people = _part(POOL_SEEDS, config.seed, drawn + config.always_validate)
    pool, others = people[:drawn], people[drawn:]
    chosen = validation_fold([str(seed) for seed in pool], config.validation, config.draw)
    if name == "train":
        return tuple(seed for seed in pool if str(seed) not in chosen)
    return tuple(seed for seed in pool if str(seed) in chosen) + others


def spare_seeds(config: DataConfig, count: int) -> tuple[int, ...]:
    """People of the training range on whom filters are chosen: its far end, never trained on."""
    return _part(POOL_SEEDS, config.seed, len(POOL_SEEDS) // _DATA_SEEDS)[-count:]


def _part(seeds: range, seed: int, count: int) -> tuple[int, ...]:
    size = len(seeds) // _DATA_SEEDS
    return tuple(seeds[seed * size : seed * size + count])


def is_test_seed(seed: int) -> bool:
    """Whether a seed lies in the range that is kept for tests."""
    return seed in TEST_SEEDS


def slab_config(name: str, seed: int, config: DataConfig = _USUAL) -> SlabConfig:
    """Protocol of one slab: drawn at random for training, the standard torso for tests.

    Args:
        name: Of the split.
        seed: Of the person.
        config: Mix and reconstruction of what is learnt from.
    """
    if name == "test":
        return _TEST_FRAMES
    drawn = training_config(seed, TrainingMix(config.kinds, config.regions))
    update, passes = config.direct_update, config.direct_iterations
    direct = replace(drawn.direct, update=update, iterations=passes)
    return replace(drawn, reconstruction=config.reconstruction, direct=direct)


def make_split(name: str, config: DataConfig, folder: Path, report: Report) -> Split:
    """Simulate the groups of a split that are not there yet, and write its manifest.

    Args:
        name: Of `SPLITS`.
        config: How many, which seeds.
        folder: Where groups are kept; one folder serves all splits and sizes.
        report: Takes a line now and then.
    """
    jobs = [(seed, slab_config(name, seed, config)) for seed in split_seeds(name, config)]
    paths = make_groups(jobs, config.workers, folder, report)
    which = f"{name}-{len(jobs)}-{config.seed}-{config.draw}{_recipe_mark(config)}"
    return split_of(name, paths, folder / f"{which}.manifest.json")


def _recipe_mark(config: DataConfig) -> str:
    """What tells manifests of another recipe from those of the usual one; empty for that."""
    said, usual = ({key: getattr(c, key) for key in _RECIPE_KEYS} for c in (config, _USUAL))
    if said == usual:
        return ""
    text = json.dumps(said, sort_keys=True)
    return f"-{hashlib.sha256(text.encode('utf-8')).hexdigest()[:8]}"


def split_of(name: str, paths: Sequence[Path], manifest: Path) -> Split:
    """A split of given group files, with its manifest written to `manifest`."""
    entries = tuple(entry_of(path) for path in paths)
    return Split(name, entries, tuple(paths), write_manifest(manifest, name, entries))


def make_groups(
    jobs: Sequence[tuple[int, SlabConfig]], workers: int, folder: Path, report: Report
) -> list[Path]:
    """Simulate groups, given as (seed, configuration), that are not there yet; their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{group_name(config, seed)}.npz" for seed, config in jobs]
    missing = [
        (config, seed, path)
        for (seed, config), path in zip(jobs, paths, strict=True)
        if not path.is_file()
    ]
    _simulate(missing, workers, report)
    return paths


def group_name(config: SlabConfig, seed: int) -> str:
    """File name that changes with person, recipe and `GROUP_VERSION`."""
    recipe = json.dumps([recipe_of(config), seed, GROUP_VERSION], sort_keys=True)
    return f"group-{seed}-{hashlib.sha256(recipe.encode('utf-8')).hexdigest()[:12]}"


def _simulate(jobs: Sequence[tuple[SlabConfig, int, Path]], workers: int, report: Report) -> None:
    if not jobs:
        return
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        pending = [pool.submit(_make_group, *job) for job in jobs]
        for done, future in enumerate(as_completed(pending), start=1):
            future.result()
            if done % 20 == 0 or done == len(jobs):
                report(f"simulated {done} of {len(jobs)} slabs")


def _make_group(config: SlabConfig, seed: int, path: Path) -> None:
    save_group(group_of(simulate_slab(config, seed)), path)
    make_entry(path)
