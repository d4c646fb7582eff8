"""What the mouse does on a slice view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent

from kiview.core.errors import InvalidInputError
from kiview.viewmodels.layers import DisplayWindow
from kiview.viewmodels.rois import RoisViewModel, RoiTool
from kiview.viewmodels.views import ViewsViewModel
from kiview.views.canvas.drawing import DrawingController
from kiview.views.canvas.viewport import Viewport

if TYPE_CHECKING:
    from kiview.views.canvas.slice_view import SliceView

HANDLE_REACH_PX = 8.0
_NOTCH = 120.0
_ZOOM_PER_NOTCH = 1.2
_WINDOW_SPEED_PX = 150.0
_SMALLEST_WIDTH_SHARE = 1e-3


class SliceMouse:
    """Mouse of one view: cursor, window, pan, zoom, and drawing by the controller."""

    def __init__(
        self,
        view: SliceView,
        views: ViewsViewModel,
        rois: RoisViewModel,
        drawing: DrawingController,
    ) -> None:
        """Belong to a view."""
        self._view = view
        self._views = views
        self._rois = rois
        self._drawing = drawing
        self._button = Qt.MouseButton.NoButton
        self._last = QPointF()
        self._notches = 0.0

    def press(self, event: QMouseEvent) -> None:
        """Begin what the button does."""
        self._view.setFocus()
        self._views.activate(self._view.key)
        if event.position().y() < self._view.area.top():
            return
        self._button = event.button()
        self._last = event.position()
        if self._button == Qt.MouseButton.LeftButton:
            self._press_left(event.position())

    def move(self, event: QMouseEvent) -> None:
        """Go on; without a button only an open polygon follows."""
        here, shift = event.position(), event.position() - self._last
        if self._drawing.draft is not None:
            self._drawing.move(self._view.plane, self._at(here))
        elif self._button == Qt.MouseButton.LeftButton:
            self._move_cursor(here)
        elif self._button == Qt.MouseButton.RightButton:
            self._change_window(shift)
        elif self._button == Qt.MouseButton.MiddleButton:
            self._pan(shift)
        elif self._rois.tool == RoiTool.CURSOR:
            self._show_grip(here)
        self._last = here

    def release(self, event: QMouseEvent) -> None:
        """Finish."""
        if event.button() == Qt.MouseButton.LeftButton and self._drawing.is_dragging:
            self._drawing.release(self._view.plane, self._at(event.position()))
        self._button = Qt.MouseButton.NoButton

    def double_click(self, event: QMouseEvent) -> None:
        """Close the polygon, or show this view alone."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if not self._drawing.close() and self._rois.tool == RoiTool.CURSOR:
            self._views.toggle_full_size(self._view.key, self._view.plane)

    def wheel(self, event: QWheelEvent) -> None:
        """Slice; with Ctrl zoom about the mouse; radius while a cylinder is drawn."""
        notches = (event.angleDelta().y() or event.angleDelta().x()) / _NOTCH
        event.accept()
        if self._drawing.wheel(notches):
            return
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom(event.position(), _ZOOM_PER_NOTCH**notches)
            return
        self._notches += notches
        whole = int(self._notches)
        self._notches -= whole
        if whole:
            self._view.go(whole)

    def _press_left(self, here: QPointF) -> None:
        slice_mm = 1.0
        if self._view.layer is not None:
            slice_mm = self._view.layer.planes.reslicer.step_mm(self._view.plane)
        reach = HANDLE_REACH_PX / self._view.viewport.scale
        if not self._drawing.press(self._view.plane, self._at(here), slice_mm, reach):
            self._move_cursor(here)

    def _show_grip(self, here: QPointF) -> None:
        """Show by the pointer that something can be dragged."""
        reach = HANDLE_REACH_PX / self._view.viewport.scale
        if self._rois.rois and self._drawing.grip_at(self._view.plane, self._at(here), reach):
            self._view.setCursor(Qt.CursorShape.SizeAllCursor)
        else:
            self._view.use_cursor_shape()

    def _at(self, pixel: QPointF) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array(self._view.screen_at(pixel))

    def _move_cursor(self, pixel: QPointF) -> None:
        u, v = self._view.viewport.to_mm(pixel)
        plane = self._view.plane
        w = float(self._views.link.cursor_lps_mm[plane.normal_axis])
        self._views.link.set_cursor(plane.to_lps_mm([u, v, w]))

    def _pan(self, shift: QPointF) -> None:
        scale = self._view.viewport.scale
        uvw = [-shift.x() / scale, -shift.y() / scale, 0.0]
        self._views.link.pan(self._view.plane.to_lps_mm(uvw))

    def _zoom(self, pixel: QPointF, factor: float) -> None:
        """Enlarge so that the place under the mouse stays there."""
        link, plane = self._views.link, self._view.plane
        before = np.array([*self._view.viewport.to_mm(pixel), 0.0])
        link.set_zoom(link.zoom * factor)
        after = np.array([*Viewport.of(link, plane, self._view.area).to_mm(pixel), 0.0])
        link.pan(plane.to_lps_mm(before - after))

    def _change_window(self, shift: QPointF) -> None:
        layer = self._view.layer
        if layer is None:
            return
        now = self._views.scales.window(layer.quantity)
        try:
            changed = dragged_window(now, shift.x(), shift.y())
        except InvalidInputError:
            return  # narrower than numbers can tell: stays as it is
        self._views.scales.set_window(layer.quantity, changed)


def dragged_window(window: DisplayWindow, right_px: float, down_px: float) -> DisplayWindow:
    """Window after a right drag: left-right width, up-down level.

    A lower end of 0 stays 0, so that "nothing" keeps its colour; a window about 0 stays about 0.
    """
    width = window.high - window.low
    wider = width * float(np.exp(right_px / _WINDOW_SPEED_PX))
    level_shift = -down_px / _WINDOW_SPEED_PX * width
    if window.low == -window.high:
        half = max((wider + 2 * level_shift) / 2, width * _SMALLEST_WIDTH_SHARE)
        return DisplayWindow(-half, half)
    if window.low == 0:
        return DisplayWindow(0.0, max(wider + level_shift, width * _SMALLEST_WIDTH_SHARE))
    middle = (window.low + window.high) / 2 + level_shift
    return DisplayWindow(middle - wider / 2, middle + wider / 2)
