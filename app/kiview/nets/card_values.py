"""Values of cards and catalogues: what a TOML file may say, checked one by one."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kiview.core.errors import NetworkError
from kiview.nets.untrusted import MOST_CARD_BYTES, read_limited

VOXEL_LIMITS_MM = (0.5, 20.0)
"""A network for smaller voxels would need memory without end, one for larger ones sees nothing."""
POSITIVE = (1e-3, 1e12)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
VERSION = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")


def plain_name(name: str) -> str:
    """The name of a file or folder, if it stays in its folder.

    Raises:
        NetworkError: it leads elsewhere.
    """
    if name != Path(name).name or name in {"", ".", ".."}:
        raise NetworkError(f"The network file name {name!r} leaves its folder; it is not used.")
    return name


def matching(pattern: re.Pattern[str], value: object) -> str:
    """A text of a pattern.

    Raises:
        ValueError: it does not match, or is no text.
    """
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{str(value)[:40]!r} is no id or version")
    return value


def words(value: object) -> str:
    """A text for the screen and for files, without mark-up and control characters.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, str) or not value.isprintable() or set(value) & set("<>&"):
        raise ValueError(f"{str(value)[:40]!r} is no plain text")
    return value


def within(value: float, limits: tuple[float, float]) -> float:
    """A number within limits.

    Raises:
        ValueError: it is outside, or no number.
    """
    if not limits[0] <= value <= limits[1]:
        raise ValueError(f"{value:g} is outside {limits[0]:g} to {limits[1]:g}")
    return value


def pair(values: Any) -> tuple[float, float]:  # noqa: ANN401 - straight from a TOML file
    """A range from lowest to highest.

    Raises:
        ValueError: it is none.
    """
    low, high = (float(v) for v in values)
    if not low <= high:
        raise ValueError(f"{low:g} to {high:g} is no range")
    return low, high


def output_names(
    listed: list[Mapping[str, Any]], kinds: tuple[tuple[str, ...], ...]
) -> tuple[str, ...]:
    """Names of the outputs of a network, if they are those of one of the kinds.

    Raises:
        ValueError: they are not.
    """
    names = tuple(str(entry["name"]) for entry in listed)
    if names not in kinds:
        known = " or ".join(", ".join(kind) for kind in kinds)
        raise ValueError(f"outputs {', '.join(names)} are not {known}")
    return names


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file of at most 1 MiB.

    Raises:
        NetworkError: it cannot be read.
    """
    content = read_limited(path, MOST_CARD_BYTES)
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise NetworkError(
            f"The file {path.name} of the networks cannot be read ({str(error)[:200]}); put the"
            " original file back."
        ) from error
