"""The canvas with real mouse and key events: link, window, frames, layouts."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QLineEdit, QSlider, QToolButton
from tests.helpers import torso
from tests.helpers.canvas import drag, make_canvas_with_maps, wheel
from tests.helpers.qt import child

from kiview.core.reslice import Plane
from kiview.core.units import KI, SUV_BW
from kiview.viewmodels.layers import DisplayWindow
from kiview.views.canvas.mouse import dragged_window

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")  # offscreen only

LEFT, RIGHT, MIDDLE = (
    Qt.MouseButton.LeftButton,
    Qt.MouseButton.RightButton,
    Qt.MouseButton.MiddleButton,
)


@pytest.fixture
def window(qtbot):
    return make_canvas_with_maps(qtbot)


def test_that_a_click_moves_the_cursor_of_every_view(window):
    canvas, views, _ = window
    view = canvas.slice_view("patlak", Plane.CORONAL)
    y_before = views.link.cursor_lps_mm[1]
    target = np.array([10.5, y_before, -12.5])
    QTest.mouseClick(view, LEFT, Qt.KeyboardModifier.NoModifier, view.pixel_of(target))
    np.testing.assert_allclose(views.link.cursor_lps_mm, target, atol=1 / view.viewport.scale)
    for other in canvas.slice_views:
        image = other.plane_image()
        here = views.link.cursor_lps_mm[other.plane.normal_axis]
        assert abs(image.position_mm - here) <= 2.6


def test_that_dragging_with_the_left_button_takes_the_cursor_along(window):
    canvas, views, _ = window
    view = canvas.slice_view("image", Plane.SAGITTAL)
    x = views.link.cursor_lps_mm[0]
    drag(view, view.pixel_of((x, -10, 10)), view.pixel_of((x, 12, -20)))
    np.testing.assert_allclose(views.link.cursor_lps_mm, (x, 12, -20), atol=0.5)


def test_that_all_views_read_the_same_place_under_the_cursor(window):
    canvas, views, _ = window
    for view in canvas.slice_views:
        target = torso.LEFT_SPOT_LPS_MM.copy()
        views.link.set_cursor(target)
        QTest.mouseClick(view, LEFT, Qt.KeyboardModifier.NoModifier, view.pixel_of(target))
        assert [each.text for each in views.readouts()] == ["45.00", "0.0500", "0.0550"]


@pytest.mark.parametrize(
    ("plane", "axis", "step_mm"),
    [(Plane.CORONAL, 1, -4.0), (Plane.SAGITTAL, 0, 3.0), (Plane.AXIAL, 2, 5.0)],
)
def test_that_the_wheel_goes_slice_by_slice(window, plane, axis, step_mm):
    canvas, views, _ = window
    views.show_planes((plane,))
    before = views.link.cursor_lps_mm.copy()
    wheel(canvas.slice_view("image", plane), 2)
    moved = np.zeros(3)
    moved[axis] = 2 * step_mm
    np.testing.assert_allclose(views.link.cursor_lps_mm - before, moved)


def test_that_control_and_wheel_zoom_about_the_mouse(window):
    canvas, views, _ = window
    view = canvas.slice_view("image", Plane.CORONAL)
    pixel = QPoint(90, 150)
    before = view.viewport.to_mm(QPointF(pixel))
    wheel(view, 3, Qt.KeyboardModifier.ControlModifier, pixel)
    assert views.link.zoom == pytest.approx(1.2**3)
    np.testing.assert_allclose(view.viewport.to_mm(QPointF(pixel)), before, atol=1e-6)
    other = canvas.slice_view("network", Plane.CORONAL)
    assert other.viewport.scale == pytest.approx(view.viewport.scale)
    np.testing.assert_allclose(other.viewport.to_mm(QPointF(pixel)), before, atol=1.0)


def test_that_the_middle_button_pans_every_view(window):
    canvas, views, _ = window
    views.link.set_zoom(3)
    view = canvas.slice_view("image", Plane.CORONAL)
    grabbed = view.viewport.to_mm(QPointF(100, 150))
    drag(view, QPoint(100, 150), QPoint(130, 170), MIDDLE)
    np.testing.assert_allclose(view.viewport.to_mm(QPointF(130, 170)), grabbed, atol=1e-6)


def test_that_right_dragging_changes_the_window_of_every_map_of_the_quantity(window):
    canvas, views, _ = window
    view = canvas.slice_view("network", Plane.CORONAL)
    before = views.scales.window(KI)
    drag(view, QPoint(100, 150), QPoint(160, 150), RIGHT)
    after = views.scales.window(KI)
    assert after.low == 0
    assert after.high > before.high
    assert views.scales.window(SUV_BW) == DisplayWindow(0, 7)
    drag(view, QPoint(100, 200), QPoint(100, 140), RIGHT)
    assert views.scales.window(KI).high > after.high


@pytest.mark.parametrize(
    ("window", "right", "down", "expected"),
    [
        (DisplayWindow(1, 3), 0, -75, DisplayWindow(2, 4)),
        (DisplayWindow(-1, 1), 0, 75, DisplayWindow(-0.002, 0.002)),
        (DisplayWindow(0, 4), 0, 0, DisplayWindow(0, 4)),
    ],
)
def test_that_a_window_keeps_its_zero(window, right, down, expected):
    changed = dragged_window(window, right, down)
    assert (changed.low, changed.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_that_a_double_click_shows_one_view_alone_and_again_all(window):
    canvas, _, _ = window
    view = canvas.slice_view("patlak", Plane.SAGITTAL)
    QTest.mouseDClick(view, LEFT, Qt.KeyboardModifier.NoModifier, view.rect().center())
    assert [(v.key, v.plane) for v in canvas.slice_views] == [("patlak", Plane.SAGITTAL)]
    (view,) = canvas.slice_views
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert len(canvas.slice_views) == 6


def test_that_keys_choose_layouts_slices_and_frames(window):
    canvas, views, _ = window
    view = canvas.slice_view("image", Plane.CORONAL)
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Left)
    assert views.frames.frame == 7
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert views.frames.frame == 8
    y = views.link.cursor_lps_mm[1]
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert views.link.cursor_lps_mm[1] == pytest.approx(y + 4)
    QTest.keyClick(view, Qt.Key.Key_PageUp)
    assert views.link.cursor_lps_mm[1] == pytest.approx(-30)
    QTest.keyClick(view, Qt.Key.Key_4)
    assert {each.plane for each in canvas.slice_views} == {Plane.AXIAL}
    QTest.keyClick(canvas, Qt.Key.Key_5)
    assert len(canvas.slice_views) == 9
    views.link.set_zoom(5)
    QTest.keyClick(canvas, Qt.Key.Key_R)
    assert views.link.zoom == 1
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    assert views.frames.is_playing
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    assert not views.frames.is_playing


def test_that_the_slider_and_the_buttons_choose_frames(window):
    canvas, views, _ = window
    slider = child(canvas, QSlider, "frame-slider")
    slider.setValue(3)
    assert views.frames.text == "frame 4 · 40\N{EN DASH}60 s"
    early, late = (child(canvas, QToolButton, f"frame-{name}") for name in ("early", "late"))
    QTest.mouseClick(early, LEFT)
    assert views.frames.shown.name == "early"
    QTest.mouseClick(late, LEFT)
    assert (early.isChecked(), late.isChecked()) == (False, True)
    assert canvas.frame_bar.label.text() == views.frames.text
    QTest.mouseClick(late, LEFT)
    assert views.frames.shown.indices == (3,)


def test_that_the_window_can_be_typed_in_and_nonsense_is_put_back(window):
    canvas, views, _ = window
    views.activate("patlak")
    low, high = (child(canvas, QLineEdit, f"window-{end}") for end in ("low", "high"))
    assert (low.text(), high.text()) == ("0", "0.04")
    high.setFocus()
    high.selectAll()
    QTest.keyClicks(high, "0,08")
    QTest.keyClick(high, Qt.Key.Key_Return)
    assert views.scales.window(KI) == DisplayWindow(0, 0.08)
    high.selectAll()
    QTest.keyClicks(high, "much")
    QTest.keyClick(high, Qt.Key.Key_Return)
    assert high.text() == "0.08"


def test_that_fit_and_colours_act_on_the_active_layer(window):
    canvas, views, _ = window
    view = canvas.slice_view("patlak", Plane.CORONAL)
    QTest.mouseClick(view, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(60, 10))
    assert views.active_key == "patlak"
    QTest.mouseClick(child(canvas, QToolButton, "window-fit"), LEFT)
    assert views.scales.window(KI) != DisplayWindow(0, 0.04)
    combo = child(canvas, QComboBox, "colormap")
    combo.setCurrentText("viridis")
    combo.textActivated.emit("viridis")
    assert views.scales.colormap(KI) == "viridis"
    assert views.scales.colormap(SUV_BW) == "inverse-grey"


def test_that_rows_and_the_difference_can_be_switched(window):
    canvas, views, _ = window
    QTest.mouseClick(child(canvas, QToolButton, "show-axial"), LEFT)
    assert Plane.AXIAL in views.planes
    QTest.mouseClick(child(canvas, QToolButton, "show-difference"), LEFT)
    assert views.layer("difference") is not None
    assert canvas.slice_view("difference", Plane.AXIAL) is not None
