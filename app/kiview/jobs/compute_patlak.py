"""Patlak maps of a dynamic image, slab by slab."""

import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from kiview import __version__
from kiview.core import patlak
from kiview.core.errors import InvalidInputError
from kiview.core.images import DynamicImage, MapSet, ParametricMap, Slab
from kiview.core.input_function import InputFunction, require_same_quantity
from kiview.core.patlak import PatlakDesign, PatlakSettings
from kiview.core.progress import Progress
from kiview.core.provenance import JsonValue, Provenance
from kiview.core.units import KI, KI_STANDARD_ERROR, V0
from kiview.io.scratch import room_for

_STEP_BYTES = 256 << 20  # of float32, a twentieth of a second of work
_PARTS_PER_STEP = 4
_MOST_THREADS = 4


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
    kept = room_for((3, *image.geometry.shape_zyx))
    out = np.asarray(kept)  # parts of a mapped array are slow to take
    out[:, [design is None for design in designs]] = np.nan
    frame_count = max(len(design.frames) for design in designs if design is not None)
    workers = min(_MOST_THREADS, os.cpu_count() or 1)
    # The matrices are tiny: threads over voxels are faster than threads inside each product.
    memory = _Workspaces()
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        for slab in image.slabs(frame_count, _STEP_BYTES):
            progress.step(slab.fraction, f"Patlak, slice {slab.z0 + 1}")
            for z0, z1, design in _runs(designs, slab):
                _fit_slices(pool, image, design, out[:, z0:z1], z0, memory)
    _refuse_nothing_fitted(out[0])
    progress.step(1.0, "Patlak done")
    return _map_set(request, designs, kept)


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


def _runs(
    designs: list[PatlakDesign | None], slab: Slab
) -> Iterator[tuple[int, int, PatlakDesign]]:
    """Neighbouring slices of a slab that share a fit: (z0, z1, fit)."""
    z0 = slab.z0
    for z in range(slab.z0 + 1, slab.z1 + 1):
        if z == slab.z1 or designs[z] is not designs[z0]:
            design = designs[z0]
            if design is not None:
                yield z0, z, design
            z0 = z


def _fit_slices(
    pool: ThreadPoolExecutor,
    image: DynamicImage,
    design: PatlakDesign,
    out: NDArray[np.float32],
    z0: int,
    memory: "_Workspaces",
) -> None:
    """Fit slices z0 ... into `out` (3, slices, y, x), a few slices per thread."""

    def fit_part(part: NDArray[np.intp]) -> None:
        work = memory.of(design)
        for z in part:
            voxels, slope, intercept = image.store.stored_slice(z0 + int(z), design.frames)
            flat = voxels.reshape(len(voxels), -1)
            patlak.fit_into(design, flat, out[:, z].reshape(3, -1), slope, intercept, work)

    parts = np.array_split(np.arange(out.shape[1]), min(out.shape[1], _PARTS_PER_STEP))
    list(pool.map(fit_part, parts))


class _Workspaces(threading.local):
    """Memory of each thread, touched once and used for every slice."""

    work: NDArray[np.float64] | None = None

    def of(self, design: PatlakDesign) -> NDArray[np.float64]:
        """The calling thread's memory, as large as the fit needs."""
        needed = patlak.workspace(design)  # untouched memory costs nothing
        if self.work is None or self.work.size < needed.size:
            self.work = needed
        return self.work


def _refuse_nothing_fitted(ki: NDArray[np.float32]) -> None:
    if not any(np.isfinite(plane).any() for plane in ki):
        raise InvalidInputError(
            "Patlak gave no voxel a value; check the input function and the values of the frames."
        )


def _map_set(
    request: PatlakRequest, designs: list[PatlakDesign | None], out: NDArray[np.float32]
) -> MapSet:
    image = request.image
    unfitted = sum(design is None for design in designs)
    findings = request.input_function.findings
    if unfitted:
        findings += (f"{unfitted} slices have fewer than two frames in the window: not fitted.",)
    frames = next(design.frames for design in designs if design is not None)
    record = patlak_record(request.settings) | {"frames": [int(t) + 1 for t in frames]}
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
    )
    quantities = (KI, V0, KI_STANDARD_ERROR)
    maps = tuple(
        ParametricMap(values, quantity, image.geometry, provenance)
        for values, quantity in zip(out, quantities, strict=True)
    )
    return MapSet(maps, findings)


def _plain(values: Mapping[str, float | str]) -> dict[str, JsonValue]:
    return dict(values)
