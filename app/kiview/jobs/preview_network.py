"""What other weights would give on the planes shown: step by step, to follow a slider."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kiview.core.geometry import VolumeGeometry
from kiview.core.images import ParametricMap
from kiview.core.progress import Progress
from kiview.core.reslice import Plane
from kiview.core.voxel_box import VoxelBox
from kiview.jobs.preview_plan import PreviewPlan, plan_preview
from kiview.nets.blend import blended_ki
from kiview.nets.catalog import CALIBRATION
from kiview.nets.infer import (
    BLOCK_VOXELS,
    NetworkRequest,
    PreparedStudy,
    Region,
    doubt_in,
    network_region,
    prepare,
)
from kiview.nets.runtime import NetworkOutputs, NetworkRuntime
from kiview.nets.tie import consistent_ki
from kiview.nets.weights import WeightSet, WeightState

NEAR_SHARE = 0.5
"""Of the halo of the network, which it is shown around the neighbourhood: half of its reach halves
the time, leaves the cursor exact and costs a few thousandths at the edge."""

Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PreviewRequest:
    """What to preview.

    Attributes:
        run: A run with the weights to preview.
        computed: Ki map of the last whole run; shown where nothing is previewed.
        position_lps_mm: (3,) the cursor.
        planes: Shown planes through it.
    """

    run: NetworkRequest
    computed: ParametricMap
    position_lps_mm: NDArray[np.float64]
    planes: tuple[Plane, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PreviewedStudy:
    """What one step keeps for the next.

    Attributes:
        key: Study, input function and window that the features were made from.
        prepared: The features, good for any weights.
        weights: Weights of the network below, their image blend left out.
        runtime: The network with these weights.
        found: What it gave, each (z, y, x) /min, neither tied nor blended; shared by the steps.
        is_known: (z, y, x) where that is computed.
        near: The neighbourhood of the first step and the same of it, exact about its middle only;
            None before that step.
    """

    key: str
    prepared: PreparedStudy
    weights: WeightSet
    runtime: NetworkRuntime
    found: NetworkOutputs
    is_known: NDArray[np.bool_]
    near: tuple[Region, NetworkOutputs] | None = None

    def has_near(self, box: Region) -> bool:
        """Whether a neighbourhood can be shown."""
        return (self.near is not None and self.near[0] == box) or self.knows(box)

    def knows(self, box: Region) -> bool:
        """Whether all of a box is computed exactly."""
        return bool(self.is_known[_part(box)].all())


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What one step gave.

    Attributes:
        map: The last whole map, with all that was previewed so far in its place.
        kept: To hand in at the next step.
        is_complete: Whether the planes are previewed whole and equal those of a whole run.
        fraction: Share of the voxels to compute that are computed, 0 to 1.
        is_whole: Whether every voxel of the map is, so that the cursor can go anywhere.
        boxes: All that is previewed, while that is not complete; empty afterwards.
    """

    map: ParametricMap
    kept: PreviewedStudy | None
    is_complete: bool
    fraction: float
    is_whole: bool = False
    boxes: tuple[VoxelBox, ...] = ()


PreviewJob = Callable[[PreviewRequest, PreviewedStudy | None, str, Progress], Preview]


def preview_network(
    request: PreviewRequest, kept: PreviewedStudy | None, key: str, progress: Progress
) -> Preview:
    """Compute the next step of a preview: first around the cursor, then the planes piece by piece.

    The map around the cursor is computed and made consistent with Patlak by its own box: exactly in
    the middle, nearly at its edge. Planes are computed with all that their consistency looks at, so
    the last step shows what a whole run would give.

    Args:
        request: What to preview.
        kept: What an earlier step kept; of it is used what belongs to `key` and to the weights.
        key: Identity of study, input function, window and network.
        progress: May stop the work between blocks of voxels.

    Returns:
        What can be shown, what to keep, and whether that is all.

    Raises:
        NetworkError: the study or the weights cannot be used.
        Cancelled: asked to stop.
    """
    progress.step(0.0, "Preview")
    state = _state_for(request.run, kept, key, progress)
    grid, reach = state.prepared.geometry, state.prepared.reach
    plan = plan_preview(
        grid, request.position_lps_mm, request.planes, tied=request.run.tied, halo=reach.halo
    )
    wanted = [piece for part in plan.planes for piece in part.pieces]
    missing = [box for box in wanted if not state.knows(box)]
    if not state.has_near(plan.neighbourhood):
        state = _with_near(state, plan.neighbourhood, progress)
    elif missing:
        state = _with_box(state, missing.pop(0), progress)
    values, boxes = _tied_and_blended(request, plan, state)
    modified = request.run.weights.state(request.run.card) is WeightState.MODIFIED
    provenance = replace(request.computed.provenance, modified=modified)
    shown = replace(request.computed, values=values, provenance=provenance)
    left = sum(_volume(box) for box in missing) / sum(_volume(box) for box in wanted)
    previewed = [_voxel_box(box, state.prepared.geometry) for box in boxes if missing]
    is_whole = bool(state.is_known.all())
    return Preview(shown, state, not missing, 1.0 - left, is_whole, tuple(previewed))


def _state_for(
    run: NetworkRequest, kept: PreviewedStudy | None, key: str, progress: Progress
) -> PreviewedStudy:
    weights = replace(run.weights, image_blend=0.0)
    same_study = kept is not None and kept.key == key
    if kept is not None and same_study and kept.weights == weights:
        return kept
    prepared = kept.prepared if kept is not None and same_study else prepare(run, progress)
    runtime = NetworkRuntime(run.card, weights.tensors(run.card), without=(CALIBRATION,))
    shape = prepared.geometry.shape_zyx
    found = NetworkOutputs(**{name: np.zeros(shape, np.float32) for name in runtime.outputs})
    return PreviewedStudy(key, prepared, weights, runtime, found, np.zeros(shape, np.bool_))


def _with_near(state: PreviewedStudy, box: Region, progress: Progress) -> PreviewedStudy:
    """What is known, and the neighbourhood of the cursor, quickly."""
    halo = round(NEAR_SHARE * state.prepared.reach.halo)
    return replace(state, near=(box, _computed(state, box, halo, progress)))


def _with_box(state: PreviewedStudy, box: Region, progress: Progress) -> PreviewedStudy:
    """What is known, and one more box.

    Volumes are written in place: what `is_known` does not tell is nobody's, and the same weights
    always put the same values there.
    """
    halo = state.prepared.reach.halo
    computed, is_known = _computed(state, box, halo, progress), state.is_known.copy()
    known = _volumes(state.found)
    for name, volume in _volumes(computed).items():
        known[name][_part(box)] = volume
    is_known[_part(box)] = True
    return replace(state, is_known=is_known)


def _computed(state: PreviewedStudy, box: Region, halo: int, progress: Progress) -> NetworkOutputs:
    """A box as the network gives it, block by block."""
    thickness = max(1, BLOCK_VOXELS // max(1, (box.y1 - box.y0) * (box.x1 - box.x0)))
    parts = []
    for z0 in range(box.z0, box.z1, thickness):
        progress.step((z0 - box.z0) / (box.z1 - box.z0), "Preview")
        block = replace(box, z0=z0, z1=min(box.z1, z0 + thickness))
        found = network_region(state.prepared, state.runtime, block, halo=halo)
        parts.append(_volumes(found))
    return NetworkOutputs(**{name: np.concatenate([p[name] for p in parts]) for name in parts[0]})


def _volumes(outputs: NetworkOutputs) -> dict[str, Volume]:
    """Those that the network has, by name."""
    return {name: values for name, values in outputs._asdict().items() if values is not None}


def _box_of(outputs: NetworkOutputs, box: Region) -> NetworkOutputs:
    """The same of a box."""
    return NetworkOutputs(**{name: v[_part(box)] for name, v in _volumes(outputs).items()})


def _tied_and_blended(
    request: PreviewRequest, plan: PreviewPlan, state: PreviewedStudy
) -> tuple[Volume, list[Region]]:
    """The last whole map with everything that is known by now in it, and where that is."""
    values: Volume = request.computed.values.copy()
    around = plan.neighbourhood
    if state.near is not None and not state.knows(around):
        values[_part(around)] = _finished(request.run, state, around, state.near[1])
    else:
        known = _box_of(state.found, around)
        values[_part(around)] = _finished(request.run, state, around, known)
    boxes = [around]
    for part in plan.planes:
        box = _known_slices(state.is_known, part.box, plan.slice_index)
        if box is not None:
            z0, z1 = max(part.shown.z0, box.z0), min(part.shown.z1, box.z1)
            shown = replace(part.shown, z0=z0, z1=z1)
            finished = _finished(request.run, state, box, _box_of(state.found, box))
            values[_part(shown)] = finished[_part(_within(shown, box))]
            boxes.append(shown)
    return values, boxes


def _finished(
    run: NetworkRequest, state: PreviewedStudy, box: Region, found: NetworkOutputs
) -> Volume:
    """Ki of a box as a whole run finishes it."""
    ki, reference = found.ki, state.prepared.patlak.part(_part(box))
    if run.tied:
        ki = consistent_ki(ki, doubt_in(found), reference)
    if run.weights.image_blend:
        ki = blended_ki(ki, run.weights.image_blend, reference)
    return np.where(state.prepared.unfitted[_part(box)], np.float32(np.nan), ki)


def _known_slices(is_known: NDArray[np.bool_], box: Region, slice_index: int) -> Region | None:
    """The slices of a box around the cursor that are computed; None when its own is not."""
    known = np.asarray(is_known[_part(box)].all(axis=(1, 2)))
    middle = int(np.clip(slice_index - box.z0, 0, len(known) - 1))
    if not known[middle]:
        return None
    unknown = np.flatnonzero(~known)
    first = int(unknown[unknown < middle].max(initial=-1)) + 1
    last = int(unknown[unknown > middle].min(initial=len(known)))
    return replace(box, z0=box.z0 + first, z1=box.z0 + last)


def _volume(box: Region) -> int:
    return (box.z1 - box.z0) * (box.y1 - box.y0) * (box.x1 - box.x0)


def _voxel_box(box: Region, geometry: VolumeGeometry) -> VoxelBox:
    return VoxelBox(geometry, (box.z0, box.y0, box.x0), (box.z1, box.y1, box.x1))


def _part(box: Region) -> tuple[slice, slice, slice]:
    return slice(box.z0, box.z1), slice(box.y0, box.y1), slice(box.x0, box.x1)


def _within(box: Region, outer: Region) -> Region:
    """The same box, counted from the first voxel of another."""
    z, y, x = outer.z0, outer.y0, outer.x0
    return Region(box.z0 - z, box.z1 - z, box.y0 - y, box.y1 - y, box.x0 - x, box.x1 - x)
