"""The Network panel as a user works it: mouse, keyboard, file dialogs."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QListWidget,
    QMessageBox,
    QPushButton,
    QSlider,
    QTableWidget,
    QTextBrowser,
    QWidget,
)
from tests.helpers import small_study
from tests.helpers.qt import child

from kiview import application
from kiview.core.images import MapSet, ParametricMap
from kiview.core.provenance import Provenance
from kiview.core.units import KI, KI_STANDARD_DEVIATION
from kiview.jobs.preview_network import Preview
from kiview.jobs.probe_network import ProbeReport, ProbeScores
from kiview.nets.catalog import Origin
from kiview.viewmodels.results import NETWORK

LEFT = Qt.MouseButton.LeftButton
GAIN, SHIFT = 5, 6
BOTH = "MODIFIED \N{MIDDLE DOT} UNTIED"


def fake_network(request, _progress):
    """A flat Ki and its standard deviation on the image's grid."""
    image = request.image
    values = image.store.frame(image.frame_count - 1) * 1e-6
    record = {"device": "CPU", "tied_to_patlak": request.tied}
    modified = request.weights.position != request.card.shipped_position
    made = Provenance("network", "test", settings=record, network_id=request.card.id)
    made = replace(made, weight_set_id="0123456789", modified=modified)
    maps = [
        ParametricMap(values * factor, quantity, image.geometry, made)
        for factor, quantity in ((1.0, KI), (0.1, KI_STANDARD_DEVIATION))
    ]
    return MapSet(tuple(maps))


def fake_preview(request, kept, _key, _progress):
    modified = request.run.weights.position != request.run.card.shipped_position
    made = replace(request.computed.provenance, modified=modified)
    return Preview(replace(request.computed, provenance=made), kept, True, 1.0)


def fake_probe(request, _kept, _progress):
    one = ProbeScores(0.15, -0.03, 0.16, -0.10, 0.89, 0, 14)
    return ProbeReport(request, one, replace(one, noise=0.08), one, None)


@pytest.fixture
def jobs():
    return replace(
        application.shipped_jobs(),
        open_study=small_study.open_job(small_study.study()),
        network=fake_network,
        preview=fake_preview,
        probe=fake_probe,
    )


@pytest.fixture
def panel(qtbot, window, models):
    """The panel in front, with a network map computed."""
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    models.rois.add(small_study.aorta(), "Aorta")
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    models.network.compute()
    qtbot.waitUntil(lambda: models.results.get(NETWORK) is not None and not models.runner.tasks)
    window.show_panel("Network")
    qtbot.wait(20)
    return window


def click(qtbot, parent, name):
    qtbot.mouseClick(child(parent, QPushButton, name), LEFT)


def open_dialog(qtbot, panel, models):
    click(qtbot, panel, "expertFold")
    click(qtbot, panel, "editWeights")
    qtbot.waitUntil(lambda: bool(models.weight_editor.layers))
    return child(panel, QDialog, "weightsDialog")


def type_into(qtbot, table, line, column, text):
    """Choose a cell with the mouse, type over it, end with Enter."""
    place = table.visualItemRect(table.item(line, column)).center()
    qtbot.mouseClick(table.viewport(), LEFT, pos=place)
    QTest.keyClicks(table, text[0])
    editor = table.findChild(QDoubleSpinBox)
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: table.findChild(QDoubleSpinBox) is None)


def test_that_a_clinician_sees_a_calm_panel_and_the_rest_on_demand(qtbot, panel):
    for fold, inner in (("probeFold", "probeCompute"), ("expertFold", "editWeights")):
        assert not child(panel, QPushButton, inner).isVisible()
        click(qtbot, panel, fold)
        assert child(panel, QPushButton, inner).isVisible()
        QTest.keyClick(child(panel, QPushButton, fold), Qt.Key.Key_Space)
        assert not child(panel, QPushButton, inner).isVisible()


def test_that_the_network_is_named_with_its_version_and_origin(panel, models):
    shown = child(panel, QComboBox, "networkChoice").currentText()
    card = models.network.card
    assert shown == f"{card.id} {card.version} \N{MIDDLE DOT} shipped"


def test_that_a_click_on_the_slider_says_modified_and_reset_takes_it_back(qtbot, panel, models):
    slider = child(panel, QSlider, "weightSlider")
    qtbot.mouseClick(slider, LEFT, pos=QPoint(slider.width() // 4, slider.height() // 2))
    assert models.network.is_modified
    assert f"{models.network.position:.2f}" in child(panel, QLabel, "weightPosition").text()
    assert "MODIFIED" in child(panel, QLabel, "modelState").text()
    qtbot.waitUntil(lambda: models.preview.is_complete)
    assert models.views.layer(NETWORK).modified
    click(qtbot, panel, "resetWeights")
    assert not models.network.is_modified
    assert child(panel, QLabel, "modelState").text() == "network: shipped"
    assert not models.views.layer(NETWORK).modified


def turn_wheel(widget):
    """One step of the wheel down; returns whether the widget takes it."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(widget.mapToGlobal(middle.toPoint())),
        QPoint(0, 0),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


def test_that_the_wheel_changes_only_what_has_the_keyboard(qtbot, panel, models):
    slider, choice = child(panel, QSlider, "weightSlider"), child(panel, QComboBox, "networkChoice")
    panel.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is panel)
    panel.tabs.currentWidget().setFocus()
    for control in (slider, choice, child(panel, QDoubleSpinBox, "patlakStart")):
        assert not turn_wheel(control)  # left to the panel, which scrolls
        assert control.focusPolicy() == Qt.FocusPolicy.StrongFocus
    assert not models.network.is_modified
    slider.setFocus()
    assert turn_wheel(slider)
    assert models.network.is_modified


def test_that_the_state_of_the_weights_and_reset_share_one_line(qtbot, panel, models):
    models.network.set_position(0.25)
    models.network.set_tied(False)
    qtbot.waitUntil(lambda: not models.runner.tasks)
    models.network.compute()
    qtbot.waitUntil(lambda: not models.runner.tasks)
    told, reset = child(panel, QLabel, "modifiedState"), child(panel, QPushButton, "resetWeights")
    assert told.text() == f"{BOTH} \N{MIDDLE DOT} 01234567"
    needed = told.fontMetrics().horizontalAdvance(told.text())
    qtbot.waitUntil(lambda: told.width() >= needed)
    assert told.height() < 2 * told.fontMetrics().height()
    assert abs(told.geometry().center().y() - reset.geometry().center().y()) <= 1


def test_that_an_untied_network_is_marked_and_reset_ties_it_again(qtbot, panel, models):
    tie, reset = child(panel, QCheckBox, "tieSwitch"), child(panel, QPushButton, "resetWeights")
    state, told = child(panel, QLabel, "modelState"), child(panel, QLabel, "modifiedState")
    assert not reset.isVisible()
    qtbot.mouseClick(tie, LEFT, pos=QPoint(8, tie.height() // 2))
    assert state.text() == "network: UNTIED"
    assert told.text() == "UNTIED"
    qtbot.waitUntil(lambda: not models.runner.tasks)
    click(qtbot, panel, "computeNetwork")
    qtbot.waitUntil(lambda: not models.runner.tasks)
    assert models.views.layer(NETWORK).marks == ("UNTIED",)
    click(qtbot, panel, "resetWeights")
    assert tie.isChecked()
    assert state.text() == "network: shipped"
    assert not reset.isVisible()


def listed(panel):
    """What the list of layers says of the network; rows of before may not be deleted yet."""
    found = panel.findChildren(QLabel, "layer_network_warning")
    return [label.text() for label in found if label.isVisible()]


def test_that_every_panel_says_how_the_network_map_was_made(qtbot, panel, models):
    models.maps.compute()
    models.network.set_position(0.25)
    models.network.set_tied(False)
    qtbot.waitUntil(lambda: not models.runner.tasks)
    models.network.compute()
    qtbot.waitUntil(lambda: not models.runner.tasks and models.agreement.comparison is not None)
    agreement = child(panel, QLabel, "agreementWarnings")
    assert agreement.text() == f"Network: {BOTH}"
    qtbot.waitUntil(lambda: listed(panel) == [BOTH])
    assert child(panel, QLabel, "export_network_warning").text() == BOTH
    assert child(panel, QLabel, "export_patlak_warning").text() == ""
    models.network.reset()
    qtbot.waitUntil(lambda: models.preview.is_complete and not models.runner.tasks)
    qtbot.waitUntil(lambda: listed(panel) == ["PREVIEW"])
    assert agreement.text() == f"Network: {BOTH} \N{MIDDLE DOT} STALE"
    assert child(panel, QLabel, "export_network_warning").text().endswith("STALE")


def test_that_weights_and_regions_are_undone_in_the_order_of_the_changes(panel, models):
    slider = child(panel, QSlider, "weightSlider")
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_PageDown)
    models.rois.add(small_study.aorta(), "Second")
    undo = panel.findChild(object, "action_undo")
    undo.trigger()
    assert [roi.name for roi in models.rois.rois] == ["Aorta"]
    assert models.network.is_modified
    undo.trigger()
    assert not models.network.is_modified
    assert slider.value() == slider.maximum() * models.network.shipped_position
    panel.findChild(object, "action_redo").trigger()
    assert models.network.is_modified


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


def test_that_weights_are_saved_and_loaded_by_the_buttons(
    qtbot, panel, models, tmp_path, monkeypatch
):
    path = tmp_path / "mine.json"
    click(qtbot, panel, "expertFold")
    models.network.set_position(0.25)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), "Choices (*.json)")
    )
    click(qtbot, panel, "saveWeights")
    qtbot.waitUntil(path.exists)
    models.network.reset()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    click(qtbot, panel, "loadWeights")
    qtbot.waitUntil(lambda: models.network.position == 0.25)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    click(qtbot, panel, "loadWeights")
    assert models.network.position == 0.25


def test_that_a_file_that_is_loaded_is_told_and_takes_the_last_refusal_away(
    qtbot, panel, models, tmp_path
):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    bad.write_text("no JSON", encoding="utf-8")
    models.weight_files.save(good)
    qtbot.waitUntil(lambda: good.exists() and not models.runner.tasks)
    banner = child(panel, QLabel, "bannerText")
    models.weight_files.load(bad)
    qtbot.waitUntil(lambda: banner.text().startswith("bad.json is not"))
    models.weight_files.load(good)
    card = models.network.card
    told = f"{card.id} {card.version} now has the weights in good.json."
    qtbot.waitUntil(lambda: banner.text() == told)


ALL, CHOICES = "All weights (*.safetensors)", "Choices (*.json)"


@pytest.mark.parametrize(
    "case",
    [
        ("ki-weights.json", ALL, "ki-weights.safetensors"),
        ("mine.safetensors", CHOICES, "mine.json"),
        ("my set 1.0", CHOICES, "my set 1.0.json"),
        ("my set 1.0", ALL, "my set 1.0.safetensors"),
        ("MINE.JSON", CHOICES, "MINE.JSON"),
    ],
)
def test_that_the_chosen_filter_decides_the_form_of_saved_weights(
    qtbot, panel, models, tmp_path, monkeypatch, case
):
    (typed, kind, written), asked = case, []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / typed), kind))
    monkeypatch.setattr(models.weight_files, "save", asked.append)
    click(qtbot, panel, "expertFold")
    click(qtbot, panel, "saveWeights")
    assert asked == [tmp_path / written]


def test_that_a_file_with_the_ending_added_is_replaced_only_when_asked(
    qtbot, panel, models, tmp_path, monkeypatch
):
    asked, answers = [], [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    (tmp_path / "mine.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), CHOICES)
    )
    monkeypatch.setattr(models.weight_files, "save", asked.append)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    click(qtbot, panel, "expertFold")
    click(qtbot, panel, "saveWeights")
    assert asked == []
    click(qtbot, panel, "saveWeights")
    assert asked == [tmp_path / "mine.json"]


def test_that_weights_from_a_file_are_told_by_its_name(qtbot, panel, models, tmp_path):
    click(qtbot, panel, "expertFold")
    told = child(panel, QLabel, "weightPosition")
    for name in ("sharp.safetensors", "a very long name of a set of weights.safetensors"):
        models.network.set_position(0.25)
        models.weight_files.save(tmp_path / name)
        qtbot.waitUntil((tmp_path / name).exists)
        qtbot.waitUntil(lambda: not models.runner.tasks)
        models.weight_files.load(tmp_path / name)
        qtbot.waitUntil(lambda name=name: models.network.weights_file == name)
        assert told.text().startswith(f"weights from {name[0]}")
        needed = told.fontMetrics().horizontalAdvance(told.text())
        qtbot.waitUntil(lambda needed=needed: told.width() >= needed)
        models.network.reset()
        at = f"{models.network.card.shipped_position:.2f}"
        assert told.text() == f"weights {at} \N{MIDDLE DOT} installed {at}"
        models.network.undo()
        assert models.network.weights_file == name
        models.network.reset()


def everything_said(widget):
    """Texts and tips of labels, buttons, the choice and the heads of tables, in small letters."""
    said = [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]
    for table in widget.findChildren(QTableWidget):
        heads = [table.horizontalHeaderItem(n) for n in range(table.columnCount())]
        said += [text for head in heads if head for text in (head.text(), head.toolTip())]
    said += [each.toolTip() for each in widget.findChildren(QWidget)]
    return "\n".join(said).lower()


def test_that_a_network_of_the_site_is_never_called_shipped(qtbot, panel, models):
    dialog = open_dialog(qtbot, panel, models)
    theirs = replace(models.network.card, version="9.0.0", origin=Origin.SITE)
    models.network.provide((*models.network.cards, theirs))
    models.network.choose(theirs.name)
    assert child(panel, QLabel, "modelState").text() == "network: site"
    told = f"installed {theirs.shipped_position:.2f}"
    assert child(panel, QLabel, "weightPosition").text().endswith(told)
    assert child(dialog, QLabel, "weightsState").text() == "as installed"
    qtbot.waitUntil(lambda: "now" in child(dialog, QLabel, "singleTold").text())
    click(qtbot, panel, "probeFold")
    click(qtbot, panel, "probeCompute")
    qtbot.waitUntil(child(panel, QTableWidget, "probeTable").isVisible)
    for shown in (child(panel, QWidget, "networkPanel"), dialog):
        assert "shipped" not in everything_said(shown)
    models.network.set_position(0.25)
    assert child(panel, QLabel, "modelState").text() == "network: MODIFIED"
    dialog.close()


def test_that_undo_and_redo_buttons_say_why_they_rest(qtbot, panel, models):
    click(qtbot, panel, "expertFold")
    undo = child(panel, QPushButton, "weightsUndo")
    assert not undo.isEnabled()
    assert undo.toolTip() == "No change of weights to take back."
    models.network.set_image_blend(0.5)
    assert undo.isEnabled()
    click(qtbot, panel, "weightsUndo")
    assert not models.network.is_modified
    click(qtbot, panel, "weightsRedo")
    assert models.network.weights.image_blend == 0.5


def test_that_the_probe_fills_its_table_by_a_click(qtbot, panel):
    click(qtbot, panel, "probeFold")
    table = child(panel, QTableWidget, "probeTable")
    assert not table.isVisible()
    click(qtbot, panel, "probeCompute")
    qtbot.waitUntil(table.isVisible)
    heads = [table.horizontalHeaderItem(column).text() for column in range(4)]
    assert heads == ["", "installed", "now", "Patlak"]
    texts = [[table.item(line, column).text() for column in range(4)] for line in range(6)]
    assert ["Noise %", "16", "8", "16"] in texts
    assert all(table.item(line, 0).toolTip() for line in range(6))
    widths = table.viewport().width()
    assert sum(table.columnWidth(column) for column in range(4)) <= widths


def test_that_without_the_training_program_update_says_how(qtbot, panel, models):
    models.update.can_train = False
    click(qtbot, panel, "expertFold")
    click(qtbot, panel, "updateNetwork")
    page = child(panel, QTextBrowser, "updateDialogText")
    assert "kitrain update" in page.toPlainText()
    page.window().close()


def test_that_a_running_update_can_be_cancelled_by_the_same_button(qtbot, panel, models):
    def endless(_request, progress):
        while True:
            progress.step(0.1, "epoch 1")

    models.update.can_train, models.update._job = True, endless
    click(qtbot, panel, "expertFold")
    made = child(panel, QPushButton, "updateNetwork")
    click(qtbot, panel, "updateNetwork")
    qtbot.waitUntil(lambda: made.text() == "Cancel the update")
    click(qtbot, panel, "updateNetwork")
    qtbot.waitUntil(lambda: made.text().startswith("Update from added cases"))


def test_that_the_uncertainty_of_a_network_can_be_shown(panel, models):
    box = child(panel, QComboBox, "shownQuantity")
    codes = [box.itemData(i) for i in range(box.count())]
    assert codes == ["Ki", "V0", "KiSE", "KiSD"]
    box.setCurrentIndex(codes.index("KiSD"))
    assert models.views.layer(NETWORK).quantity.code == "KiSD"


def walk(first, steps):
    """Names of what has the keyboard while the Tab key is pressed again and again."""
    first.setFocus()
    seen = []
    for _ in range(steps):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        seen.append(QApplication.focusWidget().objectName())
    return seen


def test_that_the_tab_key_walks_through_the_weights_window(qtbot, panel, models):
    dialog = open_dialog(qtbot, panel, models)
    dialog.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is dialog)
    table = child(dialog, QTableWidget, "layerTable")
    table.setCurrentCell(0, GAIN)
    seen = walk(table, 20)
    assert {"layerTable", "singleTensor", "singleValue", "singleSet"} <= set(seen)
    dialog.close()


def test_that_the_tab_key_leaves_the_tables_of_the_panel(qtbot, panel, models):
    models.maps.compute()
    agreement = child(panel, QTableWidget, "agreementTable")
    qtbot.waitUntil(agreement.isVisible)
    click(qtbot, panel, "probeFold")
    click(qtbot, panel, "probeCompute")
    probe = child(panel, QTableWidget, "probeTable")
    qtbot.waitUntil(probe.isVisible)
    panel.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is panel)
    for table in (agreement, probe):
        table.setCurrentCell(0, 0)
        assert walk(table, 1) != [table.objectName()]


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_that_no_text_of_the_unfolded_panel_is_cut(qtbot, panel, models, size):
    panel.resize(*size)
    for fold in ("probeFold", "expertFold"):
        click(qtbot, panel, fold)
    models.network.set_position(0.25)
    qtbot.wait(40)
    shown = child(panel, QWidget, "networkPanel")
    for label in shown.findChildren(QLabel):
        if label.isVisible() and not label.wordWrap():
            needed = label.fontMetrics().horizontalAdvance(label.text())
            assert label.width() >= needed, label.objectName() or label.text()
    for made in shown.findChildren(QPushButton):
        if made.isVisible():
            assert made.width() >= made.fontMetrics().horizontalAdvance(made.text()), made.text()
