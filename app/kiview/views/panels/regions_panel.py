"""Regions: tools, list, and what is in them."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QInputDialog,
    QListWidget,
    QListWidgetItem,
    QToolButton,
)

from kiview.core.tac import TimeActivityCurve
from kiview.viewmodels.curves import RegionCurve
from kiview.viewmodels.rois import RoiTool
from kiview.viewmodels.window import WindowModels
from kiview.views.panels.study_regions import SaveRegions, StudyRegions
from kiview.views.parts import Panel, button, plain_tip, row, text_label, tool_button

_TOOLS = {
    RoiTool.CURSOR: ("Cursor", "Move the linked cursor."),
    RoiTool.CYLINDER: (
        "Cylinder",
        "Click along the vessel; double click ends. Drag the rim for the radius.",
    ),
    RoiTool.SPHERE: ("Sphere", "Press in the middle and drag to the rim."),
    RoiTool.POLYGON: (
        "Polygon",
        "Click around the region, double click closes. Repeat on other slices.",
    ),
}
_SWATCH = 10
_RENAME = "Double click renames."


class RegionsPanel(Panel):
    """Drawing tools and the list of regions."""

    def __init__(self, models: WindowModels) -> None:
        super().__init__("regions", "regions")
        rois, curves = models.rois, models.curves
        self._rois, self._curves, self._views = rois, curves, models.views
        self._files = models.study_regions
        self._tools: dict[RoiTool, QToolButton] = {}
        self._group = QButtonGroup(self)
        self._list = QListWidget()
        self._list.setObjectName("regionList")
        self._list.setAccessibleName("Regions")
        self._list.setToolTip(_RENAME)
        self._told = text_label("", "soft", "regionValues")
        self._message = text_label("", "warning", "regionMessage")
        self._build()
        rois.rois_changed.connect(self._refresh)
        rois.selection_changed.connect(self._refresh)
        rois.tool_changed.connect(self._on_tool_changed)
        rois.message_changed.connect(self._on_message)
        curves.changed.connect(self._refresh)
        self._group.buttonClicked.connect(self._on_tool_chosen)
        self._list.currentItemChanged.connect(self._on_item_chosen)
        self._list.itemDoubleClicked.connect(self._on_rename)
        self._on_tool_changed()
        self._refresh()

    def _build(self) -> None:
        early = button("Early frames", "regionsEarly", "Show the mean of the first minute: blood.")
        early.clicked.connect(self._views.frames.show_early)
        tools = QHBoxLayout()
        tools.setSpacing(4)
        for tool, (text, tip) in _TOOLS.items():
            made = tool_button(text, f"tool_{tool.value}", tip, checkable=True)
            self._tools[tool] = made
            self._group.addButton(made)
            tools.addWidget(made, 1)
        self.content.addWidget(early)
        self.content.addLayout(tools)
        self.content.addWidget(self._message)
        self.content.addWidget(self._list)
        self._delete = button("Delete", "regionDelete", "Delete the selected region.")
        self._go = button("Go to", "regionGo", "Move the cursor to the selected region.")
        self._undo = button("Undo", "regionUndo", "Take back the last change (Ctrl+Z).")
        self._redo = button("Redo", "regionRedo", "Make it again (Ctrl+Y).")
        self._delete.clicked.connect(self._on_delete)
        self._go.clicked.connect(self._on_go)
        self._undo.clicked.connect(self._rois.undo)
        self._redo.clicked.connect(self._rois.redo)
        self.content.addLayout(row(self._go, self._delete, None, self._undo, self._redo))
        self.content.addWidget(self._told)
        self.content.addWidget(SaveRegions(self._files))
        self.content.addWidget(StudyRegions(self._files))

    def _on_tool_chosen(self, chosen: QToolButton) -> None:
        for tool, made in self._tools.items():
            if made is chosen:
                self._rois.use_tool(tool)

    def _on_tool_changed(self) -> None:
        self._tools[self._rois.tool].setChecked(True)

    def _on_message(self, sentence: str) -> None:
        self._message.setText(sentence)
        self._message.setVisible(bool(sentence))

    def _refresh(self) -> None:
        self._list.blockSignals(True)
        self._list.clear()
        selected = self._rois.selected
        for roi in self._rois.rois:
            item = QListWidgetItem(_swatch(roi.colour), roi.name)
            item.setData(Qt.ItemDataRole.UserRole, roi.roi_id)
            item.setToolTip(plain_tip(roi.origin) or _RENAME)
            self._list.addItem(item)
            if selected is not None and roi.roi_id == selected.roi_id:
                self._list.setCurrentItem(item)
        self._list.blockSignals(False)
        self._list.setFixedHeight(24 * min(max(self._list.count(), 1), 8) + 6)
        self._list.setVisible(self._list.count() > 0)
        for made in (self._delete, self._go):
            made.setEnabled(selected is not None)
        self._undo.setEnabled(self._rois.can_undo)
        self._redo.setEnabled(self._rois.can_redo)
        self.status.setText(self._status())
        known = None if selected is None else self._curves.get(selected.roi_id)
        self._told.setText("" if known is None else _about(known))
        self._told.setToolTip("" if selected is None else plain_tip(selected.origin))
        self._message.setVisible(bool(self._message.text()))

    def _status(self) -> str:
        count = len(self._rois.rois)
        if not count:
            return "No region yet. Show the early frames, take Cylinder, and click along the aorta."
        return f"{count} region{'s' * (count > 1)}, kept with the study."

    def _on_item_chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._rois.select(item.data(Qt.ItemDataRole.UserRole))

    def _on_rename(self, item: QListWidgetItem) -> None:
        name, taken = QInputDialog.getText(self, "Rename region", "Name", text=item.text())
        if taken:
            self._rois.rename(item.data(Qt.ItemDataRole.UserRole), name)

    def _on_delete(self) -> None:
        if self._rois.selected is not None:
            self._rois.delete(self._rois.selected.roi_id)

    def _on_go(self) -> None:
        if self._rois.selected is not None:
            self._views.link.set_cursor(self._rois.selected.shape.centre_lps_mm)


def _swatch(colour: str) -> QIcon:
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)


def _about(known: RegionCurve) -> str:
    if known.curve is None or known.mask is None:
        return known.problem
    volume = known.mask.volume_ml
    return f"{known.mask.voxel_count} voxels, {volume:.2f} mL. {_last(known.curve)}"


def _last(curve: TimeActivityCurve) -> str:
    mean, std = _plain(float(curve.mean[-1])), _plain(float(curve.std[-1]))
    return f"Last frame: {mean} \N{PLUS-MINUS SIGN} {std} {curve.quantity.unit.symbol}."


def _plain(value: float) -> str:
    """Three digits that matter, never an exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
