"""Bounded edits of weights: gain and bias shift of a layer, the value of a single weight.

A layer is the weight and the bias of one convolution. Its reach is the largest magnitude among
them; every bound is a multiple of a reach, so that an edit stays of the size of what was trained.
A reach is a maximum and not a mean, so that it comes out the same to the last bit everywhere.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import NetworkError
from kiview.nets.tensors import Tensors

WEIGHT, BIAS = ".weight", ".bias"
GAIN_LIMITS = (0.5, 1.5)
SHIFT_LIMIT = 1.0
"""Largest bias shift, in reaches of the layer."""
SINGLE_REACH = 2.0
"""Largest magnitude of an edited weight, in reaches of its tensor before any edit."""
MOST_SINGLES = 10_000
"""Whoever changes more weights than this loads a file of tensors."""


@dataclass(frozen=True, slots=True, order=True)
class LayerEdit:
    """The output of a convolution before its activation becomes gain x output + shift.

    Attributes:
        layer: Name of the layer, that of its tensors without `.weight` and `.bias`.
        gain: Factor of weights and biases, 0.5 to 1.5.
        bias_shift: Added to each bias after the gain, -1 to 1 in reaches of the layer.

    Raises:
        NetworkError: a value lies outside its limits.
    """

    layer: str
    gain: float = 1.0
    bias_shift: float = 0.0

    def __post_init__(self) -> None:
        low, high = GAIN_LIMITS
        if not low <= self.gain <= high:
            raise NetworkError(
                f"The gain {self.gain!r} of layer {self.layer!r} is outside {low:g} to {high:g}."
            )
        if not -SHIFT_LIMIT <= self.bias_shift <= SHIFT_LIMIT:
            raise NetworkError(
                f"The bias shift {self.bias_shift!r} of layer {self.layer!r} is outside"
                f" -{SHIFT_LIMIT:g} to {SHIFT_LIMIT:g} (1 is the largest weight of the layer)."
            )

    @property
    def is_neutral(self) -> bool:
        """Whether it changes nothing."""
        return self.gain == 1.0 and self.bias_shift == 0.0


@dataclass(frozen=True, slots=True, order=True)
class SingleEdit:
    """One weight set to a value.

    Attributes:
        tensor: Name of the tensor.
        index: Place in it.
        value: New value, finite; `value_limit` says how large it may be.

    Raises:
        NetworkError: the value is not finite or the index negative.
    """

    tensor: str
    index: tuple[int, ...]
    value: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise NetworkError(f"The weight {self.where} cannot be {self.value!r}; enter a number.")
        if any(i < 0 for i in self.index):
            raise NetworkError(f"The weight {self.where} has a negative index; count from 0.")

    @property
    def where(self) -> str:
        """Tensor and index in words."""
        return f"{self.tensor}[{', '.join(map(str, self.index))}]"


def canonical_layers(edits: Iterable[LayerEdit]) -> tuple[LayerEdit, ...]:
    """Edits that change something, by name.

    Raises:
        NetworkError: a layer is edited twice.
    """
    kept = tuple(sorted(edit for edit in edits if not edit.is_neutral))
    for one, other in pairwise(kept):
        if one.layer == other.layer:
            raise NetworkError(f"The layer {one.layer!r} is edited twice; keep one edit.")
    return kept


def canonical_singles(edits: Iterable[SingleEdit]) -> tuple[SingleEdit, ...]:
    """Edits in the order of tensor and index.

    Raises:
        NetworkError: a weight is edited twice, or there are too many edits.
    """
    kept = tuple(sorted(edits))
    if len(kept) > MOST_SINGLES:
        raise NetworkError(
            f"{len(kept)} single weights are edited, at most {MOST_SINGLES} can be; save the"
            " tensors as safetensors instead."
        )
    for one, other in pairwise(kept):
        if (one.tensor, one.index) == (other.tensor, other.index):
            raise NetworkError(f"The weight {one.where} is edited twice; keep one edit.")
    return kept


def layer_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of the layers among names of tensors, those with both a weight and a bias."""
    known = set(names)
    heads = [name.removesuffix(WEIGHT) for name in known if name.endswith(WEIGHT)]
    return tuple(sorted(head for head in heads if head + BIAS in known))


def reach(*tensors: NDArray[np.float32]) -> float:
    """Largest magnitude in some tensors, 0 for empty ones."""
    return max(float(np.abs(tensor).max(initial=0.0)) for tensor in tensors)


def value_limit(tensor: NDArray[np.float32]) -> float:
    """Largest magnitude that one weight of a tensor may be set to."""
    return SINGLE_REACH * reach(tensor)


def with_edits(
    base: Tensors, layers: Iterable[LayerEdit], singles: Iterable[SingleEdit]
) -> Tensors:
    """Tensors after edits: first gains and shifts of layers, then single weights.

    Args:
        base: What is edited; not changed.
        layers: At most one per layer.
        singles: At most one per weight.

    Raises:
        NetworkError: an edit names no layer or weight of the network, or exceeds its limit.
    """
    edited = dict(base)
    for edit in layers:
        _edit_layer(edited, base, edit)
    for single in singles:
        _edit_weight(edited, base, single)
    return edited


def _edit_layer(edited: Tensors, base: Tensors, edit: LayerEdit) -> None:
    if edit.layer not in layer_names(base):
        raise NetworkError(
            f"The network has no layer {edit.layer!r}; use a weight set that was made for it."
        )
    weight, bias = base[edit.layer + WEIGHT], base[edit.layer + BIAS]
    shift = edit.bias_shift * reach(weight, bias)
    edited[edit.layer + WEIGHT] = (edit.gain * weight.astype(np.float64)).astype(np.float32)
    edited[edit.layer + BIAS] = (edit.gain * bias.astype(np.float64) + shift).astype(np.float32)


def _edit_weight(edited: Tensors, base: Tensors, single: SingleEdit) -> None:
    tensor = base.get(single.tensor)
    shape = () if tensor is None else tensor.shape
    inside = len(single.index) == len(shape) and all(
        i < size for i, size in zip(single.index, shape, strict=True)
    )
    if tensor is None or not inside:
        raise NetworkError(
            f"The network has no weight {single.where}; use a weight set that was made for it."
        )
    limit = value_limit(tensor)
    if abs(single.value) > limit:
        raise NetworkError(
            f"The weight {single.where} cannot be {single.value:g}: weights of this tensor reach"
            f" {limit / SINGLE_REACH:.4g}, an edited one at most {limit:.4g} in either direction."
        )
    if edited[single.tensor] is tensor:
        edited[single.tensor] = edited[single.tensor].copy()
    edited[single.tensor][single.index] = single.value
