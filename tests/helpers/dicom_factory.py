"""Writes dynamic PET DICOM in the tag patterns of real scanners.

Public dynamic PET DICOM does not exist, so tests make their own. Nothing here comes from
`kiview.io`: what is written follows the patterns, and the reader has to find it out.

    paths = write_dynamic_series(folder, "ge", activity, affine, start_s, duration_s)
"""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
    RTStructureSetStorage,
    generate_uid,
)

from tests.helpers.dicom_patterns import PATTERNS
from tests.helpers.dicom_patterns.facts import Pattern, SeriesSpec, SliceFacts, date, decimal

_LARGEST = 32767


def write_dynamic_series(
    folder: Path,
    pattern: str,
    activity_bqml: NDArray[Any],
    affine_lps_mm: ArrayLike,
    start_s: ArrayLike,
    duration_s: ArrayLike,
    **options: Any,
) -> list[Path]:
    """Write a dynamic PET series as single-slice files with shuffled names.

    Args:
        folder: Made if absent.
        pattern: Vendor, a key of `PATTERNS`.
        activity_bqml: (t, z, y, x) Bq/mL decay-corrected to the injection.
        affine_lps_mm: (4, 4): voxel index (z, y, x, 1) -> LPS mm, right-handed with z along the
            slice normal.
        start_s: (t,) or (t, z) frame starts, s from the injection.
        duration_s: Same shape.
        **options: Fields of `SeriesSpec`, the invented truth.

    Returns:
        Paths in the order t, z.
    """
    vendor = PATTERNS[pattern]
    spec = _complete(SeriesSpec(**options), float(np.min(start_s)))
    activity = np.asarray(activity_bqml, dtype=np.float64)
    t, z = activity.shape[:2]
    start, duration = _per_slice(start_s, (t, z)), _per_slice(duration_s, (t, z))
    in_file = activity * _decay_to_file(spec, start, duration)[:, :, None, None]
    quantum = _quantum_in_file(spec, start, duration)
    slope = _slopes(in_file, vendor, quantum)
    folder.mkdir(parents=True, exist_ok=True)
    names = _shuffled_names(t * z, spec.seed)
    paths = []
    for i, j in np.ndindex(t, z):
        facts = SliceFacts(spec, i, t, j, z, start[i, j], duration[i, j], slope[i, j])
        ds = _slice(vendor, facts, np.rint(in_file[i, j] / slope[i, j]), affine_lps_mm)
        if spec.change is not None:
            spec.change(ds, facts)
        paths.append(folder / names[i * z + j])
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_ct_series(
    folder: Path, hounsfield: NDArray[Any], affine_lps_mm: ArrayLike, spec: SeriesSpec | None = None
) -> list[Path]:
    """Write a CT volume (z, y, x) in HU, intercept -1024."""
    spec = _complete(replace(spec or SeriesSpec(), series_uid=""), 0.0)
    uid = generate_uid(entropy_srcs=["ct", str(spec.seed)])
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for z, plane in enumerate(hounsfield):
        facts = SliceFacts(spec, 0, 1, z, len(hounsfield), 0.0, 1.0)
        ds = _empty(CTImageStorage, facts)
        ds.Modality, ds.SeriesInstanceUID, ds.SeriesDescription = "CT", uid, "CT low dose"
        _add_pixels(ds, np.rint(plane) + 1024, affine_lps_mm, z)
        ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
        ds.InstanceNumber = z + 1
        paths.append(folder / f"CT{z:04d}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_rubbish(folder: Path, spec: SeriesSpec | None = None) -> list[Path]:
    """Write what lies about in real folders: a structure set, text, an empty file, a cut file."""
    spec = _complete(spec or SeriesSpec(), 0.0)
    folder.mkdir(parents=True, exist_ok=True)
    ds = _empty(RTStructureSetStorage, SliceFacts(spec, 0, 1, 0, 1, 0.0, 1.0))
    ds.Modality = "RTSTRUCT"
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["rtstruct", str(spec.seed)])
    ds.save_as(folder / "RS.dcm", enforce_file_format=True)
    (folder / "notes.txt").write_text("scanned in the afternoon\n", encoding="utf-8")
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "cut.dcm").write_bytes((folder / "RS.dcm").read_bytes()[:200])
    return [folder / name for name in ("RS.dcm", "notes.txt", "empty.dcm", "cut.dcm")]


def _complete(spec: SeriesSpec, first_s: float) -> SeriesSpec:
    def uid(given: str, name: str) -> str:
        return given or generate_uid(entropy_srcs=[name, str(spec.seed)])

    return replace(
        spec,
        scan_start_s=first_s if spec.scan_start_s is None else spec.scan_start_s,
        study_uid=uid(spec.study_uid, "study"),
        series_uid=uid(spec.series_uid, "series"),
        frame_of_reference_uid=uid(spec.frame_of_reference_uid, "frame of reference"),
    )


def _per_slice(values: ArrayLike, tz: tuple[int, int]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return np.broadcast_to(array[:, None] if array.ndim == 1 else array, tz)


def _decay_to_file(
    spec: SeriesSpec, start: NDArray[np.float64], duration: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Factor (t, z) from activity at injection to what the file's decay correction stores."""
    if spec.decay_correction == "ADMIN":
        return np.ones_like(start)
    if spec.decay_correction == "START":
        return np.full_like(start, 2.0 ** (-spec.series_start_s / spec.half_life_s))
    span = np.log(2.0) / spec.half_life_s * duration
    left = 2.0 ** (-start / spec.half_life_s)
    return np.asarray(left * (1.0 - np.exp(-span)) / span)


def _quantum_in_file(
    spec: SeriesSpec, start: NDArray[np.float64], duration: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    if spec.quantum_bqml is None:
        return None
    return spec.quantum_bqml * _decay_to_file(spec, start, duration)


def _slopes(
    in_file: NDArray[np.float64], vendor: Pattern, quantum: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Bq/mL of stored value 1 per (frame, slice), as the vendor would choose it."""
    largest = np.abs(in_file).max(axis=(2, 3))
    if not vendor.slope_per_slice:
        largest = np.full_like(largest, largest.max())
    largest = np.where(largest > 0, largest, 1.0)
    if quantum is None:
        return largest / _LARGEST
    steps = np.floor(_LARGEST / np.rint(largest / quantum))
    return quantum / np.clip(steps, 1, 4) if vendor.slope_per_slice else quantum


def _shuffled_names(count: int, seed: int) -> list[str]:
    numbers = list(range(count))
    random.Random(seed).shuffle(numbers)
    return [f"IM{number:06d}" for number in numbers]


def _slice(
    vendor: Pattern, facts: SliceFacts, stored: NDArray[np.float64], affine: ArrayLike
) -> FileDataset:
    ds = _empty(PositronEmissionTomographyImageStorage, facts)
    ds.Modality = "PT"
    _add_pixels(ds, stored, affine, facts.slice_index)
    vendor.write(ds, facts)
    ds.RescaleIntercept = "0"
    ds.RescaleSlope = "1" if vendor.stores_counts else decimal(facts.bqml_per_count)
    number = facts.frame * facts.slice_count + facts.slice_index
    last = facts.frame_count * facts.slice_count - 1
    ds.InstanceNumber = 1 + (last - number if vendor.instances_reversed else number)
    return ds


def _empty(sop_class: str, facts: SliceFacts) -> FileDataset:
    spec = facts.spec
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(
        entropy_srcs=[f"{spec.series_uid}/{sop_class}/{facts.frame}/{facts.slice_index}"]
    )
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.StudyDate, ds.StudyTime = date(spec.series_start), spec.series_start.strftime("%H%M%S")
    ds.StudyInstanceUID, ds.SeriesInstanceUID = spec.study_uid, spec.series_uid
    ds.StudyID, ds.SeriesNumber, ds.AccessionNumber = "1", 3, ""
    ds.StudyDescription, ds.SeriesDescription = "factory", spec.description
    ds.ReferringPhysicianName, ds.PatientBirthDate = "", ""
    ds.PatientName, ds.PatientID, ds.PatientSex = "Factory^Phantom", "FACTORY-1", spec.sex
    if spec.weight_kg is not None:
        ds.PatientWeight = decimal(spec.weight_kg)
    if spec.height_m is not None:
        ds.PatientSize = decimal(spec.height_m)
    ds.PatientPosition = spec.patient_position
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = spec.frame_of_reference_uid, ""
    return ds


def _add_pixels(ds: Dataset, stored: NDArray[np.float64], affine: ArrayLike, z: int) -> None:
    matrix = np.asarray(affine, dtype=np.float64)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    along_x, along_y = matrix[:3, 2] / spacing[2], matrix[:3, 1] / spacing[1]
    corner = matrix @ [z, 0, 0, 1]
    ds.ImagePositionPatient = [decimal(v) for v in corner[:3]]
    ds.ImageOrientationPatient = [decimal(v) for v in (*along_x, *along_y)]
    ds.PixelSpacing = [decimal(spacing[1]), decimal(spacing[2])]
    ds.SliceThickness = decimal(spacing[0])
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelData = stored.astype("<i2").tobytes()
