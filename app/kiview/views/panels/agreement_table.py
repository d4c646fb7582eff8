"""Small table: mean, bias and correlation over the body and each region."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from kiview.core.agreement import Agreement
from kiview.viewmodels.agreement import AgreementViewModel
from kiview.views.binding import TextBinding
from kiview.views.parts import text_label

_COLUMNS = ("", "Patlak", "network", "bias %", "r")
_TIPS = (
    "Region; values in 1/1000 mL/min/mL",
    "Mean and standard deviation of the Patlak map",
    "Mean and standard deviation of the network map",
    "Mean of network minus Patlak, in percent of Patlak",
    "Pearson correlation over the voxels",
)
_UNIT = "Ki, mean \N{PLUS-MINUS SIGN} SD in 1/1000 mL/min/mL"
_ROW_HEIGHT = 22
_LARGEST_PERCENT = 1000.0
_MOST_ROWS = 8
_THIN = "\N{THIN SPACE}"
_PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


class AgreementTable(QWidget):
    """Agreement of the network's map with Patlak's."""

    def __init__(self, model: AgreementViewModel) -> None:
        super().__init__()
        self._model = model
        self._table = QTableWidget(0, len(_COLUMNS))
        self._table.setObjectName("agreementTable")
        self._table.setAccessibleName("Agreement of network and Patlak by region")
        for column, (text, tip) in enumerate(zip(_COLUMNS, _TIPS, strict=True)):
            item = QTableWidgetItem(text)
            item.setToolTip(tip)
            self._table.setHorizontalHeaderItem(column, item)
        self._table.verticalHeader().hide()
        self._table.setShowGrid(False)
        self._table.setTabKeyNavigation(False)  # the arrow keys walk inside, Tab walks on
        self._table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self._table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self._table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(24)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        told = text_label("", "soft", "agreementStatus")
        warnings = text_label("", "warning", "agreementWarnings")
        self._unit = text_label(_UNIT, "soft", "agreementUnit")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(told)
        layout.addWidget(warnings)
        layout.addWidget(self._unit)
        layout.addWidget(self._table)
        TextBinding(told, self._status, model.changed)
        TextBinding(warnings, self._warnings, model.changed)
        model.changed.connect(self._refresh)
        self._refresh()

    def _status(self) -> str:
        return self._model.status

    def _warnings(self) -> str:
        return self._model.warnings

    def _refresh(self) -> None:
        comparison = self._model.comparison
        rows = () if comparison is None else comparison.rows
        self._table.setVisible(bool(rows))
        self._unit.setVisible(bool(rows))
        self._table.setRowCount(len(rows))
        for line, agreement in enumerate(rows):
            self._table.setRowHeight(line, _ROW_HEIGHT)
            for column, text in enumerate(_texts(agreement)):
                item = QTableWidgetItem(text)
                if column:
                    side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    item.setTextAlignment(side)
                item.setToolTip(_details(agreement))
                self._table.setItem(line, column, item)
        header = self._table.horizontalHeader().sizeHint().height()
        self._table.setFixedHeight(header + _ROW_HEIGHT * min(len(rows), _MOST_ROWS) + 4)


def _texts(agreement: Agreement) -> tuple[str, ...]:
    return (
        agreement.name,
        _THIN.join((_thousandths(agreement.mean_a), _PLUS_MINUS, _thousandths(agreement.sd_a))),
        _THIN.join((_thousandths(agreement.mean_b), _PLUS_MINUS, _thousandths(agreement.sd_b))),
        _percent(agreement.bias_percent),
        _signed(f"{agreement.correlation:z.2f}"),
    )


def _thousandths(value: float) -> str:
    """A Ki in 1/1000 mL/min/mL with two digits that matter."""
    shown = 1000 * value
    return _signed(f"{shown:.0f}" if abs(shown) >= 10 else f"{shown:z.1f}")


def _percent(bias_percent: float) -> str:
    """Bias, or a dash where the reference is too near to zero for a percentage."""
    if not abs(bias_percent) < _LARGEST_PERCENT:
        return "\N{EN DASH}"
    return _signed(f"{bias_percent:+.0f}")


def _details(agreement: Agreement) -> str:
    a = f"Patlak {agreement.mean_a:.4f} {_PLUS_MINUS} {agreement.sd_a:.4f}"
    b = f"network {agreement.mean_b:.4f} {_PLUS_MINUS} {agreement.sd_b:.4f} mL/min/mL"
    limits = f"{agreement.lower_limit:+.4f} to {agreement.upper_limit:+.4f}"
    return (
        f"{agreement.name}, {agreement.voxel_count} voxels\n{a}\n{b}\n"
        f"bias {agreement.bias:+.5f}, limits of agreement {limits}\n"
        f"correlation {agreement.correlation:.3f}, concordance {agreement.concordance:.3f}"
    )


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
