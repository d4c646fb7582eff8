"""Regions on a slice: tinted voxels, outlines, handles and what is being drawn."""

from collections import OrderedDict

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from kiview.core.reslice import Plane
from kiview.core.roi import Roi
from kiview.core.roi_outline import Segments, outline
from kiview.core.roi_shapes import Shape
from kiview.viewmodels.layers import Layer
from kiview.viewmodels.rois import RoisViewModel
from kiview.views.canvas import palette
from kiview.views.canvas.drawing import Draft
from kiview.views.canvas.handles import Grip, handles
from kiview.views.canvas.rendering import Tint
from kiview.views.canvas.viewport import Viewport

OUTLINES_KEPT = 256
_HANDLE_PX = 4.0

TintKey = tuple[str, int, str]


class RegionPainter:
    """Paints the regions of one view model."""

    def __init__(self, rois: RoisViewModel) -> None:
        """Start with nothing kept."""
        self._rois = rois
        self._outlines: OrderedDict[tuple[str, int, Plane, float], Segments] = OrderedDict()

    def tints(self, layer: Layer, plane: Plane, position_mm: float) -> list[tuple[TintKey, Tint]]:
        """Voxels of every region on a slice of a layer, with a key that tells them apart."""
        reslicer = layer.planes.reslicer
        if not reslicer.is_aligned:
            return []  # resampled planes have no voxels of their own: the outline tells
        axis, index = reslicer.voxel_plane(plane, reslicer.slice_index(plane, position_mm))
        found = []
        for roi in self._rois.rois:
            inside = self._rois.voxels(roi, layer.geometry).plane(axis, index)
            if inside is not None:
                colour = QColor(roi.colour)
                rgb = (colour.red(), colour.green(), colour.blue())
                tint = Tint(reslicer.upright(inside, plane), rgb)
                found.append(((roi.roi_id, roi.revision, roi.colour), tint))
        return found

    def paint(
        self,
        painter: QPainter,
        plane: Plane,
        position_mm: float,
        viewport: Viewport,
        draft: Draft | None,
    ) -> None:
        """Outlines where the plane cuts the regions, handles of the selected one, the draft."""
        changed = "" if draft is None else draft.roi_id
        selected = self._rois.selected
        for roi in self._rois.rois:
            if roi.roi_id != changed:
                width = 2.0 if roi is selected else 1.3
                segments = self._outline(roi, plane, position_mm)
                _draw_segments(painter, segments, viewport, roi.colour, width)
        if draft is not None:
            self._paint_draft(painter, draft, plane, position_mm, viewport)
        elif selected is not None:
            _draw_handles(painter, selected.shape, plane, position_mm, viewport)

    def _outline(self, roi: Roi, plane: Plane, position_mm: float) -> Segments:
        key = (roi.roi_id, roi.revision, plane, round(position_mm, 3))
        if key not in self._outlines:
            self._outlines[key] = outline(roi.shape, plane, position_mm)
            if len(self._outlines) > OUTLINES_KEPT:
                self._outlines.popitem(last=False)
        return self._outlines[key]

    def _paint_draft(
        self,
        painter: QPainter,
        draft: Draft,
        plane: Plane,
        position_mm: float,
        viewport: Viewport,
    ) -> None:
        roi = self._rois.roi(draft.roi_id)
        colour = palette.ACCENT if roi is None else roi.colour
        if draft.shape is not None:
            segments = outline(draft.shape, plane, position_mm)
            _draw_segments(painter, segments, viewport, colour, 2.0)
            if roi is not None:
                _draw_handles(painter, draft.shape, plane, position_mm, viewport)
        elif draft.plane == plane and draft.points:
            _draw_open_polygon(painter, draft, viewport, colour)
        if draft.plane == plane and draft.points:
            for point in draft.points:
                _draw_handle(painter, viewport.to_pixels(*point[:2]), round_one=False)


def _draw_segments(
    painter: QPainter, segments: Segments, viewport: Viewport, colour: str, width: float
) -> None:
    if not len(segments):
        return
    pixels = viewport.lines(segments)
    lines = [QLineF(*line) for line in pixels.reshape(-1, 4).tolist()]
    painter.setPen(QPen(QColor(0, 0, 0, 120), width + 1.6))
    painter.drawLines(lines)
    painter.setPen(QPen(QColor(colour), width))
    painter.drawLines(lines)


def _draw_open_polygon(painter: QPainter, draft: Draft, viewport: Viewport, colour: str) -> None:
    corners = np.array([*draft.points, draft.pointer])[:, :2]
    segments = np.stack([corners[:-1], corners[1:]], axis=1)
    _draw_segments(painter, segments, viewport, colour, 1.6)
    closing = viewport.lines(np.array([[corners[-1], corners[0]]]))
    painter.setPen(QPen(QColor(colour), 1, Qt.PenStyle.DashLine))
    painter.drawLine(QLineF(*closing.reshape(4).tolist()))


def _draw_handles(
    painter: QPainter, shape: Shape, plane: Plane, position_mm: float, viewport: Viewport
) -> None:
    for handle in handles(shape, plane, position_mm):
        _draw_handle(painter, viewport.to_pixels(*handle.uv), round_one=handle.grip == Grip.MOVE)


def _draw_handle(painter: QPainter, at: QPointF, *, round_one: bool) -> None:
    painter.setPen(QPen(QColor(palette.CANVAS), 1.2))
    painter.setBrush(QColor(palette.TEXT))
    box = QRectF(at.x() - _HANDLE_PX, at.y() - _HANDLE_PX, 2 * _HANDLE_PX, 2 * _HANDLE_PX)
    if round_one:
        painter.drawEllipse(box)
    else:
        painter.drawRect(box)
    painter.setBrush(Qt.BrushStyle.NoBrush)
