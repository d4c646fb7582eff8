"""Voxels of imported studies: in memory, or in a memory-mapped file of the user's cache.

A store is a folder named by a hash of the source files' paths, sizes and times (never by patient
data) with `voxels.npy` (t, z, y, x) in the source's own type. It is written under a temporary name
and renamed, so that a half-written one is never opened.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kiview.core.errors import ReadError

FORMAT_VERSION = 1
MEMORY_LIMIT_BYTES = 1_000_000_000
"""Larger series stay on disk."""
_VOXELS, _RECORD = "voxels.npy", "store.json"

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

        Returns:
            (t, z, y, x) read-only memory map, and what was recorded with it.
        """
        folder = self.folder / key
        try:
            record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
            voxels = np.load(folder / _VOXELS, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(record, dict) or record.get("format_version") != FORMAT_VERSION:
            return None
        if voxels.ndim != 4 or list(voxels.shape) != record.get("shape_tzyx"):
            return None
        return voxels, record

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
        self._part = None if folder is None else folder / f"{key}.part-{uuid.uuid4().hex[:8]}"
        if self._part is None:
            self.voxels: NDArray[Any] = np.empty(shape_tzyx, dtype)
            return
        try:
            self._refuse_full_disk(self._part.parent, int(np.prod(shape_tzyx)) * dtype.itemsize)
            self._part.mkdir(parents=True)
            self.voxels = np.lib.format.open_memmap(
                self._part / _VOXELS, mode="w+", dtype=dtype, shape=shape_tzyx
            )
        except OSError as error:
            self._discard()
            raise ReadError(
                f"The voxels cannot be stored in {self._part.parent} ({error.strerror or error});"
                " make room there or choose another cache folder."
            ) from error

    def __enter__(self) -> "VoxelWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._discard()

    def finish(self, record: dict[str, Any]) -> NDArray[Any]:
        """Make the store valid.

        Args:
            record: Kept beside the voxels (JSON-like), found again by `VoxelCache.find`.

        Returns:
            The voxels, read-only and memory-mapped when on disk.
        """
        if self._part is None or self._target is None:
            return self.voxels
        shape = [int(n) for n in self.voxels.shape]
        text = json.dumps({**record, "format_version": FORMAT_VERSION, "shape_tzyx": shape})
        try:
            self.voxels.flush()  # type: ignore[attr-defined]  # a memmap here
            (self._part / _RECORD).write_text(text, encoding="utf-8")
            shutil.rmtree(self._target, ignore_errors=True)
            os.replace(self._part, self._target)  # noqa: PTH105 - the same on all systems
            voxels: NDArray[Any] = np.load(self._target / _VOXELS, mmap_mode="r")
        except OSError as error:
            raise ReadError(f"The voxels cannot be stored ({error.strerror or error}).") from error
        self._part = None
        return voxels

    def _discard(self) -> None:
        if self._part is not None:
            shutil.rmtree(self._part, ignore_errors=True)

    @staticmethod
    def _refuse_full_disk(folder: Path, size: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise ReadError(
                f"The study needs {size / 1e9:.1f} GB in {folder} but only {free / 1e9:.1f} GB are"
                " free; make room there."
            )
