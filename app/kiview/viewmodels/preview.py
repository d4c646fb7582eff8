"""Shows around the cursor what the weights on the sliders would give."""

from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.errors import KiviewError
from kiview.jobs.preview_network import Preview, PreviewedStudy, PreviewJob, PreviewRequest
from kiview.nets.weights import WeightSet
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.columns import ColumnsCoordinator
from kiview.viewmodels.network import NetworkViewModel
from kiview.viewmodels.results import NETWORK, Result, ResultsViewModel
from kiview.viewmodels.views import ViewsViewModel

FOLLOW_MS = 40
"""A moving slider is followed at this pace; one preview runs at a time."""
TITLE = "Preview Ki"
METHOD = "near the cursor; Compute makes the map"


class PreviewViewModel(QObject):
    """Follows the weight sliders. The stored map never changes.

    Signals:
        shown: A preview is on the views.
    """

    shown = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        network: NetworkViewModel,
        results: ResultsViewModel,
        columns: ColumnsCoordinator,
        views: ViewsViewModel,
        job: PreviewJob,
    ) -> None:
        super().__init__()
        self._runner, self._network, self._results = runner, network, results
        self._columns, self._views, self._job = columns, views, job
        self._task: Task | None = None
        self._kept: PreviewedStudy | None = None
        self._previewed: WeightSet | None = None
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(FOLLOW_MS)
        self._delay.timeout.connect(self._start)
        network.changed.connect(self._on_network_changed)

    @property
    def is_shown(self) -> bool:
        """Whether the network column shows a preview."""
        return self._previewed is not None

    def _on_network_changed(self) -> None:
        if self._wanted() is None:
            self._stop()
            self._withdraw()
        elif self._network.weights != self._previewed and not self._delay.isActive():
            self._delay.start()

    def _wanted(self) -> Result | None:
        """The run to preview other weights of; None when there is nothing to preview."""
        result, network = self._results.get(NETWORK), self._network
        if result is None or network.is_running or network.why_not:
            return None
        same_input = result.key.startswith(network.made_from() + "|")
        other_weights = network.weights != network.computed_weights
        shows_ki = self._columns.quantity == result.maps.main.quantity.code
        return result if same_input and other_weights and shows_ki else None

    def _start(self) -> None:
        if self._task is not None:
            return
        request = self._request()
        if request is None:
            return
        key = self._network.made_from()
        job = partial(self._job, request, self._kept, key)
        self._previewed = request.run.weights
        self._task = self._runner.start("Preview", job)
        self._task.succeeded.connect(self._on_previewed)
        self._task.failed.connect(self._on_failed)
        self._task.finished.connect(self._on_finished)

    def _request(self) -> PreviewRequest | None:
        result, weights = self._wanted(), self._network.computed_weights
        if result is None or weights is None:
            return None
        try:
            run = self._network.request()
        except KiviewError:
            return None
        position = self._views.link.cursor_lps_mm
        return PreviewRequest(run, result.maps.main, weights, position)

    def _on_previewed(self, preview: Preview) -> None:
        self._kept = preview.kept
        if self._wanted() is None:
            return
        self._views.set_map(NETWORK, preview.map, TITLE, "network", METHOD)
        self._views.mark(NETWORK, stale=True)
        self.shown.emit()

    def _on_failed(self, _failure: TaskFailure) -> None:
        """Nothing is shown: computing tells what is wrong."""

    def _on_finished(self) -> None:
        self._task = None
        self._on_network_changed()

    def _stop(self) -> None:
        """Leave the processor to what is computed now."""
        self._delay.stop()
        if self._task is not None:
            self._task.cancel()

    def _withdraw(self) -> None:
        """Show the stored map again."""
        if self._previewed is None:
            return
        self._previewed = None
        self._columns.show_quantity(self._columns.quantity)
