"""Reading files that somebody else made: bounded in size, depth and kind of value."""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

from kiview.core.errors import NetworkError
from kiview.core.provenance import JsonValue

MOST_NETWORK_BYTES = 256 << 20
"""Of an ONNX or safetensors file; the shipped networks have about 1 MiB."""
MOST_JSON_BYTES = 8 << 20
MOST_CARD_BYTES = 1 << 20
DEEPEST_JSON = 16
_MOST_DIGITS = 300
"""Of a whole number, so that it also fits a float."""
_TOO_LARGE = "it holds a number that is too large"


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file of a network with the hash it must have.

    Attributes:
        path: Where it is.
        sha256: Hexadecimal digest of its content.
    """

    path: Path
    sha256: str

    def read(self) -> bytes:
        """Content, after the hash was found to be right.

        Raises:
            NetworkError: the file is missing or was changed.
        """
        content = read_limited(self.path, MOST_NETWORK_BYTES)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise NetworkError(
                f"The network file {self.path.name} was changed or is damaged: its checksum is not"
                " the one on record. Put the original file back."
            )
        return content


def read_limited(path: Path, most_bytes: int) -> bytes:
    """Content of a file, not a byte beyond a limit.

    Raises:
        NetworkError: it is no ordinary file, cannot be read, or is larger.
    """
    try:
        if not path.is_file():
            raise NetworkError(
                f"The file {path.name} cannot be read: it is missing or no ordinary file. Put the"
                " original back."
            )
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "impossible name"
        raise NetworkError(f"The file {path.name} cannot be read ({reason}).") from error
    if len(content) > most_bytes:
        raise NetworkError(
            f"The file {path.name} is larger than {most_bytes / 2**20:g} MiB, more than such a"
            " file can hold; it is not read."
        )
    return content


def parse_json(content: bytes) -> JsonValue:
    """A JSON document with finite numbers, every key once, and not deep.

    Args:
        content: UTF-8, with or without a byte order mark, which some editors write.

    Raises:
        ValueError: it is something else; the text says what, in words for the screen.
    """
    try:
        document: JsonValue = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_whole,
        )
    except UnicodeDecodeError as error:
        raise ValueError("it is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level: list[JsonValue] = [document]
    for _ in range(DEEPEST_JSON):
        level = [child for value in level for child in _children(value)]
        if not level:
            return document
    raise ValueError("it is nested too deeply")


def _children(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice")
    return found


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(_TOO_LARGE)
    return value


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(_TOO_LARGE)
    return int(text)


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(f"it holds {name}, which is no number")
