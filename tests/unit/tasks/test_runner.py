"""Tasks end once, on the GUI thread, and leave no thread behind."""

import gc
import sys
import threading

import pytest
from PySide6.QtCore import QObject, QThread, Signal

from kiview.core.errors import InvalidInputError, MissingInformationError
from kiview.core.progress import Progress
from kiview.tasks import Task, TaskRunner

pytestmark = pytest.mark.usefixtures("qapp")


class Witness(QObject):
    """Writes down what a task says, and on which thread."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.said: list[tuple[str, object]] = []
        self.threads: set[QThread] = set()
        task.progressed.connect(self.on_progressed)
        task.succeeded.connect(self.on_succeeded)
        task.failed.connect(self.on_failed)
        task.cancelled.connect(self.on_cancelled)
        task.finished.connect(self.on_finished)

    def note(self, what, payload=None):
        self.said.append((what, payload))
        self.threads.add(QThread.currentThread())

    def on_progressed(self, progress):
        self.note("progressed", progress)

    def on_succeeded(self, result):
        self.note("succeeded", result)

    def on_failed(self, failure):
        self.note("failed", failure)

    def on_cancelled(self):
        self.note("cancelled")

    def on_finished(self):
        self.note("finished")

    @property
    def ends(self):
        return [what for what, _ in self.said if what != "progressed"]


@pytest.fixture
def runner():
    return TaskRunner()


def finish(qtbot, runner, job):
    with qtbot.waitSignal(runner.idle):
        witness = Witness(runner.start("work", job))
    assert witness.ends[-1] == "finished"
    return witness


def test_that_a_result_arrives_on_the_gui_thread_before_finished(qtbot, runner):
    def job(progress: Progress):
        progress.step(0.5, "half")
        return threading.current_thread().name

    witness = finish(qtbot, runner, job)
    assert witness.ends == ["succeeded", "finished"]
    assert witness.said[0][1].fraction == 0.5
    assert "kiview task" in witness.said[1][1]
    assert witness.threads == {runner.thread()}
    assert runner.tasks == ()


def test_that_a_known_error_arrives_as_its_sentence(qtbot, runner):
    def job(_progress):
        raise InvalidInputError("The window is empty.")

    witness = finish(qtbot, runner, job)
    assert witness.ends == ["failed", "finished"]
    assert witness.said[0][1].message == "The window is empty."


def test_that_missing_fields_travel_with_the_failure(qtbot, runner):
    def job(_progress):
        raise MissingInformationError("No weight.", ("weight_kg",))

    assert finish(qtbot, runner, job).said[0][1].fields == ("weight_kg",)


def test_that_an_unknown_error_gives_a_calm_sentence_and_details(qtbot, runner, caplog):
    def job(_progress):
        raise ValueError("bad shape")

    failure = finish(qtbot, runner, job).said[0][1]
    assert "Traceback" not in failure.message
    assert "ValueError: bad shape" in failure.details
    assert "bad shape" not in caplog.text  # texts of errors may hold patient names


@pytest.mark.usefixtures("caplog")
def test_that_a_file_error_names_the_file(qtbot, runner):
    def job(_progress):
        raise FileNotFoundError(2, "No such file or directory", "scan.dcm")

    failure = finish(qtbot, runner, job).said[0][1]
    assert failure.message == "The file 'scan.dcm' cannot be used: No such file or directory."


def test_that_cancel_stops_at_the_next_step_and_is_no_error(qtbot, runner):
    stepping = threading.Event()

    def job(progress):
        while True:
            progress.step(None, "on and on")
            stepping.set()

    with qtbot.waitSignal(runner.idle):
        task = runner.start("work", job)
        witness = Witness(task)
        assert stepping.wait(5)
        task.cancel()
    assert witness.ends == ["cancelled", "finished"]


def test_that_a_closed_runner_cancels_what_is_started_later(qtbot, runner):
    runner.close()

    def job(progress):
        progress.step(0.0, "begin")
        return 1

    assert finish(qtbot, runner, job).ends == ["cancelled", "finished"]


def test_that_only_the_latest_of_many_steps_is_delivered(qtbot, runner):
    def job(progress):
        for i in range(10_000):
            progress.step(i / 10_000, "step")

    witness = finish(qtbot, runner, job)
    told = [p for what, p in witness.said if what == "progressed"]
    assert len(told) < 1000
    assert [p.fraction for p in told] == sorted(p.fraction for p in told)


def test_that_the_time_left_is_estimated_from_the_fraction(qtbot, runner, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("kiview.tasks.runner.time.monotonic", lambda: now[0])

    def job(progress):
        now[0] += 10.0
        progress.step(0.25, "quarter")

    witness = finish(qtbot, runner, job)
    assert witness.said[0][1].left_s == pytest.approx(30.0)


def test_that_a_task_whose_listener_raises_still_ends(qtbot, runner):
    ended = []
    runner.ended.connect(ended.append)

    class Faulty(QObject):
        def on_succeeded(self, _result):
            raise RuntimeError("listener")

    faulty = Faulty()
    with qtbot.capture_exceptions() as exceptions, qtbot.waitSignal(runner.idle):
        runner.start("work", lambda _progress: 1).succeeded.connect(faulty.on_succeeded)
    assert len(exceptions) == 1
    assert len(ended) == 1


class Emitter(QObject):
    flagged = Signal(bool)

    def take(self, flag):
        pass


def test_that_many_emissions_leave_the_count_of_true_alone():
    """PySide6 6.12.0 on Python 3.11 loses one reference to True per emission, and aborts."""
    emitter = Emitter()
    emitter.flagged.connect(emitter.take)
    before = sys.getrefcount(True)
    for _ in range(20_000):
        emitter.flagged.emit(True)
    assert abs(sys.getrefcount(True) - before) < 100


def test_that_an_exception_in_a_slot_is_noticed(qtbot):
    class Faulty(QObject):
        def take(self, _flag):
            raise RuntimeError("slot")

    emitter, faulty = Emitter(), Faulty()
    emitter.flagged.connect(faulty.take)
    with qtbot.capture_exceptions() as exceptions:
        emitter.flagged.emit(True)
    assert len(exceptions) == 1


def test_that_cycles_are_collected_on_the_gui_thread_only(qtbot, runner):
    """A widget in a cycle that is destroyed on a worker thread crashes the program."""
    collected_on = set()

    class Cyclic:
        def __init__(self):
            self.me = self

        def __del__(self):
            collected_on.add(threading.current_thread())

    def job(progress):
        for _ in range(20_000):
            Cyclic()
            progress.step(None, "making cycles")

    finish(qtbot, runner, job)
    assert collected_on <= {threading.main_thread()}
    assert gc.isenabled()


@pytest.mark.usefixtures("qtbot")
def test_that_a_runner_that_is_gone_leaves_the_collector_as_it_was():
    """A window that is dropped while it works must not switch collection off for good."""
    runner, release = TaskRunner(), threading.Event()
    runner.start("work", lambda _progress: release.wait(5))
    assert not gc.isenabled()
    release.set()
    del runner
    gc.collect()
    assert gc.isenabled()
