"""The window that edits weights as a user works it: tables, entries, keyboard."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QLocale, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QListWidget,
    QPushButton,
    QTableWidget,
)
from tests.helpers.network_panel import GAIN, SHIFT, click, open_dialog, type_into, walk
from tests.helpers.qt import child

from kiview.nets.catalog import Origin


def test_that_a_gain_is_typed_into_the_table_and_previewed(qtbot, panel, models):
    dialog = open_dialog(qtbot, panel, models)
    table = child(dialog, QTableWidget, "layerTable")
    assert table.rowCount() == len(models.weight_editor.layers)
    assert table.item(0, GAIN).text() == "1"
    with qtbot.waitSignal(models.preview.shown):
        type_into(qtbot, table, 0, GAIN, "1.25")
    (edit,) = models.network.weights.layers
    assert (edit.layer, edit.gain) == (models.weight_editor.layers[0].name, 1.25)
    assert child(dialog, QLabel, "weightsState").text() == "MODIFIED"
    assert table.item(0, GAIN).data(Qt.ItemDataRole.EditRole) == 1.25
    click(qtbot, dialog, "weightsReset")
    assert not models.network.is_modified
    assert table.item(0, GAIN).data(Qt.ItemDataRole.EditRole) == 1.0
    assert child(dialog, QLabel, "weightsState").text() == "as installed"
    dialog.close()


def test_that_the_keyboard_alone_changes_a_bias_shift_step_by_step(qtbot, panel, models):
    dialog = open_dialog(qtbot, panel, models)
    table = child(dialog, QTableWidget, "layerTable")
    table.setCurrentCell(1, SHIFT)
    QTest.keyClicks(table, "0")
    editor = table.findChild(QDoubleSpinBox)
    QTest.keyClick(editor, Qt.Key.Key_Up)
    QTest.keyClick(editor, Qt.Key.Key_Up)
    (edit,) = models.network.weights.layers
    assert edit.bias_shift == pytest.approx(0.1)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: table.findChild(QDoubleSpinBox) is None)
    dialog.close()


@pytest.mark.parametrize("typed", ["9.9", "15", "-0.7", "0.05"])
def test_that_a_gain_beyond_its_limits_is_refused_and_told(qtbot, panel, models, typed):
    dialog = open_dialog(qtbot, panel, models)
    table = child(dialog, QTableWidget, "layerTable")
    type_into(qtbot, table, 0, GAIN, typed)
    assert models.network.weights.layers == ()
    assert table.item(0, GAIN).data(Qt.ItemDataRole.EditRole) == 1.0
    told = child(dialog, QLabel, "weightsRefused")
    low, high = models.weight_editor.gain_limits
    assert told.isVisible()
    assert typed.lstrip("-") in told.text()
    assert f"{low:g} to {high:g}" in told.text()
    type_into(qtbot, table, 1, GAIN, "1.2")
    assert not told.isVisible()
    dialog.close()


@pytest.fixture(params=["C", "de_DE", "en_US"])
def system(request):
    """Languages that write numbers differently."""
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield
    QLocale.setDefault(before)


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("typed", ["1.25", "1,25"])
def test_that_a_decimal_comma_is_never_lost(qtbot, panel, models, typed):
    dialog = open_dialog(qtbot, panel, models)
    type_into(qtbot, child(dialog, QTableWidget, "layerTable"), 0, GAIN, typed)
    (edit,) = models.network.weights.layers
    assert edit.gain == 1.25
    entry = child(dialog, QDoubleSpinBox, "singleValue")
    entry.selectAll()
    QTest.keyClicks(entry, typed)
    assert (entry.text(), entry.value()) == ("1.25", 1.25)
    dialog.close()


@pytest.mark.parametrize("then", ["reset", "undo", "other network", "close"])
def test_that_a_refusal_goes_with_what_it_was_about(qtbot, panel, models, then):
    theirs = replace(models.network.card, version="9.0.0", origin=Origin.SITE)
    models.network.provide((*models.network.cards, theirs))
    dialog = open_dialog(qtbot, panel, models)
    models.network.set_position(0.25)
    button, told = (
        child(dialog, QPushButton, "singleSet"),
        child(dialog, QLabel, "weightsRefused"),
    )
    place = button.mapToGlobal(QPoint(0, 0))
    type_into(qtbot, child(dialog, QTableWidget, "layerTable"), 0, GAIN, "9.9")
    qtbot.wait(20)
    assert told.isVisible()
    assert button.mapToGlobal(QPoint(0, 0)) == place
    if then == "reset":
        click(qtbot, dialog, "weightsReset")
    elif then == "undo":
        models.network.undo()
    elif then == "other network":
        models.network.choose(theirs.name)
    else:
        dialog.close()
        click(qtbot, panel, "editWeights")
    assert not told.isVisible()
    dialog.close()


@pytest.mark.parametrize("typed", ["4.5", "-5.25", "12345678"])
def test_that_a_weight_beyond_its_limits_is_refused_and_told(qtbot, panel, models, typed):
    dialog = open_dialog(qtbot, panel, models)
    name, shape = models.weight_editor.tensors[0]
    value = models.weight_editor.value(name, tuple(0 for _ in shape))
    assert value.limit < 4.5
    entry = child(dialog, QDoubleSpinBox, "singleValue")
    entry.setFocus()
    entry.selectAll()
    QTest.keyClicks(entry, typed)
    click(qtbot, dialog, "singleSet")
    assert models.network.weights.singles == ()
    assert f"{value.limit:g}" in child(dialog, QLabel, "weightsRefused").text()
    assert entry.value() == pytest.approx(value.now, abs=1e-5)
    dialog.close()


def test_that_one_weight_is_chosen_set_listed_and_taken_back(qtbot, panel, models):
    dialog = open_dialog(qtbot, panel, models)
    tensors = child(dialog, QComboBox, "singleTensor")
    name = next(n for n, s in models.weight_editor.tensors if len(s) == 4)
    tensors.setCurrentIndex(tensors.findData(name))
    boxes = [
        child(dialog, QDoubleSpinBox, f"single_{axis}")
        for axis in ("output", "input", "row", "column")
    ]
    assert [box.isVisible() for box in boxes] == [True] * 4
    boxes[0].setValue(1)
    boxes[3].setValue(2)
    value = models.weight_editor.value(name, (1, 0, 0, 2))
    told = child(dialog, QLabel, "singleTold").text().replace("\N{MINUS SIGN}", "-")
    assert f"now {value.now:.5f}" in told
    entry = child(dialog, QDoubleSpinBox, "singleValue")
    assert f"{value.limit:g}" in told
    entry.setValue(0.01234)
    click(qtbot, dialog, "singleSet")
    (edit,) = models.network.weights.singles
    assert (edit.tensor, edit.index, edit.value) == (name, (1, 0, 0, 2), 0.01234)
    qtbot.waitUntil(lambda: models.weight_editor.value(name, (1, 0, 0, 2)).is_edited)
    listed = child(dialog, QListWidget, "singleList")
    assert listed.item(0).text() == f"{name}[1, 0, 0, 2] = 0.01234"
    boxes[0].setValue(0)
    assert not child(dialog, QPushButton, "singleBack").isEnabled()
    listed.setCurrentRow(0)
    assert boxes[0].value() == 1
    click(qtbot, dialog, "singleBack")
    assert not models.network.is_modified
    dialog.close()


def test_that_the_weights_window_is_calm_before_anything_is_edited(qtbot, panel, models):
    dialog = open_dialog(qtbot, panel, models)
    listed = child(dialog, QListWidget, "singleList")
    assert not listed.isVisible()
    name, shape = models.weight_editor.tensors[0]
    models.weight_editor.set_single(name, tuple(0 for _ in shape), 0.01)
    assert listed.isVisible()
    models.network.reset()
    assert not listed.isVisible()
    dialog.close()


def test_that_an_index_beyond_its_axis_is_told_and_not_cut(qtbot, panel, models):
    dialog = open_dialog(qtbot, panel, models)
    _, shape = models.weight_editor.tensors[0]
    box, told = child(dialog, QDoubleSpinBox, "single_output"), child(dialog, QLabel, "singleTold")
    last = shape[0] - 1
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, f"{shape[0]}")
    assert box.value() == shape[0]
    assert told.text() == f"There is no output {shape[0]}: 0 to {last}."
    assert not child(dialog, QPushButton, "singleSet").isEnabled()
    box.selectAll()
    QTest.keyClicks(box, f"{last - 1}")
    assert child(dialog, QPushButton, "singleSet").isEnabled()
    for _ in range(3):
        QTest.keyClick(box, Qt.Key.Key_Up)
    assert box.value() == last
    assert told.text().startswith("now")
    dialog.close()


def test_that_undo_works_in_the_weights_window_too(qtbot, panel, models):
    dialog = open_dialog(qtbot, panel, models)
    models.weight_editor.set_gain(models.weight_editor.layers[0].name, 1.1)
    dialog.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is dialog)
    QTest.keyClick(dialog, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not models.network.is_modified)
    dialog.close()


def test_that_the_tab_key_walks_through_the_weights_window(qtbot, panel, models):
    dialog = open_dialog(qtbot, panel, models)
    dialog.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is dialog)
    table = child(dialog, QTableWidget, "layerTable")
    table.setCurrentCell(0, GAIN)
    seen = walk(table, 20)
    assert {"layerTable", "singleTensor", "singleValue", "singleSet"} <= set(seen)
    dialog.close()
