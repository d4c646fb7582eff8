"""DICOM objects of the same study that are no PET: reports, pictures, MR, enhanced CT and MR.

write_object(folder / "sr.dcm", pet_file, "1.2.840.10008.5.1.4.1.1.88.67", "SR")
write_enhanced_volume(folder / "ct.dcm", slices, EnhancedCTImageStorage)
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

_STUDY = """
    SpecificCharacterSet StudyDate StudyTime AccessionNumber ReferringPhysicianName PatientName
    PatientID PatientBirthDate PatientSex StudyInstanceUID StudyID StudyDescription
"""
_PIXELS = """
    SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit
    PixelRepresentation
"""


def write_object(path: Path, like: Path, sop_class: str, modality: str, **values: Any) -> Path:
    """An object without pixels in the study of another file."""
    source = pydicom.dcmread(like, stop_before_pixels=True)
    ds = Dataset()
    for keyword in _STUDY.split():
        if keyword in source:
            ds[keyword] = source[keyword]
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid()
    ds.SeriesInstanceUID, ds.SeriesNumber, ds.InstanceNumber = generate_uid(), 90, 1
    ds.Modality = modality
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return save(path, ds)


def save(path: Path, ds: Dataset) -> Path:
    """Write an object with the file meta information that it needs."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def turn_into_mr(paths: Sequence[Path]) -> list[Path]:
    """Make a CT series an MR series: no slope, no intercept, UIDs of its own."""
    uid = generate_uid()
    for path in paths:
        ds = pydicom.dcmread(path)
        del ds.RescaleSlope
        del ds.RescaleIntercept
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = MRImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.SeriesInstanceUID, ds.Modality, ds.SeriesDescription = uid, "MR", "MR T1"
        ds.save_as(path)
    return list(paths)


def write_enhanced_volume(
    path: Path,
    slices: Sequence[Dataset],
    sop_class: str,
    change: Callable[[Dataset], None] = lambda _: None,
) -> Path:
    """One enhanced or legacy converted CT or MR object (PS3.3 A.38, A.36, A.70, A.71).

    Args:
        path: The file.
        slices: Single-slice CT with RescaleSlope and RescaleIntercept, in the order of the frames.
        sop_class: Of the object.
        change: Last change; may damage it.
    """
    first = slices[0]
    ds = Dataset()
    for keyword in (*_STUDY.split(), "FrameOfReferenceUID", "Modality", "SeriesDescription"):
        if keyword in first:
            ds[keyword] = first[keyword]
    for keyword in _PIXELS.split():
        ds[keyword] = first[keyword]
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid()
    ds.SeriesInstanceUID, ds.SeriesNumber, ds.InstanceNumber = generate_uid(), 80, 1
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.NumberOfFrames = len(slices)
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = first.PixelSpacing, first.SliceThickness
    orientation.ImageOrientationPatient = first.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = [_frame(one) for one in slices]
    ds.PixelData = b"".join(one.PixelData for one in slices)
    ds["PixelData"].VR = "OW"
    change(ds)
    return save(path, ds)


def _frame(one: Dataset) -> Dataset:
    groups, content, position, values = (Dataset() for _ in range(4))
    content.StackID, content.InStackPositionNumber = "1", int(one.InstanceNumber)
    position.ImagePositionPatient = one.ImagePositionPatient
    values.RescaleSlope, values.RescaleIntercept = one.RescaleSlope, one.RescaleIntercept
    values.RescaleType = "HU"
    groups.FrameContentSequence = [content]
    groups.PlanePositionSequence = [position]
    groups.PixelValueTransformationSequence = [values]
    return groups
