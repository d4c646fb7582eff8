"""Keep the voxel cache within its size and its disk: what was not used for longest goes first.

A study that is open in any process holds a lock on its store and stays. What a killed process left
half-written or half-removed is removed too. Only what KiView made in its own folder is touched.
"""

import errno
import re
import shutil
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kiview.core.errors import ReadError
from kiview.io.file_lock import exclusive, release, try_lock

LOCK = "lock"
"""File of a store that its users hold; its time is that of the last use."""
PLACING = ".placing"
"""Lock of the cache: one process at a time gives a finished store its name."""
PART, GONE = ".part-", ".gone-"
"""In names of what is being written, and of what is being removed."""
YOUNG_S = 60.0
"""A half-written entry younger than this may belong to a process that has no lock yet."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
_STORE = re.compile(r"[0-9a-f]{40}")
_INDEX = re.compile(r"[0-9a-f]{40}\.index\.json")
_LEFTOVER = re.compile(rf"[0-9a-f]{{40}}(\.index)?(\{PART}|\{GONE})[0-9a-f]{{8}}")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One store or one remembered folder of the cache.

    Attributes:
        path: Folder of the store, or file of the remembered folder.
        size_bytes: On disk.
        used_s: When it was last used, seconds since 1970.
    """

    path: Path
    size_bytes: int
    used_s: float


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What pruning did.

    Attributes:
        removed_count: Entries removed.
        freed_bytes: Bytes they took.
        left_bytes: Bytes that the cache holds now.
        in_use_count: Entries that should have gone but belong to an open study.
    """

    removed_count: int
    freed_bytes: int
    left_bytes: int
    in_use_count: int


def entries(folder: Path) -> tuple[CacheEntry, ...]:
    """What the cache holds, least recently used first; files of others are not listed."""
    found = []
    for path in _listing(folder):
        if _STORE.fullmatch(path.name):
            mark = path / LOCK
        elif _INDEX.fullmatch(path.name):
            mark = path
        else:
            continue
        with suppress(OSError):  # removed meanwhile
            found.append(CacheEntry(path, _size(path), _time_s(mark, path)))
    return tuple(sorted(found, key=lambda entry: entry.used_s))


def prune(folder: Path, limit_bytes: int) -> PruneReport:
    """Remove leftovers, then the least recently used entries until the cache is small enough.

    Args:
        folder: The voxel cache; need not exist.
        limit_bytes: Most bytes to keep; 0 keeps open studies only.
    """
    _remove_leftovers(folder)
    kept = entries(folder)
    left = sum(entry.size_bytes for entry in kept)
    removed = freed = in_use = 0
    for entry in kept:
        if left <= limit_bytes:
            break
        if not remove_entry(entry.path):
            in_use += 1
            continue
        removed, freed, left = removed + 1, freed + entry.size_bytes, left - entry.size_bytes
    return PruneReport(removed, freed, left, in_use)


def require_room(folder: Path, size_bytes: int, what: str, spare_bytes: int = 0) -> None:
    """Remove unused entries, least recently used first, until the disk has room.

    Args:
        folder: The voxel cache.
        size_bytes: Of what is to be written there.
        what: It, to begin a sentence with.
        spare_bytes: To be left free on the disk.

    Raises:
        ReadError: there is no room even so; then nothing is removed that would not have helped.
        OSError: the folder cannot be read.
    """
    needed = size_bytes + spare_bytes
    if _free(folder) < needed:
        _make_room(folder, needed)
    free = _free(folder)
    if free < needed:
        spare = f", of which {_told(spare_bytes)} are kept spare" if spare_bytes else ""
        raise ReadError(
            f"{what} needs {_told(size_bytes)} in {folder}, but only {_told(free)} are free"
            f" there{spare}; make room there."
        )


def cannot_write(what: str, error: OSError) -> ReadError:
    """What to tell where the cache cannot be written; `what` begins the sentence."""
    way_out = "make room there or" if error.errno in _FULL else "make the folder writable or"
    return ReadError(f"{what} ({error.strerror or error}); {way_out} choose another cache folder.")


def _make_room(folder: Path, needed_bytes: int) -> None:
    _remove_leftovers(folder)
    kept = entries(folder)
    if _free(folder) + sum(entry.size_bytes for entry in kept) < needed_bytes:
        return
    for entry in kept:
        if _free(folder) >= needed_bytes:
            return
        remove_entry(entry.path)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _told(size_bytes: int) -> str:
    """A size for people: GB, MB or kB."""
    units = (("GB", 1e9), ("MB", 1e6))
    unit, factor = next((one for one in units if size_bytes >= one[1]), ("kB", 1e3))
    return f"{size_bytes / factor:.1f} {unit}"


def remove_entry(path: Path) -> bool:
    """Remove a store or a remembered folder; False where an open study holds it.

    The folder is renamed first, so that a process that dies here leaves no half store.
    """
    if not path.is_dir():
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return not path.exists()
    aside = path.with_name(f"{path.name}{GONE}{uuid.uuid4().hex[:8]}")
    try:
        # Else a process that stores the same study could put it there between lock and rename.
        with exclusive(path.parent / PLACING):
            if not _is_set_aside(path, aside):
                return not path.exists()
    except OSError:  # the folder cannot be written
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _is_set_aside(path: Path, aside: Path) -> bool:
    """Rename a folder that nobody holds; False where somebody does."""
    held = try_lock(path / LOCK, shared=False)
    if held is None and (path / LOCK).exists():
        return False
    try:
        path.rename(aside)
    except OSError:  # Windows: open in a process
        return False
    finally:
        if held is not None:
            release(held)
    return True


def forget(folder: Path, keys: Iterable[str]) -> None:
    """Remove the stores and remembered folders with these names, except those in use.

    Args:
        folder: The voxel cache.
        keys: Names as of `cache_key`; anything else is left alone.
    """
    for key in keys:
        if _STORE.fullmatch(key):
            for path in (folder / key, folder / f"{key}.index.json"):
                if path.exists():
                    remove_entry(path)


def _remove_leftovers(folder: Path) -> None:
    for path in _listing(folder):
        if not _LEFTOVER.fullmatch(path.name):
            continue
        if GONE in path.name:
            shutil.rmtree(path, ignore_errors=True)
        elif _is_old(path) and _is_abandoned(path):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


def _is_old(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime >= YOUNG_S
    return False


def _is_abandoned(path: Path) -> bool:
    """Whether no living process writes there."""
    lock = path / LOCK
    if not path.is_dir() or not lock.exists():
        return True
    held = try_lock(lock, shared=False)
    if held is None:
        return False
    release(held)
    return True


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
    return path.stat().st_size


def _time_s(mark: Path, path: Path) -> float:
    return (mark if mark.exists() else path).stat().st_mtime
