"""A small study that leaves something to ask, its details opened, and hands on them."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QLabel

from kiview.core.study import Fact, Finding, Verdict
from kiview.views.dialogs.study_details import StudyDetailsDialog
from tests.helpers import small_study
from tests.helpers.qt import child

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


def made_study(findings=FINDINGS, **image_changes):
    """The small study with findings, facts and files that are not used."""
    made = small_study.study(findings)
    series = replace(made.series[0], facts=FACTS_TOLD, image=small_study.image(**image_changes))
    return replace(made, series=(series,), unused_files=UNUSED_FILES, source="/data/study")


def open_made(qtbot, models, made, asked=None):
    """Open a study; entered values are obeyed, and kept in `asked`."""
    models.study._open_job = small_study.obedient_job(made, asked)
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("/data/study"))
    settle(qtbot, models)


def settle(qtbot, models):
    """Wait until nothing is opened or runs; checks and library follow in turns of their own."""
    qtbot.waitUntil(lambda: not models.study.is_opening)
    qtbot.wait(1)
    qtbot.waitUntil(lambda: not models.runner.tasks)


def details(window, page) -> StudyDetailsDialog:
    """The dialog at a page."""
    child(window, QAction, f"action_details_{page}").trigger()
    return child(window, StudyDetailsDialog, "studyDetails")


def click(qtbot, parent, name):
    """Press a button that can be pressed."""
    button = child(parent, QAbstractButton, name)
    assert button.isVisible(), name
    assert button.isEnabled(), f"{name}: {button.toolTip()}"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def text(parent, name):
    """What a label says."""
    return child(parent, QLabel, name).text()
