"""The open study: opening, its findings, and the values that the user enters for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from kiview.core.arriving import ArrivingImage
from kiview.core.errors import InvalidInputError
from kiview.core.images import DynamicImage
from kiview.core.progress import Progress
from kiview.core.study import Series, SeriesKind, Study
from kiview.core.timing import TIME_UNKNOWN, range_text
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.missing_values import missing_value, parse_entry
from kiview.viewmodels.put_aside import PutAside
from kiview.viewmodels.shown_series import ShownSeries

Overrides = Mapping[str, float | str]
DOT = " \N{MIDDLE DOT} "
OpenJob = Callable[[Path, Overrides | None, str, Progress], Study]
"""Path; entered values, None for those kept with the study; UID it must have, empty for any."""


@dataclass(frozen=True, slots=True)
class KnownStudy:
    """A study that was opened in this session.

    Attributes:
        path: Where it was opened from.
        uid: Of the study.
        title: What the list calls it.
        subtitle: What was given.
        times: Frames and time span.
    """

    path: Path
    uid: str
    title: str
    subtitle: str
    times: str


class StudyViewModel(ShownSeries):
    """Opens studies and holds the one that is open.

    While a large study is read its frames can be looked at as they come; nothing is open then, so
    that whatever computes waits for the whole.

    Attributes:
        arriving: Frames of the study that is being read, None when there is nothing to look at.
        known: Studies opened in this session, latest first.

    Signals:
        opening_changed: Opening began or ended.
        arriving_changed: More frames of the study that is being read can be shown, or none.
        open_failed: `TaskFailure`; the study that was open stays.
    """

    opening_changed = Signal()
    arriving_changed = Signal()
    open_failed = Signal(object)

    def __init__(
        self,
        runner: TaskRunner,
        messages: MessagesViewModel,
        open_job: OpenJob,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._messages = messages
        self._open_job = open_job
        self._task: Task | None = None
        self._asked: tuple[Path, dict[str, float | str] | None, str] | None = None
        self._pending_fields: tuple[str, ...] = ()
        self._aside: PutAside | None = None
        self.arriving: ArrivingImage | None = None
        self.known: tuple[KnownStudy, ...] = ()

    @property
    def is_opening(self) -> bool:
        """Whether a study is being read."""
        return self._task is not None

    @property
    def why_no_image(self) -> str:
        """What the user can do where nothing is open."""
        if self.arriving is None:
            return "Open a study first."
        return "The study is still being read; this waits until all frames are there."

    @property
    def pending_fields(self) -> tuple[str, ...]:
        """Values that an opening asked for which failed."""
        return self._pending_fields

    @property
    def missing_fields(self) -> tuple[str, ...]:
        """Values that would help, each once, including those a failed opening asked for."""
        named = [field for finding in self.findings for field in finding.fields]
        return tuple(dict.fromkeys([*self._pending_fields, *named]))

    def open_path(
        self, path: Path, overrides: Overrides | None = None, study_uid: str = ""
    ) -> None:
        """Read a study; it replaces the open one when that worked.

        Args:
            path: What to open.
            overrides: Entered values; None takes those that are kept with it.
            study_uid: Study that must be there, else opening fails; empty opens any.
        """
        if self._task is not None:
            self._task.cancel()
        self._bring_back()
        self._asked = (path, None if overrides is None else dict(overrides), study_uid)
        job = partial(self._open_job, *self._asked)
        task = self._runner.start(f"Opening {path.name or path}", job)
        task.offered.connect(self._on_offered)
        task.succeeded.connect(self._on_opened)
        task.failed.connect(self._on_failed)
        task.finished.connect(self._on_finished)
        self._task = task
        self._messages.dismiss()
        self.opening_changed.emit()

    def enter(self, entries: Mapping[str, str]) -> None:
        """Take what the user typed for missing values and read the study again.

        Args:
            entries: Value name -> typed text; empty texts are left out.

        Raises:
            InvalidInputError: a text cannot be used; nothing changes.
        """
        typed = {name: text for name, text in entries.items() if text.strip()}
        values = {name: parse_entry(missing_value(name), text) for name, text in typed.items()}
        if not values:
            raise InvalidInputError("Enter at least one value.")
        path, before, uid = self._asked if self._asked is not None else (self.path, {}, "")
        if path is not None:
            mine = self._overrides if path == self.path else before  # never another patient's
            self.open_path(path, {**(mine or {}), **values}, uid)

    def read_again(self, overrides: Overrides) -> None:
        """Read the open study again with these values in place of those entered before."""
        if self.path is not None:
            self.open_path(self.path, overrides, "" if self.study is None else self.study.uid)

    def close_study(self) -> None:
        """Forget the open study and free its voxels; one that is being shown early is not read."""
        if self.arriving is not None and self._task is not None:
            self._task.cancel()
        self.arriving = self._aside = None
        self.study = self.series = self.path = None
        self._overrides, self._pending_fields, self._merged = {}, (), {}
        self._announce()

    def _announce(self) -> None:
        self.study_changed.emit()
        self.series_changed.emit()
        self.arriving_changed.emit()

    def _on_offered(self, arriving: ArrivingImage) -> None:
        task = self._task
        if self.sender() is not task or self._asked is None or task is None:
            return
        before, (path, overrides, _) = self._before, self._asked
        if task.cancel_requested or not before.lets_show(arriving, path):
            return
        is_first = self.arriving is None
        self.arriving = arriving
        if not is_first:
            self.arriving_changed.emit()
            return
        self._aside = before
        if self.path != path:
            self.confirmed = frozenset()
        self.study = self.series = None
        given = dict(arriving.image.user_given) if overrides is None else overrides
        self.path, self._overrides, self._merged = path, given, {}
        self._announce()

    @property
    def _before(self) -> PutAside:
        """What was open before the study that is being read."""
        if self._aside is not None:
            return self._aside
        return PutAside(
            self.study, self.series, self.path, self._overrides, self._merged, self.confirmed
        )

    def _bring_back(self) -> None:
        """Open again what was put aside for a study that will not come."""
        aside, self._aside, self.arriving = self._aside, None, None
        if aside is not None:
            self.study, self.series, self.path = aside.study, aside.series, aside.path
            self._overrides, self._merged = aside.overrides, aside.merged
            self.confirmed = aside.confirmed
            self._announce()

    def _on_opened(self, study: Study) -> None:
        if self.sender() is not self._task or self._asked is None:
            return
        before, (path, overrides, _) = self._before, self._asked
        if overrides is None:
            overrides = {} if study.restored is None else dict(study.restored.kept.values)
        self._asked = path, overrides, study.uid  # values entered next are for this study
        self.path, self._overrides, self._merged = path, overrides, {}
        self._pending_fields = ()
        self.study, self.series = study, before.series_to_show(study, path)
        if self.arriving is None or before.path == path:
            self.confirmed &= before.still_told(self.findings, path)
        self.arriving = self._aside = None
        self._remember(study)
        self._announce()

    def _on_failed(self, failure: TaskFailure) -> None:
        if self.sender() is not self._task:
            return
        self._pending_fields = failure.fields
        self._messages.show_failure(failure)
        self.open_failed.emit(failure)

    def _on_finished(self) -> None:
        if self.sender() is self._task:
            self._task = None
            self._bring_back()
            self.opening_changed.emit()

    def _remember(self, study: Study) -> None:
        if self.path is None:
            return
        image = None if self.series is None else self.series.image
        known = KnownStudy(
            self.path,
            study.uid,
            study_title(study, self.path),
            "" if image is None else injection_text(image),
            "nothing to show" if image is None else times_text(image),
        )
        others = [other for other in self.known if other.path != self.path]
        self.known = (known, *others)


def study_title(study: Study, path: Path) -> str:
    """What the study is called on screen."""
    known = patient_title(study.patient.name, study.patient.patient_id)
    return known or path.name or study.source


def patient_title(name: str, patient_id: str) -> str:
    """Family and given name of a DICOM name, else the id; empty where the files have neither."""
    return ", ".join(part for part in name.split("^")[:2] if part) or patient_id


def study_subtitle(image: DynamicImage | None) -> str:
    """One line about what is shown: tracer, dose, frames, time span, what was done to frames."""
    if image is None:
        return "nothing to show"
    steps = (step.label for step in image.steps)
    parts = (injection_text(image), times_text(image), *steps)
    return DOT.join(part for part in parts if part)


def series_text(series: Series, image: DynamicImage) -> str:
    """One short line about a series of the open study."""
    is_pet = series.kind in (SeriesKind.DYNAMIC, SeriesKind.STATIC)
    kind = "" if is_pet else series.modality or str(series.kind)
    return DOT.join(part for part in (kind, times_text(image)) if part)


def injection_text(image: DynamicImage) -> str:
    """Tracer and dose, as far as known."""
    if image.injection is None:
        return ""
    tracer = image.injection.tracer.partition(" -- ")[0]  # Siemens adds the long name
    parts = [tracer or image.injection.radionuclide.name]
    if image.injection.activity_bq is not None:
        parts.append(f"{image.injection.activity_bq / 1e6:.0f} MBq")
    return DOT.join(part for part in parts if part)


def times_text(image: DynamicImage) -> str:
    """Frames and time span, or slices of a static image."""
    timing = image.timing
    span_s = (float(timing.start_s.min()), float(timing.end_s.max())) if timing.is_known else None
    return span_text(image.frame_count, image.geometry.shape_zyx[0], span_s)


def span_text(frame_count: int, slice_count: int, span_s: tuple[float, float] | None) -> str:
    """Frames and time span of a dynamic image, slices of a static one, or that there is none."""
    if frame_count < 2:
        return f"{slice_count} slices" if slice_count else "nothing to show"
    if span_s is None:
        return f"{frame_count} frames{DOT}{TIME_UNKNOWN}"
    first, last = (f"{round(moment_s / 60)}" for moment_s in span_s)
    return f"{frame_count} frames{DOT}{range_text(first, last)} min"
