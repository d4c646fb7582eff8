"""The window as a user meets it: by object names, checked against view models."""

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QSize, Qt, QUrl
from PySide6.QtGui import QAction, QDropEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QListWidget,
    QProxyStyle,
    QPushButton,
    QStyle,
    QTabWidget,
    QTextBrowser,
    QWidget,
)
from tests.helpers import small_study
from tests.helpers.qt import child

from kiview import application
from kiview.core.errors import MissingInformationError, ReadError
from kiview.viewmodels.results import PATLAK
from kiview.views.main_window import MainWindow


def open_small(qtbot, models):
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    qtbot.wait(1)  # the checks follow in a turn of their own


def add_aorta(qtbot, models):
    models.rois.add(small_study.aorta(), "Aorta")
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)


def click(qtbot, window, name):
    qtbot.mouseClick(child(window, QAbstractButton, name), Qt.MouseButton.LeftButton)


def text(window, name):
    return child(window, QLabel, name).text()


def test_that_an_empty_window_offers_the_demo_study_first(qtbot, window):
    button = child(window, QPushButton, "openDemo")
    assert button.isVisible()
    with qtbot.waitSignal(window.demo_asked):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_that_the_window_always_says_research_use_only(qtbot, window, models):
    assert "[Research use only]" in window.windowTitle()
    assert text(window, "researchBadge") == "Research use only"
    open_small(qtbot, models)
    assert "[Research use only]" in window.windowTitle()


def test_that_an_opened_study_is_listed_and_shown(qtbot, window, models):
    open_small(qtbot, models)
    assert "Small phantom" in child(window, QListWidget, "studyList").item(0).text()
    assert window.canvas.isVisible()
    assert not child(window, QWidget, "emptyState").isVisible()
    assert text(window, "verdictKi") == "Ki: ready"


@pytest.mark.parametrize("name", ["some-study", "export.zip", "DICOMDIR"])
def test_that_a_dropped_file_is_opened(name, qtbot, window, models):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(f"/data/{name}")])
    event = QDropEvent(
        QPoint(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    with qtbot.waitSignal(models.study.study_changed):
        window.dropEvent(event)
    assert models.study.path == Path(f"/data/{name}")


@pytest.mark.parametrize(
    "name", ["a.dcm", "DICOMDIR", "dicomdir", "study.zip", "a.nii.gz", "a.v", "a.hdr"]
)
def test_that_the_dialog_for_files_offers_what_can_be_opened(name, window, monkeypatch):
    asked = []

    def choose(*given):
        asked.append(given[-1])
        return "", ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    window.ask_for_file()
    patterns = asked[0].split(";;")[0].partition("(")[2].rstrip(")").split()
    assert any(fnmatchcase(name, pattern) for pattern in patterns)


def test_that_patlak_is_computed_by_a_click_and_the_map_becomes_a_column(qtbot, window, models):
    open_small(qtbot, models)
    add_aorta(qtbot, models)
    window.show_panel("Maps")
    click(qtbot, window, "computePatlak")
    qtbot.waitUntil(lambda: models.results.get(PATLAK) is not None)
    assert models.views.layer("patlak") is not None
    models.views.link.set_cursor(small_study.lesion_mm())
    qtbot.waitUntil(lambda: "Patlak 0.03" in text(window, "readout"))
    assert "Up to date" in text(window, "mapsStatus")


def test_that_compute_says_what_is_missing_instead_of_failing(qtbot, window, models):
    open_small(qtbot, models)
    window.show_panel("Maps")
    button = child(window, QPushButton, "computePatlak")
    assert not button.isEnabled()
    assert "aorta" in button.toolTip()
    assert "aorta" in text(window, "mapsStatus")


def test_that_a_moved_region_marks_the_map_stale_and_blocks_export(qtbot, window, models, tmp_path):
    open_small(qtbot, models)
    add_aorta(qtbot, models)
    models.maps.compute()
    qtbot.waitUntil(lambda: models.results.get(PATLAK) is not None)
    models.export.set_folder(tmp_path)
    assert models.export.why_not == ""
    roi = models.rois.rois[0]
    models.rois.reshape(roi.roi_id, roi.shape.moved((0.0, 0.0, 10.0)))
    qtbot.waitUntil(lambda: models.results.get(PATLAK).is_stale)
    assert models.views.layer("patlak").stale
    assert "out of date" in text(window, "mapsStatus")
    assert not child(window, QPushButton, "exportStart").isEnabled()
    models.rois.undo()
    qtbot.waitUntil(lambda: not models.results.get(PATLAK).is_stale)
    assert child(window, QPushButton, "exportStart").isEnabled()


def test_that_a_failed_opening_is_a_sentence_in_the_banner(qtbot, models, window):
    def fail(*_asked):
        raise ReadError("The folder 'x' holds no image.")

    models.study._open_job = fail
    with qtbot.waitSignal(models.study.open_failed):
        models.study.open_path(Path("x"))
    assert text(window, "bannerText") == "The folder 'x' holds no image."
    assert child(window, QWidget, "banner").isVisible()
    click(qtbot, window, "bannerClose")
    assert not child(window, QWidget, "banner").isVisible()


def test_that_a_missing_value_is_asked_for_and_the_study_read_again_with_it(qtbot, models, window):
    given = []

    def needs_weight(_path, overrides, _study_uid, _progress):
        given.append(dict(overrides or {}))
        if "dose_bq" not in given[-1]:
            raise MissingInformationError("The dose is missing.", ("dose_bq",))
        return small_study.study()

    models.study._open_job = needs_weight
    with qtbot.waitSignal(models.study.open_failed):
        models.study.open_path(Path("x"))
    entry = child(window, QLineEdit, "enter_dose_bq")
    assert entry.isVisible()
    qtbot.keyClicks(entry, "310")
    with qtbot.waitSignal(models.study.study_changed):
        click(qtbot, window, "checksApply")
    assert given == [{}, {"dose_bq": 3.1e8}]
    qtbot.waitUntil(lambda: window.findChildren(QLabel, "userGiven") != [])
    assert text(window, "userGiven") == "Values entered by you: activity 310 MBq."


def test_that_a_wrong_entry_is_refused_beside_the_form(qtbot, models, window):
    models.study._open_job = small_study.open_job(small_study.study((small_study.WEIGHT_MISSING,)))
    open_small(qtbot, models)
    qtbot.keyClicks(child(window, QLineEdit, "enter_weight_kg"), "heavy")
    click(qtbot, window, "checksApply")
    assert "'heavy' is not a number" in text(window, "checksProblem")
    assert text(window, "verdictSUV") == "SUV: cannot be quantified"
    assert text(window, "verdictKi") == "Ki: ready"


def test_that_undo_and_redo_of_regions_are_in_the_edit_menu(qtbot, window, models):
    open_small(qtbot, models)
    undo, redo = child(window, QAction, "action_undo"), child(window, QAction, "action_redo")
    assert not undo.isEnabled()
    models.rois.add(small_study.aorta())
    undo.trigger()
    assert models.rois.rois == ()
    redo.trigger()
    assert len(models.rois.rois) == 1


def test_that_every_panel_is_reached_by_a_menu_action_and_has_its_own_help(qtbot, window):
    tabs = child(window, QTabWidget, "panels")
    for name in ("Input", "Maps", "Network", "Regions", "Export"):
        child(window, QAction, f"action_{name}").trigger()
        assert tabs.tabText(tabs.currentIndex()) == name
        click(qtbot, window, f"{name.lower()}Help")
        shown = [help_ for help_ in tabs.findChildren(QTextBrowser) if help_.isVisible()]
        assert len(shown) == 1
        assert len(shown[0].toPlainText()) > 100
        click(qtbot, window, f"{name.lower()}Help")


def test_that_every_control_has_a_name_and_says_what_it_does(window):
    for control in window.findChildren(QAbstractButton):
        if control.objectName().startswith("qt_") or not control.objectName():
            continue
        assert control.accessibleName() or control.text(), control.objectName()
    nameless = [
        control.text()
        for control in window.findChildren(QPushButton)
        if not control.objectName() or not control.toolTip()
    ]
    assert nameless == []


def test_that_about_names_the_patents(window):
    child(window, QAction, "action_about").trigger()
    page = child(window, QTextBrowser, "aboutDialogText")
    shown = page.toPlainText()
    assert "US 2021/0272340 A1" in shown
    assert "US 11,010,938" in shown
    assert "Research use only" in shown
    page.window().close()


def test_that_closing_the_window_cancels_waits_and_leaves_no_thread(qtbot, jobs):
    def endless(_request, progress):
        while True:
            progress.step(0.1, "on and on")

    models = application.build_models(replace(jobs, patlak=endless))
    window = MainWindow(models)
    qtbot.addWidget(window)
    window.show()
    open_small(qtbot, models)
    add_aorta(qtbot, models)
    models.maps.compute()
    assert models.maps.is_running
    window.close()
    qtbot.waitUntil(lambda: not window.isVisible())
    assert models.runner.tasks == ()
    assert models.results.get(PATLAK) is None


def test_that_progress_and_cancel_appear_for_long_work(qtbot, jobs):
    def endless(_request, progress):
        while True:
            progress.step(0.25, "slice 3")

    models = application.build_models(replace(jobs, patlak=endless))
    window = MainWindow(models)
    qtbot.addWidget(window)
    window.show()
    open_small(qtbot, models)
    add_aorta(qtbot, models)
    models.maps.compute()
    cancel = child(window, QPushButton, "taskCancel")
    qtbot.waitUntil(cancel.isVisible)
    qtbot.waitUntil(lambda: "25 %, " in text(window, "taskText"))
    qtbot.waitUntil(lambda: "left" in text(window, "taskText"))
    qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not models.runner.tasks)
    assert models.results.get(PATLAK) is None
    assert models.messages.current is None  # cancelled is not an error
    assert not cancel.isVisible()


class Screen:
    def __init__(self, width, height):
        self._size = QSize(width, height)

    def availableSize(self):  # noqa: N802 - Qt's name
        return self._size


@pytest.mark.parametrize("room", [(1280, 800), (1366, 728), (1440, 900)])
def test_that_the_window_fits_on_a_small_screen(qtbot, models, monkeypatch, room):
    monkeypatch.setattr(MainWindow, "screen", lambda _: Screen(*room))
    window = MainWindow(models)
    qtbot.addWidget(window)
    assert window.width() == room[0]
    assert room[1] - 60 < window.height() < room[1]  # the title bar needs some of it


def test_that_a_large_screen_gets_a_comfortable_window(qtbot, models, monkeypatch):
    monkeypatch.setattr(MainWindow, "screen", lambda _: Screen(1920, 1080))
    window = MainWindow(models)
    qtbot.addWidget(window)
    assert window.size() == QSize(1440, 900)


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_that_no_button_is_narrower_than_its_text(qtbot, window, models, size):
    open_small(qtbot, models)
    window.resize(*size)
    for name in ("Input", "Maps", "Network", "Regions", "Export"):
        window.show_panel(name)
        qtbot.wait(20)
        for button in window.findChildren(QPushButton):
            if button.isVisible() and button.text():
                needed = button.fontMetrics().horizontalAdvance(button.text())
                assert button.width() >= needed, (name, button.objectName())


class DesktopWithIcons(QProxyStyle):
    def styleHint(self, hint, option=None, widget=None, data=None):  # noqa: N802 - Qt's name
        if hint == QStyle.StyleHint.SH_DialogButtonBox_ButtonsHaveIcons:
            return 1
        return super().styleHint(hint, option, widget, data)


def test_that_buttons_of_dialogs_have_no_icon_on_any_desktop(window):
    style, box = DesktopWithIcons(), QDialogButtonBox(window)
    box.setStyle(style)
    assert box.addButton(QDialogButtonBox.StandardButton.Close).icon().isNull()


def test_that_an_unexpected_exception_is_a_calm_sentence_with_details(window, models, caplog):
    hook = application.CrashHook(models.messages)
    hook(ValueError, ValueError("who knows"), None)
    assert "fault in KiView" in text(window, "bannerText")
    assert "Traceback" not in text(window, "bannerText")
    assert "who knows" in text(window, "bannerDetails")
    assert "who knows" not in caplog.text
