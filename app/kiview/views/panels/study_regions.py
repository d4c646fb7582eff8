"""Structures that the study itself holds, and saving regions to a file."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFileDialog,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

from kiview.core.region_object import RegionObject
from kiview.viewmodels.study_regions import StudyRegionsViewModel
from kiview.views.binding import EnabledBinding
from kiview.views.parts import button, plain_tip, row, section

_MOST_ROWS = 7
_FILTERS = {
    "DICOM segmentation (*.dcm)": ".dcm",
    "NIfTI mask (*.nii.gz)": ".nii.gz",
    "Region JSON (*.json)": ".json",
}
_INDENT = "    "


class StudyRegions(QWidget):
    """The list "In this study" with its buttons; hidden where the study holds no structures."""

    def __init__(self, model: StudyRegionsViewModel) -> None:
        super().__init__()
        self._model = model
        self._shown: tuple[RegionObject, ...] = ()
        self._rows: list[tuple[RegionObject, tuple[int, ...]]] = []
        self._title = section("", "studyStructuresTitle")
        self._list = QListWidget()
        self._list.setObjectName("studyStructures")
        self._list.setAccessibleName("Structures in this study")
        self._list.setToolTip("Structures that the study's own files hold. Double click reads one.")
        self._list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._read = button("Read", "structuresRead", "Read the chosen structure as a region.")
        self._read_all = button(
            "Read all", "structuresReadAll", "Read every structure of the object as a region."
        )
        self._build()
        self._list.itemActivated.connect(self._on_activated)
        self._list.currentRowChanged.connect(self._on_row_changed)
        self._read.clicked.connect(self._on_read)
        self._read_all.clicked.connect(self._on_read_all)
        model.changed.connect(self._refresh)
        model.position_asked.connect(self._on_position_asked)
        self._refresh()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self._title)
        layout.addWidget(self._list)
        layout.addLayout(row(self._read, self._read_all, None))

    def _refresh(self) -> None:
        if self._model.objects != self._shown:
            self._shown = self._model.objects
            self._fill()
        count = self._model.structure_count
        found = f"{count} structure{'s' * (count != 1)}"
        self._title.setText(f"In this study: {found}")
        self.setVisible(bool(self._shown))
        self._on_row_changed(self._list.currentRow())

    def _fill(self) -> None:
        self._list.clear()
        self._rows = []
        for one in self._shown:
            head = " \N{MIDDLE DOT} ".join(filter(None, (one.kind_name, one.description)))
            self._add(head, one, ())
            for structure in one.structures:
                self._add(f"{_INDENT}{structure.name}", one, (structure.number,))
        if self._rows:
            self._list.setCurrentRow(min(1, len(self._rows) - 1))
        height = sum(
            self._list.sizeHintForRow(i) for i in range(min(self._list.count(), _MOST_ROWS))
        )
        self._list.setFixedHeight(height + 6)

    def _add(self, text: str, source: RegionObject, numbers: tuple[int, ...]) -> None:
        item = QListWidgetItem(text)
        item.setToolTip(plain_tip(text.strip()))
        if not numbers:
            font = item.font()
            font.setBold(True)
            item.setFont(font)
        self._list.addItem(item)
        self._rows.append((source, numbers))

    def _on_row_changed(self, index: int) -> None:
        is_row = 0 <= index < len(self._rows)
        may = is_row and not self._model.is_running
        self._read.setEnabled(may and bool(self._rows[index][1]))
        self._read_all.setEnabled(may and bool(self._rows[index][0].structures))

    def _on_activated(self, item: QListWidgetItem) -> None:
        source, numbers = self._rows[self._list.row(item)]
        if numbers:
            self._model.read(source, numbers)

    def _on_read(self) -> None:
        source, numbers = self._rows[self._list.currentRow()]
        self._model.read(source, numbers)

    def _on_read_all(self) -> None:
        self._model.read(self._rows[self._list.currentRow()][0], ())

    def _on_position_asked(
        self, sentence: str, source: RegionObject, numbers: tuple[int, ...]
    ) -> None:
        box = QMessageBox(self)
        box.setObjectName("positionDialog")
        box.setWindowTitle("Another frame of reference")
        box.setText(f"{sentence}\n\nRead them all the same?")
        take = box.addButton("Read", QMessageBox.ButtonRole.AcceptRole)
        take.setObjectName("positionRead")
        leave = box.addButton("Do not read", QMessageBox.ButtonRole.RejectRole)
        leave.setObjectName("positionLeave")
        box.setDefaultButton(leave)
        self._asked = (source, numbers)
        box.accepted.connect(self._on_position_trusted)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def _on_position_trusted(self) -> None:
        self._model.read(*self._asked, trusts_position=True)


class SaveRegions(QWidget):
    """The button that writes all regions to a file."""

    def __init__(self, model: StudyRegionsViewModel) -> None:
        super().__init__()
        self._model = model
        save = button(
            "Save regions\N{HORIZONTAL ELLIPSIS}",
            "regionsSave",
            "Write all regions as DICOM SEG, NIfTI mask or JSON, for --roi and other programs.",
        )
        save.clicked.connect(self._on_save)
        EnabledBinding(save, self._why_not, model.changed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row(save, None))

    def _why_not(self) -> str:
        return (
            "Something is being read or saved."
            if self._model.is_running
            else self._model.why_not_save
        )

    def _on_save(self) -> None:
        name, chosen = QFileDialog.getSaveFileName(
            self, "Save regions", "regions.dcm", ";;".join(_FILTERS)
        )
        if name:
            has_ending = any(name.lower().endswith(one) for one in _FILTERS.values())
            path = Path(name if has_ending else name + _FILTERS.get(chosen, ""))
            self._model.save(path, overwrite=has_ending)  # the dialog asked about this very name
