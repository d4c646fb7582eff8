"""Between the side columns: messages, slice views and plots, or how to begin."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from kiview.viewmodels.window import WindowModels
from kiview.views.banner import Banner
from kiview.views.canvas.canvas_widget import CanvasWidget
from kiview.views.empty_state import EmptyState
from kiview.views.plots.agreement_view import AgreementView
from kiview.views.plots.curves_plot import CurvesPlot
from kiview.views.plots.patlak_view import PatlakView

HEIGHTS = (720, 280)
"""Of views and plots in a tall window; in others their shares, until the user moves the handle."""


class CentralArea(QSplitter):
    """Slice views above plots; without a study how to open one.

    A message takes its room from the slice views alone: plots are slow to lay out again, and they
    would be whenever a message comes or goes.

    Attributes:
        canvas: The slice views with their tools.
        empty: What is shown without a study.
    """

    def __init__(self, models: WindowModels) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self.setObjectName("centralArea")
        self.setHandleWidth(4)
        self.setChildrenCollapsible(False)
        self.canvas = CanvasWidget(models.views, models.rois)
        self.empty = EmptyState(models.study, models.tasks)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.canvas)
        self._plots = _plots(models)
        self.addWidget(self._upper(models))
        self.addWidget(self._plots)
        self._plots.hide()
        self._heights: Sequence[int] = HEIGHTS

    def show_study(self, is_shown: bool) -> None:
        """Show views and plots, or how to begin."""
        if is_shown != self._plots.isHidden():
            return
        if not is_shown:
            self._heights = self.sizes()
        self._pages.setCurrentWidget(self.canvas if is_shown else self.empty)
        self._plots.setVisible(is_shown)
        if is_shown:
            self.setSizes(self._heights)

    def _upper(self, models: WindowModels) -> QWidget:
        upper = QWidget()
        column = QVBoxLayout(upper)
        column.setContentsMargins(3, 3, 3, 0)
        column.setSpacing(4)
        column.addWidget(Banner(models.messages))
        column.addWidget(self._pages, 1)
        return upper


def _plots(models: WindowModels) -> QWidget:
    plots = QWidget()
    row = QHBoxLayout(plots)
    row.setContentsMargins(3, 0, 3, 3)
    row.setSpacing(4)
    row.addWidget(CurvesPlot(models.curves, models.input_function), 1)
    row.addWidget(PatlakView(models.patlak_point), 1)
    row.addWidget(AgreementView(models.agreement), 1)
    return plots
