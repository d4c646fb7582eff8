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
_BADGE_HEIGHT, _BADGE_PADDING, _BADGE_GAP = 16, 10, 4
_TITLE_ROOM = 64


Fragment = tuple[QPointF, QImage]
"""A small prepared picture and where its upper left corner goes."""


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
    for badge in reversed(header.badges[: _count_beside_title(painter, header.badges, width)]):
        right = _draw_badge(painter, badge, right, 4) - _BADGE_GAP
    _draw_title(painter, header, right)
    _draw_colour_bar(painter, header, width)


def draw_badges_below(painter: QPainter, badges: tuple[str, ...], area: QRectF) -> None:
    """Badges that find no room in the header, in the upper right corner of the picture."""
    top = area.top() + _BADGE_GAP
    for badge in badges[_count_beside_title(painter, badges, area.width()) :]:
        width = QFontMetricsF(painter.font(), painter.device()).horizontalAdvance(badge)
        right, wide = area.right() - MARGIN, width + _BADGE_PADDING
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.PANEL))
        painter.drawRoundedRect(QRectF(right - wide, top, wide, _BADGE_HEIGHT), 4, 4)
        _draw_badge(painter, badge, right, top)
        top += _BADGE_HEIGHT + _BADGE_GAP


def _count_beside_title(painter: QPainter, badges: tuple[str, ...], width: float) -> int:
    """How many badges, from the first, leave room for the title."""
    metrics = QFontMetricsF(painter.font(), painter.device())
    room = width - 2 * MARGIN - _TITLE_ROOM
    for count, badge in enumerate(badges):
        room -= metrics.horizontalAdvance(badge) + _BADGE_PADDING + _BADGE_GAP
        if room < 0:
            return count
    return len(badges)


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


def _draw_badge(painter: QPainter, text: str, right: float, top: float) -> float:
    """Draw a badge that ends at `right`; returns where it begins."""
    metrics = QFontMetricsF(painter.font(), painter.device())
    width = metrics.horizontalAdvance(text) + _BADGE_PADDING
    box = QRectF(right - width, top, width, _BADGE_HEIGHT)
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


def letters_and_scale(
    painter: QPainter, area: QRectF, letters: tuple[str, str, str, str], pixels_per_mm: float
) -> list[Fragment]:
    """Patient directions in the middle of each edge and, if there is room, a length.

    Args:
        painter: Gives font and resolution; nothing is drawn.
        area: Where the picture is.
        letters: At the left, right, upper and lower edge.
        pixels_per_mm: Scale of the picture.
    """
    middle = area.center()
    places = (
        QPointF(area.left() + 14, middle.y()),
        QPointF(area.right() - 14, middle.y()),
        QPointF(middle.x(), area.top() + TOP_STRIP / 2),
        QPointF(middle.x(), area.bottom() - BOTTOM_STRIP / 2),
    )
    marks = [_pill_at(painter, text, at) for text, at in zip(letters, places, strict=True)]
    return marks + _scale_bar(painter, area, pixels_per_mm)


def draw_fragments(painter: QPainter, fragments: list[Fragment]) -> None:
    """Draw what was prepared."""
    for corner, image in fragments:
        painter.drawImage(corner, image)


def draw_pill(painter: QPainter, text: str, centre: QPointF, colour: str = palette.TEXT) -> None:
    """A word on a rounded dark ground: readable on white and on black."""
    painter.drawImage(*_pill_at(painter, text, centre, colour))


def draw_notes(painter: QPainter, area: QRectF, notes: tuple[tuple[str, ...], ...]) -> None:
    """Warnings above the lower left corner, the first lowest; each by its first text that fits."""
    at = QPointF(MARGIN, area.bottom() - BOTTOM_STRIP * 1.5 + 4)
    for texts in notes:
        draw_pill_left(painter, texts, at, area.width() - 2 * MARGIN, palette.WARNING)
        at -= QPointF(0, BOTTOM_STRIP - 4)


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


def _pill_at(painter: QPainter, text: str, centre: QPointF, colour: str = palette.TEXT) -> Fragment:
    device = painter.device()
    ratio = device.devicePixelRatioF()
    pill = _pill(text, colour, painter.font().toString(), ratio, device.logicalDpiX())
    return _corner(pill, centre), pill


def _corner(image: QImage, centre: QPointF) -> QPointF:
    ratio = image.devicePixelRatioF()
    left, top = centre.x() - image.width() / ratio / 2, centre.y() - image.height() / ratio / 2
    return QPointF(round(left), round(top))


@lru_cache(maxsize=512)
def _pill(text: str, colour: str, font_text: str, ratio: float, dots_per_inch: int) -> QImage:
    """Picture of a pill; drawing text anew at every step would take as long as the slices."""
    font = QFont()
    font.fromString(font_text)
    metrics = QFontMetricsF(font, _image(1, 1, ratio, dots_per_inch))
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


def _scale_bar(painter: QPainter, area: QRectF, pixels_per_mm: float) -> list[Fragment]:
    """A length in the lower right corner: its text and its line."""
    room = min(_LONGEST_SCALE_PX, area.width() / 2 - 22 - MARGIN)
    text_width = QFontMetricsF(painter.font(), painter.device()).horizontalAdvance("000 mm") + 10
    fitting = (n for n in _SCALE_LENGTHS_MM if n * pixels_per_mm + text_width <= room)
    length_mm = next(fitting, None)
    if length_mm is None:
        return []
    y, right = area.bottom() - BOTTOM_STRIP / 2, area.right() - MARGIN
    text = _pill_at(painter, f"{length_mm} mm", QPointF(right - text_width / 2, y))
    length = length_mm * pixels_per_mm
    device = painter.device()
    line = _image(ceil(length) + 8, 12, device.devicePixelRatioF(), device.logicalDpiX())
    line.fill(_PILL)
    on_line = QPainter(line)
    on_line.setPen(QPen(QColor(palette.TEXT), 1.5))
    ends = (QLineF(4, 3, 4, 9), QLineF(4 + length, 3, 4 + length, 9))
    on_line.drawLines([QLineF(4, 6, 4 + length, 6), *ends])
    on_line.end()
    return [text, (QPointF(round(right - text_width - length - 4), round(y - 6)), line)]


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
