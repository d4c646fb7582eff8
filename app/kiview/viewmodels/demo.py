"""The demo study: opened, regions placed, both maps computed, without a question."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from kiview.core.roi import Roi
from kiview.viewmodels.results import NETWORK, PATLAK
from kiview.viewmodels.window import WindowModels

FindRegions = Callable[[Path], tuple[Roi, ...]]
"""The aorta and some lesions of the demo study, from the description beside it."""


class DemoViewModel(QObject):
    """Leads from nothing to both maps.

    Signals:
        ready: Both maps (or the Patlak map, when no network can run) are there.
        stuck: It cannot go on; the banner says why.
    """

    ready = Signal()
    stuck = Signal()

    def __init__(self, folder: Path, models: WindowModels, find_regions: FindRegions) -> None:
        super().__init__()
        self._folder, self._find_regions = folder, find_regions
        self._study, self._rois, self._results = models.study, models.rois, models.results
        self._maps, self._network, self._session = models.maps, models.network, models.session
        study, maps, network = models.study, models.maps, models.network
        self._is_leading = False
        self._tried: set[str] = set()
        study.series_changed.connect(self._on_series_changed)
        models.session.restored.connect(self._on_series_changed)
        study.open_failed.connect(self._on_failed)
        maps.changed.connect(self._go_on)
        network.changed.connect(self._go_on)

    def start(self) -> None:
        """Open the demo study as its files are; it is made first where it does not exist."""
        self._is_leading = True
        self._tried.clear()
        self._study.open_path(self._folder, {})

    def _on_series_changed(self) -> None:
        if not self._is_leading or self._study.path != self._folder:
            self._is_leading = False
            return
        if self._study.series is None or self._session.is_restoring:  # still being read
            return
        if not self._rois.rois:
            for roi in self._find_regions(self._folder):
                self._rois.add(roi.shape, roi.name, roi.colour)
            self._rois.select(None)
        self._go_on()

    def _on_failed(self, _failure: object) -> None:
        if self._is_leading:
            self._is_leading = False
            self.stuck.emit()

    def _go_on(self) -> None:
        """Take the next step that is possible now."""
        if not self._is_leading or self._study.is_opening:
            return
        if self._maps.is_running or self._network.is_running or self._maps.why_not:
            return
        if self._is_wanted(PATLAK):
            self._tried.add(PATLAK)
            self._maps.compute()
        elif not self._network.why_not and self._is_wanted(NETWORK):
            self._tried.add(NETWORK)
            self._network.compute()
        else:
            self._is_leading = False
            self.ready.emit()

    def _is_wanted(self, method: str) -> bool:
        """Whether a map is missing; a run that failed is not tried again by itself."""
        result = self._results.get(method)
        return method not in self._tried and (result is None or result.is_stale)
