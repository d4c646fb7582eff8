"""What the status bar says about background work."""

import threading

import pytest

from kiview.tasks import TaskRunner
from kiview.viewmodels import tasks
from kiview.viewmodels.tasks import TasksViewModel, time_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (8.4, "8 s"), (59.4, "59 s"), (90, "2 min"), (3900, "1 h 5 min")],
)
def test_that_times_are_round_numbers(seconds, text):
    assert time_text(seconds) == text


def test_that_short_work_is_not_shown(qtbot):
    runner = TaskRunner()
    model = TasksViewModel(runner)
    with qtbot.assertNotEmitted(model.changed), qtbot.waitSignal(runner.idle):
        runner.start("quick", lambda _progress: None)


def test_that_long_work_is_shown_with_percent_and_can_be_cancelled(qtbot, monkeypatch):
    monkeypatch.setattr(tasks, "BUSY_AFTER_MS", 20)
    runner = TaskRunner()
    model = TasksViewModel(runner)
    stepped = threading.Event()

    def job(progress):
        while True:
            progress.step(0.5, "half way")
            stepped.set()
            stepped.wait(0.01)

    runner.start("Long work", job)
    qtbot.waitUntil(lambda: model.text.startswith("Long work, 50 %"))
    assert model.step_text == "half way"
    with qtbot.waitSignal(runner.idle):
        model.cancel()
        assert model.text == "Long work: stopping"
    assert model.shown is None
    assert model.text == ""
