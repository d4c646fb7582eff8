"""The network: whether it can run with its inputs and weights, and the run."""

from collections.abc import Callable
from functools import partial

from kiview.core.errors import KiviewError
from kiview.core.images import MapSet
from kiview.core.progress import Progress
from kiview.nets.infer import NetworkRequest
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.maps import MapsViewModel, summary, why_no_kinetics
from kiview.viewmodels.messages import Message, MessagesViewModel
from kiview.viewmodels.network_choice import NetworkChoice
from kiview.viewmodels.results import NETWORK, PATLAK, Result, ResultsViewModel

NetworkJob = Callable[[NetworkRequest, Progress], MapSet]
ID_LENGTH = 8
"""Characters of a weight-set id that are shown."""


class NetworkViewModel(NetworkChoice):
    """The chosen network and its runs; `changed` also tells of readiness and of a run's state."""

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
        self._problem: Message | None = None
        self._running = ("", "", (0.0, 0.0))
        results.register(NETWORK, self.key)
        maps.changed.connect(self._on_inputs_changed)

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._task is not None

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
        return f"Up to date: {result.told}."

    def key(self) -> str:
        """Identity of everything a run started now would be made from."""
        return f"{self.made_from()}|{self.weights}|tied {self.is_tied}"

    def made_from(self) -> str:
        """The part of the key that weights and tie do not change."""
        s, card = self._maps.settings, self.card
        network = "" if card is None else f"{card.name} {card.network.sha256}"
        window = f"{s.start_s:g}-{s.end_s:g}"
        return f"{self._study.identity}|{self._input.identity}|{window}|{network}"

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
        """Start a run, and one of Patlak where its map is missing or stale: it stands beside.

        Problems are told in the banner.
        """
        if self._task is not None:
            return
        try:
            request = self.request()
        except KiviewError as error:
            self.tell(TaskFailure(str(error)))
            return
        patlak = self._results.get(PATLAK)
        if patlak is None or patlak.is_stale:
            self._maps.compute()
        self._running = (self.key(), self._input.identity, (request.start_s, request.end_s))
        self._task = self._runner.start("Network Ki", partial(self._job, request))
        self._task.succeeded.connect(self._on_succeeded)
        self._task.failed.connect(self.tell)
        self._task.finished.connect(self._on_finished)
        self.changed.emit()

    def tell(self, failure: TaskFailure) -> None:
        """Show why this network or its weights could not be used, until a run succeeds."""
        self._messages.show_failure(failure)
        self._problem = self._messages.current

    def _announce(self) -> None:
        self._results.judge()
        super()._announce()

    def _on_inputs_changed(self) -> None:
        self._announce()

    def _on_succeeded(self, maps: MapSet) -> None:
        self._messages.withdraw(self._problem)
        network = maps.provenance.network_id
        text = f"{summary(maps, self._running[2])} \N{MIDDLE DOT} {network}"
        self._results.store(Result(NETWORK, maps, *self._running, text))

    def _on_finished(self) -> None:
        self._task = None
        self.changed.emit()
