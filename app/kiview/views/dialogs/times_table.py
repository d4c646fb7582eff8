"""Table of frame times: start and duration are edited in place, pasted and copied."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from kiview.core.errors import InvalidInputError
from kiview.viewmodels.frame_rows import Fit, FrameRow
from kiview.viewmodels.frame_table import FrameTableViewModel
from kiview.views.theme import colour

_COLUMNS = ("Frame", "Start (s)", "Duration (s)", "End (s)", "To the frame before")
_TIPS = (
    "Number of the frame",
    "Start from the injection; negative if measured before",
    "Duration",
    "Start plus duration",
    "Time between the end of the frame before and this start",
)
_START, _DURATION, _GAP = 1, 2, 4
_ROW_HEIGHT = 24
_FIT_COLOURS = {
    Fit.CLOSE: "soft",
    Fit.GAP: "amber",
    Fit.OVERLAP: "amber",
    Fit.REFUSED: "red",
}


class TimesTable(QTableWidget):
    """One row per frame; changed times stand out.

    Signals:
        refused(str): Why an entry was not taken, or an empty text when one was.
    """

    refused = Signal(str)

    def __init__(self, model: FrameTableViewModel) -> None:
        super().__init__(0, len(_COLUMNS))
        self._model = model
        self._shown: list[FrameRow] = []
        self._editable = True
        self.setObjectName("timesTable")
        self.setAccessibleName("Times of the frames")
        for column, (text, tip) in enumerate(zip(_COLUMNS, _TIPS, strict=True)):
            head = QTableWidgetItem(text)
            head.setToolTip(tip)
            head.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(column, head)
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)  # the arrow keys walk inside, Tab walks on
        self.setAlternatingRowColors(True)
        self.setEditTriggers(
            QTableWidget.EditTrigger.DoubleClicked
            | QTableWidget.EditTrigger.AnyKeyPressed
            | QTableWidget.EditTrigger.EditKeyPressed
        )
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.itemChanged.connect(self._on_edited)
        model.changed.connect(self._refresh)
        self._refresh()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Paste and copy; everything else as tables do."""
        if event.matches(QKeySequence.StandardKey.Paste):
            self.paste()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def paste(self) -> None:
        """Fill the table from the chosen cell down with what is on the clipboard."""
        column = self.currentColumn() if self.currentColumn() >= 0 else _START
        frame = max(0, self.currentRow())
        if column not in (_START, _DURATION):
            self.refused.emit("Choose a start or a duration to paste at.")
            return
        try:
            self._model.paste(frame, column - _START, QGuiApplication.clipboard().text())
        except InvalidInputError as error:
            self.refused.emit(str(error))
        else:
            self.refused.emit("")

    def copy(self) -> None:
        """Put the chosen cells on the clipboard, as a spreadsheet takes them."""
        chosen = {(index.row(), index.column()) for index in self.selectedIndexes()}
        lines = [
            "\t".join(self._plain(line, column) for row, column in sorted(chosen) if row == line)
            for line in sorted({row for row, _ in chosen})
        ]
        if lines:
            QGuiApplication.clipboard().setText("\n".join(lines))

    def _plain(self, line: int, column: int) -> str:
        item = self.item(line, column)
        return "" if item is None else item.text().replace("\N{MINUS SIGN}", "-")

    def _on_edited(self, item: QTableWidgetItem) -> None:
        put = self._model.set_start if item.column() == _START else self._model.set_duration
        try:
            put(item.row(), item.text())
        except InvalidInputError as error:
            self._shown = []  # what was typed goes
            self._refresh()
            self.refused.emit(str(error))
        else:
            self.refused.emit("")

    def _refresh(self) -> None:
        rows, editable = list(self._model.rows), not self._model.is_per_slice
        if (rows, editable) == (self._shown, self._editable):
            return
        self.blockSignals(True)
        self.setRowCount(len(rows))
        for line, shown in enumerate(rows):
            if line >= len(self._shown) or shown != self._shown[line] or editable != self._editable:
                self._show(line, shown, editable)
        self._shown, self._editable = rows, editable
        self.blockSignals(False)

    def _show(self, line: int, shown: FrameRow, editable: bool) -> None:
        self.setRowHeight(line, _ROW_HEIGHT)
        texts = (str(line + 1), shown.start, shown.duration, shown.end, shown.gap)
        changed = {_START: shown.is_start_changed, _DURATION: shown.is_duration_changed}
        for column, text in enumerate(texts):
            item = self.item(line, column)
            if item is None:
                item = QTableWidgetItem()
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(line, column, item)
            flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
            if editable and column in changed:
                flags |= Qt.ItemFlag.ItemIsEditable
            item.setFlags(flags)
            item.setText(text)
            name = "amber" if changed.get(column) else "text" if column in changed else "soft"
            item.setForeground(colour(_FIT_COLOURS[shown.fit] if column == _GAP else name))
