"""Patlak: what the user chooses, whether it can run, and the run."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.core.images import MapSet
from kiview.core.input_function import InputSource
from kiview.core.patlak import PatlakSettings, Weighting
from kiview.core.progress import Progress
from kiview.core.study import Verdict
from kiview.jobs.compute_patlak import PatlakRequest
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.input_function import InputFunctionViewModel
from kiview.viewmodels.messages import Message, MessagesViewModel
from kiview.viewmodels.results import PATLAK, Result, ResultsViewModel
from kiview.viewmodels.study import StudyViewModel

_SHORT_SOURCES = {
    str(InputSource.IMAGE): "IDIF",
    str(InputSource.NETWORK): "input by network",
}
PatlakJob = Callable[[PatlakRequest, Progress], MapSet]


class MapsViewModel(QObject):
    """Patlak settings and runs.

    Attributes:
        settings: What a run started now would use.
        study: The open study.
        input_function: The input function that a run would use.

    Signals:
        changed: Settings, readiness or the state of a run changed.
    """

    changed = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        study: StudyViewModel,
        input_function: InputFunctionViewModel,
        results: ResultsViewModel,
        messages: MessagesViewModel,
        job: PatlakJob,
    ) -> None:
        super().__init__()
        self.study, self.input_function = study, input_function
        self._runner, self._study, self._input = runner, study, input_function
        self._results, self._messages, self._job = results, messages, job
        self._task: Task | None = None
        self._problem: Message | None = None
        self._running = ("", "", (0.0, 0.0))
        self.settings = PatlakSettings()
        input_function.found.use_frames(self.settings.start_s, self.settings.end_s)
        results.register(PATLAK, self.key)
        input_function.changed.connect(self._on_inputs_changed)
        study.series_changed.connect(self._on_inputs_changed)
        study.findings_changed.connect(self.changed)

    @property
    def start_min(self) -> float:
        """Start of the window (t*)."""
        return self.settings.start_s / 60

    @property
    def end_min(self) -> float:
        """End of the window."""
        return self.settings.end_s / 60

    @property
    def weighting(self) -> Weighting:
        """How the frames are weighted."""
        return self.settings.weighting

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._task is not None

    @property
    def frames_in_window(self) -> int:
        """Number of frames that a run would use."""
        image = self._study.image
        if image is None:
            return 0
        timing = image.timing.weighted()
        return int(timing.in_window(self.settings.start_s, self.settings.end_s).sum())

    @property
    def why_not(self) -> str:
        """What keeps Patlak from running, or an empty text."""
        return why_no_kinetics(self._study, self._input) or self._why_no_frames()

    @property
    def status(self) -> str:
        """One line for the panel."""
        if self.is_running:
            return "Computing\N{HORIZONTAL ELLIPSIS}"
        if self.why_not:
            return self.why_not
        return " ".join(filter(None, (self._state, self._study.not_confirmed)))

    @property
    def _state(self) -> str:
        result = self._results.get(PATLAK)
        if result is None:
            return f"Ready: {self.frames_in_window} frames in the window."
        if result.is_stale:
            return "The map is out of date: an input changed since. Compute again."
        return f"Up to date: {result.told}."

    def key(self) -> str:
        """Identity of everything a run started now would be made from."""
        s = self.settings
        chosen = f"{s.start_s:g}-{s.end_s:g} {s.weighting}"
        return f"{self._study.identity}|{self._input.identity}|{chosen}"

    def set_window_min(self, start_min: float, end_min: float) -> None:
        """Choose the window.

        Raises:
            InvalidInputError: it is empty; nothing changes.
        """
        self._apply(PatlakSettings(start_min * 60, end_min * 60, self.weighting))

    def set_weighting(self, weighting: Weighting) -> None:
        """Choose how the frames are weighted."""
        self._apply(PatlakSettings(self.settings.start_s, self.settings.end_s, weighting))

    def compute(self) -> None:
        """Start a run; problems are told in the banner."""
        if self._task is not None:
            return
        try:
            request = self.request()
        except InvalidInputError as error:
            self._on_failed(TaskFailure(str(error)))
            return
        window = (self.settings.start_s, self.settings.end_s)
        self._running = (self.key(), self._input.identity, window)
        self._task = self._runner.start("Patlak Ki", partial(self._job, request))
        self._task.succeeded.connect(self._on_succeeded)
        self._task.failed.connect(self._on_failed)
        self._task.finished.connect(self._on_finished)
        self.changed.emit()

    def request(self) -> PatlakRequest:
        """Everything a run needs.

        Raises:
            InvalidInputError: something is missing; the text says what.
        """
        image, input_function = self._study.image, self._input.input_function
        if self.why_not or image is None or input_function is None:
            raise InvalidInputError(self.why_not)
        return PatlakRequest(image, input_function, self.settings, self._input.identity)

    def _apply(self, settings: PatlakSettings) -> None:
        if settings != self.settings:
            self.settings = settings
            self._input.found.use_frames(settings.start_s, settings.end_s)
            self._results.judge()
            self.changed.emit()

    def _why_no_frames(self) -> str:
        if self.frames_in_window >= 2:
            return ""
        return (
            f"{self.frames_in_window} frames lie in {self.start_min:g}\N{EN DASH}{self.end_min:g}"
            " min; Patlak needs two. Widen the window."
        )

    def _on_inputs_changed(self) -> None:
        self._results.judge()
        self.changed.emit()

    def _on_failed(self, failure: TaskFailure) -> None:
        self._messages.show_failure(failure)
        self._problem = self._messages.current

    def _on_succeeded(self, maps: MapSet) -> None:
        self._messages.withdraw(self._problem)
        self._results.store(Result(PATLAK, maps, *self._running, summary(maps, self._running[2])))

    def _on_finished(self) -> None:
        self._task = None
        self.changed.emit()


def why_no_kinetics(study: StudyViewModel, input_function: InputFunctionViewModel) -> str:
    """What keeps Ki from being computed by any method, or an empty text."""
    image = study.image
    if image is None:
        return study.why_no_image
    if not image.is_dynamic:
        return "This series has one frame; Ki needs a dynamic series."
    if study.kinetics_verdict is Verdict.REFUSED:
        reasons = [f.message for f in study.findings if f.kinetics is Verdict.REFUSED]
        return " ".join(reasons[:1])
    if input_function.input_function is None:
        return input_function.problem or "Choose an input function first."
    return ""


def summary(maps: MapSet, window_s: tuple[float, float]) -> str:
    """One line about a run for its views: window, what was done to the frames, input function."""
    inputs = maps.provenance.inputs
    used = inputs.get("input_function")
    source = used.get("source", "") if isinstance(used, dict) else inputs.get("input_source", "")
    window = f"{window_s[0] / 60:g}\N{EN DASH}{window_s[1] / 60:g} min"
    short = _SHORT_SOURCES.get(str(source), str(source))
    parts = (window, *(step.label for step in maps.provenance.steps), short)
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)
