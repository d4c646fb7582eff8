"""What is written where."""

from functools import partial
from pathlib import Path

from PySide6.QtWidgets import QCheckBox, QFileDialog

from kiview.jobs.export import ExportFormat
from kiview.viewmodels.export import ExportViewModel
from kiview.viewmodels.results import METHOD_NAMES, ResultsViewModel
from kiview.views.binding import EnabledBinding, SwitchBinding, TextBinding
from kiview.views.parts import Panel, button, named, row, section, text_label

_FORMATS = {
    ExportFormat.NIFTI: ("NIfTI with a record (JSON)", "For research tools."),
    ExportFormat.DICOM: ("DICOM PET series", "For clinical viewers and the archive."),
    ExportFormat.PARAMETRIC_MAP: ("DICOM Parametric Map", "Float values, for newer viewers."),
}

_INDENT = 21


class _Switch:
    """One choice of the export, as the switch binding wants it."""

    def __init__(self, model: ExportViewModel, choice: ExportFormat | str) -> None:
        self._model, self._choice = model, choice

    def read(self) -> bool:
        """Whether it is chosen."""
        if isinstance(self._choice, ExportFormat):
            return self._choice in self._model.formats
        return self._model.is_wanted(self._choice)

    def write(self, chosen: bool) -> None:
        """Choose it, or not."""
        if isinstance(self._choice, ExportFormat):
            self._model.set_format(self._choice, chosen)
        else:
            self._model.set_method(self._choice, chosen)


class ExportPanel(Panel):
    """Choice of maps, formats and folder."""

    def __init__(self, model: ExportViewModel, results: ResultsViewModel) -> None:
        super().__init__("export", "export")
        self._model, self._results = model, results
        self.content.addWidget(section("Maps"))
        for method, name in METHOD_NAMES.items():
            self._add_switch(f"{name} maps", f"export_{method}", "Write this run.", method)
            warning = text_label("", "warning", f"export_{method}_warning")
            warning.setContentsMargins(_INDENT, 0, 0, 0)
            TextBinding(warning, partial(model.warnings, method), model.changed)
            self.content.addWidget(warning)
        self.content.addWidget(section("Formats"))
        for form, (text, tip) in _FORMATS.items():
            self._add_switch(text, f"export_{form.value}", tip, form)
        self.content.addWidget(section("Folder"))
        choose = button(
            "Choose folder\N{HORIZONTAL ELLIPSIS}", "exportFolder", "Where the files are written."
        )
        choose.clicked.connect(self.choose_folder)
        self.content.addLayout(row(choose, None))
        folder = text_label("", "soft", "exportFolderName")
        TextBinding(folder, self._folder, model.changed)
        self.content.addWidget(folder)
        write = button("Export", "exportStart", "Write the chosen maps.", "primary")
        write.clicked.connect(self._on_export)
        EnabledBinding(write, self._why_not, model.changed)
        self.content.addWidget(write)
        note = "Every file says that it is for research use only, and what made it."
        self.content.addWidget(text_label(note, "soft"))
        TextBinding(self.status, self._status, model.changed, hide=False)

    def _add_switch(self, text: str, name: str, tip: str, choice: ExportFormat | str) -> None:
        box = QCheckBox(text)
        named(box, name, tip)
        switch = _Switch(self._model, choice)
        SwitchBinding(box, switch.read, switch.write, self._model.changed)
        self.content.addWidget(box)

    def choose_folder(self) -> None:
        """Ask for a folder."""
        name = QFileDialog.getExistingDirectory(self, "Choose a folder for the export")
        if name:
            self._model.set_folder(Path(name))

    def _on_export(self) -> None:
        self._model.export()

    def _why_not(self) -> str:
        return "Writing." if self._model.is_running else self._model.why_not

    def _status(self) -> str:
        return self._model.status

    def _folder(self) -> str:
        return "" if self._model.folder is None else str(self._model.folder)
