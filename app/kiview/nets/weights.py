"""User adjustments laid over a bundled network; the shipped files are never edited."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_safetensors

from kiview.core.errors import NetworkError
from kiview.nets.catalog import HashedFile, NetworkCard

FORMAT_VERSION = 1
BLEND_NAME = "kiview.image_blend"
"""Stands for the image blend where the identity of a weight set is computed."""

_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)

Tensors = dict[str, NDArray[np.float32]]


class WeightState(StrEnum):
    """Whether results come from the network as shipped."""

    SHIPPED = "shipped"
    MODIFIED = "MODIFIED"


@dataclass(frozen=True, slots=True)
class WeightSet:
    """Chosen weights of one network.

    Attributes:
        network_sha256: Hash of the network file they belong to.
        position: Slider, 0 smooth to 1 sharp.
        image_blend: Share of the Patlak map mixed into the network's map, 0 to 1.

    Raises:
        NetworkError: a value lies outside 0 to 1.
    """

    network_sha256: str
    position: float
    image_blend: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("slider position", self.position), ("image blend", self.image_blend)):
            if not 0.0 <= value <= 1.0:
                raise NetworkError(f"The {name} {value!r} is outside 0 to 1.")

    def state(self, card: NetworkCard) -> WeightState:
        """SHIPPED when every choice is the card's own."""
        same = self.position == card.slider.shipped_position and self.image_blend == 0.0
        return WeightState.SHIPPED if same else WeightState.MODIFIED

    def tensors(self, card: NetworkCard) -> Tensors:
        """Weights W(a) = (1 - a) smooth + a sharp by name, float32.

        Raises:
            NetworkError: the set belongs to another network, or a file was changed.
        """
        if self.network_sha256 != card.network.sha256:
            raise NetworkError(
                f"The weight set belongs to another network than {card.id!r}; choose that one."
            )
        smooth = read_tensors(card, card.slider.smooth)
        sharp = read_tensors(card, card.slider.sharp)
        a = self.position
        return {
            name: ((1.0 - a) * smooth[name].astype(np.float64) + a * sharp[name]).astype(np.float32)
            for name in smooth
        }


def shipped_weights(card: NetworkCard) -> WeightSet:
    """The weights as shipped."""
    return WeightSet(card.network.sha256, card.slider.shipped_position)


def read_tensors(card: NetworkCard, file: HashedFile) -> Tensors:
    """Weights of one slider end, checked against the card.

    Raises:
        NetworkError: the file was changed, or names or shapes are not the card's.
    """
    tensors: Tensors = load_safetensors(file.read())
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != {spec.name: spec.shape for spec in card.tensors}:
        raise NetworkError(f"The weights in {file.path.name} do not fit the network {card.id!r}.")
    return {spec.name: tensors[spec.name] for spec in card.tensors}


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


def save_weight_set(weight_set: WeightSet, path: Path) -> None:
    """Write a weight set as JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    record = {"format_version": FORMAT_VERSION, **asdict(weight_set)}
    part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def load_weight_set(path: Path) -> WeightSet:
    """Read a weight set.

    Raises:
        NetworkError: the file cannot be read or is no weight set of this version.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.pop("format_version") != FORMAT_VERSION:
            raise NetworkError(f"The weight set {path.name} was made by another version of KiView.")
        return WeightSet(
            str(record["network_sha256"]), float(record["position"]), float(record["image_blend"])
        )
    except _UNREADABLE as error:
        raise NetworkError(f"{path.name} is not a weight set that KiView can read.") from error
