"""From a configuration to trained weights: data, common start, variants, shipped position."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kitrain.architecture import loaded_network
from kitrain.checkpoint import Trained, load_trained
from kitrain.common_start import (
    CommonStart,
    Place,
    base_of,
    base_suffix,
    common_start,
    gather,
)
from kitrain.config import NetworkConfig, RunConfig, Ship, VariantConfig, as_table
from kitrain.config_file import BASE
from kitrain.domain import measured_ranges
from kitrain.manifest import write_whole
from kitrain.network import blend, mean_weights
from kitrain.parallel import single
from kitrain.records import GroupRecord
from kitrain.side_by_side import SeedJob, threads_each, train_at_once
from kitrain.stages import Stage, run_stages
from kitrain.targets import Target
from kitrain.train import Job, accuracy, finished
from kitrain.verdict import judge
from kiview.nets.preprocess import StudyFeatures

RECORD_NAME = "run.json"
_MEAN_MARGIN = 0.01
"""A mean of seeds is shipped although the best of them validates better by this share."""
_VARIANT_SEED = 1000
"""Added to the seed of the common start for the crops of a variant, once more for what it starts
from, so that no training sees the crops of the one before."""
Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Trained weights and the record of how they came to be.

    Attributes:
        smooth: Weights at slider position 0.
        sharp: Weights at slider position 1.
        record: Configuration, hashes, seeds, validation scores, shipped position; plain values.
        variants: Weights of the shipped seed by name, the common start as `base`; empty where only
            the slider is known.
    """

    smooth: Weights
    sharp: Weights
    record: dict[str, Any]
    variants: Mapping[str, Weights]

    @property
    def shipped_position(self) -> float:
        """Slider position of the shipped network."""
        return float(self.record["shipped_position"])

    @property
    def size(self) -> NetworkConfig:
        """Of the network."""
        return NetworkConfig(**self.record["config"]["network"])

    @property
    def width(self) -> int:
        """Channels of the first level."""
        return self.size.width

    @property
    def target(self) -> str:
        """Whose maps the shipped weights were trained towards."""
        return str(self.record.get("target", Target.TRUTH.value))

    @property
    def has_slider(self) -> bool:
        """Whether there are two ends to mix."""
        return bool(self.record.get("has_slider", True))

    def variant(self, name: str, target: str) -> "Run":
        """A variant as a run of its own, without a slider."""
        weights = self.variants[name]
        seeds = {name: self.record["shipped_seeds"][name]}
        alone = {"shipped_position": 1.0, "target": target, "has_slider": False}
        alone["shipped_seeds"] = seeds
        return Run(weights, weights, self.record | alone, {})

    def at(self, position: float) -> Weights:
        """Weights at a slider position."""
        return blend(self.smooth, self.sharp, position)


@dataclass(frozen=True, slots=True, eq=False)
class _VariantStage:
    """A further training of one seed, from the common start or another variant."""

    variant: str
    said: VariantConfig
    seed: int
    start: CommonStart
    place: Place

    @property
    def name(self) -> str:
        return stage_name(self.variant, self.seed)

    @property
    def needs(self) -> tuple[str, ...]:
        return (stage_name(self.said.start, self.seed),)

    def run(self, done: Mapping[str, Trained]) -> Trained:
        config, place = self.start.config, self.place
        job = Job(
            self.name,
            done[self.needs[0]].weights,
            config.network,
            self.said.schedule,
            self.said.loss,
            self.said.target,
            self.seed + _VARIANT_SEED * _generation(self.variant, config.variants),
            config.stop,
        )
        return finished(job, self.start.people.groups, place.out, place.world, place.report)


def _generation(name: str, variants: Mapping[str, VariantConfig]) -> int:
    """1 for a variant of the common start, one more for each variant between."""
    start = variants[name].start
    return 1 if start == BASE else 1 + _generation(start, variants)


def stage_name(variant: str, seed: int) -> str:
    """Name of the files of one variant from one seed."""
    return f"{variant}-{seed}"


def run(config: RunConfig, place: Place) -> Run:
    """Train everything a network folder needs; what is already there is kept.

    Every variant is trained from every seed, so that their numbers have a spread; those of the
    seed with the best common start are shipped, or means (`RunConfig.ship`).
    """
    started = time.perf_counter()
    start = common_start(config, place, lambda settled: _train_aside(settled, place))
    config = start.config
    stages = [stage for seed in config.seeds for stage in _stages(start, seed, place)]
    bases = {stage_name(BASE, seed): trained for seed, trained in start.bases.items()}
    outcomes = run_stages(stages, bases)
    seeds = {name: _seeds_of(name, start, outcomes, place) for name in (BASE, *config.variants)}
    shipped = {
        name: mean_weights([outcomes[stage_name(name, seed)].weights for seed in chosen])
        for name, chosen in seeds.items()
    }
    ends = shipped[config.slider.smooth], shipped[config.slider.sharp]
    scores = _scores_along(*ends, start, place)
    record = {
        **_record(start, outcomes),
        "validation_nrmse_by_position": {f"{a:g}": score for a, score in scores.items()},
        "shipped_seeds": {name: list(chosen) for name, chosen in seeds.items()},
        "shipped_position": min(scores, key=lambda a: scores[a]),
        "seconds": {
            "training": sum(trained.seconds for trained in outcomes.values()),
            "all": time.perf_counter() - started,
        },
    }
    if place.world.is_first:
        write_whole(place.out / RECORD_NAME, json.dumps(record, indent=1))
    return Run(*ends, record, shipped)


def train_seed(job: SeedJob) -> None:
    """Train everything of one seed, as `run` would; its files are found there."""
    place = Place(job.data, job.out, single(), job.report)
    people = gather(job.config.data, place)
    base = base_of(job.config, job.seed, people, place)
    start = CommonStart(job.config, people, {job.seed: base}, job.seed, ())
    run_stages(_stages(start, job.seed, place), {stage_name(BASE, job.seed): base})


def _train_aside(config: RunConfig, place: Place) -> None:
    """Every seed by a process of its own, where several are trained at once."""
    if place.at_once < 2:
        return
    threads = threads_each(place.at_once)
    jobs = [SeedJob(config, seed, place.data, place.out, threads) for seed in config.seeds]
    train_at_once(train_seed, jobs, place.at_once, place.world, place.report)


def _stages(start: CommonStart, seed: int, place: Place) -> list[Stage]:
    return [
        _VariantStage(name, said, seed, start, place)
        for name, said in start.config.variants.items()
    ]


def _seeds_of(
    name: str, start: CommonStart, outcomes: Mapping[str, Trained], place: Place
) -> tuple[int, ...]:
    """The seeds whose mean weights are shipped."""
    config = start.config
    if config.ship is Ship.BEST:
        return (start.seed,)
    trained = {seed: outcomes[stage_name(name, seed)] for seed in config.seeds}
    best = min(trained, key=lambda seed: trained[seed].validation)
    mean = mean_weights([one.weights for one in trained.values()])
    network = loaded_network(mean, config.network).to(place.world.device)
    said = config.variants.get(name)
    target, loss = (Target.TRUTH, config.loss) if said is None else (said.target, said.loss)
    groups = start.people.groups.validation
    error, least = 1.0 - accuracy(network, groups, target, loss.blur_mm), trained[best].validation
    place.report(f"{name}: mean of the seeds {error:.4f}, seed {best} {least:.4f}")
    return tuple(trained) if error <= (1.0 + _MEAN_MARGIN) * least else (best,)


def _studies(records: Sequence[GroupRecord]) -> list[StudyFeatures]:
    return [record.study(r) for record in records for r in range(len(record.features))]


def load_run(out_dir: Path) -> Run:
    """Read what `run` left in a folder.

    Raises:
        FileNotFoundError: there is no finished run.
    """
    record_path = out_dir / RECORD_NAME
    if not record_path.is_file():
        raise FileNotFoundError(f"{out_dir} holds no finished training run.")
    record = json.loads(record_path.read_text(encoding="utf-8"))
    names = (BASE, *record["config"]["variants"])
    chosen = record.setdefault("shipped_seeds", {name: [record["seed"]] for name in names})
    shipped = {
        name: mean_weights([load_variant(out_dir, name, seed).weights for seed in chosen[name]])
        for name in names
    }
    slider = record["config"]["slider"]
    return Run(shipped[slider["smooth"]], shipped[slider["sharp"]], record, shipped)


def load_variant(out_dir: Path, variant: str, seed: int) -> Trained:
    """One variant of one seed of a finished run, for scores over several seeds.

    Raises:
        FileNotFoundError: the run has no such variant or seed.
    """
    record = json.loads((out_dir / RECORD_NAME).read_text(encoding="utf-8"))
    name = stage_name(variant, seed) + (record["base_suffix"] if variant == BASE else "")
    trained = load_trained(out_dir, name)
    if trained is None:
        raise FileNotFoundError(f"{out_dir} holds no training {name}.")
    return trained


def load_seeds(out_dir: Path, run: Run) -> dict[int, Weights]:
    """Weights of every seed of a finished run, each as a network of its own would be shipped.

    Args:
        out_dir: Of the run.
        run: The network that came of it, with its target and shipped position.

    Raises:
        FileNotFoundError: a seed is missing.
    """
    config = json.loads((out_dir / RECORD_NAME).read_text(encoding="utf-8"))["config"]
    slider, position = config["slider"], run.shipped_position
    names = [slider["smooth"], slider["sharp"]]
    if not run.has_slider:
        names = [_variant_towards(config["variants"], run.target)] * 2
    found = {}
    for seed in config["seeds"]:
        smooth, sharp = (load_variant(out_dir, name, seed).weights for name in names)
        found[int(seed)] = blend(smooth, sharp, position)
    return found


def final_variants(variants: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Targets of variants by name, without those from which another goes on to the same target.

    Args:
        variants: As in the record of a run.
    """
    ways = {(said.get("start"), said["target"]) for said in variants.values()}
    aims = {name: str(said["target"]) for name, said in variants.items()}
    return {name: target for name, target in aims.items() if (name, target) not in ways}


def _variant_towards(variants: Mapping[str, Any], target: str) -> str:
    return next(name for name, aim in final_variants(variants).items() if aim == target)


def _scores_along(
    smooth: Weights, sharp: Weights, start: CommonStart, place: Place
) -> dict[float, float]:
    """Validation NRMSE to truth of every slider position among which one is chosen."""
    scores = {}
    for position in start.config.slider.positions:
        network = loaded_network(blend(smooth, sharp, position), start.config.network)
        found = accuracy(
            network.to(place.world.device), start.people.groups.validation, Target.TRUTH
        )
        scores[position] = 1.0 - found
        place.report(f"position {position:g}: validation {scores[position]:.4f}")
    return scores


def _record(start: CommonStart, outcomes: Mapping[str, Trained]) -> dict[str, Any]:
    config, seed = start.config, start.seed
    return {
        "config": json.loads(json.dumps(as_table(config))),
        "data_sha256": {name: split.sha256 for name, split in start.people.splits.items()},
        "seed": seed,
        "base_suffix": base_suffix(config),
        "validation_nrmse_by_seed": {str(s): t.validation for s, t in start.bases.items()},
        "validation_nrmse_to_target": {n: t.validation for n, t in outcomes.items()},
        "verdicts": [verdict.record() for verdict in start.verdicts],
        "variant_verdicts": _variant_verdicts(start, outcomes),
        "measured": measured_ranges(_studies(start.people.groups.train)),
        "device": _device_name(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _variant_verdicts(start: CommonStart, outcomes: Mapping[str, Trained]) -> dict[str, Any]:
    """A variant is judged by the gap alone: its target may be a noisy reference."""
    config = start.config
    found = {}
    for name, said in config.variants.items():
        history = outcomes[stage_name(name, start.seed)].history
        limits = replace(config.verdict, accuracy=0.0)
        found[name] = judge(history, limits, config.network, said.schedule).record()
    return found


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
