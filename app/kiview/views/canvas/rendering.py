"""From values to a picture: window, colours and regions in one 32-bit image.

Qt enlarges RGB32 several times faster than indexed images, so the picture is made here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from kiview.viewmodels.layers import DisplayWindow
from kiview.views.canvas.colormap import ColourTable

_HALF_WAY = np.float32(1.5)  # level 1 is the first colour; half a level rounds
TINT_SHARE = 0.35
"""How much of a region's colour covers the image."""


@dataclass(frozen=True, slots=True, eq=False)
class Tint:
    """A region on a plane.

    Attributes:
        inside: (rows, columns) bool, upright like the image.
        rgb: Colour, 0 to 255 each.
    """

    inside: NDArray[np.bool_]
    rgb: tuple[int, int, int]


class Renderer:
    """Colours planes of one view, in memory that is used again and again.

    Fresh megabytes for every step cost more than filling them.
    """

    def __init__(self) -> None:
        """Start without memory."""
        self._table: ColourTable | None = None
        self._allocate((0, 0))

    def render(
        self,
        values: NDArray[np.float32],
        window: DisplayWindow,
        table: ColourTable,
        tints: Sequence[Tint] = (),
    ) -> QImage:
        """Colour a plane.

        Args:
            values: (rows, columns), NaN where there is no value.
            window: Values of the first and last colour.
            table: From `colour_table`.
            tints: Regions to blend in.
        """
        if values.shape != self._levels.shape:
            self._allocate(values.shape)
        last = np.float32(len(table) - 1)
        scale = np.float32((last - 1) / (window.high - window.low))
        levels = np.multiply(values, scale, out=self._levels)
        levels += _HALF_WAY - np.float32(window.low) * scale
        np.clip(levels, np.float32(1), last, out=levels)
        if np.isnan(levels.min()):
            np.nan_to_num(levels, copy=False, nan=0.0)
        np.copyto(self._bytes, levels, casting="unsafe")
        image = self._coloured(table)
        if tints:
            pixels = pixels_of(image)
            for tint in tints:
                _blend(pixels, tint)
        return image

    def _coloured(self, table: ColourTable) -> QImage:
        """Look the colours up: Qt does it twice as fast as numpy."""
        if table is not self._table:
            self._indexed.setColorTable(table.tolist())
            self._table = table
        return self._indexed.convertToFormat(QImage.Format.Format_RGB32)

    def _allocate(self, shape: tuple[int, ...]) -> None:
        rows, columns = shape
        self._levels = np.empty(shape, np.float32)
        self._bytes = np.empty(shape, np.uint8)
        form = QImage.Format.Format_Indexed8
        self._indexed = QImage(self._bytes.data, columns, rows, columns, form)
        self._table = None


def pixels_of(image: QImage) -> NDArray[np.uint32]:
    """Pixels of an RGB32 picture, (rows, columns) 0xffRRGGBB, in the picture's own memory."""
    pixels = np.frombuffer(image.bits(), np.uint32)
    return pixels.reshape(image.height(), image.bytesPerLine() // 4)[:, : image.width()]


def _blend(pixels: NDArray[np.uint32], tint: Tint) -> None:
    """Mix a colour into the pixels of a region, in place."""
    under = pixels[tint.inside]
    mixed = np.full_like(under, 0xFF << 24)
    for shift, colour in zip((16, 8, 0), tint.rgb, strict=True):
        channel = (under >> np.uint32(shift)) & np.uint32(0xFF)
        blended = (1 - TINT_SHARE) * channel + TINT_SHARE * colour
        mixed |= blended.astype(np.uint32) << np.uint32(shift)
    pixels[tint.inside] = mixed
