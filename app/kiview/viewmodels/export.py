"""What is written where, whether it may be written, and the writing."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.core.progress import Progress
from kiview.jobs.export import DEFAULT_END_S, ExportFormat, ExportRequest, export_names
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.input_function import InputFunctionViewModel
from kiview.viewmodels.marks import in_words
from kiview.viewmodels.messages import MessageLevel, MessagesViewModel
from kiview.viewmodels.results import METHOD_NAMES, ResultsViewModel
from kiview.viewmodels.study import StudyViewModel

ExportJob = Callable[[ExportRequest, Progress], tuple[Path, ...]]


class ExportViewModel(QObject):
    """Choices about the export, and its runs.

    Attributes:
        formats: Chosen forms.
        folder: Chosen folder, or None.
        written: What the last export wrote.

    Signals:
        changed: A choice, readiness or the state of a run changed.
        overwrite_asked: Files exist; the names that would be replaced. Answer with `export(True)`.
    """

    changed = Signal()
    overwrite_asked = Signal(object)

    def __init__(
        self,
        runner: TaskRunner,
        study: StudyViewModel,
        input_function: InputFunctionViewModel,
        results: ResultsViewModel,
        messages: MessagesViewModel,
        job: ExportJob,
    ) -> None:
        super().__init__()
        self._runner, self._study, self._input = runner, study, input_function
        self._results, self._messages, self._job = results, messages, job
        self._task: Task | None = None
        self._chosen = {ExportFormat.NIFTI, ExportFormat.DICOM}
        self._left_out: set[str] = set()
        self.folder: Path | None = None
        self.written: tuple[Path, ...] = ()
        results.changed.connect(self.changed)
        study.study_changed.connect(self._on_study_changed)
        study.findings_changed.connect(self.changed)

    @property
    def formats(self) -> tuple[ExportFormat, ...]:
        """Chosen forms."""
        return tuple(form for form in ExportFormat if form in self._chosen)

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods whose runs would be written."""
        return tuple(r.method for r in self._results.all if r.method not in self._left_out)

    def is_wanted(self, method: str) -> bool:
        """Whether the run of a method is to be written once there is one."""
        return method not in self._left_out

    def warnings(self, method: str) -> str:
        """What has to be said about the run of a method, `MODIFIED` for example; mostly empty."""
        result = self._results.get(method)
        if result is None:
            return ""
        return in_words((*result.marks, *filter(None, (result.entered,))))

    @property
    def is_running(self) -> bool:
        """Whether an export is under way."""
        return self._task is not None

    @property
    def why_not(self) -> str:
        """What keeps the maps from being written, or an empty text."""
        chosen = [result for result in self._results.all if result.method in self.methods]
        if not self._results.all:
            return "Compute a map first."
        if not chosen:
            return "Choose at least one map."
        stale = [METHOD_NAMES[result.method] for result in chosen if result.is_stale]
        if stale:
            return f"The {' and '.join(stale)} map is out of date; compute again before exporting."
        if not self._chosen:
            return "Choose at least one format."
        return "" if self.folder is not None else "Choose a folder."

    @property
    def status(self) -> str:
        """One line for the panel."""
        if self.is_running:
            return "Writing\N{HORIZONTAL ELLIPSIS}"
        if self.why_not:
            return self.why_not
        count = len(self.written)
        state = f"{count} files and folders written." if count else "Ready to write."
        return " ".join(filter(None, (state, self._study.not_confirmed)))

    def set_format(self, form: ExportFormat, chosen: bool) -> None:
        """Write in this form, or not."""
        self._chosen = self._chosen | {form} if chosen else self._chosen - {form}
        self.changed.emit()

    def set_method(self, method: str, chosen: bool) -> None:
        """Write the run of this method, or not."""
        self._left_out = self._left_out - {method} if chosen else self._left_out | {method}
        self.changed.emit()

    def set_folder(self, folder: Path | None) -> None:
        """Choose where to write."""
        self.folder = folder
        self.written = ()
        self.changed.emit()

    def export(self, overwrite: bool = False) -> None:
        """Write; asks first when something would be replaced."""
        if self._task is not None:
            return
        if self.why_not:
            self._messages.show_failure(TaskFailure(self.why_not))
            return
        request = self.request()
        if not overwrite:
            taken = tuple(n for n in export_names(request) if (request.folder / n).exists())
            if taken:
                self.overwrite_asked.emit(taken)
                return
        request = replace(request, overwrite=overwrite)
        self._task = self._runner.start("Export", partial(self._job, request))
        self._task.succeeded.connect(self._on_succeeded)
        self._task.failed.connect(self._messages.show_failure)
        self._task.finished.connect(self._on_finished)
        self.changed.emit()

    def request(self) -> ExportRequest:
        """Everything to be written, as chosen.

        Raises:
            InvalidInputError: something is missing; the text says what.
        """
        study, series = self._study.study, self._study.series
        if self.why_not or study is None or series is None or self.folder is None:
            raise InvalidInputError(self.why_not)
        image = self._study.image
        end_s = DEFAULT_END_S if image is None else float(image.timing.end_s.max())
        return ExportRequest(
            results=tuple(r.maps for r in self._results.all if r.method in self.methods),
            folder=self.folder,
            formats=self.formats,
            patient=study.patient,
            source_files=series.source_files,
            input_function=self._input.input_function,
            end_s=end_s,
            findings=tuple(self._study.told(finding) for finding in series.findings),
        )

    def _on_study_changed(self) -> None:
        self.written = ()
        self.changed.emit()

    def _on_succeeded(self, written: tuple[Path, ...]) -> None:
        self.written = written
        where = "" if self.folder is None else f" to {self.folder}"
        self._messages.show(f"Wrote {len(written)} files and folders{where}.", MessageLevel.NOTE)

    def _on_finished(self) -> None:
        self._task = None
        self.changed.emit()
