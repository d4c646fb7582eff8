"""Files of the study's folder that were not used, with the reason."""

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHeaderView, QTableView, QVBoxLayout, QWidget

from kiview.core.study import Study
from kiview.viewmodels.study import StudyViewModel
from kiview.viewmodels.study_files import PathsWithin, unused_summary, unused_text
from kiview.views.parts import button, row, text_label

_COLUMNS = ("File", "Why it was not used")
_NO_STUDY = "Open a study first."
_ROW_HEIGHT = 24
_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()


class _Files(QAbstractTableModel):
    """Rows of the list; only those in sight are asked for, so that 100,000 take no time."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows: tuple[tuple[str, str], ...] = ()
        self._within = PathsWithin("")

    def show_files(self, study: Study | None) -> None:
        """Show the files of another study."""
        self.beginResetModel()
        self._rows = () if study is None else study.unused_files
        self._within = PathsWithin("" if study is None else study.source)
        self.endResetModel()

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:
        """Number of files."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = _NO_INDEX) -> int:
        """File and reason."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> str | None:
        """Text of a cell, also as its tip."""
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            path, reason = self._rows[index.row()]
            return reason if index.column() else self._within(path)
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> object:
        """Heading of a column, at the left."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return _COLUMNS[section] if role == Qt.ItemDataRole.DisplayRole else None


class UnusedPage(QWidget):
    """How many and why in a sentence, then the list."""

    def __init__(self, study: StudyViewModel) -> None:
        super().__init__()
        self.setObjectName("unusedPage")
        self._study = study
        self._about = text_label("", "soft", "unusedAbout")
        self._files = _Files(self)
        self._list = QTableView()
        self._list.setObjectName("unusedList")
        self._list.setAccessibleName("Files that were not used")
        self._list.setModel(self._files)
        self._list.setShowGrid(False)
        self._list.setTabKeyNavigation(False)
        self._list.setAlternatingRowColors(True)
        self._list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._list.setWordWrap(False)
        self._list.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self._list.verticalHeader().hide()
        self._list.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self._list.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        tip = "Put paths within the study's folder and reasons on the clipboard."
        self._copy = button("Copy as text", "unusedCopy", tip)
        self._copy.clicked.connect(self._on_copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 10)
        layout.setSpacing(8)
        layout.addWidget(self._about)
        layout.addWidget(self._list, 1)
        layout.addLayout(row(self._copy, None))
        self.setFocusProxy(self._list)
        study.study_changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        study = self._study.study
        there_are = study is not None and bool(study.unused_files)
        self._about.setText(_NO_STUDY if study is None else unused_summary(study))
        self._files.show_files(study)
        self._list.setVisible(there_are)
        self._copy.setEnabled(there_are)

    def _on_copy(self) -> None:
        if self._study.study is not None:
            QGuiApplication.clipboard().setText(unused_text(self._study.study))
