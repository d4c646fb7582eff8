"""The list of studies: those of the library and those of this session, searched and sorted."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.progress import Progress
from kiview.core.study import Finding
from kiview.jobs.library import ListRequest, RecordRequest, RemoveRequest
from kiview.library.library import LibraryListing, LibraryQuery
from kiview.library.records import LibrarySort, LibraryStudy, Thumbnail
from kiview.tasks import Task, TaskFailure, TaskRunner
from kiview.viewmodels.messages import MessageLevel, MessagesViewModel
from kiview.viewmodels.study import DOT, KnownStudy, StudyViewModel, patient_title, span_text

SEARCH_AFTER_MS = 150
"""A search begins once typing rests."""

MOST_SHOWN = 100
"""Studies in the list; a search finds the others. More would hold up the window."""

RecordJob = Callable[[RecordRequest, Progress], tuple[str, tuple[Finding, ...]]]
ListJob = Callable[[ListRequest, Progress], LibraryListing]
RemoveJob = Callable[[RemoveRequest, Progress], None]


@dataclass(frozen=True, slots=True)
class LibraryJobs:
    """Work on the library.

    Attributes:
        record: Puts the opened study in.
        search: Lists studies.
        remove: Takes one out.
    """

    record: RecordJob
    search: ListJob
    remove: RemoveJob


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """One line of the list.

    Attributes:
        library_id: Empty while the library does not hold it.
        path: What to open.
        uid: Of the study that was there; another one is not opened in its place.
        title: Patient, else the folder.
        detail: Tracer and date.
        times: Frames and time span.
        about: All that is known, for the tool tip.
        thumbnail: Small picture, or None.
    """

    library_id: str
    path: Path
    uid: str
    title: str
    detail: str
    times: str
    about: str
    thumbnail: Thumbnail | None = None


class LibraryViewModel(QObject):
    """Lists, searches, opens and removes studies; records the one that is opened.

    Attributes:
        text: What is searched for.
        sort: Order of the list.
        problem: Why the library cannot be used, or empty.
        entries: What to show: studies of this session that the library lacks, then the library's.
        found_count: Studies of the library that fit the search.

    Signals:
        changed: The list, the search or the problem changed.
    """

    changed = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        study: StudyViewModel,
        messages: MessagesViewModel,
        jobs: LibraryJobs,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner, self._study, self._messages, self._jobs = runner, study, messages, jobs
        self._listed: tuple[StudyEntry, ...] = ()
        self._removed: set[str] = set()
        self._search_task: Task | None = None
        self._is_checked = False
        self.text = ""
        self.sort = LibrarySort.RECENT
        self.problem = ""
        self.found_count = 0
        self.entries: tuple[StudyEntry, ...] = ()
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(SEARCH_AFTER_MS)
        self._delay.timeout.connect(self.refresh)
        study.study_changed.connect(self._on_study_changed)

    @property
    def is_searchable(self) -> bool:
        """Whether there is something to search and sort."""
        return bool(self.text) or self.found_count > 1

    @property
    def more_count(self) -> int:
        """Studies that fit the search and are not shown."""
        return self.found_count - len(self._listed)

    def refresh(self) -> None:
        """Read the list again; the first time the library is checked and repaired."""
        self._delay.stop()
        query = LibraryQuery(self.text, self.sort, MOST_SHOWN)
        request = ListRequest(query, repair=not self._is_checked)
        if self._search_task is not None:
            self._search_task.cancel()
        task = self._runner.start("Study list", partial(self._jobs.search, request))
        task.succeeded.connect(self._on_listed)
        task.failed.connect(self._on_failed)
        self._search_task = task

    def search(self, text: str) -> None:
        """Look for words; the list follows once typing rests."""
        if text != self.text:
            self.text = text
            self._delay.start()

    def sort_by(self, sort: str) -> None:
        """Change the order, see `LibrarySort`."""
        self.sort = LibrarySort(sort)
        self.refresh()

    def open(self, entry: StudyEntry) -> None:
        """Open a study of the list, unless it is open already."""
        if self._study.path is None or _key(entry.path) != _key(self._study.path):
            self._study.open_path(entry.path, study_uid=entry.uid)

    def is_open(self, entry: StudyEntry) -> bool:
        """Whether this is the study that is open."""
        return self._study.path is not None and _key(entry.path) == _key(self._study.path)

    def remove(self, entry: StudyEntry) -> None:
        """Take a study out of the list; its files stay where they are."""
        self._removed.add(_key(entry.path))
        if not entry.library_id:
            self._show()
            return
        job = partial(self._jobs.remove, RemoveRequest(entry.library_id))
        task = self._runner.start("Removing from the library", job)
        task.failed.connect(self._messages.show_failure)
        task.finished.connect(self.refresh)

    def _on_study_changed(self) -> None:
        study, path = self._study.study, self._study.path
        if study is None or path is None:
            return
        self._removed.discard(_key(path))
        # Not at once: its work would take the interpreter from the window that shows the study.
        QTimer.singleShot(0, self, partial(self._record, RecordRequest(study, path)))
        self._show()

    def _record(self, request: RecordRequest) -> None:
        task = self._runner.start("Study list", partial(self._jobs.record, request))
        task.succeeded.connect(self._on_recorded)
        task.failed.connect(self._on_failed)

    def _on_recorded(self, recorded: tuple[str, tuple[Finding, ...]]) -> None:
        self._tell(recorded[1])
        self.refresh()

    def _on_listed(self, listing: LibraryListing) -> None:
        if self.sender() is not self._search_task:
            return
        self._is_checked = True
        self.problem = ""
        self._listed = tuple(map(_entry_of, listing.studies))
        self.found_count = listing.found_count
        self._tell(listing.findings)
        self._show()

    def _on_failed(self, failure: TaskFailure) -> None:
        self._listed, self.found_count = (), 0
        self.problem = failure.message
        self._show()

    def _show(self) -> None:
        entries = self._listed
        if not self.text:
            there = {_key(entry.path) for entry in entries} | self._removed
            session = (known for known in self._study.known if _key(known.path) not in there)
            entries = (*map(_entry_of_session, session), *entries)
        self.entries = entries
        self.changed.emit()

    def _tell(self, findings: tuple[Finding, ...]) -> None:
        for finding in findings:
            self._messages.show(finding.message, MessageLevel.WARNING)


def _entry_of(study: LibraryStudy) -> StudyEntry:
    dose = "" if study.activity_bq is None else f"{study.activity_bq / 1e6:.0f} MBq"
    size = f"{study.file_count} files, {study.size_bytes / 1e6:.0f} MB"
    opened = datetime.fromtimestamp(study.opened_s).astimezone()
    about = (
        DOT.join(filter(None, (study.tracer, dose, study.study_date))),
        size,
        f"opened {opened:%Y-%m-%d %H:%M}",
        str(study.path),
        study.library_id,
    )
    return StudyEntry(
        study.library_id,
        study.path,
        study.uid,
        patient_title(study.patient_name, study.patient_id) or study.path.name or str(study.path),
        DOT.join(filter(None, (study.tracer, study.study_date))),
        span_text(study.frame_count, study.slice_count, study.span_s),
        "\n".join(filter(None, about)),
        study.thumbnail,
    )


def _entry_of_session(known: KnownStudy) -> StudyEntry:
    told = (known.title, known.subtitle, known.times, str(known.path))
    return StudyEntry("", known.path, known.uid, *told)


def _key(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - as the library keeps paths
