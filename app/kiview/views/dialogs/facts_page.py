"""What the numbers of a series rest on, and where each of it comes from."""

import re

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from kiview.viewmodels.study import StudyViewModel
from kiview.views.parts import text_label
from kiview.views.theme import colour

_COLUMNS = ("What", "Value", "Where it comes from")
_ABOUT = "What the numbers of this series rest on. Nothing that is missing is guessed."
_NOTHING = "This series tells nothing about where its numbers come from."
_NO_STUDY = "Open a study first."
_WORD_BEGINS = re.compile(r"(?<=[a-z])(?=[A-Z])")


class FactsPage(QWidget):
    """A table to read; its texts can be selected and wrap."""

    def __init__(self, study: StudyViewModel) -> None:
        super().__init__()
        self.setObjectName("factsPage")
        self._study = study
        self._about = text_label(_ABOUT, "soft", "factsAbout")
        self._table = QTableWidget(0, len(_COLUMNS))
        self._table.setObjectName("factsTable")
        self._table.setAccessibleName("What the numbers rest on")
        self._table.setHorizontalHeaderLabels(_COLUMNS)
        self._table.verticalHeader().hide()
        self._table.setShowGrid(False)
        self._table.setWordWrap(True)
        self._table.setTabKeyNavigation(False)
        self._table.setAlternatingRowColors(True)
        self._table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 10)
        layout.setSpacing(8)
        layout.addWidget(self._about)
        layout.addWidget(self._table, 1)
        self.setFocusProxy(self._table)
        study.study_changed.connect(self._refresh)
        study.series_changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        series = self._study.series
        facts = () if series is None else series.facts
        self._about.setText(_NO_STUDY if series is None else _ABOUT if facts else _NOTHING)
        self._table.setVisible(bool(facts))
        self._table.setRowCount(len(facts))
        for line, fact in enumerate(facts):
            for column, text in enumerate((fact.label, fact.value, fact.source)):
                item = QTableWidgetItem(_breakable(text) if column == 2 else text)
                item.setToolTip(text)
                item.setForeground(colour("text" if column == 1 else "soft"))
                self._table.setItem(line, column, item)


def _breakable(text: str) -> str:
    """Long names of attributes may go over to the next line where a word of theirs begins."""
    return _WORD_BEGINS.sub("\N{ZERO WIDTH SPACE}", text)
