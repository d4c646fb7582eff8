"""Curves of the regions and the input function."""

from html import escape

import numpy as np
from PySide6.QtCore import Qt

from kiview.core.tac import TimeActivityCurve
from kiview.viewmodels.curves import TIMES_UNKNOWN, CurvesViewModel, RegionCurve
from kiview.viewmodels.input_function import InputFunctionViewModel
from kiview.views.parts import text_label
from kiview.views.plots.card import PlotCard, brush, pen

_HINT = "Curves appear here: draw a region in the aorta (Regions, Cylinder)."
_INPUT_COLOUR = "#f2f4f7"
_MORE_COLOUR = "#8b93a1"
MOST_NAMES = 6
"""More names would take the room of the plot."""
_INPUT_KEY = "input function"
_KILO = 1000.0
_HEADROOM = 1.06
_SECONDS_PER_MINUTE = 60.0
_DEFAULT_END_S = 3600.0


class CurvesPlot(PlotCard):
    """Activity over time."""

    def __init__(self, curves: CurvesViewModel, input_function: InputFunctionViewModel) -> None:
        super().__init__("curves", "Curves", _HINT)
        self._curves, self._input = curves, input_function
        self._legend = text_label("", "soft", "curvesLegend")
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self.add_below_title(self._legend)
        self._right = self._top = 0.0
        curves.changed.connect(self.schedule)
        input_function.changed.connect(self.schedule)
        self.refresh()

    def refresh(self) -> None:
        """Draw every curve there is."""
        read = [each for each in self._curves.all.values() if each.curve is not None]
        known = [each for each in read if each.curve is not None and each.curve.timing.is_known]
        self._right, self._top = 0.0, 0.0
        for each in known:
            if each.curve is not None:
                self._draw_region(each.roi.roi_id, each.roi.colour, each.curve)
        has_input = self._draw_input()
        self.keep({each.roi.roi_id for each in known} | ({_INPUT_KEY} if has_input else set()))
        self._tell(known, has_input)
        if known or has_input:
            self.set_range((0.0, self._right), (0.0, self._top * _HEADROOM))
            self.show_plot()
        else:
            self.show_hint(TIMES_UNKNOWN if read else _HINT)

    def _draw_region(self, key: str, colour: str, curve: TimeActivityCurve) -> None:
        minutes = curve.timing.mid_s / _SECONDS_PER_MINUTE
        values = curve.mean / _scale(curve.quantity.unit.symbol)
        marks = brush(colour)
        self.draw(
            key,
            minutes,
            values,
            pen=pen(colour),
            symbol="o",
            symbolSize=4,
            symbolBrush=marks,
            symbolPen=None,
        )
        self._right = max(self._right, float(curve.timing.end_s[-1]) / _SECONDS_PER_MINUTE)
        self._top = max(self._top, float(values.max()))

    def _draw_input(self) -> bool:
        input_function = self._input.input_function
        if input_function is None:
            return False
        end_s = self._right * _SECONDS_PER_MINUTE or _DEFAULT_END_S
        time_s, activity = input_function.samples(end_s)
        values = activity / _scale(input_function.quantity.unit.symbol)
        minutes = time_s / _SECONDS_PER_MINUTE
        self.draw(_INPUT_KEY, minutes, values, pen=pen(_INPUT_COLOUR, 1.2, dashed=True))
        self._right = max(self._right, float(minutes[-1]))
        self._top = max(self._top, float(np.max(values)))
        return True

    def _tell(self, known: list[RegionCurve], has_input: bool) -> None:
        """Title with the unit, and the names in their colours."""
        curve = known[0].curve if known else None
        drawn = self._input.input_function if curve is None else curve
        unit = "" if drawn is None else drawn.quantity.unit.symbol
        scaled = f"k{unit}" if unit == "Bq/mL" else unit
        self.title.setText(f"Curves, {scaled} over minutes" if scaled else "Curves")
        names = [(each.roi.colour, each.roi.name) for each in known[:MOST_NAMES]]
        if len(known) > MOST_NAMES:
            names.append((_MORE_COLOUR, f"and {len(known) - MOST_NAMES} more"))
        if has_input:
            names.append((_INPUT_COLOUR, "input"))
        self._legend.setText("&nbsp;&nbsp;&nbsp; ".join(_entry(*each) for each in names))
        self._legend.setVisible(bool(names))


def _entry(colour: str, name: str) -> str:
    """One name of the legend with its colour, as rich text."""
    mark = f'<span style="color:{colour}">\N{BLACK CIRCLE}</span>'
    return f"{mark}&nbsp;{escape(name).replace(' ', '&nbsp;')}"


def _scale(unit: str) -> float:
    return _KILO if unit == "Bq/mL" else 1.0
