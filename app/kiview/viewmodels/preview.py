"""Shows on the views what the weights on the sliders would give."""

from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.errors import KiviewError
from kiview.core.progress import Progress
from kiview.core.reslice import Plane
from kiview.jobs.preview_network import Preview, PreviewedStudy, PreviewJob, PreviewRequest
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.columns import ColumnsCoordinator
from kiview.viewmodels.network import NetworkViewModel
from kiview.viewmodels.results import NETWORK, Result, ResultsViewModel
from kiview.viewmodels.views import ViewsViewModel

GATHER_MS = 5
"""Changes that come together start one preview."""
TITLE = "Preview Ki"
NEAR = "near the cursor; Compute makes the map"
PLANES = "these planes; Compute makes the map"
_Identity = tuple[object, ...]


class PreviewViewModel(QObject):
    """Follows the weights, the cursor and the rows of planes. The stored map never changes.

    One step of a preview runs at a time: first the cursor's neighbourhood, then the planes piece by
    piece. A step for what is not wanted any more is stopped, unless it is the first of its kind:
    under a moving slider something has to be seen.

    Signals:
        shown: More of a preview is on the views.
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
        self._asked: _Identity = ()
        self._begun: _Identity = ()
        self._settled: _Identity = ()
        self._complete: _Identity = ()
        self._asked_made: _Identity = ()
        self._asked_tied = True
        self._whole: _Identity = ()
        self._is_shown = False
        self._gathering = QTimer(self)
        self._gathering.setSingleShot(True)
        self._gathering.setInterval(GATHER_MS)
        self._gathering.timeout.connect(self._start)
        network.changed.connect(self._on_changed)
        results.changed.connect(self._on_results_changed)
        views.link.cursor_changed.connect(self._on_view_changed)
        views.layout_changed.connect(self._on_view_changed)

    @property
    def is_shown(self) -> bool:
        """Whether the network column shows a preview."""
        return self._is_shown

    @property
    def is_complete(self) -> bool:
        """Whether the planes shown are previewed whole."""
        return self._is_shown and self._complete == self._identity()

    def _on_results_changed(self) -> None:
        """A closed study gives its memory back."""
        if self._results.get(NETWORK) is None:
            self._keep(None)

    def _on_view_changed(self) -> None:
        if self._is_shown:
            self._on_changed()

    def _on_changed(self) -> None:
        if self._wanted() is None:
            self._stop()
            self._withdraw()
            return
        identity = self._identity()
        if identity == self._settled:
            return
        if self._task is None:
            self._gathering.start()
        elif self._begun == self._asked != identity:
            self._task.cancel()

    def _wanted(self) -> Result | None:
        """The run to preview other weights of; None when there is nothing to preview."""
        result, network = self._results.get(NETWORK), self._network
        if result is None or network.is_running or network.why_not:
            return None
        only_weights_differ = result.is_stale and result.key.startswith(network.made_from() + "|")
        shows_ki = self._columns.quantity == result.maps.main.quantity.code
        return result if only_weights_differ and shows_ki else None

    def _identity(self) -> _Identity:
        """Everything that decides what a preview shows; a whole one is good for any place."""
        made = self._made()
        if made == self._whole:
            return made
        return (*made, tuple(self._views.link.cursor_lps_mm.tolist()), self._planes())

    def _made(self) -> _Identity:
        """What decides the values of a preview, wherever it is."""
        network, result = self._network, self._results.get(NETWORK)
        maps = None if result is None else id(result.maps)
        return network.made_from(), network.weights, network.is_tied, maps

    def _planes(self) -> tuple[Plane, ...]:
        full_size = self._views.full_size
        return self._views.planes if full_size is None else (full_size[1],)

    def _start(self) -> None:
        request = self._request()
        if self._task is not None or request is None:
            return
        self._asked, self._asked_made = self._identity(), self._made()
        self._asked_tied = request.run.tied
        job = partial(self._job, request, self._kept, self._network.made_from())
        self._task = self._runner.start("Preview", job)
        self._task.succeeded.connect(self._on_previewed)
        self._task.failed.connect(self._on_failed)
        self._task.cancelled.connect(self._on_cancelled)
        self._task.finished.connect(self._on_finished)

    def _request(self) -> PreviewRequest | None:
        result = self._wanted()
        if result is None:
            return None
        try:
            run = self._network.request()
        except KiviewError:
            return None
        position = self._views.link.cursor_lps_mm
        return PreviewRequest(run, result.maps.main, position, self._planes())

    def _on_previewed(self, preview: Preview) -> None:
        if self._begun == self._asked:
            self._kept = preview.kept  # a further step with the same network
        else:
            self._keep(preview.kept)
        self._begun = self._asked
        if preview.is_whole:
            self._whole = self._asked = self._asked_made
        if preview.is_complete:
            self._settled = self._complete = self._asked
        if self._wanted() is None:
            return
        self._is_shown = True
        method = PLANES if preview.is_complete else NEAR
        self._views.set_map(NETWORK, preview.map, TITLE, "network", method)
        self._views.mark_preview(NETWORK, untied=not self._asked_tied, boxes=preview.boxes)
        self.shown.emit()

    def _keep(self, kept: PreviewedStudy | None) -> None:
        """Keep for the next step; closing the network of the one before takes a while, elsewhere.

        The list is the only one that knows it, so that it ends on the thread of the task.
        """
        held = [self._kept]
        self._kept = kept
        if held[0] is not None and held[0] is not kept:
            self._runner.start("Tidying up", partial(_let_go, held))

    def _on_failed(self, _failure: TaskFailure) -> None:
        """Nothing is shown: computing tells what is wrong."""
        self._settled = self._asked

    def _on_cancelled(self) -> None:
        """By the user, then nothing more is shown; or because something else is wanted."""
        if self._identity() == self._asked:
            self._settled = self._asked

    def _on_finished(self) -> None:
        self._task = None
        self._on_changed()

    def _stop(self) -> None:
        """Leave the processor to what is computed now."""
        self._gathering.stop()
        if self._task is not None:
            self._task.cancel()

    def _withdraw(self) -> None:
        """Show the stored map again."""
        self._settled = self._begun = self._complete = self._whole = ()
        if self._is_shown:
            self._is_shown = False
            self._columns.show_quantity(self._columns.quantity)


def _let_go(held: list[PreviewedStudy | None], _progress: Progress) -> None:
    held.clear()
