"""Drawing and changing regions with the mouse, told in millimetres; no widget."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.core.reslice import Plane
from kiview.core.roi_shapes import Contour, Cylinder, PolygonStack, Shape, Sphere
from kiview.viewmodels.rois import RoisViewModel, RoiTool
from kiview.views.canvas.handles import Handle, grabbed

Screen = NDArray[np.float64]
"""(3,) u, v, w in screen mm of a plane."""

VESSEL_RADIUS_MM = 8.0
RADIUS_STEP_MM = 0.5
SMALLEST_MM = 1.0
PRESS_AND_DRAG = "Press where the region begins and drag before letting go."
POLYGON_HELP = (
    "Click the corners; double click or Enter closes, Backspace takes one back, Esc cancels."
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is being drawn.

    Attributes:
        plane: The plane it is drawn on.
        position_mm: w of the slice.
        shape: Shape so far, or None while a polygon is open.
        points: Corners of an open polygon, (u, v) mm.
        pointer: Where the mouse is, (u, v) mm.
        roi_id: Region that is being changed, empty for a new one.
    """

    plane: Plane
    position_mm: float
    shape: Shape | None = None
    points: tuple[tuple[float, float], ...] = ()
    pointer: tuple[float, float] = (0.0, 0.0)
    roi_id: str = ""


class DrawingController(QObject):
    """Turns presses and drags into regions.

    Attributes:
        draft: What is being drawn, or None.

    Signals:
        draft_changed: the draft is another one.
    """

    draft_changed = Signal()

    def __init__(self, rois: RoisViewModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rois = rois
        self.draft: Draft | None = None
        self._start: Screen = np.zeros(3)
        self._radius_mm = VESSEL_RADIUS_MM
        self._slice_mm = SMALLEST_MM
        self._handle: Handle | None = None
        rois.tool_changed.connect(self._on_tool_changed)

    @property
    def is_drawing_polygon(self) -> bool:
        """Whether a polygon is open."""
        return self.draft is not None and self.draft.shape is None

    @property
    def is_dragging(self) -> bool:
        """Whether the next move and release belong here."""
        return self.draft is not None and not self.is_drawing_polygon

    # Mouse

    def press(self, plane: Plane, at: Screen, slice_mm: float, reach_mm: float) -> bool:
        """Left button down; False when it means nothing here and moves the cursor.

        Args:
            plane: Plane of the view.
            at: Where, (u, v, w) mm.
            slice_mm: Distance between slices of the view.
            reach_mm: How near to a handle counts as on it.
        """
        tool = self._rois.tool
        if tool == RoiTool.POLYGON:
            self._add_point(plane, at, slice_mm)
            return True
        self._start = at
        if tool == RoiTool.CURSOR:
            return self._grab(plane, at, reach_mm)
        self._radius_mm = VESSEL_RADIUS_MM
        self._show(Draft(plane, float(at[2]), Sphere(_lps(plane, at), SMALLEST_MM / 10)))
        return True

    def move(self, plane: Plane, at: Screen) -> None:
        """Mouse moved on a view."""
        draft = self.draft
        if draft is None or draft.plane != plane:
            return
        if draft.shape is None:
            here = (float(at[0]), float(at[1]))
            self._show(Draft(plane, draft.position_mm, None, draft.points, here, draft.roi_id))
        elif self._handle is not None:
            self._drag_handle(draft, at)
        else:
            self._drag_new(draft, at)

    def release(self, plane: Plane, at: Screen) -> None:
        """Left button up: the region is there."""
        if not self.is_dragging:
            return
        self.move(plane, at)
        draft, handle = self.draft, self._handle
        self.cancel()
        if draft is None or draft.shape is None:
            return
        if handle is not None:
            self._rois.reshape(draft.roi_id, draft.shape)
        elif np.linalg.norm((at - self._start)[:2]) >= SMALLEST_MM:
            self._rois.add(draft.shape)
            self._rois.use_tool(RoiTool.CURSOR)
        else:
            self._rois.message_changed.emit(PRESS_AND_DRAG)

    def wheel(self, steps: float) -> bool:
        """Wheel while a cylinder is drawn changes its radius; False when it means nothing."""
        draft = self.draft
        if draft is None or not isinstance(draft.shape, Cylinder) or self._handle is not None:
            return False
        self._radius_mm = max(SMALLEST_MM, self._radius_mm + steps * RADIUS_STEP_MM)
        shape = Cylinder(draft.shape.points, self._radius_mm)
        self._show(Draft(draft.plane, draft.position_mm, shape))
        return True

    # Polygon

    def close_polygon(self) -> bool:
        """Finish the open polygon; False when there is none."""
        draft = self.draft
        if draft is None or draft.shape is not None:
            return False
        self.cancel()
        try:
            contour = Contour(draft.position_mm, _without_repeats(draft.points))
        except InvalidInputError as error:
            self._rois.message_changed.emit(str(error))
            return True
        selected = self._rois.selected
        if (
            selected
            and isinstance(selected.shape, PolygonStack)
            and (selected.shape.plane == draft.plane)
        ):
            self._rois.reshape(selected.roi_id, selected.shape.with_contour(contour))
        else:
            self._rois.add(PolygonStack(draft.plane, (contour,), self._slice_mm))
        return True

    def remove_point(self) -> None:
        """Take the last corner back."""
        draft = self.draft
        if draft is None or draft.shape is not None:
            return
        if len(draft.points) <= 1:
            self.cancel()
        else:
            points = draft.points[:-1]
            self._show(Draft(draft.plane, draft.position_mm, None, points, draft.pointer))

    def cancel(self) -> None:
        """Drop what is being drawn."""
        self._handle = None
        if self.draft is not None:
            self.draft = None
            self.draft_changed.emit()

    def _add_point(self, plane: Plane, at: Screen, slice_mm: float) -> None:
        point = (float(at[0]), float(at[1]))
        draft = self.draft
        if draft is None or draft.plane != plane or draft.position_mm != float(at[2]):
            self._slice_mm = slice_mm
            self._rois.message_changed.emit(POLYGON_HELP)
            self._show(Draft(plane, float(at[2]), None, (point,), point))
        else:
            self._show(Draft(plane, draft.position_mm, None, (*draft.points, point), point))

    # Drags

    def _grab(self, plane: Plane, at: Screen, reach_mm: float) -> bool:
        roi = self._rois.selected
        handle = None if roi is None else grabbed(roi.shape, plane, at, reach_mm)
        if roi is None or handle is None:
            return False
        self._handle = handle
        self._show(Draft(plane, float(at[2]), roi.shape, roi_id=roi.roi_id))
        return True

    def _drag_handle(self, draft: Draft, at: Screen) -> None:
        roi = self._rois.roi(draft.roi_id)
        if roi is None or self._handle is None:
            self.cancel()
            return
        try:
            shape = self._handle.dragged(roi.shape, draft.plane, self._start, at)
        except InvalidInputError:
            return  # a shape that cannot be: the last possible one stays
        self._show(Draft(draft.plane, draft.position_mm, shape, roi_id=draft.roi_id))

    def _drag_new(self, draft: Draft, at: Screen) -> None:
        length = float(np.linalg.norm((at - self._start)[:2]))
        if length < SMALLEST_MM / 10:
            return
        start, end = _lps(draft.plane, self._start), _lps(draft.plane, at)
        shape: Shape = Sphere(start, length)
        if self._rois.tool == RoiTool.CYLINDER:
            shape = Cylinder((start, end), self._radius_mm)
        self._show(Draft(draft.plane, draft.position_mm, shape))

    def _show(self, draft: Draft) -> None:
        self.draft = draft
        self.draft_changed.emit()

    def _on_tool_changed(self) -> None:
        self.cancel()
        helps = {
            RoiTool.CURSOR: "",
            RoiTool.SPHERE: "Press at the centre and drag outwards.",
            RoiTool.CYLINDER: "Drag along the vessel; the wheel changes the radius.",
            RoiTool.POLYGON: POLYGON_HELP,
        }
        self._rois.message_changed.emit(helps[self._rois.tool])


def _lps(plane: Plane, at: Screen) -> tuple[float, ...]:
    return tuple(plane.to_lps_mm(at).tolist())


def _without_repeats(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Corners without the second one of a double click."""
    kept: list[tuple[float, float]] = []
    for point in points:
        if not kept or np.hypot(point[0] - kept[-1][0], point[1] - kept[-1][1]) > SMALLEST_MM / 4:
            kept.append(point)
    return tuple(kept)
