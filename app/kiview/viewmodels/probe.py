"""What the weights do to the built-in phantom: as installed, now, Patlak."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from kiview.jobs.probe_network import ProbeJob, ProbeReport, ProbeRequest
from kiview.tasks import Task, TaskRunner
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.network import NetworkViewModel


class ProbeViewModel(QObject):
    """Scores the weights in use when asked; the phantom is kept for the session.

    Attributes:
        report: Latest scores, or None.

    Signals:
        changed: Other scores, or they no longer belong to the weights in use.
    """

    changed = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        network: NetworkViewModel,
        messages: MessagesViewModel,
        job: ProbeJob,
    ) -> None:
        super().__init__()
        self._runner, self._network, self._messages, self._job = runner, network, messages, job
        self._task: Task | None = None
        self.report: ProbeReport | None = None
        network.changed.connect(self.changed)

    @property
    def is_running(self) -> bool:
        """Whether weights are being scored."""
        return self._task is not None

    @property
    def is_current(self) -> bool:
        """Whether the scores belong to the weights in use."""
        report, network = self.report, self._network
        if report is None:
            return False
        known = report.request.card, report.request.weights, report.request.tied
        return known == (network.card, network.weights, network.is_tied)

    @property
    def why_not(self) -> str:
        """What keeps weights from being scored, or an empty text."""
        if self.is_running:
            return "The probe is being computed."
        if self._network.card is None:
            return self._network.why_not
        return "These weights are scored already." if self.is_current else ""

    @property
    def status(self) -> str:
        """One line for the panel."""
        if self.is_running:
            return "Scoring\N{HORIZONTAL ELLIPSIS}"
        if self.report is None:
            return "Not scored yet: takes some seconds."
        return "" if self.is_current else "The weights changed since; score again."

    def compute(self) -> None:
        """Score the weights in use."""
        card, weights = self._network.card, self._network.weights
        if self._task is not None or card is None or weights is None:
            return
        request = ProbeRequest(card, weights, self._network.is_tied)
        self._task = self._runner.start("Probe phantom", partial(self._job, request, self.report))
        self._task.succeeded.connect(self._on_scored)
        self._task.failed.connect(self._messages.show_failure)
        self._task.finished.connect(self._on_finished)
        self.changed.emit()

    def _on_scored(self, report: ProbeReport) -> None:
        self.report = report

    def _on_finished(self) -> None:
        self._task = None
        self.changed.emit()
