"""Differences of network and Patlak against their mean, with limits of agreement."""

import numpy as np

from kiview.jobs.compare_maps import Comparison
from kiview.viewmodels.agreement import AgreementViewModel
from kiview.views.plots.card import PlotCard, brush, pen

_HINT = "Appears when both maps are computed."
_SHARE_SHOWN = 99.5
_REACH = 2.2


class AgreementView(PlotCard):
    """Bland-Altman plot over voxels of the body."""

    def __init__(self, model: AgreementViewModel) -> None:
        super().__init__("agreement", "Agreement", _HINT)
        self._model = model
        self._drawn: Comparison | None = None
        self.plot.setLabel("bottom", "mean Ki, mL/min/mL")
        model.changed.connect(self.schedule)
        self.refresh()

    def refresh(self) -> None:
        """Draw the comparison there is, or say what is missing."""
        comparison = self._model.comparison
        if comparison is None:
            self.title.setText("Agreement")
            self.show_hint(self._model.status or _HINT)
        elif comparison is not self._drawn:
            self._draw(comparison)
            self.show_plot()
        self._drawn = comparison

    def _draw(self, comparison: Comparison) -> None:
        body = comparison.rows[0]
        bias = f"{body.bias_percent:+.1f} %".replace("-", "\N{MINUS SIGN}")
        self.title.setText("Agreement \N{MIDDLE DOT} network \N{MINUS SIGN} Patlak")
        self.show_values(f"body: bias {bias}, r {body.correlation:.2f}")
        self.draw(
            "voxels",
            comparison.mean,
            comparison.difference,
            pen=None,
            symbol="o",
            symbolSize=3,
            symbolPen=None,
            symbolBrush=brush("accent", 90),
        )
        self.draw_level("bias", body.bias, pen("text", 1.2))
        self.draw_level("lower", body.lower_limit, pen("amber", 1.2, dashed=True))
        self.draw_level("upper", body.upper_limit, pen("amber", 1.2, dashed=True))
        reach = _REACH * max(abs(body.lower_limit), abs(body.upper_limit), 1e-9)
        if len(comparison.mean):
            low = min(0.0, float(np.percentile(comparison.mean, 100 - _SHARE_SHOWN)))
            high = float(np.percentile(comparison.mean, _SHARE_SHOWN))
            self.set_range((low, high), (-reach, reach))
