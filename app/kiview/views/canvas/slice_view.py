"""One view: a layer on a plane, with the linked cursor, regions and the mouse."""

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from kiview.core.reslice import Plane, PlaneGrid, PlaneImage
from kiview.viewmodels.layers import Layer
from kiview.viewmodels.readouts import MINUS, PENDING
from kiview.viewmodels.rois import RoisViewModel, RoiTool
from kiview.viewmodels.views import IMAGE_KEY, ViewsViewModel
from kiview.views.canvas import decorations, palette
from kiview.views.canvas.colormap import colour_table
from kiview.views.canvas.decorations import HEADER_HEIGHT, MARGIN, Header
from kiview.views.canvas.drawing import DrawingController
from kiview.views.canvas.mouse import SliceMouse
from kiview.views.canvas.preview_outline import draw_preview_outline, preview_outline
from kiview.views.canvas.region_painter import RegionPainter
from kiview.views.canvas.rendering import Renderer
from kiview.views.canvas.viewport import BOTTOM_STRIP, Viewport

HELP = (
    "<b>Left</b> moves the cursor &nbsp; <b>wheel</b> slice &nbsp; <b>Ctrl+wheel</b> zoom<br>"
    "<b>Right drag</b> window (left-right width, up-down level; a lower end of 0 stays)<br>"
    "<b>Middle drag</b> pan &nbsp; <b>double click</b> this view alone<br>"
    "<b>\N{UPWARDS ARROW} \N{DOWNWARDS ARROW} PageUp PageDown</b> slice &nbsp;"
    " <b>\N{LEFTWARDS ARROW} \N{RIGHTWARDS ARROW}</b> frame &nbsp; <b>Space</b> cine<br>"
    "<b>1-5</b> layout &nbsp; <b>R</b> reset &nbsp; <b>Esc</b> cancel drawing"
)
SETTLE_MS = 120
"""Slices that follow each other faster are drawn without smoothing, until they stop."""
_COARSE = 1.7  # where pixels are enlarged more, missing smoothing would be seen in passing
_NORMAL_NAME = {Plane.AXIAL: "z", Plane.CORONAL: "y", Plane.SAGITTAL: "x"}


@dataclass(frozen=True, slots=True)
class _Picture:
    """A coloured slice: what it was made from, the image, and where its pixels are."""

    key: object
    image: QImage
    grid: PlaneGrid


class SliceView(QWidget):
    """A layer on a plane.

    Attributes:
        key: Which layer.
        plane: Which plane.
    """

    def __init__(
        self,
        views: ViewsViewModel,
        rois: RoisViewModel,
        drawing: DrawingController,
        regions: RegionPainter,
        cell: tuple[str, Plane],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.key, self.plane = key, plane = cell
        self._views = views
        self._rois = rois
        self._drawing = drawing
        self._regions = regions
        self._mouse = SliceMouse(self, views, rois, drawing)
        self._renderer = Renderer()
        self._picture: _Picture | None = None
        self._marks: tuple[object, list[decorations.Fragment]] | None = None
        self._header: tuple[object, QPixmap] | None = None
        self._scrolls = False
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._on_settled)
        self.setObjectName(f"slice-{key}-{plane.value}")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 120)
        self.setAccessibleName(f"{key} {plane.value}")
        self.setToolTip(HELP)

    def sizeHint(self) -> QSize:
        """A comfortable size."""
        return QSize(360, 360)

    # Geometry

    @property
    def layer(self) -> Layer | None:
        """The layer shown, None once it was removed."""
        return self._views.layer(self.key)

    @property
    def area(self) -> QRectF:
        """Pixels below the header."""
        return QRectF(0, HEADER_HEIGHT, self.width(), max(1, self.height() - HEADER_HEIGHT))

    @property
    def viewport(self) -> Viewport:
        """Where the plane lies now."""
        return Viewport.of(self._views.link, self.plane, self.area)

    def plane_image(self) -> PlaneImage | None:
        """The slice through the cursor; None while it is being read or its frame is to come."""
        layer = self.layer
        if layer is None or layer.pending:
            return None
        return self._views.loader.image(layer.planes, self.plane, self._cursor_mm)

    @property
    def _cursor_mm(self) -> float:
        return float(self._views.link.cursor_lps_mm[self.plane.normal_axis])

    def pixel_of(self, position_lps_mm: ArrayLike) -> QPoint:
        """Pixel of a position in the patient."""
        u, v = self.plane.screen_uv(np.asarray(position_lps_mm, np.float64))
        return self.viewport.to_pixels(u, v).toPoint()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw header, picture, regions, cursor and marks."""
        painter = QPainter(self)
        layer = self.layer
        if layer is None:
            painter.fillRect(self.rect(), QColor(palette.CANVAS))
            return
        if event.rect().top() < HEADER_HEIGHT:
            self._paint_header(painter, layer)
        painter.setClipRect(self.area.toAlignedRect())
        viewport = self.viewport
        self._paint_picture(painter, layer, viewport)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if layer.previewed_boxes:
            outline = preview_outline(layer.previewed_boxes, self.plane, self._cursor_mm, viewport)
            draw_preview_outline(painter, outline)
        draft = self._drawing.draft
        self._regions.paint(painter, self.plane, self._cursor_mm, viewport, draft)
        u, v = self.plane.screen_uv(self._views.link.cursor_lps_mm)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        decorations.draw_crosshair(painter, self.area, viewport.to_pixels(u, v))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_marks(painter, layer, viewport)

    def _paint_header(self, painter: QPainter, layer: Layer) -> None:
        header = _header_of(self._views, layer)
        key = (header, self.width(), self.devicePixelRatioF(), self.font().key())
        if self._header is None or self._header[0] != key:
            ratio = self.devicePixelRatioF()
            pixmap = QPixmap(round(self.width() * ratio), round(HEADER_HEIGHT * ratio))
            pixmap.setDevicePixelRatio(ratio)
            on_pixmap = QPainter(pixmap)
            on_pixmap.setFont(self.font())
            on_pixmap.setRenderHint(QPainter.RenderHint.Antialiasing)
            decorations.draw_header(on_pixmap, header, self.width())
            on_pixmap.end()
            self._header = (key, pixmap)
        painter.drawPixmap(0, 0, self._header[1])

    def _paint_picture(self, painter: QPainter, layer: Layer, viewport: Viewport) -> None:
        image = self.plane_image()
        if image is not None:
            self._render(layer, image)
        elif layer.pending:
            self._picture = None  # another frame's picture must not pass for this one's
        if self._picture is None:
            painter.fillRect(self.area, QColor(palette.CANVAS))
        else:
            where = viewport.rectangle(self._picture.grid)
            decorations.fill_around(painter, self.area, where)
            smooth = not self._scrolls or where.width() > _COARSE * self._picture.image.width()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
            painter.drawImage(where, self._picture.image)
        if image is None:
            told = PENDING if layer.pending else "reading"
            decorations.draw_pill(painter, told, self.area.center(), palette.MUTED)

    def _render(self, layer: Layer, image: PlaneImage) -> None:
        """Colour a slice, unless the picture already shows it so."""
        window = self._views.scales.window(layer.quantity)
        colormap = self._views.scales.colormap(layer.quantity)
        regions = tuple((roi.roi_id, roi.revision, roi.colour) for roi in self._rois.rois)
        key = (image, window, colormap, regions)
        if self._picture is None or self._picture.key != key:
            tints = self._regions.tints(layer, self.plane, image.position_mm)
            table = colour_table(colormap)
            picture = self._renderer.render(image.values, window, table, tints)
            self._picture = _Picture(key, picture, image.grid)
            self._scrolls = self._settle.isActive()
            self._settle.start()

    def _on_settled(self) -> None:
        """Scrolling has stopped: draw the picture as well as can be."""
        if self._scrolls:
            self._scrolls = False
            self.update()

    def _paint_marks(self, painter: QPainter, layer: Layer, viewport: Viewport) -> None:
        area = self.area
        key = (self.width(), self.height(), viewport.scale, self.devicePixelRatioF(), self.font())
        if self._marks is None or self._marks[0] != key:
            letters = self.plane.letters
            marks = decorations.letters_and_scale(painter, area, letters, viewport.scale)
            self._marks = (key, marks)
        decorations.draw_fragments(painter, self._marks[1])
        place = f"{_NORMAL_NAME[self.plane]} {round(self._cursor_mm)} mm".replace("-", MINUS)
        texts = (f"{self.plane.value}  {place}", place)
        low_left = QPointF(MARGIN, area.bottom() - BOTTOM_STRIP / 2)
        room = area.width() / 2 - MARGIN - 14
        decorations.draw_pill_left(painter, texts, low_left, room, palette.MUTED)
        decorations.draw_notes(painter, area, _notes_of(self._views, layer, self.plane))
        decorations.draw_badges_below(painter, layer.marks, area)
        if self.hasFocus():
            painter.setPen(QColor(palette.ACCENT))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(area.adjusted(0, 0, -1, -1))

    # Mouse and keys: see SliceMouse

    def event(self, event: QEvent) -> bool:
        """Show the help over the header only, so that it never covers a picture by itself."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            if event.pos().y() < HEADER_HEIGHT:
                QToolTip.showText(event.globalPos(), self._help_text(), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def _help_text(self) -> str:
        layer = self.layer
        if layer is None:
            return HELP
        header = _header_of(self._views, layer)
        said = (header.title, header.detail, *header.badges, layer.note, layer.entered)
        return f"<p>{escape(' · '.join(text for text in said if text))}</p>{HELP}"

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the cursor, draw, window or pan."""
        self._mouse.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what the press began."""
        self._mouse.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish what the press began."""
        self._mouse.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Close the polygon, or show this view alone."""
        self._mouse.double_click(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Slice, zoom or radius."""
        self._mouse.wheel(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Slices and frames; other keys are the canvas's."""
        steps = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1, Qt.Key.Key_PageUp: 10}
        steps[Qt.Key.Key_PageDown] = -10
        if event.key() in steps:
            self.go(steps[Qt.Key(event.key())])
        else:
            event.ignore()

    def go(self, slices: int) -> None:
        """Go some slices to the head (axial), front (coronal) or left (sagittal)."""
        sign = -1 if self.plane == Plane.CORONAL else 1
        self._views.step_slice(self.plane, sign * slices, self.key)

    def screen_at(self, pixel: QPointF) -> tuple[float, float, float]:
        """(u, v, w) mm under a pixel, on the slice that is shown."""
        u, v = self.viewport.to_mm(pixel)
        layer = self.layer
        if layer is None:
            return u, v, self._cursor_mm
        reslicer = layer.planes.reslicer
        index = reslicer.slice_index(self.plane, self._cursor_mm)
        return u, v, reslicer.slice_position_mm(self.plane, index)

    def use_cursor_shape(self) -> None:
        """Show by the pointer what a press would do."""
        drawing = self._rois.tool != RoiTool.CURSOR
        self.setCursor(Qt.CursorShape.CrossCursor if drawing else Qt.CursorShape.ArrowCursor)


def _notes_of(views: ViewsViewModel, layer: Layer, plane: Plane) -> tuple[tuple[str, ...], ...]:
    """What must be known of a layer, each also shorter; entered values once a column."""
    is_first = views.full_size is not None or plane is views.planes[0]
    entered = layer.entered if is_first else ""
    told = (layer.note,), (entered, entered.partition(":")[0])
    return tuple(texts for texts in told if texts[0])


def _header_of(views: ViewsViewModel, layer: Layer) -> Header:
    window = views.scales.window(layer.quantity)
    return Header(
        title=layer.title,
        detail=views.frames.text if layer.key == IMAGE_KEY else layer.method,
        badges=layer.marks,
        low=f"{window.low:.3g}".replace("-", MINUS),
        high=f"{window.high:.3g}".replace("-", MINUS),
        unit=layer.quantity.unit.symbol,
        colormap=views.scales.colormap(layer.quantity),
        active=views.active_layer is layer,
    )
