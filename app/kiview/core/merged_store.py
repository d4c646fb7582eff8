"""Frames that are weighted sums of other frames, worked out when they are read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.images import FrameStore

_IN_PLANE = 0  # axis that a slice is taken along


class MergedFrameStore(FrameStore):
    """Each frame is a weighted sum of frames of another store; nothing is kept.

    Sums are made in double precision from the source's own voxels, one slice at a time, so memory
    does not grow with the number of frames. Frames of one source frame are handed through.
    """

    def __init__(
        self,
        source: FrameStore,
        groups: Sequence[Sequence[int]],
        weights: Sequence[NDArray[np.float64]],
    ) -> None:
        """Keep references.

        Args:
            source: Where voxels come from.
            groups: Frames of the source that make up each frame, at least one.
            weights: Of those, (n,) or per slice (n, z).

        Raises:
            InvalidInputError: a frame has no source frame, or weights of another number.
        """
        if not groups or any(
            not group or len(group) != len(weight)
            for group, weight in zip(groups, weights, strict=True)
        ):
            raise InvalidInputError("A merged frame needs frames, and one weight for each.")
        self._source = source
        self._groups = [np.asarray(group, np.intp) for group in groups]
        depth = source.shape_tzyx[1]
        self._weights = [
            np.broadcast_to(weight.reshape(len(weight), -1), (len(weight), depth))
            for weight in weights
        ]

    @property
    def shape_tzyx(self) -> tuple[int, int, int, int]:
        """Number of frames, slices, rows, columns."""
        _, z, y, x = self._source.shape_tzyx
        return len(self._groups), z, y, x

    @property
    def is_on_disk(self) -> bool:
        """Whether the source's voxels are memory-mapped."""
        return self._source.is_on_disk

    def parts_of(self, t: int) -> int:
        """Stored frames that have to be read for one frame."""
        return sum(self._source.parts_of(int(s)) for s in self._groups[t])

    def slab(self, z0: int, z1: int, frames: ArrayLike | None = None) -> NDArray[np.float32]:
        """Some slices of some frames, (frames, z1 - z0, y, x) float32."""
        index = np.arange(len(self._groups)) if frames is None else np.asarray(frames)
        singles = self._single_sources(index)
        if singles is not None:
            return self._source.slab(z0, z1, singles)
        out = np.empty((len(index), z1 - z0, *self._source.shape_tzyx[2:]), np.float32)
        for i, t in enumerate(index):
            for z in range(z0, z1):
                out[i, z - z0] = self._slice(z, int(t))
        return out

    def stored_slice(
        self, z: int, frames: NDArray[np.intp]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        """One slice; as the source stores it where every frame is one of the source."""
        singles = self._single_sources(frames)
        if singles is not None:
            return self._source.stored_slice(z, singles)
        return super().stored_slice(z, frames)

    def plane(self, axis: int, index: int, t: int) -> NDArray[np.float32]:
        """One plane of one frame: axis 0 -> (y, x), 1 -> (z, x), 2 -> (z, y)."""
        group, weights = self._groups[t], self._weights[t]
        if len(group) == 1:
            return self._source.plane(axis, index, int(group[0]))
        if axis == _IN_PLANE:
            return self._slice(index, t).astype(np.float32)
        total = 0.0
        for source, weight_z in zip(group, weights, strict=True):
            total = total + self._source.plane(axis, index, int(source)) * weight_z[:, None]
        return np.asarray(total, np.float32)

    def voxels_at(self, index_zyx: NDArray[np.intp], t: int) -> NDArray[np.float32]:
        """Values of single voxels of one frame, (..., 3) indices -> (...)."""
        return self._at(index_zyx, t).astype(np.float32)

    def curve(self, mask_zyx: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the masked voxels in every frame, each (t,)."""
        index = np.argwhere(mask_zyx)
        mean = np.empty(len(self._groups))
        std = np.empty_like(mean)
        for t in range(len(mean)):
            values = self._at(index, t)
            mean[t], std[t] = values.mean(), values.std()
        return mean, std

    def _single_sources(self, frames: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """Source frames where each of these frames is one of them, else None."""
        if any(len(self._groups[int(t)]) > 1 for t in frames):
            return None
        return np.array([self._groups[int(t)][0] for t in frames], np.intp)

    def _slice(self, z: int, t: int) -> NDArray[np.float64]:
        """One slice of one frame, (y, x)."""
        weight = self._weights[t][:, z]
        voxels, slope, intercept = self._source.stored_slice(z, self._groups[t])
        total = np.full(voxels.shape[1:], float(weight @ intercept))
        for stored, factor in zip(voxels, weight * slope, strict=True):
            total += np.multiply(stored, factor, dtype=np.float64)
        return total

    def _at(self, index_zyx: NDArray[np.intp], t: int) -> NDArray[np.float64]:
        """Values of single voxels of one frame in double precision."""
        z = index_zyx[..., 0]
        total = np.zeros(index_zyx.shape[:-1])
        for source, weight_z in zip(self._groups[t], self._weights[t], strict=True):
            total += self._source.voxels_at(index_zyx, int(source)) * weight_z[z]
        return total
