"""Study details as a user meets them: by keys and mouse, checked against the view models."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QAction, QGuiApplication, QImage
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLabel,
    QLineEdit,
    QTableView,
    QTableWidget,
    QTabWidget,
    QWidget,
)
from tests.helpers import small_study
from tests.helpers.dicom_factory import write_dynamic_series, write_rubbish
from tests.helpers.phantoms import asymmetric_phantom, axial_affine
from tests.helpers.qt import child

from kiview import application
from kiview.core.images import ScaledFrameStore
from kiview.core.study import Fact, Finding, Verdict
from kiview.core.timing import FrameTiming
from kiview.views.dialogs.study_details import FACTS, FRAMES, PATIENT, UNUSED, StudyDetailsDialog
from kiview.views.main_window import MainWindow

CONFIRM = Finding(
    "injection-is-scan-start", "Same time.", Verdict.CONFIRM, Verdict.CONFIRM, ("injection_time",)
)
GAPS = Finding(
    "frame-gaps",
    "A gap.",
    Verdict.READY,
    Verdict.CONFIRM,
    ("frame_start_s", "frame_duration_s"),
)
NOTE = Finding("spacing", "Slice spacing varies.")
FINDINGS = (NOTE, GAPS, CONFIRM, small_study.WEIGHT_MISSING)
FACTS_TOLD = (
    Fact("frame-start", "Start of frames", "0 s", "Acquisition Time; agrees with the decay factor"),
    Fact("time-zero", "Injection (time zero)", "09:30:00", "Start Time"),
)
UNUSED_FILES = (
    ("/data/study/notes.txt", "is no image"),
    ("/data/study/sc/1.dcm", "is a screenshot"),
)


@pytest.fixture
def asked():
    return []


def made_study(findings=FINDINGS, **image_changes):
    made = small_study.study(findings)
    series = replace(made.series[0], facts=FACTS_TOLD, image=small_study.image(**image_changes))
    return replace(made, series=(series,), unused_files=UNUSED_FILES, source="/data/study")


def open_made(qtbot, models, made, asked=None):
    models.study._open_job = small_study.obedient_job(made, asked)
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("/data/study"))
    settle(qtbot, models)


def settle(qtbot, models):
    qtbot.waitUntil(lambda: not models.study.is_opening)
    qtbot.waitUntil(lambda: not models.runner.tasks)


@pytest.fixture
def opened(qtbot, window, models, asked):
    open_made(qtbot, models, made_study(), asked)
    return window


def details(window, page) -> StudyDetailsDialog:
    child(window, QAction, f"action_details_{page}").trigger()
    return child(window, StudyDetailsDialog, "studyDetails")


def click(qtbot, parent, name):
    button = child(parent, QAbstractButton, name)
    assert button.isVisible(), name
    assert button.isEnabled(), f"{name}: {button.toolTip()}"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def text(parent, name):
    return child(parent, QLabel, name).text()


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


# Checks


def test_that_verdicts_come_first_then_findings_most_severe_first(opened):
    assert text(opened, "verdictSUV") == "SUV: cannot be quantified"
    assert text(opened, "verdictKi") == "Ki: ready with your confirmation"
    findings = [
        label
        for label in opened.findChildren(QLabel)
        if label.objectName().startswith("finding_") and label.isVisible()
    ]
    findings.sort(key=lambda label: label.mapTo(opened, QPoint()).y())
    assert [label.objectName().removeprefix("finding_") for label in findings] == [
        "weight-missing",
        "frame-gaps",
        "injection-is-scan-start",
        "spacing",
    ]
    first = findings[0].mapTo(opened, QPoint()).y()
    assert child(opened, QLabel, "verdictSUV").mapTo(opened, QPoint()).y() < first


def test_that_a_finding_leads_to_its_entry(qtbot, opened):
    click(qtbot, opened, "enter_for_injection-is-scan-start")
    dialog = child(opened, StudyDetailsDialog, "studyDetails")
    assert dialog.tabs.currentIndex() == PATIENT
    qtbot.waitUntil(child(dialog, QLineEdit, "own_injection_time").hasFocus)
    click(qtbot, opened, "enter_for_frame-gaps")
    assert dialog.tabs.currentIndex() == FRAMES


def test_that_confirming_by_a_click_makes_the_verdict_ready(qtbot, window, models):
    open_made(qtbot, models, made_study((CONFIRM,)))
    click(qtbot, window, "confirm_injection-is-scan-start")
    assert text(window, "verdictKi") == "Ki: ready"
    assert text(window, "finding_injection-is-scan-start") == "Same time. Confirmed by you."


def test_that_each_page_has_its_button_and_files_not_used_are_counted(qtbot, opened):
    assert "Files not used (2)" in child(opened, QAbstractButton, f"details_{UNUSED}").text()
    for page in (PATIENT, FRAMES, FACTS, UNUSED):
        click(qtbot, opened, f"details_{page}")
        assert child(opened, StudyDetailsDialog, "studyDetails").tabs.currentIndex() == page


def test_that_nothing_can_be_asked_before_a_study_is_open(window):
    assert not child(window, QAction, f"action_details_{PATIENT}").isEnabled()
    assert window.findChildren(QAbstractButton, f"details_{PATIENT}") == []


# Keyboard


def test_that_pages_are_reached_by_shortcuts_and_by_ctrl_tab(qtbot, opened):
    qtbot.keyClick(opened, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    dialog = child(opened, StudyDetailsDialog, "studyDetails")
    qtbot.waitUntil(dialog.isActiveWindow)
    assert dialog.tabs.currentIndex() == FRAMES
    qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Tab, Qt.KeyboardModifier.ControlModifier)
    assert dialog.tabs.currentIndex() == FACTS
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    opened.activateWindow()
    qtbot.waitUntil(opened.isActiveWindow)
    qtbot.keyClick(opened, Qt.Key.Key_I, Qt.KeyboardModifier.ControlModifier)
    assert dialog.tabs.currentIndex() == PATIENT
    qtbot.waitUntil(child(dialog, QLineEdit, "own_weight_kg").hasFocus)


# Patient and dose


def test_that_a_weight_is_typed_applied_by_enter_and_taken_back_by_ctrl_z(
    qtbot, opened, models, asked
):
    dialog = details(opened, PATIENT)
    assert text(dialog, "file_weight_kg") == "not in the files"
    entry = child(dialog, QLineEdit, "own_weight_kg")
    qtbot.keyClicks(entry, "70")
    assert text(dialog, "state_weight_kg") == "not applied yet"
    qtbot.keyClick(entry, Qt.Key.Key_Return)
    settle(qtbot, models)
    assert asked[-1] == {"weight_kg": 70.0}
    assert dialog.isVisible()
    assert text(dialog, "state_weight_kg") == "in use"
    assert text(opened, "verdictSUV") == "SUV: ready with your confirmation"
    assert text(opened, "userGiven") == "Values entered by you: weight 70 kg."
    dialog.tabs.setFocus()
    qtbot.keyClick(dialog.tabs, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    settle(qtbot, models)
    assert asked[-1] == {}
    assert entry.text() == ""
    qtbot.keyClick(opened, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    settle(qtbot, models)
    assert asked[-1] == {"weight_kg": 70.0}
    assert entry.text() == "70"


def test_that_a_wrong_value_is_told_while_typing_and_apply_is_off(qtbot, opened, asked):
    dialog = details(opened, PATIENT)
    entry = child(dialog, QLineEdit, "own_weight_kg")
    qtbot.keyClicks(entry, "7000")
    assert "enter a value from 0.2 to 700 kg" in text(dialog, "patientProblem")
    assert entry.property("wrong")
    assert not child(dialog, QAbstractButton, "patientApply").isEnabled()
    qtbot.keyClick(entry, Qt.Key.Key_Return)
    assert entry.text() == "7000"  # Enter pressed no other button
    assert dialog.isVisible()
    qtbot.keyClick(entry, Qt.Key.Key_Backspace)
    assert text(dialog, "patientProblem") == ""
    assert len(asked) == 1


def test_that_words_are_chosen_and_reset_one_by_one(qtbot, opened, models, asked):
    dialog = details(opened, PATIENT)
    box = child(dialog, QComboBox, "own_decay_correction")
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Down)
    qtbot.keyClick(box, Qt.Key.Key_Down)
    assert box.currentText() == "ADMIN: injection"
    qtbot.keyClicks(child(dialog, QLineEdit, "own_height_m"), "1.8")
    click(qtbot, dialog, "patientApply")
    settle(qtbot, models)
    assert asked[-1] == {"decay_correction": "ADMIN", "height_m": 1.8}
    click(qtbot, dialog, "reset_decay_correction")
    assert box.currentText() == "as in the files"
    click(qtbot, dialog, "patientApply")
    settle(qtbot, models)
    assert asked[-1] == {"height_m": 1.8}
    click(qtbot, dialog, "patientReset")
    click(qtbot, dialog, "patientApply")
    settle(qtbot, models)
    assert asked[-1] == {}


# Frames


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


# Where numbers come from


def test_that_every_fact_is_told_with_its_source(qtbot, opened, models):
    dialog = details(opened, FACTS)
    table = child(dialog, QTableWidget, "factsTable")
    shown = [[table.item(line, column).text() for column in range(3)] for line in range(2)]
    assert shown == [[fact.label, fact.value, fact.source] for fact in FACTS_TOLD]
    made = made_study()
    bare = replace(made, series=(replace(made.series[0], facts=()),))
    open_made(qtbot, models, bare)
    assert not table.isVisible()
    assert "tells nothing" in text(dialog, "factsAbout")


# Files not used


def test_that_files_not_used_are_listed_counted_and_copied(qtbot, opened):
    dialog = details(opened, UNUSED)
    assert child(dialog, QTabWidget, "detailsTabs").tabText(UNUSED) == "Files not used (2)"
    rows = child(dialog, QTableView, "unusedList").model()
    shown = [[rows.index(line, column).data() for column in range(2)] for line in range(2)]
    assert shown == [["notes.txt", "is no image"], ["sc/1.dcm", "is a screenshot"]]
    click(qtbot, dialog, "unusedCopy")
    assert QGuiApplication.clipboard().text() == (
        "path\treason\nnotes.txt\tis no image\nsc/1.dcm\tis a screenshot\n"
    )


def test_that_a_folder_named_after_a_patient_is_shown_but_never_logged(
    qtbot, jobs, tmp_path, caplog
):
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "study"
    activity = asymmetric_phantom((4, 5, 6), 3)
    times = [0.0, 60.0, 120.0], [60.0, 60.0, 60.0]
    write_dynamic_series(folder / "pet", "siemens", activity, axial_affine(), *times)
    write_rubbish(folder / "DOE^JANE 4711")
    shipped = application.shipped_jobs()
    models = application.build_models(replace(jobs, open_study=shipped.open_study))
    window = MainWindow(models)
    qtbot.addWidget(window)
    window.show()
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(folder)
    settle(qtbot, models)
    dialog = details(window, UNUSED)
    rows = child(dialog, QTableView, "unusedList").model()
    shown = [rows.index(line, 0).data() for line in range(rows.rowCount())]
    assert shown
    assert all(name.startswith("DOE^JANE 4711") for name in shown)
    click(qtbot, dialog, "unusedCopy")
    assert "DOE" not in caplog.text
    assert "DOE" not in text(dialog, "unusedAbout")


# On the views


def picture(window) -> QImage:
    view = child(window, QWidget, "slice-image-coronal")
    view.repaint()
    return view.grab().toImage()


def amber_pixels(image: QImage) -> int:
    area = QRectF(0, image.height() * 0.7, image.width(), image.height() * 0.3).toRect()
    grabbed = image.copy(area).convertToFormat(QImage.Format.Format_RGB888)
    shape = (grabbed.height(), grabbed.bytesPerLine())
    raw = np.frombuffer(grabbed.constBits(), np.uint8).reshape(shape)[:, : 3 * grabbed.width()]
    red, green, blue = np.moveaxis(raw.reshape(grabbed.height(), -1, 3).astype(int), -1, 0)
    return int(((red > 180) & (green > 120) & (blue < 120)).sum())


def test_that_the_first_row_of_views_says_which_values_were_entered(qtbot, opened, models):
    before = amber_pixels(picture(opened))
    models.patient_form.set_text("weight_kg", "70")
    models.patient_form.apply()
    settle(qtbot, models)
    assert before == 0
    assert amber_pixels(picture(opened)) > 50
    other = child(opened, QWidget, "slice-image-sagittal")
    assert amber_pixels(other.grab().toImage()) == 0
    assert text(opened, "layer_image_warning") == "values entered by you"
