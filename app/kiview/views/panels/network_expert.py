"""For experts: edit weights, load and save them, undo, update the network from added cases."""

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QMessageBox, QVBoxLayout, QWidget

from kiview.viewmodels.window import WindowModels
from kiview.views.binding import EnabledBinding
from kiview.views.dialogs.about import TextDialog
from kiview.views.dialogs.weights_dialog import WeightsDialog
from kiview.views.parts import button, row

_FILES = "Weight sets (*.json *.safetensors)"
_SAVED_AS = "Choices (*.json);;All weights (*.safetensors)"
_ENDINGS = (".json", ".safetensors")


class NetworkExpert(QWidget):
    """Buttons for what a clinician never needs."""

    def __init__(self, models: WindowModels) -> None:
        super().__init__()
        self._models = models
        self._dialog: WeightsDialog | None = None
        edit = button(
            "Edit layers and weights\N{HORIZONTAL ELLIPSIS}",
            "editWeights",
            "Gain and bias shift of each layer, and single weights, in a window of their own.",
        )
        load = button("Load\N{HORIZONTAL ELLIPSIS}", "loadWeights", "Use the weights in a file.")
        save = button(
            "Save\N{HORIZONTAL ELLIPSIS}", "saveWeights", "Keep the weights in use in a file."
        )
        undo = button("Undo", "weightsUndo", "Take back the last change of weights (Ctrl+Z).")
        redo = button("Redo", "weightsRedo", "Make it again (Ctrl+Y).")
        self._update = button("", "updateNetwork", "Train a new version with the cases you added.")
        edit.clicked.connect(self.edit)
        load.clicked.connect(self.ask_to_load)
        save.clicked.connect(self.ask_to_save)
        undo.clicked.connect(models.network.undo)
        redo.clicked.connect(models.network.redo)
        self._update.clicked.connect(self._on_update)
        changed = models.network.changed
        EnabledBinding(undo, self._why_no_undo, changed)
        EnabledBinding(redo, self._why_no_redo, changed)
        for made in (edit, load, save):
            EnabledBinding(made, self._why_no_network, changed)
        EnabledBinding(self._update, self._why_no_update, models.update.changed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(edit)
        layout.addLayout(row(load, save, None, undo, redo))
        layout.addWidget(self._update)
        models.update.changed.connect(self._show_update)
        self._show_update()

    def edit(self) -> None:
        """Open the window of layers and weights, or bring it to the front."""
        if self._dialog is None:
            self._dialog = WeightsDialog(
                self._models.weight_editor, self._models.network, self._models.undo, self.window()
            )
        self._dialog.show()
        self._dialog.activateWindow()

    def ask_to_load(self) -> None:
        """Ask for a file of weights and use it."""
        name, _ = QFileDialog.getOpenFileName(self, "Load weights", "", _FILES)
        if name:
            self._models.weight_files.load(Path(name))

    def ask_to_save(self) -> None:
        """Ask where the weights shall go and write them."""
        suggested = self._models.weight_files.suggested_name
        name, kind = QFileDialog.getSaveFileName(self, "Save weights", suggested, _SAVED_AS)
        if not name:
            return
        path = _with_ending(Path(name), kind)
        if path == Path(name) or not path.exists() or self._may_replace(path):
            self._models.weight_files.save(path)

    def _may_replace(self, path: Path) -> bool:
        """Ask for a file that the dialog did not ask about: its ending was not typed."""
        question = f"{path.name} is there already.\n\nReplace it?"
        answer = QMessageBox.question(self, "Replace the file?", question)
        return answer == QMessageBox.StandardButton.Yes

    def _on_update(self) -> None:
        update = self._models.update
        if update.is_running:
            update.cancel()
        elif update.how:
            TextDialog("updateDialog", "Update from added cases", update.how, self.window()).open()
        else:
            update.start()

    def _show_update(self) -> None:
        running = self._models.update.is_running
        text = "Cancel the update" if running else "Update from added cases\N{HORIZONTAL ELLIPSIS}"
        self._update.setText(text)
        self._update.setAccessibleName(text)

    def _why_no_network(self) -> str:
        return self._models.weight_files.why_not

    def _why_no_update(self) -> str:
        return self._models.update.why_not

    def _why_no_undo(self) -> str:
        return "" if self._models.network.can_undo else "No change of weights to take back."

    def _why_no_redo(self) -> str:
        return "" if self._models.network.can_redo else "No change was taken back."


def _with_ending(path: Path, kind: str) -> Path:
    """The path with the ending of the chosen filter, in place of that of the other one."""
    ending = _ENDINGS[1] if _ENDINGS[1] in kind else _ENDINGS[0]
    if path.suffix.lower() == ending:
        return path
    kept = path.stem if path.suffix.lower() in _ENDINGS else path.name
    return path.with_name(kept + ending)
