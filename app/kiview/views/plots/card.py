"""A plot with a title, or a hint while there is nothing to plot."""

from typing import Any

import numpy as np
import pyqtgraph as pg  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from kiview.views import theme
from kiview.views.parts import section, text_label

AXIS_COLOUR = "#8b93a0"
REFRESH_MS = 25
"""Several changes in a row are drawn once, each plot in a turn of its own of the event loop."""
_GRID_ALPHA = 0.12
_TEXT_SIZE = "9pt"


class PlotCard(QFrame):
    """Frame around one plot; subclasses draw in `refresh`.

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
        self._items: dict[str, Any] = {}
        self._hint = text_label(hint, "soft", f"{name}Hint")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._values = pg.LabelItem(justify="right", color=theme.COLOURS["text"], size=_TEXT_SIZE)
        self._values.setParentItem(self.plot.getPlotItem().vb)
        self._values.anchor(itemPos=(1, 1), parentPos=(1, 1), offset=(-6, -2))
        self._stack = QStackedWidget()
        self._stack.addWidget(_centred(self._hint))
        self._stack.addWidget(self.plot)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(10, 4, 8, 4)
        self._layout.setSpacing(2)
        self._layout.addWidget(self.title)
        self._layout.addWidget(self._stack, 1)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(REFRESH_MS)
        self._delay.timeout.connect(self.refresh)

    def refresh(self) -> None:
        """Draw what the view model says."""
        raise NotImplementedError

    def schedule(self) -> None:
        """Draw soon."""
        if not self._delay.isActive():
            self._delay.start()

    def add_below_title(self, widget: QWidget) -> None:
        """Put a widget between title and plot."""
        self._layout.insertWidget(1, widget)

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

    # Drawing: items are made once and get other data, which is much faster

    def draw(
        self,
        key: str,
        x: NDArray[Any],
        y: NDArray[Any],
        **style: Any,  # noqa: ANN401 - as pyqtgraph takes it
    ) -> None:
        """Draw a line or points under a name, or give the one of that name other data."""
        item = self._items.get(key)
        if item is None:
            self._items[key] = self.plot.plot(x, y, **style)
        else:
            item.setData(x, y, **style)

    def draw_level(self, key: str, value: float, style: Any) -> None:  # noqa: ANN401 - a pen
        """Draw a level line."""
        if key not in self._items:
            self._items[key] = pg.InfiniteLine(value, angle=0, pen=style)
            self.plot.addItem(self._items[key])
        self._items[key].setValue(value)

    def keep(self, keys: set[str]) -> None:
        """Remove what has another name."""
        for gone in set(self._items) - keys:
            self.plot.removeItem(self._items.pop(gone))

    def set_range(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """What the axes span; a span of nothing becomes a small one."""
        ends = [(low, high if high > low else low + 1.0) for low, high in (x, y)]
        if np.isfinite(ends).all():
            self.plot.setRange(xRange=ends[0], yRange=ends[1], padding=0, disableAutoRange=True)


def plot_widget() -> Any:  # noqa: ANN401 - pyqtgraph has no types
    """An empty plot in the colours of the window."""
    plot = pg.PlotWidget(background=theme.COLOURS["panel"])
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.disableAutoRange()
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
