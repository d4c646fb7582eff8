"""Drawing and changing regions with the mouse, told in millimetres; no widget."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.core.reslice import Plane
from kiview.core.roi import Roi
from kiview.core.roi_shapes import Contour, Cylinder, Point, PolygonStack, Shape, Sphere
from kiview.viewmodels.rois import RoisViewModel, RoiTool
from kiview.views.canvas.handles import Grip, Handle, grabbed

Screen = NDArray[np.float64]
"""(3,) u, v, w in screen mm of a plane."""

VESSEL_RADIUS_MM = 8.0
RADIUS_STEP_MM = 0.5
SMALLEST_MM = 1.0
PRESS_AND_DRAG = "Press where the region begins and drag before letting go."
POLYGON_HELP = (
    "Click the corners; double click or Enter closes, Backspace takes one back, Esc cancels."
)
POLYGON_NEXT = "Go some slices on and draw again: the region fills in between. Esc ends."
CYLINDER_HELP = (
    "Drag along the vessel, or click along it and double click at its end. The wheel changes the"
    " radius meanwhile."
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is being drawn.

    Attributes:
        plane: The plane it is drawn on.
        position_mm: w of the slice.
        shape: Shape so far, or None while too little of it is there.
        points: Clicked corners of a polygon, or places along a vessel, (u, v, w) mm.
        pointer: Where the mouse is, (u, v, w) mm.
        roi_id: Region that is being changed, empty for a new one.
    """

    plane: Plane
    position_mm: float
    shape: Shape | None = None
    points: tuple[Point, ...] = ()
    pointer: Point = (0.0, 0.0, 0.0)
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
    def is_clicking(self) -> bool:
        """Whether more clicks are awaited: an open polygon, or a vessel followed by clicks."""
        return self.draft is not None and bool(self.draft.points)

    @property
    def is_dragging(self) -> bool:
        """Whether the next move and release belong here."""
        return self.draft is not None and not self.is_clicking

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
        self._slice_mm = slice_mm
        if tool == RoiTool.POLYGON or self.is_clicking:
            self._add_point(plane, at)
            return True
        self._start = at
        if tool == RoiTool.CURSOR:
            return self._grab(plane, at, reach_mm)
        self._radius_mm = VESSEL_RADIUS_MM
        self._show(Draft(plane, float(at[2]), pointer=_point(at)))
        return True

    def move(self, plane: Plane, at: Screen) -> None:
        """Mouse moved on a view."""
        draft = self.draft
        if draft is None or draft.plane != plane:
            return
        if draft.points:
            self._show(self._followed(replace(draft, pointer=_point(at))))
        elif self._handle is not None:
            self._drag_handle(draft, at)
        else:
            self._drag_new(draft, at)

    def release(self, plane: Plane, at: Screen) -> None:
        """Left button up: the region is there, or its first place was clicked."""
        if not self.is_dragging:
            return
        self.move(plane, at)
        draft, handle = self.draft, self._handle
        self.cancel()
        if draft is None:
            return
        if handle is not None and draft.shape is not None:
            self._rois.reshape(draft.roi_id, draft.shape)
        elif draft.shape is not None and np.linalg.norm(at - self._start) >= SMALLEST_MM:
            self._finish(draft.shape)
        elif self._rois.tool == RoiTool.CYLINDER:
            self._show(Draft(plane, float(at[2]), points=(_point(at),), pointer=_point(at)))
        else:
            self._rois.message_changed.emit(PRESS_AND_DRAG)

    def wheel(self, steps: float) -> bool:
        """Wheel while a cylinder is drawn changes its radius; False when it means nothing."""
        draft = self.draft
        if draft is None or not isinstance(draft.shape, Cylinder) or self._handle is not None:
            return False
        self._radius_mm = max(SMALLEST_MM, self._radius_mm + steps * RADIUS_STEP_MM)
        self._show(replace(draft, shape=Cylinder(draft.shape.points, self._radius_mm)))
        return True

    # Clicks

    def close(self) -> bool:
        """Finish the open polygon or the vessel; False when there is none."""
        draft = self.draft
        if draft is None or not draft.points:
            return False
        points = _without_repeats(draft.points)
        self.cancel()
        try:
            if self._rois.tool == RoiTool.CYLINDER:
                self._finish(self._tube(draft.plane, points))
            else:
                self._add_polygon(draft.plane, Contour(draft.position_mm, _uv(points)))
        except InvalidInputError as error:
            self._rois.message_changed.emit(str(error))
        return True

    def remove_point(self) -> None:
        """Take the last clicked place back."""
        draft = self.draft
        if draft is None or len(draft.points) <= 1:
            self.cancel()
        else:
            self._show(self._followed(replace(draft, points=draft.points[:-1])))

    def cancel(self) -> None:
        """Drop what is being drawn."""
        self._handle = None
        if self.draft is not None:
            self.draft = None
            self.draft_changed.emit()

    def _add_point(self, plane: Plane, at: Screen) -> None:
        draft, point = self.draft, _point(at)
        is_vessel = self._rois.tool == RoiTool.CYLINDER
        goes_on = draft is not None and draft.plane == plane
        if draft is not None and goes_on and (is_vessel or draft.position_mm == point[2]):
            points = (*draft.points, point)
            self._show(self._followed(replace(draft, points=points, pointer=point)))
        else:
            self._show(Draft(plane, point[2], points=(point,), pointer=point))

    def _followed(self, draft: Draft) -> Draft:
        """The draft with the vessel as it would be with the next click at the pointer."""
        if self._rois.tool != RoiTool.CYLINDER:
            return draft
        points = _without_repeats((*draft.points, draft.pointer))
        shape = self._tube(draft.plane, points) if len(points) > 1 else None
        return replace(draft, shape=shape)

    def _tube(self, plane: Plane, points: tuple[Point, ...]) -> Cylinder:
        return Cylinder(tuple(_lps(plane, np.array(point)) for point in points), self._radius_mm)

    def _add_polygon(self, plane: Plane, contour: Contour) -> None:
        """A new region, or one more slice of the selected one."""
        selected = self._rois.selected
        shape = None if selected is None else selected.shape
        if selected is not None and isinstance(shape, PolygonStack) and shape.plane == plane:
            self._rois.reshape(selected.roi_id, shape.with_contour(contour))
        else:
            self._rois.add(PolygonStack(plane, (contour,), self._slice_mm))
        self._rois.message_changed.emit(POLYGON_NEXT)

    def _finish(self, shape: Shape) -> None:
        self._rois.add(shape)
        self._rois.use_tool(RoiTool.CURSOR)

    # Drags

    def grip_at(self, plane: Plane, at: Screen, reach_mm: float) -> tuple[Roi, Handle] | None:
        """The region and grip under the mouse; the selected region comes first."""
        selected = self._rois.selected
        others = [roi for roi in reversed(self._rois.rois) if roi is not selected]
        for roi in others if selected is None else [selected, *others]:
            handle = grabbed(roi.shape, plane, at, reach_mm)
            if handle is not None and (roi is selected or handle.grip == Grip.MOVE):
                return roi, handle
        return None

    def _grab(self, plane: Plane, at: Screen, reach_mm: float) -> bool:
        found = self.grip_at(plane, at, reach_mm)
        if found is None:
            return False
        roi, self._handle = found
        self._rois.select(roi.roi_id)
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
        self._show(replace(draft, shape=shape))

    def _drag_new(self, draft: Draft, at: Screen) -> None:
        length = float(np.linalg.norm((at - self._start)[:2]))
        if length < SMALLEST_MM / 10:
            return
        start, end = _lps(draft.plane, self._start), _lps(draft.plane, at)
        shape: Shape = Sphere(start, length)
        if self._rois.tool == RoiTool.CYLINDER:
            shape = Cylinder((start, end), self._radius_mm)
        self._show(replace(draft, shape=shape))

    def _show(self, draft: Draft) -> None:
        self.draft = draft
        self.draft_changed.emit()

    def _on_tool_changed(self) -> None:
        self.cancel()
        helps = {
            RoiTool.CURSOR: "",
            RoiTool.SPHERE: "Press at the centre and drag outwards.",
            RoiTool.CYLINDER: CYLINDER_HELP,
            RoiTool.POLYGON: POLYGON_HELP,
        }
        self._rois.message_changed.emit(helps[self._rois.tool])


def _lps(plane: Plane, at: Screen) -> Point:
    return tuple(plane.to_lps_mm(at).tolist())


def _point(at: Screen) -> Point:
    return tuple(float(value) for value in at)


def _uv(points: tuple[Point, ...]) -> tuple[Point, ...]:
    return tuple(point[:2] for point in points)


def _without_repeats(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Places without the second one of a double click."""
    kept: list[Point] = []
    for point in points:
        if not kept or np.linalg.norm(np.subtract(point, kept[-1])) > SMALLEST_MM / 4:
            kept.append(point)
    return tuple(kept)
