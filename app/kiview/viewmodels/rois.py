"""The regions: drawing, changing, undo and redo."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from itertools import count

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.roi import Roi, RoiMask, RoiVoxels
from kiview.core.roi_shapes import Shape

FIRST_NAME = "Aorta"
COLOURS = ("#ff6b6b", "#4cd964", "#ffb340", "#b48cff", "#ff8ad8", "#5ee0d0", "#e6e05c", "#6fa8ff")
UNDO_STEPS = 200
CHANGED = ", changed by hand"
"""Follows the origin of a region that was read and then moved or resized."""


_Key = tuple[str, int]
"""Id and revision of a region."""


class RoiTool(StrEnum):
    """What a press with the left button does."""

    CURSOR = "cursor"
    SPHERE = "sphere"
    CYLINDER = "cylinder"
    POLYGON = "polygon"


class RoisViewModel(QObject):
    """Regions of the open study.

    Attributes:
        tool: What a press with the left button does.

    Signals:
        rois_changed: regions were added, removed, renamed, recoloured, moved or resized.
        selection_changed: another region, or none, is selected.
        tool_changed: another tool is in the hand.
        step_made: there is one more change to undo.
        message_changed(str): a sentence about what was just drawn, empty to clear it.
    """

    rois_changed = Signal()
    selection_changed = Signal()
    tool_changed = Signal()
    step_made = Signal()
    message_changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.tool = RoiTool.CURSOR
        self._rois: tuple[Roi, ...] = ()
        self._selected_id: str | None = None
        self._undo: list[tuple[Roi, ...]] = []
        self._redo: list[tuple[Roi, ...]] = []
        self._numbers = count(1)
        self._revisions = count(1)
        self._voxels: dict[_Key, list[RoiVoxels]] = {}
        self._read: set[_Key] = set()  # their voxels take long: kept as long as undo may need them

    # What there is

    @property
    def rois(self) -> tuple[Roi, ...]:
        """All regions in the order they were drawn."""
        return self._rois

    def roi(self, roi_id: str | None) -> Roi | None:
        """A region by its id."""
        return next((roi for roi in self._rois if roi.roi_id == roi_id), None)

    @property
    def selected(self) -> Roi | None:
        """The selected region."""
        return self.roi(self._selected_id)

    def select(self, roi_id: str | None) -> None:
        """Select a region, or none."""
        if roi_id != self._selected_id:
            self._selected_id = roi_id
            self.selection_changed.emit()

    def use_tool(self, tool: RoiTool) -> None:
        """Take another tool."""
        if tool != self.tool:
            self.tool = tool
            self.tool_changed.emit()

    def mask(self, roi_id: str, geometry: VolumeGeometry) -> RoiMask | None:
        """Voxels of a region on a grid; None when it holds no voxel centre there."""
        roi = self.roi(roi_id)
        if roi is None:
            return None
        try:
            return roi.rasterise(geometry)
        except InvalidInputError:
            return None

    def voxels(self, roi: Roi, geometry: VolumeGeometry) -> RoiVoxels:
        """Voxels of a region on a grid as a small box, kept for display."""
        kept = self._voxels.setdefault(_key(roi), [])
        for voxels in kept:
            if voxels.geometry is geometry or voxels.geometry.matches(geometry):
                return voxels
        kept.append(roi.voxels(geometry))
        return kept[-1]

    # Changing

    def add(self, shape: Shape, name: str | None = None, colour: str | None = None) -> str:
        """Add a region and select it.

        Args:
            shape: Where it is.
            name: As shown; `Aorta` for the first, else a number.
            colour: `#rrggbb`, else the next of `COLOURS`.

        Returns:
            Id of the region.
        """
        number = self._free_number()
        roi = Roi(
            f"region-{number}",
            name or self._free_name(number),
            colour or COLOURS[(number - 1) % len(COLOURS)],
            shape,
            next(self._revisions),
        )
        self._change((*self._rois, roi))
        self.select(roi.roi_id)
        return roi.roi_id

    def add_all(self, rois: Iterable[Roi], voxels: Iterable[RoiVoxels]) -> None:
        """Add regions that were read, in one step; the last is selected.

        Args:
            rois: With names and origins; those without a colour get the next of `COLOURS`.
            voxels: Of each region on the image's grid, kept for display.
        """
        added: list[Roi] = []
        for roi, on_grid in zip(rois, voxels, strict=True):
            number = self._free_number()
            colour = roi.colour or COLOURS[(number - 1) % len(COLOURS)]
            named = replace(roi, roi_id=f"region-{number}", colour=colour)
            added.append(replace(named, revision=next(self._revisions)))
            self._keep(added[-1], on_grid)
        if added:
            self._change((*self._rois, *added))
            self.select(added[-1].roi_id)

    def reshape(self, roi_id: str, shape: Shape) -> None:
        """Move or resize a region; one that was read says that it was changed."""
        roi = self.roi(roi_id)
        if roi is not None and roi.shape != shape:
            origin = roi.origin
            if origin and not origin.endswith(CHANGED):
                origin += CHANGED
            self._replace(replace(roi, shape=shape, origin=origin, revision=next(self._revisions)))

    def rename(self, roi_id: str, name: str) -> None:
        """Give a region another name; an empty one is not taken."""
        roi = self.roi(roi_id)
        if roi is not None and name.strip() and name.strip() != roi.name:
            self._replace(replace(roi, name=name.strip()))

    def recolour(self, roi_id: str, colour: str) -> None:
        """Give a region another colour, `#rrggbb`."""
        roi = self.roi(roi_id)
        if roi is not None and colour != roi.colour:
            self._replace(replace(roi, colour=colour))

    def delete(self, roi_id: str) -> None:
        """Remove a region."""
        if self.roi(roi_id) is not None:
            self._change(tuple(roi for roi in self._rois if roi.roi_id != roi_id))

    def clear(self) -> None:
        """Forget all regions and their history: another study is opened."""
        self._undo.clear()
        self._redo.clear()
        self._voxels.clear()
        self._read.clear()
        self._take(())

    # Undo

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether a change was taken back."""
        return bool(self._redo)

    def undo(self) -> None:
        """Take back the last change."""
        if self._undo:
            self._redo.append(self._rois)
            self._take(self._undo.pop())

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        if self._redo:
            self._undo.append(self._rois)
            self._take(self._redo.pop())

    def forget_undone(self) -> None:
        """What was taken back cannot be made again."""
        self._redo.clear()

    def restore(self, rois: Iterable[Roi], voxels: Iterable[RoiVoxels]) -> None:
        """Put regions kept with the study before those drawn since it was opened.

        They are there in every step of the history: undo takes back only what was drawn.

        Args:
            rois: As kept; they keep ids and revisions, so that maps made from them stay fresh.
            voxels: Of each region on the image's grid, kept for display.
        """
        kept = tuple(rois)
        for roi, on_grid in zip(kept, voxels, strict=True):
            self._keep(roi, on_grid)
        last = max((roi.revision for roi in kept), default=0)
        self._revisions = count(max(next(self._revisions), last + 1))
        taken = {roi.roi_id for roi in kept}
        drawn = {roi.roi_id for state in (*self._undo, *self._redo, self._rois) for roi in state}
        renamed = {
            old: f"region-{self._free_number(*taken, *drawn)}" for old in sorted(drawn & taken)
        }

        def after_kept(state: tuple[Roi, ...]) -> tuple[Roi, ...]:
            ids = (renamed.get(roi.roi_id, roi.roi_id) for roi in state)
            return (*kept, *(replace(roi, roi_id=i) for roi, i in zip(state, ids, strict=True)))

        self._undo = [after_kept(state) for state in self._undo]
        self._redo = [after_kept(state) for state in self._redo]
        if self._selected_id in renamed:
            self._selected_id = renamed[self._selected_id]
        self._take(after_kept(self._rois))

    def _keep(self, roi: Roi, on_grid: RoiVoxels) -> None:
        """Keep the voxels of a region that was read."""
        self._read.add(_key(roi))
        self._voxels[_key(roi)] = [on_grid]

    def _free_number(self, *others: str) -> int:
        taken = {*others, *(roi.roi_id for roi in self._rois)}
        return next(n for n in self._numbers if f"region-{n}" not in taken)

    def _free_name(self, number: int) -> str:
        names = {roi.name for roi in self._rois}
        return FIRST_NAME if FIRST_NAME not in names else f"Region {number}"

    def _replace(self, changed: Roi) -> None:
        self._change(tuple(changed if r.roi_id == changed.roi_id else r for r in self._rois))

    def _change(self, rois: tuple[Roi, ...]) -> None:
        self._undo.append(self._rois)
        del self._undo[:-UNDO_STEPS]
        self._redo.clear()
        self.step_made.emit()
        self._take(rois)

    def _take(self, rois: tuple[Roi, ...]) -> None:
        self._rois = rois
        remembered = {_key(roi) for state in (*self._undo, *self._redo) for roi in state}
        needed = {_key(roi) for roi in rois} | (remembered & self._read)
        self._voxels = {key: kept for key, kept in self._voxels.items() if key in needed}
        if self._selected_id is not None and self.selected is None:
            self.select(None)
        self.rois_changed.emit()


def _key(roi: Roi) -> _Key:
    return roi.roi_id, roi.revision
