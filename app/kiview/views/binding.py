"""Couple one widget to one value of a view model, in one line, both ways."""

from collections.abc import Callable
from typing import Protocol, TypeVar, cast

from PySide6.QtCore import QObject, QSignalBlocker
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDoubleSpinBox, QLabel, QSlider, QWidget

from kiview.core.errors import KiviewError

Value = TypeVar("Value")
Refused = Callable[[str], None]
"""Called with the sentence when a view model refuses a value."""


class ChangeSignal(Protocol):
    """A signal of a view model without arguments that matter here."""

    def connect(self, slot: Callable[[], None]) -> object:
        """Call a slot when something changed."""


class _Binding(QObject):
    """Shows a value in a widget and passes on what the user did; lives as long as the widget."""

    def __init__(self, widget: QWidget, changed: ChangeSignal, refused: Refused | None) -> None:
        super().__init__(widget)
        self._widget = widget
        self._refused = refused
        changed.connect(self._on_changed)

    def _on_changed(self) -> None:
        blocker = QSignalBlocker(self._widget)
        self._show()
        blocker.unblock()

    def _show(self) -> None:
        """Put the value into the widget."""
        raise NotImplementedError

    def _pass_on(self, write: Callable[[Value], None], value: Value) -> None:
        try:
            write(value)
        except KiviewError as error:
            if self._refused is not None:
                self._refused(str(error))
            self._on_changed()


class NumberBinding(_Binding):
    """A number in a spin box."""

    def __init__(
        self,
        box: QDoubleSpinBox,
        read: Callable[[], float],
        write: Callable[[float], None],
        changed: ChangeSignal,
        refused: Refused | None = None,
    ) -> None:
        super().__init__(box, changed, refused)
        self._box, self._read, self._write = box, read, write
        box.setKeyboardTracking(False)
        box.valueChanged.connect(self._on_edited)
        self._on_changed()

    def _show(self) -> None:
        self._box.setValue(self._read())

    def _on_edited(self, value: float) -> None:
        self._pass_on(self._write, value)


class SliderBinding(_Binding):
    """A share from 0 to 1 on a slider."""

    def __init__(
        self,
        slider: QSlider,
        read: Callable[[], float],
        write: Callable[[float], None],
        changed: ChangeSignal,
    ) -> None:
        super().__init__(slider, changed, None)
        self._slider, self._read, self._write = slider, read, write
        slider.valueChanged.connect(self._on_edited)
        self._on_changed()

    def _show(self) -> None:
        self._slider.setValue(round(self._read() * self._slider.maximum()))

    def _on_edited(self, value: int) -> None:
        self._write(value / self._slider.maximum())


class SwitchBinding(_Binding):
    """A yes or no on a check box or checkable button."""

    def __init__(
        self,
        button: QAbstractButton,
        read: Callable[[], bool],
        write: Callable[[bool], None],
        changed: ChangeSignal,
    ) -> None:
        super().__init__(button, changed, None)
        self._button, self._read, self._write = button, read, write
        button.toggled.connect(self._on_edited)
        self._on_changed()

    def _show(self) -> None:
        self._button.setChecked(self._read())

    def _on_edited(self, checked: bool) -> None:
        self._write(checked)


class ChoiceBinding(_Binding):
    """One of several values in a combo box; the items may change."""

    def __init__(
        self,
        box: QComboBox,
        items: Callable[[], list[tuple[str, str]]],
        read: Callable[[], str],
        write: Callable[[str], None],
        changed: ChangeSignal,
    ) -> None:
        """Couple.

        Args:
            box: Combo box.
            items: (shown text, value) of each choice.
            read: The chosen value.
            write: Called with the value the user chose.
            changed: Something changed in the view model.
        """
        super().__init__(box, changed, None)
        self._box, self._items, self._read, self._write = box, items, read, write
        self._listed: list[tuple[str, str]] = []
        box.currentIndexChanged.connect(self._on_edited)
        self._on_changed()

    def _show(self) -> None:
        items = self._items()
        if items != self._listed:
            self._listed = items
            self._box.clear()
            for text, value in items:
                self._box.addItem(text, value)
        self._box.setCurrentIndex(self._box.findData(self._read()))

    def _on_edited(self, index: int) -> None:
        if index >= 0:
            self._write(cast("str", self._box.itemData(index)))


class TextBinding(_Binding):
    """A sentence on a label; the label hides while it is empty."""

    def __init__(
        self, label: QLabel, read: Callable[[], str], changed: ChangeSignal, hide: bool = True
    ) -> None:
        super().__init__(label, changed, None)
        self._label, self._read, self._hide = label, read, hide
        self._on_changed()

    def _show(self) -> None:
        text = self._read()
        self._label.setText(text)
        has_place = self._label.parentWidget() is not None  # else it would open as a window
        if self._hide and (has_place or not text):
            self._label.setVisible(bool(text))


class EnabledBinding(_Binding):
    """Whether a widget can be used; why not is its tool tip."""

    def __init__(self, widget: QWidget, why_not: Callable[[], str], changed: ChangeSignal) -> None:
        super().__init__(widget, changed, None)
        self._why_not = why_not
        self._tip = widget.toolTip()
        self._on_changed()

    def _show(self) -> None:
        why_not = self._why_not()
        self._widget.setEnabled(not why_not)
        self._widget.setToolTip(why_not or self._tip)
