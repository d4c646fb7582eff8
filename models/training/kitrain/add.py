"""Real cases as training groups: frames of a study, a curve, and a Ki map made elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kitrain.case_files import Case, CaseError, ReferenceFile, read_case, read_reference
from kitrain.groups import (
    DIRECT,
    ActivityUnit,
    CurveSource,
    Identity,
    Labels,
    Origin,
    PlasmaCurve,
    ReferenceMaps,
    TrainingGroup,
    Volume,
)
from kitrain.people import Salt
from kitrain.targets import INDEPENDENT
from kiview.core.images import DynamicImage
from kiview.core.input_function import InputFunction, InputSource, require_same_quantity
from kiview.core.provenance import JsonValue
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S
from kiview.core.units import ACTIVITY, SUV_BW
from kiview.io.curve_bids import read_input_function
from kiview.io.frame_store import VoxelCache
from kiview.io.overrides import OverrideValue
from kiview.nets import preprocess
from kiview.nets.grid import GridPlan, plan_grid
from kiview.nets.preprocess import FrameInput

VOXEL_MM = (4.0, 4.0, 4.0)
"""What networks are trained on."""
FIELD_VOXELS, SLAB_SLICES = 128, 8
"""Size of the parts a scan is cut into, that of the simulated slabs."""
UNKNOWN_LABEL = 255
_UNITS = {ACTIVITY: ActivityUnit.ACTIVITY, SUV_BW: ActivityUnit.SUV}
_SOURCES = {
    InputSource.IMAGE: CurveSource.IMAGE,
    InputSource.POPULATION: CurveSource.POPULATION_SCALED,
    InputSource.SAMPLES: CurveSource.SAMPLES,
    InputSource.NETWORK: CurveSource.NETWORK,
}
_SECONDS_PER_MINUTE = 60.0
_BODY_LEVEL, _BODY_SMOOTHING_MM = 0.1, 8.0
_LEAST_BODY = 0.02
"""Parts with less of the patient than this share of their voxels are left out."""
_LARGEST_RATIO = 5.0
"""A reference and Patlak further apart than this in the mean have other units or times."""
_WINDOW_TOLERANCE_MIN = 0.1


@dataclass(frozen=True, slots=True)
class AddRequest:
    """One case.

    Attributes:
        study: Folder, DICOM file or NIfTI file.
        curve: Plasma curve, TSV.
        reference: Ki map of the same counts, NIfTI with its record; None if there is none.
        independent: Ki map of other counts of the same patient, likewise.
        window_s: Frames from and to; None takes the reference's, else 30 min to the end.
        overrides: Values entered by the user, by the names of `--set`.
        subject: What to call the patient where the files say nothing; hashed like an id.
    """

    study: Path
    curve: Path
    reference: Path | None
    independent: Path | None = None
    window_s: tuple[float, float] | None = None
    overrides: Mapping[str, OverrideValue] = field(default_factory=dict)
    subject: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """The frames of the window and what the curve means in them."""

    index: NDArray[np.intp]
    timing: FrameTiming
    basis: FrameInput


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What the files of a case hold.

    Attributes:
        case: The dynamic series.
        curve: The plasma curve.
        references: Ki maps on the grid of the series, by name.
    """

    case: Case
    curve: InputFunction
    references: Mapping[str, ReferenceFile]


def read_material(request: AddRequest, cache: VoxelCache) -> Material:
    """Read the files of a case.

    Args:
        request: The case.
        cache: Where voxels of large series are kept.

    Raises:
        KiviewError: a file cannot be read or cannot be learnt from; the text says why.
    """
    case = read_case(request.study, request.overrides, cache)
    paths = {DIRECT: request.reference, INDEPENDENT: request.independent}
    files = {n: read_reference(p, case.image, cache) for n, p in paths.items() if p is not None}
    if not files:
        raise CaseError(f"{request.study} comes without a reference; give its Ki map.")
    return Material(case, read_input_function(request.curve), files)


def groups_of(material: Material, request: AddRequest, salt: Salt) -> list[TrainingGroup]:
    """Make the groups of one case; nothing is written.

    The frames are brought to 4 mm voxels, which is what the program does before a network sees
    them, and cut into slabs of the size of the simulated ones.

    Args:
        material: What its files hold.
        request: The case.
        salt: Hides who the patient is.

    Raises:
        KiviewError: something does not fit; the text says what.
    """
    image, curve = material.case.image, material.curve
    unit = _unit(image)
    require_same_quantity(image.quantity, curve)
    chosen = _chosen(image, curve, _window_s(request, material.references, image))
    whole = _whole(material, unit, chosen, _identity(request, material.case, salt, chosen))
    return _cut(whole)


def _unit(image: DynamicImage) -> ActivityUnit:
    unit = _UNITS.get(image.quantity)
    if unit is None:
        raise CaseError(
            f"The frames are in {image.quantity.unit.symbol}; a network learns from Bq/mL or SUV."
        )
    return unit


def _window_s(
    request: AddRequest, files: Mapping[str, ReferenceFile], image: DynamicImage
) -> tuple[float, float]:
    said = {name: file.window_min for name, file in files.items() if file.window_min is not None}
    first = next(iter(said.values()), None)
    if request.window_s is not None:
        window = request.window_s
    elif first is not None:
        window = (first[0] * _SECONDS_PER_MINUTE, first[1] * _SECONDS_PER_MINUTE)
    else:
        window = (30 * _SECONDS_PER_MINUTE, float(image.timing.end_s.max()))
    asked = np.array(window) / _SECONDS_PER_MINUTE
    for name, made_of in said.items():
        if np.abs(asked - made_of).max() > _WINDOW_TOLERANCE_MIN:
            raise CaseError(
                f"The reference ({name}) was made of {made_of[0]:g}-{made_of[1]:g} min but frames"
                f" of {asked[0]:g}-{asked[1]:g} min are asked for; use the same frames."
            )
    return window


def _chosen(image: DynamicImage, curve: InputFunction, window_s: tuple[float, float]) -> _Chosen:
    inside = image.timing.in_window(*window_s)
    index = np.flatnonzero(inside if inside.ndim == 1 else inside.any(axis=1))
    if len(index) < preprocess.MIN_FRAMES:
        raise CaseError(
            f"The scan has {len(index)} frames between {window_s[0] / 60:g} and"
            f" {window_s[1] / 60:g} min; a network needs two, choose a wider window."
        )
    injection = image.injection
    half_life = injection.radionuclide.half_life_s if injection else F18_HALF_LIFE_S
    timing = image.timing.select(index)
    means = preprocess.frame_input(timing, curve.integral, half_life)
    weight = np.where(inside[index], means.weight, 0.0)
    return _Chosen(index, timing, FrameInput(means.mean, means.integral_min, weight))


def _plan(image: DynamicImage) -> GridPlan:
    """The way to 4 mm; slices with times of their own are taken whole, the nearest each time."""
    plan = plan_grid(image.geometry, VOXEL_MM)
    if plan.z is None or not image.timing.is_per_slice:
        return plan
    nearest = np.zeros_like(plan.z)
    nearest[np.arange(len(plan.z)), plan.z.argmax(axis=1)] = 1.0
    return replace(plan, z=nearest)


def _per_slice(values: NDArray[np.float64], plan: GridPlan) -> NDArray[np.float64]:
    """Numbers per (frame, slice) on the slices of the plan; those per frame stay."""
    if values.ndim == 1 or plan.z is None:
        return values
    return values[:, plan.z.argmax(axis=1)]


def _whole(
    material: Material, unit: ActivityUnit, chosen: _Chosen, identity: Identity
) -> TrainingGroup:
    """The whole scan as one group on the 4 mm grid."""
    curve, plan = material.curve, _plan(material.case.image)
    frames, missing = _resampled(material.case.image, chosen.index, plan)
    basis = FrameInput(
        *(
            _per_slice(part, plan)
            for part in (chosen.basis.mean, chosen.basis.integral_min, chosen.basis.weight)
        )
    )
    references = {}
    for name, file in material.references.items():
        values, unknown = _resampled_map(file.values, plan)
        missing |= unknown
        references[name] = ReferenceMaps(values[None], None, file.method, file.settings)
    spacing = tuple(float(d) for d in plan.geometry.spacing_zyx_mm)
    body = _body(frames, basis, spacing) & ~missing
    for name, maps in references.items():
        _refuse_other_unit(name, maps.ki[0], frames, basis, body)
    time_s, activity = curve.samples(float(chosen.timing.end_s.max()))
    start_s = _per_slice(chosen.timing.start_s, plan)
    duration_s = _per_slice(chosen.timing.duration_s, plan)
    return TrainingGroup(
        frames=frames[None],
        unit=unit,
        timing=FrameTiming(start_s, duration_s),
        curve=PlasmaCurve(time_s, activity, _SOURCES[curve.source], curve.description),
        basis=basis,
        references=references,
        body=body.astype(np.uint8),
        lesions=np.zeros(body.shape, np.uint8),
        labels=np.where(body, UNKNOWN_LABEL, 0).astype(np.uint8),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        identity=identity,
    )


def _resampled(
    image: DynamicImage, index: NDArray[np.intp], plan: GridPlan
) -> tuple[Volume, NDArray[np.bool_]]:
    """Frames on the plan's grid, (t, z, y, x), and where they hold no number."""
    out: Volume = np.zeros((len(index), *plan.geometry.shape_zyx), np.float32)
    missing: Volume = np.zeros((1, *plan.geometry.shape_zyx), np.float32)
    for slab in image.slabs(len(index)):
        voxels = image.store.slab(slab.z0, slab.z1, index)
        bad = ~np.isfinite(voxels)
        if bad.any():
            voxels = np.where(bad, np.float32(0), voxels)
            gone: Volume = np.any(bad, axis=0, keepdims=True).astype(np.float32)
            plan.add_slices(missing, plan.in_plane(gone), slab.z0)
        plan.add_slices(out, plan.in_plane(voxels), slab.z0)
    return out, missing[0] > 0


def _resampled_map(values: Volume, plan: GridPlan) -> tuple[Volume, NDArray[np.bool_]]:
    """A map on the plan's grid, and where its missing values reach."""
    both = np.stack([np.nan_to_num(values), (~np.isfinite(values)).astype(np.float32)])
    out: Volume = np.zeros((2, *plan.geometry.shape_zyx), np.float32)
    plan.add_slices(out, plan.in_plane(both), 0)
    return out[0], out[1] > 0


def _body(frames: Volume, basis: FrameInput, spacing: tuple[float, ...]) -> NDArray[np.bool_]:
    """Where there is uptake: the largest connected part, holes of each slice filled."""
    maps = preprocess.linear_maps(frames, preprocess.linear_operators(basis).matrix)
    fur = maps[preprocess.LINEAR_NAMES.index("fur")]
    smoothed = preprocess.smooth(fur, (_BODY_SMOOTHING_MM,) * 3, spacing)
    parts, count = ndimage.label(smoothed > _BODY_LEVEL * preprocess.normaliser(fur))
    if count == 0:
        raise CaseError("The frames show no uptake anywhere; check the series and the window.")
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return np.stack([ndimage.binary_fill_holes(plane) for plane in parts == largest])


def _refuse_other_unit(
    name: str, ki: Volume, frames: Volume, basis: FrameInput, body: NDArray[np.bool_]
) -> None:
    """A reference far from Patlak in the mean is in another unit or of another curve."""
    if not body.any():
        raise CaseError(f"The reference ({name}) has no value where the patient is.")
    maps = preprocess.linear_maps(frames, preprocess.linear_operators(basis).matrix)
    patlak = float(maps[preprocess.LINEAR_NAMES.index("ki")][body].mean(dtype=np.float64))
    mean = float(ki[body].mean(dtype=np.float64))
    if not (patlak > 0 and 1 / _LARGEST_RATIO < mean / patlak < _LARGEST_RATIO):
        raise CaseError(
            f"The mean Ki of the reference ({name}) is {mean:.3g} mL/min/mL but Patlak with this"
            f" curve gives {patlak:.3g}; check the units of map and curve and that they belong to"
            " this scan."
        )


def _identity(request: AddRequest, case: Case, salt: Salt, chosen: _Chosen) -> Identity:
    person = request.subject or case.patient_id
    if not person:
        raise CaseError(
            f"{request.study} does not say who the patient is; tell people apart with --subject."
        )
    made_by: dict[str, JsonValue] = {
        "frames": [int(t) + 1 for t in chosen.index],
        "user_given": [list(pair) for pair in case.image.user_given],
    }
    return Identity(salt.hidden(person), salt.hidden(case.series_uid), Origin.ADDED, made_by)


def _cut(whole: TrainingGroup) -> list[TrainingGroup]:
    """Slabs of 8 slices and 128 x 128 voxels around the middle of the patient."""
    depth = whole.shape_zyx[0]
    if depth < SLAB_SLICES:
        raise CaseError(
            f"The scan is {depth} slices of {VOXEL_MM[0]:g} mm high; a network learns from"
            f" {SLAB_SLICES} or more."
        )
    middle = [int(np.rint(c)) for c in ndimage.center_of_mass(whole.body.any(axis=0))]
    slabs = []
    for first in range(0, depth, SLAB_SLICES):
        first = min(first, depth - SLAB_SLICES)  # noqa: PLW2901 - the last overlaps the one before
        part = _part(whole, slice(first, first + SLAB_SLICES), (middle[0], middle[1]))
        if part.body.mean() >= _LEAST_BODY:
            slabs.append(part)
    if not slabs:
        raise CaseError("The patient fills too little of the frames to learn from.")
    return slabs


def _part(whole: TrainingGroup, z: slice, middle_yx: tuple[int, int]) -> TrainingGroup:
    def volume(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return _field(values[..., z, :, :], middle_yx)

    def per_slice(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values if values.ndim == 1 else values[:, z]

    def labels(values: Labels) -> Labels:
        return np.asarray(volume(values), np.uint8)

    basis, timing = whole.basis, whole.timing
    return replace(
        whole,
        frames=np.asarray(volume(whole.frames), np.float32),
        timing=FrameTiming(per_slice(timing.start_s), per_slice(timing.duration_s)),
        basis=FrameInput(
            *(per_slice(part) for part in (basis.mean, basis.integral_min, basis.weight))
        ),
        references={
            name: replace(maps, ki=np.asarray(volume(maps.ki), np.float32))
            for name, maps in whole.references.items()
        },
        body=labels(whole.body),
        lesions=labels(whole.lesions),
        labels=labels(whole.labels),
    )


def _field(values: NDArray[np.generic], middle_yx: tuple[int, int]) -> NDArray[np.generic]:
    """128 x 128 voxels around a place; zeros where the scan ends."""
    for axis, middle in zip((-2, -1), middle_yx, strict=True):
        size = values.shape[axis]
        first = middle - FIELD_VOXELS // 2
        inside = np.arange(max(first, 0), min(first + FIELD_VOXELS, size))
        before = max(-first, 0)
        after = FIELD_VOXELS - before - len(inside)
        widths = [(0, 0)] * values.ndim
        widths[axis] = (before, after)
        values = np.pad(np.take(values, inside, axis), widths)
    return values
