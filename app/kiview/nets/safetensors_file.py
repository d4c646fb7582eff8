"""Safetensors files of weights: the header is checked before any tensor is made.

Layout: length of the header (8 bytes, little-endian), header (JSON: per tensor dtype, shape and
data_offsets; `__metadata__`), data. https://huggingface.co/docs/safetensors
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from kiview.core.errors import NetworkError
from kiview.core.provenance import JsonValue
from kiview.nets.untrusted import parse_json

MOST_HEADER_BYTES = 1 << 20
MOST_TENSORS = 10_000
MOST_AXES = 8
_LENGTH_BYTES = 8
_FLOAT_BYTES = 4
_METADATA = "__metadata__"


@dataclass(frozen=True, slots=True, eq=False)
class TensorFile:
    """What a safetensors file holds.

    Attributes:
        tensors: float32 by name, finite.
        metadata: Texts by name.
    """

    tensors: dict[str, NDArray[np.float32]]
    metadata: Mapping[str, str]


def decode(content: bytes, name: str) -> TensorFile:
    """Read a safetensors file from somewhere.

    Args:
        content: Of the file.
        name: Of the file, for what is told.

    Raises:
        NetworkError: it is damaged, or holds something other than finite float32 tensors.
    """
    try:
        metadata = _checked_header(content)
        tensors = load(content)
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise NetworkError(
            f"{name} is not a file of weights that KiView can read: {error}."
        ) from error
    for tensor_name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise NetworkError(f"The weight {tensor_name!r} in {name} holds no finite numbers.")
    return TensorFile(tensors, metadata)


def encode(tensors: Mapping[str, NDArray[np.float32]], metadata: Mapping[str, str]) -> bytes:
    """Content of a safetensors file."""
    plain = {name: np.ascontiguousarray(tensor, "<f4") for name, tensor in tensors.items()}
    return bytes(save(plain, dict(metadata)))


def _checked_header(content: bytes) -> dict[str, str]:
    """Metadata of a file whose header describes its data without gap or overlap.

    Raises:
        ValueError: it does not; the text says why.
    """
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if len(content) < _LENGTH_BYTES or length > min(MOST_HEADER_BYTES, len(content)):
        raise ValueError("its header is longer than the file or than a header can be")
    data_start = _LENGTH_BYTES + length
    header = parse_json(content[_LENGTH_BYTES:data_start])
    if not isinstance(header, dict):
        raise TypeError("its header is no table")
    metadata = header.pop(_METADATA, {})
    if len(header) > MOST_TENSORS:
        raise ValueError(f"it lists {len(header)} tensors, at most {MOST_TENSORS} can be")
    places = sorted(_place(name, entry) for name, entry in header.items())
    end = 0
    for first, last in places:
        if first != end:
            raise ValueError("its tensors overlap or leave a gap")
        end = last
    if data_start + end != len(content):
        raise ValueError("its data end before or after its tensors do")
    return _texts(metadata)


def _place(name: str, entry: JsonValue) -> tuple[int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r} is not described as one")
    if entry["dtype"] != "F32":
        raise ValueError(f"tensor {name!r} has type {entry['dtype']!r}, only F32 is used")
    shape, offsets = _counts(name, entry["shape"]), _counts(name, entry["data_offsets"])
    if len(shape) > MOST_AXES or len(offsets) != 2:
        raise ValueError(f"tensor {name!r} has a shape or a place that cannot be")
    if offsets[1] - offsets[0] != _FLOAT_BYTES * math.prod(shape):
        raise ValueError(f"tensor {name!r} has a place that does not fit its shape")
    return offsets[0], offsets[1]


def _counts(name: str, value: JsonValue) -> list[int]:
    counts = value if isinstance(value, list) else [None]
    found = [n for n in counts if isinstance(n, int) and not isinstance(n, bool) and n >= 0]
    if len(found) != len(counts):
        raise ValueError(f"tensor {name!r} has a shape or a place that cannot be")
    return found


def _texts(metadata: JsonValue) -> dict[str, str]:
    pairs = metadata if isinstance(metadata, dict) else {"": None}
    texts = {name: value for name, value in pairs.items() if isinstance(value, str)}
    if len(texts) != len(pairs):
        raise ValueError("its metadata are no texts")
    return texts
