"""From a configuration to trained weights: data, common start, slider ends, shipped position."""

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kitrain.config import LossConfig, OptimiserConfig, RunConfig, as_table
from kitrain.data import Report, make_split
from kitrain.dataset import SlabSet
from kitrain.leaks import check_splits
from kitrain.network import blend
from kitrain.records import GroupRecord
from kitrain.train import (
    Trained,
    best_device,
    load_checkpoint,
    network_with,
    new_network,
    save_checkpoint,
    train,
    validate,
)

RECORD_NAME = "run.json"
_END_SEED = 1000
"""Added to the seed of the common start for the crops of the ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Trained weights and the record of how they came to be.

    Attributes:
        smooth: Weights at slider position 0.
        sharp: Weights at slider position 1.
        record: Configuration, hashes, seeds, validation scores, shipped position; plain values.
    """

    smooth: dict[str, Tensor]
    sharp: dict[str, Tensor]
    record: dict[str, Any]

    @property
    def shipped_position(self) -> float:
        """Slider position of the shipped network."""
        return float(self.record["shipped_position"])

    @property
    def width(self) -> int:
        """Of the network."""
        return int(self.record["config"]["network"]["width"])

    def at(self, position: float) -> dict[str, Tensor]:
        """Weights at a slider position."""
        return blend(self.smooth, self.sharp, position)


def run(config: RunConfig, data_dir: Path, out_dir: Path, report: Report) -> Run:
    """Train everything a network folder needs; what is already in `out_dir` is kept.

    Args:
        config: What to do.
        data_dir: Cache of simulated slabs.
        out_dir: Checkpoints and the record.
        report: Takes progress lines.
    """
    started = time.perf_counter()
    splits = {s: make_split(s, config.data, data_dir, report) for s in ("train", "validation")}
    check_splits(*splits.values())
    simulated = time.perf_counter() - started
    trainer = _Trainer(config, splits["train"].load(), splits["validation"].load(), out_dir, report)
    seed, bases = trainer.best_base()
    smooth = trainer.end("smooth", config.smooth, bases[seed], seed)
    sharp = trainer.end("sharp", config.sharp, bases[seed], seed)
    scores = trainer.scores_along(smooth.weights, sharp.weights)
    gains = [float(r.noise_gain) for r in trainer.train_records]
    record = {
        "config": as_table(config),
        "data_sha256": {name: split.sha256 for name, split in splits.items()},
        "seed": seed,
        "validation_nrmse_by_seed": {str(s): t.validation for s, t in bases.items()},
        "validation_nrmse_by_position": {f"{a:g}": s for a, s in scores.items()},
        "validation_nrmse_ends": {"smooth": smooth.validation, "sharp": sharp.validation},
        "shipped_position": min(scores, key=lambda a: scores[a]),
        "noise_gain": [min(gains), max(gains)],
        "seconds": {"data": simulated, "all": time.perf_counter() - started},
        "device": _device_name(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    (out_dir / RECORD_NAME).write_text(json.dumps(record, indent=1), encoding="utf-8")
    return Run(smooth.weights, sharp.weights, record)


def load_run(out_dir: Path) -> Run:
    """Read what `run` left in a folder.

    Raises:
        FileNotFoundError: there is no finished run.
    """
    smooth, sharp = (load_checkpoint(out_dir, name) for name in ("smooth", "sharp"))
    if smooth is None or sharp is None:
        raise FileNotFoundError(f"{out_dir} holds no finished training run.")
    record = json.loads((out_dir / RECORD_NAME).read_text(encoding="utf-8"))
    return Run(smooth.weights, sharp.weights, record)


class _Trainer:
    """The records of one run and what is trained on them."""

    def __init__(
        self,
        config: RunConfig,
        train_records: list[GroupRecord],
        validation: list[GroupRecord],
        out_dir: Path,
        report: Report,
    ) -> None:
        self.train_records = train_records
        self._config = config
        self._validation = validation
        self._out_dir = out_dir
        self._report = report

    def best_base(self) -> tuple[int, dict[int, Trained]]:
        config = self._config
        bases = {
            seed: self._trained(
                f"base-{seed}",
                (config.base, config.loss, seed),
                new_network(config.network.width, seed).state_dict(),
            )
            for seed in config.seeds
        }
        return min(bases, key=lambda s: bases[s].validation), bases

    def end(self, name: str, loss: LossConfig, base: Trained, seed: int) -> Trained:
        return self._trained(name, (self._config.end, loss, seed + _END_SEED), base.weights)

    def scores_along(
        self, smooth: dict[str, Tensor], sharp: dict[str, Tensor]
    ) -> dict[float, float]:
        width = self._config.network.width
        scores = {}
        for position in self._config.positions:
            network = network_with(blend(smooth, sharp, position), width).to(best_device())
            scores[position] = validate(network, self._validation)
            self._report(f"position {position:g}: validation {scores[position]:.4f}")
        return scores

    def _trained(
        self, name: str, run: tuple[OptimiserConfig, LossConfig, int], start: dict[str, Tensor]
    ) -> Trained:
        known = load_checkpoint(self._out_dir, name)
        if known is not None:
            return known
        self._report(f"training {name}: {dataclasses.asdict(run[1])}")
        slabs = SlabSet(self.train_records, run[1].blur_mm, best_device())
        network = network_with(start, self._config.network.width)
        trained = train(network, slabs, self._validation, run, self._report)
        save_checkpoint(self._out_dir, name, trained)
        return trained


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
