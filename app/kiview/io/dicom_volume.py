"""Read DICOM volumes that are no PET time course: CT, MR, and exported parametric maps."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from kiview.core import units
from kiview.core.errors import InvalidInputError, KiviewError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import Progress
from kiview.core.study import Finding, PatientInfo, Series, SeriesKind, Verdict
from kiview.core.units import Quantity
from kiview.io.dicom_frames import stand_in_timing
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_meaning import RATES, finding
from kiview.io.dicom_multiframe import SlicesOfObjects, slices_of_objects
from kiview.io.dicom_pet import ReadSeries, files_left_out, refused_series
from kiview.io.dicom_pixels import load_pixels, lossy_findings, refuse_changed_copies
from kiview.io.dicom_slices import order_frames, stack_slices, without_copies
from kiview.io.dicom_suv import patient_of
from kiview.io.dicom_tags import MULTI_FRAME_VOLUMES
from kiview.io.frame_store import VoxelCache
from kiview.io.overrides import UserGiven
from kiview.io.scan import DicomSeriesFiles
from kiview.io.sop_classes import CT_CLASSES, MR_CLASSES

_POSITION_TOLERANCE_MM = 0.1
KNOWN_QUANTITIES: dict[str, Quantity] = {
    quantity.code: quantity for quantity in vars(units).values() if isinstance(quantity, Quantity)
}
"""Quantities by the code that exported maps carry."""


def read_volume(files: DicomSeriesFiles, cache: VoxelCache, progress: Progress) -> ReadSeries:
    """Read a CT, an MR volume or a parametric map written as a PET series."""
    try:
        series, left_out = _read_volume(files, cache, progress)
        return ReadSeries(series, patient_of(files.headers, UserGiven()), left_out)
    except KiviewError as error:
        return ReadSeries(refused_series(files, str(error)), PatientInfo())


def is_rate_map(headers: HeaderTable) -> bool:
    """Whether a PET series is a parametric map by its Units."""
    return all(unit.strip().upper() in RATES for unit in headers.distinct("Units"))


def _read_volume(
    files: DicomSeriesFiles, cache: VoxelCache, progress: Progress
) -> tuple[Series, tuple[tuple[str, str], ...]]:
    """The series, and (path, reason) of files of it that are not used."""
    is_multi_frame = files.sop_class in MULTI_FRAME_VOLUMES
    slices = slices_of_objects(files.headers) if is_multi_frame else SlicesOfObjects(files.headers)
    headers = slices.headers
    stack = stack_slices(headers)
    kept = stack.position[without_copies(headers)[0]]
    if len(np.unique(kept)) < len(kept):
        raise ReadError(
            "Several images lie at the same position (echoes, phases or reconstructions); KiView"
            " shows one volume per series."
        )
    order = order_frames(headers, stack, np.zeros(len(headers)))
    slope, intercept = headers.numbers("RescaleSlope"), headers.numbers("RescaleIntercept")
    slope_tz = np.where(np.isfinite(slope), slope, 1.0)[order.files]
    intercept_tz = np.nan_to_num(intercept)[order.files]
    refuse_changed_copies(headers, order.copies, progress)
    pixels = load_pixels(headers, order.files, cache, progress)
    kind, quantity, findings = _kind_and_quantity(files.sop_class, headers)
    image = DynamicImage(
        ScaledFrameStore(pixels.voxels, slope_tz, intercept_tz),
        stack.geometry,
        stand_in_timing(1),
        quantity,
        series_uid=files.uid,
        description=headers.text("SeriesDescription"),
    )
    largest = np.maximum(pixels.largest_tz * slope_tz, pixels.smallest_tz * slope_tz)
    series = Series(
        uid=files.uid,
        kind=kind,
        modality=headers.text("Modality"),
        description=image.description,
        image=image,
        findings=(
            *slices.findings,
            *stack.findings,
            *order.findings,
            *lossy_findings(headers),
            *findings,
            not_pet(kind),
        ),
        max_value=float((largest + intercept_tz).max()),
        file_units=headers.text("Units") or quantity.unit.dicom_term,
        source_files=tuple(dict.fromkeys(headers.paths[i] for i in order.files.ravel())),
    )
    return series, files_left_out(slices, order, series.source_files)


def not_pet(kind: SeriesKind) -> Finding:
    """Why a volume gives neither SUV nor Ki."""
    message = {
        SeriesKind.CT: "A CT series has no activity; it is shown for orientation.",
        SeriesKind.MR: "An MR series has no activity; it is shown for orientation.",
        SeriesKind.MAP: "A parametric map is a result; SUV and Ki come from the dynamic series.",
    }.get(kind, "The image says nothing about activity; it is shown as it is.")
    return finding("not-activity", message, (Verdict.REFUSED, Verdict.REFUSED))


def _kind_and_quantity(
    sop_class: str, headers: HeaderTable
) -> tuple[SeriesKind, Quantity, tuple[Finding, ...]]:
    """What a volume is and what its values are.

    CT values are Hounsfield units by slope and intercept (PS3.3 C.8.2.1) unless RescaleType says
    another unit, as maps of dual-energy CT do (C.11.1.1.2).
    """
    if sop_class in MR_CLASSES:
        return SeriesKind.MR, units.SIGNAL, ()
    if sop_class not in CT_CLASSES:
        rate = RATES[headers.text("Units").strip().upper()]
        return SeriesKind.MAP, quantity_of(headers.text("SeriesDescription"), rate), ()
    lines = np.stack([headers.numbers("RescaleSlope"), headers.numbers("RescaleIntercept")])
    types = {word.strip().upper() for word in headers.distinct("RescaleType")} - {"", "HU"}
    if np.isfinite(lines).all() and not types:
        return SeriesKind.CT, units.CT_NUMBER, ()
    why = f"are in {min(types)}" if types else "have no RescaleSlope and RescaleIntercept"
    message = f"The CT values {why}, so they are no Hounsfield units; they are shown as they are."
    unknown = finding("ct-not-hounsfield", message, (Verdict.REFUSED, Verdict.REFUSED))
    return SeriesKind.CT, units.SIGNAL, (unknown,)


def quantity_of(description: str, usual: Quantity) -> Quantity:
    """Quantity whose code begins a description, if its unit fits; else the usual one."""
    named = KNOWN_QUANTITIES.get(description.split(" ", maxsplit=1)[0])
    return named if named is not None and named.unit == usual.unit else usual


def read_parametric_maps(files: DicomSeriesFiles) -> list[ReadSeries]:
    """Read Parametric Map objects (one volume per file)."""
    result = []
    for number in range(len(files.headers)):
        one = DicomSeriesFiles(files.uid, files.sop_class, files.headers.take([number]))
        try:
            series = _read_parametric_map(one)
        except KiviewError as error:
            series = refused_series(one, str(error))
        result.append(ReadSeries(series, PatientInfo()))
    return result


def _read_parametric_map(files: DicomSeriesFiles) -> Series:
    headers = files.headers
    path = headers.paths[0]
    try:
        dataset = pydicom.dcmread(path)
        pixels = np.asarray(dataset.pixel_array)
        geometry, order = _geometry_of(dataset, pixels)
        slope, intercept, unit, label = _mapping_of(dataset)
    except KiviewError:
        raise
    except Exception as error:  # a damaged object fails in many ways
        raise ReadError(
            f"{path} is no parametric map that KiView can read ({type(error).__name__})."
        ) from error
    values = (pixels[order] * slope + intercept).astype(np.float32)
    description = headers.text("SeriesDescription")
    quantity = quantity_of(label or description, _quantity_by_unit(unit))
    image = DynamicImage(
        ScaledFrameStore(values[None]),
        geometry,
        stand_in_timing(1),
        quantity,
        series_uid=files.uid,
        description=description,
    )
    return Series(
        uid=headers.text("SOPInstanceUID") or files.uid,
        kind=SeriesKind.MAP,
        modality=headers.text("Modality"),
        description=description,
        image=image,
        findings=(not_pet(SeriesKind.MAP),),
        max_value=float(np.nanmax(values)) if np.isfinite(values).any() else None,
        file_units=unit,
        source_files=(path,),
    )


def _quantity_by_unit(unit: str) -> Quantity:
    for quantity in (units.KI, units.V0):
        if unit.lower() in (quantity.unit.ucum.lower(), quantity.unit.symbol.lower()):
            return quantity
    return Quantity("unknown", "Map", units.Unit(unit, unit)) if unit else units.UNKNOWN


def _functional_group(dataset: Dataset, frame: Dataset, name: str) -> Dataset:
    """A macro of one frame, else the shared one."""
    for item in (frame, *dataset.get("SharedFunctionalGroupsSequence", [])):
        if name in item:
            group: Dataset = item[name].value[0]
            return group
    raise InvalidInputError(f"The parametric map has no {name}.")


def _floats(values: Iterable[Any]) -> NDArray[np.float64]:
    return np.array([float(value) for value in values])


def _geometry_of(
    dataset: Dataset, pixels: NDArray[Any]
) -> tuple[VolumeGeometry, NDArray[np.int64]]:
    """Grid of a multi-frame object and the order of its frames along the normal."""
    frames = list(dataset.PerFrameFunctionalGroupsSequence)
    orientation = _floats(
        _functional_group(dataset, frames[0], "PlaneOrientationSequence").ImageOrientationPatient
    )
    measures = _functional_group(dataset, frames[0], "PixelMeasuresSequence")
    spacing = _floats(measures.PixelSpacing)
    corners = np.array(
        [
            _floats(_functional_group(dataset, frame, "PlanePositionSequence").ImagePositionPatient)
            for frame in frames
        ]
    )
    if pixels.ndim != 3 or len(pixels) != len(frames):
        raise InvalidInputError("The number of frames and of positions differ.")
    along_x, along_y = orientation[:3], orientation[3:]
    normal = np.cross(along_x, along_y)
    distance = corners @ normal
    order = np.argsort(distance)
    gaps = np.diff(distance[order])
    if len(gaps) and np.ptp(gaps) > _POSITION_TOLERANCE_MM:
        raise InvalidInputError("The slices of the parametric map are not evenly spaced.")
    thickness = float(gaps.mean()) if len(gaps) else float(measures.get("SliceThickness", 1.0))
    affine = np.eye(4)
    affine[:3, 0] = normal * thickness
    affine[:3, 1], affine[:3, 2] = along_y * spacing[0], along_x * spacing[1]
    affine[:3, 3] = corners[order[0]]
    uid = str(dataset.get("FrameOfReferenceUID", ""))
    geometry = VolumeGeometry((len(frames), *pixels.shape[1:]), affine, uid)
    return geometry, order


def _mapping_of(dataset: Dataset) -> tuple[float, float, str, str]:
    """Slope, intercept, UCUM unit and label of the real-world value mapping."""
    frame = dataset.PerFrameFunctionalGroupsSequence[0]
    mapping = _functional_group(dataset, frame, "RealWorldValueMappingSequence")
    unit = str(mapping.MeasurementUnitsCodeSequence[0].CodeValue)
    slope = float(mapping.get("RealWorldValueSlope", 1.0))
    intercept = float(mapping.get("RealWorldValueIntercept", 0.0))
    return slope, intercept, unit, str(mapping.get("LUTLabel", ""))
