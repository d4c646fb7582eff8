"""Training the curve network on slabs whose plasma curve is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kitrain.checkpoint import Trained, load_trained
from kitrain.config import OptimiserConfig, StopConfig
from kitrain.curve_data import CurveSample
from kitrain.curve_loss import curve_error, curve_loss, part_of
from kitrain.curve_network import CurveNetwork
from kitrain.learning import Report, Work, learn
from kitrain.parallel import World

_TURNS = 4


@dataclass(frozen=True, slots=True)
class CurveTraining:
    """How the curve network is trained.

    Attributes:
        width: Channels of the first level.
        slices: Of each slab that a step sees; what is attended to is chosen among them.
        schedule: Steps; `batch` is the number of slabs, `crop` is not used.
        seed: Of first weights and of what each step sees.
    """

    width: int
    slices: int
    schedule: OptimiserConfig
    seed: int


def train_curve(
    training: CurveTraining,
    train: Sequence[CurveSample],
    validation: Sequence[CurveSample],
    folder: Path,
    report: Report,
) -> Trained:
    """Train, or read what is there; an interrupted training goes on.

    Args:
        training: How.
        train: Samples to learn from.
        validation: Samples of other people, to report on.
        folder: For checkpoint, log, plot and outcome.
        report: Takes one line per validation.

    Returns:
        Weights and reports; accuracies are 1 - the mean of `curve_error`.
    """
    name = f"curve-{training.seed}"
    known = load_trained(folder, name)
    if known is not None:
        return known
    report(f"training {name}")
    title = f"{name}, plasma curves"
    work = Work(name, title, training.schedule, training.seed, StopConfig())
    # Tensors are small and few: the processor does.
    alone = World(0, 1, torch.device("cpu"))
    return learn(work, _Lesson(training, train, validation), folder, alone, report)


class _Lesson:
    """Some slices of slabs, towards their plasma curves and their blood."""

    def __init__(
        self,
        training: CurveTraining,
        train: Sequence[CurveSample],
        validation: Sequence[CurveSample],
    ) -> None:
        torch.manual_seed(training.seed)
        self._training, self._train, self._validation = training, train, validation
        self._network = CurveNetwork(training.width).train()

    @property
    def network(self) -> CurveNetwork:
        return self._network

    @property
    def slice_voxels(self) -> int:
        return sum(sample.blood.size for sample in self._train)

    def cost(self, rng: np.random.Generator, size: int) -> Tensor:
        total = torch.zeros(())
        for index in rng.integers(0, len(self._train), size):
            sample = self._train[index]
            depth = len(sample.features)
            slices = np.sort(rng.permutation(depth)[: self._training.slices])
            part = part_of(sample, slices, int(rng.integers(_TURNS)), bool(rng.integers(2)))
            logits = _logits(self._network, part.features)
            total = total + curve_loss(logits, part, self._network.readout) / size
        return total

    def accuracies(self) -> tuple[float, float]:
        probes = self._train[: len(self._validation)]
        learnt, others = (
            1.0 - mean_error(self._network, samples) for samples in (probes, self._validation)
        )
        return learnt, others


def _logits(network: CurveNetwork, features: Tensor) -> Tensor:
    logits: Tensor = network(features.contiguous(memory_format=torch.channels_last))
    return logits


def mean_error(network: CurveNetwork, samples: Sequence[CurveSample]) -> float:
    """Mean `curve_error` over the samples that have a vessel, all slices seen; 0 for none."""
    errors = []
    with torch.inference_mode():
        for sample in samples:
            if sample.has_blood:
                part = part_of(sample, np.arange(len(sample.features)), 0, flip=False)
                logits = _logits(network, part.features)
                errors.append(float(curve_error(logits, part, network.readout)))
    return float(np.mean(errors)) if errors else 0.0
