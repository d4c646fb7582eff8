"""What the user entered for the open study is kept with it, and told when it comes back."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject

from kiview.core.kept import NOTHING, Kept, Restored
from kiview.core.progress import Progress
from kiview.core.study import Study
from kiview.jobs.library import KeepRequest
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.merge import MergeViewModel
from kiview.viewmodels.messages import MessageLevel, MessagesViewModel
from kiview.viewmodels.missing_values import entered_text
from kiview.viewmodels.study import DOT, StudyViewModel

KeepJob = Callable[[KeepRequest, Progress], None]


class KeptViewModel(QObject):
    """Keeps entered values and merges in the library whenever they change.

    One write at a time: what changes meanwhile is kept after it, also when the window closes.
    """

    def __init__(
        self,
        runner: TaskRunner,
        study: StudyViewModel,
        merge: MergeViewModel,
        messages: MessagesViewModel,
        job: KeepJob,
    ) -> None:
        super().__init__()
        self._runner, self._study, self._merge = runner, study, merge
        self._messages, self._job = messages, job
        self._known: Study | None = None
        self._path: Path | None = None
        self._saved: Kept | None = NOTHING
        self._task: Task | None = None
        self._waiting: KeepRequest | None = None
        merge.changed.connect(self._on_changed)  # it also follows the study

    def _on_changed(self) -> None:
        study, path = self._study.study, self._study.path
        if study is None or path is None or self._study.arriving is not None:
            return
        present = Kept(self._study.overrides, self._merge.all_settings)
        if study is not self._known:
            self._take_up(study, path, present)
        if present != self._saved:
            self._saved = present
            self._keep(KeepRequest(study, path, present))

    def _take_up(self, study: Study, path: Path, present: Kept) -> None:
        """Know what the library holds of a study that was opened or read again, and tell it."""
        restored, is_same = study.restored, path == self._path
        self._known, self._path = study, path
        if restored is None:
            self._saved = self._saved if is_same else NOTHING
            return
        self._saved = None if restored.reason else restored.kept
        if not present.is_empty:
            text = f"Restored as you left it: {told(present)}. Ctrl+Z takes it back."
            self._tell(text, MessageLevel.NOTE)
        if restored.reason:
            self._tell(left_out_text(restored), MessageLevel.WARNING)

    def _tell(self, text: str, level: MessageLevel) -> None:
        """Show a sentence; a warning of the same opening stays before it."""
        shown = self._messages.current
        if shown is not None and shown.level is MessageLevel.WARNING:
            text, level = f"{shown.text} {text}", shown.level
        self._messages.show(text, level)

    def _keep(self, request: KeepRequest) -> None:
        if self._task is not None:
            self._waiting = request
            return
        task = self._runner.start("Keeping what you entered", partial(self._job, request))
        task.failed.connect(self._on_failed)
        task.finished.connect(self._on_finished)
        self._task = task

    def _on_failed(self, failure: TaskFailure) -> None:
        if self._saved is not None and not self._saved.is_empty:
            text = f"What you entered holds until KiView is closed. {failure.message}"
            self._messages.show(text, MessageLevel.WARNING, failure.details)

    def _on_finished(self) -> None:
        self._task, request, self._waiting = None, self._waiting, None
        if request is not None:
            self._keep(request)


def told(kept: Kept) -> str:
    """What was entered, in one line: `weight 82 kg · frames of 10 min`."""
    lengths = sorted({one.length_s / 60 for one in kept.merges.values()})
    merges = [f"frames of {length:.4g} min" for length in lengths]
    return DOT.join(part for part in (entered_text(kept.values.items()), *merges) if part)


def left_out_text(restored: Restored) -> str:
    """Why something is not restored, and what to do."""
    what = told(restored.left_out)
    if not what:  # nor is it known whether there was anything
        return f"Values that you may have entered before are not restored. {restored.reason}"
    return f"Not restored: {what}. {restored.reason} Enter again what still holds."
