"""Training the curve network on slabs whose plasma curve is known."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kitrain.checkpoint import (
    Trained,
    Unfinished,
    load_trained,
    load_unfinished,
    save_trained,
    save_unfinished,
)
from kitrain.config import OptimiserConfig
from kitrain.curve_data import CurveSample
from kitrain.curve_loss import curve_error, curve_loss, part_of
from kitrain.curve_network import CurveNetwork
from kitrain.history import Progress, write_log
from kitrain.history_plot import history_svg
from kitrain.manifest import write_whole
from kitrain.optimisers import make_optimiser, rate_at, set_rate

Report = Callable[[str], None]
_MAX_GRADIENT = 1.0
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
    torch.manual_seed(training.seed)
    network = CurveNetwork(training.width).train()
    schedule = training.schedule
    optimiser = make_optimiser(network.parameters(), schedule)
    state = load_unfinished(folder, name, network, optimiser) or Unfinished(0, (0.0, 0), (), 0.0)
    started = time.perf_counter() - state.seconds
    history, (total, count) = list(state.history), state.costs
    for step in range(state.step + 1, schedule.iterations + 1):
        set_rate(optimiser, rate_at(step, schedule.iterations, schedule))
        total, count = total + _step(network, optimiser, training, train, step), count + 1
        if step % schedule.report_every == 0 or step == schedule.iterations:
            seconds = time.perf_counter() - started
            accuracies = [
                1.0 - mean_error(network, s) for s in (train[: len(validation)], validation)
            ]
            rate = rate_at(step, schedule.iterations, schedule)
            history.append(Progress(step, total / count, *accuracies, rate, seconds))
            total, count = 0.0, 0
            folder.mkdir(parents=True, exist_ok=True)
            write_log(folder / f"{name}.log.jsonl", history)
            report(
                f"step {step} cost {history[-1].cost:.4f} accuracy {accuracies[0]:.4f} validation"
                f" {accuracies[1]:.4f} {seconds:.0f} s"
            )
        if schedule.checkpoint_every and step % schedule.checkpoint_every == 0:
            seconds = time.perf_counter() - started
            unfinished = Unfinished(step, (total, count), tuple(history), seconds)
            save_unfinished(folder, name, network, optimiser, unfinished)
    weights = {n: t.detach().cpu() for n, t in network.state_dict().items()}
    trained = Trained(weights, tuple(history))
    save_trained(folder, name, trained)
    write_whole(folder / f"{name}.svg", history_svg(name, trained.history))
    return trained


def _step(
    network: CurveNetwork,
    optimiser: torch.optim.Optimizer,
    training: CurveTraining,
    samples: Sequence[CurveSample],
    step: int,
) -> float:
    rng = np.random.default_rng([training.seed, step])
    batch = training.schedule.batch
    optimiser.zero_grad(set_to_none=True)
    cost = 0.0
    for index in rng.integers(0, len(samples), batch):
        sample = samples[index]
        depth = len(sample.features)
        slices = np.sort(rng.permutation(depth)[: training.slices])
        part = part_of(sample, slices, int(rng.integers(_TURNS)), bool(rng.integers(2)))
        loss = curve_loss(_logits(network, part.features), part, network.readout) / batch
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        cost += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(network.parameters(), _MAX_GRADIENT)
    optimiser.step()
    return cost


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
