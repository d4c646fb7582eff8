"""Table of the layers of a network with their gain and bias shift to edit."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from kiview.core.errors import KiviewError
from kiview.nets.layers import LayerRow
from kiview.viewmodels.weight_editor import WeightEditorViewModel
from kiview.views.number_box import NumberBox
from kiview.views.theme import colour

_COLUMNS = ("Layer", "Kernel", "Weights", "Norm", "Installed norm", "Gain", "Bias shift")
_GAIN, _SHIFT = 5, 6
_STEP, _DECIMALS, _WIDEST = 0.05, 3, 1e6
_ROW_HEIGHT, _NARROWEST = 24, 72
_Index = QModelIndex | QPersistentModelIndex


class LayerTable(QTableWidget):
    """One row per layer; Gain and Bias shift are edited in place.

    Signals:
        refused(str): Why a value was not taken, or an empty text when one was.
    """

    refused = Signal(str)

    def __init__(self, model: WeightEditorViewModel) -> None:
        super().__init__(0, len(_COLUMNS))
        self._model = model
        self.setObjectName("layerTable")
        self.setAccessibleName("Layers of the network")
        self._explain()
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)  # the arrow keys walk inside, Tab walks on
        self.setAlternatingRowColors(True)
        self.setEditTriggers(
            QTableWidget.EditTrigger.DoubleClicked
            | QTableWidget.EditTrigger.AnyKeyPressed
            | QTableWidget.EditTrigger.SelectedClicked
        )
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(_NARROWEST)
        self._number = _Number(self)
        self.setItemDelegateForColumn(_GAIN, self._number)
        self.setItemDelegateForColumn(_SHIFT, self._number)
        self.itemChanged.connect(self._on_edited)
        model.changed.connect(self._refresh)
        self._refresh()

    def _explain(self) -> None:
        low, high = self._model.gain_limits
        reach = f"{self._model.shift_limit:g}"
        tips = (
            "Name of the layer in the network file",
            "Outputs \N{MULTIPLICATION SIGN} inputs \N{MULTIPLICATION SIGN} rows and columns",
            "Number of weights and biases",
            "Root of the sum of squares of all weights and biases, as they are now",
            "The same as installed",
            f"Factor of what the layer gives, {low:g} to {high:g}; installed 1",
            f"Added, in units of the largest weight, \N{PLUS-MINUS SIGN}{reach}; installed 0",
        )
        for column, (text, tip) in enumerate(zip(_COLUMNS, tips, strict=True)):
            head = QTableWidgetItem(text)
            head.setToolTip(tip)
            side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
            head.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(column, head)

    def _refresh(self) -> None:
        self.blockSignals(True)
        rows = self._model.layers
        self.setRowCount(len(rows))
        for line, layer in enumerate(rows):
            self.setRowHeight(line, _ROW_HEIGHT)
            for column, value in enumerate(_values(layer)):
                self._show(line, column, value)
        self.blockSignals(False)

    def _show(self, line: int, column: int, value: str | float) -> None:
        item = self.item(line, column)
        if item is None:
            item = QTableWidgetItem()
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            if column not in (_GAIN, _SHIFT):
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            self.setItem(line, column, item)
        if item.data(Qt.ItemDataRole.EditRole) != value:
            item.setData(Qt.ItemDataRole.EditRole, value)
        neutral = {_GAIN: 1.0, _SHIFT: 0.0}.get(column, value)
        item.setForeground(colour("text" if value == neutral else "amber"))

    def _on_edited(self, item: QTableWidgetItem) -> None:
        layer = self._model.layers[item.row()].name
        value = float(item.data(Qt.ItemDataRole.EditRole))
        try:
            if item.column() == _GAIN:
                self._model.set_gain(layer, value)
            else:
                self._model.set_shift(layer, value)
        except KiviewError as error:
            self.refused.emit(str(error))
        else:
            self.refused.emit("")
        self._refresh()


class _Number(QStyledItemDelegate):
    """Edits a number; every step of the arrow keys counts at once.

    Any number can be typed, so that one beyond the limits is refused and not cut to another.
    """

    def createEditor(
        self,
        parent: QWidget,
        option: QStyleOptionViewItem,  # noqa: ARG002 - Qt's interface
        index: _Index,  # noqa: ARG002
    ) -> QWidget:
        """A spin box."""
        box = NumberBox((-_WIDEST, _WIDEST), _DECIMALS, parent)
        box.setSingleStep(_STEP)
        box.setKeyboardTracking(False)
        box.valueChanged.connect(self._on_stepped)
        return box

    def setEditorData(self, editor: QWidget, index: _Index) -> None:
        """Show the value."""
        if isinstance(editor, QDoubleSpinBox):
            blocker = QSignalBlocker(editor)
            editor.setValue(float(index.data(Qt.ItemDataRole.EditRole)))
            blocker.unblock()

    def _on_stepped(self) -> None:
        self.commitData.emit(self.sender())

    def displayText(self, value: object, locale: object) -> str:  # noqa: ARG002 - Qt's interface
        """Two digits, three where they are needed, with a true minus sign."""
        number = float(str(value))
        text = f"{number:.2f}" if round(number, 2) == round(number, 3) else f"{number:.3f}"
        return text.replace("-", "\N{MINUS SIGN}")


def _values(layer: LayerRow) -> tuple[str | float, ...]:
    return (
        layer.name,
        " \N{MULTIPLICATION SIGN} ".join(str(n) for n in layer.shape),
        f"{layer.parameter_count:,}".replace(",", "\N{THIN SPACE}"),
        f"{layer.norm:.3f}",
        f"{layer.shipped_norm:.3f}",
        layer.gain,
        layer.bias_shift,
    )
