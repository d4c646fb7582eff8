"""Weight tensors by name: reading them from a network's own files, and their identity."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import NetworkError
from kiview.nets.catalog import NetworkCard
from kiview.nets.safetensors_file import decode
from kiview.nets.untrusted import HashedFile

BLEND_NAME = "kiview.image_blend"
"""Stands for the image blend where the identity of a weight set is computed."""

Tensors = dict[str, NDArray[np.float32]]


def read_tensors(card: NetworkCard, file: HashedFile) -> Tensors:
    """Weights of one slider end, checked against the card.

    Raises:
        NetworkError: the file was changed, or names or shapes are not the card's.
    """
    tensors = decode(file.read(), file.path.name).tensors
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != {spec.name: spec.shape for spec in card.tensors}:
        raise NetworkError(f"The weights in {file.path.name} do not fit the network {card.id!r}.")
    return {spec.name: tensors[spec.name] for spec in card.tensors}


def network_tensors(card: NetworkCard) -> Tensors:
    """Weights inside the ONNX file of a network, at the places its card names.

    Raises:
        NetworkError: the file was changed, or ends before a weight does.
    """
    content = card.network.read()
    found: Tensors = {}
    for spec in card.tensors:
        count = int(np.prod(spec.shape, dtype=np.int64))
        if spec.offset < 0 or spec.offset + 4 * count > len(content):
            raise NetworkError(
                f"The card of network {card.id!r} places the weight {spec.name!r} outside"
                f" {card.network.path.name}; use a card that belongs to the file."
            )
        values = np.frombuffer(content, "<f4", count, spec.offset)
        found[spec.name] = values.reshape(spec.shape).astype(np.float32)
    return found


def weight_set_id(tensors: Mapping[str, NDArray[np.float32]], image_blend: float = 0.0) -> str:
    """Identity of weights: SHA-256 over name, shape, type and little-endian bytes of each tensor.

    Args:
        tensors: By name; their order does not matter.
        image_blend: Counts as one more tensor unless it is 0.
    """
    digest = hashlib.sha256()
    named: dict[str, NDArray[np.generic]] = dict(tensors)
    if image_blend:
        named[BLEND_NAME] = np.array([image_blend], dtype=np.float64)
    for name in sorted(named):
        tensor = np.ascontiguousarray(named[name])
        head = json.dumps([name, list(tensor.shape), tensor.dtype.name])
        digest.update(head.encode("utf-8"))
        digest.update(tensor.astype(tensor.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
