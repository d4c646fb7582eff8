"""Regions on a slice: tinted voxels, outlines, handles and what is being drawn."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from kiview.core.reslice import Plane
from kiview.core.roi import Roi
from kiview.core.roi_outline import outline
from kiview.core.roi_shapes import Shape
from kiview.viewmodels.layers import Layer
from kiview.viewmodels.rois import RoisViewModel
from kiview.views.canvas import palette
from kiview.views.canvas.drawing import Draft
from kiview.views.canvas.handles import Grip, Handle, handles
from kiview.views.canvas.rendering import Tint
from kiview.views.canvas.viewport import Viewport

CUTS_KEPT = 256
_HANDLE_PX = 4.0
_NARROW_PX = 26.0

_Cut = tuple[str, int, Plane, float]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a slice shows of a region: outline in screen mm, and grips."""

    lines: list[QLineF]
    grips: tuple[Handle, ...]


class RegionPainter:
    """Paints regions; shared by all views, so that each slice is cut once."""

    def __init__(self, rois: RoisViewModel) -> None:
        """Start with nothing kept."""
        self._rois = rois
        self._cuts: OrderedDict[_Cut, _Drawn] = OrderedDict()
        rois.rois_changed.connect(self._on_rois_changed)

    def _on_rois_changed(self) -> None:
        """Without regions another study may come, whose regions have the same ids."""
        if not self._rois.rois:
            self._cuts.clear()

    def tints(self, layer: Layer, plane: Plane, position_mm: float) -> list[Tint]:
        """Voxels of every region on a slice of a layer."""
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
                found.append(Tint(reslicer.upright(inside, plane), rgb))
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
                drawn = self._cut(roi, plane, position_mm)
                _draw_lines(painter, drawn.lines, viewport, roi.colour, width)
        if draft is not None:
            self._paint_draft(painter, draft, plane, position_mm, viewport)
        elif selected is not None:
            _draw_handles(painter, self._cut(selected, plane, position_mm).grips, viewport)

    def _cut(self, roi: Roi, plane: Plane, position_mm: float) -> _Drawn:
        """What a slice shows of a region, kept for the other columns and the way back."""
        key = (roi.roi_id, roi.revision, plane, round(position_mm, 3))
        if key not in self._cuts:
            self._cuts[key] = _drawn(roi.shape, plane, position_mm)
            if len(self._cuts) > CUTS_KEPT:
                self._cuts.popitem(last=False)
        return self._cuts[key]

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
            drawn = _drawn(draft.shape, plane, position_mm)
            _draw_lines(painter, drawn.lines, viewport, colour, 2.0)
            if roi is not None:
                _draw_handles(painter, drawn.grips, viewport)
        elif draft.plane == plane and draft.points:
            _draw_open_polygon(painter, draft, viewport, colour)
        if draft.plane == plane:
            for point in draft.points:
                _draw_handle(painter, viewport.to_pixels(*point[:2]), round_one=False)


def _drawn(shape: Shape, plane: Plane, position_mm: float) -> _Drawn:
    segments = outline(shape, plane, position_mm)
    lines = [QLineF(*line) for line in segments.reshape(-1, 4).tolist()]
    return _Drawn(lines, handles(shape, plane, position_mm))


def _draw_lines(
    painter: QPainter, lines: list[QLineF], viewport: Viewport, colour: str, width: float
) -> None:
    """Draw lines given in mm."""
    if not lines:
        return
    painter.save()
    origin = viewport.to_pixels(0, 0)
    painter.translate(origin)
    painter.scale(viewport.scale, viewport.scale)
    for pen in (QPen(QColor(0, 0, 0, 120), width + 1.6), QPen(QColor(colour), width)):
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.drawLines(lines)
    painter.restore()


def _draw_open_polygon(painter: QPainter, draft: Draft, viewport: Viewport, colour: str) -> None:
    corners = [point[:2] for point in (*draft.points, draft.pointer)]
    lines = [QLineF(*a, *b) for a, b in pairwise(corners)]
    _draw_lines(painter, lines, viewport, colour, 1.6)
    painter.setPen(QPen(QColor(colour), 1, Qt.PenStyle.DashLine))
    painter.drawLine(viewport.to_pixels(*corners[-1]), viewport.to_pixels(*corners[0]))


def _draw_handles(painter: QPainter, grips: tuple[Handle, ...], viewport: Viewport) -> None:
    """Draw grips; those for the radius only where they do not hide the region."""
    rims = [viewport.to_pixels(*each.uv) for each in grips if each.grip == Grip.RADIUS]
    narrow = len(rims) > 1 and (rims[0] - rims[1]).manhattanLength() < _NARROW_PX
    for handle in grips:
        if handle.grip != Grip.RADIUS or not narrow:
            at = viewport.to_pixels(*handle.uv)
            _draw_handle(painter, at, round_one=handle.grip == Grip.MOVE)


def _draw_handle(painter: QPainter, at: QPointF, *, round_one: bool) -> None:
    painter.setPen(QPen(QColor(palette.CANVAS), 1.2))
    painter.setBrush(QColor(palette.TEXT))
    box = QRectF(at.x() - _HANDLE_PX, at.y() - _HANDLE_PX, 2 * _HANDLE_PX, 2 * _HANDLE_PX)
    if round_one:
        painter.drawEllipse(box)
    else:
        painter.drawRect(box)
    painter.setBrush(Qt.BrushStyle.NoBrush)
