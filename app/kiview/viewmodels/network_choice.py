"""Which network is used, with which weights, tied or not; every change of that can be undone."""

from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from kiview.nets.catalog import NetworkCard
from kiview.nets.weights import WeightSet, WeightState, shipped_weights
from kiview.viewmodels.history import History
from kiview.viewmodels.marks import in_words, marks


@dataclass(frozen=True, slots=True)
class _State:
    """What one step of undo brings back."""

    weights: WeightSet
    is_tied: bool


class NetworkChoice(QObject):
    """A network of those there are, and what is laid over it.

    Attributes:
        cards: Networks there are.
        card: The chosen one, or None when there is none.
        weights: What is laid over it, or None likewise.
        is_tied: Whether the map is made consistent with Patlak.

    Signals:
        changed: Anything of this changed.
        step_made: There is one more change of weights or tie to undo.
    """

    changed = Signal()
    step_made = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._why_no_network = "No network is installed."
        self._history: History[_State] = History()
        self._file_names: dict[str, str] = {}
        self.cards: tuple[NetworkCard, ...] = ()
        self.card: NetworkCard | None = None
        self.weights: WeightSet | None = None
        self.is_tied = True

    def provide(self, cards: tuple[NetworkCard, ...]) -> None:
        """Say which networks there are; the chosen one stays, else the first is chosen."""
        self.cards = cards
        if cards:
            self._why_no_network = ""
            names = [card.name for card in cards]
            known = self.card is not None and self.card.name in names
            self.choose(self.card.name if self.card is not None and known else names[0])

    def refuse(self, reason: str) -> None:
        """Say why no network can be used."""
        self._why_no_network = reason
        self.changed.emit()

    @property
    def position(self) -> float:
        """Slider, 0 smooth to 1 sharp."""
        return 0.0 if self.weights is None else self.weights.position

    @property
    def shipped_position(self) -> float:
        """Where the slider stands for the network as installed."""
        return 0.0 if self.card is None else self.card.shipped_position

    @property
    def why_no_slider(self) -> str:
        """What keeps the weight slider from being moved, or an empty text."""
        if self.card is None or self.weights is None:
            return self._why_no_network
        if self.card.slider is None:
            return "This network has one weight set only."
        if self.weights.loaded is not None:
            return "The weights come from a file; reset to use the slider again."
        return ""

    @property
    def is_modified(self) -> bool:
        """Whether a run started now would use other weights than the installed ones."""
        if self.card is None or self.weights is None:
            return False
        return self.weights.state(self.card) is WeightState.MODIFIED

    @property
    def is_changed(self) -> bool:
        """Whether there is anything for a reset to take back: other weights, or no tie."""
        return self.is_modified or (self.card is not None and not self.is_tied)

    @property
    def marks(self) -> tuple[str, ...]:
        """Warnings that a map computed now would carry, in one word each."""
        return marks(modified=self.is_modified, untied=self.is_changed and not self.is_tied)

    @property
    def state_text(self) -> str:
        """Those warnings, else who put the network there: `shipped`, `site` or `user`."""
        origin = "" if self.card is None else self.card.origin.value
        return in_words(self.marks) or origin

    @property
    def weights_file(self) -> str:
        """Name of the file that the weights come from; empty when they are the network's own."""
        if self.weights is None or self.weights.loaded is None:
            return ""
        return self._file_names.get(self.weights.loaded.sha256, "a file")

    def choose(self, name: str) -> None:
        """Choose a network, `id@version`, with its installed weights."""
        chosen = next((card for card in self.cards if card.name == name), None)
        if chosen is not None and chosen == self.card:
            self.changed.emit()
        elif chosen is not None:
            self.card = chosen
            self._history.clear()
            self._take(_State(shipped_weights(chosen), self.is_tied))

    def use(self, card: NetworkCard, weights: WeightSet, file_name: str) -> None:
        """Use weights from a file, of the network they belong to."""
        if weights.loaded is not None:
            self._file_names[weights.loaded.sha256] = file_name
        self.choose(card.name)
        self.adjust(weights, "load")

    def set_position(self, position: float) -> None:
        """Move the weight slider, 0 smooth to 1 sharp."""
        if self.weights is not None:
            self.adjust(replace(self.weights, position=position), "position")

    def set_image_blend(self, share: float) -> None:
        """Mix a share of the Patlak map into the network's map, 0 to 1."""
        if self.weights is not None:
            self.adjust(replace(self.weights, image_blend=share), "blend")

    def adjust(self, weights: WeightSet, what: str) -> None:
        """Use other weights of the chosen network.

        Args:
            weights: All of them.
            what: The control that changed them; quick changes of one are undone together.
        """
        self._change(_State(weights, self.is_tied), what)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change of weights or tie to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether such a change was taken back."""
        return self._history.can_redo

    def undo(self) -> None:
        """Take back the last change of weights or tie."""
        if self.weights is not None:
            self._take(self._history.undo(_State(self.weights, self.is_tied)))

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        if self.weights is not None:
            self._take(self._history.redo(_State(self.weights, self.is_tied)))

    def forget_undone(self) -> None:
        """What was taken back cannot be made again."""
        self._history.forget_undone()

    def set_tied(self, tied: bool) -> None:
        """Tie the map to Patlak at coarse scale, or not."""
        if self.weights is not None:
            self._change(_State(self.weights, tied), "tie" if tied else "untie")

    def reset(self) -> None:
        """Back to the weights as installed, consistent with Patlak."""
        if self.card is not None:
            self._change(_State(shipped_weights(self.card), is_tied=True), "reset")

    def _change(self, state: _State, what: str) -> None:
        if self.weights is None:
            return
        before = _State(self.weights, self.is_tied)
        if state == before:
            return
        if self._history.record(before, what):
            self.step_made.emit()
        self._take(state)

    def _take(self, state: _State) -> None:
        self.weights, self.is_tied = state.weights, state.is_tied
        self._announce()

    def _announce(self) -> None:
        """Tell of a change."""
        self.changed.emit()
