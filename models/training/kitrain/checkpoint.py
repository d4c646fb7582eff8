"""Trainings on disk: finished ones, and unfinished ones that go on exactly where they stopped.

Tensors are safetensors, everything else JSON: in a file beside the weights for a finished
training, in the header of the same file for an unfinished one, so that neither can be half there.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kitrain.history import Progress
from kitrain.manifest import write_whole
from kiview.core.errors import ReadError

_OPTIMISER, _WEIGHTS, _HEADER = "optimiser.", "weights.", "training"


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """Outcome of a training.

    Attributes:
        weights: By name.
        history: Reports, the last one after the last step.
        stopped: Why it ended before its last step, empty if it did not.
    """

    weights: dict[str, Tensor]
    history: tuple[Progress, ...]
    stopped: str = ""

    @property
    def validation(self) -> float:
        """Mean NRMSE to the target on validation after the last step."""
        return 1.0 - self.history[-1].validation_accuracy

    @property
    def seconds(self) -> float:
        """Time the training took."""
        return self.history[-1].seconds


@dataclass(frozen=True, slots=True, eq=False)
class Unfinished:
    """Where a training was interrupted.

    Attributes:
        step: Steps done.
        costs: Sum and number of the costs since the last report.
        history: Reports so far.
        seconds: Of the training so far.
    """

    step: int
    costs: tuple[float, int]
    history: tuple[Progress, ...]
    seconds: float


def save_trained(folder: Path, name: str, trained: Trained) -> None:
    """Write a finished training and forget its checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / f"{name}.safetensors", trained.weights, {})
    record = {
        "history": [asdict(progress) for progress in trained.history],
        "stopped": trained.stopped,
    }
    write_whole(folder / f"{name}.json", json.dumps(record, indent=1))
    _state_path(folder, name).unlink(missing_ok=True)


def load_trained(folder: Path, name: str) -> Trained | None:
    """Read a finished training, or None if there is none.

    Raises:
        ReadError: a file is damaged.
    """
    weights, record = folder / f"{name}.safetensors", folder / f"{name}.json"
    if not (weights.is_file() and record.is_file()):
        return None
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        history = tuple(Progress(**said) for said in known["history"])
        return Trained(load_file(weights), history, known["stopped"])
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise ReadError(
            f"The training {name} in {folder} is damaged ({error}); delete {record.name} to train"
            " it anew."
        ) from error


def save_unfinished(
    folder: Path,
    name: str,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    state: Unfinished,
) -> None:
    """Write a checkpoint over the one before.

    The learning rate and the random crops of a step follow from its number, so that the number is
    all of their state.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {_WEIGHTS + n: t.detach().cpu() for n, t in network.state_dict().items()}
    said = optimiser.state_dict()
    plain: dict[str, dict[str, Any]] = {}
    for index, values in said["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{_OPTIMISER}{index}.{key}"] = value.detach().cpu()
            else:
                plain.setdefault(str(index), {})[key] = value
    record = {**asdict(state), "groups": said["param_groups"], "plain": plain}
    _save(_state_path(folder, name), tensors, {_HEADER: json.dumps(record)})


def load_unfinished(
    folder: Path, name: str, network: nn.Module, optimiser: torch.optim.Optimizer
) -> Unfinished | None:
    """Put a network and its optimiser where a checkpoint left them; None if there is none.

    Raises:
        ReadError: the checkpoint is damaged or of another network.
    """
    path = _state_path(folder, name)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dict
        record = json.loads(header[_HEADER])
        weights = {
            k.removeprefix(_WEIGHTS): t for k, t in tensors.items() if k.startswith(_WEIGHTS)
        }
        network.load_state_dict(weights)
        optimiser.load_state_dict(_optimiser_state(tensors, record))
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise ReadError(
            f"The checkpoint {path} cannot be used ({error}); delete it to begin that training"
            " anew."
        ) from error
    history = tuple(Progress(**said) for said in record["history"])
    total, count = record["costs"]
    return Unfinished(record["step"], (total, count), history, record["seconds"])


def _optimiser_state(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {
        int(index): dict(values) for index, values in record["plain"].items()
    }
    for name, tensor in tensors.items():
        if name.startswith(_OPTIMISER):
            index, key = name.removeprefix(_OPTIMISER).split(".", 1)
            state.setdefault(int(index), {})[key] = tensor
    return {"state": state, "param_groups": record["groups"]}


def _state_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.state.safetensors"


def _save(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    part = path.with_name(path.name + ".part")
    save_file({n: t.contiguous() for n, t in tensors.items()}, part, metadata=dict(header) or None)
    part.replace(path)
