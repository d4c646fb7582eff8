"""Menu bar with the study's name, the state of the network's weights and the badge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QMenu, QMenuBar, QWidget

from kiview.core.reslice import Plane
from kiview.viewmodels.study import study_subtitle
from kiview.viewmodels.window import WindowModels
from kiview.views.dialogs.study_details import FRAMES, PAGE_TITLES, PATIENT
from kiview.views.parts import line_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiview.views.main_window import MainWindow

_PANELS = ("Input", "Maps", "Network", "Regions", "Export")
_DOT = " \N{MIDDLE DOT} "
_DETAIL_KEYS = {PATIENT: "Ctrl+I", FRAMES: "Ctrl+T"}


class Menus(QObject):
    """Builds the menu bar and keeps it up to date.

    Attributes:
        bar: The menu bar.
    """

    def __init__(self, window: MainWindow, models: WindowModels) -> None:
        super().__init__(window)
        self._window, self._models = window, models
        self.bar = QMenuBar(window)
        self.bar.setNativeMenuBar(False)
        self._study_text = line_label("", "soft", "studyTitle")
        self._state = line_label("", "number", "modelState")
        self._file()
        self._edit()
        self._study()
        self._view()
        self._maps()
        self._export()
        self._help()
        self._corner()
        self._connect()
        self._refresh()

    def _file(self) -> None:
        menu = self._menu("&File")
        window = self._window
        self._add(menu, "Open &folder...", window.ask_for_folder, "openFolder", "Ctrl+O")
        self._add(menu, "Open f&ile...", window.ask_for_file, "openFile", "Ctrl+Shift+O")
        self._add(menu, "Open &demo study", window.demo_asked.emit, "openDemo", "Ctrl+D")
        menu.addSeparator()
        close = self._models.study.close_study
        self._close = self._add(menu, "&Close study", close, "closeStudy", "Ctrl+W")
        menu.addSeparator()
        self._add(menu, "&Quit", window.close, "quit", QKeySequence(QKeySequence.StandardKey.Quit))

    def _edit(self) -> None:
        menu, undo = self._menu("&Edit"), self._models.undo
        self._undo = self._add(menu, "&Undo", undo.undo, "undo", "Ctrl+Z")
        self._redo = self._add(menu, "&Redo", undo.redo, "redo", "Ctrl+Y")
        self._delete = self._add(menu, "&Delete region", self._on_delete, "deleteRegion", "")

    def _study(self) -> None:
        menu = self._menu("&Study")
        frames = self._models.views.frames
        self._add(menu, "&Early frames", frames.show_early, "early", "Ctrl+E")
        self._add(menu, "&Late frames", frames.show_late, "late", "Ctrl+L")
        self._add(menu, "Play or pause &frames", frames.toggle_cine, "cine", "")
        menu.addSeparator()
        self._detail_actions = {}
        for page, title in enumerate(PAGE_TITLES):
            keys, text = _DETAIL_KEYS.get(page, ""), f"{title}..."
            action = self._add(menu, text, self._on_details, f"details_{page}", keys)
            self._detail_actions[action] = page
        merge = self._models.merge
        self._merge = self._add(
            menu, "&Merge frames...", self._window.show_merge, "merge", "Ctrl+M"
        )
        self._acquired = self._add(menu, "Frames as &acquired", merge.use_acquired, "acquired", "")

    def _view(self) -> None:
        menu = self._menu("&View")
        views = self._models.views
        self._planes = {}
        for plane in (Plane.CORONAL, Plane.SAGITTAL, Plane.AXIAL):
            action = self._add(menu, f"{plane.value.capitalize()} row", self._on_planes, plane, "")
            action.setCheckable(True)
            self._planes[plane] = action
        menu.addSeparator()
        self._difference = self._add(
            menu, "&Difference column", self._on_difference, "difference", "Ctrl+B"
        )
        self._difference.setCheckable(True)
        self._add(menu, "&Reset windows and zoom", views.reset, "resetViews", "")
        menu.addSeparator()
        self._panel_actions = {}
        for number, panel in enumerate(_PANELS, 1):
            action = self._add(menu, f"{panel} panel", self._on_panel, panel, f"Alt+{number}")
            self._panel_actions[panel] = action

    def _maps(self) -> None:
        menu = self._menu("&Maps")
        maps, network = self._models.maps, self._models.network
        self._patlak = self._add(menu, "Compute &Patlak", maps.compute, "patlak", "Ctrl+P")
        self._network = self._add(menu, "Compute &network", network.compute, "network", "Ctrl+N")
        menu.addSeparator()
        self._add(menu, "&Cancel background work", self._models.tasks.cancel, "cancel", "Ctrl+.")

    def _export(self) -> None:
        menu = self._menu("E&xport")
        self._add(menu, "Export &maps...", self._on_export, "exportMaps", "Ctrl+S")

    def _help(self) -> None:
        menu = self._menu("&Help")
        self._add(menu, "&First steps", self._window.show_help, "firstSteps", "F1")
        self._add(menu, "&About KiView", self._window.show_about, "about", "")

    def _corner(self) -> None:
        badge = line_label("Research use only", "number", "researchBadge")
        badge.setToolTip("Not a medical device; not for diagnosis or treatment.")
        corner = self._corner_widget = QWidget(self.bar)
        layout = QHBoxLayout(corner)
        layout.setContentsMargins(0, 4, 8, 4)
        layout.setSpacing(16)
        for label in (self._study_text, self._state, badge):
            layout.addWidget(label, 0, Qt.AlignmentFlag.AlignVCenter)
        self.bar.setCornerWidget(corner)

    def _menu(self, title: str) -> QMenu:
        menu = self.bar.addMenu(title)
        menu.setObjectName(f"menu_{title.replace('&', '').lower()}")
        menu.setToolTipsVisible(True)
        return menu

    def _add(
        self,
        menu: QMenu,
        text: str,
        slot: Callable[[], object],
        name: str,
        keys: str | QKeySequence,
    ) -> QAction:
        action = QAction(text, self._window)
        action.setObjectName(f"action_{name}")
        action.setShortcut(QKeySequence(keys))
        action.triggered.connect(slot)
        menu.addAction(action)
        return action

    def _connect(self) -> None:
        models = self._models
        for signal in (
            models.study.study_changed,
            models.study.series_changed,
            models.study.opening_changed,
            models.rois.rois_changed,
            models.rois.selection_changed,
            models.maps.changed,
            models.network.changed,
            models.results.changed,
            models.merge.changed,
            models.views.layers_changed,
            models.views.layout_changed,
        ):
            signal.connect(self._refresh)

    def _refresh(self) -> None:
        models = self._models
        self._undo.setEnabled(models.undo.can_undo)
        self._redo.setEnabled(models.undo.can_redo)
        self._delete.setEnabled(models.rois.selected is not None)
        for action in (self._close, *self._detail_actions):
            action.setEnabled(models.study.study is not None)
        self._merge.setEnabled(not models.merge.why_not)
        self._acquired.setEnabled(models.merge.is_merged)
        self._patlak.setEnabled(not models.maps.why_not and not models.maps.is_running)
        self._network.setEnabled(not models.network.why_not and not models.network.is_running)
        for plane, action in self._planes.items():
            action.setChecked(plane in models.views.planes)
        self._difference.setChecked(models.views.shows_difference)
        self._show_state()
        known = models.study.known
        is_open = models.study.study is not None and bool(known)
        subtitle = study_subtitle(models.study.image) if is_open else ""
        self._study_text.setText(f"{known[0].title}{_DOT}{subtitle}" if is_open else "")
        self._fit_corner()

    def _fit_corner(self) -> None:
        """The bar gives its corner new room only when the corner is set."""
        if self._corner_widget.width() != self._corner_widget.sizeHint().width():
            self.bar.setCornerWidget(self._corner_widget)

    def _show_state(self) -> None:
        network = self._models.network
        changed = network.is_changed
        self._state.setText(f"network: {network.state_text}" if network.card else "")
        if self._state.property("modified") != changed:
            self._state.setProperty("modified", changed)
            self._state.style().unpolish(self._state)
            self._state.style().polish(self._state)

    def _on_delete(self) -> None:
        selected = self._models.rois.selected
        if selected is not None:
            self._models.rois.delete(selected.roi_id)

    def _on_planes(self) -> None:
        chosen = tuple(plane for plane, action in self._planes.items() if action.isChecked())
        self._models.views.show_planes(chosen or self._models.views.planes)

    def _on_difference(self) -> None:
        self._models.views.show_difference(self._difference.isChecked())

    def _on_panel(self) -> None:
        for panel, action in self._panel_actions.items():
            if action is self.sender():
                self._window.show_panel(panel)

    def _on_details(self) -> None:
        page = self._detail_actions.get(self.sender())  # type: ignore[call-overload]  # an action
        if page is not None:
            self._window.show_details(page)

    def _on_export(self) -> None:
        self._window.show_panel("Export")
