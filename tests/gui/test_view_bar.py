"""Numbers of the bar above the views."""

import pytest
from PySide6.QtWidgets import QLineEdit
from tests.helpers import torso
from tests.helpers.canvas import make_canvas
from tests.helpers.qt import child

from kiview.core.units import SUV_BW
from kiview.viewmodels.layers import DisplayWindow

LEAST_MARGIN = 10
"""Pixels that frame and padding of a field take."""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.04, "0.04"),
        (7.0, "7"),
        (9999.4, "9999"),
        (9999.6, "10000"),
        (30_712.3, "30712"),
        (307_123.0, "3.07e5"),
        (-1.2345e7, "\N{MINUS SIGN}1.23e7"),
    ],
)
def test_that_a_limit_of_the_window_fits_into_its_field(qtbot, value, text):
    canvas, views, _ = make_canvas(qtbot, torso.dynamic_image())
    low = child(canvas, QLineEdit, "window-low")
    views.scales.set_window(SUV_BW, DisplayWindow(value, value + abs(value)))
    assert low.text() == text
    assert low.width() - low.fontMetrics().horizontalAdvance(text) >= LEAST_MARGIN
