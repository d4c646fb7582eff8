"""Zip archives unpacked into the voxel cache, where they stay as long as its limit allows.

A store is a folder named like that of voxels, by path, size and time of the archive, and readable
by its owner only: it holds what the archive holds. It is filled under a temporary name and renamed
when whole, so that a stop, a full disk or a kill leaves no half study; `cache_limit` removes what
a killed process left, and what was not used for longest. Whoever has a study of it open holds a
shared lock on its file `lock`.
"""

import contextlib
import json
import os
import re
import shutil
import sys
import uuid
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from kiview.core.errors import ReadError
from kiview.core.progress import Progress
from kiview.core.study import FileEntry
from kiview.io.cache_limit import (
    GONE,
    LOCK,
    PART,
    PLACING,
    cannot_write,
    remove_entry,
    require_room,
)
from kiview.io.file_lock import exclusive, release, share, try_lock
from kiview.io.folder_listing import regular_file
from kiview.io.frame_store import cache_key
from kiview.io.private import make_private_folder
from kiview.io.zip_content import MARK, Member, ZipContent, damaged, examine

FORMAT_VERSION = 1
SPARE_BYTES = 512 << 20
"""Left free on the disk."""
_FILES, _RECORD = "files", "archive.json"
_CHUNK = 4 << 20
_REPORT_EVERY = 100
_NAME = rf"{MARK}\d{{7}}(?:\.[a-z]+)*"
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)


class Hold:
    """Keeps an unpacked archive from being pruned as long as it lives."""

    __slots__ = ("__weakref__", "let_go")

    def __init__(self, held: int) -> None:
        """Take over a shared lock; `let_go` gives it back, as does the end of this object."""
        self.let_go = weakref.finalize(self, release, held)
        self.let_go.atexit = False


@dataclass(frozen=True, slots=True, eq=False)
class Unpacked:
    """An archive that was unpacked.

    Attributes:
        archive: The archive as a file, with its absolute path.
        folder: Folder of its files.
        names: Path of a file -> its name in the archive.
        unused: (name, reason) of members that were not unpacked.
        hold: To be kept as long as the files are needed.
    """

    archive: FileEntry
    folder: Path
    names: dict[str, str]
    unused: tuple[tuple[str, str], ...]
    hold: Hold
    _short: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Make the table of names for `told`."""
        self._short.update(
            {Path(path).name: name.rpartition("/")[2] for path, name in self.names.items()}
        )

    def discard(self) -> None:
        """Take the files away again, unless another process uses them."""
        self.hold.let_go()
        remove_entry(self.folder.parent)

    def shown(self, path: str) -> str:
        """A path as the user knows it: of the archive and the name in it."""
        return self.in_archive(self.names[path]) if path in self.names else path

    def in_archive(self, name: str) -> str:
        """A name in the archive as a path for people."""
        return str(Path(self.archive.path, *name.split("/")))

    def told(self, text: str) -> str:
        """A text with the names that files have in the archive."""
        folder = re.escape(str(self.folder))
        whole = re.sub(
            rf"{folder}[\\/]\d{{4}}[\\/]{_NAME}", lambda found: self.shown(found.group()), text
        )
        return re.sub(_NAME, lambda found: self._short.get(found.group(), found.group()), whole)


def unpack(archive: Path, cache_folder: Path, progress: Progress) -> Unpacked:
    """Unpack an archive, or find what was unpacked before.

    Args:
        archive: A zip file.
        cache_folder: The voxel cache; made if absent.
        progress: Told while unpacking; may raise `Cancelled`, and then nothing stays.

    Raises:
        ReadError: the archive cannot be unpacked, is damaged, or there is no room.
        UnsupportedDataError: it is encrypted or packed by a method that is not read.
    """
    content = examine(archive)
    entry = regular_file(Path(os.path.abspath(archive)))  # noqa: PTH100 - links stay
    if entry is None:
        raise ReadError(f"{archive} is no ordinary file.")
    store = cache_folder / cache_key([(entry.path, entry.size, entry.modified_ns)])
    held = _held_if_sound(store, content)
    if held is None:
        held = _fill(archive, entry, content, store, progress)
    hold = Hold(held)
    folder = store / _FILES
    names = {str(folder / member.place): member.name for member in content.members}
    return Unpacked(entry, folder, names, content.unused, hold)


def _held_if_sound(store: Path, content: ZipContent) -> int | None:
    """A shared lock on a store that holds every file of the archive, else None."""
    held = try_lock(store / LOCK, shared=True)
    if held is None:
        return None
    if not _is_sound(store, content):
        release(held)
        return None
    with contextlib.suppress(OSError):
        os.utime(store / LOCK)
    return held


def _is_sound(store: Path, content: ZipContent) -> bool:
    try:
        record = json.loads((store / _RECORD).read_text(encoding="utf-8"))
        if record != _record(content):
            return False
        return all(
            (store / _FILES / member.place).stat().st_size == member.size
            for member in content.members
        )
    except (OSError, ValueError, RecursionError):
        return False


def _record(content: ZipContent) -> dict[str, int | str]:
    return {"format_version": FORMAT_VERSION, "digest": content.digest}


def _fill(
    archive: Path, entry: FileEntry, content: ZipContent, store: Path, progress: Progress
) -> int:
    """Unpack beside the place of the store, put it there, and return a shared lock on it."""
    part = store.with_name(f"{store.name}{PART}{uuid.uuid4().hex[:8]}")
    held: int | None = None
    try:
        with _as_sentences(archive, store.parent):
            make_private_folder(store.parent)
            part.mkdir(mode=0o700)  # a folder that cannot be written is told as that
            held = try_lock(part / LOCK, shared=False, create=True)
            require_room(store.parent, content.size, f"{archive}, unpacked,", SPARE_BYTES)
            _write_members(archive, entry, content, part / _FILES, progress)
            (part / _RECORD).write_text(json.dumps(_record(content)), encoding="utf-8")
            with exclusive(store.parent / PLACING):
                placed = _held_if_sound(store, content)  # another process was faster
                if placed is None:
                    moved, held = held, None
                    placed = _put_in_place(part, store, moved)
        return placed
    finally:
        if held is not None:
            release(held)
        shutil.rmtree(part, ignore_errors=True)


def _put_in_place(part: Path, store: Path, held: int | None) -> int:
    """Give a whole store its name; takes over the lock and returns a shared one."""
    if store.exists():
        aside = store.with_name(f"{store.name}{GONE}{uuid.uuid4().hex[:8]}")
        store.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    if held is not None and sys.platform == "win32":  # an open file keeps its folder's name there
        release(held)
        held = None
    if held is not None:
        share(held)
    os.replace(part, store)  # noqa: PTH105 - the same on all systems
    if held is None:
        held = try_lock(store / LOCK, shared=True, create=True)
    if held is None:
        raise ReadError(f"The archive could not be kept in {store.parent}; open it again.")
    return held


def _write_members(
    archive: Path, entry: FileEntry, content: ZipContent, folder: Path, progress: Progress
) -> None:
    total, done = max(content.size, 1), 0
    folder.mkdir()
    for place in {member.place.partition("/")[0] for member in content.members}:
        (folder / place).mkdir()
    with ZipFile(archive) as opened:
        infos = opened.infolist()
        for count, member in enumerate(content.members):
            if count % _REPORT_EVERY == 0:
                progress.step(
                    done / total, f"Unpacking, file {count + 1} of {len(content.members)}"
                )
            target = folder / member.place
            with target.open("xb") as file:
                for size in _copy(opened, infos[member.number], member, file):
                    done += size
                    if size == _CHUNK:
                        progress.step(min(done / total, 1.0), f"Unpacking, {done / 1e6:.0f} MB")
            # The archive's time, so that voxels imported from here are found again later.
            os.utime(target, ns=(entry.modified_ns, entry.modified_ns))


def _copy(opened: ZipFile, info: ZipInfo, member: Member, file: BinaryIO) -> Iterator[int]:
    """Write one member in pieces; its checksum is compared at its end."""
    left = member.size
    with opened.open(info) as source:
        while piece := source.read(_CHUNK):
            left -= len(piece)
            if left < 0:
                raise zipfile.BadZipFile
            file.write(piece)
            yield len(piece)
    if left:
        raise zipfile.BadZipFile


@contextlib.contextmanager
def _as_sentences(archive: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise damaged(archive) from error
    except OSError as error:
        raise cannot_write(f"{archive} cannot be unpacked into {folder}", error) from error
