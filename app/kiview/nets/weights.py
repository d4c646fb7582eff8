"""User adjustments laid over a network; its files are never edited.

They act in this order: slider between two weight sets, or tensors from a file in its place; gains
and bias shifts of layers; single weights. The image blend acts on the map.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import NetworkError
from kiview.nets.catalog import NetworkCard
from kiview.nets.edits import (
    LayerEdit,
    SingleEdit,
    canonical_layers,
    canonical_singles,
    with_edits,
)
from kiview.nets.tensors import Tensors, network_tensors, read_tensors, weight_set_id


class WeightState(StrEnum):
    """Whether results come from the network as shipped."""

    SHIPPED = "shipped"
    MODIFIED = "MODIFIED"


@dataclass(frozen=True, slots=True)
class LoadedTensors:
    """Weights that came from a file; equal when their identity is.

    Attributes:
        values: By name, float32, read-only.
        sha256: Their identity, computed here.

    Raises:
        NetworkError: a value is not finite.
    """

    values: Mapping[str, NDArray[np.float32]] = field(repr=False, compare=False)
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        kept = {name: np.array(tensor, np.float32) for name, tensor in self.values.items()}
        for name, tensor in kept.items():
            if not np.isfinite(tensor).all():
                raise NetworkError(
                    f"The weight {name!r} holds values that are not numbers; it is not used."
                )
            tensor.setflags(write=False)
        object.__setattr__(self, "values", MappingProxyType(kept))
        object.__setattr__(self, "sha256", weight_set_id(kept))


@dataclass(frozen=True, slots=True)
class WeightSet:
    """Chosen weights of one network. Sets with equal choices are equal.

    Attributes:
        network_sha256: Hash of the network file they belong to.
        position: Slider, 0 smooth to 1 sharp; the shipped one where there is no slider.
        image_blend: Share of the Patlak map mixed into the network's map, 0 to 1.
        layers: Gains and bias shifts, at most one per layer; neutral ones are dropped.
        singles: Single weights, at most one per place.
        loaded: Tensors that take the place of the slider's, or None.

    Raises:
        NetworkError: a value lies outside 0 to 1, or something is edited twice.
    """

    network_sha256: str
    position: float
    image_blend: float = 0.0
    layers: tuple[LayerEdit, ...] = ()
    singles: tuple[SingleEdit, ...] = ()
    loaded: LoadedTensors | None = None

    def __post_init__(self) -> None:
        for name, value in (("slider position", self.position), ("image blend", self.image_blend)):
            if not 0.0 <= value <= 1.0:
                raise NetworkError(f"The {name} {value!r} is outside 0 to 1.")
        object.__setattr__(self, "layers", canonical_layers(self.layers))
        object.__setattr__(self, "singles", canonical_singles(self.singles))

    def state(self, card: NetworkCard) -> WeightState:
        """SHIPPED when every choice is the card's own."""
        same = self == shipped_weights(card)
        return WeightState.SHIPPED if same else WeightState.MODIFIED

    def with_layer(self, edit: LayerEdit) -> "WeightSet":
        """The set with another edit of one layer; a neutral one takes it back."""
        others = tuple(kept for kept in self.layers if kept.layer != edit.layer)
        return replace(self, layers=(*others, edit))

    def with_single(self, edit: SingleEdit) -> "WeightSet":
        """The set with another value of one weight."""
        return replace(self, singles=(*self._singles_but(edit.tensor, edit.index), edit))

    def without_single(self, tensor: str, index: tuple[int, ...]) -> "WeightSet":
        """The set without the edit of one weight."""
        return replace(self, singles=self._singles_but(tensor, index))

    def tensors(self, card: NetworkCard) -> Tensors:
        """Weights after every choice, by name, float32.

        Raises:
            NetworkError: the set belongs to another network or does not fit it, or a file was
                changed.
        """
        return with_edits(self.base(card), self.layers, self.singles)

    def base(self, card: NetworkCard) -> Tensors:
        """Weights before any edit: W(a) = (1 - a) smooth + a sharp, or the loaded tensors.

        Raises:
            NetworkError: as for `tensors`.
        """
        if self.network_sha256 != card.network.sha256:
            raise NetworkError(
                f"The weight set belongs to another network than {card.id!r}; choose that one."
            )
        if self.loaded is not None or card.slider is None:
            self._require_idle_slider(card)
            return network_tensors(card) if self.loaded is None else _fitting(self.loaded, card)
        smooth = read_tensors(card, card.slider.smooth)
        sharp = read_tensors(card, card.slider.sharp)
        a = self.position
        return {
            name: ((1.0 - a) * smooth[name].astype(np.float64) + a * sharp[name]).astype(np.float32)
            for name in smooth
        }

    def identity(self, card: NetworkCard) -> str:
        """SHA-256 of the weights and the image blend.

        Raises:
            NetworkError: as for `tensors`.
        """
        return weight_set_id(self.tensors(card), self.image_blend)

    def _singles_but(self, tensor: str, index: tuple[int, ...]) -> tuple[SingleEdit, ...]:
        return tuple(s for s in self.singles if (s.tensor, s.index) != (tensor, index))

    def _require_idle_slider(self, card: NetworkCard) -> None:
        if self.position != card.shipped_position:
            why = "the network has none" if card.slider is None else "the weights come from a file"
            raise NetworkError(
                f"The slider stands at {self.position:g} but {why}; set it to"
                f" {card.shipped_position:g}."
            )


def shipped_weights(card: NetworkCard) -> WeightSet:
    """The weights as shipped."""
    return WeightSet(card.network.sha256, card.shipped_position)


def loaded_weights(
    card: NetworkCard, tensors: Mapping[str, NDArray[np.float32]], image_blend: float = 0.0
) -> WeightSet:
    """A weight set of tensors from elsewhere.

    Raises:
        NetworkError: names, shapes or values do not fit the network.
    """
    loaded = LoadedTensors(tensors)
    _fitting(loaded, card)
    return replace(shipped_weights(card), image_blend=image_blend, loaded=loaded)


def _fitting(loaded: LoadedTensors, card: NetworkCard) -> Tensors:
    """Loaded tensors in the order of the card."""
    found = {name: tuple(tensor.shape) for name, tensor in loaded.values.items()}
    for spec in card.tensors:
        if found.get(spec.name) != spec.shape:
            there = f"has shape {found[spec.name]}" if spec.name in found else "is missing"
            raise NetworkError(
                f"The weight {spec.name!r} {there}; the network {card.id!r} needs {spec.shape}."
            )
    unknown = sorted(set(found) - {spec.name for spec in card.tensors})
    if unknown:
        raise NetworkError(f"The network {card.id!r} has no weight {unknown[0]!r}.")
    return {spec.name: loaded.values[spec.name] for spec in card.tensors}
