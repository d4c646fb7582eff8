"""A plot with a title, or a hint while there is nothing to plot."""

from typing import Any

import pyqtgraph as pg  # type: ignore[import-untyped]  # ships no types
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from kiview.views import theme
from kiview.views.parts import section, text_label

AXIS_COLOUR = "#8b93a0"
_GRID_ALPHA = 0.12
_TEXT_SIZE = "9pt"


class PlotCard(QFrame):
    """Frame around one plot.

    Attributes:
        plot: Where curves are drawn.
        title: What is shown.
    """

    def __init__(self, name: str, title: str, hint: str) -> None:
        super().__init__()
        self.setObjectName("plotCard")
        self.title = section(title, f"{name}Title")
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.plot = plot_widget()
        self.plot.setObjectName(f"{name}Plot")
        self.plot.setAccessibleName(title)
        self._hint = text_label(hint, "soft", f"{name}Hint")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._values = pg.LabelItem(justify="right", color=theme.COLOURS["text"], size=_TEXT_SIZE)
        self._values.setParentItem(self.plot.getPlotItem().vb)
        self._values.anchor(itemPos=(1, 1), parentPos=(1, 1), offset=(-6, -2))
        self._stack = QStackedLayout()
        self._stack.addWidget(_centred(self._hint))
        self._stack.addWidget(self.plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 4, 8, 4)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addLayout(self._stack, 1)

    def show_hint(self, text: str) -> None:
        """Show a sentence in place of the plot."""
        self._hint.setText(text)
        self._stack.setCurrentIndex(0)

    def show_values(self, *lines: str) -> None:
        """Write numbers into the lower right corner of the plot."""
        self._values.setText("<br>".join(lines))

    def show_plot(self) -> None:
        """Show the plot."""
        self._stack.setCurrentIndex(1)


def plot_widget() -> Any:  # noqa: ANN401 - pyqtgraph has no types
    """An empty plot in the colours of the window."""
    plot = pg.PlotWidget(background=theme.COLOURS["panel"])
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.showGrid(x=False, y=True, alpha=_GRID_ALPHA)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(pg.mkPen(theme.COLOURS["line"]))
        axis.setTextPen(pg.mkPen(AXIS_COLOUR))
        axis.setStyle(tickLength=-4, tickTextOffset=4, autoReduceTextSpace=True)
        axis.enableAutoSIPrefix(False)
    return plot


def pen(colour: str, width: float = 1.6, dashed: bool = False) -> Any:  # noqa: ANN401
    """A pen; `colour` is a theme name or `#rrggbb`."""
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    return pg.mkPen(theme.COLOURS.get(colour, colour), width=width, style=style)


def brush(colour: str, alpha: int = 255) -> Any:  # noqa: ANN401
    """A brush; `colour` is a theme name or `#rrggbb`."""
    made = pg.mkColor(theme.COLOURS.get(colour, colour))
    made.setAlpha(alpha)
    return pg.mkBrush(made)


def _centred(label: QLabel) -> QWidget:
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.addStretch(1)
    layout.addWidget(label)
    layout.addStretch(1)
    return holder
