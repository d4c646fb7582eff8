"""Run plain functions on threads of their own and tell the GUI thread how they fare.

A worker sees a function and a `Progress`, never a QObject. It posts frozen events to a queue; the
`TaskRunner`, a QObject of the GUI thread, empties the queue by timer while work is under way and
makes each `Task` emit its signals there.
"""

import gc
import logging
import math
import queue
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.errors import KiviewError
from kiview.core.progress import Cancelled, Progress

Job = Callable[[Progress], Any]
"""Long work: takes a progress, returns its result."""

DELIVERY_INTERVAL_MS = 20
"""How often the queue is emptied while work is under way."""
COLLECT_AFTER_OBJECTS = 2000
"""Garbage in cycles is looked for after so many new objects while work is under way."""
SMALLEST_FRACTION_FOR_ESTIMATE = 0.02
SHORTEST_TIME_FOR_ESTIMATE_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task is.

    Attributes:
        fraction: Share done, 0 to 1, or None while unknown.
        message: What is being done.
        left_s: Estimated time left in s, or None while unknown.
    """

    fraction: float | None
    message: str
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """Why a task failed.

    Attributes:
        message: Sentence for the user.
        details: Technical text for whoever asks for it, may be empty.
        fields: Values that the user could enter to get further, as `--set` takes them.
    """

    message: str
    details: str = ""
    fields: tuple[str, ...] = ()


class _Outcome(Enum):
    PROGRESS = auto()
    EARLY = auto()
    SUCCESS = auto()
    FAILURE = auto()
    CANCELLED = auto()


@dataclass(frozen=True, slots=True)
class _Event:
    """What a worker posts: which task, what happened, and with what."""

    number: int
    outcome: _Outcome
    payload: Any = None


class _QueueProgress(Progress):
    """Progress that posts to the queue and stops when the flag is set."""

    def __init__(self, number: int, events: "queue.SimpleQueue[_Event]") -> None:
        self._number = number
        self._events = events
        self._started_s = time.monotonic()
        self._told_s = -math.inf
        self.stop = threading.Event()

    def step(self, fraction: float | None, message: str) -> None:
        """Post how far the work is, or raise `Cancelled` after a stop request."""
        if self.stop.is_set():
            raise Cancelled
        now_s = time.monotonic()
        if now_s - self._told_s < DELIVERY_INTERVAL_MS / 1000 and fraction != 1:
            return
        self._told_s = now_s
        told = TaskProgress(fraction, message, self._left_s(fraction, now_s - self._started_s))
        self._events.put(_Event(self._number, _Outcome.PROGRESS, told))

    def offer(self, early: object) -> bool:
        """Post what can be looked at already."""
        self._events.put(_Event(self._number, _Outcome.EARLY, early))
        return True

    def _left_s(self, fraction: float | None, elapsed_s: float) -> float | None:
        if fraction is None or fraction < SMALLEST_FRACTION_FOR_ESTIMATE:
            return None
        if elapsed_s < SHORTEST_TIME_FOR_ESTIMATE_S:
            return None
        return elapsed_s * max(0.0, 1.0 - fraction) / fraction


class Task(QObject):
    """One job on its thread. Emits exactly one of succeeded, failed, cancelled, then finished.

    Attributes:
        title: What the user sees it called.
        progress: Last known progress.
        started_s: Monotonic time of the start.

    Signals:
        progressed: `TaskProgress`.
        offered: What can be looked at before the job is done, as far as it has come.
        succeeded: The job's result.
        failed: `TaskFailure`.
        cancelled: The user stopped it.
        finished: It is over, however it ended.
    """

    progressed = Signal(object)
    offered = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    finished = Signal()

    def __init__(self, title: str, request_stop: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self.title = title
        self.progress = TaskProgress(None, title)
        self.started_s = time.monotonic()
        self._request_stop = request_stop
        self._cancel_requested = False
        self._over = False

    @property
    def is_over(self) -> bool:
        """Whether it ended."""
        return self._over

    @property
    def cancel_requested(self) -> bool:
        """Whether the user asked it to stop."""
        return self._cancel_requested

    def cancel(self) -> None:
        """Ask the job to stop at its next step."""
        self._cancel_requested = True
        self._request_stop()

    def _deliver(self, event: _Event) -> None:
        """Emit what an event says; called by the runner on the GUI thread."""
        if event.outcome is _Outcome.PROGRESS:
            self.progress = event.payload
            self.progressed.emit(event.payload)
            return
        if event.outcome is _Outcome.EARLY:
            self.offered.emit(event.payload)
            return
        self._over = True
        if event.outcome is _Outcome.SUCCESS:
            self.succeeded.emit(event.payload)
        elif event.outcome is _Outcome.FAILURE:
            self.failed.emit(event.payload)
        else:
            self.cancelled.emit()
        self.finished.emit()


@dataclass(slots=True)
class _Running:
    """A task and the thread that works on it."""

    task: Task
    thread: threading.Thread


class _CollectionGuard:
    """Keeps automatic garbage collection off while any worker of the process runs."""

    def __init__(self) -> None:
        self._workers = 0

    def enter(self) -> None:
        """A worker starts."""
        self._workers += 1
        gc.disable()

    def leave(self) -> None:
        """A worker has ended."""
        self._workers -= 1
        if not self._workers:
            gc.enable()


_collection = _CollectionGuard()  # one for all runners, as the collector is one for all threads


class TaskRunner(QObject):
    """Starts tasks and delivers their events on the thread it lives on.

    While tasks run, garbage in reference cycles is collected by the runner's thread only: a
    collection on a worker thread would destroy forgotten widgets there, which Qt does not survive.

    Signals:
        started: A `Task` began.
        progressed: A `Task` moved on.
        ended: A `Task` is over and was told so.
        idle: The last task is over.
    """

    started = Signal(object)
    progressed = Signal(object)
    ended = Signal(object)
    idle = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._running: dict[int, _Running] = {}
        weakref.finalize(self, _abandon, self._running).atexit = False
        self._next_number = 0
        self._closed = False
        self._timer = QTimer(self)
        self._timer.setInterval(DELIVERY_INTERVAL_MS)
        self._timer.timeout.connect(self._deliver_all)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks that are not over, oldest first."""
        return tuple(running.task for running in self._running.values())

    def start(self, title: str, job: Job) -> Task:
        """Run a job on a thread of its own.

        Args:
            title: What the user sees it called.
            job: Plain function; it must touch no QObject.

        Returns:
            The task; connect to its signals at once, nothing is delivered before the event loop
            runs.
        """
        number, self._next_number = self._next_number, self._next_number + 1
        progress = _QueueProgress(number, self._events)
        task = Task(title, progress.stop.set, self)
        thread = threading.Thread(
            target=_work, args=(number, job, progress, self._events), name=f"kiview task: {title}"
        )
        self._running[number] = _Running(task, thread)
        _collection.enter()
        if self._closed:
            task.cancel()
        thread.start()
        self._timer.start()
        self.started.emit(task)
        return task

    def cancel_all(self) -> None:
        """Ask every task to stop."""
        for task in self.tasks:
            task.cancel()

    def close(self) -> None:
        """Cancel everything, now and later; `idle` follows when the last task is over."""
        self._closed = True
        self.cancel_all()

    def _deliver_all(self) -> None:
        for event in self._drained():
            self._deliver(event)
        if not self._running:
            self._timer.stop()
        elif gc.get_count()[0] > COLLECT_AFTER_OBJECTS:
            gc.collect(0)

    def _drained(self) -> list[_Event]:
        """Events so far; of the progress of one task, and of what it offers, only the latest."""
        events: dict[tuple[int, _Outcome], _Event] = {}
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return list(events.values())
            events[event.number, event.outcome] = event

    def _deliver(self, event: _Event) -> None:
        task = self._running[event.number].task
        if event.outcome is _Outcome.PROGRESS:
            task._deliver(event)
            self.progressed.emit(task)
            return
        if event.outcome is _Outcome.EARLY:
            task._deliver(event)
            return
        running = self._running.pop(event.number)
        running.thread.join()
        _collection.leave()
        try:
            task._deliver(event)
        finally:
            self.ended.emit(task)
            task.deleteLater()
            if not self._running:
                self.idle.emit()


def _abandon(running: dict[int, _Running]) -> None:
    """A runner is gone with tasks under way: when they have ended, garbage is collected again."""
    while running:
        running.popitem()[1].thread.join()
        _collection.leave()


def _work(
    number: int, job: Job, progress: _QueueProgress, events: "queue.SimpleQueue[_Event]"
) -> None:
    """Body of a worker thread: post exactly one outcome."""
    events.put(_outcome(number, job, progress))


def _outcome(number: int, job: Job, progress: Progress) -> _Event:
    try:
        return _Event(number, _Outcome.SUCCESS, job(progress))
    except Cancelled:
        return _Event(number, _Outcome.CANCELLED)
    except Exception as error:  # noqa: BLE001 - every end of a job is told to the user
        return _Event(number, _Outcome.FAILURE, failure_of(error))


def failure_of(error: BaseException) -> TaskFailure:
    """What to tell the user about an exception."""
    if isinstance(error, KiviewError):
        fields = tuple(getattr(error, "fields", ()))
        return TaskFailure(str(error), _cause(error), fields)
    _log.error("unexpected %s", type(error).__name__)
    if isinstance(error, MemoryError):
        text = "There is not enough memory for this; close other programs or studies and try again."
        return TaskFailure(text, _where(error))
    if isinstance(error, OSError):
        name = f" '{error.filename}'" if error.filename else ""
        return TaskFailure(f"The file{name} cannot be used: {error.strerror}.", _where(error))
    text = "This did not work because of a fault in KiView, not in your data. Nothing was changed."
    return TaskFailure(text, _where(error))


def _cause(error: BaseException) -> str:
    cause = error.__cause__
    return "" if cause is None else f"{type(cause).__name__}: {cause}"


def _where(error: BaseException) -> str:
    """Type and text of an error and the last places of our own code it passed."""
    places = [
        f"{frame.name}, line {frame.lineno} of {frame.filename.rpartition('kiview')[2].lstrip('/')}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return "\n".join([f"{type(error).__name__}: {error}", *reversed(places[-4:])])
