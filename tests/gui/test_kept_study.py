"""A study opened again in another window is as it was left, and one click from its files."""

import logging
import os
import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QDialog, QLabel, QLineEdit, QToolButton
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import asymmetric_phantom, axial_affine
from tests.helpers.qt import child, visible_text

from kiview import application
from kiview.core.errors import ReadError
from kiview.library.library import Library
from kiview.views.dialogs.study_details import PATIENT, StudyDetailsDialog
from kiview.views.main_window import MainWindow

DOT = "\N{MIDDLE DOT}"
STARTS_S, DURATIONS_S = [300.0 * n for n in range(12)], [300.0] * 12
RESTORED = f"Restored as you left it: weight 82 kg {DOT} frames of 10 min. Ctrl+Z takes it back."


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "study"
    write(made)
    return made


def write(folder: Path, **options) -> None:
    """Let a folder hold one series and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    image = asymmetric_phantom((4, 5, 6), len(STARTS_S)), axial_affine()
    write_dynamic_series(folder, "siemens", *image, STARTS_S, DURATIONS_S, **options)


class Session:
    """One start of the program, up to the closed window."""

    def __init__(self, qtbot) -> None:
        self.qtbot = qtbot
        self.models = application.build_models(application.shipped_jobs())
        self.window = MainWindow(self.models)
        qtbot.addWidget(self.window)
        self.window.resize(1280, 800)
        self.window.show()

    def settle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.models.study.is_opening)
        self.qtbot.waitUntil(lambda: not self.models.runner.tasks)

    def open(self, path: Path) -> None:
        with self.qtbot.waitSignal(self.models.study.study_changed):
            self.models.study.open_path(path)
        self.settle()

    def click(self, parent, name: str) -> None:
        clicked = child(parent, QAbstractButton, name)
        assert clicked.isVisible(), name
        assert clicked.isEnabled(), f"{name}: {clicked.toolTip()}"
        self.qtbot.mouseClick(clicked, Qt.MouseButton.LeftButton)

    def details(self) -> StudyDetailsDialog:
        child(self.window, QAction, f"action_details_{PATIENT}").trigger()
        return child(self.window, StudyDetailsDialog, "studyDetails")

    def enter_weight(self, text: str) -> None:
        dialog = self.details()
        entry = child(dialog, QLineEdit, "own_weight_kg")
        entry.clear()
        self.qtbot.keyClicks(entry, text)
        self.click(dialog, "patientApply")
        self.settle()
        dialog.close()

    def merge(self) -> None:
        self.click(self.window, "frame-merge")
        self.click(child(self.window, QDialog, "mergeDialog"), "mergeNow")

    def close(self) -> None:
        """At once: what is not written yet is written before the window goes."""
        self.window.close()
        self.qtbot.waitUntil(lambda: not self.window.isVisible())

    @property
    def factor(self) -> float:
        return self.models.study.image.suv_factor

    @property
    def weight_source(self) -> str:
        return next(f.source for f in self.models.study.series.facts if f.code == "weight")

    @property
    def told(self) -> str:
        message = self.models.messages.current
        return "" if message is None else message.text


def left(qtbot, folder: Path) -> float:
    """Enter 82 kg, merge to 10 min and close; the SUV factor of the files."""
    session = Session(qtbot)
    session.open(folder)
    factor = session.factor
    assert session.told == ""
    session.enter_weight("82")
    session.merge()
    assert session.models.study.image.frame_count == 9  # 6 of 5 min, then 3 of 10 min
    session.close()
    return factor


def test_that_a_study_opened_again_is_as_it_was_left_until_the_files_values_are_asked_for(
    qtbot, folder
):
    factor = left(qtbot, folder)
    session = Session(qtbot)
    session.open(folder)
    patient = session.models.study.study.patient
    assert patient.weight_kg == 82.0
    assert session.factor == pytest.approx(factor * 82 / 70, rel=1e-9)  # the files say 70 kg
    assert session.models.study.image.frame_count == 9
    assert session.models.study.image.timing.duration_s[-1] == 600.0
    assert session.told == RESTORED
    assert session.weight_source == "entered by you"
    shown = visible_text(session.window)
    assert "Values entered by you: weight 82 kg." in shown
    assert child(session.window, QToolButton, "frame-merge").text() == "10 min frames"
    dialog = session.details()
    assert child(dialog, QLineEdit, "own_weight_kg").text() == "82"
    assert child(dialog, QLabel, "state_weight_kg").text() == "in use"
    session.click(dialog, "detailsAsFiles")
    session.settle()
    assert session.factor == pytest.approx(factor, rel=1e-12)
    assert session.weight_source != "entered by you"
    assert child(dialog, QLabel, "file_weight_kg").text() == "70 kg"
    assert child(dialog, QLineEdit, "own_weight_kg").text() == ""
    assert not child(dialog, QAbstractButton, "detailsAsFiles").isEnabled()
    session.click(session.window, "frame-merge")
    session.click(child(session.window, QDialog, "mergeDialog"), "mergeUndo")
    assert session.models.study.image.frame_count == 12
    session.close()
    again = Session(qtbot)
    again.open(folder)
    assert again.told == ""
    assert (again.factor, again.models.study.image.frame_count) == (session.factor, 12)
    again.close()


def test_that_undo_takes_back_what_was_restored_step_by_step(qtbot, folder):
    factor = left(qtbot, folder)
    session = Session(qtbot)
    session.open(folder)
    seen = []
    while session.models.undo.can_undo:
        session.models.undo.undo()
        session.settle()
        image = session.models.study.image
        seen.append((image.frame_count, image.suv_factor / factor))
    assert seen == [(12, pytest.approx(82 / 70)), (12, pytest.approx(1.0))]
    session.close()


def test_that_the_list_of_studies_opens_it_as_it_was_left(qtbot, folder):
    left(qtbot, folder)
    session = Session(qtbot)
    session.models.library.refresh()
    session.settle()
    (entry,) = session.models.library.entries
    with qtbot.waitSignal(session.models.study.study_changed):
        session.models.library.open(entry)
    session.settle()
    assert session.told == RESTORED
    session.close()


def test_that_the_list_of_studies_never_opens_what_came_into_the_folder(qtbot, folder):
    left(qtbot, folder)
    session = Session(qtbot)
    session.models.library.refresh()
    session.settle()
    write(folder, study_uid="1.2.9", series_uid="1.2.9.1")
    (entry,) = session.models.library.entries
    with qtbot.waitSignal(session.models.study.open_failed):
        session.models.library.open(entry)
    session.settle()
    assert f"{folder} holds another study than before" in session.told
    assert session.models.study.study is None
    session.open(folder)
    assert session.models.study.study.uid == "1.2.9"
    session.close()


def test_that_an_entered_value_never_goes_to_what_came_into_the_folder(qtbot, folder):
    session = Session(qtbot)
    session.open(folder)
    before = session.models.study.study
    write(folder, study_uid="1.2.9", series_uid="1.2.9.1")
    for give in (
        lambda: session.models.overrides.change({"weight_kg": 82.0}),
        lambda: session.models.study.enter({"weight_kg": "82"}),
    ):
        with qtbot.waitSignal(session.models.study.open_failed):
            give()
        session.settle()
        assert session.models.study.study is before
    session.close()


def test_that_changed_files_are_shown_as_they_are_and_the_user_is_told_once(qtbot, folder):
    factor = left(qtbot, folder)
    os.utime(sorted(folder.iterdir())[0], ns=(1, 1))
    session = Session(qtbot)
    session.open(folder)
    assert session.told == (
        f"Not restored: weight 82 kg {DOT} frames of 10 min. The files of this study changed"
        " since. Enter again what still holds."
    )
    assert session.factor == pytest.approx(factor, rel=1e-12)
    assert session.models.study.image.frame_count == 12
    session.close()
    again = Session(qtbot)
    again.open(folder)
    assert again.told == ""
    again.close()


def test_that_what_changes_while_it_is_kept_is_kept_after_it(qtbot, folder):
    session = Session(qtbot)
    session.open(folder)
    session.models.merge.merge(10, 30)
    session.models.merge.use_acquired()
    session.models.merge.merge(15, 30)
    session.close()
    again = Session(qtbot)
    again.open(folder)
    assert again.models.merge.length_min == 15.0
    assert again.models.merge.is_merged
    again.close()


def test_that_values_which_cannot_be_kept_are_told_and_hold(qtbot, folder, monkeypatch):
    def fail(*_arguments):
        raise ReadError("The study library is on a full disk.")

    session = Session(qtbot)
    session.open(folder)
    monkeypatch.setattr(Library, "keep", fail)
    session.enter_weight("82")
    assert session.told == (
        "What you entered holds until KiView is closed. The study library is on a full disk."
    )
    assert session.models.study.study.patient.weight_kg == 82.0
    session.close()


def test_that_nothing_of_the_patient_is_logged(qtbot, folder, caplog):
    caplog.set_level(logging.DEBUG)
    left(qtbot, folder)
    session = Session(qtbot)
    session.open(folder)
    patient = session.models.study.study.patient
    assert patient.name.split("^")[0] not in caplog.text
    session.close()
