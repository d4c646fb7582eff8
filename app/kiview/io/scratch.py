"""Room for large results on the disk, so that they do not fill the memory."""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kiview import paths

LARGE_BYTES = 256 << 20
"""Larger results lie on the disk: a map of a whole body takes 0.5 GB."""


def room_for(shape: tuple[int, ...], folder: Path | None = None) -> NDArray[np.float32]:
    """Float32 to write a result into: in memory when small, else a mapped file without a name.

    The file goes with the last view of the array, however the program ends. Its room on the disk
    is taken at once, because a map that meets a full disk would end the program. Where that is not
    possible (no room, a system that cannot promise it) the result is kept in memory.

    Args:
        shape: Of the array.
        folder: Where the file is made; None takes the user's cache.
    """
    size = 4 * int(np.prod(shape, dtype=np.int64))
    if size <= LARGE_BYTES or sys.platform != "linux":
        return np.empty(shape, np.float32)
    place = folder or paths.voxel_cache_dir()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place, prefix="kiview-") as file:
            os.posix_fallocate(file.fileno(), 0, size)
            mapped: NDArray[np.float32] = np.memmap(file, np.float32, "r+", shape=shape)
    except OSError:
        return np.empty(shape, np.float32)
    return mapped
