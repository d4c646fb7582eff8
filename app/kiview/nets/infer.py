"""Frames and an input function through a network: Ki and V0 maps, block by block."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import NetworkError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, MapSet, ParametricMap
from kiview.core.input_function import InputFunction, require_same_quantity
from kiview.core.progress import Progress
from kiview.core.provenance import Provenance
from kiview.core.tracer import F18_HALF_LIFE_S
from kiview.core.units import KI, KI_STANDARD_DEVIATION, LOG_CORRECTION, V0
from kiview.nets import preprocess
from kiview.nets.blend import blended_ki, blended_sigma
from kiview.nets.catalog import NetworkCard
from kiview.nets.domain import Finding, Severity, check_domain, check_noise
from kiview.nets.doubt import Doubt, doubt_of
from kiview.nets.grid import GridPlan, plan_grid
from kiview.nets.noise import uptake_noise
from kiview.nets.preprocess import FrameInput, LinearOperators, StudyFeatures
from kiview.nets.reach import Reach
from kiview.nets.run_record import network_provenance, record_files
from kiview.nets.runtime import NetworkOutputs, NetworkRuntime
from kiview.nets.tie import PatlakReference, make_consistent, patlak_reference
from kiview.nets.weights import WeightSet, WeightState

BLOCK_VOXELS = 1 << 16
"""Worked on between two looks at the cancel flag: a tenth of a second on two cores. Twice as many
leave the caches of a processor and take 8 % longer."""
ALARM_LEVEL = 0.405
"""|ln| of a correction by half as much again."""
ALARM_SHARE = 0.05
_PREPARE_SHARE = 0.15
_NETWORK_SHARE = 0.95
_BODY_LEVEL = 0.1
_MISSING_SHARE = 1e-3

Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class NetworkRequest:
    """Everything that decides a network map.

    Attributes:
        image: Frames, decay-corrected to injection.
        input_function: In the image's quantity.
        start_s: Start of the time window.
        end_s: End of the time window.
        card: The network.
        weights: Of the network.
        tied: Whether to make the map consistent with linear Patlak (`nets.tie`).
    """

    image: DynamicImage
    input_function: InputFunction
    start_s: float
    end_s: float
    card: NetworkCard
    weights: WeightSet
    tied: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class PreparedStudy:
    """Features of a study, computed once and good for any weights and networks of one reach.

    Attributes:
        features: Sides padded with zeros to the alignment of the network.
        geometry: Grid of the maps.
        v0_per_v: (z,) factor from the network's V in /min to V0.
        unfitted: (z, y, x) where frames hold no number.
        findings: What differs from the network's training.
        frames: Indices of the frames used.
        patlak: Weighted linear Patlak of the same frames on this grid, and its noise.
        reach: Of the network.
    """

    features: StudyFeatures
    geometry: VolumeGeometry
    v0_per_v: NDArray[np.float64]
    unfitted: NDArray[np.bool_]
    findings: tuple[Finding, ...]
    frames: NDArray[np.intp]
    patlak: PatlakReference
    reach: Reach

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Voxel spacing along z, y, x."""
        return tuple(float(d) for d in self.geometry.spacing_zyx_mm)

    @property
    def fur(self) -> Volume:
        """(z, y, x) uptake ratio in /min, without the padding."""
        _, rows, columns = self.geometry.shape_zyx
        values = self.features.values[preprocess.FEATURE_NAMES.index("fur"), :, :rows, :columns]
        return values * np.float32(self.features.normaliser)


@dataclass(frozen=True, slots=True)
class Region:
    """A box of voxels on the grid of the maps, half-open."""

    z0: int
    z1: int
    y0: int
    y1: int
    x0: int
    x1: int


def run_network(request: NetworkRequest, progress: Progress) -> MapSet:
    """Compute Ki and V0 maps by a network.

    Args:
        request: What to compute.
        progress: Told of every block; its cancel ends the run.

    Returns:
        Ki, V0, and with `tied` the map of |ln| of the correction, on the grid of the network.

    Raises:
        NetworkError: the study lies outside what the network can do, or a file was changed.
        Cancelled: the user asked to stop.
    """
    prepared = prepare(request, progress.child(0.0, _PREPARE_SHARE))
    progress.step(_PREPARE_SHARE, "Loading the network")
    tensors = request.weights.tensors(request.card)
    shipped = request.weights.state(request.card) is WeightState.SHIPPED
    runtime = NetworkRuntime(request.card, None if shipped else tensors)
    volumes = network_volume(prepared, runtime, progress.child(_PREPARE_SHARE, _NETWORK_SHARE))
    progress.step(_NETWORK_SHARE, "Comparing with Patlak")
    provenance = network_provenance(request, prepared.frames, runtime.device)
    return finish(request, prepared, volumes, provenance)


def prepare(request: NetworkRequest, progress: Progress) -> PreparedStudy:
    """Compute the features of a study; the frames are read once, slab by slab.

    Raises:
        NetworkError: refused, with the reason.
    """
    image = request.image
    require_same_quantity(image.quantity, request.input_function)
    frames, plasma = chosen_frames(request)
    operators = preprocess.linear_operators(plasma)
    timing = image.timing.select(frames).weighted()
    findings = check_domain(request.card.domain, image, timing, operators.noise_gain)
    refuse(findings)
    plan = plan_grid(image.geometry, request.card.voxel_mm)
    maps, unfitted = _read_maps(image, frames, operators, plan, progress)
    spacing = tuple(float(d) for d in plan.geometry.spacing_zyx_mm)
    features = preprocess.study_features(maps, operators.noise_gain, spacing)
    noise_findings = check_noise(request.card.domain, uptake_noise(features), features.noise_gain)
    refuse(noise_findings)
    findings += noise_findings
    v0 = plan.slice_values(operators.v0_factor(0, image.geometry.shape_zyx[0]))
    patlak = _patlak(features, spacing)
    reach = request.card.reach
    padded = _padded(features, reach.alignment)
    return PreparedStudy(padded, plan.geometry, v0, unfitted, findings, frames, patlak, reach)


def _patlak(features: StudyFeatures, spacing_mm: tuple[float, ...]) -> PatlakReference:
    """Linear Patlak back from its feature, with what is known of its noise."""
    names, n = preprocess.FEATURE_NAMES, np.float32(features.normaliser)
    ki = features.values[names.index("ki")] * (n * np.float32(features.noise_gain))
    fur = features.values[names.index("fur")] * n
    return patlak_reference(ki, fur, features.normaliser, spacing_mm)


def refuse(findings: tuple[Finding, ...]) -> None:
    """End a run on a study that is too unlike the training.

    Raises:
        NetworkError: a finding is a refusal; the text says why.
    """
    refusals = [f.message for f in findings if f.severity is Severity.REFUSAL]
    if refusals:
        raise NetworkError(" ".join(refusals))


def chosen_frames(request: NetworkRequest) -> tuple[NDArray[np.intp], FrameInput]:
    """Indices of the frames in the window, and the input function as they see it.

    Raises:
        NetworkError: there are fewer than two, or the input function does not serve.
    """
    image = request.image
    inside = image.timing.in_window(request.start_s, request.end_s)
    frames = np.flatnonzero(inside if inside.ndim == 1 else inside.any(axis=1))
    if len(frames) < preprocess.MIN_FRAMES:
        raise NetworkError(
            f"A network needs at least two frames between {request.start_s / 60:g} and"
            f" {request.end_s / 60:g} min but the scan has {len(frames)} there; widen the window."
        )
    injection = image.injection
    half_life = injection.radionuclide.half_life_s if injection else F18_HALF_LIFE_S
    timing = image.timing.select(frames)
    integral = request.input_function.integral
    plasma = preprocess.frame_input(timing, integral, half_life)
    weight = np.where(inside[frames], plasma.weight, 0.0)
    return frames, FrameInput(plasma.mean, plasma.integral_min, weight)


def _read_maps(
    image: DynamicImage,
    frames: NDArray[np.intp],
    operators: LinearOperators,
    plan: GridPlan,
    progress: Progress,
) -> tuple[Volume, NDArray[np.bool_]]:
    """Linear maps on the plan's grid, and where frames that hold no number reach into it."""
    shape = (len(preprocess.LINEAR_NAMES), *plan.geometry.shape_zyx)
    maps: Volume = np.zeros(shape, dtype=np.float32)
    missing: Volume = np.zeros((1, *shape[1:]), dtype=np.float32)
    plane = image.geometry.shape_zyx[1] * image.geometry.shape_zyx[2]
    thickness = max(1, BLOCK_VOXELS * 8 // plane)
    depth = image.geometry.shape_zyx[0]
    for z0 in range(0, depth, thickness):
        progress.step(z0 / depth, "Network, reading frames")
        z1 = min(depth, z0 + thickness)
        voxels = image.store.slab(z0, z1, frames)
        part = preprocess.linear_maps(voxels, operators.for_slices(z0, z1))
        if not preprocess.all_finite(part):
            bad = np.asarray(~np.isfinite(part).all(axis=0))
            part[:, bad] = 0.0
            plan.add_slices(missing, plan.in_plane(bad[None].astype(np.float32)), z0)
        plan.add_slices(maps, plan.in_plane(part), z0)
    return maps, missing[0] > _MISSING_SHARE


def _padded(features: StudyFeatures, step: int) -> StudyFeatures:
    rows, columns = features.values.shape[2:]
    pad = ((0, 0), (0, 0), (0, -rows % step), (0, -columns % step))
    values = np.pad(features.values, pad) if rows % step or columns % step else features.values
    return StudyFeatures(values, features.normaliser, features.noise_gain)


def network_volume(
    prepared: PreparedStudy, runtime: NetworkRuntime, progress: Progress
) -> NetworkOutputs:
    """Run a network over a whole study.

    Returns:
        Everything in /min (a calibration has no unit), each (z, y, x), as the network gives it.
    """
    depth, rows, columns = shape = prepared.geometry.shape_zyx
    volumes = {name: np.zeros(shape, dtype=np.float32) for name in runtime.outputs}
    thickness = max(1, BLOCK_VOXELS // (rows * columns))
    started = time.monotonic()
    sides = prepared.features.values.shape[2:]
    scratch = np.empty((thickness, preprocess.CHANNEL_COUNT, *sides), dtype=np.float32)
    for z0 in range(0, depth, thickness):
        progress.step(z0 / depth, _time_left(z0, depth, time.monotonic() - started))
        z1 = min(depth, z0 + thickness)
        region = Region(z0, z1, 0, rows, 0, columns)
        part = network_region(prepared, runtime, region, scratch)._asdict()
        for name, volume in volumes.items():
            volume[z0:z1] = part[name]
    return NetworkOutputs(**volumes)


def network_region(
    prepared: PreparedStudy,
    runtime: NetworkRuntime,
    region: Region,
    scratch: Volume | None = None,
    halo: int | None = None,
) -> NetworkOutputs:
    """Run a network over a box of a study; equals the same box of the whole map.

    Args:
        prepared: The study.
        runtime: The network.
        region: The box.
        scratch: Memory for the network's input, used if it has the right shape.
        halo: Voxels around the box that the network is shown, its own halo if None. With fewer
            the map is exact only where it lies that halo inside what is shown.

    Returns:
        Everything in /min (a calibration has no unit), each shaped like the region.
    """
    n = prepared.features.normaliser
    shape = (region.z1 - region.z0, region.y1 - region.y0, region.x1 - region.x0)
    if n <= 0:
        return NetworkOutputs(**{name: np.zeros(shape, np.float32) for name in runtime.outputs})
    height, width = prepared.features.values.shape[2:]
    reach = prepared.reach
    seen = reach.alignment, reach.halo if halo is None else halo
    rows, top = _aligned(region.y0, region.y1, height, *seen)
    columns, left = _aligned(region.x0, region.x1, width, *seen)
    block = prepared.features.block(region.z0, region.z1, rows, columns, scratch)
    found = runtime.run(block)._asdict()
    inside = (slice(None), slice(top, top + shape[1]), slice(left, left + shape[2]))
    return NetworkOutputs(**{name: found[name][inside] for name in runtime.outputs}).times(n)


def _aligned(first: int, last: int, size: int, step: int, halo: int) -> tuple[slice, int]:
    start = max(0, (first - halo) // step * step)
    stop = min(size, -(-(last + halo) // step) * step)
    return slice(start, stop), first - start


def _time_left(done: int, total: int, seconds: float) -> str:
    if done == 0:
        return f"Network, {total} planes"
    left = seconds * (total - done) / done
    return f"Network, plane {done} of {total}, {left:.0f} s left"


def finish(
    request: NetworkRequest,
    prepared: PreparedStudy,
    volumes: NetworkOutputs,
    provenance: Provenance,
) -> MapSet:
    """Make consistent with Patlak, blend, and wrap the volumes of a run.

    The standard deviation of Ki follows: the consistency step, then the blend with that of Patlak.

    Args:
        request: The run.
        prepared: Its features.
        volumes: In /min from `network_volume`.
        provenance: Of the run.
    """
    ki, sigma = volumes.ki, volumes.sigma
    messages = [*request.input_function.findings, *(f.message for f in prepared.findings)]
    alarm = None
    if request.tied:
        consistent = make_consistent(ki, doubt_in(volumes), prepared.patlak)
        ki, sigma, alarm = consistent.ki, consistent.sigma, consistent.alarm
        messages += _alarm_message(alarm, ki, prepared.features.normaliser)
    share = request.weights.image_blend
    if share:
        ki = blended_ki(ki, share, prepared.patlak)
        if sigma is not None:
            sigma = blended_sigma(sigma, share, prepared.patlak, prepared.fur)
    v0 = volumes.v * prepared.v0_per_v.astype(np.float32)[:, None, None]
    made = ((ki, KI), (v0, V0), (sigma, KI_STANDARD_DEVIATION), (alarm, LOG_CORRECTION))
    maps = tuple(
        ParametricMap(_without(prepared.unfitted, values), what, prepared.geometry, provenance)
        for values, what in made
        if values is not None
    )
    return MapSet(maps, tuple(messages), record_files(request))


def doubt_in(outputs: NetworkOutputs) -> Doubt | None:
    """What a network says of its own Ki, if it says anything."""
    if outputs.sigma is None:
        return None
    return doubt_of(outputs.ki, outputs.v, outputs.sigma, outputs.calibration)


def _without(unfitted: NDArray[np.bool_], values: Volume) -> Volume:
    """The values, NaN where nothing was fitted."""
    return np.where(unfitted, np.float32(np.nan), values) if unfitted.any() else values


def _alarm_message(alarm: Volume, ki: Volume, n: float) -> list[str]:
    body = ki > _BODY_LEVEL * n
    if not body.any():
        return []
    share = float((alarm[body] > ALARM_LEVEL).mean())
    if share <= ALARM_SHARE:
        return []
    message = (
        f"Network and Patlak differ by more than half at coarse scale in {100 * share:.0f} % of the"
        " tissue: the study may be unlike the training. Look at the correction map."
    )
    return [message]
