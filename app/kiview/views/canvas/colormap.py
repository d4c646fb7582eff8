"""Colours of values: tables from byte to screen colour."""

from functools import lru_cache

import numpy as np
import pyqtgraph as pg  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

ColourTable = NDArray[np.uint32]

NAMES = ("inverse-grey", "grey", "inferno", "viridis", "magma", "plasma", "cividis", "blue-red")
"""Colour tables to choose from, by their name in the settings."""

_LEVELS = 255
_NO_VALUE_RGB = (27, 30, 36)
_BLUE_RED = (
    (0.0, (168, 230, 255)),
    (0.25, (46, 125, 214)),
    (0.5, (20, 22, 26)),
    (0.75, (214, 69, 52)),
    (1.0, (255, 224, 150)),
)


@lru_cache(maxsize=32)
def colour_table(name: str) -> ColourTable:
    """Table of 256 screen colours 0xffRRGGBB; entry 0 means "no value", 1 to 255 low to high.

    Args:
        name: One of `NAMES`; an unknown name gives grey.
    """
    rgb = np.vstack([[_NO_VALUE_RGB], _colours(name)]).astype(np.uint32)
    shifted = np.left_shift(rgb, np.array([16, 8, 0], np.uint32))
    table: ColourTable = shifted.sum(axis=1, dtype=np.uint32) | np.uint32(0xFF000000)
    table.setflags(write=False)
    return table


def _colours(name: str) -> NDArray[np.float64]:
    """(255, 3) red, green, blue from 0 to 255."""
    share = np.linspace(0, 1, _LEVELS)
    if name == "blue-red":
        stops = [stop for stop, _ in _BLUE_RED]
        rgb = np.array([colour for _, colour in _BLUE_RED], dtype=np.float64)
        return np.stack([np.interp(share, stops, rgb[:, i]) for i in range(3)], axis=1)
    if name in NAMES[2:]:
        table = pg.colormap.get(name).getLookupTable(0.0, 1.0, _LEVELS)
        return np.asarray(table, dtype=np.float64)[:, :3]
    grey = 255 * (1 - share if name == "inverse-grey" else share)
    return np.repeat(grey[:, None], 3, axis=1)
