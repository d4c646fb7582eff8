"""The plasma curve that a network finds: asked for, and good for the frames it was found in."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.core.input_function import InputFunction, InputSource
from kiview.core.progress import Progress
from kiview.jobs.input_curve import DEFAULT_FRAMES_S, InputCurveRequest
from kiview.nets.run_record import curve_sha256
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.messages import Message, MessagesViewModel
from kiview.viewmodels.study import StudyViewModel

FindCurveJob = Callable[[InputCurveRequest, Progress], InputFunction]


class FoundCurveViewModel(QObject):
    """Looks for the curve when asked, never by itself.

    Attributes:
        frames_s: Start and end of the frames that the network looks at.

    Signals:
        changed: The frames, the curve or the state of a run changed.
    """

    changed = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        study: StudyViewModel,
        messages: MessagesViewModel,
        job: FindCurveJob,
    ) -> None:
        super().__init__()
        self._runner, self._study = runner, study
        self._messages, self._job = messages, job
        self._task: Task | None = None
        self._running = ""
        self._banner: Message | None = None
        self._found: tuple[str, InputFunction, str] | None = None
        self._failed = ("", "")
        self.frames_s = DEFAULT_FRAMES_S
        study.study_changed.connect(self._on_study_changed)
        study.series_changed.connect(self.changed)

    @property
    def is_running(self) -> bool:
        """Whether the network is at work."""
        return self._task is not None

    @property
    def identity(self) -> str:
        """Of the curve, by its values; empty while there is none for these frames."""
        return self._found[2] if self._found is not None and self._found[0] == self._key() else ""

    @property
    def frames_text(self) -> str:
        """The frames in words: `30-60 min`."""
        start_s, end_s = self.frames_s
        return f"{start_s / 60:g}\N{EN DASH}{end_s / 60:g} min"

    @property
    def why_not(self) -> str:
        """What keeps the network from being asked, or an empty text."""
        if self.is_running:
            return "The network is looking for blood."
        image = self._study.image
        if image is None or not image.is_dynamic:
            return "Open a dynamic study first."
        return ""

    def use_frames(self, start_s: float, end_s: float) -> None:
        """Choose the frames; a curve found in others is kept but not used."""
        if (start_s, end_s) != self.frames_s:
            self.frames_s = (start_s, end_s)
            self.changed.emit()

    def find(self) -> None:
        """Let the network look for blood in the background; problems are told in the banner."""
        image = self._study.image
        if self.why_not or image is None:
            return
        request = InputCurveRequest(image, InputSource.NETWORK, frames_s=self.frames_s)
        self._running, self._failed = self._key(), ("", "")
        self._task = self._runner.start("Finding the input function", partial(self._job, request))
        self._task.succeeded.connect(self._on_succeeded)
        self._task.failed.connect(self._on_failed)
        self._task.finished.connect(self._on_finished)
        self.changed.emit()

    def curve(self) -> InputFunction:
        """What was found in these frames of this study.

        Raises:
            InvalidInputError: nothing yet; the text says why and what to do.
        """
        if self._found is not None and self._found[0] == self._key():
            return self._found[1]
        if self.is_running:
            raise InvalidInputError("Looking for blood\N{HORIZONTAL ELLIPSIS}")
        if self._failed[0] == self._key():
            raise InvalidInputError(self._failed[1])
        if self._found is not None:
            raise InvalidInputError(
                "The frames were changed since the curve was found; press Find in Input again."
            )
        raise InvalidInputError(
            f"Press Find in Input: a network looks for blood in the frames of {self.frames_text}."
        )

    def _key(self) -> str:
        return f"{self._study.identity}|{self.frames_s[0]:g}-{self.frames_s[1]:g} s"

    def _on_study_changed(self) -> None:
        """What was found, or is being looked for, belongs to voxels that are gone."""
        self._found, self._failed = None, ("", "")
        if self._task is not None:
            self._task.cancel()
        self.changed.emit()

    @property
    def _is_wanted(self) -> bool:
        return self._task is not None and not self._task.cancel_requested

    def _on_succeeded(self, found: InputFunction) -> None:
        if self._is_wanted:
            self._messages.withdraw(self._banner)
            self._found = (self._running, found, curve_sha256(found))

    def _on_failed(self, failure: TaskFailure) -> None:
        if not self._is_wanted:
            return
        self._failed = (self._running, failure.message)
        self._messages.show_failure(failure)
        self._banner = self._messages.current

    def _on_finished(self) -> None:
        self._task = None
        self.changed.emit()
