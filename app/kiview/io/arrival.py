"""Show the frames of a series while the others are still being read."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kiview.core.arriving import ArrivingFrameStore, ArrivingImage
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import Progress
from kiview.io.frame_store import VoxelWriter


class Arrival:
    """Counts the slices that came and offers the image with each frame that became whole."""

    def __init__(self, image: DynamicImage | None, writer: VoxelWriter, progress: Progress) -> None:
        """Offer nothing yet.

        Args:
            image: What is known before the voxels are read, with zeros scaled as the voxels will
                be; None to show nothing. What is small or has one frame is not shown early.
            writer: Takes the voxels.
            progress: Where the image is offered.
        """
        self._progress = progress
        self._image: DynamicImage | None = None
        if image is None or not image.is_dynamic or not writer.is_on_disk:
            return
        scaled = image.store
        if not isinstance(scaled, ScaledFrameStore):
            raise TypeError("what is shown early needs the scale of its voxels")
        shape = scaled.shape_tzyx
        self._store = ArrivingFrameStore(shape, scaled.slope_tz, scaled.intercept_tz)
        self._missing = np.full(shape[0], shape[1])
        self._image = replace(image, store=self._store)
        writer.lend(self._store)

    def add(self, t: int, slice_count: int = 1) -> None:
        """Some slices of a frame are in the writer now."""
        if self._image is None:
            return
        self._missing[t] -= slice_count
        if self._missing[t] == 0:
            self._progress.offer(ArrivingImage(self._image, self._store.add(t)))


def without_voxels(shape_tzyx: tuple[int, int, int, int], dtype: DTypeLike) -> NDArray[Any]:
    """Zeros in place of voxels that are not read yet; they take no memory."""
    zeros: NDArray[Any] = np.broadcast_to(np.zeros((), dtype), shape_tzyx)
    return zeros
