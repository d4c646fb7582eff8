"""What other weights would give around one place, fast enough to follow a slider."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kiview.core.images import ParametricMap
from kiview.core.progress import Progress
from kiview.nets.infer import NetworkRequest, PreparedStudy, Region, network_region, prepare
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.weights import WeightSet

HALF_WIDTH_MM = 50.0
"""The preview reaches so far from the cursor."""
_SMALLEST_SHARE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PreviewRequest:
    """What to preview.

    Attributes:
        run: A run with the weights to preview.
        computed: Map of the last whole run.
        computed_weights: Weights it was made with.
        position_lps_mm: (3,) middle of the preview.
    """

    run: NetworkRequest
    computed: ParametricMap
    computed_weights: WeightSet
    position_lps_mm: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PreviewedStudy:
    """What one preview keeps for the next.

    Attributes:
        key: Study, input function and window that the features were made from.
        prepared: The features.
        computed: Last whole map that the correction belongs to, or None before the first.
        box: Box that the correction belongs to.
        correction: Factor by which that map was tied to Patlak in the box.
    """

    key: str
    prepared: PreparedStudy
    computed: ParametricMap | None = None
    box: Region | None = None
    correction: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What a preview gave.

    Attributes:
        map: The last whole map with another box in it.
        kept: Features to hand in at the next preview.
    """

    map: ParametricMap
    kept: PreviewedStudy


PreviewJob = Callable[[PreviewRequest, PreviewedStudy | None, str, Progress], Preview]


def preview_network(
    request: PreviewRequest, kept: PreviewedStudy | None, key: str, progress: Progress
) -> Preview:
    """Compute a box around a place with other weights.

    The tie to Patlak works at coarse scale and hardly depends on the weights: the correction of the
    last whole map is used again, so that no whole map has to be computed.

    Args:
        request: What to preview.
        kept: What an earlier preview kept, used if it belongs to `key`.
        key: Identity of study, input function and window.
        progress: May stop the work between its steps.

    Returns:
        The last map with another box, and what to keep.
    """
    progress.step(0.0, "Preview")
    if kept is None or kept.key != key:
        kept = PreviewedStudy(key, prepare(request.run, progress.child(0.0, 0.3)))
    box = _box_around(request)
    progress.step(0.3, "Preview")
    correction = kept.correction
    if correction is None or kept.computed is not request.computed or kept.box != box:
        correction = _correction(request, kept.prepared, box)
        kept = replace(kept, computed=request.computed, box=box, correction=correction)
    progress.step(0.6, "Preview")
    now = _ki(request.run, request.run.weights, kept.prepared, box) * correction
    share = np.float32(request.run.weights.image_blend)
    values = request.computed.values.copy()
    values[_part(box)] = (1 - share) * now + share * kept.prepared.patlak_ki()[_part(box)]
    provenance = replace(request.computed.provenance, modified=True)
    return Preview(replace(request.computed, values=values, provenance=provenance), kept)


def _box_around(request: PreviewRequest) -> Region:
    geometry = request.computed.geometry
    middle = geometry.to_index(request.position_lps_mm)
    half = HALF_WIDTH_MM / geometry.spacing_zyx_mm
    last = np.array(geometry.shape_zyx)
    low = np.clip(np.floor(middle - half).astype(int), 0, last - 1)
    high = np.clip(np.ceil(middle + half).astype(int) + 1, low + 1, last)
    edges = [int(edge) for pair in zip(low, high, strict=True) for edge in pair]
    return Region(*edges)


def _ki(
    run: NetworkRequest, weights: WeightSet, prepared: PreparedStudy, box: Region
) -> NDArray[np.float32]:
    runtime = NetworkRuntime(run.card, weights.tensors(run.card))
    return network_region(prepared, runtime, box)[0]


def _part(box: Region) -> tuple[slice, slice, slice]:
    return slice(box.z0, box.z1), slice(box.y0, box.y1), slice(box.x0, box.x1)


def _correction(
    request: PreviewRequest, prepared: PreparedStudy, box: Region
) -> NDArray[np.float32]:
    """Factor by which the last run was tied to Patlak, 1 where it cannot be told."""
    weights = request.computed_weights
    before = _ki(request.run, weights, prepared, box)
    blend = np.float32(weights.image_blend)
    if blend >= 1:
        return np.ones_like(before)
    patlak = prepared.patlak_ki()[_part(box)]
    network = (request.computed.values[_part(box)] - blend * patlak) / (1 - blend)
    floor = _SMALLEST_SHARE * float(np.nanmax(np.abs(before), initial=0.0))
    told = np.isfinite(network) & (before > floor)
    return np.divide(network, before, out=np.ones_like(before), where=told)
