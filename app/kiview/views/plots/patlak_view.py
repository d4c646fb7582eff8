"""Patlak plot of the selected region or of the voxel under the cursor."""

import numpy as np
from numpy.typing import NDArray

from kiview.core.patlak_plot import PatlakPlot
from kiview.viewmodels.patlak_point import PatlakPointViewModel
from kiview.views.plots.card import PlotCard, brush, pen

_DOT = " \N{MIDDLE DOT} "
_PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
_ROOM = 1.05
_MARGIN = 0.08


class PatlakView(PlotCard):
    """Points, line and fitted values."""

    def __init__(self, model: PatlakPointViewModel) -> None:
        super().__init__("patlak", "Patlak plot", "Appears when there is an input function.")
        self._model = model
        self.plot.setLabel("bottom", "\N{INTEGRAL} Cp / Cp, min")
        model.changed.connect(self.schedule)
        self.refresh()

    def refresh(self) -> None:
        """Draw the plot there is, or say why there is none."""
        shown = self._model.plot
        if shown is None:
            self.title.setText("Patlak plot")
            self.show_hint(self._model.problem or "Appears when there is an input function.")
            return
        self.title.setText(f"Patlak plot{_DOT}{self._model.name}")
        self.show_values(*_values(shown))
        for key, chosen, size, colour in (
            ("others", ~shown.used, 4, "faint"),
            ("fitted", shown.used, 7, "accent"),
        ):
            self.draw(
                key,
                shown.x_min[chosen],
                shown.y[chosen],
                pen=None,
                symbol="o",
                symbolSize=size,
                symbolBrush=brush(colour),
                symbolPen=None,
            )
        right = float(shown.x_min[shown.used].max()) * _ROOM
        ends = np.array([0.0, right])
        line = shown.v0 + shown.ki * ends
        self.draw("line", ends, line, pen=pen("text", 1.2))
        self._fit_range(shown, right, line)
        self.show_plot()

    def _fit_range(self, shown: PatlakPlot, right: float, line: NDArray[np.float64]) -> None:
        """Room for the fitted points and the line; early points may lie outside."""
        values = np.concatenate([shown.y[shown.used], line, [0.0]])
        low, high = float(values.min()), float(values.max())
        margin = _MARGIN * (high - low or 1.0)
        self.set_range((0.0, right), (low - margin, high + margin))


def _values(shown: PatlakPlot) -> tuple[str, ...]:
    ki = f"Ki {shown.ki:z.4f} {_PLUS_MINUS} {shown.ki_se:.4f}"
    return tuple(text.replace("-", "\N{MINUS SIGN}") for text in (ki, f"V0 {shown.v0:.2f}"))
