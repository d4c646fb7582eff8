"""The expert's view of the chosen network: its layers and single weights, and edits of both."""

import math
from dataclasses import dataclass, replace
from functools import partial

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import NetworkError
from kiview.jobs.read_weights import WeightsContent, read_weights
from kiview.nets.catalog import NetworkCard
from kiview.nets.edits import GAIN_LIMITS, SHIFT_LIMIT, LayerEdit, SingleEdit
from kiview.nets.layers import LayerRow
from kiview.nets.weights import WeightSet
from kiview.tasks import Task, TaskRunner
from kiview.viewmodels.network import NetworkViewModel

Index = tuple[int, ...]
WEIGHT_DECIMALS = 5
"""Digits of a single weight that are shown and can be entered."""


@dataclass(frozen=True, slots=True)
class WeightValue:
    """One weight.

    Attributes:
        now: Its value.
        shipped: As installed.
        limit: Largest magnitude it may be set to, of those with the digits that are shown.
        is_edited: Whether it was set by itself.
    """

    now: float
    shipped: float
    limit: float
    is_edited: bool


class WeightEditorViewModel(QObject):
    """Reads the weights in the background while somebody looks, and passes edits on.

    Attributes:
        content: Weights as last read, or None before.
        gain_limits: Of a layer.
        shift_limit: Largest bias shift of a layer, in its largest weight.

    Signals:
        changed: Other weights were read, or the network changed.
    """

    changed = Signal()
    gain_limits = GAIN_LIMITS
    shift_limit = SHIFT_LIMIT

    def __init__(self, runner: TaskRunner, network: NetworkViewModel) -> None:
        super().__init__()
        self._runner, self._network = runner, network
        self._task: Task | None = None
        self._is_watched = False
        self._asked: tuple[NetworkCard, WeightSet] | None = None
        self.content: WeightsContent | None = None
        network.changed.connect(self._on_network_changed)

    @property
    def title(self) -> str:
        """The network, for the headline."""
        card = self._network.card
        return "" if card is None else f"{card.id} {card.version} \N{MIDDLE DOT} {card.origin}"

    @property
    def layers(self) -> tuple[LayerRow, ...]:
        """Layers in the order of the network; empty until they are read.

        Gains and shifts are those in use at once; norms follow when they are read.
        """
        rows = () if self.content is None else self.content.layers
        edits = [self._edit_of(row.name) for row in rows]
        return tuple(
            replace(row, gain=edit.gain, bias_shift=edit.bias_shift)
            for row, edit in zip(rows, edits, strict=True)
        )

    @property
    def tensors(self) -> tuple[tuple[str, Index], ...]:
        """Name and shape of every tensor, in the order of the network."""
        card = self._network.card
        specs = () if card is None else sorted(card.tensors, key=lambda spec: spec.offset)
        return tuple((spec.name, spec.shape) for spec in specs)

    @property
    def singles(self) -> tuple[SingleEdit, ...]:
        """Weights that were set by themselves."""
        weights = self._network.weights
        return () if weights is None else weights.singles

    def watch(self, watched: bool) -> None:
        """Say whether somebody looks; nothing is read otherwise."""
        self._is_watched = watched
        self._on_network_changed()

    def value(self, tensor: str, index: Index) -> WeightValue | None:
        """One weight; None where there is none or nothing is read yet."""
        content = self.content
        if content is None or tensor not in content.now:
            return None
        shape = content.now[tensor].shape
        if len(index) != len(shape) or any(
            not 0 <= i < n for i, n in zip(index, shape, strict=True)
        ):
            return None
        edited = any((s.tensor, s.index) == (tensor, index) for s in self.singles)
        now, shipped = float(content.now[tensor][index]), float(content.shipped[tensor][index])
        return WeightValue(now, shipped, _rounded_down(content.limits[tensor]), edited)

    def set_gain(self, layer: str, gain: float) -> None:
        """Multiply what a layer gives."""
        self._edit_layer(replace(self._edit_of(layer), gain=gain), f"gain {layer}")

    def set_shift(self, layer: str, bias_shift: float) -> None:
        """Add to what a layer gives, in units of its largest weight."""
        self._edit_layer(replace(self._edit_of(layer), bias_shift=bias_shift), f"shift {layer}")

    def set_single(self, tensor: str, index: Index, value: float) -> None:
        """Set one weight.

        Raises:
            NetworkError: the value lies outside the limits of its tensor; nothing changes.
        """
        known, weights = self.value(tensor, index), self._network.weights
        if known is not None and abs(value) > known.limit:
            edges = f"{-known.limit:g} to {known.limit:g}"
            raise NetworkError(
                f"{value:g} is outside the limits of this tensor, {edges}; the weight stays as it"
                " is."
            )
        if weights is not None:
            edit = SingleEdit(tensor, index, value)
            self._network.adjust(weights.with_single(edit), f"weight {edit.where}")

    def reset_single(self, tensor: str, index: Index) -> None:
        """Take back the edit of one weight."""
        weights = self._network.weights
        if weights is not None:
            self._network.adjust(weights.without_single(tensor, index), "reset weight")

    def _edit_of(self, layer: str) -> LayerEdit:
        weights = self._network.weights
        edits = () if weights is None else weights.layers
        return next((edit for edit in edits if edit.layer == layer), LayerEdit(layer))

    def _edit_layer(self, edit: LayerEdit, what: str) -> None:
        weights = self._network.weights
        if weights is not None:
            self._network.adjust(weights.with_layer(edit), what)

    def _on_network_changed(self) -> None:
        self.changed.emit()
        self._read()

    def _read(self) -> None:
        card, weights = self._network.card, self._network.weights
        if not self._is_watched or self._task is not None or card is None or weights is None:
            return
        if self._asked == (card, weights):  # also when that failed: it was told
            return
        self._asked = (card, weights)
        self._task = self._runner.start("Weights", partial(read_weights, card, weights))
        self._task.succeeded.connect(self._on_read)
        self._task.failed.connect(self._network.tell)
        self._task.finished.connect(self._on_finished)

    def _on_read(self, content: WeightsContent) -> None:
        self.content = content

    def _on_finished(self) -> None:
        self._task = None
        self.changed.emit()
        self._read()


def _rounded_down(limit: float) -> float:
    scale = 10.0**WEIGHT_DECIMALS
    return math.floor(limit * scale) / scale
