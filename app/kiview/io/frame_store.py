"""Voxels of imported studies: in memory, or in a memory-mapped file of the user's cache.

A store is a folder named by a hash of the source files' paths, sizes and times (never by patient
data) with `voxels.npy` (t, z, y, x) in the source's own type, for its owner only. It is written
under a temporary name and renamed, so that a half-written one is never opened. Whoever has the
voxels mapped holds a shared lock on the store's file `lock`, whose time of change is the time of
the last use: `cache_limit` removes what nobody holds.
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
import sys
import tokenize
import uuid
import weakref
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kiview.core.arriving import ArrivingFrameStore
from kiview.core.errors import ReadError
from kiview.io.cache_limit import GONE, LOCK, PART, PLACING, cannot_write, require_room
from kiview.io.file_lock import exclusive, release, share, try_lock
from kiview.io.private import make_private, make_private_folder

FORMAT_VERSION = 2
MEMORY_LIMIT_BYTES = 64 << 20
"""Larger series stay on disk, so that opening them again does not read the files again."""
_VOXELS, _RECORD = "voxels.npy", "store.json"
_SAMPLES, _SAMPLE_BYTES = 16, 4096

FileIdentity = tuple[str, int, int]
"""Path, bytes, time of last change in ns."""


@dataclass(frozen=True, slots=True)
class VoxelCache:
    """Where large series are kept.

    Attributes:
        folder: Folder of the cache; made when needed.
        memory_limit_bytes: Larger series go to disk.
    """

    folder: Path
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES

    def find(self, key: str) -> tuple[NDArray[Any], dict[str, Any]] | None:
        """Voxels and record of a series that was imported before, or None.

        A damaged store counts as none: the series is imported again in its place.

        Returns:
            (t, z, y, x) read-only memory map, and what was recorded with it. The store cannot be
            pruned while the map or a view of it lives.
        """
        return _mapped(self.folder / key)

    def create(
        self, key: str, shape_tzyx: tuple[int, int, int, int], dtype: DTypeLike
    ) -> "VoxelWriter":
        """Room for the voxels of a series: in memory when small, else on disk."""
        size = int(np.prod(shape_tzyx, dtype=np.int64)) * np.dtype(dtype).itemsize
        folder = None if size <= self.memory_limit_bytes else self.folder
        return VoxelWriter(key, shape_tzyx, np.dtype(dtype), folder)


def cache_key(files: Iterable[FileIdentity]) -> str:
    """Name of a store: SHA-256 over paths, sizes and times of the source files."""
    lines = [f"{path}\0{size}\0{modified_ns}" for path, size, modified_ns in files]
    text = "\n".join([f"kiview voxels {FORMAT_VERSION}", *lines])
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:40]


def identity(path: Path) -> FileIdentity:
    """What tells whether a file is still the same.

    Raises:
        ReadError: the file is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ReadError(f"{path} cannot be read any more ({error.strerror}).") from error
    return str(path), status.st_size, status.st_mtime_ns


def refuse_changed(files: Iterable[FileIdentity]) -> None:
    """Refuse files that are not as they were: their voxels may be of before and after.

    Args:
        files: As they were when their headers were read; a frame may follow the path after a zero.

    Raises:
        ReadError: a file was written to, exchanged or taken away since.
    """
    for path, (size, modified_ns) in {f[0].partition("\0")[0]: f[1:] for f in files}.items():
        if identity(Path(path))[1:] != (size, modified_ns):
            raise ReadError(
                f"{path} changed while it was read; wait until nothing writes there any more, then"
                " open the study again."
            )


def store_key(voxels: NDArray[Any]) -> str | None:
    """Name of the store that voxels are mapped from, or None for voxels in memory."""
    file = getattr(voxels, "filename", None)
    return Path(file).parent.name if isinstance(voxels, np.memmap) and file else None


def _mapped(folder: Path) -> tuple[NDArray[Any], dict[str, Any]] | None:
    """Voxels and record of a sound store, held against pruning; None where it is not sound."""
    held = try_lock(folder / LOCK, shared=True)
    if held is None:
        return None
    loaded = _load(folder)
    if loaded is None:
        release(held)
        return None
    with contextlib.suppress(OSError):
        os.utime(folder / LOCK)
    make_private(folder.parent, folder, folder / _VOXELS, folder / _RECORD)
    _hold_while_mapped(loaded[0], held)
    return loaded


def _load(folder: Path) -> tuple[np.memmap[Any, Any], dict[str, Any]] | None:
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        voxels = np.load(folder / _VOXELS, mmap_mode="r", allow_pickle=False)
        if not isinstance(record, dict) or record.get("format_version") != FORMAT_VERSION:
            return None
        if voxels.ndim != 4 or list(voxels.shape) != record.get("shape_tzyx"):
            return None
        is_sound = record.pop("checksum", None) == _checksum(record, voxels)
    except (OSError, ValueError, RecursionError, EOFError, SyntaxError, tokenize.TokenError):
        return None  # the last three: numpy, on a damaged header of its file
    return (voxels, record) if is_sound else None


def _checksum(record: Mapping[str, Any], voxels: NDArray[Any]) -> int:
    """CRC-32 of the record and of pieces spread over the voxels.

    Finds a store that lost pages or its end; it does not find a single changed voxel.
    """
    crc = zlib.crc32(json.dumps(record, sort_keys=True).encode("utf-8"))
    flat = voxels.reshape(-1)
    length = min(len(flat), max(1, _SAMPLE_BYTES // voxels.itemsize))
    for start in np.linspace(0, len(flat) - length, _SAMPLES).astype(np.int64).tolist():
        crc = zlib.crc32(np.ascontiguousarray(flat[start : start + length]).tobytes(), crc)
    return crc


def _hold_while_mapped(voxels: NDArray[Any], held: int) -> None:
    """Keep a lock until the last view of mapped voxels is gone."""
    owner = getattr(voxels, "_mmap", None)
    weakref.finalize(voxels if owner is None else owner, release, held).atexit = False


class VoxelWriter:
    """Takes the voxels of one series; use it in a `with` statement.

    Leaving it without `finish` throws everything away.
    """

    def __init__(
        self,
        key: str,
        shape_tzyx: tuple[int, int, int, int],
        dtype: np.dtype[Any],
        folder: Path | None,
    ) -> None:
        """Make room.

        Args:
            key: Name of the store.
            shape_tzyx: Frames, slices, rows, columns.
            dtype: Type of the voxels in the source.
            folder: Cache folder, or None to keep them in memory.

        Raises:
            ReadError: there is no room on disk or the folder cannot be written.
        """
        self._target = None if folder is None else folder / key
        self._part = None if folder is None else folder / f"{key}{PART}{uuid.uuid4().hex[:8]}"
        self._held: int | None = None
        self._file: BinaryIO | None = None
        self._borrower: ArrivingFrameStore | None = None
        self.voxels: NDArray[Any] = np.empty((0, 0, 0, 0), dtype)
        if self._part is None:
            self.voxels = np.empty(shape_tzyx, dtype)
            return
        try:
            # A folder that cannot be written is told as that.
            make_private_folder(self._part.parent)
            make_private_folder(self._part)
            self._held = try_lock(self._part / LOCK, shared=False, create=True)
            size = math.prod(shape_tzyx) * dtype.itemsize
            require_room(self._part.parent, size, "The study")
            path = self._part / _VOXELS
            np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape_tzyx)
            make_private(path)
            self.voxels = np.load(path, mmap_mode="r", allow_pickle=False)
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            self._discard()
            raise self._cannot_store(error) from error
        except ReadError:
            self._discard()
            raise

    def __enter__(self) -> "VoxelWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._discard()

    @property
    def is_on_disk(self) -> bool:
        """Whether the voxels are many, so that reading them takes a while."""
        return self._part is not None

    def lend(self, borrower: ArrivingFrameStore) -> None:
        """Let others look at the voxels while they are written, and afterwards."""
        self._borrower = borrower
        borrower.lend(self.voxels)

    def put(self, t: int, z: int, slices: NDArray[Any]) -> None:
        """Keep some slices of a frame.

        They are written, not copied into the map: where the disk is full that is an error, while
        the map would end the program.

        Args:
            t: Frame.
            z: First slice.
            slices: (y, x), or (n, y, x) for slices that follow each other.

        Raises:
            ReadError: there is no room on disk any more.
        """
        if self._file is None:
            self.voxels[t, z : z + (1 if slices.ndim == 2 else len(slices))] = slices
            return
        voxels: Any = self.voxels
        place = (t * voxels.shape[1] + z) * voxels.strides[1]
        data = np.ascontiguousarray(slices, voxels.dtype).data.cast("B")
        try:
            self._file.seek(voxels.offset + place)
            while data:  # a disk that fills up takes a part first
                data = data[self._file.write(data) :]
        except OSError as error:
            raise self._cannot_store(error) from error

    def finish(self, record: dict[str, Any]) -> NDArray[Any]:
        """Make the store valid.

        Args:
            record: Kept beside the voxels (JSON-like), found again by `VoxelCache.find`.

        Returns:
            The voxels, read-only and memory-mapped when on disk.
        """
        if self._part is None or self._target is None or self._file is None:
            return self.voxels
        shape = [int(n) for n in self.voxels.shape]
        kept = {**record, "format_version": FORMAT_VERSION, "shape_tzyx": shape}
        text = json.dumps({**kept, "checksum": _checksum(kept, self.voxels)})
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            (self._part / _RECORD).write_text(text, encoding="utf-8")
            make_private(self._part / _RECORD)
            with exclusive(self._target.parent / PLACING):
                voxels = self._put_in_place(self._part, self._target)
        except OSError as error:
            raise self._cannot_store(error) from error
        if self._borrower is not None:
            self._borrower.lend(voxels)
            self._borrower = None
        return voxels

    def _put_in_place(self, part: Path, target: Path) -> NDArray[Any]:
        """Give the store its name, unless another process did so meanwhile."""
        other = _mapped(target)
        if other is not None:
            return other[0]
        if target.exists():
            aside = target.with_name(f"{target.name}{GONE}{uuid.uuid4().hex[:8]}")
            target.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        if self._borrower is not None:
            self._borrower.take_back()
        self.voxels = np.empty((0, 0, 0, 0), self.voxels.dtype)  # Windows renames closed files only
        if sys.platform == "win32":
            self._let_go()
        elif self._held is not None:
            share(self._held)
        os.replace(part, target)  # noqa: PTH105 - the same on all systems
        self._part = None
        voxels: NDArray[Any] = np.load(target / _VOXELS, mmap_mode="r", allow_pickle=False)
        held = try_lock(target / LOCK, shared=True) if self._held is None else self._held
        self._held = None
        if held is not None:
            _hold_while_mapped(voxels, held)
        return voxels

    def _discard(self) -> None:
        if self._borrower is not None:
            self._borrower.give_up()
            self._borrower = None
        if self._file is not None:
            self._file.close()
        self.voxels = np.empty((0, 0, 0, 0), self.voxels.dtype)
        if self._part is not None:
            shutil.rmtree(self._part, ignore_errors=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._held is not None:
            release(self._held)
            self._held = None

    def _cannot_store(self, error: OSError) -> ReadError:
        place = "" if self._target is None else f" in {self._target.parent}"
        return cannot_write(f"The voxels cannot be stored{place}", error)
