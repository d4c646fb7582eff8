"""Curves of the regions and the input function."""

import numpy as np

from kiview.viewmodels.curves import CurvesViewModel, RegionCurve
from kiview.viewmodels.input_function import InputFunctionViewModel
from kiview.views.plots.card import PlotCard, brush, pen

_HINT = "Curves appear here: draw a region in the aorta (Regions, Cylinder)."
_INPUT_COLOUR = "#ff8f6b"
_KILO = 1000.0


class CurvesPlot(PlotCard):
    """Activity over time."""

    def __init__(self, curves: CurvesViewModel, input_function: InputFunctionViewModel) -> None:
        super().__init__("curves", "Curves", _HINT)
        self._curves, self._input = curves, input_function
        self._legend = self.plot.addLegend(
            offset=(-6, 2), labelTextColor="#c3c9d2", verSpacing=-6, labelTextSize="8pt"
        )
        self.plot.setLabel("bottom", "min")
        curves.changed.connect(self._refresh)
        input_function.changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        known = [curve for curve in self._curves.all.values() if curve.curve is not None]
        self.plot.clear()
        if not known and self._input.input_function is None:
            self.show_hint(_HINT)
            return
        for curve in known:
            self._add_region(curve)
        self._add_input(known)
        self._set_title(known)
        self.show_plot()

    def _set_title(self, known: list[RegionCurve]) -> None:
        curve = known[0].curve if known else None
        unit = "" if curve is None else curve.quantity.unit.symbol
        scaled = f"k{unit}" if unit == "Bq/mL" else unit
        self.title.setText(f"Curves, {scaled}" if scaled else "Curves")

    def _add_region(self, known: RegionCurve) -> None:
        curve = known.curve
        if curve is None:
            return
        self.plot.plot(
            curve.timing.mid_s / 60,
            curve.mean / _scale(curve.quantity.unit.symbol),
            pen=pen(known.roi.colour),
            symbol="o",
            symbolSize=4,
            symbolBrush=brush(known.roi.colour),
            symbolPen=None,
            name=known.roi.name,
        )

    def _add_input(self, known: list[RegionCurve]) -> None:
        input_function = self._input.input_function
        if input_function is None:
            return
        ends = [float(c.curve.timing.end_s[-1]) for c in known if c.curve is not None]
        time_s, activity = input_function.samples(max(ends, default=3600.0))
        self.plot.plot(
            np.asarray(time_s) / 60,
            np.asarray(activity) / _scale(input_function.quantity.unit.symbol),
            pen=pen(_INPUT_COLOUR, dashed=True),
            name="input function",
        )


def _scale(unit: str) -> float:
    return _KILO if unit == "Bq/mL" else 1.0
