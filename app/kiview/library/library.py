"""The library: put studies in, list, search and remove them, and repair what is wrong.

Every call opens the file, does one short transaction and closes it, so that several windows and a
killed process do no harm. Nothing here looks at the user's files, let alone changes them.
"""

import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.kept import Kept, Restored
from kiview.core.study import FileEntry, Finding
from kiview.library.database import (
    DamagedLibraryError,
    check_whole,
    exchange_damaged,
    is_damage,
    open_database,
    transaction,
    unusable,
)
from kiview.library.kept import find_kept, put_kept
from kiview.library.records import (
    ID_PREFIX,
    LibrarySort,
    LibraryStudy,
    SeriesRecord,
    StudyRecord,
    name_of,
    path_below,
    read_file,
    read_study,
    search_text,
    stored_path,
    stored_text,
)

MOST_LISTED = 200
"""Studies of one answer; a search finds the others."""
MOST_WORDS = 16
_Result = TypeVar("_Result")

_COLUMNS = """studies.library_id, studies.uid, patients.patient_id, patients.name,
    studies.study_date, studies.tracer, studies.source, studies.activity_bq,
    coalesce(series.frame_count, 0), coalesce(series.slice_count, 0), studies.file_count,
    studies.size_bytes, studies.opened_s, series.start_s, series.end_s,
    thumbnails.width, thumbnails.height, thumbnails.grey"""
_TABLES = """studies JOIN patients ON patients.id = studies.patient
    LEFT JOIN series ON series.study = studies.id AND series.place = studies.main_series
    LEFT JOIN thumbnails ON thumbnails.study = studies.id"""
_ORDERS = {
    LibrarySort.RECENT: "studies.opened_s DESC",
    LibrarySort.NAME: "studies.sort_name = '', studies.sort_name, studies.opened_s DESC",
    LibrarySort.DATE: "studies.study_date DESC, studies.opened_s DESC",
    LibrarySort.TRACER: "studies.tracer = '', lower(studies.tracer), studies.opened_s DESC",
}


@dataclass(frozen=True, slots=True)
class LibraryQuery:
    """What to list.

    Attributes:
        text: Words that all occur in name, id, date, tracer, descriptions or folder; any case.
        sort: Order; studies without a name, date or tracer come last.
        limit: Most studies to return.
    """

    text: str = ""
    sort: LibrarySort = LibrarySort.RECENT
    limit: int = MOST_LISTED


@dataclass(frozen=True, slots=True)
class LibraryListing:
    """What was found.

    Attributes:
        studies: In the order asked for, at most as many as asked for.
        found_count: How many there are.
        findings: What the user should know about the library.
    """

    studies: tuple[LibraryStudy, ...] = ()
    found_count: int = 0
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class Library:
    """The library in one file; make one for each job.

    Attributes:
        file: The database.
        findings: What was noticed so far.
    """

    file: Path
    findings: tuple[Finding, ...] = field(default=())

    def record(self, record: StudyRecord) -> str:
        """Put a study in, or bring its entry up to date.

        Returns:
            Its library id, the same as before where its path is known.

        Raises:
            ReadError: the library cannot be used.
            LibraryVersionError: it belongs to a newer KiView.
        """

        def put(connection: sqlite3.Connection) -> str:
            with transaction(connection):
                number, library_id = _put_study(connection, record)
                _put_series(connection, number, record)
                _put_thumbnail(connection, number, record)
                _drop_lonely_patients(connection)
            return library_id

        return self._run(put)

    def keep(self, record: StudyRecord, kept: Kept) -> None:
        """Keep what the user entered for a study; one that is not listed is put in first.

        Raises:
            ReadError: the library cannot be used.
            LibraryVersionError: it belongs to a newer KiView.
        """

        def put(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                row = connection.execute(
                    "SELECT id FROM studies WHERE source = ?", (stored_path(record.source),)
                ).fetchone()
                number = None if row is None else int(row[0])
                if number is None:
                    number, _ = _put_study(connection, record)
                    _put_series(connection, number, record)
                put_kept(connection, number, record.uid, record.fingerprint, kept)

        self._run(put)

    def kept(self, source: Path, uid: str, fingerprint: str) -> Restored:
        """What the user entered for a study with these files, see `kiview.library.kept`.

        Raises:
            ReadError: the library cannot be used.
            LibraryVersionError: it belongs to a newer KiView.
        """
        return self._run(lambda connection: find_kept(connection, source, uid, fingerprint))

    def search(self, query: LibraryQuery) -> LibraryListing:
        """Studies that fit a query; entries that cannot be are left out with a finding."""
        words = stored_text(query.text).casefold().split()[:MOST_WORDS]
        where = " AND ".join(["instr(studies.search_text, ?)"] * len(words)) or "1"

        def find(connection: sqlite3.Connection) -> tuple[list[tuple[Any, ...]], int]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM {_TABLES} WHERE {where}"
                f" ORDER BY {_ORDERS[query.sort]}, studies.id LIMIT ?",
                (*words, query.limit),
            ).fetchall()
            (count,) = connection.execute(
                f"SELECT count(*) FROM studies WHERE {where}",
                words,
            ).fetchone()
            return rows, int(count)

        rows, count = self._run(find)
        studies = [study for study in map(_sound_or_none, rows) if study is not None]
        if len(studies) < len(rows):
            self._tell_damaged_entries(len(rows) - len(studies))
        return LibraryListing(tuple(studies), count, self.findings)

    def find(self, library_id: str) -> LibraryStudy | None:
        """The study with an id, or None."""

        def look(connection: sqlite3.Connection) -> tuple[Any, ...] | None:
            row: tuple[Any, ...] | None = connection.execute(
                f"SELECT {_COLUMNS} FROM {_TABLES} WHERE studies.library_id = ?",
                (library_id,),
            ).fetchone()
            return row

        row = self._run(look)
        return None if row is None else _sound_or_none(row)

    def files(self, library_id: str) -> tuple[FileEntry, ...]:
        """The files of a study as they were when it was last opened, by path.

        Raises:
            ReadError: an entry is damaged.
        """

        def look(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return connection.execute(
                "SELECT studies.source, files.path, files.size, files.modified_ns FROM files"
                " JOIN studies ON studies.id = files.study WHERE studies.library_id = ?",
                (library_id,),
            ).fetchall()

        return tuple(sorted(map(read_file, self._run(look)), key=lambda entry: entry.path))

    def remove(self, library_id: str) -> tuple[str, ...]:
        """Take a study out of the library. Its files are not touched.

        Returns:
            Names of what the cache keeps for this study and no other.

        Raises:
            InvalidInputError: there is no such study.
        """

        def take(connection: sqlite3.Connection) -> list[str]:
            with transaction(connection):
                row = connection.execute(
                    "SELECT id, fingerprint FROM studies WHERE library_id = ?", (library_id,)
                ).fetchone()
                if row is None:
                    raise InvalidInputError(
                        f"The library holds no study {library_id}; 'kiview library list' shows"
                        " those it holds."
                    )
                kept = connection.execute(
                    "SELECT DISTINCT store_key FROM series WHERE study = ? AND store_key NOT NULL"
                    " AND store_key NOT IN (SELECT store_key FROM series WHERE study <> ?"
                    " AND store_key NOT NULL)",
                    (row[0], row[0]),
                ).fetchall()
                connection.execute("DELETE FROM studies WHERE id = ?", (row[0],))
                _drop_lonely_patients(connection)
            return [str(row[1]), *(str(key) for (key,) in kept)]

        return tuple(self._run(take))

    def repair(self) -> None:
        """Check the whole file and drop entries that cannot be; a damaged file is set aside."""

        def mend(connection: sqlite3.Connection) -> int:
            check_whole(connection)
            rows = connection.execute(f"SELECT {_COLUMNS} FROM {_TABLES}").fetchall()
            bad = [(row[0],) for row in rows if _sound_or_none(row) is None]
            counts = "(SELECT count(*) FROM files WHERE files.study = studies.id)"
            with transaction(connection):
                connection.executemany("DELETE FROM studies WHERE library_id IS ?", bad)
                torn = connection.execute(
                    f"DELETE FROM studies WHERE file_count <> {counts}"
                    " OR patient NOT IN (SELECT id FROM patients)"
                ).rowcount
                _drop_lonely_patients(connection)
            return len(bad) + torn

        dropped = self._run(mend)
        if dropped:
            self._tell_damaged_entries(dropped)

    def _tell_damaged_entries(self, count: int) -> None:
        message = (
            f"{count} damaged entries of the study library were left out; open those studies again"
            " to list them."
        )
        finding = Finding("library-entry-damaged", message)
        if finding not in self.findings:
            self.findings = (*self.findings, finding)

    def _run(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do something with the file; a damaged one is exchanged once."""
        try:
            return self._once(action)
        except DamagedLibraryError:
            self.findings = (*self.findings, *exchange_damaged(self.file))
        try:
            return self._once(action)
        except DamagedLibraryError as error:
            raise ReadError(f"The study library {self.file} cannot be repaired.") from error

    def _once(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result:
        opened, findings = open_database(self.file)
        self.findings = (*self.findings, *findings)
        with closing(opened) as connection:
            try:
                return action(connection)
            except (sqlite3.Error, UnicodeDecodeError) as error:
                if isinstance(error, UnicodeDecodeError) or is_damage(error):
                    raise DamagedLibraryError("The study library is damaged.") from error
                raise unusable(self.file, error) from error


def _sound_or_none(row: tuple[Any, ...]) -> LibraryStudy | None:
    try:
        return read_study(row)
    except ReadError:
        return None


def _put_study(connection: sqlite3.Connection, record: StudyRecord) -> tuple[int, str]:
    """Enter or update the row of a study; its number and library id."""
    now_s = time.time()
    values = {
        "uid": stored_text(record.uid),
        "patient": _patient(connection, record),
        "study_date": stored_text(record.study_date),
        "tracer": stored_text(record.tracer),
        "activity_bq": record.activity_bq,
        "main_series": record.main_series,
        "file_count": len(record.files),
        "size_bytes": sum(entry.size for entry in record.files),
        "fingerprint": stored_text(record.fingerprint),
        "search_text": search_text(record),
        "sort_name": name_of(record).casefold(),
        "opened_s": now_s,
    }
    new = {
        **values,
        "library_id": f"{ID_PREFIX}{secrets.token_hex(5)}",
        "source": stored_path(record.source),
        "added_s": now_s,
    }
    updates = ", ".join(f"{name} = excluded.{name}" for name in values)
    connection.execute(
        f"INSERT INTO studies ({', '.join(new)}) VALUES ({', '.join(f':{name}' for name in new)})"
        f" ON CONFLICT (source) DO UPDATE SET {updates}",
        new,
    )
    row = connection.execute(
        "SELECT id, library_id FROM studies WHERE source = ?", (new["source"],)
    ).fetchone()
    return int(row[0]), str(row[1])


def _patient(connection: sqlite3.Connection, record: StudyRecord) -> int:
    patient_id, sex = stored_text(record.patient_id), stored_text(record.patient_sex)
    connection.execute(
        "INSERT INTO patients (patient_id, name, sex) VALUES (?, ?, ?)"
        " ON CONFLICT (patient_id, name) DO UPDATE SET sex = excluded.sex",
        (patient_id, name_of(record), sex),
    )
    row = connection.execute(
        "SELECT id FROM patients WHERE patient_id = ? AND name = ?", (patient_id, name_of(record))
    ).fetchone()
    return int(row[0])


def _put_series(connection: sqlite3.Connection, number: int, record: StudyRecord) -> None:
    connection.execute("DELETE FROM series WHERE study = ?", (number,))
    connection.executemany(
        "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_series_row(number, place, one) for place, one in enumerate(record.series)],
    )
    places = {path: place for place, one in enumerate(record.series) for path in one.files}
    root = os.fspath(record.source)
    connection.execute("DELETE FROM files WHERE study = ?", (number,))
    connection.executemany(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
        [
            (
                number,
                stored_path(path_below(root, entry.path)),
                places.get(entry.path),
                entry.size,
                entry.modified_ns,
            )
            for entry in record.files
        ],
    )


def _series_row(number: int, place: int, one: SeriesRecord) -> tuple[Any, ...]:
    start_s, end_s = one.span_s or (None, None)
    texts = (stored_text(text) for text in (one.uid, one.kind, one.modality, one.description))
    return number, place, *texts, one.frame_count, one.slice_count, start_s, end_s, one.store_key


def _put_thumbnail(connection: sqlite3.Connection, number: int, record: StudyRecord) -> None:
    if record.thumbnail is None:
        return
    connection.execute(
        "INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?, ?)",
        (number, record.thumbnail.width, record.thumbnail.height, record.thumbnail.grey),
    )


def _drop_lonely_patients(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM patients WHERE id NOT IN (SELECT patient FROM studies)")
