"""Every file of a folder tree once, without looking into it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kiview.core.errors import ReadError
from kiview.core.progress import Progress
from kiview.core.study import FileEntry

MOST_FILES = 2_000_000
"""More files than this are no study but a disk."""


def list_files(
    root: Path, progress: Progress
) -> tuple[tuple[FileEntry, ...], tuple[tuple[str, str], ...]]:
    """Every regular file of a folder tree once, and (path, reason) of what cannot be looked at.

    Links are followed, loops are not.

    Raises:
        ReadError: there are more files than a study can have.
    """
    entries, unused = [], []
    for item in _walk(root, progress):
        if isinstance(item, FileEntry):
            entries.append(item)
        else:
            unused.append(item)
    return tuple(entries), tuple(unused)


def _walk(root: Path, progress: Progress) -> Iterator[FileEntry | tuple[str, str]]:
    """Every regular file once, in order of names; links are followed, loops are not."""
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    count = 0
    while waiting:
        folder = waiting.pop()
        try:
            identity = folder.stat()
            with os.scandir(folder) as listing:
                names = sorted(listing, key=lambda item: item.name)
        except OSError as error:
            yield str(folder), f"folder cannot be read ({error.strerror or 'unknown reason'})"
            continue
        if (identity.st_dev, identity.st_ino) in seen and identity.st_ino:
            yield str(folder), "a link to a folder that was already read"
            continue
        seen.add((identity.st_dev, identity.st_ino))
        below: list[Path] = []
        for item in names:
            count += 1
            if count % 5000 == 0:
                progress.step(None, f"Looking through folders, {count} files")
            if count > MOST_FILES:
                raise ReadError(f"{root} holds more than {MOST_FILES} files; open one study.")
            found = look_at(item, seen)
            if isinstance(found, Path):
                below.append(found)
            elif found is not None:
                yield found
        waiting.extend(reversed(below))


def look_at(
    item: "os.DirEntry[str]", seen: set[tuple[int, int]]
) -> FileEntry | Path | tuple[str, str] | None:
    """What an item of a folder is: a file, a folder, or (path, reason) why it is neither."""
    try:
        status = item.stat()
    except OSError as error:
        return item.path, f"cannot be read ({error.strerror or 'unknown reason'})"
    if stat.S_ISDIR(status.st_mode):
        return Path(item.path)
    if not stat.S_ISREG(status.st_mode):
        return item.path, "no ordinary file"
    if item.is_symlink() or status.st_nlink > 1:
        identity = (status.st_dev, status.st_ino)
        if identity in seen and status.st_ino:
            return item.path, "a link to a file that was already read"
        seen.add(identity)
    return FileEntry(item.path, status.st_size, status.st_mtime_ns)


def regular_file(path: Path) -> FileEntry | None:
    """One file as an entry, or None where it is no ordinary file."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return None
    return FileEntry(str(path), status.st_size, status.st_mtime_ns)
