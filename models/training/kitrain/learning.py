"""The loop of every training: steps, reports, checkpoints, early end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from kitrain.checkpoint import (
    Trained,
    Unfinished,
    load_unfinished,
    save_trained,
    save_unfinished,
)
from kitrain.config import OptimiserConfig, StopConfig
from kitrain.history import Progress, stop_reason, write_log
from kitrain.history_plot import history_svg
from kitrain.manifest import write_whole
from kitrain.optimisers import make_optimiser, rate_at, set_rate, step_count
from kitrain.parallel import World

Report = Callable[[str], None]
_MAX_GRADIENT = 1.0


class Lesson(Protocol):
    """What is learnt from what."""

    @property
    def network(self) -> nn.Module:
        """Gets better."""

    @property
    def slice_voxels(self) -> int:
        """Voxels that an epoch covers."""

    def cost(self, rng: np.random.Generator, size: int) -> Tensor:
        """Cost of one step, with gradients.

        Args:
            rng: Decides everything.
            size: Of the batch.
        """

    def accuracies(self) -> tuple[float, float]:
        """On some of what it learns from, and on validation; 1 is perfect."""


@dataclass(frozen=True, slots=True)
class Work:
    """One training, but for what is learnt.

    Attributes:
        name: Of its files.
        title: Of its plot.
        schedule: Steps and their rule.
        seed: Of what each step sees.
        stop: When it ends early.
    """

    name: str
    title: str
    schedule: OptimiserConfig
    seed: int
    stop: StopConfig


def learn(work: Work, lesson: Lesson, folder: Path, world: World, report: Report) -> Trained:
    """Train, from the last checkpoint on if there is one, and write what came out.

    Args:
        work: The training.
        lesson: What is learnt.
        folder: For checkpoints, log, plot and outcome.
        world: Processes that train together.
        report: Takes one line per validation, of the first process.
    """
    trained = _Loop(work, lesson, folder, world, report).run()
    if world.is_first:
        save_trained(folder, work.name, trained)
        write_whole(folder / f"{work.name}.svg", history_svg(work.title, trained.history))
    world.wait()
    return trained


class _Loop:
    """The state of a running training."""

    def __init__(
        self, work: Work, lesson: Lesson, folder: Path, world: World, report: Report
    ) -> None:
        self._work, self._lesson, self._world = work, lesson, world
        self._folder, self._report = folder, report
        self._network = lesson.network
        self._optimiser = make_optimiser(self._network.parameters(), work.schedule)
        known = load_unfinished(folder, work.name, self._network, self._optimiser)
        state = known or Unfinished(0, (0.0, 0), (), 0.0)
        self._first_step = state.step + 1
        total, self._cost_count = state.costs
        self._cost_sum = torch.tensor(total, dtype=torch.float32, device=world.device)
        self._history = list(state.history)
        self._started = time.perf_counter() - state.seconds
        torch.backends.cudnn.benchmark = world.device.type == "cuda"

    def run(self) -> Trained:
        work, schedule = self._work, self._work.schedule
        steps = step_count(schedule, self._lesson.slice_voxels)
        reason = ""
        for step in range(self._first_step, steps + 1):
            self._step(step, steps)
            if step % schedule.report_every == 0 or step == steps:
                self._note(step, rate_at(step, steps, schedule))
                reason = stop_reason(self._history, work.stop) if step < steps else ""
            if reason:
                break
            if schedule.checkpoint_every and step % schedule.checkpoint_every == 0:
                self._save(step)
        weights = {n: t.detach().cpu() for n, t in self._network.state_dict().items()}
        return Trained(weights, tuple(self._history), reason)

    def _step(self, step: int, steps: int) -> None:
        work, schedule, world = self._work, self._work.schedule, self._world
        rng = np.random.default_rng([work.seed, world.rank, step])
        set_rate(self._optimiser, rate_at(step, steps, schedule))
        value = self._lesson.cost(rng, world.share(schedule.batch))
        self._optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), _MAX_GRADIENT)
        self._optimiser.step()
        self._cost_sum = self._cost_sum + value.detach()
        self._cost_count += 1

    def _note(self, step: int, rate: float) -> None:
        cost = self._world.mean(float(self._cost_sum) / self._cost_count)
        train, validation = self._accuracies()
        seconds = time.perf_counter() - self._started
        self._history.append(Progress(step, cost, train, validation, rate, seconds))
        self._cost_sum, self._cost_count = torch.zeros_like(self._cost_sum), 0
        if self._world.is_first:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_log(self._folder / f"{self._work.name}.log.jsonl", self._history)
            self._report(
                f"step {step} cost {cost:.4f} accuracy {train:.4f} validation {validation:.4f}"
                f" {seconds:.0f} s"
            )

    def _accuracies(self) -> tuple[float, float]:
        """Measured by the first process, told to all."""
        found = self._lesson.accuracies() if self._world.is_first else (0.0, 0.0)
        size = self._world.size
        return self._world.mean(size * found[0]), self._world.mean(size * found[1])

    def _save(self, step: int) -> None:
        if self._world.is_first:
            seconds = time.perf_counter() - self._started
            costs = float(self._cost_sum), self._cost_count
            state = Unfinished(step, costs, tuple(self._history), seconds)
            save_unfinished(self._folder, self._work.name, self._network, self._optimiser, state)
