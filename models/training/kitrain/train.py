"""Training a network that makes maps; and the maps of a network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kitrain.architecture import loaded_network, network_with
from kitrain.checkpoint import Trained, load_trained
from kitrain.config import LossConfig, NetworkConfig, OptimiserConfig, StopConfig
from kitrain.dataset import SlabSet
from kitrain.groups import Volume
from kitrain.learning import Report, Work, learn
from kitrain.losses import loss
from kitrain.metrics import nrmse
from kitrain.network import KiNetwork
from kitrain.parallel import World
from kitrain.records import GroupRecord
from kitrain.targets import Target, target_maps
from kiview.nets.preprocess import StudyFeatures
from kiview.nets.runtime import NetworkOutputs

__all__ = ["ki_map", "network_maps", "network_outputs", "network_with"]


_SLICES_AT_ONCE = 16
"""Through a network; a whole body at once needs several gigabytes."""


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
    if known is not None:
        return known
    if world.is_first:
        report(f"training {job.name} towards {job.target.value}")
    title = f"{job.name}, target {job.target.value}"
    work = Work(job.name, title, job.schedule, job.seed, job.stop)
    return learn(work, _Lesson(job, groups, world), folder, world, report)


class _Lesson:
    """Crops of groups, towards the maps of a target."""

    def __init__(self, job: Job, groups: Groups, world: World) -> None:
        self._job, self._groups = job, groups
        self._slabs = SlabSet(groups.train, job.loss.blur_mm, world.device, job.target)
        self._network = loaded_network(job.start, job.size).to(world.device).train()
        self._wrapped = world.wrapped(self._network)
        # Processors without bf16 units compute it 20 times slower than float32.
        self._has_bf16 = job.schedule.autocast and world.device.type == "cuda"

    @property
    def network(self) -> KiNetwork:
        return self._network

    @property
    def slice_voxels(self) -> int:
        return self._slabs.slice_voxels

    def cost(self, rng: np.random.Generator, size: int) -> Tensor:
        schedule = self._job.schedule
        shares = schedule.tumour_share, schedule.vessel_share
        batch = self._slabs.draw(rng, size, schedule.crop, *shares)
        # Channels last: a third faster on processors.
        features = batch.features.contiguous(memory_format=torch.channels_last)
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self._has_bf16):
            outputs = self._wrapped(features)
        return loss(outputs, batch, self._job.loss)

    def accuracies(self) -> tuple[float, float]:
        job, groups = self._job, self._groups
        probes = groups.train[: len(groups.validation)]
        learnt, others = (
            accuracy(self._network, records, job.target, job.loss.blur_mm)
            for records in (probes, groups.validation)
        )
        return learnt, others


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


def network_outputs(network: KiNetwork, study: StudyFeatures) -> NetworkOutputs:
    """All that a network gives of all slices of a study, each (z, y, x), in /min."""
    device = next(network.parameters()).device
    slices = study.values.shape[1]
    found = []
    with torch.inference_mode():
        for first in range(0, slices, _SLICES_AT_ONCE):
            last = min(first + _SLICES_AT_ONCE, slices)
            features = torch.from_numpy(study.block(first, last)).to(device)
            found.append([part.float().cpu().numpy() for part in network(features)])
    whole = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    return NetworkOutputs(*whole).times(study.normaliser)


def network_maps(network: KiNetwork, study: StudyFeatures) -> tuple[Volume, Volume]:
    """Ki and V of all slices of a study, each (z, y, x) /min."""
    return network_outputs(network, study)[:2]
