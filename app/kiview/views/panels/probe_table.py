"""Small table: what the weights do to the built-in phantom, as installed, now and by Patlak."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from kiview.jobs.probe_network import score_rows
from kiview.viewmodels.marks import INSTALLED
from kiview.viewmodels.probe import ProbeViewModel
from kiview.views.binding import EnabledBinding, TextBinding
from kiview.views.parts import button, text_label

_COLUMNS = ("", INSTALLED, "now", "Patlak")
_TIPS = (
    "Scores on a simulated torso with lesions, scanned twice",
    "The network with its installed weights, consistent with Patlak",
    "The network with the weights in use",
    "Linear Patlak under a Gaussian of 5 mm in plane",
)
_ROW_HEIGHT = 22


class ProbeTable(QWidget):
    """Scores of the built-in phantom and the button that makes them."""

    def __init__(self, model: ProbeViewModel) -> None:
        super().__init__()
        self._model = model
        self._table = _table()
        told = text_label("", "soft", "probeStatus")
        TextBinding(told, self._status, model.changed)
        score = button(
            "Score these weights",
            "probeCompute",
            "Compute a simulated person with these weights, in the background.",
        )
        score.clicked.connect(model.compute)
        EnabledBinding(score, self._why_not, model.changed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(told)
        layout.addWidget(self._table)
        layout.addWidget(score)
        model.changed.connect(self._refresh)
        self._refresh()

    def _status(self) -> str:
        return self._model.status

    def _why_not(self) -> str:
        return self._model.why_not

    def _refresh(self) -> None:
        report = self._model.report
        rows = () if report is None else score_rows(report)
        self._table.setVisible(bool(rows))
        self._table.setRowCount(len(rows))
        for line, (name, meaning, *values) in enumerate(rows):
            self._table.setRowHeight(line, _ROW_HEIGHT)
            for column, text in enumerate((name, *values)):
                item = QTableWidgetItem(text)
                item.setToolTip(meaning)
                if column:
                    side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    item.setTextAlignment(side)
                self._table.setItem(line, column, item)
        header = self._table.horizontalHeader().sizeHint().height()
        self._table.setFixedHeight(header + _ROW_HEIGHT * len(rows) + 4)


def _table() -> QTableWidget:
    table = QTableWidget(0, len(_COLUMNS))
    table.setObjectName("probeTable")
    table.setAccessibleName("Scores of the probe phantom")
    for column, (text, tip) in enumerate(zip(_COLUMNS, _TIPS, strict=True)):
        item = QTableWidgetItem(text)
        item.setToolTip(tip)
        table.setHorizontalHeaderItem(column, item)
    table.verticalHeader().hide()
    table.setShowGrid(False)
    table.setTabKeyNavigation(False)  # the arrow keys walk inside, Tab walks on
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    header.setMinimumSectionSize(24)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return table
