"""The open study: opening, its findings, and the values that the user enters for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.core.images import DynamicImage
from kiview.core.progress import Progress
from kiview.core.study import Finding, Series, SeriesKind, Study, Verdict
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.missing_values import missing_value, parse_entry

Overrides = Mapping[str, float | str]
OpenJob = Callable[[Path, Overrides, Progress], Study]


@dataclass(frozen=True, slots=True)
class KnownStudy:
    """A study that was opened in this session.

    Attributes:
        path: Where it was opened from.
        title: What the list calls it.
        subtitle: One line about it.
    """

    path: Path
    title: str
    subtitle: str


class StudyViewModel(QObject):
    """Opens studies and holds the one that is open.

    Attributes:
        study: What is open, or None.
        series: The series that is shown and computed on, or None.
        path: Where the open study came from.
        known: Studies opened in this session, latest first.

    Signals:
        study_changed: Another study (or none) is open, or it was read again with entered values.
        series_changed: Another series is shown.
        opening_changed: Opening began or ended.
        open_failed: `TaskFailure`; the study that was open stays.
    """

    study_changed = Signal()
    series_changed = Signal()
    opening_changed = Signal()
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
        self._asked: tuple[Path, dict[str, float | str]] | None = None
        self._overrides: dict[str, float | str] = {}
        self._pending_fields: tuple[str, ...] = ()
        self.study: Study | None = None
        self.series: Series | None = None
        self.path: Path | None = None
        self.known: tuple[KnownStudy, ...] = ()

    @property
    def is_opening(self) -> bool:
        """Whether a study is being read."""
        return self._task is not None

    @property
    def image(self) -> DynamicImage | None:
        """The voxels that are shown and computed on."""
        return None if self.series is None else self.series.image

    @property
    def overrides(self) -> Overrides:
        """Values that the user entered for the open study."""
        return dict(self._overrides)

    @property
    def identity(self) -> str:
        """Changes whenever results computed before no longer belong to what is open."""
        if self.series is None:
            return ""
        given = ",".join(f"{name}={self._overrides[name]}" for name in sorted(self._overrides))
        return f"{self.series.uid}|{given}"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed about the shown series."""
        return () if self.series is None else self.series.findings

    @property
    def missing_fields(self) -> tuple[str, ...]:
        """Values that would help, each once, including those a failed opening asked for."""
        named = [field for finding in self.findings for field in finding.fields]
        return tuple(dict.fromkeys([*self._pending_fields, *named]))

    @property
    def suv_verdict(self) -> Verdict:
        """Whether SUV may be shown."""
        return Verdict.REFUSED if self.series is None else self.series.suv_verdict

    @property
    def kinetics_verdict(self) -> Verdict:
        """Whether Ki may be computed."""
        return Verdict.REFUSED if self.series is None else self.series.kinetics_verdict

    def open_path(self, path: Path, overrides: Overrides | None = None) -> None:
        """Read a study; it replaces the open one when that worked."""
        if self._task is not None:
            self._task.cancel()
        self._asked = (path, dict(overrides or {}))
        job = partial(self._open_job, *self._asked)
        task = self._runner.start(f"Opening {path.name or path}", job)
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
        path = self._asked[0] if self._asked is not None else self.path
        if path is not None:
            self.open_path(path, {**self._overrides, **values})

    def show_series(self, uid: str) -> None:
        """Show another series of the open study."""
        for series in self.study.series if self.study is not None else ():
            if series.uid == uid and series.image is not None and series is not self.series:
                self.series = series
                self.series_changed.emit()

    def close_study(self) -> None:
        """Forget the open study and free its voxels."""
        self.study = self.series = self.path = None
        self._overrides, self._pending_fields = {}, ()
        self.study_changed.emit()
        self.series_changed.emit()

    def _on_opened(self, study: Study) -> None:
        if self.sender() is not self._task or self._asked is None:
            return
        self.path, self._overrides = self._asked
        self._pending_fields = ()
        self.study, self.series = study, study.main_series
        self._remember(study)
        self.study_changed.emit()
        self.series_changed.emit()

    def _on_failed(self, failure: TaskFailure) -> None:
        if self.sender() is not self._task:
            return
        self._pending_fields = failure.fields
        self._messages.show_failure(failure)
        self.open_failed.emit(failure)

    def _on_finished(self) -> None:
        if self.sender() is self._task:
            self._task = None
            self.opening_changed.emit()

    def _remember(self, study: Study) -> None:
        if self.path is None:
            return
        known = KnownStudy(self.path, study_title(study, self.path), study_subtitle(self.series))
        others = [other for other in self.known if other.path != self.path]
        self.known = (known, *others)


def study_title(study: Study, path: Path) -> str:
    """What the study is called on screen."""
    return study.patient.name or study.patient.patient_id or path.name or study.source


def study_subtitle(series: Series | None) -> str:
    """One line about a series: tracer, dose, frames, time span."""
    if series is None or series.image is None:
        return "nothing to show"
    return series_text(series, series.image)


def series_text(series: Series, image: DynamicImage) -> str:
    """Tracer, dose, frames and time span of a series, as far as known."""
    parts = []
    if series.kind not in (SeriesKind.DYNAMIC, SeriesKind.STATIC):
        parts.append(series.modality or str(series.kind))
    if image.injection is not None:
        parts.append(image.injection.tracer or image.injection.radionuclide.name)
        if image.injection.activity_bq is not None:
            parts.append(f"{image.injection.activity_bq / 1e6:.0f} MBq")
    z = image.geometry.shape_zyx[0]
    if image.is_dynamic:
        first, last = image.timing.start_s.min() / 60, image.timing.end_s.max() / 60
        parts.append(f"{image.frame_count} frames")
        parts.append(f"{first:.0f}\N{EN DASH}{last:.0f} min")
    else:
        parts.append(f"static, {z} slices")
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)
