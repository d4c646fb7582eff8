"""Training configurations as TOML: unknown keys, wrong types and values out of limits refused."""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from kitrain.config import (
    CalibrationConfig,
    ConfigError,
    CurveConfig,
    DataConfig,
    InitialConfig,
    Initialisation,
    JointConfig,
    JudgeConfig,
    LossConfig,
    NetworkConfig,
    OptimiserConfig,
    RunConfig,
    Ship,
    SliderConfig,
    StopConfig,
    VariantConfig,
    VerdictConfig,
)
from kitrain.targets import Target
from kitrain.test_sets import MOST_CALIBRATE, MOST_REFUSE
from kiview.nets.preprocess import SLICE_COUNT
from kiview.simulate.slab_recipes import KINDS, REGIONS

_Kind = TypeVar("_Kind")
BASE = "base"
"""Name of the common start, where variants begin unless they say otherwise."""
LIMITS: dict[str, tuple[float, float]] = {
    "train": (1, 10_000),
    "validation": (1, 10_000),
    "test": (1, 10_000),
    "seed": (0, 99),
    "people": (5, MOST_CALIBRATE),
    "refusal_people": (0, MOST_REFUSE),
    "hidden": (2, 256),
    "coverage": (0.0, 10.0),
    "workers": (0, 1024),
    "draw": (0, 99),
    "always_validate": (0, 10_000),
    "direct_iterations": (1, 1000),
    "kinds": (0.0, 1000.0),
    "regions": (0.0, 1000.0),
    "width": (2, 256),
    "levels": (2, 4),
    "kernel": (3, 5),
    "slices": (SLICE_COUNT, SLICE_COUNT),
    "seen_slices": (2, 64),
    "realisations": (1, 2),
    "spread": (0.0, 100.0),
    "value": (-10.0, 10.0),
    "iterations": (1, 1_000_000),
    "epochs": (0.0, 100_000.0),
    "batch": (1, 4096),
    "crop": (16, 512),
    "learning_rate": (1e-7, 10.0),
    "warm_up": (0, 1_000_000),
    "momentum": (0.0, 0.999),
    "weight_decay": (0.0, 1.0),
    "tumour_share": (0.0, 1.0),
    "vessel_share": (0.0, 1.0),
    "report_every": (1, 1_000_000),
    "checkpoint_every": (0, 1_000_000),
    "charbonnier": (1e-4, 1.0),
    "relative": (0.0, 10.0),
    "relative_floor": (0.01, 10.0),
    "v_truth": (0.0, 10.0),
    "v_direct": (0.0, 10.0),
    "gradient": (0.0, 100.0),
    "multiscale": (0.0, 100.0),
    "sigma": (0.0, 10.0),
    "outside": (0.0, 1.0),
    "lesion": (1.0, 100.0),
    "vessel": (1.0, 100.0),
    "blur_mm": (0.0, 50.0),
    "cost_below": (0.0, 1e6),
    "change_below": (0.0, 1.0),
    "patience": (1, 1000),
    "accuracy": (0.0, 1.0),
    "gap": (0.0, 1.0),
    "positions": (0.0, 1.0),
    "seeds": (0, 1_000_000),
    "conditions": (0, 10_000),
    "counts": (0, 10_000),
    "bodies": (0, 1000),
}
"""Lowest and highest value by key, also of every member of a list."""
_TABLES: dict[str, type] = {
    "data": DataConfig,
    "network": NetworkConfig,
    "initial": InitialConfig,
    "base": OptimiserConfig,
    "finetune": OptimiserConfig,
    "loss": LossConfig,
    "stop": StopConfig,
    "verdict": VerdictConfig,
    "slider": SliderConfig,
    "judge": JudgeConfig,
}
_SCHEDULED: dict[str, type] = {
    "curve": CurveConfig,
    "joint": JointConfig,
    "calibration": CalibrationConfig,
}
"""Tables with a schedule of their own inside."""
_CROP_STEP = 8
"""Of a network of four levels, which a retry may make out of three."""
_NAMES: dict[str, Sequence[str]] = {"kinds": tuple(KINDS), "regions": tuple(REGIONS)}
"""What can be mixed, by key."""


def read_config(path: Path) -> RunConfig:
    """Read and check a configuration.

    Raises:
        ConfigError: no such file, no TOML, an unknown or missing key, a value of another type or
            outside its limits, or a variant that starts nowhere.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name} cannot be read: {error}.") from error
    variants = tables.pop("variant", {})
    for name, scheduled in _SCHEDULED.items():
        if name in tables:
            tables[name] = _with_schedule(scheduled, tables[name], path.name, name)
    for name, kind in _TABLES.items():
        if name in tables:
            tables[name] = build(kind, tables[name], f"{path.name} [{name}]")
    loss, finetune = tables.get("loss", LossConfig()), tables.get("finetune", OptimiserConfig())
    tables["finetune"] = finetune
    tables["variants"] = {
        name: _variant(said, loss, finetune, f"{path.name} [variant.{name}]")
        for name, said in _table(variants, f"{path.name} [variant]").items()
    }
    config = build(RunConfig, tables, path.name)
    _check_variants(config, path.name)
    _check_retry(config, path.name)
    _check_initial(config, path.name)
    _check_ship(config, path.name)
    return config


def build(kind: type[_Kind], values: Mapping[str, Any], where: str) -> _Kind:
    """Fill a configuration class from plain values.

    Args:
        kind: A dataclass of `kitrain.config`.
        values: As TOML gives them.
        where: Place in the file, for the error.

    Raises:
        ConfigError: an unknown or missing key, a value of another type or outside its limits.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]  # a dataclass
    values = _table(values, where)
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known are {sorted(fields)}.")
    missing = [n for n, f in fields.items() if n not in values and _is_required(f)]
    if missing:
        raise ConfigError(f"{where}: {missing[0]!r} is missing.")
    return kind(**{n: _checked(fields[n].type, n, v, where) for n, v in values.items()})


def _with_schedule(kind: type[_Kind], values: Any, file: str, name: str) -> _Kind:  # noqa: ANN401 - any TOML value
    fields = _table(values, f"{file} [{name}]")
    if "schedule" in fields:
        where = f"{file} [{name}.schedule]"
        fields["schedule"] = build(OptimiserConfig, fields["schedule"], where)
    return build(kind, fields, f"{file} [{name}]")


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _checked(kind: Any, name: str, value: Any, where: str) -> Any:  # noqa: ANN401 - any TOML value
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(_one_of([member.value for member in kind], name, value, where))
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind), name, value, where)
    if kind in (bool, str):
        return _of_type(kind, name, value, where)
    if kind in (int, float):
        return _number(kind, name, value, where)
    if kind in (tuple[int, ...], tuple[float, ...]):
        return _numbers(int if kind == tuple[int, ...] else float, name, value, where)
    return _weights(name, value, where) if kind == Mapping[str, float] else value


def _numbers(kind: type, name: str, value: Any, where: str) -> tuple[float, ...]:  # noqa: ANN401 - any TOML value
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where}: {name} = {value!r} is no list of numbers.")
    return tuple(_number(kind, name, one, where) for one in value)


def _one_of(known: Sequence[str], name: str, value: Any, where: str) -> Any:  # noqa: ANN401 - any TOML value
    if value not in known:
        raise ConfigError(f"{where}: {name} = {value!r} is none of {', '.join(known)}.")
    return value


def _weights(name: str, value: Any, where: str) -> dict[str, float]:  # noqa: ANN401 - any TOML value
    """Weights by name from a table, or from a list of names that weigh the same."""
    if not isinstance(value, list | Mapping):
        raise ConfigError(f"{where}: {name} = {value!r} is no list of names and no table.")
    said = value if isinstance(value, Mapping) else dict.fromkeys(map(str, value), 1.0)
    weights = {_one_of(_NAMES[name], name, n, where): w for n, w in said.items()}
    weights = {n: _number(float, name, w, where) for n, w in weights.items()}
    if not sum(weights.values()) > 0:
        raise ConfigError(f"{where}: {name} = {value!r} leaves nothing; give one a weight above 0.")
    return {n: weights[n] for n in _NAMES[name] if n in weights}


def _of_type(kind: type, name: str, value: Any, where: str) -> Any:  # noqa: ANN401 - any TOML value
    if not isinstance(value, kind):
        raise ConfigError(f"{where}: {name} = {value!r} is no {kind.__name__}.")
    return value


def _number(kind: type, name: str, value: Any, where: str) -> float:  # noqa: ANN401 - any TOML value
    wanted = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise ConfigError(f"{where}: {name} = {value!r} is no {kind.__name__}.")
    low, high = LIMITS[name]
    if not low <= value <= high:
        raise ConfigError(f"{where}: {name} = {value!r} is outside {low:g} to {high:g}.")
    if name == "crop" and value % _CROP_STEP:
        raise ConfigError(f"{where}: crop = {value} is not a multiple of {_CROP_STEP}.")
    if name == "kernel" and not value % 2:
        raise ConfigError(f"{where}: kernel = {value} is even; it needs a voxel in its middle.")
    return kind(value)  # type: ignore[no-any-return]  # int or float


def _table(values: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 - any TOML value
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is no table.")
    return dict(values)


def _variant(
    said: Any,  # noqa: ANN401 - any TOML value
    loss: LossConfig,
    finetune: OptimiserConfig,
    where: str,
) -> VariantConfig:
    """A variant says what differs: keys of its own, of the loss and of the schedule."""
    values = _table(said, where)
    start, target = values.pop("start", BASE), values.pop("target", Target.TRUTH.value)
    in_loss, in_schedule = dataclasses.asdict(loss), dataclasses.asdict(finetune)
    for name, value in values.items():
        if name in in_loss:
            in_loss[name] = value
        elif name in in_schedule:
            in_schedule[name] = value
        else:
            known = sorted({"start", "target", *in_loss, *in_schedule})
            raise ConfigError(f"{where}: unknown key {name!r}; known are {known}.")
    return VariantConfig(
        start=_of_type(str, "start", start, where),
        target=_checked(Target, "target", target, where),
        loss=build(LossConfig, in_loss, where),
        schedule=build(OptimiserConfig, in_schedule, where),
    )


def _check_initial(config: RunConfig, where: str) -> None:
    initial = config.initial
    if (initial.kind is Initialisation.NETWORK) != bool(initial.network):
        raise ConfigError(
            f'{where} [initial]: kind = "network" and network = "ID" need each other; give both or'
            " neither."
        )


def _check_ship(config: RunConfig, where: str) -> None:
    if config.ship is Ship.MEAN and config.initial.kind is not Initialisation.NETWORK:
        raise ConfigError(
            f"{where}: the mean of several seeds needs one start for all of them; set [initial]"
            ' kind = "network", or ship = "best".'
        )


def _check_retry(config: RunConfig, where: str) -> None:
    data = config.data
    needed = (data.draw + 2) * data.validation
    if config.verdict.retry and needed > data.train + data.validation:
        raise ConfigError(
            f"{where}: a retry validates on {data.validation} other people, but with draw"
            f" {data.draw} the pool of {data.train + data.validation} has no more; validate on"
            " fewer people or set retry = false in [verdict]."
        )


def _check_variants(config: RunConfig, where: str) -> None:
    known = [BASE]
    for name, variant in config.variants.items():
        if name == BASE or not name.isidentifier():
            raise ConfigError(f"{where}: {name!r} cannot be the name of a variant.")
        if variant.start not in known:
            raise ConfigError(
                f"{where}: variant {name!r} starts from {variant.start!r}, which is none of"
                f" {known}; list its start before it."
            )
        known.append(name)
    for end in (config.slider.smooth, config.slider.sharp):
        if end not in known:
            raise ConfigError(f"{where}: the slider ends at {end!r}, which is none of {known}.")
