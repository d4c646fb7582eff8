"""Both networks of the chain trained together, from the two that were trained apart.

The error of the Ki map reaches the curve network through the plasma curve, and the network that
makes the map meets curves as they are found instead of true ones (method, 0141).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kitrain.chain import FrameMeans, chain_maps, operators
from kitrain.checkpoint import Trained, load_trained
from kitrain.config import LossConfig, OptimiserConfig, StopConfig
from kitrain.curve_data import CurveSample, samples_of
from kitrain.curve_loss import CurvePart, curve_loss, measured, part_of
from kitrain.curve_network import CurveNetwork, ln_ratio
from kitrain.dataset import Batch, lesion_weights
from kitrain.group_file import load_group
from kitrain.groups import Labels, TrainingGroup, Truth, Volume
from kitrain.learning import Report, Work, learn
from kitrain.losses import loss
from kitrain.metrics import nrmse
from kitrain.network import KiNetwork
from kitrain.parallel import World
from kiview.nets.curve_features import POPULATION

CURVE, KI = "curve", "ki"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ChainSample:
    """One noise realisation of a group with everything that the chain needs.

    Attributes:
        curve: As the curve network sees it.
        frames: (t, z, y, x) float32.
        means: Over these frames.
        grid_min: (m,) samples of a plasma curve.
        population: (m,) the population curve there.
        weight: (t,) of the frames.
        ki: (z, y, x) true Ki, /min.
        v: Same grid, true V0 times <C> / <S> of the true curve, /min.
        normaliser: n with the true curve, /min.
        body: (z, y, x) 1 inside the patient.
        lesion: (z, y, x) weight of a tumour.
    """

    curve: CurveSample
    frames: Volume
    means: FrameMeans
    grid_min: Floats
    population: Tensor
    weight: Floats
    ki: Volume
    v: Volume
    normaliser: float
    body: Labels
    lesion: Volume


def chain_samples(
    groups: Sequence[Path], feature_network: KiNetwork, count: int
) -> Iterator[ChainSample]:
    """Samples of groups that have a vessel.

    Args:
        groups: Files.
        feature_network: Whose maps are among the features of the curve network; it stays.
        count: Realisations of each.
    """
    for path in groups:
        group = load_group(path)
        made = samples_of(group, feature_network, count)
        for frames, sample in zip(group.frames, made, strict=False):
            if sample.has_blood and group.truth is not None:
                yield _chain_sample(group, group.truth, frames, sample)


def _chain_sample(
    group: TrainingGroup, known: Truth, frames: Volume, sample: CurveSample
) -> ChainSample:
    end_s = float(group.timing.end_s.max())
    grid_s = POPULATION.natural_time_s(end_s)
    grid_s = grid_s[grid_s <= end_s]
    truth = sample.truth
    means = FrameMeans(grid_s / 60.0, group.timing)
    weight = group.basis.weight
    made = operators(*means(torch.from_numpy(truth.curve.at(grid_s))), weight)
    uptake = np.tensordot(made.matrix[2].numpy().astype(np.float32), frames, 1)
    n = float(uptake[uptake > uptake.mean()].mean(dtype=np.float64))
    per_v0 = np.float32(float(made.mean / made.mean_integral_min))
    return ChainSample(
        sample,
        frames,
        means,
        grid_s / 60.0,
        torch.from_numpy(POPULATION.at(grid_s)),
        weight,
        known.ki,
        known.v0 * per_v0,
        n,
        group.body,
        lesion_weights(group.lesions),
    )


@dataclass(frozen=True, slots=True)
class JointTraining:
    """How both are trained.

    Attributes:
        slices: Of each slab that a step sees.
        schedule: Steps; `batch` is the number of slabs, `crop` is not used.
        loss: Of the Ki maps.
        seed: Of what each step sees.
    """

    slices: int
    schedule: OptimiserConfig
    loss: LossConfig
    seed: int = 0


def train_jointly(
    training: JointTraining,
    start: tuple[CurveNetwork, KiNetwork],
    samples: tuple[Sequence[ChainSample], Sequence[ChainSample]],
    folder: Path,
    report: Report,
) -> Trained:
    """Train both, or read what is there; an interrupted training goes on.

    Args:
        training: How.
        start: Curve network and the network that makes maps, trained apart.
        samples: To learn from, and of other people to report on.
        folder: For checkpoint, log, plot and outcome.
        report: Takes one line per validation.

    Returns:
        Weights of both under `curve.` and `ki.`; accuracies are 1 - NRMSE of Ki to truth with the
        curve that was found.
    """
    name = f"joint-{training.seed}"
    known = load_trained(folder, name)
    if known is not None:
        return known
    report(f"training {name}")
    work = Work(name, "both networks together", training.schedule, training.seed, StopConfig())
    alone = World(0, 1, torch.device("cpu"))
    return learn(work, _Lesson(training, start, samples), folder, alone, report)


def weights_of(trained: Trained, part: str) -> dict[str, Tensor]:
    """Weights of `CURVE` or of `KI` out of those of both."""
    head = f"{part}."
    return {n.removeprefix(head): t for n, t in trained.weights.items() if n.startswith(head)}


class _Lesson:
    """Slices of slabs, towards their Ki, their plasma curve and their blood."""

    def __init__(
        self,
        training: JointTraining,
        start: tuple[CurveNetwork, KiNetwork],
        samples: tuple[Sequence[ChainSample], Sequence[ChainSample]],
    ) -> None:
        self._training = training
        self._train, self._validation = samples
        self._curve, self._ki = start
        self._network = nn.ModuleDict({CURVE: self._curve, KI: self._ki}).train()

    @property
    def network(self) -> nn.Module:
        return self._network

    @property
    def slice_voxels(self) -> int:
        return sum(sample.ki.size for sample in self._train)

    def cost(self, rng: np.random.Generator, size: int) -> Tensor:
        total = torch.zeros(())
        for index in rng.integers(0, len(self._train), size):
            sample = self._train[index]
            slices = np.sort(rng.permutation(len(sample.ki))[: self._training.slices])
            part = part_of(sample.curve, slices, 0, flip=False)
            logits = self._curve(part.features)
            cost = curve_loss(logits, part, self._curve.readout)
            outputs = self._maps(sample, part, slices, logits)
            cost = cost + loss(outputs, _targets(sample, slices), self._training.loss)
            total = total + cost / size
        return total

    def _maps(
        self, sample: ChainSample, part: CurvePart, slices: NDArray[np.int64], logits: Tensor
    ) -> tuple[Tensor, ...]:
        """Maps with the curve that the logits mean, in units of the true normaliser."""
        level, slope, statistics = measured(logits, part)
        shape = self._curve.readout(statistics[None])
        middle = level.new_tensor([float(np.mean(sample.curve.halves.time_min))])
        t = level.new_tensor(sample.grid_min)[None]
        ratio = ln_ratio(level[None], middle, slope[None], shape, t)[0]
        curve = sample.population * ratio.double().clamp(-20.0, 20.0).exp()
        made = operators(*sample.means(curve), sample.weight)
        frames = torch.from_numpy(sample.frames)
        found = chain_maps(self._ki, frames, made, [*slices], sample.curve.spacing_mm)
        return tuple(values / sample.normaliser for values in found)

    def accuracies(self) -> tuple[float, float]:
        probes = self._train[: len(self._validation)]
        learnt, others = (
            1.0 - float(np.mean([self._nrmse(sample) for sample in samples] or [1.0]))
            for samples in (probes, self._validation)
        )
        return learnt, others

    def _nrmse(self, sample: ChainSample) -> float:
        every = np.arange(len(sample.ki))
        with torch.inference_mode():
            part = part_of(sample.curve, every, 0, flip=False)
            ki = self._maps(sample, part, every, self._curve(part.features))[0]
        truth = sample.ki / np.float32(sample.normaliser)
        return nrmse(ki.numpy(), truth, sample.body > 0)


def _targets(sample: ChainSample, slices: NDArray[np.int64]) -> Batch:
    n = np.float32(sample.normaliser)

    def part(values: Volume) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values[slices]))

    ki = part(sample.ki / n)
    unknown = torch.full_like(ki, torch.nan)
    body = part(sample.body.astype(np.float32))
    lesion = part(sample.lesion)
    none = torch.zeros_like(ki)
    return Batch(unknown, ki, part(sample.v / n), unknown, body, lesion, none)
