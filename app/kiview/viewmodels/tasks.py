"""What the status bar says about work in the background."""

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.tasks import Task, TaskRunner

BUSY_AFTER_MS = 500
"""Shorter work is not worth a look."""


class TasksViewModel(QObject):
    """The task whose progress is shown: the oldest that runs.

    Signals:
        changed: Something to be redrawn changed.
    """

    changed = Signal()

    def __init__(self, runner: TaskRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._busy = False
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(BUSY_AFTER_MS)
        self._delay.timeout.connect(self._on_delay_over)
        runner.started.connect(self._on_started)
        runner.progressed.connect(self._on_progressed)
        runner.ended.connect(self._on_ended)

    @property
    def shown(self) -> Task | None:
        """The task to show, or None while nothing runs long enough."""
        tasks = self._runner.tasks
        return tasks[0] if tasks and self._busy else None

    @property
    def fraction(self) -> float | None:
        """Share done of the shown task, or None while unknown."""
        return None if self.shown is None else self.shown.progress.fraction

    @property
    def text(self) -> str:
        """What is shown beside the bar, for example `Patlak Ki, 62 %, 8 s left`."""
        task = self.shown
        if task is None:
            return ""
        if task.cancel_requested:
            return f"{task.title}: stopping"
        parts = [task.title]
        if task.progress.fraction is not None:
            parts.append(f"{100 * task.progress.fraction:.0f} %")
        if task.progress.left_s is not None:
            parts.append(f"{time_text(task.progress.left_s)} left")
        more = len(self._runner.tasks) - 1
        return ", ".join(parts) + (f"  (+{more} more)" if more else "")

    @property
    def step_text(self) -> str:
        """What the shown task is doing right now."""
        return "" if self.shown is None else self.shown.progress.message

    def cancel(self) -> None:
        """Stop everything that runs."""
        self._runner.cancel_all()
        self.changed.emit()

    def _on_started(self, _task: Task) -> None:
        if not self._busy and not self._delay.isActive():
            self._delay.start()

    def _on_progressed(self, _task: Task) -> None:
        if self._busy:
            self.changed.emit()

    def _on_ended(self, _task: Task) -> None:
        if self._runner.tasks:
            return
        self._delay.stop()
        if self._busy:
            self._busy = False
            self.changed.emit()

    def _on_delay_over(self) -> None:
        self._busy = bool(self._runner.tasks)
        self.changed.emit()


def time_text(seconds: float) -> str:
    """A time a person can take in: `8 s`, `2 min`, `1 h 5 min`."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
