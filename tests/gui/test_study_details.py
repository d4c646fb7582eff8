"""Study details as a user meets them: by keys and mouse, checked against the view models."""

import logging
from dataclasses import replace

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
from tests.helpers.dicom_factory import write_dynamic_series, write_rubbish
from tests.helpers.phantoms import asymmetric_phantom, axial_affine
from tests.helpers.qt import child
from tests.helpers.study_details import (
    CONFIRM,
    FACTS_TOLD,
    click,
    details,
    made_study,
    open_made,
    settle,
    text,
)

from kiview import application
from kiview.views.dialogs.study_details import FACTS, FRAMES, PATIENT, UNUSED, StudyDetailsDialog
from kiview.views.main_window import MainWindow


@pytest.fixture
def asked():
    return []


@pytest.fixture
def opened(qtbot, window, models, asked):
    open_made(qtbot, models, made_study(), asked)
    return window


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


def test_that_an_entry_that_was_not_applied_waits_in_the_closed_details(qtbot, opened, asked):
    dialog = details(opened, PATIENT)
    qtbot.keyClicks(child(dialog, QLineEdit, "own_weight_kg"), "70")
    dialog.close()
    again = details(opened, PATIENT)
    assert again.isVisible()
    assert child(again, QLineEdit, "own_weight_kg").text() == "70"
    assert text(again, "state_weight_kg") == "not applied yet"
    assert asked[-1] == {}


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
