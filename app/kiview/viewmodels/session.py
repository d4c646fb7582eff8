"""Regions and choices are kept with the study: restored when it opens, saved when they change."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.errors import KiviewError
from kiview.core.geometry import VolumeGeometry
from kiview.core.input_function import InputSource
from kiview.core.progress import Progress
from kiview.jobs.session import (
    KeepRequest,
    KeptSession,
    is_session_kept,
    keep_session,
    restore_session,
)
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.input_function import InputFunctionViewModel
from kiview.viewmodels.maps import MapsViewModel
from kiview.viewmodels.messages import MessageLevel, MessagesViewModel
from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.study import StudyViewModel
from kiview.viewmodels.views import ViewsViewModel
from kiview.viewmodels.views_memory import restore_views, saved_views

SAVE_AFTER_MS = 800
"""Changes are saved once they rest."""
_NOT_KEPT = "Regions drawn before the kept ones were read are not kept with the study before."
_NOT_RESTORED = (
    "The regions kept with this study were not read, as this was stopped. Open it again to have"
    " them; changes are not kept until then."
)


@dataclass(frozen=True, slots=True, eq=False)
class KeptModels:
    """View models of which something is kept.

    Attributes:
        study: The open series; its confirmed findings.
        rois: Its regions.
        views: Choices about the views.
        input_function: Choices about the input function.
        maps: The window of Patlak.
    """

    study: StudyViewModel
    rois: RoisViewModel
    views: ViewsViewModel
    input_function: InputFunctionViewModel
    maps: MapsViewModel


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """Reading or writing what is kept; one follows the other, so that none reads half a change."""

    title: str
    job: Callable[[Progress], KeptSession | None]
    series_uid: str


class SessionViewModel(QObject):
    """Restores and saves the workspace of the open series, both in the background.

    Nothing is saved before what was kept is there.

    Signals:
        restored: What was kept with the open series has been read, or cannot be.
    """

    restored = Signal()

    def __init__(self, runner: TaskRunner, models: KeptModels, messages: MessagesViewModel) -> None:
        super().__init__()
        self._runner, self._messages = runner, messages
        self._study, self._rois, self._views = models.study, models.rois, models.views
        self._input, self._maps = models.input_function, models.maps
        self._steps: deque[_Step] = deque()  # the first one is under way
        self._task: Task | None = None
        self._awaited: _Step | None = None
        self._series_uid = ""
        self._may_save = False
        self._confirmed: frozenset[str] = frozenset()  # for the series that is still to be saved
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(SAVE_AFTER_MS)
        self._delay.timeout.connect(self.save)
        models.study.series_changed.connect(self._on_series_changed)
        models.rois.rois_changed.connect(self._schedule)
        models.input_function.changed.connect(self._schedule)
        models.maps.changed.connect(self._schedule)
        models.study.findings_changed.connect(self._on_findings_changed)

    @property
    def is_restoring(self) -> bool:
        """Whether what was kept with the open series is still being read."""
        return self._awaited is not None

    @property
    def is_resting(self) -> bool:
        """Whether nothing is being read or written and nothing waits to be."""
        return not self._steps and not self._delay.isActive()

    def save(self) -> None:
        """Keep now, in the background, what belongs to the open series."""
        self._delay.stop()
        uid = self._series_uid
        if not uid or not self._may_save:
            return
        request = KeepRequest(uid, self._rois.rois, saved_views(self._views), self._choices())
        job = partial(keep_session, request)
        self._queue(_Step("Keeping regions", job, uid))

    def _schedule(self) -> None:
        if self._series_uid and self._may_save:
            self._delay.start()

    def _on_findings_changed(self) -> None:
        self._confirmed = self._study.confirmed
        self._schedule()

    def _on_series_changed(self) -> None:
        series, arriving = self._study.series, self._study.arriving
        image = self._study.image if arriving is None else arriving.image
        uid = "" if series is None else series.uid
        if arriving is not None:
            uid = arriving.image.series_uid
        if uid == self._series_uid:
            self._confirmed = self._study.confirmed
            return
        if self._delay.isActive():
            self.save()
        self._leave()
        self._series_uid = uid
        self._rois.clear()
        self._confirmed = self._study.confirmed
        if image is None:
            return
        is_being_kept = any(step.series_uid == uid for step in self._steps)
        if is_being_kept or is_session_kept(uid):
            self._restore(uid, image.geometry)
        else:
            self._may_save = True

    def _leave(self) -> None:
        """What was kept with the series before is no longer wanted."""
        awaited, self._awaited, self._may_save = self._awaited, None, False
        if awaited is None:
            return
        if self._rois.rois:
            self._messages.show(_NOT_KEPT, MessageLevel.WARNING)
        if self._task is not None and self._steps[0] is awaited:
            self._task.cancel()
        else:
            self._steps.remove(awaited)

    def _restore(self, uid: str, geometry: VolumeGeometry) -> None:
        job = partial(restore_session, uid, geometry)
        self._awaited = _Step("Restoring regions", job, uid)
        self._queue(self._awaited)

    def _queue(self, step: _Step) -> None:
        self._steps.append(step)
        if len(self._steps) == 1:
            self._begin()

    def _begin(self) -> None:
        step = self._steps[0]
        self._task = self._runner.start(step.title, step.job)
        self._task.succeeded.connect(self._on_succeeded)
        self._task.failed.connect(self._on_failed)
        self._task.cancelled.connect(self._on_cancelled)
        self._task.finished.connect(self._on_finished)

    @property
    def _is_awaited(self) -> bool:
        """Whether what is under way restores the series that is open."""
        return self._steps[0] is self._awaited

    def _on_succeeded(self, kept: KeptSession | None) -> None:
        if not self._is_awaited:
            return
        if kept is not None:
            self._take(kept)
        self._may_save = True

    def _on_failed(self, failure: TaskFailure) -> None:
        self._messages.show(failure.message, MessageLevel.WARNING)
        self._may_save = self._may_save or self._is_awaited

    def _on_cancelled(self) -> None:
        if self._is_awaited:
            self._messages.show(_NOT_RESTORED, MessageLevel.WARNING)

    def _on_finished(self) -> None:
        was_awaited = self._is_awaited
        self._steps.popleft()
        self._task = None
        if self._steps:
            self._begin()
        if was_awaited:
            self._awaited = None
            self.restored.emit()

    def _take(self, kept: KeptSession) -> None:
        self._rois.restore(kept.rois, kept.voxels)
        try:
            restore_views(self._views, kept.views)
            self._restore_choices(kept.choices)
        except KiviewError as error:
            self._messages.show(str(error), MessageLevel.WARNING)

    def _choices(self) -> dict[str, Any]:
        start_s, end_s = self._input.scale_window_s
        return {
            "input_source": str(self._input.source),
            "input_region": self._input.roi_id,
            "scale_window_min": [start_s / 60, end_s / 60],
            "plasma_factor": self._input.plasma_factor,
            "patlak_window_min": [self._maps.start_min, self._maps.end_min],
            "confirmed": sorted(self._confirmed),
        }

    def _restore_choices(self, choices: Mapping[str, Any]) -> None:
        try:
            source = InputSource(choices["input_source"])
            if source is not InputSource.SAMPLES:
                self._input.use_source(source)
            self._input.use_region(str(choices["input_region"]))
            start, end = choices["scale_window_min"]
            self._input.set_scale_window_min(float(start), float(end))
            self._input.set_plasma_factor(float(choices["plasma_factor"]))
            start, end = choices["patlak_window_min"]
            self._maps.set_window_min(float(start), float(end))
            self._study.restore_confirmed(frozenset(map(str, choices.get("confirmed", ()))))
        except (KeyError, TypeError, ValueError, OverflowError):
            text = "Some choices saved with this study could not be restored; check the panels."
            self._messages.show(text, MessageLevel.WARNING)
