"""Patlak maps of a dynamic image, slab by slab."""

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kiview import __version__
from kiview.core import patlak
from kiview.core.errors import InvalidInputError
from kiview.core.images import DynamicImage, MapSet, ParametricMap
from kiview.core.input_function import InputFunction, require_same_quantity
from kiview.core.made import made_now
from kiview.core.patlak import PatlakDesign, PatlakSettings
from kiview.core.progress import Progress
from kiview.core.provenance import JsonValue, Provenance
from kiview.core.units import KI, KI_STANDARD_ERROR, V0
from kiview.io.scratch import Room

_STEP_BYTES = 256 << 20  # of float32, a twentieth of a second of work
_PARTS_PER_STEP = 4
_MOST_THREADS = 4
_MAPS = 3  # Ki, V0 and the standard error of Ki


@dataclass(frozen=True, slots=True, eq=False)
class PatlakRequest:
    """Everything one Patlak run needs.

    Attributes:
        image: Dynamic image, decay-corrected to injection.
        input_function: Plasma activity in the image's quantity.
        settings: Window and weighting.
        input_id: Identity of the input function for the record (region, revision ...).
    """

    image: DynamicImage
    input_function: InputFunction
    settings: PatlakSettings = field(default_factory=PatlakSettings)
    input_id: str = ""


def compute_patlak(request: PatlakRequest, progress: Progress) -> MapSet:
    """Compute Ki, V0 and the standard error of Ki for every voxel.

    With times per (frame, slice) each slice has its own fit; slices with fewer than two frames in
    the window stay NaN and are counted in a finding.

    Args:
        request: Image, input function and settings.
        progress: Told after every slab; may stop the work.

    Returns:
        Maps Ki [mL/min/mL], V0 [mL/mL] and KiSE [mL/min/mL] on the image's grid.

    Raises:
        InvalidInputError: no slice has two frames in the window, or the image is not dynamic.
        QuantityMismatchError: image and input function have different units.
        Cancelled: the user stopped the work.
    """
    image = request.image
    _refuse_unsuitable(request)
    designs = _designs(request)
    frame_count = max(len(design.frames) for design in designs if design is not None)
    workers = min(_MOST_THREADS, os.cpu_count() or 1)
    with ExitStack() as stack:
        rooms = [stack.enter_context(Room(image.geometry.shape_zyx)) for _ in range(_MAPS)]
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        fit = _SliceFit(image, designs, rooms)
        for slab in image.slabs(frame_count, _STEP_BYTES):
            progress.step(slab.fraction, f"Patlak, slice {slab.z0 + 1}")
            count = slab.z1 - slab.z0
            parts = np.array_split(np.arange(slab.z0, slab.z1), min(count, _PARTS_PER_STEP))
            list(pool.map(fit.slices, parts))
    maps = [room.values for room in rooms]
    _refuse_nothing_fitted(maps[0])
    progress.step(1.0, "Patlak done")
    return _map_set(request, designs, maps)


def patlak_record(settings: PatlakSettings) -> dict[str, JsonValue]:
    """Settings as they go into provenance: minutes and names."""
    return {
        "window_min": [settings.start_s / 60, settings.end_s / 60],
        "weighting": str(settings.weighting),
    }


def input_record(input_function: InputFunction, input_id: str = "") -> dict[str, JsonValue]:
    """Input function as it goes into provenance."""
    return {
        "source": str(input_function.source),
        "description": input_function.description,
        "compartment": str(input_function.compartment),
        "plasma_factor": input_function.plasma_factor,
        "id": input_id,
    }


def _refuse_unsuitable(request: PatlakRequest) -> None:
    if not request.image.is_dynamic:
        raise InvalidInputError("Patlak needs at least two frames but this series has one.")
    if not request.image.decay_corrected:
        raise InvalidInputError(
            "The frames could not be decay-corrected to one time; enter the missing half-life or"
            " injection time first."
        )
    require_same_quantity(request.image.quantity, request.input_function)


def _designs(request: PatlakRequest) -> list[PatlakDesign | None]:
    """One fit per slice; slices with the same times share one; None where no fit is possible."""
    timing, depth = request.image.timing, request.image.geometry.shape_zyx[0]
    if not timing.is_per_slice:
        return [patlak.design(timing, request.input_function, request.settings)] * depth
    known: dict[bytes, PatlakDesign | None] = {}
    designs: list[PatlakDesign | None] = []
    for z in range(depth):
        one = timing.slice_timing(z)
        key = one.start_s.tobytes() + one.duration_s.tobytes()
        if key not in known:
            enough = one.in_window(request.settings.start_s, request.settings.end_s).sum() >= 2
            known[key] = (
                patlak.design(one, request.input_function, request.settings) if enough else None
            )
        designs.append(known[key])
    if all(design is None for design in designs):
        patlak.design(timing.slice_timing(0), request.input_function, request.settings)
    return designs


class _SliceFit:
    """Fits slices of one image; threads share it, each with memory of its own."""

    def __init__(
        self, image: DynamicImage, designs: list[PatlakDesign | None], rooms: list[Room]
    ) -> None:
        self._store = image.store
        self._designs = designs
        self._rooms = rooms
        self._plane_yx = image.geometry.shape_zyx[1:]
        self._memory = _Memory()

    def slices(self, part: NDArray[np.intp]) -> None:
        """Fit slices one by one; NaN where a slice has no fit."""
        for z in part.tolist():
            fitted = self._slice(z)
            for room, values in zip(self._rooms, fitted, strict=True):
                room.write((z,), values)

    def _slice(self, z: int) -> NDArray[np.float32]:
        """(3, y, x) of one slice, in the calling thread's memory."""
        out = self._memory.results(self._plane_yx)
        design = self._designs[z]
        if design is None:
            out[:] = np.nan
            return out
        voxels, slope, intercept = self._store.stored_slice(z, design.frames)
        flat = voxels.reshape(len(voxels), -1)
        patlak.fit_into(design, flat, out.reshape(_MAPS, -1), slope, intercept)
        return out


class _Memory(threading.local):
    """Memory of each thread, touched once and used for every slice."""

    _out: NDArray[np.float32] | None = None

    def results(self, plane_yx: tuple[int, ...]) -> NDArray[np.float32]:
        """Room for the maps of one slice."""
        if self._out is None:
            self._out = np.empty((_MAPS, *plane_yx), np.float32)
        return self._out


def _refuse_nothing_fitted(ki: NDArray[np.float32]) -> None:
    if not any(np.isfinite(plane).any() for plane in ki):
        raise InvalidInputError(
            "Patlak gave no voxel a value; check the input function and the values of the frames."
        )


def _map_set(
    request: PatlakRequest, designs: list[PatlakDesign | None], values: list[NDArray[np.float32]]
) -> MapSet:
    image = request.image
    unfitted = sum(design is None for design in designs)
    findings = request.input_function.findings
    if unfitted:
        findings += (f"{unfitted} slices have fewer than two frames in the window: not fitted.",)
    frames = next(design.frames for design in designs if design is not None)
    record = patlak_record(request.settings) | {"frames": [int(t) + 1 for t in frames]}
    made = made_now()
    provenance = Provenance(
        method="patlak",
        software=f"KiView {__version__}",
        settings=record,
        inputs={
            "series_uid": image.series_uid,
            "input_function": input_record(request.input_function, request.input_id),
        },
        user_given=_plain(dict(image.user_given)),
        steps=image.steps,
        computed_at=made.at,
        operator=made.by,
    )
    quantities = (KI, V0, KI_STANDARD_ERROR)
    maps = tuple(
        ParametricMap(map_values, quantity, image.geometry, provenance)
        for map_values, quantity in zip(values, quantities, strict=True)
    )
    return MapSet(maps, findings)


def _plain(values: Mapping[str, float | str]) -> dict[str, JsonValue]:
    return dict(values)
