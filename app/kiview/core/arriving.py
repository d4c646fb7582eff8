"""Dynamic images that can be looked at while their frames are still being read."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core.images import DynamicImage, FrameStore, ScaledFrameStore

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, eq=False)
class ArrivingImage:
    """A dynamic image of which some frames have been read.

    Attributes:
        image: All that is known of it; its store is an `ArrivingFrameStore`.
        frames: Frames that can be shown; they never become fewer.
    """

    image: DynamicImage
    frames: frozenset[int]


class ArrivingFrameStore(FrameStore):
    """Frames that one thread reads from files while others look at those that are there.

    Voxels of a frame that has not come are NaN, never a number. The reading thread lends the
    voxels and may take them back for a moment (Windows renames no file that is mapped); whoever
    looks then waits. When reading was given up every voxel is NaN.
    """

    def __init__(
        self, shape_tzyx: tuple[int, int, int, int], slope_tz: ArrayLike, intercept_tz: ArrayLike
    ) -> None:
        """Begin without any frame.

        Args:
            shape_tzyx: Frames, slices, rows, columns.
            slope_tz: Factor per (frame, slice), as for `ScaledFrameStore`.
            intercept_tz: Added after the slope, likewise.
        """
        self._shape = shape_tzyx
        self._slope_tz, self._intercept_tz = slope_tz, intercept_tz
        self._changed = threading.Condition()
        self._lent: ScaledFrameStore | None = None
        self._is_over = False
        self._readers = 0
        self._frames: frozenset[int] = frozenset()

    # For the thread that reads the files

    def lend(self, voxels: NDArray[Any]) -> None:
        """Let others look at voxels (t, z, y, x), as far as their frames have come."""
        with self._changed:
            self._lent = ScaledFrameStore(voxels, self._slope_tz, self._intercept_tz)
            self._changed.notify_all()

    def take_back(self) -> None:
        """Wait until nobody looks at the voxels and let go of them, until they are lent again."""
        with self._changed:
            self._changed.wait_for(lambda: not self._readers)
            self._lent = None

    def give_up(self) -> None:
        """There will be no more frames, and those that came are gone."""
        self.take_back()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def add(self, t: int) -> frozenset[int]:
        """Note that a frame is complete; returns all that are."""
        self._frames |= {t}
        return self._frames

    # For those who look

    @property
    def shape_tzyx(self) -> tuple[int, int, int, int]:
        """Number of frames, slices, rows, columns."""
        return self._shape

    @property
    def is_on_disk(self) -> bool:
        """Reading may wait for the disk or for the files."""
        return True

    def slab(self, z0: int, z1: int, frames: ArrayLike | None = None) -> NDArray[np.float32]:
        """Some slices of some frames, (frames, z1 - z0, y, x) float32; NaN where not read."""
        index = np.arange(self._shape[0]) if frames is None else np.asarray(frames)
        out = np.full((len(index), z1 - z0, *self._shape[2:]), np.nan, np.float32)
        for i, t in enumerate(index.tolist()):
            part = self._read(t, partial(_copied_slab, z0, z1, t))
            if part is not None:
                out[i] = part
        return out

    def plane(self, axis: int, index: int, t: int) -> NDArray[np.float32]:
        """One plane of one frame: axis 0 -> (y, x), 1 -> (z, x), 2 -> (z, y)."""
        part = self._read(t, lambda store: store.plane(axis, index, t))
        if part is None:
            sides = [side for place, side in enumerate(self._shape[1:]) if place != axis]
            return np.full(sides, np.nan, np.float32)
        return part

    def voxels_at(self, index_zyx: NDArray[np.intp], t: int) -> NDArray[np.float32]:
        """Values of single voxels of one frame, (..., 3) indices -> (...)."""
        part = self._read(t, lambda store: store.voxels_at(index_zyx, t))
        return np.full(index_zyx.shape[:-1], np.nan, np.float32) if part is None else part

    def curve(self, mask_zyx: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the masked voxels, each (t,); NaN where not read."""
        mean, std = np.full((2, self._shape[0]), np.nan)
        where = np.stack(np.unravel_index(np.flatnonzero(mask_zyx), mask_zyx.shape), axis=-1)
        for t in range(self._shape[0]):
            values = self.voxels_at(where, t).astype(np.float64)
            mean[t], std[t] = values.mean(), values.std()
        return mean, std

    def _read(self, t: int, read: Callable[[ScaledFrameStore], _Read]) -> _Read | None:
        """What `read` gives of a frame that is there, else None; it must keep no view."""
        if t not in self._frames:
            return None
        with self._changed:
            self._changed.wait_for(lambda: self._lent is not None or self._is_over)
            if self._lent is None:
                return None
            store = self._lent
            self._readers += 1
        try:
            return read(store)
        finally:
            del store
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()


def _copied_slab(z0: int, z1: int, t: int, store: ScaledFrameStore) -> NDArray[np.float32]:
    """Slices of a frame; a copy, since plain floats come as a view."""
    copied: NDArray[np.float32] = store.slab(z0, z1, [t])[0].copy()
    return copied
