"""The Patlak plot of the selected region, or of the voxel under the cursor."""

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.errors import KiviewError
from kiview.core.patlak_plot import PatlakPlot, patlak_plot
from kiview.core.timing import FrameTiming
from kiview.viewmodels.curves import TIMES_UNKNOWN, CurvesViewModel
from kiview.viewmodels.input_function import InputFunctionViewModel
from kiview.viewmodels.maps import MapsViewModel
from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.study import StudyViewModel
from kiview.viewmodels.views import ViewsViewModel

UPDATE_MS = 40
"""The plot follows a moving cursor at this pace."""


class PatlakPointViewModel(QObject):
    """What the Patlak plot shows.

    Attributes:
        plot: Points and line, or None.
        name: What they belong to.
        problem: Why there is none.

    Signals:
        changed: Another plot, or none, is to be shown.
    """

    changed = Signal()

    def __init__(
        self,
        study: StudyViewModel,
        rois: RoisViewModel,
        curves: CurvesViewModel,
        input_function: InputFunctionViewModel,
        maps: MapsViewModel,
        views: ViewsViewModel,
    ) -> None:
        super().__init__()
        self._study, self._rois, self._curves = study, rois, curves
        self._input, self._maps, self._views = input_function, maps, views
        self.plot: PatlakPlot | None = None
        self.name = ""
        self.problem = ""
        self._follows_cursor = True
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(UPDATE_MS)
        self._delay.timeout.connect(self._update)
        views.link.cursor_changed.connect(self._on_cursor_changed)
        rois.selection_changed.connect(self._on_selection_changed)
        for signal in (curves.changed, maps.changed, study.series_changed):
            signal.connect(self._schedule)

    def _on_cursor_changed(self) -> None:
        self._follows_cursor = True
        self._schedule()

    def _on_selection_changed(self) -> None:
        self._follows_cursor = self._rois.selected is None
        self._schedule()

    def _schedule(self) -> None:
        if not self._delay.isActive():
            self._delay.start()

    def _update(self) -> None:
        self.plot, self.problem = None, ""
        try:
            self._make_plot()
        except KiviewError as error:
            self.problem = str(error)
        self.changed.emit()

    def _make_plot(self) -> None:
        image, input_function = self._study.image, self._input.input_function
        if image is None or not image.is_dynamic or input_function is None:
            is_static = image is not None and not image.is_dynamic
            self.problem = self._input.problem if is_static else ""
            return
        if not image.timing.is_known:
            self.problem = TIMES_UNKNOWN
            return
        curve = self._curve()
        if curve is None:
            self.problem = "Move the cursor into the image."
            return
        timing, activity = curve
        self.plot = patlak_plot(timing, activity, input_function, self._maps.settings)

    def _curve(self) -> tuple[FrameTiming, "np.ndarray[tuple[int], np.dtype[np.float64]]"] | None:
        selected = self._rois.selected
        if selected is not None and not self._follows_cursor:
            known = self._curves.get(selected.roi_id)
            if known is not None and known.curve is not None:
                self.name = selected.name
                return known.curve.timing, known.curve.mean
        return self._curve_at_cursor()

    def _curve_at_cursor(
        self,
    ) -> tuple[FrameTiming, "np.ndarray[tuple[int], np.dtype[np.float64]]"] | None:
        image = self._study.image
        if image is None:
            return None
        index = image.geometry.nearest_index(self._views.link.cursor_lps_mm)
        if index is None:
            return None
        self.name = "cursor"
        at = np.array(index)
        values = [float(image.store.voxels_at(at, t)) for t in range(image.frame_count)]
        timing = image.timing
        chosen = timing.slice_timing(index[0]) if timing.is_per_slice else timing
        return chosen, np.array(values)
