"""Seeds of a run trained at once, each by a process of its own.

A network of this size leaves most of a card, and most cores, idle. A process leaves its trainings
in the folder of the run, where whoever runs it as a whole finds them (`train.finished`).
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from kitrain.config import ConfigError, RunConfig
from kitrain.data import Report
from kitrain.parallel import World, single

SeedTraining = Callable[["SeedJob"], None]


@dataclass(frozen=True, slots=True)
class SeedJob:
    """All trainings of one seed.

    Attributes:
        config: Of the run, as it goes on after its first training was judged.
        seed: Which.
        data: Cache of groups.
        out: Folder of the run.
        threads: Of the process on a processor.
    """

    config: RunConfig
    seed: int
    data: Path
    out: Path
    threads: int

    def report(self, text: str) -> None:
        """A progress line with the seed before it."""
        sys.stdout.write(f"seed {self.seed}: {text}\n")
        sys.stdout.flush()


def train_at_once(
    train: SeedTraining, jobs: Sequence[SeedJob], at_once: int, world: World, report: Report
) -> None:
    """Train several seeds, so many at once; returns when all are done.

    Args:
        train: Trains everything of one seed; a function of a module.
        jobs: The seeds.
        at_once: Processes.
        world: Processes that train one network together: only one, here.
        report: Takes a line for each seed that is done.

    Raises:
        ConfigError: several processes train one network together.
    """
    if world.size > 1:
        raise ConfigError(
            "Seeds at once and one seed on several cards exclude each other; leave out --at-once"
            " or torchrun."
        )
    spawn = multiprocessing.get_context("spawn")  # CUDA does not outlive a fork
    with ProcessPoolExecutor(min(at_once, len(jobs)), spawn) as pool:
        for job, _ in zip(jobs, pool.map(_Alone(train), jobs), strict=True):
            report(f"everything of seed {job.seed} is there")


def threads_each(at_once: int) -> int:
    """Threads of each process, so that all of them take every core."""
    return max(1, (os.cpu_count() or 1) // at_once)


@dataclass(frozen=True, slots=True)
class _Alone:
    """Trains a seed in its process."""

    train: SeedTraining

    def __call__(self, job: SeedJob) -> None:
        if single().device.type == "cpu":
            torch.set_num_threads(job.threads)
        self.train(job)
