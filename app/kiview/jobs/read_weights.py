"""The weights of a network for whoever edits them: layers, values, limits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.progress import Progress
from kiview.nets.catalog import NetworkCard
from kiview.nets.edits import WEIGHT, value_limit
from kiview.nets.layers import LayerRow, layer_table
from kiview.nets.weights import WeightSet, shipped_weights

Values = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class WeightsContent:
    """Weights as an expert sees them.

    Attributes:
        card: The network.
        weights: The choices they come from.
        layers: One row per layer, in the order of the network.
        now: Every tensor after all choices, by name.
        shipped: Every tensor as shipped.
        limits: Largest magnitude that one weight of a tensor may be set to.
    """

    card: NetworkCard
    weights: WeightSet
    layers: tuple[LayerRow, ...]
    now: Values
    shipped: Values
    limits: Mapping[str, float]


def read_weights(card: NetworkCard, weights: WeightSet, progress: Progress) -> WeightsContent:
    """Read and edit all weights.

    Args:
        card: The network.
        weights: Choices.
        progress: May stop the work between its steps.

    Raises:
        NetworkError: the choices do not fit the network, or a file was changed.
    """
    progress.step(0.0, "Reading weights")
    layers = in_network_order(card, layer_table(card, weights))
    progress.step(0.5, "Reading weights")
    limits = {name: value_limit(tensor) for name, tensor in weights.base(card).items()}
    shipped = shipped_weights(card).tensors(card)
    return WeightsContent(card, weights, layers, weights.tensors(card), shipped, limits)


def in_network_order(card: NetworkCard, layers: tuple[LayerRow, ...]) -> tuple[LayerRow, ...]:
    """Layers from the input of a network to its output, as the file holds their weights."""
    offsets = {spec.name: spec.offset for spec in card.tensors}
    return tuple(sorted(layers, key=lambda layer: offsets[layer.name + WEIGHT]))
