"""What a simulation's configuration says, for the names and records of what it made.

Groups of training and tests are named by a hash of their configuration. A field that came later and
has its default says nothing new, so it is left out: what was made before keeps its name.
"""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ADDED_LATER = {"added_later": True}
"""Metadata of a field that is left out at its default."""


def recipe_of(config: "DataclassInstance") -> dict[str, Any]:
    """Plain values of a configuration, without what came later and has its default."""
    silent = _silent(config)
    return {name: value for name, value in asdict(config).items() if name not in silent}


def recipe_text(config: "DataclassInstance") -> str:
    """The same as `repr` writes it."""
    silent = _silent(config)
    shown = (f.name for f in fields(config) if f.name not in silent)
    said = ", ".join(f"{name}={getattr(config, name)!r}" for name in shown)
    return f"{type(config).__qualname__}({said})"


def _silent(config: "DataclassInstance") -> set[str]:
    later = (f for f in fields(config) if f.metadata == ADDED_LATER)
    return {f.name for f in later if getattr(config, f.name) == f.default}
