"""One training: steps, reports, checkpoints, early end; and the maps of a network."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kitrain.architecture import loaded_network, network_with
from kitrain.checkpoint import (
    Trained,
    Unfinished,
    load_trained,
    load_unfinished,
    save_trained,
    save_unfinished,
)
from kitrain.config import LossConfig, NetworkConfig, OptimiserConfig, StopConfig
from kitrain.dataset import SlabSet
from kitrain.groups import Volume
from kitrain.history import Progress, stop_reason, write_log
from kitrain.history_plot import history_svg
from kitrain.losses import loss
from kitrain.manifest import write_whole
from kitrain.metrics import nrmse
from kitrain.network import KiNetwork
from kitrain.optimisers import make_optimiser, rate_at, set_rate, step_count
from kitrain.parallel import World
from kitrain.records import GroupRecord
from kitrain.targets import Target, target_maps
from kiview.nets.preprocess import StudyFeatures

__all__ = ["ki_map", "network_maps", "network_with"]

Report = Callable[[str], None]
_MAX_GRADIENT = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One training, complete.

    Attributes:
        name: Of its files.
        start: Weights to begin with.
        size: Of the network.
        schedule: Steps and their rule.
        loss: What is minimised.
        target: Towards whose maps.
        seed: Of the crops.
        stop: When it ends early.
    """

    name: str
    start: dict[str, Tensor]
    size: NetworkConfig
    schedule: OptimiserConfig
    loss: LossConfig
    target: Target = Target.TRUTH
    seed: int = 0
    stop: StopConfig = field(default_factory=StopConfig)


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """What a training learns from and is watched by.

    Attributes:
        train: Groups to learn from.
        validation: Groups of other people.
    """

    train: Sequence[GroupRecord]
    validation: Sequence[GroupRecord]


def finished(job: Job, groups: Groups, folder: Path, world: World, report: Report) -> Trained:
    """The outcome of a training; one that is there is read, one that was interrupted goes on.

    Args:
        job: The training.
        groups: To learn from and to validate on.
        folder: For checkpoints, log, plot and outcome.
        world: Processes that train together.
        report: Takes one line per validation, of the first process.
    """
    known = load_trained(folder, job.name)
    if known is None:
        if world.is_first:
            report(f"training {job.name} towards {job.target.value}")
        known = _Training(job, groups, folder, world, report).run()
        if world.is_first:
            save_trained(folder, job.name, known)
            svg = history_svg(f"{job.name}, target {job.target.value}", known.history)
            write_whole(folder / f"{job.name}.svg", svg)
        world.wait()
    return known


class _Training:
    """The state of a running training."""

    def __init__(
        self, job: Job, groups: Groups, folder: Path, world: World, report: Report
    ) -> None:
        self._job, self._groups, self._world = job, groups, world
        self._folder, self._report = folder, report
        self._slabs = SlabSet(groups.train, job.loss.blur_mm, world.device, job.target)
        self._network = loaded_network(job.start, job.size).to(world.device).train()
        self._optimiser = make_optimiser(self._network.parameters(), job.schedule)
        known = load_unfinished(folder, job.name, self._network, self._optimiser)
        state = known or Unfinished(0, (0.0, 0), (), 0.0)
        self._first_step = state.step + 1
        total, self._cost_count = state.costs
        self._cost_sum = torch.tensor(total, dtype=torch.float32, device=world.device)
        self._history = list(state.history)
        self._started = time.perf_counter() - state.seconds
        self._wrapped = world.wrapped(self._network)
        torch.backends.cudnn.benchmark = world.device.type == "cuda"
        # Processors without bf16 units compute it 20 times slower than float32.
        self._has_bf16 = job.schedule.autocast and world.device.type == "cuda"

    def run(self) -> Trained:
        schedule = self._job.schedule
        steps = step_count(schedule, self._slabs.slice_voxels)
        reason = ""
        for step in range(self._first_step, steps + 1):
            self._step(step, steps)
            if step % schedule.report_every == 0 or step == steps:
                self._note(step, rate_at(step, steps, schedule))
                reason = stop_reason(self._history, self._job.stop) if step < steps else ""
            if reason:
                break
            if schedule.checkpoint_every and step % schedule.checkpoint_every == 0:
                self._save(step)
        weights = {n: t.detach().cpu() for n, t in self._network.state_dict().items()}
        return Trained(weights, tuple(self._history), reason)

    def _step(self, step: int, steps: int) -> None:
        job, schedule, world = self._job, self._job.schedule, self._world
        rng = np.random.default_rng([job.seed, world.rank, step])
        size = world.share(schedule.batch)
        batch = self._slabs.draw(rng, size, schedule.crop, schedule.tumour_share)
        set_rate(self._optimiser, rate_at(step, steps, schedule))
        with torch.autocast(world.device.type, torch.bfloat16, enabled=self._has_bf16):
            # Channels last: a third faster on processors.
            outputs = self._wrapped(batch.features.contiguous(memory_format=torch.channels_last))
        value = loss(outputs, batch, job.loss)
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
            write_log(self._folder / f"{self._job.name}.log.jsonl", self._history)
            self._report(
                f"step {step} cost {cost:.4f} accuracy {train:.4f} validation {validation:.4f}"
                f" {seconds:.0f} s"
            )

    def _accuracies(self) -> tuple[float, float]:
        """On as many training as validation groups; measured by the first process, told to all."""
        found = [0.0, 0.0]
        if self._world.is_first:
            job, groups = self._job, self._groups
            probes = groups.train[: len(groups.validation)]
            for i, records in enumerate((probes, groups.validation)):
                found[i] = accuracy(self._network, records, job.target, job.loss.blur_mm)
        size = self._world.size
        return self._world.mean(size * found[0]), self._world.mean(size * found[1])

    def _save(self, step: int) -> None:
        if self._world.is_first:
            seconds = time.perf_counter() - self._started
            costs = float(self._cost_sum), self._cost_count
            state = Unfinished(step, costs, tuple(self._history), seconds)
            save_unfinished(self._folder, self._job.name, self._network, self._optimiser, state)


def accuracy(
    network: KiNetwork, records: Sequence[GroupRecord], target: Target, blur_mm: float = 0.0
) -> float:
    """1 - mean NRMSE to the target, over the first realisation of each group."""
    errors = [
        nrmse(
            ki_map(network, record.study(0)),
            target_maps(record, target, 0, blur_mm)[0],
            record.body > 0,
        )
        for record in records
    ]
    return 1.0 - float(np.mean(errors))


def ki_map(network: KiNetwork, study: StudyFeatures) -> Volume:
    """Ki of all slices of a study, (z, y, x) /min, as the program computes it."""
    return network_maps(network, study)[0]


def network_sigma(network: KiNetwork, study: StudyFeatures) -> Volume:
    """Standard deviation of Ki by a network that gives one, (z, y, x) /min."""
    device = next(network.parameters()).device
    features = torch.from_numpy(study.block(0, study.values.shape[1])).to(device)
    with torch.inference_mode():
        sigma: Volume = network(features)[2].float().cpu().numpy()
    return sigma * np.float32(study.normaliser)


def network_maps(network: KiNetwork, study: StudyFeatures) -> tuple[Volume, Volume]:
    """Ki and V of all slices of a study, each (z, y, x) /min."""
    device = next(network.parameters()).device
    features = torch.from_numpy(study.block(0, study.values.shape[1])).to(device)
    with torch.inference_mode():
        ki, v = (part.float().cpu().numpy() for part in network(features)[:2])
    n = np.float32(study.normaliser)
    return ki * n, v * n
