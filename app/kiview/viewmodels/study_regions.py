"""Regions in files: structure sets and segmentations of the study, and saving what was drawn."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from kiview.core.progress import Progress
from kiview.core.region_object import RegionObject
from kiview.jobs.region_objects import ReadStructures, StructuresRequest, position_problem
from kiview.jobs.save_regions import SaveRegionsRequest
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.messages import MessageLevel, MessagesViewModel
from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.study import StudyViewModel

ReadJob = Callable[[StructuresRequest, Progress], ReadStructures]
SaveJob = Callable[[SaveRegionsRequest, Progress], str]
_MOST_TOLD = 3


class StudyRegionsViewModel(QObject):
    """Reads regions of the study's own objects, and saves regions to files.

    Signals:
        changed: Another study is open, or reading or saving began or ended.
        position_asked: (sentence, object, numbers): the positions may not be those of the image.
            Answer with `read(..., trusts_position=True)`.
    """

    changed = Signal()
    position_asked = Signal(str, object, object)

    def __init__(
        self,
        runner: TaskRunner,
        study: StudyViewModel,
        rois: RoisViewModel,
        messages: MessagesViewModel,
        read_job: ReadJob,
        save_job: SaveJob,
    ) -> None:
        super().__init__()
        self._runner, self._study, self._rois, self._messages = runner, study, rois, messages
        self._read_job, self._save_job = read_job, save_job
        self._task: Task | None = None
        self._series_uid = ""
        study.study_changed.connect(self.changed)
        study.series_changed.connect(self._on_series_changed)
        rois.rois_changed.connect(self.changed)

    @property
    def objects(self) -> tuple[RegionObject, ...]:
        """Structure sets and segmentations of the open study."""
        return () if self._study.study is None else self._study.study.region_objects

    @property
    def structure_count(self) -> int:
        """Structures in all of them together."""
        return sum(len(one.structures) for one in self.objects)

    @property
    def is_running(self) -> bool:
        """Whether something is being read or saved."""
        return self._task is not None

    @property
    def why_not_save(self) -> str:
        """What keeps regions from being saved, or an empty text."""
        if self._study.image is None:
            return "Open a study first."
        return "" if self._rois.rois else "Draw or read a region first."

    def read(
        self, source: RegionObject, numbers: tuple[int, ...], trusts_position: bool = False
    ) -> None:
        """Read structures in the background; asks first when they may lie elsewhere.

        Args:
            source: The object.
            numbers: Which of its structures; empty for all.
            trusts_position: Whether the user was asked and agreed.
        """
        image = self._study.image
        if self._task is not None or image is None:
            return
        chosen = tuple(one for one in source.structures if not numbers or one.number in numbers)
        problem = position_problem(chosen, image.geometry)
        if chosen and problem and not trusts_position:
            self.position_asked.emit(problem, source, numbers)
            return
        wanted = tuple(one.number for one in chosen)
        request = StructuresRequest(source, wanted, image.geometry, trusts_position)
        self._series_uid = "" if self._study.series is None else self._study.series.uid
        self._start("Reading structures", partial(self._read_job, request), self._on_read)

    def save(self, path: Path, overwrite: bool = False) -> None:
        """Write all regions to a file; the ending says how.

        Args:
            path: See `kiview.jobs.save_regions`.
            overwrite: Whether a file of the same name is replaced.
        """
        study, series, image = self._study.study, self._study.series, self._study.image
        if self._task is not None:
            return
        if self.why_not_save or study is None or series is None or image is None:
            self._messages.show_failure(TaskFailure(self.why_not_save))
            return
        request = SaveRegionsRequest(
            path=path,
            rois=self._rois.rois,
            geometry=image.geometry,
            patient=study.patient,
            source_files=series.source_files,
            overwrite=overwrite,
        )
        self._start("Saving regions", partial(self._save_job, request), self._on_saved)

    def _start(
        self, title: str, job: Callable[[Progress], object], on_done: Callable[[object], None]
    ) -> None:
        self._task = self._runner.start(title, job)
        self._task.succeeded.connect(on_done)
        self._task.failed.connect(self._messages.show_failure)
        self._task.finished.connect(self._on_finished)
        self.changed.emit()

    def _on_series_changed(self) -> None:
        """Structures that are still being read were meant for the series before."""
        if self._task is not None and self._series_uid:
            self._task.cancel()
        self.changed.emit()

    def _on_read(self, read: object) -> None:
        series = self._study.series
        if not isinstance(read, ReadStructures) or series is None or series.uid != self._series_uid:
            return
        self._rois.add_all(read.rois, read.voxels)
        if read.findings:
            more = len(read.findings) - _MOST_TOLD
            told = [*read.findings[:_MOST_TOLD], *([f"And {more} more."] if more > 0 else [])]
            details = "\n".join(read.findings)
            self._messages.show(" ".join(told), MessageLevel.WARNING, details)

    def _on_saved(self, told: object) -> None:
        self._messages.show(str(told), MessageLevel.NOTE)

    def _on_finished(self) -> None:
        if self.sender() is self._task:
            self._task, self._series_uid = None, ""
            self.changed.emit()
