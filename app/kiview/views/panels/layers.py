"""The layers that are shown, their windows, and whether they are up to date."""

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from kiview.viewmodels.layers import Layer
from kiview.viewmodels.marks import in_words
from kiview.viewmodels.views import ViewsViewModel
from kiview.views.parts import button, line_label, section, text_label

_NAME_WIDTH = 118
_INDENT = 4
_DASH = "\N{EN DASH}"


class _Activate(QObject):
    """Makes one layer the one whose window is shown; lives as long as its button."""

    def __init__(self, parent: QObject, views: ViewsViewModel, key: str) -> None:
        super().__init__(parent)
        self._views, self._key = views, key

    def activate(self) -> None:
        """Do so."""
        self._views.activate(self._key)


class LayersPanel(QWidget):
    """Layers with their windows; a click lets the window controls belong to one."""

    def __init__(self, views: ViewsViewModel) -> None:
        super().__init__()
        self.setObjectName("layersPanel")
        self._views = views
        self._listed: list[tuple[str, ...]] = []
        self._rows = QGridLayout()
        self._rows.setHorizontalSpacing(6)
        self._rows.setVerticalSpacing(0)
        self._rows.setColumnStretch(0, 1)
        self._empty = text_label("Frames and maps are listed here.", "soft")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(section("Layers"))
        layout.addWidget(self._empty)
        layout.addLayout(self._rows)
        views.layers_changed.connect(self._refresh)
        views.active_changed.connect(self._refresh)
        views.scales.scale_changed.connect(self._on_scale_changed)
        self._refresh()

    def _on_scale_changed(self, _code: str) -> None:
        self._refresh()

    def _refresh(self) -> None:
        listed = [self._texts(layer) for layer in self._views.layers]
        if listed == self._listed:
            return
        self._listed = listed
        _clear(self._rows)
        for line, (key, title, window, role, warnings) in enumerate(listed):
            name = button("", f"layer_{key}", f"Window controls for {title}.", role)
            shown = name.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, _NAME_WIDTH)
            name.setText(shown)
            name.clicked.connect(_Activate(name, self._views, key).activate)
            self._rows.addWidget(name, 2 * line, 0)
            self._rows.addWidget(line_label(window), 2 * line, 1)
            if warnings:
                said = line_label(warnings, "warning", f"layer_{key}_warning")
                said.setContentsMargins(_INDENT, 0, 0, 0)
                self._rows.addWidget(said, 2 * line + 1, 0, 1, 2)
        self._empty.setVisible(not listed)

    def _texts(self, layer: Layer) -> tuple[str, ...]:
        window = self._views.scales.window(layer.quantity)
        role = "chosen" if layer is self._views.active_layer else "plain"
        shown = f"{_short(window.low)}{_DASH}{_short(window.high)}"
        entered = layer.entered.partition(":")[0]
        return (
            layer.key,
            layer.title,
            shown,
            role,
            in_words((*layer.marks, *filter(None, (entered,)))),
        )


def _clear(grid: QGridLayout) -> None:
    while grid.count():
        item = grid.takeAt(0)
        widget = item.widget() if item is not None else None
        if widget is not None:
            widget.hide()
            widget.deleteLater()


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
