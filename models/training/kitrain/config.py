"""Training configuration: TOML read into checked dataclasses."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kiview.core.errors import InvalidInputError

_Kind = TypeVar("_Kind")


class ConfigError(InvalidInputError):
    """The configuration names an unknown key or a value outside its limits."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which slabs are simulated.

    Attributes:
        train: Number of people to train on.
        validation: Number of people to validate on, a fifth of both by rights.
        test: Number of test people.
        seed: Which people; training and test draw from ranges of seeds that never meet.
        workers: Processes that simulate; 0 takes all cores.
        draw: Which of the people validate: another number, others than before.
    """

    train: int
    validation: int
    test: int
    seed: int = 1
    workers: int = 0
    draw: int = 0


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Size of the network.

    Attributes:
        width: Channels of the first level.
    """

    width: int = 32


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """One training run.

    Attributes:
        iterations: Steps of Adam with a cosine schedule.
        batch: Crops per step.
        crop: Side of a crop in voxels, a multiple of 4.
        learning_rate: At the start.
        tumour_share: Share of the crops centred on a tumour.
        autocast: bf16 arithmetic in the forward pass.
        report_every: Steps between validations.
    """

    iterations: int
    batch: int = 12
    crop: int = 64
    learning_rate: float = 2e-3
    tumour_share: float = 0.35
    autocast: bool = True
    report_every: int = 250


@dataclass(frozen=True, slots=True)
class LossConfig:
    """What is minimised.

    Attributes:
        charbonnier: Width of the Charbonnier function, in units of the normaliser.
        relative: Weight of the relative square on Ki.
        relative_floor: Added to the target in its denominator.
        v_truth: Weight of V against the truth.
        v_direct: Weight of V against the 4-D direct reference.
        outside: Weight of voxels outside the body.
        lesion: Factor on the voxels of tumours.
        blur_mm: FWHM of the smoothing of the targets, 0 for none.
    """

    charbonnier: float = 0.05
    relative: float = 0.25
    relative_floor: float = 0.3
    v_truth: float = 0.2
    v_direct: float = 0.05
    outside: float = 0.1
    lesion: float = 1.0
    blur_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that decides the shipped weights.

    Attributes:
        network_id: Name of the folder that is made.
        seeds: Initial draws; the one with the best validation is shipped.
        positions: Slider positions among which the shipped one is chosen.
        data: Simulated slabs.
        network: Size.
        base: Common start, trained on truth.
        loss: Of the common start.
        end: Training of both slider ends.
        smooth: Loss of the smooth end.
        sharp: Loss of the sharp end.
    """

    network_id: str
    data: DataConfig
    base: OptimiserConfig
    end: OptimiserConfig
    seeds: tuple[int, ...] = (0,)
    positions: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    smooth: LossConfig = field(default_factory=lambda: LossConfig(blur_mm=12.0))
    sharp: LossConfig = field(default_factory=lambda: LossConfig(lesion=5.0))


_TABLES: dict[str, type] = {
    "data": DataConfig,
    "network": NetworkConfig,
    "base": OptimiserConfig,
    "end": OptimiserConfig,
    "loss": LossConfig,
    "smooth": LossConfig,
    "sharp": LossConfig,
}
_LIMITS: dict[str, tuple[float, float]] = {
    "train": (1, 10_000),
    "validation": (1, 10_000),
    "test": (1, 10_000),
    "seed": (0, 99),
    "workers": (0, 1024),
    "draw": (0, 99),
    "width": (2, 256),
    "iterations": (1, 1_000_000),
    "batch": (1, 4096),
    "crop": (16, 512),
    "learning_rate": (1e-7, 1.0),
    "tumour_share": (0.0, 1.0),
    "report_every": (1, 1_000_000),
    "charbonnier": (1e-4, 1.0),
    "relative": (0.0, 10.0),
    "relative_floor": (0.01, 10.0),
    "v_truth": (0.0, 10.0),
    "v_direct": (0.0, 10.0),
    "outside": (0.0, 1.0),
    "lesion": (1.0, 100.0),
    "blur_mm": (0.0, 50.0),
}


def read_config(path: Path) -> RunConfig:
    """Read and check a configuration.

    Raises:
        ConfigError: an unknown or missing key, or a value outside its limits.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    for name, kind in _TABLES.items():
        if name in tables:
            tables[name] = _build(kind, tables[name], name)
    for name in ("seeds", "positions"):
        if name in tables:
            tables[name] = tuple(tables[name])
    return _build(RunConfig, tables, path.name)


def as_table(config: RunConfig) -> dict[str, Any]:
    """The configuration as plain values, for records."""
    return dataclasses.asdict(config)


def _build(kind: type[_Kind], values: dict[str, Any], where: str) -> _Kind:
    known = set(getattr(kind, "__dataclass_fields__", ()))
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known are {sorted(known)}.")
    for name, value in values.items():
        low, high = _LIMITS.get(name, (None, None))
        if low is not None and high is not None and not low <= value <= high:
            raise ConfigError(f"{where}: {name} = {value!r} is outside {low:g} to {high:g}.")
    if values.get("crop", 4) % 4:
        raise ConfigError(f"{where}: crop = {values['crop']} is not a multiple of 4.")
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error
