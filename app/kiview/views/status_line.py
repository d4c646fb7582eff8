"""The bottom line: values under the cursor, work in the background, provider and memory."""

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QStatusBar, QWidget

from kiview.viewmodels.machine import MachineViewModel
from kiview.viewmodels.tasks import TasksViewModel
from kiview.viewmodels.views import ViewsViewModel
from kiview.views.parts import button, line_label

READOUT_MS = 30
"""The readout follows a moving cursor at this pace."""


class StatusLine(QStatusBar):
    """Readout, task and machine."""

    def __init__(
        self, views: ViewsViewModel, tasks: TasksViewModel, machine: MachineViewModel
    ) -> None:
        super().__init__()
        self._views, self._tasks, self._machine = views, tasks, machine
        self.setSizeGripEnabled(False)
        self._readout = line_label("", "number", "readout")
        self._task_text = line_label("", "number", "taskText")
        self._bar = QProgressBar()
        self._bar.setObjectName("taskBar")
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(110)
        self._cancel = button("Cancel", "taskCancel", "Stop what runs in the background.", "link")
        self._about = line_label("", "soft", "machineText")
        self._busy = QWidget()
        self._build()
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(READOUT_MS)
        self._delay.timeout.connect(self._show_readout)
        views.readouts_changed.connect(self._on_readouts_changed)
        tasks.changed.connect(self._show_task)
        machine.changed.connect(self._show_machine)
        self._cancel.clicked.connect(tasks.cancel)
        self._show_task()
        self._show_machine()

    def _build(self) -> None:
        busy = QHBoxLayout(self._busy)
        busy.setContentsMargins(0, 0, 10, 0)
        busy.setSpacing(8)
        for widget in (self._task_text, self._bar, self._cancel):
            busy.addWidget(widget)
        self.addWidget(self._readout, 1)
        self.addPermanentWidget(self._busy)
        self.addPermanentWidget(self._about)
        self.setContentsMargins(8, 0, 8, 0)

    def _on_readouts_changed(self) -> None:
        if not self._delay.isActive():
            self._delay.start()

    def _show_readout(self) -> None:
        shown = self._views.image is not None
        self._readout.setText(self._views.readout_text if shown else "")

    def _show_task(self) -> None:
        task = self._tasks.shown
        self._busy.setVisible(task is not None)
        if task is None:
            return
        self._task_text.setText(self._tasks.text)
        self._task_text.setToolTip(self._tasks.step_text)
        fraction = self._tasks.fraction
        self._bar.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self._bar.setValue(round(1000 * fraction))

    def _show_machine(self) -> None:
        self._about.setText(self._machine.text)
