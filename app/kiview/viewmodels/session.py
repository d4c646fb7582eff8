"""Regions and choices are kept with the study: restored when it opens, saved when they change."""

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, QTimer

from kiview.core.errors import KiviewError
from kiview.core.input_function import InputSource
from kiview.io import workspace
from kiview.io.workspace import Workspace
from kiview.viewmodels.input_function import InputFunctionViewModel
from kiview.viewmodels.maps import MapsViewModel
from kiview.viewmodels.messages import MessageLevel, MessagesViewModel
from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.study import StudyViewModel
from kiview.viewmodels.views import ViewsViewModel
from kiview.viewmodels.views_memory import restore_views, saved_views

SAVE_AFTER_MS = 800
"""Changes are saved once they rest."""


class SessionViewModel(QObject):
    """Restores and saves the workspace of the open series."""

    def __init__(
        self,
        study: StudyViewModel,
        rois: RoisViewModel,
        views: ViewsViewModel,
        input_function: InputFunctionViewModel,
        maps: MapsViewModel,
        messages: MessagesViewModel,
    ) -> None:
        super().__init__()
        self._study, self._rois, self._views = study, rois, views
        self._input, self._maps, self._messages = input_function, maps, messages
        self._series_uid = ""
        self._may_save = False
        self._confirmed: frozenset[str] = frozenset()  # for the series that is still to be saved
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(SAVE_AFTER_MS)
        self._delay.timeout.connect(self.save)
        study.series_changed.connect(self._on_series_changed)
        rois.rois_changed.connect(self._schedule)
        input_function.changed.connect(self._schedule)
        maps.changed.connect(self._schedule)
        study.findings_changed.connect(self._on_findings_changed)

    def save(self) -> None:
        """Save now what belongs to the open series."""
        self._delay.stop()
        if not self._series_uid or not self._may_save:
            return
        kept = Workspace(self._rois.to_dict(), saved_views(self._views), self._choices())
        try:
            workspace.save(self._series_uid, kept)
        except KiviewError as error:
            self._messages.show(str(error), MessageLevel.WARNING)

    def _schedule(self) -> None:
        if self._series_uid and self._may_save:
            self._delay.start()

    def _on_findings_changed(self) -> None:
        self._confirmed = self._study.confirmed
        self._schedule()

    def _on_series_changed(self) -> None:
        series, arriving = self._study.series, self._study.arriving
        uid = "" if series is None else series.uid
        if arriving is not None:
            uid = arriving.image.series_uid
        if uid == self._series_uid:
            self._confirmed = self._study.confirmed
            return
        if self._delay.isActive():
            self.save()
        self._series_uid, self._may_save = uid, False
        self._rois.clear()
        if uid:
            self._restore(uid)
        self._confirmed = self._study.confirmed
        self._may_save = True

    def _restore(self, uid: str) -> None:
        try:
            kept = workspace.load(uid)
            if kept is None:
                return
            self._rois.restore(kept.regions)
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
