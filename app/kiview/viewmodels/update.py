"""Updates of the chosen network from added cases, as a background process."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal

from kiview.jobs.update_network import UpdateJob, UpdateRequest
from kiview.tasks import Task, TaskRunner
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.network import NetworkViewModel

HOW = """
### Update from added cases

An update trains a new version of **{network}** with your own cases. It needs the training program,
which is not installed here.

1. In a copy of KiView's source: `pip install --editable ".[train]"`
2. Add cases: `python -m kitrain add --help` says how.
3. Update here again, or by `python -m kitrain update --network {network}`

The new version stands beside the one it came from; shipped networks are never changed.
"""


class UpdateViewModel(QObject):
    """Starts and stops an update; a finished one appears among the networks.

    Signals:
        changed: An update began or ended, or another network was chosen.
        updated: There is a new version; the networks have to be listed again.
    """

    changed = Signal()
    updated = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        network: NetworkViewModel,
        messages: MessagesViewModel,
        job: UpdateJob,
        can_train: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._runner, self._network, self._messages, self._job = runner, network, messages, job
        self._task: Task | None = None
        self.can_train = can_train()
        network.changed.connect(self.changed)

    @property
    def is_running(self) -> bool:
        """Whether an update is under way."""
        return self._task is not None

    @property
    def why_not(self) -> str:
        """What keeps an update from being started, or an empty text."""
        return "" if self._network.card is not None else self._network.why_not

    @property
    def how(self) -> str:
        """How to get and use the training program, Markdown; empty where it is installed."""
        card = self._network.card
        if self.can_train or card is None:
            return ""
        return HOW.format(network=card.id)

    def start(self) -> None:
        """Update the chosen network in the background."""
        card = self._network.card
        if self._task is not None or card is None or not self.can_train:
            return
        request = UpdateRequest(card.network.path.parent)
        self._task = self._runner.start(f"Updating {card.id}", partial(self._job, request))
        self._task.succeeded.connect(self._on_succeeded)
        self._task.failed.connect(self._messages.show_failure)
        self._task.finished.connect(self._on_finished)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the update; nothing of it is kept."""
        if self._task is not None:
            self._task.cancel()

    def _on_succeeded(self, sentence: str) -> None:
        self._messages.show(sentence)
        self.updated.emit()

    def _on_finished(self) -> None:
        self._task = None
        self.changed.emit()
