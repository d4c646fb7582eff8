"""Values under the cursor, in words."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.units import GML, Quantity
from kiview.viewmodels.layers import Layer

MINUS, PLUS_MINUS = "\N{MINUS SIGN}", "\N{PLUS-MINUS SIGN}"
PENDING = "not read yet"
"""What a view says of a frame that is still to be read from the files."""
_DECIMALS = {"SUV": 2, "dSUV": 2, "Ki": 4, "dKi": 4, "KiSE": 4, "V0": 3, "activity": 0}


@dataclass(frozen=True, slots=True)
class Readout:
    """Value of one layer under the cursor.

    Attributes:
        name: Short title of the layer.
        text: Value, perhaps with its standard deviation; `not fitted`, `outside` or `not read yet`.
        unit: Unit symbol.
    """

    name: str
    text: str
    unit: str


def value_text(quantity: Quantity, value: float | None) -> str:
    """A value with the digits its quantity deserves."""
    if value is None:
        return "outside"
    if np.isnan(value):
        return "not fitted"
    decimals = _DECIMALS.get(quantity.code)
    text = f"{value:.3g}" if decimals is None else f"{value:.{decimals}f}"
    return text.replace("-", MINUS)


def position_text(position_lps_mm: NDArray[np.float64]) -> str:
    """A position in patient mm, for example `x 12 y 40 z 310 mm`."""
    x, y, z = (f"{round(float(value))}".replace("-", MINUS) for value in position_lps_mm)
    return f"x {x} y {y} z {z} mm"


def readouts(layers: Iterable[Layer], position_lps_mm: NDArray[np.float64]) -> tuple[Readout, ...]:
    """Value of every layer under a position."""
    return tuple(
        Readout(
            layer.short_title,
            PENDING if layer.pending else _told(layer, position_lps_mm),
            layer.quantity.unit.symbol,
        )
        for layer in layers
    )


def _told(layer: Layer, position_lps_mm: NDArray[np.float64]) -> str:
    """A value, with its standard deviation where one is known."""
    value = layer.value_at(position_lps_mm)
    text, spread = value_text(layer.quantity, value), layer.spread_at(position_lps_mm)
    if value is None or np.isnan(value) or spread is None:
        return text
    return f"{text} {PLUS_MINUS} {value_text(layer.quantity, spread)}"


def readout_line(shown: tuple[Readout, ...], position: str) -> str:
    """One line; a unit shared by neighbours is written once, SUV goes without one."""
    parts = []
    for i, readout in enumerate(shown):
        unit_follows = i + 1 < len(shown) and shown[i + 1].unit == readout.unit
        shows_unit = readout.unit != GML.symbol and not unit_follows
        parts.append(f"{readout.name} {readout.text}" + f" {readout.unit}" * shows_unit)
    return " | ".join([*parts, position]) if parts else ""
