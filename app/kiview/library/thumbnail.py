"""The small picture of a study in the list: the brightest of each line of sight from the front."""

import numpy as np
from numpy.typing import NDArray

from kiview.core.images import DynamicImage
from kiview.core.progress import Progress
from kiview.core.reslice import ArraySource, Plane, Reslicer
from kiview.library.records import Thumbnail

MOST_WIDTH, MOST_HEIGHT = 64, 96
"""Pixels of a thumbnail at most."""
SUV_BLACK = 7.0
"""SUV drawn black; without SUV it is what one voxel in two hundred exceeds."""
_BRIGHT_SHARE = 0.995


def thumbnail_of(image: DynamicImage, progress: Progress) -> Thumbnail:
    """Coronal maximum projection of the last frame, head up, patient's right at the left.

    An oblique image gives its middle coronal slice. Reads about two hundred slices.

    Args:
        image: Any image.
        progress: Told per slice; may raise `Cancelled`.
    """
    reslicer = Reslicer(image.geometry)
    values = _projection(image, reslicer, progress).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    factor = image.suv_factor
    black = SUV_BLACK / factor if factor else float(np.quantile(values, _BRIGHT_SHARE))
    share = np.clip(values / black, 0, 1) if black > 0 else np.zeros_like(values)
    grid = reslicer.grid(Plane.CORONAL)
    small = _resized(share, grid.row_mm * grid.shape[0], grid.column_mm * grid.shape[1])
    grey = np.rint(255 * (1 - small)).astype(np.uint8)
    return Thumbnail(grey.shape[1], grey.shape[0], grey.tobytes())


def _projection(image: DynamicImage, reslicer: Reslicer, progress: Progress) -> NDArray[np.float32]:
    """(rows, columns) upright for the screen."""
    last = image.frame_count - 1
    if not reslicer.is_aligned:
        source = ArraySource(image.store.frame(last), image.geometry)
        middle = reslicer.slice_count(Plane.CORONAL) // 2
        return reslicer.read(source, Plane.CORONAL, middle).values
    axis, _ = reslicer.voxel_plane(Plane.CORONAL, 0)
    count = image.geometry.shape_zyx[0]
    indices = range(0, count, max(1, count // (2 * MOST_HEIGHT)))
    rows: list[NDArray[np.float32]] = []
    for number, z in enumerate(indices):
        progress.step(number / len(indices), "Making the picture for the list")
        plane = image.store.plane(0, z, last)
        if axis == 0:
            rows = [np.fmax(rows[0], plane)] if rows else [plane]
        else:
            rows.append(np.fmax.reduce(plane, axis=axis - 1))
    return reslicer.upright(rows[0] if axis == 0 else np.stack(rows), Plane.CORONAL)


def _resized(share: NDArray[np.float64], height_mm: float, width_mm: float) -> NDArray[np.float64]:
    """The picture with square pixels, as large as fits; the brightest of what a pixel covers."""
    pixel_mm = max(height_mm / MOST_HEIGHT, width_mm / MOST_WIDTH)
    rows = max(1, round(height_mm / pixel_mm))
    columns = max(1, round(width_mm / pixel_mm))
    return _brightest(_brightest(share, rows).T, columns).T


def _brightest(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The first axis in `count` equal parts, the largest value of each."""
    edges = np.arange(count + 1) * len(values) / count
    first = np.floor(edges[:-1]).astype(int)
    last = np.maximum(np.ceil(edges[1:]).astype(int), first + 1)
    return np.stack([values[a:b].max(axis=0) for a, b in zip(first, last, strict=True)])
