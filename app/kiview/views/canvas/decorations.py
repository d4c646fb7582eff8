"""What is drawn over and around a picture: letters, scale bar, colour bar, badges."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen

from kiview.views.canvas import palette
from kiview.views.canvas.colormap import colour_table
from kiview.views.canvas.viewport import BOTTOM_STRIP, TOP_STRIP

HEADER_HEIGHT = 38
MARGIN = 8
_BAR_HEIGHT = 6
_PILL = QColor(14, 16, 19, 185)
_SCALE_LENGTHS_MM = (500, 200, 100, 50, 20, 10, 5, 2, 1)
_METRES_PER_INCH = 0.0254
_LONGEST_SCALE_PX = 200.0
_BADGE_ALPHA = 45


@dataclass(frozen=True, slots=True)
class Header:
    """What the strip above a picture says.

    Attributes:
        title: What is shown.
        detail: Frame and time, or how the map was made.
        badges: Warnings in one word each.
        low: Value of the first colour.
        high: Value of the last colour.
        unit: Unit of the values.
        colormap: Name of the colours.
        active: Whether the window controls belong to this layer.
    """

    title: str
    detail: str
    badges: tuple[str, ...]
    low: str
    high: str
    unit: str
    colormap: str
    active: bool


def draw_header(painter: QPainter, header: Header, width: float) -> None:
    """Title line and colour bar in a strip of `width` x `HEADER_HEIGHT`."""
    painter.fillRect(QRectF(0, 0, width, HEADER_HEIGHT), QColor(palette.PANEL))
    if header.active:
        painter.fillRect(QRectF(0, 0, width, 2), QColor(palette.ACCENT))
    right = width - MARGIN
    for badge in reversed(header.badges):
        right = _draw_badge(painter, badge, right) - 4
    _draw_title(painter, header, right)
    _draw_colour_bar(painter, header, width)


def _draw_title(painter: QPainter, header: Header, right: float) -> None:
    font = painter.font()
    bold = QFont(font)
    bold.setBold(True)
    metrics = QFontMetricsF(bold, painter.device())
    room = right - MARGIN
    title = metrics.elidedText(header.title, Qt.TextElideMode.ElideRight, room)
    painter.setFont(bold)
    painter.setPen(QColor(palette.TEXT))
    painter.drawText(QRectF(MARGIN, 3, room, 17), Qt.AlignmentFlag.AlignVCenter, title)
    painter.setFont(font)
    left = MARGIN + metrics.horizontalAdvance(title) + 8
    if header.detail and right - left > 24:
        plain = QFontMetricsF(font, painter.device())
        detail = plain.elidedText(header.detail, Qt.TextElideMode.ElideRight, right - left)
        painter.setPen(QColor(palette.MUTED))
        painter.drawText(QRectF(left, 3, right - left, 17), Qt.AlignmentFlag.AlignVCenter, detail)


def _draw_badge(painter: QPainter, text: str, right: float) -> float:
    """Draw a badge that ends at `right`; returns where it begins."""
    metrics = QFontMetricsF(painter.font(), painter.device())
    width = metrics.horizontalAdvance(text) + 10
    box = QRectF(right - width, 4, width, 16)
    fill = QColor(palette.WARNING)
    fill.setAlpha(_BADGE_ALPHA)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(fill)
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(QColor(palette.WARNING))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    return right - width


def _draw_colour_bar(painter: QPainter, header: Header, width: float) -> None:
    metrics = QFontMetricsF(painter.font(), painter.device())
    high = f"{header.high} {header.unit}".strip()
    low_width, high_width = (metrics.horizontalAdvance(text) for text in (header.low, high))
    left, right = MARGIN + low_width + 6, width - MARGIN - high_width - 6
    painter.setPen(QColor(palette.MUTED))
    middle = Qt.AlignmentFlag.AlignVCenter
    painter.drawText(QRectF(MARGIN, 20, low_width + 1, 16), middle, header.low)
    painter.drawText(QRectF(right + 6, 20, high_width + 1, 16), middle, high)
    if right - left < 16:
        return
    colours = np.ascontiguousarray(colour_table(header.colormap)[None, 1:])
    strip = QImage(colours.data, colours.shape[1], 1, QImage.Format.Format_RGB32)
    bar = QRectF(left, 28 - _BAR_HEIGHT / 2, right - left, _BAR_HEIGHT)
    painter.drawImage(bar, strip)
    painter.setPen(QColor(palette.BORDER))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(bar)


def fill_around(painter: QPainter, area: QRectF, picture: QRectF) -> None:
    """Fill what a picture leaves free; filling all would cost as much as the picture."""
    inner = picture.adjusted(1, 1, -1, -1).intersected(area)
    free = (
        QRectF(area.left(), area.top(), area.width(), inner.top() - area.top()),
        QRectF(area.left(), inner.bottom(), area.width(), area.bottom() - inner.bottom()),
        QRectF(area.left(), inner.top(), inner.left() - area.left(), inner.height()),
        QRectF(inner.right(), inner.top(), area.right() - inner.right(), inner.height()),
    )
    for strip in free if inner.isValid() else (area,):
        painter.fillRect(strip.toAlignedRect(), QColor(palette.CANVAS))


def draw_letters(painter: QPainter, area: QRectF, letters: tuple[str, str, str, str]) -> None:
    """Patient directions in the middle of the left, right, upper and lower edge."""
    left, right, top, bottom = letters
    middle = area.center()
    draw_pill(painter, left, QPointF(area.left() + 14, middle.y()))
    draw_pill(painter, right, QPointF(area.right() - 14, middle.y()))
    draw_pill(painter, top, QPointF(middle.x(), area.top() + TOP_STRIP / 2))
    draw_pill(painter, bottom, QPointF(middle.x(), area.bottom() - BOTTOM_STRIP / 2))


def draw_pill(painter: QPainter, text: str, centre: QPointF, colour: str = palette.TEXT) -> None:
    """A word on a rounded dark ground: readable on white and on black."""
    device = painter.device()
    ratio = device.devicePixelRatioF()
    pill = _pill(text, colour, painter.font().toString(), ratio, device.logicalDpiX())
    width, height = pill.width() / ratio, pill.height() / ratio
    corner = QPointF(round(centre.x() - width / 2), round(centre.y() - height / 2))
    painter.drawImage(corner, pill)


@lru_cache(maxsize=512)
def _pill(text: str, colour: str, font_text: str, ratio: float, dots_per_inch: int) -> QImage:
    """Picture of a pill; drawing text anew at every step would take as long as the slices."""
    font = QFont()
    font.fromString(font_text)
    measure = _image(1, 1, ratio, dots_per_inch)
    metrics = QFontMetricsF(font, measure)
    width, height = ceil(metrics.horizontalAdvance(text)) + 10, ceil(metrics.height()) + 2
    image = _image(width, height, ratio, dots_per_inch)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(font)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_PILL)
    box = QRectF(0, 0, width, height)
    painter.drawRoundedRect(box, 5, 5)
    painter.setPen(QColor(colour))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    painter.end()
    return image


def _image(width: int, height: int, ratio: float, dots_per_inch: int) -> QImage:
    """Transparent picture of a size in device-independent pixels."""
    form = QImage.Format.Format_ARGB32_Premultiplied
    image = QImage(ceil(width * ratio), ceil(height * ratio), form)
    image.setDevicePixelRatio(ratio)
    dots_per_metre = round(dots_per_inch / _METRES_PER_INCH)
    image.setDotsPerMeterX(dots_per_metre)
    image.setDotsPerMeterY(dots_per_metre)
    image.fill(Qt.GlobalColor.transparent)
    return image


def draw_pill_left(
    painter: QPainter, texts: tuple[str, ...], at: QPointF, room: float, colour: str = palette.TEXT
) -> None:
    """A pill that begins at a point: the first text that fits into `room`, else shortened."""
    metrics = QFontMetricsF(painter.font(), painter.device())
    fitting = (text for text in texts if metrics.horizontalAdvance(text) + 10 <= room)
    shown = next(fitting, None)
    if shown is None:
        elide = Qt.TextElideMode.ElideRight
        shown = metrics.elidedText(texts[-1], elide, max(0.0, room - 10))
    width = metrics.horizontalAdvance(shown) + 10
    draw_pill(painter, shown, QPointF(at.x() + width / 2, at.y()), colour)


def draw_scale_bar(painter: QPainter, area: QRectF, pixels_per_mm: float) -> None:
    """A length in the lower right corner, if there is room."""
    room = min(_LONGEST_SCALE_PX, area.width() / 2 - 22 - MARGIN)
    text_width = QFontMetricsF(painter.font(), painter.device()).horizontalAdvance("000 mm") + 10
    fitting = (n for n in _SCALE_LENGTHS_MM if n * pixels_per_mm + text_width <= room)
    length_mm = next(fitting, None)
    if length_mm is None:
        return
    y, right = area.bottom() - BOTTOM_STRIP / 2, area.right() - MARGIN
    draw_pill(painter, f"{length_mm} mm", QPointF(right - text_width / 2, y))
    right -= text_width
    left = right - length_mm * pixels_per_mm
    painter.fillRect(QRectF(left - 4, y - 6, right - left + 8, 12), _PILL)
    painter.setPen(QPen(QColor(palette.TEXT), 1.5))
    painter.drawLines(
        [
            QLineF(left, y, right, y),
            QLineF(left, y - 3, left, y + 3),
            QLineF(right, y - 3, right, y + 3),
        ]
    )


def draw_crosshair(painter: QPainter, area: QRectF, at: QPointF) -> None:
    """Two lines through the cursor that leave the place itself free."""
    gap = 7.0
    colour = QColor(palette.ACCENT)
    colour.setAlpha(200)
    painter.setPen(QPen(colour, 1))
    x, y = at.x(), at.y()
    painter.drawLines(
        [
            QLineF(area.left(), y, x - gap, y),
            QLineF(x + gap, y, area.right(), y),
            QLineF(x, area.top(), x, y - gap),
            QLineF(x, y + gap, x, area.bottom()),
        ]
    )
