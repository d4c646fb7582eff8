"""Rows and columns of the canvas, and window and colours of the active layer."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QWidget,
)

from kiview.core.errors import InvalidInputError
from kiview.core.reslice import Plane
from kiview.viewmodels.layers import DisplayWindow
from kiview.viewmodels.readouts import MINUS
from kiview.viewmodels.views import IMAGE_KEY, ViewsViewModel
from kiview.views.canvas.colormap import NAMES

_SHORT = {Plane.CORONAL: "Coronal", Plane.SAGITTAL: "Sagittal", Plane.AXIAL: "Axial"}
_LOW_HELP, _HIGH_HELP = "Value shown in the first colour", "Value shown in the last colour"
_FIELD_WIDTH_CHARACTERS = "\N{MINUS SIGN}0.000"
_FOUR_DIGITS_BELOW, _FIVE_DIGITS_BELOW = 9_999.5, 99_999.5


class ViewBar(QWidget):
    """Controls above the views.

    Attributes:
        low: Value of the first colour, typed in.
        high: Value of the last colour, typed in.
        colours: Colour table of the active layer's quantity.
    """

    def __init__(self, views: ViewsViewModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._views = views
        self.setObjectName("view-bar")
        self._planes = {plane: self._plane_button(plane) for plane in _SHORT}
        self._difference = _toggle(
            "show-difference", "Difference", "Column with the second map minus the first"
        )
        self._what = QLabel()
        self._what.setObjectName("window-quantity")
        self.low = self._field("window-low", _LOW_HELP)
        self.high = self._field("window-high", _HIGH_HELP)
        self._fit = QToolButton()
        self._fit.setObjectName("window-fit")
        self._fit.setText("Fit")
        self._fit.setToolTip("Window that shows nearly all values of the shown slices")
        self.colours = QComboBox()
        self.colours.setObjectName("colormap")
        self.colours.setToolTip("Colours of this quantity")
        self.colours.addItems(NAMES)
        self.colours.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.colours.setMinimumContentsLength(max(len(name) for name in NAMES))
        self._lay_out()
        self._connect()
        self._on_changed()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(6)
        for button in self._planes.values():
            row.addWidget(button)
        row.addSpacing(6)
        row.addWidget(self._difference)
        row.addStretch(1)
        dash = QLabel("\N{EN DASH}")
        for part in (self._what, self.low, dash, self.high, self._fit, self.colours):
            row.addWidget(part)

    def _connect(self) -> None:
        self._difference.clicked.connect(self._views.show_difference)
        self.low.editingFinished.connect(self._on_window_typed)
        self.high.editingFinished.connect(self._on_window_typed)
        self._fit.clicked.connect(self._on_fit_clicked)
        self.colours.textActivated.connect(self._on_colours_chosen)
        self._views.layers_changed.connect(self._on_changed)
        self._views.layout_changed.connect(self._on_changed)
        self._views.active_changed.connect(self._on_changed)
        self._views.scales.scale_changed.connect(self._on_changed)

    def _plane_button(self, plane: Plane) -> QToolButton:
        button = _toggle(f"show-{plane.value}", _SHORT[plane], f"Row of {plane.value} views")
        button.clicked.connect(self._on_planes_clicked)
        return button

    def _field(self, name: str, help_text: str) -> QLineEdit:
        field = QLineEdit()
        field.setObjectName(name)
        field.setToolTip(help_text)
        field.setAccessibleName(help_text)
        field.setAlignment(Qt.AlignmentFlag.AlignRight)
        text_width = field.fontMetrics().horizontalAdvance(_FIELD_WIDTH_CHARACTERS)
        field.setFixedWidth(text_width + 20)
        return field

    def _on_planes_clicked(self) -> None:
        planes = tuple(plane for plane, button in self._planes.items() if button.isChecked())
        self._views.show_planes(planes or self._views.planes)

    def _on_window_typed(self) -> None:
        layer = self._views.active_layer
        if layer is None:
            return
        try:
            window = DisplayWindow(_number(self.low.text()), _number(self.high.text()))
        except (ValueError, InvalidInputError):
            self._on_changed()  # what was typed is no window: show the one there is
            return
        self._views.scales.set_window(layer.quantity, window)

    def _on_fit_clicked(self) -> None:
        layer = self._views.active_layer
        if layer is not None:
            self._views.fit_window(layer.quantity)

    def _on_colours_chosen(self, name: str) -> None:
        layer = self._views.active_layer
        if layer is not None:
            self._views.scales.set_colormap(layer.quantity, name)

    def _on_changed(self) -> None:
        for plane, button in self._planes.items():
            button.setChecked(plane in self._views.planes)
        maps = [layer for layer in self._views.layers if layer.key != IMAGE_KEY]
        self._difference.setEnabled(len(maps) > 1)
        self._difference.setChecked(self._views.shows_difference)
        layer = self._views.active_layer
        for part in (self.low, self.high, self._fit, self.colours):
            part.setEnabled(layer is not None)
        if layer is None:
            return
        window = self._views.scales.window(layer.quantity)
        self._what.setText(layer.quantity.label)
        unit = layer.quantity.unit.symbol
        self.low.setToolTip(f"{_LOW_HELP}, in {unit}")
        self.high.setToolTip(f"{_HIGH_HELP}, in {unit}")
        self.low.setText(_shown(window.low))
        self.high.setText(_shown(window.high))
        self.colours.setCurrentText(self._views.scales.colormap(layer.quantity))


def _toggle(name: str, text: str, help_text: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName(name)
    button.setText(text)
    button.setToolTip(help_text)
    button.setCheckable(True)
    return button


def _shown(value: float) -> str:
    """Short, so that activities in Bq/mL fit into the field as well."""
    if abs(value) < _FOUR_DIGITS_BELOW:
        text = f"{value:.4g}"
    elif abs(value) < _FIVE_DIGITS_BELOW:
        text = f"{value:.0f}"
    else:
        digits, _, power = f"{value:.2e}".partition("e")
        text = f"{digits}e{int(power)}"
    return text.replace("-", MINUS)


def _number(text: str) -> float:
    return float(text.strip().replace(MINUS, "-").replace(",", "."))
