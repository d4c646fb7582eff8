"""One weight of the network: choose it, see its value and limits, set it."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kiview.core.errors import KiviewError
from kiview.nets.edits import SingleEdit
from kiview.viewmodels.marks import INSTALLED
from kiview.viewmodels.weight_editor import WEIGHT_DECIMALS, Index, WeightEditorViewModel
from kiview.views.number_box import NumberBox
from kiview.views.parts import (
    button,
    dress_number_box,
    labelled,
    line_label,
    named,
    number_box,
    row,
    set_role,
)

_MOST_DIMENSIONS = 4
_DIMENSIONS = ("output", "input", "row", "column")
_WIDEST = 1e6  # a number beyond the limits is refused, not cut to another
_LIST_HEIGHT = 74
_LARGEST_INDEX = 9999


class SingleWeight(QWidget):
    """Chooses and sets one weight, and lists those that were set.

    Signals:
        refused(str): Why a value was not taken, or an empty text when one was.
    """

    refused = Signal(str)

    def __init__(self, model: WeightEditorViewModel) -> None:
        super().__init__()
        self._model = model
        self._tensor = QComboBox()
        named(self._tensor, "singleTensor", "Tensor that the weight is in, with its shape.")
        self._indices = [_IndexBox(name) for name in _DIMENSIONS]
        self._value = number_box(
            "singleValue", "New value of the weight.", (-_WIDEST, _WIDEST), WEIGHT_DECIMALS
        )
        self._told = line_label("", "soft", "singleTold")
        self._set = button("Set", "singleSet", "Give this weight the value.")
        self._back = button("Take back", "singleBack", "Give this weight its value back.")
        self._list = QListWidget()
        self._list.setObjectName("singleList")
        self._list.setAccessibleName("Weights that were set")
        self._list.setToolTip("Weights that were set; choose one to change it.")
        self._list.setMaximumHeight(_LIST_HEIGHT)
        self._list.hide()  # until there is one
        self._listed: tuple[SingleEdit, ...] = ()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(labelled("Tensor", self._tensor))
        layout.addLayout(labelled("Index, from 0", *self._indices))
        layout.addLayout(row(self._told, None, self._value, self._set, self._back))
        layout.addWidget(self._list)
        self._tensor.currentIndexChanged.connect(self._on_tensor_chosen)
        for box in self._indices:
            box.valueChanged.connect(self._show_value)
        self._set.clicked.connect(self._on_set)
        self._back.clicked.connect(self._on_back)
        self._list.currentItemChanged.connect(self._on_listed)
        model.changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        texts = [(f"{name}  {_shape(shape)}", name) for name, shape in self._model.tensors]
        if texts != [(self._tensor.itemText(i), self._tensor.itemData(i)) for i in self._places]:
            self._tensor.blockSignals(True)
            self._tensor.clear()
            for text, name in texts:
                self._tensor.addItem(text, name)
            self._tensor.blockSignals(False)
            self._on_tensor_chosen()
        self._show_list()
        self._show_value()

    @property
    def _places(self) -> range:
        return range(self._tensor.count())

    @property
    def _chosen(self) -> tuple[str, Index]:
        """Tensor and index that are chosen."""
        shape = self._shape_of(str(self._tensor.currentData() or ""))
        boxes = self._indices[: len(shape)]
        return str(self._tensor.currentData() or ""), tuple(int(box.value()) for box in boxes)

    def _shape_of(self, tensor: str) -> Index:
        return dict(self._model.tensors).get(tensor, ())

    def _on_tensor_chosen(self) -> None:
        shape = self._shape_of(str(self._tensor.currentData() or ""))
        for place, box in enumerate(self._indices):
            box.setVisible(place < len(shape))
            box.count = shape[place] if place < len(shape) else 1
            box.setValue(min(box.value(), box.count - 1))
        self._show_value()

    def _show_value(self) -> None:
        beyond = next((box.beyond for box in self._indices if box.beyond), "")
        value = None if beyond else self._model.value(*self._chosen)
        set_role(self._told, "warning" if beyond else "soft")
        self._set.setEnabled(value is not None)
        self._back.setEnabled(value is not None and value.is_edited)
        if value is None:
            self._told.setText(beyond or "Reading\N{HORIZONTAL ELLIPSIS}")
            return
        dot = " \N{MIDDLE DOT} "
        limit = f"within \N{PLUS-MINUS SIGN}{value.limit:g}"
        shown = dot.join((f"now {value.now:.5f}", f"{INSTALLED} {value.shipped:.5f}", limit))
        self._told.setText(shown.replace("-", "\N{MINUS SIGN}"))
        if not self._value.hasFocus():
            self._value.setValue(value.now)

    def _show_list(self) -> None:
        if self._model.singles == self._listed and self._list.count() == len(self._listed):
            return
        self._listed = self._model.singles
        self._list.blockSignals(True)
        self._list.clear()
        for edit in self._listed:
            item = QListWidgetItem(f"{edit.where} = {edit.value:.5f}")
            item.setData(Qt.ItemDataRole.UserRole, edit)
            self._list.addItem(item)
        self._list.blockSignals(False)
        self._list.setVisible(bool(self._listed))

    def _on_listed(self, item: QListWidgetItem | None) -> None:
        edit = None if item is None else item.data(Qt.ItemDataRole.UserRole)
        if not isinstance(edit, SingleEdit):
            return
        self._tensor.setCurrentIndex(self._tensor.findData(edit.tensor))
        for box, place in zip(self._indices, edit.index, strict=False):
            box.setValue(place)

    def _on_set(self) -> None:
        try:
            self._model.set_single(*self._chosen, self._value.value())
        except KiviewError as error:
            self.refused.emit(str(error).replace("-", "\N{MINUS SIGN}"))
            self._value.clearFocus()
            self._show_value()
        else:
            self.refused.emit("")

    def _on_back(self) -> None:
        self._model.reset_single(*self._chosen)


class _IndexBox(NumberBox):
    """Place along one axis of a tensor.

    A place beyond the axis can be typed, and is told; cutting it would choose another weight.

    Attributes:
        dimension: Name of the axis.
        count: Number of places along it.
    """

    def __init__(self, dimension: str) -> None:
        super().__init__((0, _LARGEST_INDEX), 0)
        self.dimension, self.count = dimension, 1
        dress_number_box(self, f"single_{dimension}", f"Place along the {dimension} axis.")

    @property
    def beyond(self) -> str:
        """A sentence when there is no such place, else an empty text."""
        if self.value() < self.count:
            return ""
        return f"There is no {self.dimension} {self.value():.0f}: 0 to {self.count - 1}."

    def stepBy(self, steps: int) -> None:
        """The arrow keys and the wheel stop at the end of the axis."""
        wanted = max(0.0, self.value() + steps)
        self.setValue(min(wanted, self.count - 1))


def _shape(shape: Index) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(str(n) for n in shape)
