"""The linked views: columns that are compared, rows of planes, and what is under the cursor."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from kiview.core.images import DynamicImage, ParametricMap
from kiview.core.reslice import Plane, bounds_lps_mm
from kiview.core.units import Quantity
from kiview.core.voxel_box import VoxelBox
from kiview.viewmodels.frames import FramesViewModel
from kiview.viewmodels.layers import (
    DisplayWindow,
    Layer,
    difference_layer,
    image_layer,
    map_layer,
    needed_window,
)
from kiview.viewmodels.link import DisplayScales, LinkGroup
from kiview.viewmodels.plane_loader import PlaneLoader
from kiview.viewmodels.readouts import Readout, position_text, readout_line, readouts
from kiview.viewmodels.results import METHOD_NAMES

IMAGE_KEY = "image"
DIFFERENCE_KEY = "difference"
LAYOUTS: tuple[tuple[Plane, ...], ...] = (
    (Plane.CORONAL, Plane.SAGITTAL),
    (Plane.CORONAL,),
    (Plane.SAGITTAL,),
    (Plane.AXIAL,),
    (Plane.CORONAL, Plane.SAGITTAL, Plane.AXIAL),
)
"""Rows of planes by number key, 1 first."""


class ViewsViewModel(QObject):
    """Columns of layers and rows of planes, linked in patient mm.

    Attributes:
        link: Cursor, zoom and pan.
        frames: Shown frame and cine.
        scales: Window and colours per quantity.
        loader: Reads planes that take long.
        image: The open image, None while nothing is open.
        planes: Rows, from the top.
        active_key: Layer whose window the window controls show.
        full_size: (layer key, plane) of the one view that fills the canvas, or None.

    Signals:
        layers_changed: layers were added, removed, replaced or marked.
        layout_changed: rows or the full-size view changed.
        active_changed: the window controls belong to another layer.
        readouts_changed: values under the cursor may differ.
    """

    layers_changed = Signal()
    layout_changed = Signal()
    active_changed = Signal()
    readouts_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.link = LinkGroup(self)
        self.frames = FramesViewModel(self)
        self.scales = DisplayScales(self)
        self.loader = PlaneLoader(self)
        self.image: DynamicImage | None = None
        self.planes: tuple[Plane, ...] = LAYOUTS[0]
        self.full_size: tuple[str, Plane] | None = None
        self.active_key = IMAGE_KEY
        self._layers: dict[str, Layer] = {}
        self._shows_difference = False
        self.link.cursor_changed.connect(self.readouts_changed)
        self.frames.frame_changed.connect(self._on_frame_changed)
        self.layers_changed.connect(self.readouts_changed)

    # Layers

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Columns from the left: image, Patlak, network, other maps as they came, difference."""
        return tuple(self._layers.values())

    def layer(self, key: str) -> Layer | None:
        """A layer by its key."""
        return self._layers.get(key)

    @property
    def active_layer(self) -> Layer | None:
        """The layer whose window the window controls show."""
        return self._layers.get(self.active_key) or next(iter(self._layers.values()), None)

    def set_image(self, image: DynamicImage | None, arrived: frozenset[int] | None = None) -> None:
        """Show another image, of which some frames (None: all) have been read; maps go."""
        self.image = image
        self.loader.forget()
        self._layers.clear()
        self.full_size = None
        self._shows_difference = False
        self.active_key = IMAGE_KEY
        if image is not None:
            self.link.set_bounds(*bounds_lps_mm(image.geometry))
            middle = np.array(image.geometry.shape_zyx) // 2
            self.link.set_cursor(image.geometry.to_lps_mm(middle))
        self.frames.open_image(image, arrived)
        self.layout_changed.emit()
        self.active_changed.emit()

    def replace_image(self, image: DynamicImage) -> None:
        """Show the image with other facts (a weight was entered) or frames; the rest stays."""
        before, self.image = self.image, image
        if before is None or before.steps != image.steps:
            self.frames.open_image(image)
        else:
            self.frames.retime(image.timing)  # which shows it

    def set_map(
        self,
        key: str,
        parametric_map: ParametricMap,
        title: str,
        short_title: str,
        method: str = "",
        spread: ParametricMap | None = None,
    ) -> None:
        """Add a column, or replace the one with this key.

        Args:
            key: Stable name, for example `patlak`.
            parametric_map: Values on a grid of their own.
            title: Headline, for example `Patlak Ki`.
            short_title: For the cursor line, for example `Patlak`.
            method: How it was made, shown at the colour bar, for example `30-60 min`.
            spread: Standard deviation of the values, if known: told with the value.
        """
        self._put(map_layer(key, parametric_map, title, short_title, method, spread))

    def remove_map(self, key: str) -> None:
        """Remove a column."""
        if key != IMAGE_KEY and self._layers.pop(key, None) is not None:
            self._refresh_difference()
            self.layers_changed.emit()

    def mark_preview(self, key: str, *, untied: bool, boxes: tuple[VoxelBox, ...] = ()) -> None:
        """Say that a column shows a preview, of a map that is tied to Patlak or not.

        It is as new as its inputs; until the column is set again it is never stale.

        Args:
            key: Of the column.
            untied: Whether the map is not tied to Patlak.
            boxes: All that is previewed, where that is less than the planes shown.
        """
        layer = self._layers.get(key)
        if layer is not None:
            preview = replace(layer, previewed=True, stale=False, untied=untied)
            self._put(replace(preview, previewed_boxes=boxes))

    def mark(self, key: str, *, stale: bool | None = None, note: str | None = None) -> None:
        """Say that a map is stale (or is not any more), or name a mismatch."""
        layer = self._layers.get(key)
        if layer is None:
            return
        marked = replace(
            layer,
            stale=(layer.stale if stale is None else stale) and not layer.previewed,
            note=layer.note if note is None else note,
        )
        if (marked.marks, marked.note) != (layer.marks, layer.note):
            self._put(marked)

    @property
    def shows_difference(self) -> bool:
        """Whether the difference column is wanted."""
        return self._shows_difference

    def show_difference(self, shown: bool) -> None:
        """Show or hide the difference of the first two maps of one quantity (second - first)."""
        self._shows_difference = shown
        self._refresh_difference()
        self.layers_changed.emit()

    def _put(self, layer: Layer) -> None:
        self._layers = _in_order(self._layers | {layer.key: layer})
        if not self.scales.knows(layer.quantity):
            self.scales.set_default_window(layer.quantity.code, needed_window(layer))
        self._refresh_difference()
        self.layers_changed.emit()

    def _refresh_difference(self) -> None:
        self._layers.pop(DIFFERENCE_KEY, None)
        maps = [layer for layer in self.layers if layer.key != IMAGE_KEY]
        others = [layer for layer in maps[1:] if layer.quantity == maps[0].quantity]
        if self._shows_difference and others:
            self._layers[DIFFERENCE_KEY] = difference_layer(maps[0], others[0])

    def _on_frame_changed(self) -> None:
        self.loader.forget()
        if self.image is not None:
            pending = self.frames.is_pending
            layer = replace(image_layer(self.image, self.frames.shown), pending=pending)
            self._layers = {IMAGE_KEY: layer} | self._layers | {IMAGE_KEY: layer}
            if not pending and not self.scales.knows(layer.quantity):
                self.scales.set_default_window(layer.quantity.code, needed_window(layer))
        self.layers_changed.emit()

    # Window of the active layer

    def activate(self, key: str) -> None:
        """Let the window controls belong to another layer."""
        if key in self._layers and key != self.active_key:
            self.active_key = key
            self.active_changed.emit()

    def fit_window(self, quantity: Quantity) -> None:
        """Set the window to what the shown planes of a quantity need."""
        shown = [x for x in self.layers if x.quantity == quantity and not x.pending]
        windows = [needed_window(layer, self.link.cursor_lps_mm) for layer in shown]
        if windows:
            low, high = min(w.low for w in windows), max(w.high for w in windows)
            self.scales.set_window(quantity, DisplayWindow(low, high))

    # Layout

    def use_layout(self, number: int) -> None:
        """Choose rows by number key, 1 to the number of `LAYOUTS`."""
        if 1 <= number <= len(LAYOUTS):
            self.show_planes(LAYOUTS[number - 1])

    def show_planes(self, planes: tuple[Plane, ...]) -> None:
        """Choose rows."""
        self.planes = planes or LAYOUTS[0]
        self.full_size = None
        self.layout_changed.emit()

    def toggle_plane(self, plane: Plane, shown: bool) -> None:
        """Show or hide one row; the last one stays."""
        planes = [each for each in self.planes if each != plane] + [plane] * shown
        self.show_planes(tuple(planes) or self.planes)

    def toggle_full_size(self, key: str, plane: Plane) -> None:
        """Let one view fill the canvas, or go back to the grid."""
        self.full_size = None if self.full_size else (key, plane)
        self.layout_changed.emit()

    def step_slice(self, plane: Plane, slices: int, key: str = IMAGE_KEY) -> None:
        """Move the cursor along a plane's normal by slices of one layer's grid."""
        layer = self._layers.get(key)
        if layer is None:
            return
        reslicer = layer.planes.reslicer
        here = float(self.link.cursor_lps_mm[plane.normal_axis])
        index = reslicer.slice_index(plane, here) + slices
        index = min(max(index, 0), reslicer.slice_count(plane) - 1)
        position = self.link.cursor_lps_mm.copy()
        position[plane.normal_axis] = reslicer.slice_position_mm(plane, index)
        self.link.set_cursor(position)

    def reset(self) -> None:
        """Everything whole again, with the windows each quantity started with."""
        self.full_size = None
        self.link.reset_zoom()
        for layer in self.layers:
            self.scales.reset_window(layer.quantity)
        self.layout_changed.emit()

    # Readouts

    def readouts(self) -> tuple[Readout, ...]:
        """Value of every layer under the cursor."""
        return readouts(self.layers, self.link.cursor_lps_mm)

    @property
    def position_text(self) -> str:
        """The cursor in patient mm."""
        return position_text(self.link.cursor_lps_mm)

    @property
    def readout_text(self) -> str:
        """One line: `SUV 3.21 | Patlak 0.0312 ± 0.0041 mL/min/mL | x 1 y 2 z 3 mm`."""
        return readout_line(self.readouts(), self.position_text)


def _in_order(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """Image, Patlak and network first, others as they came."""
    first = [key for key in (IMAGE_KEY, *METHOD_NAMES) if key in layers]
    return {key: layers[key] for key in dict.fromkeys([*first, *layers])}
