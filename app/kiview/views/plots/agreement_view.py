"""Differences of network and Patlak against their mean, with limits of agreement."""

import pyqtgraph as pg  # type: ignore[import-untyped]  # ships no types

from kiview.viewmodels.agreement import AgreementViewModel
from kiview.views.plots.card import PlotCard, brush, pen


class AgreementView(PlotCard):
    """Bland-Altman plot over voxels of the body."""

    def __init__(self, model: AgreementViewModel) -> None:
        super().__init__("agreement", "Agreement", model.status)
        self._model = model
        self.plot.setLabel("bottom", "mean Ki, mL/min/mL")
        model.changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        comparison = self._model.comparison
        if comparison is None:
            self.title.setText("Agreement")
            self.show_hint(self._model.status or "Appears when both maps are computed.")
            return
        body = comparison.rows[0]
        bias = f"{body.bias_percent:+.1f} %".replace("-", "\N{MINUS SIGN}")
        self.title.setText("Agreement \N{MIDDLE DOT} network \N{MINUS SIGN} Patlak, body")
        self.show_values(f"bias {bias}, r {body.correlation:.2f}")
        self.plot.clear()
        self.plot.plot(
            comparison.mean,
            comparison.difference,
            pen=None,
            symbol="o",
            symbolSize=3,
            symbolPen=None,
            symbolBrush=brush("accent", 90),
        )
        lines = ((body.bias, "text", False), (body.lower_limit, "amber", True))
        for value, colour, dashed in (*lines, (body.upper_limit, "amber", True)):
            self.plot.addItem(pg.InfiniteLine(value, angle=0, pen=pen(colour, 1.2, dashed)))
        reach = 2.2 * max(abs(body.lower_limit), abs(body.upper_limit), 1e-6)
        self.plot.setYRange(-reach, reach, padding=0)
        self.show_plot()
