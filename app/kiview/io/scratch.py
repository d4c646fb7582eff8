"""Room for large results on the disk, so that they do not fill the memory."""

import os
import sys
import tempfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from kiview import paths
from kiview.io.private import make_private_folder

LARGE_BYTES = 256 << 20
"""Larger results lie on the disk: a map of a whole body takes 0.5 GB."""


class Room:
    """Float32 to write a result into: in memory when small, else a mapped file without a name.

    The file goes with the last view of the array, however the program ends. Its room on the disk
    is taken at once, because a map that meets a full disk would end the program. Where that is not
    possible (no room, a system that cannot promise it) the result is kept in memory.

    Attributes:
        values: The result; views of it outlive the room.
    """

    def __init__(self, shape: tuple[int, ...], folder: Path | None = None) -> None:
        """Take the room.

        Args:
            shape: Of the array.
            folder: Where the file is made; None takes the user's cache.
        """
        self.values: NDArray[np.float32]
        self._file: IO[bytes] | None = None
        size = 4 * int(np.prod(shape, dtype=np.int64))
        if size > LARGE_BYTES and sys.platform == "linux":
            self._file = _file_of(size, folder or paths.voxel_cache_dir())
        if self._file is None:
            self.values = np.empty(shape, np.float32)
        else:
            self.values = np.memmap(self._file, np.float32, "r+", shape=shape)

    def __enter__(self) -> "Room":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, index: tuple[int, ...], part: NDArray[np.float32]) -> None:
        """`values[index] = part`; on the disk four times faster than through the mapping.

        The mapping takes a fault for each new page, one thread at a time. Threads may write at
        once.

        Args:
            index: Along the first axes.
            part: All of what the other axes hold there, C-contiguous.
        """
        if self._file is None:
            self.values[index] = part
            return
        shape = self.values.shape
        start = int(np.ravel_multi_index(index, shape[: len(index)])) * part.nbytes
        _write_all(self._file.fileno(), part.reshape(-1).view(np.uint8).data, start)


def _file_of(size: int, place: Path) -> IO[bytes] | None:
    """A file without a name that has all its room, or None."""
    try:
        make_private_folder(place)
        file = tempfile.TemporaryFile(dir=place, prefix="kiview-")  # noqa: SIM115 - kept open
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except BaseException:
            file.close()
            raise
    except OSError:
        return None
    return file


def _write_all(descriptor: int, data: memoryview, start: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, start)
        data, start = data[written:], start + written
