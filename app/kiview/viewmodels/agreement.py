"""How well the network's map agrees with Patlak's: numbers, differences and mismatches."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal

from kiview.core.progress import Progress
from kiview.jobs.compare_maps import Comparison, ComparisonRequest
from kiview.tasks import Task, TaskRunner
from kiview.viewmodels.curves import CurvesViewModel
from kiview.viewmodels.marks import in_words
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.results import METHOD_NAMES, NETWORK, PATLAK, Result, ResultsViewModel
from kiview.viewmodels.study import StudyViewModel

CompareJob = Callable[[ComparisonRequest, Progress], Comparison]


class AgreementViewModel(QObject):
    """Compares whenever both maps are there or a region changed.

    Attributes:
        comparison: Latest comparison, or None.

    Signals:
        changed: The comparison or its state changed.
    """

    changed = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        study: StudyViewModel,
        results: ResultsViewModel,
        curves: CurvesViewModel,
        messages: MessagesViewModel,
        job: CompareJob,
    ) -> None:
        super().__init__()
        self._runner, self._study, self._results = runner, study, results
        self._curves, self._messages, self._job = curves, messages, job
        self._task: Task | None = None
        self._asked: ComparisonRequest | None = None
        self.comparison: Comparison | None = None
        results.changed.connect(self._compare)
        curves.changed.connect(self._compare)

    @property
    def status(self) -> str:
        """One line about the comparison."""
        if self._task is not None:
            return "Comparing\N{HORIZONTAL ELLIPSIS}"
        if self.comparison is None:
            missing = self._missing()
            return f"Appears when {missing} computed." if missing else ""
        told = self.mismatches
        return f"The maps have {' and '.join(told)}." if told else ""

    @property
    def warnings(self) -> str:
        """What has to be said about the maps compared, a line each: `network: MODIFIED`."""
        known = self._results.all if self.comparison is not None else ()
        return "\n".join(f"{METHOD_NAMES[r.method]}: {in_words(r.marks)}" for r in known if r.marks)

    @property
    def mismatches(self) -> tuple[str, ...]:
        """What differs in how the two maps were made; empty when they can be compared as is."""
        first, second = self._results.get(PATLAK), self._results.get(NETWORK)
        return () if first is None or second is None else mismatches(first, second)

    def _missing(self) -> str:
        has_patlak = self._results.get(PATLAK) is not None
        has_network = self._results.get(NETWORK) is not None
        if has_patlak and has_network:
            return ""
        if has_patlak:
            return "the network map is"
        return "the Patlak map is" if has_network else "both maps are"

    def _compare(self) -> None:
        """Start a comparison in place of the one that runs, unless it is the same."""
        request = self._request()
        if request is not None and self._asked is not None and _same(request, self._asked):
            self.changed.emit()
            return
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._asked = request
        if request is None:
            self.comparison = None
            self.changed.emit()
            return
        self._task = self._runner.start("Comparing maps", partial(self._job, request))
        self._task.succeeded.connect(self._on_compared)
        self._task.failed.connect(self._messages.show_failure)
        self._task.failed.connect(self._on_not_compared)
        self._task.cancelled.connect(self._on_not_compared)
        self._task.finished.connect(self._on_finished)
        self.changed.emit()

    def _request(self) -> ComparisonRequest | None:
        first, second = self._results.get(PATLAK), self._results.get(NETWORK)
        if self._study.image is None or first is None or second is None:
            return None
        series = self._study.series
        if series is None or series.uid != self._results.series_uid:
            return None  # the maps of the series before are about to go
        known = self._curves.all.values()
        masks = tuple(curve.mask for curve in known if curve.mask is not None)
        return ComparisonRequest(self._study.image, first.maps.main, second.maps.main, masks)

    def _on_compared(self, comparison: Comparison) -> None:
        if self.sender() is self._task:
            self.comparison = comparison

    def _on_not_compared(self) -> None:
        """Compare again at the next chance."""
        if self.sender() is self._task:
            self._asked = None

    def _on_finished(self) -> None:
        if self.sender() is self._task:
            self._task = None
            self.changed.emit()


def _same(one: ComparisonRequest, other: ComparisonRequest) -> bool:
    """Whether two requests name the same maps and regions."""
    named = zip(
        (one.image, one.first, one.second, *one.masks),
        (other.image, other.first, other.second, *other.masks),
        strict=False,
    )
    return len(one.masks) == len(other.masks) and all(a is b for a, b in named)


def _frames(result: Result) -> tuple[str, ...]:
    """What was done to the frames of a run."""
    return tuple(step.text for step in result.maps.provenance.steps)


def mismatches(first: Result, second: Result) -> tuple[str, ...]:
    """What differs in how two maps were made, each as a short sentence."""
    told = []
    if first.input_key != second.input_key:
        told.append("different input functions")
    if (first.window_s, _frames(first)) != (second.window_s, _frames(second)):
        told.append("different frames")
    if not first.maps.main.geometry.matches(second.maps.main.geometry):
        told.append("different grids")
    return tuple(told)
