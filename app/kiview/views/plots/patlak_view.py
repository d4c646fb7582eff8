"""Patlak plot of the selected region or of the voxel under the cursor."""

import numpy as np

from kiview.core.patlak_plot import PatlakPlot
from kiview.viewmodels.patlak_point import PatlakPointViewModel
from kiview.views.plots.card import PlotCard, brush, pen

_DOT = " \N{MIDDLE DOT} "
_PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


class PatlakView(PlotCard):
    """Points, line and fitted values."""

    def __init__(self, model: PatlakPointViewModel) -> None:
        super().__init__("patlak", "Patlak plot", "Appears when there is an input function.")
        self._model = model
        self.plot.setLabel("bottom", "\N{INTEGRAL} Cp / Cp, min")
        model.changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        shown = self._model.plot
        if shown is None:
            self.title.setText("Patlak plot")
            self.show_hint(self._model.problem or "Appears when there is an input function.")
            return
        self.title.setText(f"Patlak plot{_DOT}{self._model.name}")
        self.show_values(*_values(shown))
        self.plot.clear()
        late = shown.x_min >= 0
        unused = late & ~shown.used
        style = {"pen": None, "symbol": "o", "symbolPen": None}
        self.plot.plot(
            shown.x_min[unused],
            shown.y[unused],
            symbolSize=4,
            symbolBrush=brush("faint"),
            **style,
        )
        self.plot.plot(
            shown.x_min[shown.used],
            shown.y[shown.used],
            symbolSize=7,
            symbolBrush=brush("accent"),
            **style,
        )
        ends = np.array([0.0, shown.x_min[shown.used].max()])
        self.plot.plot(ends, shown.v0 + shown.ki * ends, pen=pen("text", 1.2))
        self._set_range(shown)
        self.show_plot()

    def _set_range(self, shown: PatlakPlot) -> None:
        """Room for the fitted points and the line; early points may lie outside."""
        right = float(shown.x_min[shown.used].max()) * 1.05
        line = (shown.v0, shown.v0 + shown.ki * right)
        values = np.concatenate([shown.y[shown.used], np.array(line), [0.0]])
        low, high = float(values.min()), float(values.max())
        margin = 0.08 * (high - low or 1.0)
        self.plot.setXRange(0, right, padding=0)
        self.plot.setYRange(low - margin, high + margin, padding=0)


def _values(shown: PatlakPlot) -> tuple[str, ...]:
    ki = f"Ki {shown.ki:.4f} {_PLUS_MINUS} {shown.ki_se:.4f}"
    return tuple(text.replace("-", "\N{MINUS SIGN}") for text in (ki, f"V0 {shown.v0:.2f}"))
