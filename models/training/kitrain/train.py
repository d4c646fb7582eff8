"""Training runs: the common start and the two ends of the slider."""

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kitrain.config import LossConfig, OptimiserConfig
from kitrain.dataset import SlabSet
from kitrain.groups import Volume
from kitrain.losses import loss
from kitrain.metrics import nrmse
from kitrain.network import KiNetwork
from kitrain.records import GroupRecord
from kiview.nets.preprocess import StudyFeatures

Report = Callable[[str], None]
_MAX_GRADIENT = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """Outcome of a run.

    Attributes:
        weights: By name.
        validation: Mean NRMSE to truth after the last step.
        seconds: Time the run took.
    """

    weights: dict[str, Tensor]
    validation: float
    seconds: float


def best_device() -> torch.device:
    """CUDA if it is there, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def new_network(width: int, seed: int) -> KiNetwork:
    """A network with the initial weights of a seed, the same on every device."""
    torch.manual_seed(seed)
    return KiNetwork(width)


def train(
    network: KiNetwork,
    slabs: SlabSet,
    validation: Sequence[GroupRecord],
    run: tuple[OptimiserConfig, LossConfig, int],
    report: Report,
) -> Trained:
    """Train a copy of a network.

    Args:
        network: Where to start.
        slabs: Training slabs, on the device to use.
        validation: Slabs to watch.
        run: Schedule, loss and seed of the crops.
        report: Takes one line per validation.
    """
    schedule, loss_config, seed = run
    device = slabs.device
    network = copy.deepcopy(network).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=schedule.learning_rate)
    steps = schedule.iterations
    torch.backends.cudnn.benchmark = device.type == "cuda"
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    rng = np.random.default_rng(seed)
    started = time.perf_counter()
    for step in range(1, steps + 1):
        batch = slabs.draw(rng, schedule.batch, schedule.crop, schedule.tumour_share)
        with torch.autocast(device.type, torch.bfloat16, enabled=schedule.autocast):
            outputs = network(batch.features)
        value = loss(outputs, batch, loss_config)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(network.parameters(), _MAX_GRADIENT)
        optimiser.step()
        cosine.step()
        if step % schedule.report_every == 0 or step == steps:
            score = validate(network, validation)
            seconds = time.perf_counter() - started
            report(f"step {step} loss {value.item():.4f} validation {score:.4f} {seconds:.0f} s")
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    return Trained(weights, validate(network, validation), time.perf_counter() - started)


def validate(network: KiNetwork, records: Sequence[GroupRecord]) -> float:
    """Mean NRMSE to truth of the first realisation of each slab."""
    scores = [
        nrmse(ki_map(network, record.study(0)), record.ki, record.body > 0) for record in records
    ]
    return float(np.mean(scores))


def ki_map(network: KiNetwork, study: StudyFeatures) -> Volume:
    """Ki of all slices of a study, (z, y, x) /min, as the program computes it."""
    return network_maps(network, study)[0]


def network_maps(network: KiNetwork, study: StudyFeatures) -> tuple[Volume, Volume]:
    """Ki and V of all slices of a study, each (z, y, x) /min."""
    device = next(network.parameters()).device
    features = torch.from_numpy(study.block(0, study.values.shape[1])).to(device)
    with torch.inference_mode():
        ki, v = (part.float().cpu().numpy() for part in network(features))
    n = np.float32(study.normaliser)
    return ki * n, v * n


def network_with(weights: dict[str, Tensor], width: int) -> KiNetwork:
    """A network on the processor with given weights."""
    network = KiNetwork(width)
    network.load_state_dict(weights)
    return network.eval()


def save_checkpoint(folder: Path, name: str, trained: Trained) -> None:
    """Write weights as safetensors and what is known about them as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(trained.weights, folder / f"{name}.safetensors")
    record = {"validation_nrmse": trained.validation, "seconds": trained.seconds}
    (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")


def load_checkpoint(folder: Path, name: str) -> Trained | None:
    """Read a checkpoint, or None if it is not there."""
    weights, record = folder / f"{name}.safetensors", folder / f"{name}.json"
    if not (weights.is_file() and record.is_file()):
        return None
    known = json.loads(record.read_text(encoding="utf-8"))
    return Trained(load_file(weights), known["validation_nrmse"], known["seconds"])
