"""Regions and choices come back when the study is opened again."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers import small_study

from kiview import application
from kiview.core.input_function import InputSource
from kiview.io import workspace


def save(qtbot, models):
    models.session.save()
    qtbot.waitUntil(lambda: models.session.is_resting)


def open_again(qtbot, jobs, uid="1.2.3.4"):
    study = small_study.study(uid=uid)
    models = application.build_models(replace(jobs, open_study=small_study.open_job(study)))
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    qtbot.waitUntil(lambda: not models.session.is_restoring)
    return models


def test_that_regions_and_choices_are_restored_with_the_study(qtbot, with_aorta, jobs):
    with_aorta.maps.set_window_min(25, 55)
    with_aorta.input_function.use_source(InputSource.POPULATION)
    with_aorta.input_function.set_plasma_factor(1.04)
    with_aorta.views.frames.show_early()
    with_aorta.study.confirm("injection-time")
    save(qtbot, with_aorta)
    again = open_again(qtbot, jobs)
    assert [roi.name for roi in again.rois.rois] == ["Aorta"]
    assert again.rois.rois[0].shape == small_study.aorta()
    assert (again.maps.start_min, again.maps.end_min) == (25, 55)
    assert again.input_function.source is InputSource.POPULATION
    assert again.input_function.plasma_factor == 1.04
    assert again.views.frames.shown.name == "early"
    assert again.study.confirmed == {"injection-time"}
    qtbot.waitUntil(lambda: again.input_function.input_function is not None)


def test_that_the_network_is_restored_as_source_but_not_asked_again(qtbot, opened, jobs):
    asked = []
    opened.input_function.use_source(InputSource.NETWORK)
    opened.input_function.set_plasma_factor(1.04)
    save(qtbot, opened)
    again = open_again(qtbot, replace(jobs, find_curve=lambda *words: asked.append(words)))
    assert again.input_function.source is InputSource.NETWORK
    assert again.input_function.plasma_factor == 1.04
    assert again.input_function.input_function is None
    assert "Press Find" in again.input_function.problem
    qtbot.waitUntil(lambda: not again.runner.tasks)
    assert asked == []


@pytest.mark.usefixtures("with_aorta")
def test_that_changes_are_saved_without_being_asked(qtbot):
    file = workspace.workspace_file("1.2.3.4")
    qtbot.waitUntil(file.exists)
    assert "Aorta" in file.read_text()
    assert "1.2.3.4" not in file.name


def test_that_another_study_starts_without_the_regions_of_the_first(qtbot, with_aorta):
    other = small_study.study(uid="9.9")
    with_aorta.study._open_job = small_study.open_job(other)
    with qtbot.waitSignal(with_aorta.study.study_changed):
        with_aorta.study.open_path(Path("other"))
    assert with_aorta.rois.rois == ()
    qtbot.waitUntil(lambda: with_aorta.session.is_resting)
    assert workspace.load("1.2.3.4") is not None  # saved on leaving


def test_that_a_damaged_workspace_is_told_and_left_alone(qtbot, jobs):
    file = workspace.workspace_file("1.2.3.4")
    file.parent.mkdir(parents=True)
    file.write_text("{ not json")
    models = open_again(qtbot, jobs)
    assert "cannot be read" in models.messages.current.text
    assert file.read_text() == "{ not json"
    assert models.rois.rois == ()


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("choices", "plasma_factor"), 10**400, "could not be restored"),
        (("views", "frames"), {"indices": [float("inf")], "name": ""}, "saved views are damaged"),
    ],
)
def test_that_a_saved_number_beyond_all_limits_is_told(qtbot, opened, jobs, place, value, told):
    save(qtbot, opened)
    file = workspace.workspace_file("1.2.3.4")
    document = json.loads(file.read_text())
    part, name = place
    assert name in document[part]
    document[part][name] = value
    file.write_text(json.dumps(document))
    assert told in open_again(qtbot, jobs).messages.current.text


def test_that_a_workspace_of_a_newer_version_is_left_alone(qtbot, jobs):
    file = workspace.workspace_file("1.2.3.4")
    file.parent.mkdir(parents=True)
    file.write_text('{"schema_version": 99}')
    models = open_again(qtbot, jobs)
    assert "another version" in models.messages.current.text


def test_that_a_folder_that_cannot_be_written_is_a_warning(qtbot, with_aorta, user_folder):
    (user_folder / "kiview" / "data").mkdir(parents=True, exist_ok=True)
    (user_folder / "kiview" / "data" / "workspaces").write_text("a file in the way")
    save(qtbot, with_aorta)
    assert "could not be saved" in with_aorta.messages.current.text


def test_that_damaged_regions_are_told_and_change_nothing(qtbot, with_aorta, jobs):
    save(qtbot, with_aorta)
    file = workspace.workspace_file("1.2.3.4")
    document = json.loads(file.read_text())
    document["regions"] = {"schema_version": 99}
    file.write_text(json.dumps(document))
    again = open_again(qtbot, jobs)
    assert "no region file" in again.messages.current.text
    assert again.rois.rois == ()


def show(models, uid, qtbot):
    models.study._open_job = small_study.open_job(small_study.study(uid=uid))
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path(uid))


def test_that_a_study_left_and_opened_again_at_once_has_its_regions(qtbot, with_aorta):
    """The first is still being written when it is opened again."""
    show(with_aorta, "9.9", qtbot)
    show(with_aorta, "1.2.3.4", qtbot)
    qtbot.waitUntil(lambda: with_aorta.session.is_resting)
    assert [roi.name for roi in with_aorta.rois.rois] == ["Aorta"]


@pytest.fixture
def gate(monkeypatch):
    """Holds back what was kept until it is opened."""
    opened, real = threading.Event(), workspace.load

    def load(uid):
        opened.wait(20)
        return real(uid)

    monkeypatch.setattr(workspace, "load", load)
    yield opened
    opened.set()


@pytest.fixture
def waiting(qtbot, with_aorta, gate):  # noqa: ARG001 - it holds back the reading
    """A study with a kept aorta, shown again, before the aorta is there."""
    save(qtbot, with_aorta)
    show(with_aorta, "9.9", qtbot)
    show(with_aorta, "1.2.3.4", qtbot)
    qtbot.waitUntil(lambda: "Restoring regions" in [t.title for t in with_aorta.runner.tasks])
    assert with_aorta.rois.rois == ()
    return with_aorta


def test_that_regions_drawn_while_kept_ones_are_read_stay_and_are_kept(qtbot, waiting, gate):
    waiting.rois.add(small_study.aorta(), "Drawn")
    steps = tuple(waiting.session._steps)
    waiting.session.save()
    assert tuple(waiting.session._steps) == steps  # nothing is written over what is to be read
    gate.set()
    qtbot.waitUntil(lambda: not waiting.session.is_restoring)
    assert [roi.name for roi in waiting.rois.rois] == ["Aorta", "Drawn"]
    waiting.undo.undo()
    assert [roi.name for roi in waiting.rois.rois] == ["Aorta"]
    waiting.undo.redo()
    save(qtbot, waiting)
    regions = workspace.load("1.2.3.4").regions["regions"]
    assert [region["name"] for region in regions] == ["Aorta", "Drawn"]


def test_that_stopping_leaves_what_was_kept_as_it_is(qtbot, waiting, gate):
    file = workspace.workspace_file("1.2.3.4")
    before = file.read_bytes()
    waiting.tasks.cancel()
    gate.set()
    qtbot.waitUntil(lambda: not waiting.session.is_restoring)
    assert "Open it again" in waiting.messages.current.text
    waiting.rois.add(small_study.aorta(), "Drawn")
    save(qtbot, waiting)
    assert file.read_bytes() == before


def test_that_kept_regions_never_reach_another_study(qtbot, waiting, gate):
    waiting.rois.add(small_study.aorta(), "Drawn")
    show(waiting, "8.8", qtbot)
    assert "are not kept" in waiting.messages.current.text
    gate.set()
    qtbot.waitUntil(lambda: waiting.session.is_resting)
    assert waiting.rois.rois == ()


def test_that_the_last_change_is_kept_when_the_program_ends_during_a_save(
    qtbot, with_aorta, monkeypatch
):
    opened, real = threading.Event(), workspace.save

    def save_later(*args):
        opened.wait(20)
        real(*args)

    monkeypatch.setattr(workspace, "save", save_later)
    with_aorta.session.save()
    with_aorta.rois.add(small_study.aorta(), "Last")
    with_aorta.session.save()
    with_aorta.runner.close()
    opened.set()
    qtbot.waitUntil(lambda: not with_aorta.runner.tasks and with_aorta.session.is_resting)
    regions = workspace.load("1.2.3.4").regions["regions"]
    assert [region["name"] for region in regions] == ["Aorta", "Last"]
