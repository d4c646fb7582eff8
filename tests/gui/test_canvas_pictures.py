"""What the canvas draws: orientation, layers, marks, outlines, colours, help."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QRectF, Qt
from PySide6.QtGui import QHelpEvent, QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip
from tests.helpers import torso
from tests.helpers.canvas import make_canvas, make_canvas_with_maps

from kiview.core.reslice import Plane
from kiview.core.units import SUV_BW
from kiview.core.voxel_box import VoxelBox
from kiview.viewmodels import layers
from kiview.viewmodels.layers import DisplayWindow
from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.views import ViewsViewModel
from kiview.views.canvas import decorations
from kiview.views.canvas.canvas_widget import CanvasWidget
from kiview.views.canvas.colormap import NAMES, colour_table
from kiview.views.canvas.preview_outline import preview_outline
from kiview.views.canvas.rendering import Renderer, Tint, pixels_of
from kiview.views.canvas.viewport import Viewport

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")  # offscreen only

ORIENTATIONS = {
    "head first": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "feet first": ((0, 0, -1), (0, 1, 0), (-1, 0, 0)),
    "coronal stack": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
    "oblique": ((0, 0.6, 0.8), (0, 0.8, -0.6), (1, 0, 0)),
}


@pytest.fixture
def window(qtbot):
    return make_canvas_with_maps(qtbot)


def test_that_without_a_study_the_first_step_is_told(qtbot):
    canvas = CanvasWidget(ViewsViewModel(), RoisViewModel())
    qtbot.addWidget(canvas)
    canvas.show()
    assert not canvas.frame_bar.isVisible()
    canvas.set_empty_text("Open something.")
    assert canvas.slice_views == ()
    QTest.keyClick(canvas, Qt.Key.Key_R)


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("plane", list(Plane))
def test_that_the_bright_spot_is_drawn_where_the_patient_has_it(qtbot, name, plane):
    grid = torso.geometry(ORIENTATIONS[name])
    canvas, views, _ = make_canvas(qtbot, torso.dynamic_image(grid))
    views.show_planes((plane,))
    views.scales.set_colormap(SUV_BW, "grey")
    views.scales.set_window(SUV_BW, DisplayWindow(0, 46))
    away = np.full(3, 3.0)
    away[plane.normal_axis] = torso.LEFT_SPOT_LPS_MM[plane.normal_axis]
    views.link.set_cursor(away)
    view = canvas.slice_view("image", plane)
    QApplication.processEvents()
    picture = view.grab().toImage()
    spot, middle = view.pixel_of(torso.LEFT_SPOT_LPS_MM), view.pixel_of(np.zeros(3))
    on_right, above = spot.x() > middle.x(), spot.y() < middle.y()
    assert on_right == (plane != Plane.SAGITTAL), "patient left is right, anterior is left"
    assert above, "head, or anterior in axial views, is up"
    mirrored = [
        QPoint(x, y)
        for x in (spot.x(), 2 * middle.x() - spot.x())
        for y in (spot.y(), 2 * middle.y() - spot.y())
    ]
    brightness = [picture.pixelColor(pixel).red() for pixel in mirrored]
    assert brightness[0] > 150
    assert max(brightness[1:]) < 100


def test_that_columns_are_layers_and_rows_are_planes(window):
    canvas, views, _ = window
    assert [(v.key, v.plane) for v in canvas.slice_views] == [
        (key, plane)
        for plane in (Plane.CORONAL, Plane.SAGITTAL)
        for key in ("image", "patlak", "network")
    ]
    views.show_difference(True)
    views.toggle_plane(Plane.AXIAL, True)
    assert len(canvas.slice_views) == 12
    views.remove_map("network")
    assert len(canvas.slice_views) == 6


def line_of(view, boxes):
    """Where the line around what is previewed runs in a view, in screen mm; None without one."""
    at = float(view._views.link.cursor_lps_mm[view.plane.normal_axis])
    path = preview_outline(boxes, view.plane, at, view.viewport)
    if path.isEmpty():
        return None
    edges = path.boundingRect()
    return (*view.viewport.to_mm(edges.topLeft()), *view.viewport.to_mm(edges.bottomRight()))


def test_that_what_is_previewed_has_a_line_around_it_until_all_is(window):
    canvas, views, _ = window
    grid = views.layer("network").geometry
    index = grid.nearest_index(views.link.cursor_lps_mm)
    near = VoxelBox(grid, tuple(i - 3 for i in index), tuple(i + 4 for i in index))
    view = canvas.slice_view("network", Plane.CORONAL)
    plain = view.grab().toImage()
    views.mark_preview("network", untied=False, boxes=(near,))
    QApplication.processEvents()
    outer = grid.to_lps_mm([np.array(near.first_zyx) - 0.5, np.array(near.end_zyx) - 0.5])
    left, top = view.pixel_of(outer[0]), view.pixel_of(outer[1])
    edge = QPoint(left.x(), (left.y() + top.y()) // 2 + 20)
    assert view.grab().toImage().pixelColor(edge) != plain.pixelColor(edge)
    expected = np.sort(Plane.CORONAL.to_screen_mm(outer), axis=0)[:, :2].ravel()
    np.testing.assert_allclose(line_of(view, (near,)), expected, atol=0.01)
    views.mark_preview("network", untied=False)
    QApplication.processEvents()
    assert view.grab().toImage().pixelColor(edge) == plain.pixelColor(edge)


def test_that_the_line_takes_in_slices_and_goes_where_they_fill_the_plane(window):
    canvas, views, _ = window
    views.show_planes(tuple(Plane))
    grid = views.layer("network").geometry
    z, y, x = grid.nearest_index(views.link.cursor_lps_mm)
    near = VoxelBox(grid, (z - 3, y - 3, x - 3), (z + 4, y + 4, x + 4))
    slices = VoxelBox(grid, (z - 1, 0, 0), (z + 2, *grid.shape_zyx[1:]))
    coronal, axial = (canvas.slice_view("network", p) for p in (Plane.CORONAL, Plane.AXIAL))
    alone, both = line_of(coronal, (near,)), line_of(coronal, (near, slices))
    assert both[0] < alone[0]
    assert both[1] == pytest.approx(alone[1], abs=0.01)
    assert line_of(axial, (near,)) is not None
    assert line_of(axial, (near, slices)) is None


def test_that_marks_of_a_layer_are_drawn_without_trouble_at_any_size(window):
    canvas, views, _ = window
    views.mark("patlak", stale=True, note="has another input function")
    views.show_difference(True)
    for size in ((500, 400), (900, 720), (1600, 1000)):
        canvas.resize(*size)
        QApplication.processEvents()
        assert not canvas.grab().isNull()


@pytest.mark.parametrize(("width", "below"), [(172, True), (420, False)])
def test_that_every_badge_is_seen_in_a_narrow_view_too(window, width, below):
    canvas, _, _ = window
    area = QRectF(0, decorations.HEADER_HEIGHT, width, 200)
    image = QImage(width, 240, QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    painter.setFont(canvas.font())
    decorations.draw_badges_below(painter, ("MODIFIED", "UNTIED", "PREVIEW"), area)
    painter.end()
    drawn = [y for y in range(240) if image.pixelColor(width - 16, y).alpha()]
    assert bool(drawn) is below
    assert not drawn or (drawn[0] > decorations.HEADER_HEIGHT and len(drawn) >= 32)


def test_that_views_follow_every_change_they_show(window):
    canvas, views, _ = window
    view = canvas.slice_view("image", Plane.CORONAL)

    def picture():
        return view.grab().toImage()

    before = picture()
    views.frames.show_frame(1)
    assert picture() != before
    before = picture()
    views.scales.set_window(SUV_BW, DisplayWindow(0, 30))
    assert picture() != before
    before = picture()
    views.link.set_zoom(2)
    assert picture() != before
    before = picture()
    views.link.set_cursor((9, 9, 9))
    assert picture() != before


@pytest.mark.parametrize("name", NAMES)
def test_that_colours_run_from_low_to_high_and_leave_one_for_no_value(name):
    table = colour_table(name)
    assert table.shape == (256,)
    assert (table >> 24 == 0xFF).all()
    assert len(np.unique(table[1:])) > 100
    assert table[0] not in table[1:] or "grey" in name


def test_that_perceptual_colours_get_lighter_steadily():
    for name in ("inferno", "viridis", "magma", "plasma", "cividis", "grey"):
        table = colour_table(name)[1:]
        red, green, blue = (((table >> shift) & 255).astype(float) for shift in (16, 8, 0))
        light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        assert (np.diff(light) > -1.5).all()
    assert colour_table("inverse-grey")[1] == 0xFFFFFFFF
    assert colour_table("inverse-grey")[255] == 0xFF000000


def test_that_values_get_the_colours_of_the_window():
    table = colour_table("grey")
    values = np.array([[0.0, 1.0, 2.0, -5.0, 9.0, np.nan]], np.float32)
    picture = Renderer().render(values, DisplayWindow(0, 2), table)
    assert pixels_of(picture).tolist() == [
        [table[1], table[128], table[255], table[1], table[255], table[0]]
    ]


def test_that_a_region_tints_only_its_own_voxels():
    values = np.full((3, 4), 1.0, np.float32)
    inside = np.zeros((3, 4), np.bool_)
    inside[1, 2] = True
    renderer = Renderer()
    plain = renderer.render(values, DisplayWindow(0, 1), colour_table("grey"))
    tinted = renderer.render(
        values, DisplayWindow(0, 1), colour_table("grey"), [Tint(inside, (255, 0, 0))]
    )
    different = [
        (y, x) for y in range(3) for x in range(4) if plain.pixel(x, y) != tinted.pixel(x, y)
    ]
    assert different == [(1, 2)]
    assert tinted.pixelColor(2, 1).red() == 255
    assert tinted.pixelColor(2, 1).green() < 200


def test_that_pixels_and_millimetres_are_the_same_place(window):
    canvas, views, _ = window
    view = canvas.slice_view("image", Plane.SAGITTAL)
    views.link.set_zoom(2.5, (3, 4, 5))
    viewport = Viewport.of(views.link, Plane.SAGITTAL, view.area)
    for u, v in [(0, 0), (12.5, -3), (-40, 20)]:
        np.testing.assert_allclose(viewport.to_mm(viewport.to_pixels(u, v)), (u, v), atol=1e-9)


def test_that_a_sum_that_takes_long_is_read_in_the_background(window, qtbot, monkeypatch):
    canvas, views, _ = window
    monkeypatch.setattr(layers, "SLOW_SUM_VOXELS", 100)
    view = canvas.slice_view("image", Plane.CORONAL)
    before = view.grab().toImage()
    views.frames.show_early()
    view.repaint()
    assert views.loader.is_busy
    qtbot.waitUntil(lambda: not views.loader.is_busy, timeout=5000)
    assert view.plane_image() is not None
    assert view.grab().toImage() != before


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_that_help_is_shown_over_the_header_and_never_over_a_picture(window, qtbot):
    canvas, views, _ = window
    views.mark("patlak", stale=True, note="has <other> frames")
    view = canvas.slice_view("patlak", Plane.CORONAL)

    def hover(y):
        where = QPoint(60, y)
        event = QHelpEvent(QEvent.Type.ToolTip, where, view.mapToGlobal(where))
        QApplication.sendEvent(view, event)
        return QToolTip.text()

    assert hover(200) == ""
    text = hover(10)
    for part in ("Patlak Ki", "STALE", "&lt;other&gt;", "Ctrl+wheel"):
        assert part in text
    hover(200)
    qtbot.waitUntil(lambda: not QToolTip.isVisible(), timeout=5000)


def test_that_the_view_with_the_keyboard_has_a_frame(window):
    canvas, _, _ = window
    view = canvas.slice_view("image", Plane.SAGITTAL)
    canvas.activateWindow()
    view.setFocus()
    QApplication.processEvents()
    corner = view.area.topLeft().toPoint()
    with_focus = view.grab().toImage().pixelColor(corner)
    canvas.slice_view("image", Plane.CORONAL).setFocus()
    QApplication.processEvents()
    assert view.grab().toImage().pixelColor(corner) != with_focus
