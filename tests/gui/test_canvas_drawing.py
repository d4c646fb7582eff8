"""Regions drawn and changed with real mouse and key events."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from tests.helpers import torso
from tests.helpers.canvas import drag, make_canvas, move, wheel

from kiview.core.reslice import Plane
from kiview.core.roi_shapes import Contour, Cylinder, PolygonStack, Sphere
from kiview.viewmodels.rois import RoiTool
from kiview.views.canvas.drawing import CYLINDER_HELP, PRESS_AND_DRAG

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")  # offscreen only

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture(params=list(Plane))
def plane(request):
    return request.param


@pytest.fixture
def window(qtbot):
    canvas, views, rois = make_canvas(qtbot, torso.dynamic_image())
    views.use_layout(5)
    canvas.resize(900, 1500)
    QApplication.processEvents()
    return canvas, views, rois


def place(views, plane, u, v):
    """Position on the shown slice at (u, v) mm, and its slice position."""
    w = views.layer("image").planes.read(plane, views.link.cursor_lps_mm[plane.normal_axis])
    return plane.to_lps_mm([u, v, w.position_mm])


def click(view, position):
    QTest.mouseClick(view, LEFT, NONE, view.pixel_of(position))


def close_to(shape_points, expected, view):
    np.testing.assert_allclose(shape_points, expected, atol=1.0 / view.viewport.scale)


def test_that_a_sphere_is_drawn_from_its_centre_outwards(window, plane):
    canvas, views, rois = window
    view = canvas.slice_view("image", plane)
    centre, rim = place(views, plane, 3, -4), place(views, plane, 15, -4)
    rois.use_tool(RoiTool.SPHERE)
    drag(view, view.pixel_of(centre), view.pixel_of(rim))
    (roi,) = rois.rois
    assert roi.name == "Aorta"
    assert isinstance(roi.shape, Sphere)
    close_to(roi.shape.centre, centre, view)
    assert roi.shape.radius_mm == pytest.approx(12, abs=1.5 / view.viewport.scale)
    assert rois.tool == RoiTool.CURSOR
    assert rois.selected == roi
    assert rois.mask(roi.roi_id, views.image.geometry).voxel_count > 50


def test_that_a_click_with_the_sphere_tool_draws_nothing_and_says_why(window, qtbot):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.CORONAL)
    rois.use_tool(RoiTool.SPHERE)
    before = views.link.cursor_lps_mm.copy()
    with qtbot.waitSignal(rois.message_changed, timeout=1000) as blocker:
        click(view, place(views, Plane.CORONAL, 5, 5))
    assert blocker.args == [PRESS_AND_DRAG]
    assert rois.rois == ()
    np.testing.assert_array_equal(views.link.cursor_lps_mm, before)


def test_that_a_vessel_is_drawn_by_dragging_along_it(window, plane):
    canvas, views, rois = window
    view = canvas.slice_view("image", plane)
    start, end = place(views, plane, -10, -15), place(views, plane, 5, 20)
    rois.use_tool(RoiTool.CYLINDER)
    drag(view, view.pixel_of(start), view.pixel_of(end))
    shape = rois.rois[0].shape
    assert isinstance(shape, Cylinder)
    close_to(shape.points, [start, end], view)
    assert shape.radius_mm == 8


def test_that_the_wheel_changes_the_radius_while_a_vessel_is_drawn(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.CORONAL)
    before = views.link.cursor_lps_mm.copy()
    start, end = (view.pixel_of(place(views, Plane.CORONAL, 0, v)) for v in (-20, 20))
    rois.use_tool(RoiTool.CYLINDER)
    QTest.mousePress(view, LEFT, NONE, start)
    move(view, end, LEFT)
    wheel(view, 4)
    QTest.mouseRelease(view, LEFT, NONE, end)
    assert rois.rois[0].shape.radius_mm == 10
    np.testing.assert_array_equal(views.link.cursor_lps_mm, before)


def test_that_a_bent_vessel_is_drawn_by_clicks_and_a_double_click(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.SAGITTAL)
    places = [place(views, Plane.SAGITTAL, *uv) for uv in [(-10, 20), (-10, -20), (15, -20)]]
    rois.use_tool(RoiTool.CYLINDER)
    for each in places:
        click(view, each)
    QTest.mouseDClick(view, LEFT, NONE, view.pixel_of(places[-1]))
    shape = rois.rois[0].shape
    close_to(shape.points, places, view)
    assert rois.tool == RoiTool.CURSOR


def test_that_a_vessel_can_be_followed_through_slices(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.AXIAL)
    rois.use_tool(RoiTool.CYLINDER)
    first = place(views, Plane.AXIAL, 0, 0)
    click(view, first)
    wheel(view, 5)
    second = place(views, Plane.AXIAL, 10, 5)
    assert second[2] - first[2] == pytest.approx(25)
    click(view, second)
    QTest.keyClick(view, Qt.Key.Key_Return)
    close_to(rois.rois[0].shape.points, [first, second], view)


CORNERS = [(-12.0, -10.0), (12.0, -10.0), (14.0, 8.0), (-6.0, 14.0)]


def draw_polygon(canvas, views, plane, corners, *, key=None):
    view = canvas.slice_view("image", plane)
    for u, v in corners:
        click(view, place(views, plane, u, v))
    if key is None:
        QTest.mouseDClick(view, LEFT, NONE, view.pixel_of(place(views, plane, *corners[-1])))
    else:
        QTest.keyClick(view, key)
    return view


@pytest.mark.parametrize("key", [None, Qt.Key.Key_Return])
def test_that_a_polygon_is_drawn_by_clicks(window, plane, key):
    canvas, views, rois = window
    rois.use_tool(RoiTool.POLYGON)
    view = draw_polygon(canvas, views, plane, CORNERS, key=key)
    shape = rois.rois[0].shape
    assert isinstance(shape, PolygonStack)
    assert shape.plane == plane
    close_to(shape.contours[0].points, CORNERS, view)
    assert shape.thickness_mm == {Plane.AXIAL: 5, Plane.CORONAL: 4, Plane.SAGITTAL: 3}[plane]
    assert views.full_size is None, "the double click belongs to the polygon"


def test_that_a_second_polygon_on_another_slice_fills_in_between(window):
    canvas, views, rois = window
    rois.use_tool(RoiTool.POLYGON)
    draw_polygon(canvas, views, Plane.AXIAL, CORNERS)
    wheel(canvas.slice_view("image", Plane.AXIAL), -4)
    draw_polygon(canvas, views, Plane.AXIAL, [(u / 2, v / 2) for u, v in CORNERS])
    (roi,) = rois.rois
    first, second = roi.shape.contours
    assert second.position_mm - first.position_mm == pytest.approx(20)
    mask = rois.mask(roi.roi_id, views.image.geometry)
    areas = mask.inside.sum(axis=(1, 2))
    filled = areas[areas > 0]
    assert len(filled) == 5
    assert (np.diff(filled) > 0).all()


def test_that_backspace_takes_a_corner_back_and_escape_cancels(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.CORONAL)
    rois.use_tool(RoiTool.POLYGON)
    for u, v in [*CORNERS, (0.0, 0.0)]:
        click(view, place(views, Plane.CORONAL, u, v))
    QTest.keyClick(view, Qt.Key.Key_Backspace)
    QTest.keyClick(view, Qt.Key.Key_Return)
    close_to(rois.rois[0].shape.contours[0].points, CORNERS, view)
    click(view, place(views, Plane.CORONAL, 0, 0))
    assert canvas.drawing.is_clicking
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert not canvas.drawing.is_clicking
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert rois.tool == RoiTool.CURSOR
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert rois.selected is None


def test_that_two_corners_make_no_polygon_and_it_is_said(window, qtbot):
    canvas, views, rois = window
    rois.use_tool(RoiTool.POLYGON)
    with qtbot.waitSignal(
        rois.message_changed, timeout=1000, check_params_cb=lambda text: "three points" in text
    ):
        draw_polygon(canvas, views, Plane.CORONAL, CORNERS[:2])
    assert rois.rois == ()
    view = canvas.slice_view("image", Plane.CORONAL)
    click(view, place(views, Plane.CORONAL, 0, 0))
    QTest.keyClick(view, Qt.Key.Key_Backspace)
    assert canvas.drawing.draft is None


def test_that_another_tool_drops_what_was_begun(window, qtbot):
    canvas, views, rois = window
    rois.use_tool(RoiTool.POLYGON)
    click(canvas.slice_view("image", Plane.CORONAL), place(views, Plane.CORONAL, 0, 0))
    with qtbot.waitSignal(rois.message_changed, timeout=1000) as blocker:
        rois.use_tool(RoiTool.CYLINDER)
    assert blocker.args == [CYLINDER_HELP]
    assert canvas.drawing.draft is None


# Changing


def test_that_a_sphere_is_moved_by_its_outline_and_resized_by_its_handles(window, plane):
    canvas, views, rois = window
    view = canvas.slice_view("image", plane)
    centre = place(views, plane, 2, 3)
    roi_id = rois.add(Sphere(tuple(centre), 15))
    diagonal = 15 / np.sqrt(2)
    rim = place(views, plane, 2 + diagonal, 3 + diagonal)
    drag(view, view.pixel_of(rim), view.pixel_of(rim) + QPoint(30, -12))
    shift = np.array([30, -12]) / view.viewport.scale
    moved = place(views, plane, 2 + shift[0], 3 + shift[1])
    close_to(rois.roi(roi_id).shape.centre, moved, view)
    handle = place(views, plane, 2 + shift[0] + 15, 3 + shift[1])
    drag(view, view.pixel_of(handle), view.pixel_of(handle) - QPoint(25, 0))
    expected = 15 - 25 / view.viewport.scale
    assert rois.roi(roi_id).shape.radius_mm == pytest.approx(expected, abs=0.3)
    rois.undo()
    rois.undo()
    close_to(rois.roi(roi_id).shape.centre, centre, view)
    assert rois.roi(roi_id).shape.radius_mm == 15


def test_that_a_click_inside_a_region_moves_the_cursor_and_not_the_region(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.CORONAL)
    roi_id = rois.add(Sphere(tuple(place(views, Plane.CORONAL, 0, 0)), 20))
    before = rois.roi(roi_id)
    drag(view, view.pixel_of(place(views, Plane.CORONAL, 5, 9)), view.pixel_of((9, 0, -8)))
    assert rois.roi(roi_id) == before
    assert views.link.cursor_lps_mm[0] == pytest.approx(9, abs=0.5)


def test_that_the_ends_and_the_radius_of_a_vessel_can_be_dragged(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.CORONAL)
    start, end = (place(views, Plane.CORONAL, 0, v) for v in (-25, 25))
    roi_id = rois.add(Cylinder((tuple(start), tuple(end)), 8))
    new_end = place(views, Plane.CORONAL, 14, 30)
    drag(view, view.pixel_of(end), view.pixel_of(new_end))
    shape = rois.roi(roi_id).shape
    close_to(shape.points, [start, new_end], view)
    direction = (new_end - start) / np.linalg.norm(new_end - start)
    across = np.array([direction[2], 0, -direction[0]])
    side = (start + new_end) / 2 + 8 * across
    drag(view, view.pixel_of(side), view.pixel_of(side + 5 * across))
    assert rois.roi(roi_id).shape.radius_mm == pytest.approx(13, abs=0.3)


def test_that_a_corner_of_a_polygon_can_be_dragged(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.AXIAL)
    w = float(place(views, Plane.AXIAL, 0, 0)[2])
    roi_id = rois.add(PolygonStack(Plane.AXIAL, (Contour(w, tuple(CORNERS)),), 5))
    start = place(views, Plane.AXIAL, *CORNERS[1])
    drag(view, view.pixel_of(start), view.pixel_of(start) + QPoint(20, -15))
    moved = np.array(CORNERS[1]) + np.array([20, -15]) / view.viewport.scale
    points = rois.roi(roi_id).shape.contours[0].points
    close_to(points[1], moved, view)
    close_to(points[0], CORNERS[0], view)


def test_that_pressing_the_outline_of_another_region_selects_it(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.CORONAL)
    first = rois.add(Sphere(tuple(place(views, Plane.CORONAL, -15, 0)), 8))
    rois.add(Sphere(tuple(place(views, Plane.CORONAL, 15, 0)), 8))
    click(view, place(views, Plane.CORONAL, -15 + 8 / np.sqrt(2), 8 / np.sqrt(2)))
    assert rois.selected.roi_id == first
    assert len(rois.rois) == 2


def test_that_the_pointer_tells_what_can_be_dragged(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.CORONAL)
    rois.add(Sphere(tuple(place(views, Plane.CORONAL, 0, 0)), 15))
    move(view, view.pixel_of(place(views, Plane.CORONAL, 15, 0)))
    assert view.cursor().shape() == Qt.CursorShape.SizeAllCursor
    move(view, view.pixel_of(place(views, Plane.CORONAL, 4, 4)))
    assert view.cursor().shape() == Qt.CursorShape.ArrowCursor
    rois.use_tool(RoiTool.SPHERE)
    assert view.cursor().shape() == Qt.CursorShape.CrossCursor


def test_that_delete_removes_the_selected_region(window):
    canvas, _, rois = window
    rois.add(Sphere((0, 0, 0), 10))
    view = canvas.slice_view("image", Plane.CORONAL)
    QTest.keyClick(view, Qt.Key.Key_Delete)
    assert rois.rois == ()
    QTest.keyClick(view, Qt.Key.Key_Delete)
    rois.undo()
    assert len(rois.rois) == 1


def test_that_a_region_is_outlined_on_every_plane_where_it_is_cut(window):
    canvas, views, rois = window
    rois.add(Sphere(tuple(views.link.cursor_lps_mm), 12), colour="#00ff00")
    rois.select(None)
    QApplication.processEvents()
    for view in canvas.slice_views:
        picture = view.grab().toImage()
        u, v, _ = view.plane.to_screen_mm(views.link.cursor_lps_mm)
        diagonal = 12 / np.sqrt(2)
        rim = view.viewport.to_pixels(u + diagonal, v + diagonal).toPoint()
        around = [picture.pixelColor(rim + QPoint(a, b)) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        assert any(c.green() > 150 and c.red() < 120 and c.blue() < 120 for c in around)
        inside = picture.pixelColor(view.viewport.to_pixels(u + 4, v + 4).toPoint())
        assert inside.green() > inside.red(), "the voxels of the region are tinted"
    views.link.set_cursor(views.link.cursor_lps_mm + np.array([20, 20, 20]))
    for view in canvas.slice_views:
        picture = view.grab().toImage()
        pixels = [
            picture.pixelColor(x, y)
            for x in range(0, view.width(), 3)
            for y in range(60, view.height() - 30, 3)
        ]
        assert not any(c.green() > 150 and c.red() < 100 and c.blue() < 100 for c in pixels)


def test_that_drafts_are_drawn_on_the_canvas(window):
    canvas, views, rois = window
    view = canvas.slice_view("image", Plane.CORONAL)
    other = canvas.slice_view("image", Plane.SAGITTAL)
    for tool in (RoiTool.SPHERE, RoiTool.CYLINDER, RoiTool.POLYGON):
        rois.use_tool(tool)
        before = view.grab().toImage()
        start = view.pixel_of(place(views, Plane.CORONAL, -8, -8))
        QTest.mousePress(view, LEFT, NONE, start)
        move(view, start + QPoint(50, 40), LEFT)
        move(other, QPointF(20, 80).toPoint())
        assert view.grab().toImage() != before
        canvas.drawing.cancel()
        QTest.mouseRelease(view, LEFT, NONE, start)
    assert rois.rois == ()
