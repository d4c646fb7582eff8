"""Pages of mapped files, fetched in the order in which they lie on the disk."""

import mmap
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

_POPULATE_READ = 22
"""MADV_POPULATE_READ of Linux 5.14 and later (madvise(2)); Python has no name for it yet."""
_PIECE_BYTES = 1 << 20
"""The call holds the interpreter: a slow disk gives 1 MB in some ms."""


def fetch(voxels: NDArray[Any]) -> None:
    """Bring contiguous voxels of a mapped file into memory, if they are not there.

    A plane across the slices takes a little of nearly every page. Fetching them as it comes across
    them reads the disk in leaps, several times slower than reading all of them in their order.
    Voxels in memory, and systems that cannot do it, are left as they are: it only costs time.

    Args:
        voxels: Part of a mapped array, or any other array.
    """
    mapped = getattr(voxels, "_mmap", None)
    if sys.platform != "linux" or mapped is None or not voxels.flags.c_contiguous:
        return
    begin = voxels.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    start = begin - begin % mmap.PAGESIZE
    try:
        for at in range(start, begin + voxels.nbytes, _PIECE_BYTES):
            mapped.madvise(_POPULATE_READ, at, min(_PIECE_BYTES, begin + voxels.nbytes - at))
    except OSError:  # an older system, or the disk is gone: reading will tell
        return
