"""Between pixels of a view and millimetres of its plane."""

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF

from kiview.core.reslice import Plane, PlaneGrid
from kiview.viewmodels.link import LinkGroup

TOP_STRIP, BOTTOM_STRIP, SIDE_STRIP = 16, 21, 4
"""Pixels around the whole volume at zoom 1, so that letters and scale do not cover it."""
_SMALLEST_SCALE = 1e-3


@dataclass(frozen=True, slots=True)
class Viewport:
    """Where a plane lies in a view.

    Attributes:
        area: Pixels that show the plane.
        scale: Pixels per mm.
        centre_u_mm: u in the middle of the area.
        centre_v_mm: v in the middle of the area.
    """

    area: QRectF
    scale: float
    centre_u_mm: float
    centre_v_mm: float

    @classmethod
    def of(cls, link: LinkGroup, plane: Plane, area: QRectF) -> "Viewport":
        """Viewport of a plane with the shared zoom and middle."""
        low, high = (plane.screen_uv(corner) for corner in link.bounds_lps_mm)
        room = area.adjusted(SIDE_STRIP, TOP_STRIP, -SIDE_STRIP, -BOTTOM_STRIP)
        fit = min(room.width() / abs(high[0] - low[0]), room.height() / abs(high[1] - low[1]))
        scale = max(fit, _SMALLEST_SCALE) * link.zoom
        u, v = plane.screen_uv(link.centre_lps_mm)
        return cls(area, scale, u, v + (BOTTOM_STRIP - TOP_STRIP) / 2 / scale)

    def to_pixels(self, u_mm: float, v_mm: float) -> QPointF:
        """Pixel of a place on the plane."""
        centre = self.area.center()
        return QPointF(
            centre.x() + (u_mm - self.centre_u_mm) * self.scale,
            centre.y() + (v_mm - self.centre_v_mm) * self.scale,
        )

    def to_mm(self, pixel: QPointF) -> tuple[float, float]:
        """Place (u, v) on the plane under a pixel."""
        centre = self.area.center()
        return (
            self.centre_u_mm + (pixel.x() - centre.x()) / self.scale,
            self.centre_v_mm + (pixel.y() - centre.y()) / self.scale,
        )

    def rectangle(self, grid: PlaneGrid) -> QRectF:
        """Pixels that the whole grid takes."""
        corner = self.to_pixels(grid.left_mm, grid.top_mm)
        rows, columns = grid.shape
        return QRectF(
            corner.x(),
            corner.y(),
            columns * grid.column_mm * self.scale,
            rows * grid.row_mm * self.scale,
        )
