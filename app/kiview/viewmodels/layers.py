"""What is shown beside each other: frames, maps and differences as layers."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ParametricMap
from kiview.core.reslice import (
    LARGE_FILE_BYTES,
    ArraySource,
    Plane,
    PlaneImage,
    Reslicer,
    VoxelSource,
    sample_linear,
    value_at,
)
from kiview.core.units import SUV_BW, Quantity
from kiview.core.voxel_box import VoxelBox
from kiview.viewmodels.marks import is_untied, marks
from kiview.viewmodels.missing_values import by_you

PLANES_KEPT = 24
"""Planes kept per layer, so that another window or frame bar redraw reads nothing again."""

DIFFERENCE_PREFIX = "d"
SLOW_SUM_VOXELS = 1_500_000
"""Voxels of all summed planes above which a sum is read in the background."""
SLOW_RESAMPLED_PIXELS = 60_000
"""Pixels above which a resampled plane is computed in the background."""
_WINDOW_PERCENTILE = 99.5


@dataclass(frozen=True, slots=True)
class DisplayWindow:
    """Values shown as the first and the last colour, in the unit on screen.

    Raises:
        InvalidInputError: low is not below high.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InvalidInputError(
                f"The window needs a lower end below its upper end, not {self.low:g} to"
                f" {self.high:g}."
            )


@dataclass(frozen=True, slots=True)
class ShownFrames:
    """Which frames the image column shows.

    Attributes:
        indices: One frame, or several to be averaged by duration.
        name: `early` or `late` or another name of the sum, empty for one frame.
    """

    indices: tuple[int, ...]
    name: str = ""

    @property
    def is_sum(self) -> bool:
        """Whether frames are averaged."""
        return len(self.indices) > 1 or bool(self.name)


class FrameSource(VoxelSource):
    """One frame of a dynamic image, or the duration-weighted mean of some, in SUV if known."""

    def __init__(self, image: DynamicImage, frames: tuple[int, ...]) -> None:
        """Prepare the weights; voxels are read plane by plane."""
        self._image = image
        self._frames = frames
        duration = image.timing.duration_s[list(frames)]
        if duration.ndim == 1:
            duration = np.repeat(duration[:, None], image.geometry.shape_zyx[0], axis=1)
        factor = image.suv_factor if image.suv_factor is not None else 1.0
        self._weight_tz = (factor * duration / duration.sum(axis=0)).astype(np.float32)

    @property
    def geometry(self) -> VolumeGeometry:
        """Grid of the voxels."""
        return self._image.geometry

    @property
    def is_slow(self) -> bool:
        """Whether a large file or many large planes have to be read."""
        z, y, x = self.geometry.shape_zyx
        on_disk = self._image.store.is_on_disk and 2 * z * y * x > LARGE_FILE_BYTES
        parts = sum(self._image.store.parts_of(t) for t in self._frames)
        return on_disk or parts * z * max(y, x) > SLOW_SUM_VOXELS

    def plane(self, axis: int, index: int) -> NDArray[np.float32]:
        """One plane of the grid, averaged over the frames."""
        rows = slice(index, index + 1) if axis == 0 else slice(None)
        total: NDArray[np.float32] | None = None
        for weight_z, t in zip(self._weight_tz, self._frames, strict=True):
            part = self._image.store.plane(axis, index, t)
            if not (weight_z == 1).all():
                part = part * weight_z[rows, None]
            total = part if total is None else total + part
        return np.asarray(total)

    def voxels_at(self, index_zyx: NDArray[np.intp]) -> NDArray[np.float32]:
        """Values of single voxels, averaged over the frames."""
        z = index_zyx[..., 0]
        total = np.zeros(index_zyx.shape[:-1], np.float32)
        for weight_z, t in zip(self._weight_tz, self._frames, strict=True):
            total += self._image.store.voxels_at(index_zyx, t) * weight_z[z]
        return total


class DifferenceSource(VoxelSource):
    """A volume minus a reference, on the grid of the reference."""

    def __init__(self, volume: VoxelSource, reference: VoxelSource) -> None:
        """Decide whether the volume has to be resampled (linear interpolation)."""
        self._volume = volume
        self._reference = reference
        self._same_grid = reference.geometry.matches(volume.geometry)

    @property
    def geometry(self) -> VolumeGeometry:
        """Grid of the reference."""
        return self._reference.geometry

    @property
    def is_slow(self) -> bool:
        """Whether one of the two is, or much has to be resampled."""
        z, y, x = self.geometry.shape_zyx
        resamples_much = not self._same_grid and z * max(y, x) > SLOW_RESAMPLED_PIXELS
        return resamples_much or self._volume.is_slow or self._reference.is_slow

    def plane(self, axis: int, index: int) -> NDArray[np.float32]:
        """Difference on one plane of the grid."""
        reference = self._reference.plane(axis, index)
        if self._same_grid:
            return np.asarray(self._volume.plane(axis, index) - reference)
        where = np.indices(reference.shape).transpose(1, 2, 0)
        return self._resampled(np.insert(where, axis, index, axis=-1)) - reference

    def voxels_at(self, index_zyx: NDArray[np.intp]) -> NDArray[np.float32]:
        """Difference of single voxels."""
        return self._resampled(index_zyx) - self._reference.voxels_at(index_zyx)

    def _resampled(self, index_zyx: NDArray[np.intp]) -> NDArray[np.float32]:
        if self._same_grid:
            return self._volume.voxels_at(index_zyx)
        return sample_linear(self._volume, self.geometry.to_lps_mm(index_zyx))


class PlaneCache:
    """Planes of one source, upright for the screen; the most recently used are kept.

    Attributes:
        source: Where the voxels come from.
        reslicer: Finds the planes in its grid.
        unreadable: Slices whose file could not be read.
        last_shown: Slice of each plane that was shown last, to see which way it is scrolled.
    """

    def __init__(self, source: VoxelSource) -> None:
        """Start empty."""
        self.source = source
        self.reslicer = Reslicer(source.geometry)
        self.unreadable: set[tuple[Plane, int]] = set()
        self.last_shown: dict[Plane, int] = {}
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Plane, int], PlaneImage] = OrderedDict()

    @property
    def is_slow(self) -> bool:
        """Whether planes are better read beside the window's thread."""
        rows, columns = self.reslicer.grid(Plane.CORONAL).shape
        resamples_much = not self.reslicer.is_aligned and rows * columns > SLOW_RESAMPLED_PIXELS
        return resamples_much or self.source.is_slow

    def read(self, plane: Plane, position_mm: float) -> PlaneImage:
        """The slice nearest to a position along the plane's normal, at once."""
        index = self.reslicer.slice_index(plane, position_mm)
        kept = self.kept(plane, index)
        if kept is None:
            kept = self.reslicer.read(self.source, plane, index)
            self.keep(plane, index, kept)
        return kept

    def kept(self, plane: Plane, index: int) -> PlaneImage | None:
        """A slice that was read before, if it is still kept."""
        with self._lock:
            image = self._kept.get((plane, index))
            if image is not None:
                self._kept.move_to_end((plane, index))
            return image

    def keep(self, plane: Plane, index: int, image: PlaneImage) -> None:
        """Keep a slice; the one not used for longest goes."""
        with self._lock:
            self._kept[plane, index] = image
            if len(self._kept) > PLANES_KEPT:
                self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One column: an image or a map, with what has to be said about it.

    Attributes:
        key: Stable name within the window, for example `image`, `patlak`, `network`.
        title: Headline, for example `Patlak Ki`.
        short_title: One word for the cursor line, for example `Patlak`.
        quantity: Meaning and unit of the values.
        planes: Where its slices come from.
        method: How it was made, for example `30-60 min`; empty for frames.
        stale: Whether an input changed since it was computed.
        previewed: Whether it only shows what a run would give.
        modified: Whether the weights of its network differ from the installed ones.
        untied: Whether its network map was not made consistent with Patlak.
        previewed_boxes: What of it is previewed, while that is less than the planes shown.
        note: Named mismatch with the map beside it, or other warning; empty if none.
        entered: Values that the user entered for the study it is from, in one line; or empty.
        pending: Whether its frames have not been read yet, so that there is nothing to show.
        spread: Standard deviation of the values, on their grid, where the run gave one.
    """

    key: str
    title: str
    short_title: str
    quantity: Quantity
    planes: PlaneCache
    method: str = ""
    stale: bool = False
    modified: bool = False
    untied: bool = False
    previewed: bool = False
    previewed_boxes: tuple[VoxelBox, ...] = ()
    note: str = ""
    entered: str = ""
    pending: bool = False
    spread: VoxelSource | None = None

    @property
    def geometry(self) -> VolumeGeometry:
        """Grid of the voxels."""
        return self.planes.source.geometry

    @property
    def marks(self) -> tuple[str, ...]:
        """Warnings in one word each."""
        return marks(
            modified=self.modified,
            untied=self.untied,
            previewed=self.previewed,
            stale=self.stale,
        )

    @property
    def is_difference(self) -> bool:
        """Whether zero is in the middle of its colours."""
        return isinstance(self.planes.source, DifferenceSource)

    def value_at(self, position_lps_mm: NDArray[np.float64]) -> float | None:
        """Value under a position; None outside, NaN where nothing was fitted."""
        return value_at(self.planes.source, position_lps_mm)

    def spread_at(self, position_lps_mm: NDArray[np.float64]) -> float | None:
        """Standard deviation of that value; None outside and where none is known."""
        spread = None if self.spread is None else value_at(self.spread, position_lps_mm)
        return spread if spread is not None and np.isfinite(spread) else None


def image_layer(image: DynamicImage, frames: ShownFrames) -> Layer:
    """Layer of a frame or a sum of frames; in SUV when the factor is known."""
    quantity = SUV_BW if image.suv_factor is not None else image.quantity
    title = "SUV" if quantity == SUV_BW else quantity.label
    source = FrameSource(image, frames.indices)
    entered = by_you(image.user_given)
    return Layer("image", title, title, quantity, PlaneCache(source), entered=entered)


def map_layer(
    key: str,
    parametric_map: ParametricMap,
    title: str,
    short_title: str,
    method: str,
    spread: ParametricMap | None = None,
) -> Layer:
    """Layer of a parametric map, perhaps with its standard deviation."""
    source = ArraySource(parametric_map.values, parametric_map.geometry)
    return Layer(
        key,
        title,
        short_title,
        parametric_map.quantity,
        PlaneCache(source),
        method=method,
        modified=parametric_map.provenance.modified,
        untied=is_untied(parametric_map.provenance),
        entered=by_you(parametric_map.provenance.user_given.items()),
        spread=None if spread is None else ArraySource(spread.values, spread.geometry),
    )


def difference_layer(reference: Layer, other: Layer) -> Layer:
    """Layer of `other` minus `reference` (network minus Patlak), on the grid of the reference."""
    quantity = Quantity(
        DIFFERENCE_PREFIX + reference.quantity.code,
        f"{reference.quantity.label} difference",
        reference.quantity.unit,
    )
    return Layer(
        "difference",
        f"{other.short_title} \N{MINUS SIGN} {reference.short_title}",
        "difference",
        quantity,
        PlaneCache(DifferenceSource(other.planes.source, reference.planes.source)),
        method=reference.quantity.label,
        stale=reference.stale or other.stale,
        modified=reference.modified or other.modified,
        untied=reference.untied or other.untied,
        previewed=reference.previewed or other.previewed,
        previewed_boxes=reference.previewed_boxes or other.previewed_boxes,
        note=other.note or reference.note,
        entered=other.entered or reference.entered,
    )


def needed_window(layer: Layer, through_lps_mm: NDArray[np.float64] | None = None) -> DisplayWindow:
    """Window that shows nearly all values of three planes through a point.

    Without a point, three stored slices are looked at: they lie together on disk.
    """
    if through_lps_mm is None:
        count = layer.geometry.shape_zyx[0]
        slices = [layer.planes.source.plane(0, count * n // 4) for n in (1, 2, 3)]
        values = np.concatenate([each.ravel() for each in slices])
    else:
        planes = [layer.planes.read(p, float(through_lps_mm[p.normal_axis])) for p in Plane]
        values = np.concatenate([plane.values.ravel() for plane in planes])
    values = values[np.isfinite(values)]
    if layer.is_difference:
        values = np.abs(values)
    high = float(np.percentile(values, _WINDOW_PERCENTILE)) if values.size else 1.0
    high = high if high > 0 else 1.0
    return DisplayWindow(-high if layer.is_difference else 0.0, high)


FIXED_WINDOWS: Mapping[str, DisplayWindow] = {
    "SUV": DisplayWindow(0.0, 7.0),
    "CT": DisplayWindow(-160.0, 240.0),
    "Ki": DisplayWindow(0.0, 0.04),
    "KiSE": DisplayWindow(0.0, 0.01),
    "V0": DisplayWindow(0.0, 1.0),
    "dKi": DisplayWindow(-0.01, 0.01),
}
"""Windows that quantities start with; every other one starts with what its values need."""
