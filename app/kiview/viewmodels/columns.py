"""Keeps the columns of the views in step with the study and the results."""

from PySide6.QtCore import QObject, Signal

from kiview.core.arriving import ArrivingFrameStore, ArrivingImage
from kiview.core.images import DynamicImage, MapSet, ParametricMap
from kiview.core.study import Series
from kiview.core.units import KI_STANDARD_DEVIATION, KI_STANDARD_ERROR
from kiview.viewmodels.agreement import AgreementViewModel
from kiview.viewmodels.results import METHOD_NAMES, NETWORK, Result, ResultsViewModel
from kiview.viewmodels.study import StudyViewModel
from kiview.viewmodels.views import ViewsViewModel

USUAL_QUANTITIES = ("Ki", "V0", "KiSE")
"""Offered before anything is computed."""


class ColumnsCoordinator(QObject):
    """Shows frames and maps beside each other, marks what is stale and names what differs.

    Attributes:
        quantity: Code of the maps that are shown.

    Signals:
        changed: Another quantity is shown, or others can be.
    """

    changed = Signal()

    def __init__(
        self,
        study: StudyViewModel,
        results: ResultsViewModel,
        agreement: AgreementViewModel,
        views: ViewsViewModel,
    ) -> None:
        super().__init__()
        self._study, self._results = study, results
        self._agreement, self._views = agreement, views
        self._shown: dict[str, Result] = {}
        self._series_uid = ""
        self._study_uid = ""
        self.quantity = "Ki"
        study.series_changed.connect(self._on_series_changed)
        study.arriving_changed.connect(self._on_arriving_changed)
        results.changed.connect(self._on_results_changed)
        agreement.changed.connect(self._mark)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Codes of the maps that can be shown: the usual ones, and what the runs have besides."""
        known = [each.quantity.code for run in self._results.all for each in run.maps.maps]
        return tuple(dict.fromkeys([*USUAL_QUANTITIES, *known]))

    def show_quantity(self, code: str) -> None:
        """Show another map of each run, for example `V0`."""
        self.quantity = code
        self._shown.clear()
        self._on_results_changed()

    def _on_series_changed(self) -> None:
        series, image = self._study.series, self._study.image
        if series is not None and image is not None and self._is_shown(series, image):
            self._views.replace_image(image)
            self._results.judge()
            return
        self._series_uid = "" if series is None else series.uid
        self._shown.clear()
        if self._study.arriving is not None:  # maps of the study put aside are kept
            self._show_arriving(self._study.arriving)
        else:
            self._forget_other_study()
            self._show_whole(image)
        self._results.switch_to(self._series_uid)

    def _is_shown(self, series: Series, image: DynamicImage) -> bool:
        """Whether the views show this series on this grid: its files may have changed."""
        shown = self._views.image
        return (
            series.uid == self._series_uid
            and shown is not None
            and shown.geometry.matches(image.geometry)
        )

    def _on_arriving_changed(self) -> None:
        if self._study.arriving is not None:
            self._show_arriving(self._study.arriving)

    def _show_arriving(self, arriving: ArrivingImage) -> None:
        """Show an image whose frames are still being read, or tell that more have come."""
        if self._views.image is arriving.image:
            self._views.frames.set_arrived(arriving.frames)
        else:
            self._views.set_image(arriving.image, arriving.frames)

    def _show_whole(self, image: DynamicImage | None) -> None:
        """Show another image; one that was shown while it was read keeps cursor and frame."""
        seen = self._views.image
        if (
            image is not None
            and seen is not None
            and isinstance(seen.store, ArrivingFrameStore)
            and seen.series_uid == image.series_uid
            and seen.store.shape_tzyx == image.store.shape_tzyx
        ):
            self._views.replace_image(image)
        else:
            self._views.set_image(image)

    def _forget_other_study(self) -> None:
        study = self._study.study
        uid = "" if study is None else f"{study.uid}|{study.source}"
        if uid != self._study_uid:
            self._study_uid = uid
            self._results.forget()

    def _on_results_changed(self) -> None:
        if self._study.arriving is not None:  # a run that ends now belongs to another study
            return
        for result in self._results.all:
            shown = self._shown.get(result.method)
            if shown is None or shown.maps is not result.maps:
                self._show(result)
            self._shown[result.method] = result
        for method in set(self._shown) - {result.method for result in self._results.all}:
            del self._shown[method]
            self._views.remove_map(method)
        self._mark()
        self.changed.emit()

    def _show(self, result: Result) -> None:
        codes = [each.quantity.code for each in result.maps.maps]
        if self.quantity not in codes:
            self._views.remove_map(result.method)
            return
        chosen = result.maps.by_code(self.quantity)
        name = METHOD_NAMES[result.method]
        short = name if result.method != NETWORK else name.lower()
        title = f"{name} {chosen.quantity.label}"
        spread = _spread_of(result.maps) if chosen is result.maps.main else None
        self._views.set_map(result.method, chosen, title, short, result.summary, spread)

    def _mark(self) -> None:
        for result in self._results.all:
            self._views.mark(result.method, stale=result.is_stale)
        told = self._agreement.mismatches
        self._views.mark(NETWORK, note=f"{' and '.join(told)} (Patlak)" if told else "")


def _spread_of(maps: MapSet) -> ParametricMap | None:
    """Standard error of Patlak's Ki, or standard deviation of a network's."""
    known = (KI_STANDARD_ERROR, KI_STANDARD_DEVIATION)
    return next((each for each in maps.maps if each.quantity in known), None)
