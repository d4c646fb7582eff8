"""What a training of the curve network can say."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from kitrain.config import ConfigError, DataConfig, OptimiserConfig
from kitrain.config_file import build


@dataclass(frozen=True, slots=True)
class CurveConfig:
    """Everything that decides a curve network.

    Attributes:
        network_id: Name of the folder that is made.
        ki_network: Id of the network whose maps are among its features, beside the training code.
        data: Simulated people, as of other trainings.
        schedule: Steps; `batch` is the number of slabs.
        width: Channels of the first level.
        seen_slices: Of each slab that a step sees.
        realisations: Of each person's noise.
        seed: Of first weights and of what each step sees.
    """

    network_id: str
    ki_network: str
    data: DataConfig
    schedule: OptimiserConfig = field(default_factory=OptimiserConfig)
    width: int = 12
    seen_slices: int = 6
    realisations: int = 1
    seed: int = 0


def read_curve_config(path: Path) -> CurveConfig:
    """Read and check a configuration.

    Raises:
        ConfigError: no such file, no TOML, an unknown or missing key, or a value outside its
            limits.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name} cannot be read: {error}.") from error
    for name, kind in (("data", DataConfig), ("schedule", OptimiserConfig)):
        if name in tables:
            tables[name] = build(kind, tables[name], f"{path.name} [{name}]")
    return build(CurveConfig, tables, path.name)
