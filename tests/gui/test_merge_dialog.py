"""Merging frames as a user meets it: the button under the views, the dialog, the menu."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QDialog, QDoubleSpinBox, QLabel, QToolButton
from tests.helpers import small_study
from tests.helpers.qt import child, visible_text

from kiview.viewmodels.results import PATLAK

DASH, DOT = "\N{EN DASH}", "\N{MIDDLE DOT}"


@pytest.fixture
def opened(qtbot, window, models):
    """The window with the small study, an aorta and its Patlak map."""
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    models.rois.add(small_study.aorta(), "Aorta")
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    models.maps.compute()
    qtbot.waitUntil(lambda: models.results.get(PATLAK) is not None)
    yield window
    models.runner.close()
    qtbot.waitUntil(lambda: not models.runner.tasks)


def click(qtbot, parent, name):
    qtbot.mouseClick(child(parent, QAbstractButton, name), Qt.MouseButton.LeftButton)


def ask(qtbot, window):
    click(qtbot, window, "frame-merge")
    return child(window, QDialog, "mergeDialog")


def told(dialog):
    return child(dialog, QLabel, "mergeProposal").text()


def merge_button(window):
    return child(window, QToolButton, "frame-merge")


def test_that_two_clicks_merge_and_the_window_says_so(qtbot, opened, models):
    dialog = ask(qtbot, opened)
    assert not merge_button(opened).isChecked()
    assert "merged into 3 frames of 10 min" in told(dialog)
    click(qtbot, dialog, "mergeNow")
    assert not dialog.isVisible()
    assert models.study.image.frame_count == 22
    assert merge_button(opened).text() == "10 min frames"
    assert merge_button(opened).isChecked()
    assert "Frames 20-25 (30-60 min) merged into 3" in merge_button(opened).toolTip()
    shown = visible_text(opened)
    assert f"frame 22 {DOT} 50{DASH}60 min" in shown
    assert f"22 frames {DOT} 0{DASH}60 min {DOT} 10 min frames" in shown
    assert models.views.layer("patlak").stale
    assert child(opened, QAbstractButton, "exportStart").isEnabled() is False


def test_that_presets_and_entries_show_what_they_would_give(qtbot, opened, models):
    dialog = ask(qtbot, opened)
    click(qtbot, dialog, "mergePreset20")
    assert child(dialog, QDoubleSpinBox, "mergeLength").value() == 20
    assert "merged into 1 frame of 20 min. Frames 24-25 are left out" in told(dialog)
    child(dialog, QDoubleSpinBox, "mergeStart").setValue(32)
    assert "across the start at 32 min" in told(dialog)
    assert child(dialog, QLabel, "mergeProposal").property("role") == "warning"
    assert not child(dialog, QAbstractButton, "mergeNow").isEnabled()
    click(qtbot, dialog, "mergePreset10")
    child(dialog, QDoubleSpinBox, "mergeStart").setValue(40)
    assert "merged into 2 frames of 10 min" in told(dialog)
    assert child(dialog, QLabel, "mergeProposal").property("role") == "soft"
    click(qtbot, dialog, "mergeClose")
    assert not models.merge.is_merged


def test_that_as_acquired_takes_it_back_in_dialog_and_menu(qtbot, opened, models):
    acquired = child(opened, QAction, "action_acquired")
    assert not acquired.isEnabled()
    models.merge.merge(20, 20)
    assert acquired.isEnabled()
    child(opened, QAction, "action_merge").trigger()
    dialog = child(opened, QDialog, "mergeDialog")
    assert child(dialog, QDoubleSpinBox, "mergeLength").value() == 20
    assert child(dialog, QDoubleSpinBox, "mergeStart").value() == 20
    click(qtbot, dialog, "mergeUndo")
    assert models.study.image.frame_count == 25
    assert merge_button(opened).text() == "Merge\N{HORIZONTAL ELLIPSIS}"
    assert not merge_button(opened).isChecked()
    qtbot.waitUntil(lambda: not models.results.get(PATLAK).is_stale)
    models.merge.merge(10, 30)
    acquired.trigger()
    assert models.study.image.frame_count == 25
    child(opened, QAction, "action_undo").trigger()
    assert models.study.image.frame_count == 22


def test_that_nothing_can_be_merged_before_a_study_is_open(window):
    assert not child(window, QAction, "action_merge").isEnabled()
