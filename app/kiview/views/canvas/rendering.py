"""From values to a picture: window, colours and regions in one 32-bit image.

Qt enlarges RGB32 several times faster than indexed images, so the picture is made here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from kiview.viewmodels.layers import DisplayWindow
from kiview.views.canvas.colormap import ColourTable

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


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A rendered plane.

    Attributes:
        image: For the painter; it uses the memory of `pixels`.
        pixels: (rows, columns) uint32, kept alive here.
    """

    image: QImage
    pixels: NDArray[np.uint32]


def render(
    values: NDArray[np.float32],
    window: DisplayWindow,
    table: ColourTable,
    tints: Iterable[Tint] = (),
) -> Picture:
    """Colour a plane.

    Args:
        values: (rows, columns), NaN where there is no value.
        window: Values of the first and last colour.
        table: From `colour_table`.
        tints: Regions to blend in.
    """
    scale = np.float32((len(table) - 2) / (window.high - window.low))
    levels = np.multiply(values, scale, order="C", dtype=np.float32)
    levels += np.float32(1.5) - np.float32(window.low) * scale
    np.clip(levels, 1, len(table) - 1, out=levels)
    if np.isnan(levels.min()):
        np.nan_to_num(levels, copy=False, nan=0.0)
    pixels = np.take(table, levels.astype(np.uint8))
    for tint in tints:
        _blend(pixels, tint)
    rows, columns = pixels.shape
    image = QImage(pixels.data, columns, rows, 4 * columns, QImage.Format.Format_RGB32)
    return Picture(image, pixels)


def _blend(pixels: NDArray[np.uint32], tint: Tint) -> None:
    """Mix a colour into the pixels of a region, in place."""
    under = pixels[tint.inside]
    mixed = np.full_like(under, 0xFF << 24)
    for shift, colour in zip((16, 8, 0), tint.rgb, strict=True):
        channel = (under >> np.uint32(shift)) & np.uint32(0xFF)
        blended = (1 - TINT_SHARE) * channel + TINT_SHARE * colour
        mixed |= blended.astype(np.uint32) << np.uint32(shift)
    pixels[tint.inside] = mixed
