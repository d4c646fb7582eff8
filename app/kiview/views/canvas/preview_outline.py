"""A thin line around the part of a plane that is previewed."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from kiview.core.reslice import Plane
from kiview.core.voxel_box import VoxelBox
from kiview.views.canvas import palette
from kiview.views.canvas.viewport import Viewport

_ALPHA = 150
_SAME_MM = 0.01


def draw_preview_outline(painter: QPainter, path: QPainterPath) -> None:
    """Draw the line: light on dark, so that it is seen on every colour."""
    for colour, alpha, width in ((palette.CANVAS, _ALPHA, 2.4), (palette.TEXT, _ALPHA, 1.0)):
        shade = QColor(colour)
        shade.setAlpha(alpha)
        painter.strokePath(path, QPen(shade, width))


def preview_outline(
    boxes: tuple[VoxelBox, ...], plane: Plane, position_mm: float, viewport: Viewport
) -> QPainterPath:
    """The line around all boxes together, in pixels.

    Args:
        boxes: What is previewed.
        plane: Shown plane.
        position_mm: w of the plane.
        viewport: Where it lies on the screen.

    Returns:
        Empty where no box is cut, and where one fills the plane: then there is nothing to tell.
    """
    path = QPainterPath()
    for box in boxes:
        corners, of_all = box.cut(plane, position_mm), box.whole_grid.cut(plane, position_mm)
        if corners.shape == of_all.shape and np.allclose(corners, of_all, atol=_SAME_MM):
            return QPainterPath()
        path = path.united(_polygon(corners, viewport))
    return path.simplified()


def _polygon(corners_mm: NDArray[np.float64], viewport: Viewport) -> QPainterPath:
    path = QPainterPath()
    points = [viewport.to_pixels(u, v) for u, v in corners_mm.tolist()]
    if points:
        path.addPolygon(QPolygonF([*points, points[0]]))
    return path
