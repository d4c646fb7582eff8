"""Layers and single weights of the network, for experts; the views preview every change."""

from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from kiview.viewmodels.marks import INSTALLED, in_words
from kiview.viewmodels.network import NetworkViewModel
from kiview.viewmodels.undo import UndoViewModel
from kiview.viewmodels.weight_editor import WeightEditorViewModel
from kiview.views.dialogs.layer_table import LayerTable
from kiview.views.dialogs.single_weight import SingleWeight
from kiview.views.parts import button, keep_room, line_label, row, section, set_role, text_label

_LAYERS = (
    "Gain multiplies what a layer gives; bias shift adds to it, in units of the layer's largest"
    " weight. Double click one, or type, to change it. The views preview; Compute makes the map."
)


class WeightsDialog(QDialog):
    """Stays open beside the window; nothing in it touches the installed files."""

    def __init__(
        self,
        model: WeightEditorViewModel,
        network: NetworkViewModel,
        undo: UndoViewModel,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._model, self._network = model, network
        self.setObjectName("weightsDialog")
        self.setWindowTitle("Layers and weights")
        self.resize(700, 620)
        self._title = line_label("", "title", "weightsTitle")
        self._state = line_label("", "soft", "weightsState")
        self._refused = text_label("", "warning", "weightsRefused")
        self._refused.hide()
        keep_room(self._refused)  # no button moves away under the mouse
        self._refused_with = network.weights
        table, single = LayerTable(model), SingleWeight(model)
        table.refused.connect(self._on_refused)
        single.refused.connect(self._on_refused)
        reset = button("Reset", "weightsReset", "Take back every change.")
        reset.clicked.connect(network.reset)
        self._reset = reset
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 12)
        layout.setSpacing(8)
        layout.addLayout(row(self._title, None, self._state))
        layout.addWidget(text_label(_LAYERS, "soft"))
        layout.addWidget(table, 1)
        layout.addWidget(section("Single weight"))
        layout.addWidget(single)
        layout.addWidget(self._refused)
        layout.addLayout(row(reset, None, buttons))
        for keys, slot in (("Ctrl+Z", undo.undo), ("Ctrl+Y", undo.redo)):
            QShortcut(QKeySequence(keys), self).activated.connect(slot)
        model.changed.connect(self._refresh)
        self.finished.connect(self._on_finished)
        self._refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Read the weights while the dialog is seen."""
        self._on_refused("")
        self._model.watch(True)
        super().showEvent(event)

    def _on_finished(self) -> None:
        self._model.watch(False)

    def _on_refused(self, sentence: str) -> None:
        self._refused.setText(sentence)
        self._refused.setVisible(bool(sentence))
        self._refused_with = self._network.weights

    def _refresh(self) -> None:
        if self._network.weights != self._refused_with:
            self._on_refused("")  # it was about other weights
        told = in_words(self._network.marks)
        self._title.setText(self._model.title)
        self._state.setText(told or f"as {INSTALLED}")
        set_role(self._state, "warning" if told else "soft")
        self._reset.setEnabled(self._network.is_changed)
