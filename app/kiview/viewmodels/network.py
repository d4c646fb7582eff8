"""The network: which one, with which weights, whether it can run, and the run."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import KiviewError
from kiview.core.images import MapSet
from kiview.core.progress import Progress
from kiview.nets.catalog import NetworkCard
from kiview.nets.infer import NetworkRequest
from kiview.nets.weights import WeightSet, WeightState, shipped_weights
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.history import History
from kiview.viewmodels.maps import MapsViewModel, summary, why_no_kinetics
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.results import NETWORK, Result, ResultsViewModel

NetworkJob = Callable[[NetworkRequest, Progress], MapSet]
ID_LENGTH = 8
"""Characters of a weight-set id that are shown."""


class NetworkViewModel(QObject):
    """Choice and adjustment of a network, and its runs.

    Attributes:
        cards: Bundled networks.
        card: The chosen one, or None when there is none.
        weights: What is laid over it, or None likewise.
        is_tied: Whether the map is tied to Patlak at coarse scale.

    Signals:
        changed: A choice, readiness or the state of a run changed.
        step_made: There is one more change of weights to undo.
    """

    changed = Signal()
    step_made = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        maps: MapsViewModel,
        results: ResultsViewModel,
        messages: MessagesViewModel,
        job: NetworkJob,
    ) -> None:
        super().__init__()
        self._runner, self._study, self._input = runner, maps.study, maps.input_function
        self._maps, self._results, self._messages = maps, results, messages
        self._job = job
        self._task: Task | None = None
        self._running = ("", "", (0.0, 0.0))
        self._why_no_network = "No network is installed."
        self.cards: tuple[NetworkCard, ...] = ()
        self.card: NetworkCard | None = None
        self.weights: WeightSet | None = None
        self.is_tied = True
        self._history: History[WeightSet] = History()
        results.register(NETWORK, self.key)
        maps.changed.connect(self._on_inputs_changed)

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
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._task is not None

    @property
    def position(self) -> float:
        """Slider, 0 smooth to 1 sharp."""
        return 0.0 if self.weights is None else self.weights.position

    @property
    def shipped_position(self) -> float:
        """Where the slider stands for the network as shipped."""
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
        """Whether a run started now would use other weights than the shipped ones."""
        if self.card is None or self.weights is None:
            return False
        return self.weights.state(self.card) is WeightState.MODIFIED

    @property
    def modified_map_id(self) -> str:
        """Short id of the weights of a map that is up to date and made with modified ones."""
        result = self._results.get(NETWORK)
        if result is None or result.is_stale or not result.maps.provenance.modified:
            return ""
        return result.maps.provenance.weight_set_id[:ID_LENGTH]

    @property
    def device(self) -> str:
        """What the last run really computed on; empty before."""
        result = self._results.get(NETWORK)
        if result is None:
            return ""
        return str(result.maps.provenance.settings.get("device", ""))

    @property
    def why_not(self) -> str:
        """What keeps the network from running, or an empty text."""
        if self.card is None:
            return self._why_no_network
        return why_no_kinetics(self._study, self._input)

    @property
    def findings(self) -> tuple[str, ...]:
        """What the last run said about this study and the network's training."""
        result = self._results.get(NETWORK)
        return () if result is None else result.maps.findings

    @property
    def status(self) -> str:
        """One line for the panel."""
        if self.is_running:
            return "Computing\N{HORIZONTAL ELLIPSIS}"
        if self.why_not:
            return self.why_not
        result = self._results.get(NETWORK)
        if result is None:
            return "Ready to compute with the same input function and frames as Patlak."
        if result.is_stale:
            return "The map is out of date: an input or the weights changed. Compute again."
        return f"Up to date: {result.summary}."

    def key(self) -> str:
        """Identity of everything a run started now would be made from."""
        return f"{self.made_from()}|{self.weights}|tied {self.is_tied}"

    def made_from(self) -> str:
        """The part of the key that weights and tie do not change."""
        s, card = self._maps.settings, self.card
        network = "" if card is None else f"{card.name} {card.network.sha256}"
        window = f"{s.start_s:g}-{s.end_s:g}"
        return f"{self._study.identity}|{self._input.identity}|{window}|{network}"

    def choose(self, name: str) -> None:
        """Choose a network, `id@version`, with its shipped weights."""
        chosen = next((card for card in self.cards if card.name == name), None)
        if chosen is not None and chosen == self.card:
            self.changed.emit()
        elif chosen is not None:
            self.card = chosen
            self._history.clear()
            self._take(shipped_weights(chosen))

    def use(self, card: NetworkCard, weights: WeightSet, what: str) -> None:
        """Use weights from elsewhere, of the network they belong to."""
        self.choose(card.name)
        self.adjust(weights, what)

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
        if self.weights is None or weights == self.weights:
            return
        if self._history.record(self.weights, what):
            self.step_made.emit()
        self._take(weights)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change of weights to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether a change of weights was taken back."""
        return self._history.can_redo

    def undo(self) -> None:
        """Take back the last change of weights."""
        if self.weights is not None:
            self._take(self._history.undo(self.weights))

    def redo(self) -> None:
        """Make the change of weights again that was taken back last."""
        if self.weights is not None:
            self._take(self._history.redo(self.weights))

    def set_tied(self, tied: bool) -> None:
        """Tie the map to Patlak at coarse scale, or not."""
        if tied != self.is_tied:
            self.is_tied = tied
            self._announce()

    def reset_weights(self) -> None:
        """Back to the weights as shipped."""
        if self.card is not None and self.is_modified:
            self.adjust(shipped_weights(self.card), "reset")

    def request(self) -> NetworkRequest:
        """Everything a run needs.

        Raises:
            KiviewError: something is missing; the text says what.
        """
        image, input_function, card = self._study.image, self._input.input_function, self.card
        weights, window = self.weights, self._maps.settings
        if self.why_not or image is None or input_function is None or card is None:
            raise KiviewError(self.why_not)
        if weights is None:
            raise KiviewError(self.why_not)
        return NetworkRequest(
            image, input_function, window.start_s, window.end_s, card, weights, self.is_tied
        )

    def compute(self) -> None:
        """Start a run; problems are told in the banner."""
        if self._task is not None:
            return
        try:
            request = self.request()
        except KiviewError as error:
            self._messages.show_failure(TaskFailure(str(error)))
            return
        self._running = (self.key(), self._input.identity, (request.start_s, request.end_s))
        self._task = self._runner.start("Network Ki", partial(self._job, request))
        self._task.succeeded.connect(self._on_succeeded)
        self._task.failed.connect(self._messages.show_failure)
        self._task.finished.connect(self._on_finished)
        self.changed.emit()

    def _take(self, weights: WeightSet) -> None:
        self.weights = weights
        self._announce()

    def _announce(self) -> None:
        self._results.judge()
        self.changed.emit()

    def _on_inputs_changed(self) -> None:
        self._announce()

    def _on_succeeded(self, maps: MapSet) -> None:
        network = maps.provenance.network_id
        text = f"{summary(maps, self._running[2])} \N{MIDDLE DOT} {network}"
        self._results.store(Result(NETWORK, maps, *self._running, text))

    def _on_finished(self) -> None:
        self._task = None
        self.changed.emit()
