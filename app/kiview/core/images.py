"""Dynamic images whose voxels may stay on disk, and the maps computed from them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core._arrays import frozen_float64, frozen_view
from kiview.core._pages import fetch
from kiview.core.errors import InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.provenance import Provenance, Step
from kiview.core.suv import SuvScale
from kiview.core.timing import FrameTiming
from kiview.core.tracer import Injection
from kiview.core.units import ACTIVITY, SUV_BW, UNKNOWN_UNIT, Quantity

SLAB_BYTES = 64 << 20
"""Float32 voxels handed out per slab: large enough for speed, small enough for any machine."""


class FrameStore(ABC):
    """Voxels of a dynamic image, (t, z, y, x), read as float32 in the series' quantity."""

    @property
    @abstractmethod
    def shape_tzyx(self) -> tuple[int, int, int, int]:
        """Number of frames, slices, rows, columns."""

    @abstractmethod
    def slab(self, z0: int, z1: int, frames: ArrayLike | None = None) -> NDArray[np.float32]:
        """Some slices of some frames.

        Args:
            z0: First slice.
            z1: One past the last slice.
            frames: Indices along t, or None for all.

        Returns:
            (frames, z1 - z0, y, x) float32, not to be written to.
        """

    @abstractmethod
    def plane(self, axis: int, index: int, t: int) -> NDArray[np.float32]:
        """One plane of one frame: axis 0 -> (y, x), 1 -> (z, x), 2 -> (z, y)."""

    @abstractmethod
    def curve(self, mask_zyx: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the masked voxels in every frame, each (t,)."""

    @property
    def is_on_disk(self) -> bool:
        """Whether voxels are memory-mapped, so that reading them may wait for the disk."""
        return False

    def parts_of(self, _t: int) -> int:
        """Stored frames that have to be read for one frame."""
        return 1

    def voxels_at(self, index_zyx: NDArray[np.intp], t: int) -> NDArray[np.float32]:
        """Values of single voxels of one frame, (..., 3) indices -> (...)."""
        z, y, x = np.moveaxis(index_zyx, -1, 0)
        return np.asarray(self.frame(t)[z, y, x])

    def stored_slice(
        self, z: int, frames: NDArray[np.intp]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        """One slice of some frames in the type it is stored in, for work that scales by itself.

        Returns:
            Voxels (n, y, x), slope (n,) and intercept (n,): value = voxel x slope + intercept.
        """
        voxels = self.slab(z, z + 1, frames)[:, 0]
        return voxels, np.ones(len(voxels)), np.zeros(len(voxels))

    def frame(self, t: int) -> NDArray[np.float32]:
        """One frame, (z, y, x) float32, not to be written to."""
        frame: NDArray[np.float32] = self.slab(0, self.shape_tzyx[1], [t])[0]
        return frame


class ScaledFrameStore(FrameStore):
    """Frames kept in the type they came in, with a slope and an intercept per (frame, slice).

    The array may be in memory or memory-mapped; only what is asked for is converted.
    """

    def __init__(
        self,
        voxels: NDArray[Any],
        slope_tz: ArrayLike = 1.0,
        intercept_tz: ArrayLike = 0.0,
    ) -> None:
        """Keep references to the voxels.

        Args:
            voxels: (t, z, y, x), int16, uint16 or float32 (other types work, slower).
            slope_tz: Factor per (frame, slice), anything that broadcasts to (t, z).
            intercept_tz: Added after the slope, likewise.

        Raises:
            InvalidInputError: the array has not four axes.
        """
        if voxels.ndim != 4 or voxels.size == 0:
            raise InvalidInputError(
                f"A dynamic image needs (t, z, y, x) voxels, not {voxels.shape}."
            )
        self._voxels = frozen_view(voxels)
        tz = voxels.shape[:2]
        self._slope = frozen_float64(np.broadcast_to(np.asarray(slope_tz, np.float64), tz))
        self._intercept = frozen_float64(np.broadcast_to(np.asarray(intercept_tz, np.float64), tz))
        self._plain = bool(
            voxels.dtype == np.float32 and (self._slope == 1).all() and (self._intercept == 0).all()
        )

    @property
    def shape_tzyx(self) -> tuple[int, int, int, int]:
        """Number of frames, slices, rows, columns."""
        t, z, y, x = self._voxels.shape
        return t, z, y, x

    @property
    def voxels(self) -> NDArray[Any]:
        """Voxels as stored, read-only, (t, z, y, x)."""
        return self._voxels

    @property
    def is_on_disk(self) -> bool:
        """Whether voxels are memory-mapped."""
        return isinstance(self._voxels, np.memmap)

    @property
    def slope_tz(self) -> NDArray[np.float64]:
        """Factor per (frame, slice)."""
        return self._slope

    @property
    def intercept_tz(self) -> NDArray[np.float64]:
        """Offset per (frame, slice)."""
        return self._intercept

    def slab(self, z0: int, z1: int, frames: ArrayLike | None = None) -> NDArray[np.float32]:
        """Some slices of some frames, (frames, z1 - z0, y, x) float32."""
        index = np.arange(self.shape_tzyx[0]) if frames is None else np.asarray(frames)
        if self._plain and _is_run(index):
            return np.asarray(self._voxels[index[0] : index[-1] + 1, z0:z1])
        out = np.empty((len(index), z1 - z0, *self._voxels.shape[2:]), np.float32)
        for i, t in enumerate(index):
            self._scale(self._voxels[t, z0:z1], t, slice(z0, z1), out[i])
        return out

    def stored_slice(
        self, z: int, frames: NDArray[np.intp]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        """One slice as stored, a view where the frames follow each other."""
        chosen = slice(frames[0], frames[-1] + 1) if _is_run(frames) else frames
        return self._voxels[chosen, z], self._slope[chosen, z], self._intercept[chosen, z]

    def plane(self, axis: int, index: int, t: int) -> NDArray[np.float32]:
        """One plane of one frame: axis 0 -> (y, x), 1 -> (z, x), 2 -> (z, y)."""
        if axis == 0:
            stored = self._voxels[t, index : index + 1]
            return np.asarray(self._scale(stored, t, slice(index, index + 1), None)[0])
        frame = self._voxels[t]
        fetch(frame)
        stored = np.ascontiguousarray(frame[:, index] if axis == 1 else frame[:, :, index])
        scaled = np.multiply(stored, self._slope[t][:, None], dtype=np.float32, casting="unsafe")
        if self._intercept[t].any():
            scaled += self._intercept[t].astype(np.float32)[:, None]
        return np.asarray(scaled)

    def voxels_at(self, index_zyx: NDArray[np.intp], t: int) -> NDArray[np.float32]:
        """Values of single voxels of one frame, (..., 3) indices -> (...)."""
        z, y, x = np.moveaxis(index_zyx, -1, 0)
        values = self._voxels[t, z, y, x] * self._slope[t, z] + self._intercept[t, z]
        return np.asarray(values, dtype=np.float32)

    def curve(self, mask_zyx: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the masked voxels in every frame, each (t,)."""
        z, y, x = np.unravel_index(np.flatnonzero(mask_zyx), mask_zyx.shape)  # nonzero is slower
        mean = np.empty(self.shape_tzyx[0])
        std = np.empty_like(mean)
        for t in range(len(mean)):
            values = self._voxels[t, z, y, x] * self._slope[t, z] + self._intercept[t, z]
            mean[t], std[t] = values.mean(), values.std()
        return mean, std

    def _scale(
        self, stored: NDArray[Any], t: int, z: slice, out: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """Apply slope and intercept of slices `z` of frame `t` to stored (z, y, x) voxels."""
        slope = self._slope[t, z].astype(np.float32)[:, None, None]
        scaled: NDArray[np.float32] = np.multiply(
            stored, slope, out=out, dtype=np.float32, casting="unsafe"
        )
        if self._intercept[t, z].any():
            scaled += self._intercept[t, z].astype(np.float32)[:, None, None]
        return scaled


def _is_run(index: NDArray[Any]) -> bool:
    return len(index) > 0 and bool((np.diff(index) == 1).all())


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """A range of slices that is worked on at once.

    Attributes:
        z0: First slice.
        z1: One past the last.
        fraction: Share of the image that lies before this slab.
    """

    z0: int
    z1: int
    fraction: float


@dataclass(frozen=True, slots=True, eq=False)
class DynamicImage:
    """A dynamic PET image; a static one has one frame.

    Attributes:
        store: Voxels (t, z, y, x) in `quantity`, decay-corrected to the injection when
            `decay_corrected` is true.
        geometry: Grid of the voxels.
        timing: Frame times from injection.
        quantity: Meaning of the voxel values: activity (Bq/mL), SUV, counts or unknown.
        injection: What was given, or None if the files do not say.
        suv_scale: Factor for activity at injection reference -> SUV, or None when SUV is refused.
        series_uid: Identity of the series.
        description: Series description without patient data.
        decay_corrected: False when the values could not be brought to one reference time.
        user_given: Values entered by the user because the files lack them.
        body_part: What the files say was scanned (DICOM term), empty if nothing.
        steps: What was done to the frames since they were read; empty for frames as acquired.
    """

    store: FrameStore
    geometry: VolumeGeometry
    timing: FrameTiming
    quantity: Quantity
    injection: Injection | None = None
    suv_scale: SuvScale | None = None
    series_uid: str = ""
    description: str = ""
    decay_corrected: bool = True
    user_given: tuple[tuple[str, float | str], ...] = ()
    body_part: str = ""
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        t, *zyx = self.store.shape_tzyx
        if tuple(zyx) != self.geometry.shape_zyx:
            raise InvalidInputError(
                f"The image has {zyx} voxels but its geometry describes {self.geometry.shape_zyx}."
            )
        if t != self.timing.frame_count:
            raise InvalidInputError(
                f"The image has {t} frames but the frame table lists {self.timing.frame_count}."
            )
        if self.timing.is_per_slice and self.timing.start_s.shape[1] != zyx[0]:
            raise InvalidInputError("Frame times per slice do not fit the number of slices.")

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return self.timing.frame_count

    @property
    def is_dynamic(self) -> bool:
        """Whether there is more than one frame."""
        return self.frame_count > 1

    @property
    def is_at_injection(self) -> bool:
        """Whether values are decay-corrected to the injection; without a unit they stay as read."""
        return self.decay_corrected and self.quantity.unit != UNKNOWN_UNIT

    @property
    def suv_factor(self) -> float | None:
        """Factor from voxel values to SUV, or None when SUV cannot be known."""
        if self.quantity == SUV_BW:
            return 1.0
        if self.quantity == ACTIVITY and self.suv_scale is not None:
            return self.suv_scale.factor_g_per_bq
        return None

    def slabs(self, frame_count: int | None = None, slab_bytes: int = SLAB_BYTES) -> Iterator[Slab]:
        """Cut the image into slabs of about `slab_bytes` of float32 for `frame_count` frames."""
        z, y, x = self.geometry.shape_zyx
        bytes_per_slice = 4 * y * x * (frame_count or self.frame_count)
        thickness = max(1, slab_bytes // bytes_per_slice)
        for z0 in range(0, z, thickness):
            yield Slab(z0, min(z, z0 + thickness), z0 / z)


@dataclass(frozen=True, slots=True, eq=False)
class ParametricMap:
    """One map computed from a dynamic image.

    Attributes:
        values: (z, y, x) float32, NaN where nothing was fitted.
        quantity: Meaning and unit.
        geometry: Grid; a network's map may have a grid of its own.
        provenance: What made it.
    """

    values: NDArray[np.float32]
    quantity: Quantity
    geometry: VolumeGeometry
    provenance: Provenance

    def __post_init__(self) -> None:
        if self.values.shape != self.geometry.shape_zyx:
            raise InvalidInputError(
                f"A map of {self.values.shape} voxels does not fit its grid"
                f" {self.geometry.shape_zyx}."
            )
        object.__setattr__(self, "values", frozen_view(self.values))

    @property
    def unfitted_count(self) -> int:
        """Number of voxels without a value."""
        return int(np.isnan(self.values).sum())


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file that the record of a run refers to and that must lie beside it.

    Attributes:
        name: Plain file name; never patient data.
        content: Of the file.
    """

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, eq=False)
class MapSet:
    """Maps of one run.

    Attributes:
        maps: One map per quantity; the first is the main one (Ki).
        findings: Sentences about what should be known of this run.
        record_files: What the record needs beside it to compute the maps again.
    """

    maps: tuple[ParametricMap, ...]
    findings: tuple[str, ...] = ()
    record_files: tuple[RecordFile, ...] = ()

    def __post_init__(self) -> None:
        if not self.maps:
            raise InvalidInputError("A run without a map is no result.")

    @property
    def main(self) -> ParametricMap:
        """The map that is shown first."""
        return self.maps[0]

    @property
    def provenance(self) -> Provenance:
        """What made the run."""
        return self.main.provenance

    def by_code(self, code: str) -> ParametricMap:
        """The map of a quantity, by its code, for example `V0`."""
        for parametric_map in self.maps:
            if parametric_map.quantity.code == code:
                return parametric_map
        raise InvalidInputError(f"This run made no {code} map.")
