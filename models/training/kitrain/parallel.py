"""Several processes of `torchrun` that train one network together; one process without it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from kitrain.config import ConfigError

_PATIENCE = timedelta(hours=4)
"""Others wait while the first process simulates."""


@dataclass(frozen=True, slots=True)
class World:
    """Who trains.

    Attributes:
        rank: Number of this process, 0 for the one that reports and writes.
        size: Number of processes.
        device: Of this process.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process reports and writes."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Crops per step of this process.

        Raises:
            ConfigError: the batch cannot be divided.
        """
        if batch % self.size:
            raise ConfigError(
                f"A batch of {batch} crops cannot be divided among {self.size} processes; choose a"
                " multiple."
            )
        return batch // self.size

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network to call in training: gradients are averaged over all processes."""
        if self.size == 1:
            return network
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=ids)

    def mean(self, value: float) -> float:
        """Mean over all processes; each must ask."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.all_reduce(shared)
        return float(shared.item()) / self.size

    def wait(self) -> None:
        """Go on when every process is here."""
        if self.size > 1:
            dist.barrier()


def single() -> World:
    """One process on CUDA if it is there, else on the processor."""
    return World(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def joined() -> Iterator[World]:
    """The processes that `torchrun` started, by its environment; else this one alone.

    CUDA processes use NCCL and the device of their local rank, others gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield single()
        return
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=_PATIENCE)
    try:
        yield World(dist.get_rank(), size, device)
    finally:
        dist.destroy_process_group()
