"""Write results whole or not at all: beside their place first, then moved there at once."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from kiview.core.errors import ExportError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def staged(folder: Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a new empty folder; when the block ends well its content moves into `folder`.

    Whatever goes wrong, a stop request included, `folder` is left as it was.

    Args:
        folder: Where the results belong; made if absent.
        overwrite: Whether files of the same name are replaced.

    Yields:
        Folder to write into, on the same disk.

    Raises:
        ExportError: a file is in the way, the disk is full, the folder is read-only.
    """
    made: list[Path] = []
    place = None
    try:
        with _as_sentences(folder):
            made = _make_parents(folder)
            place = _home(folder) / f".kiview-{uuid4().hex}"
            place.mkdir()
            yield place
            _move(place, folder, overwrite)
        made.clear()
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
        for parent in reversed(made):
            with suppress(OSError):
                parent.rmdir()


def refuse_existing(folder: Path, names: list[str]) -> None:
    """Refuse to replace files.

    Raises:
        ExportError: one of the names exists in the folder; the text says which.
    """
    existing = [name for name in names if (folder / name).exists()]
    if existing:
        more = f" and {len(existing) - 1} more exist" if len(existing) > 1 else " exists"
        raise ExportError(
            f"{folder / existing[0]}{more} already; choose another folder or allow overwriting."
        )


def _home(folder: Path) -> Path:
    return folder if folder.is_dir() else folder.parent


def _make_parents(folder: Path) -> list[Path]:
    """Make the parents of a folder; returns those that were missing, outermost first."""
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise ExportError(f"{place} is a file; choose a folder.")
    missing = [parent for parent in folder.parents if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _move(place: Path, folder: Path, overwrite: bool) -> None:
    if not folder.exists():
        place.rename(folder)
        return
    names = sorted(path.name for path in place.iterdir())
    if not overwrite:
        refuse_existing(folder, names)
    replaced = place / f".replaced-{uuid4().hex}"
    replaced.mkdir()
    moved: list[str] = []
    try:
        for name in names:
            if (folder / name).exists():
                (folder / name).rename(replaced / name)
            moved.append(name)
            (place / name).rename(folder / name)
    except BaseException:
        _undo(moved, place, folder, replaced)
        raise


def _undo(moved: list[str], place: Path, folder: Path, replaced: Path) -> None:
    for name in reversed(moved):
        if (folder / name).exists():
            (folder / name).rename(place / name)
        if (replaced / name).exists():
            (replaced / name).rename(folder / name)


@contextmanager
def _as_sentences(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(_sentence(folder, _origin(error))) from error


def _origin(error: OSError) -> OSError:
    """The error of the system; pydicom wraps it in one without a number and with a traceback."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno is not None:
            return found
        found = found.__cause__ or found.__context__
    return error


def _sentence(folder: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return (
            f"The disk of {folder} is full; nothing was written. Free some space or choose another."
        )
    if error.errno in _FORBIDDEN:
        return f"{folder} may not be written to; nothing was written. Choose another folder."
    reason = error.strerror or type(error).__name__
    return f"Writing to {folder} failed ({reason}); nothing was written."
