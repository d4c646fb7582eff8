"""What linked views share: the cursor, the zoom, the windows and the colours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QObject, Signal

from kiview.core.units import ANATOMY, Quantity
from kiview.viewmodels.layers import DIFFERENCE_PREFIX, FIXED_WINDOWS, DisplayWindow

ZOOM_LIMITS = (0.5, 40.0)
PET_COLORMAP = "inverse-grey"
MAP_COLORMAP = "inferno"
DIFFERENCE_COLORMAP = "blue-red"
ANATOMY_COLORMAP = "grey"
_PET_CODES = ("SUV", "activity", "counts", "unknown")


class LinkGroup(QObject):
    """Cursor, zoom and pan of views that move together, in patient mm.

    Attributes:
        cursor_lps_mm: (3,) where the crosshair is.
        zoom: 1 shows the whole volume.
        centre_lps_mm: (3,) what is in the middle of the views.

    Signals:
        cursor_changed: the crosshair is elsewhere.
        zoom_changed: zoom or middle changed.
    """

    cursor_changed = Signal()
    zoom_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._low = np.full(3, -1.0)
        self._high = np.full(3, 1.0)
        self.cursor_lps_mm: NDArray[np.float64] = np.zeros(3)
        self.centre_lps_mm: NDArray[np.float64] = np.zeros(3)
        self.zoom = 1.0

    @property
    def bounds_lps_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest coordinates of what can be shown, each (3,) mm."""
        return self._low, self._high

    def set_bounds(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
        """Take over a new volume: everything in the middle, whole."""
        self._low, self._high = low, high
        self.reset_zoom()
        self.set_cursor((low + high) / 2)

    def set_cursor(self, position_lps_mm: ArrayLike) -> None:
        """Move the crosshair; it stays inside the volume."""
        position = np.clip(np.asarray(position_lps_mm, np.float64), self._low, self._high)
        if not np.array_equal(position, self.cursor_lps_mm):
            self.cursor_lps_mm = position
            self.cursor_changed.emit()

    def set_zoom(self, zoom: float, centre_lps_mm: ArrayLike | None = None) -> None:
        """Enlarge, optionally about another middle."""
        self.zoom = float(np.clip(zoom, *ZOOM_LIMITS))
        if centre_lps_mm is not None:
            centre = np.asarray(centre_lps_mm, np.float64)
            self.centre_lps_mm = np.clip(centre, self._low, self._high)
        self.zoom_changed.emit()

    def pan(self, shift_lps_mm: ArrayLike) -> None:
        """Move what is in the middle."""
        self.set_zoom(self.zoom, self.centre_lps_mm + np.asarray(shift_lps_mm, np.float64))

    def reset_zoom(self) -> None:
        """Show everything."""
        self.set_zoom(1.0, (self._low + self._high) / 2)


class DisplayScales(QObject):
    """Window and colours per quantity: all Ki columns share one scale.

    Signals:
        scale_changed(str): code of the quantity whose window or colours changed.
    """

    scale_changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._defaults = dict(FIXED_WINDOWS)
        self._windows: dict[str, DisplayWindow] = {}
        self._colormaps: dict[str, str] = {}
        self._pet_colormap = PET_COLORMAP
        self._map_colormap = MAP_COLORMAP

    def window(self, quantity: Quantity) -> DisplayWindow:
        """Window of a quantity."""
        default = self._defaults.get(quantity.code, DisplayWindow(0.0, 1.0))
        return self._windows.get(quantity.code, default)

    def knows(self, quantity: Quantity) -> bool:
        """Whether a quantity has a window already, chosen or by default."""
        return quantity.code in self._windows or quantity.code in self._defaults

    def set_window(self, quantity: Quantity, window: DisplayWindow) -> None:
        """Show a quantity between other values."""
        if self._windows.get(quantity.code) != window:
            self._windows[quantity.code] = window
            self.scale_changed.emit(quantity.code)

    def reset_window(self, quantity: Quantity) -> None:
        """Back to the window the quantity started with."""
        if self._windows.pop(quantity.code, None) is not None:
            self.scale_changed.emit(quantity.code)

    def set_default_window(self, code: str, window: DisplayWindow) -> None:
        """Start a quantity with another window, for example from the settings."""
        self._defaults[code] = window
        self.scale_changed.emit(code)

    def colormap(self, quantity: Quantity) -> str:
        """Name of the colours of a quantity."""
        return self._colormaps.get(quantity.code, self._default_colormap(quantity))

    def set_colormap(self, quantity: Quantity, name: str) -> None:
        """Show a quantity in other colours."""
        if self.colormap(quantity) != name:
            self._colormaps[quantity.code] = name
            self.scale_changed.emit(quantity.code)

    def set_default_colormaps(self, pet: str, maps: str) -> None:
        """Colours that PET frames and maps start with, for example from the settings."""
        self._pet_colormap, self._map_colormap = pet, maps
        self.scale_changed.emit("")

    def _default_colormap(self, quantity: Quantity) -> str:
        if quantity.code in _PET_CODES:
            return self._pet_colormap
        if quantity in ANATOMY:
            return ANATOMY_COLORMAP
        is_difference = quantity.code.startswith(DIFFERENCE_PREFIX)
        return DIFFERENCE_COLORMAP if is_difference else self._map_colormap

    def to_dict(self) -> dict[str, Any]:
        """What the user chose, for JSON."""
        windows = {code: [window.low, window.high] for code, window in self._windows.items()}
        return {"windows": windows, "colormaps": dict(self._colormaps)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_dict` gave."""
        for code, (low, high) in dict(saved.get("windows", {})).items():
            self._windows[str(code)] = DisplayWindow(float(low), float(high))
        for code, name in dict(saved.get("colormaps", {})).items():
            self._colormaps[str(code)] = str(name)
        self.scale_changed.emit("")
