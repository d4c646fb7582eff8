"""Frame times in the study details: edited in place, pasted, shifted, replaced."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QTableWidget
from tests.helpers import small_study
from tests.helpers.qt import child
from tests.helpers.study_details import click, details, made_study, open_made, settle, text

from kiview.core.images import ScaledFrameStore
from kiview.core.timing import FrameTiming
from kiview.views.dialogs.study_details import FRAMES


@pytest.fixture
def opened(qtbot, window, models):
    open_made(qtbot, models, made_study())
    return window


def cell(table, line, column) -> QPoint:
    return table.visualItemRect(table.item(line, column)).center()


def type_into(qtbot, table, line, column, typed):
    """Double click a cell, replace what is there, Enter."""
    viewport = table.viewport()
    table.scrollToItem(table.item(line, column))
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=cell(table, line, column))
    qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=cell(table, line, column))
    editor = table.findChild(QLineEdit)
    assert editor is not None, "the cell cannot be edited"
    editor.selectAll()
    qtbot.keyClicks(editor, typed)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: table.findChild(QLineEdit) is None)


def test_that_a_time_is_edited_in_place_and_applied(qtbot, opened, models):
    dialog = details(opened, FRAMES)
    table = child(dialog, QTableWidget, "timesTable")
    type_into(qtbot, table, 24, 2, "5:10")
    assert table.item(24, 2).text() == "310"
    assert table.item(24, 3).text() == "3610"
    assert models.study.image.timing.duration_s[24] == 300.0
    click(qtbot, dialog, "framesApply")
    settle(qtbot, models)
    assert models.study.image.timing.duration_s[24] == 310.0
    assert child(dialog, QLabel, "framesEntered").isVisible()
    assert text(opened, "userGiven") == "Values entered by you: times of 25 frames."


def test_that_a_word_for_a_time_is_refused_and_the_old_time_stays(qtbot, opened):
    dialog = details(opened, FRAMES)
    table = child(dialog, QTableWidget, "timesTable")
    type_into(qtbot, table, 1, 1, "soon")
    assert table.item(1, 1).text() == "10"
    assert "'soon' is no time" in text(dialog, "framesProblem")
    type_into(qtbot, table, 1, 1, "15")
    assert "Frame 2" in text(dialog, "framesProblem")  # it now overlaps the third
    assert not child(dialog, QAbstractButton, "framesApply").isEnabled()
    assert table.item(1, 4).text() == "gap 5 s"
    assert table.item(2, 4).text() == "overlap 5 s"


def test_that_ends_and_gaps_cannot_be_edited(qtbot, opened):
    table = child(details(opened, FRAMES), QTableWidget, "timesTable")
    for column in (0, 3, 4):
        viewport = table.viewport()
        qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=cell(table, 1, column))
        assert table.findChild(QLineEdit) is None


def test_that_a_column_is_pasted_at_the_chosen_cell_and_copied_back(qtbot, opened):
    dialog = details(opened, FRAMES)
    table = child(dialog, QTableWidget, "timesTable")
    QGuiApplication.clipboard().setText("1\n1:00\n")
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell(table, 4, 2))
    qtbot.keyClick(table, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert [table.item(line, 2).text() for line in range(3, 7)] == ["10", "1", "60", "30"]
    shift = Qt.KeyboardModifier.ShiftModifier
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, shift, cell(table, 5, 2))
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "1\n60"
    QGuiApplication.clipboard().setText("\n".join("9" * 30))
    qtbot.keyClick(table, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert "30 values were pasted from frame 6 on, but only 20" in text(dialog, "framesProblem")


def test_that_all_frames_are_shifted_and_given_back(qtbot, opened):
    dialog = details(opened, FRAMES)
    table = child(dialog, QTableWidget, "timesTable")
    qtbot.keyClicks(child(dialog, QLineEdit, "shiftBy"), "-0:30")
    click(qtbot, dialog, "shiftFrames")
    assert table.item(0, 1).text() == "\N{MINUS SIGN}30"
    click(qtbot, dialog, "framesReset")
    assert table.item(0, 1).text() == "0"
    type_into(qtbot, table, 0, 1, "5")
    click(qtbot, dialog, "chainFrames")
    assert table.item(0, 2).text() == "5"
    assert text(dialog, "framesProblem") == ""


def test_that_times_per_slice_are_replaced_only_after_a_clear_yes(qtbot, window, models):
    store = ScaledFrameStore(small_study.frames()[:3])
    open_made(qtbot, models, made_study((), timing=small_study.beds_timing(), store=store))
    dialog = details(window, FRAMES)
    table = child(dialog, QTableWidget, "timesTable")
    assert "Each slice has times of its own" in text(dialog, "framesProblem")
    assert not child(dialog, QAbstractButton, "shiftFrames").isEnabled()
    viewport = table.viewport()
    qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=cell(table, 0, 1))
    assert table.findChild(QLineEdit) is None
    click(qtbot, dialog, "oneTime")
    assert "changes Ki" in text(dialog, "oneTimeSure")
    click(qtbot, dialog, "oneTimeNo")
    assert not child(dialog, QLabel, "oneTimeSure").isVisible()
    assert "\N{EN DASH}" in table.item(0, 1).text()
    click(qtbot, dialog, "oneTime")
    click(qtbot, dialog, "oneTimeYes")
    assert table.item(0, 1).text() == "100"
    click(qtbot, dialog, "framesApply")
    settle(qtbot, models)
    assert not models.study.image.timing.is_per_slice


def test_that_a_long_study_has_a_row_for_every_frame(qtbot, window, models):
    count = 600
    store = ScaledFrameStore(np.ones((count, *small_study.SHAPE_ZYX), np.int16))
    timing = FrameTiming(np.arange(count) * 5.0, np.full(count, 5.0))
    open_made(qtbot, models, made_study((), timing=timing, store=store))
    table = child(details(window, FRAMES), QTableWidget, "timesTable")
    assert table.rowCount() == count
    assert table.item(count - 1, 3).text() == "3000"
