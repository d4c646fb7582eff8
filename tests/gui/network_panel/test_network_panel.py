"""The Network panel as a user works it: mouse, keyboard, folds, updates."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QPushButton,
    QSlider,
    QTableWidget,
    QTextBrowser,
    QWidget,
)
from tests.helpers import small_study
from tests.helpers.network_panel import BOTH, LEFT, click, open_dialog, walk
from tests.helpers.qt import child

from kiview.nets.catalog import Origin
from kiview.viewmodels.results import NETWORK


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
