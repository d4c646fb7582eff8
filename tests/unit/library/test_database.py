"""The library's file: private, migrated, left alone by an older KiView, replaced when damaged."""

import os
import random
import shutil
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.helpers.library import record

from kiview.core.errors import ReadError
from kiview.core.kept import Kept, Restored
from kiview.library import database
from kiview.library.database import LibraryVersionError, open_database
from kiview.library.library import Library, LibraryQuery
from kiview.library.records import Thumbnail
from kiview.library.schema import APPLICATION_ID, SCHEMA_VERSION

DAY_ONE = """
CREATE TABLE patients (id INTEGER PRIMARY KEY, patient_id TEXT NOT NULL, name TEXT NOT NULL,
    sex TEXT NOT NULL, UNIQUE (patient_id, name));
CREATE TABLE studies (id INTEGER PRIMARY KEY, library_id TEXT NOT NULL UNIQUE, uid TEXT NOT NULL,
    patient INTEGER NOT NULL REFERENCES patients (id), source BLOB NOT NULL UNIQUE,
    study_date TEXT NOT NULL, tracer TEXT NOT NULL, activity_bq REAL, main_series INTEGER,
    file_count INTEGER NOT NULL, size_bytes INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    search_text TEXT NOT NULL, sort_name TEXT NOT NULL, added_s REAL NOT NULL,
    opened_s REAL NOT NULL);
CREATE TABLE series (study INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    place INTEGER NOT NULL, uid TEXT NOT NULL, kind TEXT NOT NULL, modality TEXT NOT NULL,
    description TEXT NOT NULL, frame_count INTEGER NOT NULL, slice_count INTEGER NOT NULL,
    start_s REAL, end_s REAL, store_key TEXT, PRIMARY KEY (study, place)) WITHOUT ROWID;
CREATE TABLE files (study INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    path BLOB NOT NULL, series INTEGER, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    PRIMARY KEY (study, path)) WITHOUT ROWID;
INSERT INTO patients VALUES (1, '4711', 'Muster^Erika', 'F');
INSERT INTO studies VALUES (1, 'lib-0123456789', '1.2.3', 1, X'2F6F6C64', '2024-03-01', 'FDG', 3e8,
    0, 1, 100, 'ff', 'muster erika', 'muster^erika', 1.0, 2.0);
INSERT INTO series VALUES (1, 0, '1.2.3.4', 'dynamic', 'PT', '', 12, 40, 0.0, 3600.0, NULL);
INSERT INTO files VALUES (1, X'61', 0, 100, 7);
PRAGMA application_id = 1265194615;
PRAGMA user_version = 1;
"""
"""A library as the first version wrote it, `/old` in it; written down here once and for all."""

SECOND = f"""{DAY_ONE}
CREATE TABLE thumbnails (study INTEGER PRIMARY KEY REFERENCES studies (id) ON DELETE CASCADE,
    width INTEGER NOT NULL, height INTEGER NOT NULL, grey BLOB NOT NULL);
INSERT INTO thumbnails VALUES (1, 1, 2, X'00FF');
PRAGMA user_version = 2;
"""
"""The same as the second version wrote it, with pictures."""


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "library" / "library.sqlite"


def execute(file: Path, script: str) -> None:
    file.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(script)


def asides(file: Path) -> list[Path]:
    return sorted(file.parent.glob("*.damaged-*"))


def test_that_the_file_is_readable_by_its_owner_only(file):
    if sys.platform == "win32":
        pytest.skip("platform: no such modes")
    before = os.umask(0)
    try:
        Library(file).record(record())
        with closing(open_database(file)[0]) as connection:
            connection.execute("SELECT * FROM studies").fetchall()
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"library.sqlite": 0o600, "library.sqlite-wal": 0o600} | {
        "library.sqlite-shm": 0o600
    }
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    Library(file).search(LibraryQuery())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_that_a_library_of_the_first_version_is_brought_up_to_date_with_its_studies(file):
    assert APPLICATION_ID == 1265194615
    execute(file, DAY_ONE)
    library = Library(file)
    (study,) = library.search(LibraryQuery()).studies
    assert (study.library_id, str(study.path)) == ("lib-0123456789", os.sep + "old")
    assert study.thumbnail is None
    assert library.findings == ()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    library.record(record())
    assert library.search(LibraryQuery()).found_count == 2


def test_that_a_library_of_the_second_version_keeps_its_pictures_and_takes_entered_values(file):
    execute(file, SECOND)
    library = Library(file)
    (study,) = library.search(LibraryQuery()).studies
    assert study.thumbnail == Thumbnail(1, 2, b"\x00\xff")
    assert library.kept(study.path, study.uid, "ff") == Restored()
    library.keep(record("old", uid=study.uid, fingerprint="ff"), Kept({"weight_kg": 82.0}))
    assert library.search(LibraryQuery()).found_count == 1  # the entry that was there
    assert library.kept(study.path, study.uid, "ff").kept.values == {"weight_kg": 82.0}
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,) == (3,)


def test_that_a_migration_that_fails_changes_nothing(file, monkeypatch):
    execute(file, DAY_ONE)
    steps = (*database.MIGRATIONS[:1], ("CREATE TABLE extra (a)", "nonsense"))
    monkeypatch.setattr(database, "MIGRATIONS", steps)
    with pytest.raises(ReadError, match="cannot be used"):
        Library(file).search(LibraryQuery())
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert ("extra",) not in names


@pytest.mark.parametrize("wal", [False, True])
def test_that_a_newer_library_is_refused_and_not_changed(file, wal):
    Library(file).record(record())
    execute(file, "PRAGMA user_version = 99; CREATE TABLE news (a);")
    if not wal:
        execute(file, "PRAGMA journal_mode = DELETE")
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    times = {path.name: path.stat().st_mtime_ns for path in file.parent.iterdir()}
    library = Library(file)
    for action in (
        lambda: library.search(LibraryQuery()),
        lambda: library.record(record()),
        lambda: library.remove("lib-0123456789"),
        library.repair,
    ):
        with pytest.raises(LibraryVersionError, match=r"newer KiView.*nothing was changed"):
            action()
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before
    assert {path.name: path.stat().st_mtime_ns for path in file.parent.iterdir()} == times


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"no database at all" * 1000),
        lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
        lambda file: execute(file, "DROP TABLE files"),
        lambda file: execute(file, "CREATE VIEW v AS SELECT 1"),
        lambda file: execute(
            file, "CREATE TRIGGER t AFTER INSERT ON studies BEGIN DELETE FROM patients; END"
        ),
        lambda file: execute(file, "PRAGMA application_id = 5"),
        lambda file: execute(file, "PRAGMA user_version = -3"),
    ],
    ids=["text", "cut", "table", "view", "trigger", "other", "version"],
)
def test_that_a_damaged_library_is_set_aside_and_a_new_one_is_begun(file, damage):
    for number in range(12):
        Library(file).record(record(f"s{number}"))
    damage(file)
    damaged = file.read_bytes()
    library = Library(file)
    library.repair()
    listing = library.search(LibraryQuery())
    assert listing.studies == ()
    assert [finding.code for finding in listing.findings] == ["library-damaged"]
    (aside,) = [path for path in asides(file) if not path.name.endswith(("-wal", "-shm"))]
    assert aside.name in listing.findings[0].message
    assert "Muster" not in listing.findings[0].message
    assert aside.stat().st_size >= len(damaged) // 2
    library.record(record())
    again = Library(file)
    assert again.search(LibraryQuery()).found_count == 1
    assert again.findings == ()


@pytest.mark.parametrize("seed", range(20))
def test_that_a_library_with_random_bytes_in_it_is_repaired_or_replaced(file, seed):
    for number in range(20):
        Library(file).record(record(f"s{number}", patient_name=f"P{number}"))
    content = bytearray(file.read_bytes())
    dice = random.Random(seed)
    for _ in range(dice.choice([1, 10, 200])):
        content[dice.randrange(len(content))] = dice.randrange(256)
    file.write_bytes(content)
    library = Library(file)
    try:
        library.repair()
    except LibraryVersionError:
        return  # the version itself was hit
    listing = library.search(LibraryQuery())
    for study in listing.studies:
        library.files(study.library_id)
    library.record(record("new"))
    assert record("new").source in [s.path for s in Library(file).search(LibraryQuery()).studies]
    Library(file).repair()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE studies SET source = X'00' WHERE id = 1",
        "UPDATE studies SET source = 'text' WHERE id = 1",
        "UPDATE studies SET source = X'2E2E2F65' WHERE id = 1",
        "UPDATE studies SET source = X'2F612F2E2E2F62' WHERE id = 1",
        "UPDATE studies SET library_id = '../../x' WHERE id = 1",
        "UPDATE studies SET tracer = X'FF' WHERE id = 1",
        "UPDATE studies SET tracer = char(7) WHERE id = 1",
        "UPDATE studies SET size_bytes = -1 WHERE id = 1",
        "UPDATE studies SET activity_bq = 9e999 WHERE id = 1",
        "UPDATE studies SET opened_s = 'never' WHERE id = 1",
        "UPDATE series SET frame_count = 'many' WHERE study = 1",
        "INSERT INTO thumbnails VALUES (1, 5000, 5000, zeroblob(10))",
        "INSERT INTO thumbnails VALUES (1, 2, 2, zeroblob(5))",
    ],
)
def test_that_an_entry_that_cannot_be_is_left_out_with_a_finding_and_dropped_by_repair(
    file, change
):
    Library(file).record(record("first"))
    Library(file).record(record("second"))
    execute(file, change)
    listing = Library(file).search(LibraryQuery())
    assert [study.path.name for study in listing.studies] == ["second"]
    assert [finding.code for finding in listing.findings] == ["library-entry-damaged"]
    library = Library(file)
    library.repair()
    assert [finding.code for finding in library.findings] == ["library-entry-damaged"]
    again = Library(file).search(LibraryQuery())
    assert again.found_count == 1
    assert again.findings == ()


def test_that_an_entry_that_lost_files_is_dropped_by_repair(file):
    Library(file).record(record("first"))
    execute(file, "DELETE FROM files WHERE size = 23")
    library = Library(file)
    library.repair()
    assert library.search(LibraryQuery()).found_count == 0
    assert len(library.findings) == 1


def test_that_a_folder_that_cannot_be_made_gives_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(ReadError, match="not remembered"):
        Library(tmp_path / "file" / "library.sqlite").search(LibraryQuery())


def test_that_a_library_that_stays_busy_gives_a_sentence(file, monkeypatch):
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    Library(file).record(record())
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert Library(file).search(LibraryQuery()).found_count == 1  # reading goes on
        with pytest.raises(ReadError, match="close other KiView windows"):
            Library(file).record(record("two"))
        other.execute("ROLLBACK")
    assert not asides(file)
    Library(file).record(record("two"))


def test_that_the_log_of_a_damaged_library_is_not_read_into_the_new_one(file, tmp_path):
    Library(file).record(record())
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DELETE FROM files")
        connection.commit()
        shutil.copy(f"{file}-wal", tmp_path / "log")
    shutil.copy(tmp_path / "log", f"{file}-wal")
    file.write_bytes(b"rubbish" * 3000)
    library = Library(file)
    assert library.search(LibraryQuery()).studies == ()
    library.record(record("new"))
    library.repair()
    assert [s.path.name for s in library.search(LibraryQuery()).studies] == ["new"]
