"""Opening the library's file: private, of this version, sound, or set aside.

Several processes may use the file at once: write-ahead log, waiting for a busy file, and one lock
file while a damaged one is exchanged.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from kiview.core.errors import KiviewError, ReadError
from kiview.core.study import Finding
from kiview.io.file_lock import exclusive
from kiview.library.schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION, TABLES

BUSY_S = 10.0
"""How long to wait for another process; a transaction takes far less."""
_BUSY_STEP_S = 0.005
_HEAD = b"SQLite format 3\0"
_VERSION_AT = slice(60, 64)
"""Bytes of `user_version` in the head, big-endian (sqlite.org/fileformat2.html, 1.3)."""
_LARGEST_VALUE = 16 << 20
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SIDE_FILES = ("", "-wal", "-shm", "-journal")


class LibraryVersionError(KiviewError):
    """The library was written by a newer KiView; nothing was changed."""


class DamagedLibraryError(KiviewError):
    """The file is no sound library."""


def is_damage(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    """Whether an error says that the file is damaged, not merely busy or on a full disk.

    The standard library raises `UnicodeDecodeError` where SQLite's message quotes damaged text.
    """
    if isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE


def open_database(file: Path) -> tuple[sqlite3.Connection, tuple[Finding, ...]]:
    """Open the library, made or migrated where needed; a damaged one is set aside first.

    Args:
        file: The database; its folder is made, for the user only.

    Returns:
        Connection without open transaction, and what the user should know.

    Raises:
        LibraryVersionError: it was written by a newer KiView.
        ReadError: the folder cannot be used, or the file stays busy.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return _connect(file), ()
        except DamagedLibraryError:
            return _exchange(file)
    except OSError as error:
        raise ReadError(
            f"The study library {file} cannot be used ({error.strerror or error}); studies still"
            " open, but are not remembered."
        ) from error
    except sqlite3.Error as error:
        raise unusable(file, error) from error


def unusable(file: Path, error: sqlite3.Error) -> ReadError:
    """What to say when SQLite cannot do its work on a sound file."""
    return ReadError(
        f"The study library {file} cannot be used ({error}); close other KiView windows or make"
        " room on the disk, then try again."
    )


def exchange_damaged(file: Path) -> tuple[Finding, ...]:
    """Exchange a damaged library for a new one, unless another process did so meanwhile.

    Raises:
        ReadError: that cannot be done.
    """
    try:
        connection, findings = _exchange(file)
    except (OSError, sqlite3.Error) as error:
        raise ReadError(f"The damaged study library {file} cannot be set aside.") from error
    connection.close()
    return findings


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; waits for its turn to write."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def check_whole(connection: sqlite3.Connection, *, thoroughly: bool = False) -> None:
    """Look through the whole file.

    Args:
        connection: To the library.
        thoroughly: Compare indexes with their tables too, which takes longer.

    Raises:
        DamagedLibraryError: it is not sound.
    """
    check = "integrity_check" if thoroughly else "quick_check"
    try:
        (said,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if is_damage(error):
            raise DamagedLibraryError("The study library is damaged.") from error
        raise
    if said != "ok":
        raise DamagedLibraryError("The study library is damaged.")


def _connect(file: Path) -> sqlite3.Connection:
    _make_private(file)
    _refuse_newer(_version_in_head(file), file)
    connection = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)
    try:
        _prepare(connection, file)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        connection.close()
        if is_damage(error):
            raise DamagedLibraryError("The study library is damaged.") from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
    connection.text_factory = _text
    version = _number(connection, "user_version")
    _refuse_newer(version, file)
    for setting in (
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "secure_delete = ON",  # a removed patient's name does not stay in the file
    ):
        connection.execute(f"PRAGMA {setting}")
    _keep_a_log(connection)
    if version < SCHEMA_VERSION:
        _migrate(connection, file)
    _refuse_other_content(connection)


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; SQLite does not wait for its turn to do so, so this does."""
    until_s = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                raise
            time.sleep(_BUSY_STEP_S)
        else:
            return


def _migrate(connection: sqlite3.Connection, file: Path) -> None:
    with transaction(connection):
        version = _number(connection, "user_version")  # another process may have been first
        _refuse_newer(version, file)
        if version < 0 or (version == 0 and _objects(connection)):
            raise DamagedLibraryError("The study library is a database of another kind.")
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _refuse_other_content(connection: sqlite3.Connection) -> None:
    objects = _objects(connection)
    tables = {name for kind, name in objects if kind == "table"}
    strange = {kind for kind, _ in objects} - {"table", "index"}
    is_ours = _number(connection, "application_id") == APPLICATION_ID
    if strange or not is_ours or not tables >= TABLES:
        raise DamagedLibraryError("The study library is a database of another kind.")


def _objects(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT type, name FROM sqlite_master").fetchall())


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _make_private(file: Path) -> None:
    """Make the file where it is absent, readable by its owner only; side files follow it."""
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    if file.stat().st_mode & 0o077:
        with contextlib.suppress(OSError):
            file.chmod(0o600)


def _version_in_head(file: Path) -> int:
    with file.open("rb") as stream:
        head = stream.read(100)
    return int.from_bytes(head[_VERSION_AT], "big", signed=True) if head.startswith(_HEAD) else 0


def _refuse_newer(version: int, file: Path) -> None:
    if version > SCHEMA_VERSION:
        raise LibraryVersionError(
            f"The study library {file} was written by a newer KiView (version {version}, this one"
            f" knows {SCHEMA_VERSION}); nothing was changed. Use that KiView to see the list."
        )


def _exchange(file: Path) -> tuple[sqlite3.Connection, tuple[Finding, ...]]:
    with exclusive(file.with_name("library.lock")):
        try:
            connection = _connect(file)
            try:
                check_whole(connection, thoroughly=True)
            except BaseException:
                connection.close()
                raise
            else:
                return connection, ()  # another process was first
        except DamagedLibraryError:
            pass
        aside = f"{file.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**6:06}"
        for ending in _SIDE_FILES:
            with contextlib.suppress(FileNotFoundError):
                file.with_name(file.name + ending).rename(file.with_name(aside + ending))
        return _connect(file), (_finding(file, aside),)


def _finding(file: Path, aside: str) -> Finding:
    return Finding(
        "library-damaged",
        f"The study library {file} was damaged and a new one was begun; the old file was kept as"
        f" {aside}. Your studies are untouched: open them again to list them, and enter again what"
        " you had entered for them.",
    )
