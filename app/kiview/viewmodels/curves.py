"""Curves of the regions, read in the background and kept until a region or the image changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.errors import KiviewError
from kiview.core.images import DynamicImage
from kiview.core.progress import Progress
from kiview.core.roi import Roi, RoiMask
from kiview.core.tac import TimeActivityCurve, extract
from kiview.tasks import Task, TaskRunner
from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.study import StudyViewModel

TIMES_UNKNOWN = (
    "The times of the frames are unknown, so there is no curve over time; enter them (Frames, under"
    " Checks)."
)
"""Why nothing is drawn or derived over the times of stand-ins."""
SETTLE_MS = 120
"""A region that is being dragged is read once it rests."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionCurve:
    """What is known of one region's curve.

    Attributes:
        roi: The region it was read with.
        curve: The curve, or None when it could not be read.
        mask: Its voxels, or None likewise.
        problem: Why not, or an empty text.
    """

    roi: Roi
    curve: TimeActivityCurve | None = None
    mask: RoiMask | None = None
    problem: str = ""


class CurvesViewModel(QObject):
    """Curves of all regions on the shown series.

    Signals:
        changed: A curve came, went or was read again.
    """

    changed = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        study: StudyViewModel,
        rois: RoisViewModel,
    ) -> None:
        super().__init__()
        self._runner, self._study, self._rois = runner, study, rois
        self._task: Task | None = None
        self._curves: dict[str, RegionCurve] = {}
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._read_again)
        rois.rois_changed.connect(self._on_rois_changed)
        study.series_changed.connect(self._on_series_changed)

    @property
    def all(self) -> Mapping[str, RegionCurve]:
        """Region id -> what is known of its curve, in the order of the regions."""
        return {roi.roi_id: self._curves[roi.roi_id] for roi in self._known_rois()}

    @property
    def is_reading(self) -> bool:
        """Whether some curve is not up to date yet."""
        return self._task is not None or self._settle.isActive()

    def get(self, roi_id: str) -> RegionCurve | None:
        """The curve of one region, if it was read."""
        return self._curves.get(roi_id)

    def _known_rois(self) -> list[Roi]:
        return [roi for roi in self._rois.rois if roi.roi_id in self._curves]

    def _on_series_changed(self) -> None:
        if self._task is not None:  # it reads another image
            self._task.cancel()
            self._task = None
        self._curves.clear()
        self.changed.emit()
        self._settle.start()

    def _on_rois_changed(self) -> None:
        present = {roi.roi_id for roi in self._rois.rois}
        for gone in set(self._curves) - present:
            del self._curves[gone]
            self.changed.emit()
        if self._outdated():
            self._settle.start()

    def _outdated(self) -> list[Roi]:
        """Regions whose curve was read with another shape, or never."""
        return [roi for roi in self._rois.rois if self._is_outdated(roi)]

    def _is_outdated(self, roi: Roi) -> bool:
        known = self._curves.get(roi.roi_id)
        return known is None or known.roi != roi

    def _read_again(self) -> None:
        if self._task is not None:
            self._task.cancel()
        image, rois = self._study.image, self._outdated()
        if image is None or not rois:
            return
        job = partial(read_curves, image, rois)
        task = self._runner.start("Region curves", job)
        task.succeeded.connect(self._on_read)
        task.finished.connect(self._on_finished)
        self._task = task

    def _on_read(self, curves: dict[str, RegionCurve]) -> None:
        if self.sender() is self._task:
            self._curves.update(curves)
            self.changed.emit()

    def _on_finished(self) -> None:
        if self.sender() is self._task:
            self._task = None
            self._on_rois_changed()


def read_curves(image: DynamicImage, rois: list[Roi], progress: Progress) -> dict[str, RegionCurve]:
    """Read the curves of some regions; a region outside the image is told, not raised."""
    curves: dict[str, RegionCurve] = {}
    for done, roi in enumerate(rois):
        progress.step(done / len(rois), roi.name)
        try:
            mask = roi.rasterise(image.geometry)
            curves[roi.roi_id] = RegionCurve(roi, extract(image, mask), mask)
        except KiviewError as error:
            curves[roi.roi_id] = RegionCurve(roi, problem=str(error))
    return curves
