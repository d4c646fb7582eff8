"""The list of studies as a user meets it: opened, found again, sorted, searched, removed."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QListWidget, QPushButton
from tests.helpers import small_study
from tests.helpers.heartbeat import Heartbeat, freezes
from tests.helpers.library import record
from tests.helpers.qt import child

from kiview import application, paths
from kiview.core.study import PatientInfo
from kiview.library.library import Library, LibraryQuery
from kiview.library.records import Thumbnail
from kiview.views.main_window import MainWindow

NAMES = {"one": "Zander^Zoe", "two": "Adler^Ada", "three": "Muster^Max"}


@pytest.fixture
def jobs():
    def open_study(path: Path, _overrides, _study_uid, _progress):
        patient = PatientInfo(path.name, NAMES.get(path.name, path.name))
        return replace(small_study.study(uid=path.name), uid=path.name, patient=patient)

    return replace(application.shipped_jobs(), open_study=open_study)


def rest(qtbot, models):
    qtbot.wait(1)  # a study is recorded in a turn of its own
    qtbot.waitUntil(lambda: not models.runner.tasks and not models.library._delay.isActive())


def open_all(qtbot, models, tmp_path, names=tuple(NAMES)):
    for name in names:
        with qtbot.waitSignal(models.study.study_changed):
            models.study.open_path(tmp_path / name)
        rest(qtbot, models)


def listed(window) -> list[str]:
    studies = child(window, QListWidget, "studyList")
    return [studies.item(i).text().split("\n")[0] for i in range(studies.count())]


def new_window(qtbot, jobs):
    models = application.build_models(jobs)
    window = MainWindow(models)
    qtbot.addWidget(window)
    window.show()
    models.library.refresh()
    rest(qtbot, models)
    return window, models


def in_library() -> int:
    return Library(paths.library_file()).search(LibraryQuery()).found_count


def test_that_an_empty_library_tells_the_first_step(qtbot, window, models):
    models.library.refresh()
    rest(qtbot, models)
    assert child(window, QLabel, "studiesEmpty").text() == "Studies that you open are listed here."
    for kind, name in ((QLineEdit, "studySearch"), (QComboBox, "studySort")):
        assert not child(window, kind, name).isVisible()
    assert not child(window, QPushButton, "removeStudy").isVisible()


def test_that_opened_studies_are_listed_in_the_next_window_latest_first(
    qtbot, window, models, jobs, tmp_path
):
    open_all(qtbot, models, tmp_path)
    expected = ["Muster, Max", "Adler, Ada", "Zander, Zoe"]
    assert listed(window) == expected
    other, other_models = new_window(qtbot, jobs)
    assert listed(other) == expected
    studies = child(other, QListWidget, "studyList")
    assert studies.currentRow() == -1  # nothing is open
    with qtbot.waitSignal(other_models.study.study_changed):
        rect = studies.visualItemRect(studies.item(1))
        qtbot.mouseClick(studies.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    rest(qtbot, other_models)
    assert other_models.study.path == tmp_path / "two"
    assert listed(other)[0] == "Adler, Ada"
    assert studies.currentRow() == 0


def test_that_each_line_has_a_picture_and_says_tracer_frames_and_where(
    qtbot, window, models, tmp_path
):
    open_all(qtbot, models, tmp_path, ["one"])
    item = child(window, QListWidget, "studyList").item(0)
    assert item.text() == "Zander, Zoe\nFDG\n25 frames · 0\N{EN DASH}60 min"
    assert str(tmp_path / "one") in item.toolTip()
    assert "310 MBq" in item.toolTip()
    assert models.library.entries[0].library_id in item.toolTip()
    picture = item.icon().pixmap(QSize(36, 54)).toImage()
    dark = [
        (x / picture.width(), y / picture.height())
        for x in range(picture.width())
        for y in range(picture.height())
        if QColor(picture.pixel(x, y)).lightness() < 60 and 5 < y < 49  # within the picture itself
    ]
    assert sum(x for x, _ in dark) / len(dark) < 0.5  # the lesion lies at the patient's right


def test_that_a_search_shows_what_fits_and_says_when_nothing_does(qtbot, window, models, tmp_path):
    open_all(qtbot, models, tmp_path)
    field = child(window, QLineEdit, "studySearch")
    assert field.isVisible()
    qtbot.keyClicks(field, "ADA adl")
    rest(qtbot, models)
    assert listed(window) == ["Adler, Ada"]
    qtbot.keyClicks(field, "xyz")
    rest(qtbot, models)
    assert listed(window) == []
    assert child(window, QLabel, "studiesEmpty").text() == "No study fits the search."
    assert field.isVisible()
    field.clear()
    rest(qtbot, models)
    assert len(listed(window)) == 3


def test_that_the_order_can_be_chosen(qtbot, window, models, tmp_path):
    open_all(qtbot, models, tmp_path)
    box = child(window, QComboBox, "studySort")
    box.setCurrentIndex(box.findText("Name"))
    rest(qtbot, models)
    assert listed(window) == ["Adler, Ada", "Muster, Max", "Zander, Zoe"]


@pytest.mark.parametrize("by", ["button", "menu"])
def test_that_a_removed_study_leaves_the_list_and_its_files_stay(
    qtbot, window, models, tmp_path, by
):
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.dcm").write_bytes(b"pixels")
    open_all(qtbot, models, tmp_path)
    studies = child(window, QListWidget, "studyList")
    studies.setCurrentRow(1)
    if by == "button":
        remove = child(window, QPushButton, "removeStudy")
        assert "Your files" in remove.toolTip()
        qtbot.mouseClick(remove, Qt.MouseButton.LeftButton)
    else:
        child(window, QAction, "removeStudyAction").trigger()
    rest(qtbot, models)
    assert listed(window) == ["Muster, Max", "Zander, Zoe"]
    assert in_library() == 2
    assert (tmp_path / "two" / "a.dcm").read_bytes() == b"pixels"


def test_that_the_open_study_can_be_removed_and_stays_open_and_comes_back_when_opened(
    qtbot, window, models, tmp_path
):
    open_all(qtbot, models, tmp_path, ["one", "two"])
    models.library.remove(models.library.entries[0])
    rest(qtbot, models)
    assert listed(window) == ["Zander, Zoe"]
    assert models.study.path == tmp_path / "two"
    assert "Adler, Ada" in window.windowTitle()
    open_all(qtbot, models, tmp_path, ["one", "two"])
    assert listed(window) == ["Adler, Ada", "Zander, Zoe"]


def test_that_a_library_of_a_newer_kiview_is_told_and_studies_still_open(
    qtbot, window, models, tmp_path, monkeypatch
):
    Library(paths.library_file()).record(record())
    monkeypatch.setattr("kiview.library.database.SCHEMA_VERSION", 1)
    open_all(qtbot, models, tmp_path, ["one"])
    assert "newer KiView" in child(window, QLabel, "libraryProblem").text()
    assert listed(window) == ["Zander, Zoe"]
    assert models.study.study is not None
    assert models.messages.current is None


def test_that_a_damaged_library_is_told_in_the_banner(qtbot, window, models, tmp_path):
    paths.library_file().parent.mkdir(parents=True)
    paths.library_file().write_bytes(b"rubbish" * 3000)
    models.library.refresh()
    rest(qtbot, models)
    assert "was damaged" in models.messages.current.text
    open_all(qtbot, models, tmp_path, ["one"])
    assert listed(window) == ["Zander, Zoe"]


def test_that_a_long_list_does_not_hold_up_the_window(qtbot, window, models):
    library = Library(paths.library_file())
    for number in range(150):
        library.record(record(f"s{number}", thumbnail=Thumbnail(64, 96, bytes(64 * 96))))
    rest(qtbot, models)

    def show(_number: int) -> Heartbeat:
        with Heartbeat() as heartbeat:
            models.library.refresh()
            rest(qtbot, models)
            qtbot.wait(50)
        return heartbeat

    assert freezes(show) == []
    assert child(window, QListWidget, "studyList").count() == 100
    assert child(window, QLabel, "studiesMore").text() == "50 more; a search finds them."
