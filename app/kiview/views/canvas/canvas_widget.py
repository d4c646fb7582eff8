"""The canvas: a grid of linked views, columns are compared, rows are planes."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from kiview.core.reslice import Plane
from kiview.viewmodels.rois import RoisViewModel, RoiTool
from kiview.viewmodels.views import LAYOUTS, ViewsViewModel
from kiview.views.canvas import palette
from kiview.views.canvas.drawing import DrawingController
from kiview.views.canvas.frame_bar import FrameBar
from kiview.views.canvas.region_painter import RegionPainter
from kiview.views.canvas.slice_view import SliceView
from kiview.views.canvas.view_bar import ViewBar

EMPTY_TEXT = (
    "Open a dynamic PET study: a folder, a zip archive, or a DICOM, NIfTI or ECAT file."
    "\n\nDrop it here, or choose File, Open."
)
_Cell = tuple[str, Plane]


class CanvasWidget(QWidget):
    """Views, frame bar and view bar.

    Attributes:
        drawing: What is being drawn; shared by all views.
        frame_bar: Frame control below the views.
        view_bar: Rows, window and colours above the views.
    """

    def __init__(
        self, views: ViewsViewModel, rois: RoisViewModel, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("canvas")
        self._views = views
        self._rois = rois
        self.drawing = DrawingController(rois, self)
        self._regions = RegionPainter(rois)
        self.frame_bar = FrameBar(views.frames, self)
        self.view_bar = ViewBar(views, self)
        self._cells: dict[_Cell, SliceView] = {}
        self._empty = QLabel(EMPTY_TEXT)
        self._empty.setObjectName("canvas-empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._grid_widget = QWidget()
        self._grid_widget.setStyleSheet(f"background: {palette.BORDER};")
        self._grid = QGridLayout(self._grid_widget)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(1)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._grid_widget)
        self._lay_out()
        self._connect()
        self._on_layers_changed()

    # For others

    def slice_view(self, key: str, plane: Plane) -> SliceView | None:
        """The view of a layer on a plane, if it is shown."""
        return self._cells.get((key, plane))

    @property
    def slice_views(self) -> tuple[SliceView, ...]:
        """All shown views."""
        return tuple(self._cells.values())

    def set_empty_text(self, text: str) -> None:
        """What is said while nothing is open."""
        self._empty.setText(text)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Layouts, frames, cine, reset and keys of drawing."""
        if self._drawing_key(event) or self._view_key(event):
            event.accept()
        else:
            super().keyPressEvent(event)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.view_bar)
        column.addWidget(self._stack, 1)
        column.addWidget(self.frame_bar)

    def _connect(self) -> None:
        views, rois = self._views, self._rois
        views.layers_changed.connect(self._on_layers_changed)
        views.layout_changed.connect(self._on_layers_changed)
        views.active_changed.connect(self._redraw)
        views.link.cursor_changed.connect(self._redraw_pictures)
        views.link.zoom_changed.connect(self._redraw_pictures)
        views.scales.scale_changed.connect(self._redraw)
        views.loader.loaded.connect(self._redraw)
        rois.rois_changed.connect(self._redraw)
        rois.selection_changed.connect(self._redraw)
        rois.tool_changed.connect(self._on_tool_changed)
        self.drawing.draft_changed.connect(self._redraw)

    def _view_key(self, event: QKeyEvent) -> bool:
        views, key = self._views, event.key()
        if Qt.Key.Key_1 <= key < Qt.Key.Key_1 + len(LAYOUTS):
            views.use_layout(key - Qt.Key.Key_0)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            views.frames.step(1 if key == Qt.Key.Key_Right else -1)
        elif key == Qt.Key.Key_Space:
            views.frames.toggle_cine()
        elif key == Qt.Key.Key_R:
            views.reset()
        else:
            return False
        return True

    def _drawing_key(self, event: QKeyEvent) -> bool:
        drawing, key = self.drawing, event.key()
        if key == Qt.Key.Key_Escape:
            self._escape()
        elif not drawing.is_clicking:
            if key != Qt.Key.Key_Delete or self._rois.selected is None:
                return False
            self._rois.delete(self._rois.selected.roi_id)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            drawing.close()
        elif key == Qt.Key.Key_Backspace:
            drawing.remove_point()
        else:
            return False
        return True

    def _escape(self) -> None:
        """One step back: the draft, then the tool, then the selection, then full size."""
        if self.drawing.draft is not None:
            self.drawing.cancel()
        elif self._rois.tool != RoiTool.CURSOR:
            self._rois.use_tool(RoiTool.CURSOR)
        elif self._rois.selected is not None:
            self._rois.select(None)
        elif self._views.full_size is not None:
            self._views.toggle_full_size(*self._views.full_size)

    def _wanted_cells(self) -> list[list[_Cell]]:
        """Rows of cells."""
        full_size = self._views.full_size
        if full_size is not None and self._views.layer(full_size[0]) is not None:
            return [[full_size]]
        keys = [layer.key for layer in self._views.layers]
        return [[(key, plane) for key in keys] for plane in self._views.planes]

    def _on_layers_changed(self) -> None:
        rows = self._wanted_cells()
        wanted = [cell for row in rows for cell in row]
        if list(self._cells) != wanted:
            self._rebuild(rows)
        empty = not self._views.layers
        self._stack.setCurrentWidget(self._empty if empty else self._grid_widget)
        self.view_bar.setVisible(not empty)
        self.frame_bar.setVisible(not empty)
        self._redraw()

    def _rebuild(self, rows: list[list[_Cell]]) -> None:
        had_focus = next((cell for cell, view in self._cells.items() if view.hasFocus()), None)
        old, self._cells = self._cells, {}
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                view = old.pop(cell, None) or self._new_view(cell)
                self._cells[cell] = view
                self._grid.addWidget(view, number, column)
        for view in old.values():
            self._grid.removeWidget(view)
            view.hide()
            view.deleteLater()
        self._stretch(rows)
        if had_focus in self._cells:
            self._cells[had_focus].setFocus()

    def _new_view(self, cell: _Cell) -> SliceView:
        view = SliceView(
            self._views, self._rois, self.drawing, self._regions, cell, self._grid_widget
        )
        view.use_cursor_shape()
        view.show()
        return view

    def _stretch(self, rows: list[list[_Cell]]) -> None:
        """Columns as wide and rows as high as each other; those not used take nothing."""
        for number in range(self._grid.rowCount()):
            self._grid.setRowStretch(number, int(number < len(rows)))
        columns = max((len(row) for row in rows), default=0)
        for number in range(self._grid.columnCount()):
            self._grid.setColumnStretch(number, int(number < columns))

    def _on_tool_changed(self) -> None:
        for view in self._cells.values():
            view.use_cursor_shape()

    def _redraw_pictures(self) -> None:
        for view in self._cells.values():
            view.update(view.area.toAlignedRect())  # the headers stay as they are

    def _redraw(self) -> None:
        for view in self._cells.values():
            view.update()
