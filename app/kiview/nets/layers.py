"""The layers of a network as an expert sees them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.nets.catalog import NetworkCard
from kiview.nets.edits import BIAS, WEIGHT, LayerEdit, layer_names, reach, with_edits
from kiview.nets.weights import WeightSet, shipped_weights


@dataclass(frozen=True, slots=True)
class LayerRow:
    """What an expert sees of one layer.

    Attributes:
        name: Of the layer.
        shape: Of its kernel, (out, in, y, x).
        parameter_count: Weights and biases.
        norm: Euclidean norm of all of them after the edits.
        shipped_norm: The same as shipped.
        gain: As edited, 1 when not.
        bias_shift: As edited, in reaches, 0 when not.
        reach: Largest magnitude before the edits, the unit of `bias_shift`.
    """

    name: str
    shape: tuple[int, ...]
    parameter_count: int
    norm: float
    shipped_norm: float
    gain: float
    bias_shift: float
    reach: float


def layer_table(card: NetworkCard, weight_set: WeightSet) -> tuple[LayerRow, ...]:
    """The layers of a network under a weight set, by name.

    Raises:
        NetworkError: the set does not fit the network, or a file was changed.
    """
    shipped, base = shipped_weights(card).base(card), weight_set.base(card)
    now = with_edits(base, weight_set.layers, weight_set.singles)
    edits = {edit.layer: edit for edit in weight_set.layers}
    rows = []
    for name in layer_names(now):
        edit = edits.get(name, LayerEdit(name))
        weight, bias = now[name + WEIGHT], now[name + BIAS]
        rows.append(
            LayerRow(
                name=name,
                shape=weight.shape,
                parameter_count=weight.size + bias.size,
                norm=_norm(weight, bias),
                shipped_norm=_norm(shipped[name + WEIGHT], shipped[name + BIAS]),
                gain=edit.gain,
                bias_shift=edit.bias_shift,
                reach=reach(base[name + WEIGHT], base[name + BIAS]),
            )
        )
    return tuple(rows)


def _norm(*tensors: NDArray[np.float32]) -> float:
    squares = sum(float(np.square(tensor, dtype=np.float64).sum()) for tensor in tensors)
    return float(np.sqrt(squares))
