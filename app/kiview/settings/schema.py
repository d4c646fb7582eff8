"""Every setting of KiView, declared once: type, default, limits and help.

The dialog, the check of values and the migration of old files are all made from this module.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from kiview.core.errors import InvalidInputError

SCHEMA_VERSION = 1

RENAMED: Mapping[str, str] = MappingProxyType({})
"""Old key -> new key, for files written by an older KiView."""

REMOVED: frozenset[str] = frozenset()
"""Keys that older files may hold and that mean nothing any more."""

Value = int | float | str

_HELP = "help"
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class SettingHelp:
    """What the user is told about one setting, and its limits.

    Attributes:
        label: short name in the dialog.
        text: one or two sentences.
        unit: shown behind the value, may be empty.
        minimum: smallest number allowed.
        maximum: largest number allowed.
        choices: the texts allowed; empty allows any text.
    """

    label: str
    text: str
    unit: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting as the dialog and the store see it.

    Attributes:
        key: name in `Settings` and in the file.
        kind: int, float or str.
        default: value of a new installation.
        help: label, text and limits.
    """

    key: str
    kind: type[Value]
    default: Value
    help: SettingHelp

    def checked(self, value: object) -> Value:
        """The value, of this setting's type and within its limits.

        Raises:
            InvalidInputError: it is neither; the text names the setting and what is allowed.
        """
        if self.kind is str:
            return self._checked_text(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInputError(f"'{self.help.label}' must be a number, not {_shown(value)}.")
        number = _as_float(value)
        if self.kind is int and not (math.isinf(number) or number == number // 1):
            raise InvalidInputError(
                f"'{self.help.label}' must be a whole number, not {_shown(value)}."
            )
        if not self.help.minimum <= number <= self.help.maximum:
            raise InvalidInputError(
                f"'{self.help.label}' must lie between {self.help.minimum:g} and "
                f"{self.help.maximum:g} {self.help.unit}".rstrip()
                + f", not {number:g}."
            )
        return self.kind(value if self.kind is int else number)

    def _checked_text(self, value: object) -> str:
        if not isinstance(value, str):
            raise InvalidInputError(f"'{self.help.label}' must be a text, not {_shown(value)}.")
        if self.help.choices and value not in self.help.choices:
            allowed = ", ".join(self.help.choices)
            raise InvalidInputError(
                f"'{self.help.label}' must be one of {allowed}, not {_shown(value)}."
            )
        return value


def _as_float(value: float) -> float:
    """A number as float; a whole number beyond all floats becomes infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _shown(value: object) -> str:
    """A value of a settings file for a sentence: one line, not endless."""
    return repr(value)[:_LONGEST_SHOWN]


def _declare(default: Value, about: SettingHelp) -> Any:  # noqa: ANN401 - takes its field's type
    return dataclasses.field(default=default, metadata={_HELP: about})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The user's settings; checked when made, changed with `dataclasses.replace`.

    Each attribute is described by its `SettingField`, see `fields`.
    """

    threads: int = _declare(
        0,
        SettingHelp(
            "Processor threads",
            "How many threads computations may use. 0 chooses by the machine.",
            minimum=0,
            maximum=256,
        ),
    )
    patlak_start_min: float = _declare(
        30.0,
        SettingHelp(
            "Patlak fit starts at (t*)",
            "Frames that start earlier after injection are left out of the fit.",
            unit="min",
            minimum=0.0,
            maximum=600.0,
        ),
    )
    patlak_end_min: float = _declare(
        60.0,
        SettingHelp(
            "Patlak fit ends at",
            "Frames that end later after injection are left out of the fit.",
            unit="min",
            minimum=0.0,
            maximum=600.0,
        ),
    )
    population_scale_start_min: float = _declare(
        30.0,
        SettingHelp(
            "Population curve: scaling starts at",
            "A population curve is scaled so that it agrees with the region from here on.",
            unit="min",
            minimum=0.0,
            maximum=600.0,
        ),
    )
    population_scale_end_min: float = _declare(
        60.0,
        SettingHelp(
            "Population curve: scaling ends at",
            "A population curve is scaled so that it agrees with the region up to here.",
            unit="min",
            minimum=0.0,
            maximum=600.0,
        ),
    )
    suv_window_max: float = _declare(
        7.0,
        SettingHelp(
            "SUV shown as darkest",
            "Upper end of the display window of SUV frames; the lower end is 0.",
            unit="g/mL",
            minimum=0.1,
            maximum=1000.0,
        ),
    )
    ki_window_max: float = _declare(
        0.04,
        SettingHelp(
            "Ki shown as brightest",
            "Upper end of the display window of Ki maps; the lower end is 0.",
            unit="mL/min/mL",
            minimum=0.0001,
            maximum=10.0,
        ),
    )
    pet_colormap: str = _declare(
        "inverse-grey",
        SettingHelp("Colours of SUV frames", "Name of the colormap of SUV frames."),
    )
    map_colormap: str = _declare(
        "inferno",
        SettingHelp("Colours of maps", "Name of the colormap of parametric maps."),
    )
    site_networks_folder: str = _declare(
        "",
        SettingHelp(
            "Networks of this site",
            "Folder of networks beside the bundled ones; the environment variable"
            " KIVIEW_SITE_MODELS goes before it. Empty for none.",
        ),
    )
    voxel_cache_limit_gb: float = _declare(
        50.0,
        SettingHelp(
            "Disk space for imported studies",
            "Large studies are kept ready on disk up to this size; those not opened for longest go"
            " first and are read from their files again. Your files are never touched.",
            unit="GB",
            minimum=1.0,
            maximum=100_000.0,
        ),
    )
    recent_folder: str = _declare(
        "",
        SettingHelp("Last opened folder", "Where the dialog for opening a study starts."),
    )

    @property
    def voxel_cache_limit_bytes(self) -> int:
        """Disk space for imported studies in bytes."""
        return round(self.voxel_cache_limit_gb * 1e9)

    def __post_init__(self) -> None:
        for field in fields():
            object.__setattr__(self, field.key, field.checked(getattr(self, field.key)))
        _require_order("Patlak fit", self.patlak_start_min, self.patlak_end_min)
        _require_order(
            "Population scaling", self.population_scale_start_min, self.population_scale_end_min
        )


def _require_order(what: str, start_min: float, end_min: float) -> None:
    if start_min >= end_min:
        raise InvalidInputError(
            f"{what} must start before it ends: {start_min:g} min is not before {end_min:g} min."
        )


def fields() -> tuple[SettingField, ...]:
    """Every setting in the order of the dialog."""
    declared: list[SettingField] = []
    for field in dataclasses.fields(Settings):
        default = cast("Value", field.default)
        declared.append(SettingField(field.name, type(default), default, field.metadata[_HELP]))
    return tuple(declared)
