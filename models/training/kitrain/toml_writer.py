"""Plain values to TOML; the standard library only reads it."""

import json
from collections.abc import Mapping
from typing import Any

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def to_toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Write a table: plain values first, then tables, then arrays of tables.

    Args:
        table: Strings, numbers, booleans, lists of those, tables, and lists of tables.
        path: Names of the tables around it.
    """
    plain = {k: v for k, v in table.items() if not _is_table(v) and not _is_tables(v)}
    lines = [f"{_key(name)} = {_value(value)}" for name, value in plain.items()]
    for name, value in table.items():
        inner = (*path, name)
        head = ".".join(_key(part) for part in inner)
        if _is_table(value):
            lines.append(f"\n[{head}]\n{to_toml(value, inner)}".rstrip("\n"))
        elif _is_tables(value):
            lines += [f"\n[[{head}]]\n{to_toml(item, inner)}".rstrip("\n") for item in value]
    return "\n".join(lines) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _key(name: str) -> str:
    return name if name and set(name) <= _PLAIN else json.dumps(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} has no TOML form")
