"""What every written DICOM object shares: patient and study, geometry, numbers, who made it."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from pathlib import Path

import numpy as np
import pydicom.config
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from kiview import __version__
from kiview.core.errors import ExportError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.study import PatientInfo
from kiview.io.dicom_multiframe_source import in_single_slice_words
from kiview.io.dicom_tags import PER_FRAME_GROUPS, PIXEL_DATA

# Real headers hold texts that are too long; what is copied from them is mended, not complained of.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

APPLICATION = "KiView"
PRIVATE_SCHEME = "99KIVIEW"
RESEARCH_USE = "Research use only. Not for diagnosis or treatment decisions."
SHORT_LIMIT = 64
"""Characters in a DICOM long string (LO)."""
LONG_LIMIT = 1024
"""Characters in a DICOM short text (ST)."""
ORTHOGONAL_TOLERANCE = 1e-4

_STUDY_KEYWORDS = [
    "SpecificCharacterSet",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "StudyInstanceUID",
]
_SERIES_KEYWORDS = [
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "SeriesDate",
    "SeriesTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "BodyPartExamined",
    "Laterality",
    "PatientPosition",
    "PatientOrientationCodeSequence",
    "PatientOrientationModifierCodeSequence",
    "PatientGantryRelationshipCodeSequence",
    "DecayCorrection",
    "CorrectedImage",
    "CountsSource",
    "RadiopharmaceuticalInformationSequence",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "DeviceSerialNumber",
    "StationName",
    "InstitutionName",
    "ContributingEquipmentSequence",
    "SeriesInstanceUID",
    "Modality",
]
_SINGLE_PARTS = (
    "ABDOMEN ABDOMENPELVIS BLADDER BRAIN CHEST CHESTABDOMEN CHESTABDPELVIS COCCYX CSPINE"
    " CTSPINE HEAD HEADNECK HEART JAW LIVER LSPINE LSSPINE NECK NECKCHEST NECKCHESTABDOMEN"
    " NECKCHESTABDPELV PANCREAS PELVIS SKULL SPINE SPLEEN STERNUM TLSPINE TSPINE"
    " WHOLEBODY"
)
"""Body parts (CID 4031) that exist once."""
_TEXT_LIMITS = {"SH": 16, "LO": SHORT_LIMIT}
"""Characters that a DICOM text of one kind holds; files exceed it."""
_TYPE_2_STUDY = ["StudyID", "AccessionNumber", "ReferringPhysicianName", "PatientID", "PatientName"]


@dataclass(frozen=True, slots=True, eq=False)
class SourceHeader:
    """Patient, study, frame of reference and acquisition that a derived object inherits.

    Attributes:
        dataset: The attributes that are copied, without pixels; not to be changed.
    """

    dataset: Dataset

    @property
    def study_uid(self) -> str:
        """Study instance UID."""
        return str(self.dataset.StudyInstanceUID)

    def study_module(self) -> Dataset:
        """New data set with the patient and study attributes."""
        return _copied(self.dataset, _STUDY_KEYWORDS)


def read_source_header(path: Path) -> SourceHeader:
    """Header of one file of the series that a result was computed from.

    Raises:
        ReadError: the file is gone or no DICOM file.
    """
    try:
        with path.open("rb") as file:
            dataset = in_single_slice_words(read_partial(file, _stops))
    except (OSError, InvalidDicomError) as error:
        raise ReadError(
            f"The source file {path.name} cannot be read any more ({error}), so patient and study"
            " cannot be copied; open the study again."
        ) from error
    return SourceHeader(_completed(_copied(dataset, [*_STUDY_KEYWORDS, *_SERIES_KEYWORDS])))


def _stops(tag: int, _kind: str | None, _length: int) -> bool:
    """Whether a header ends: at the groups of each frame, which may be many, or at the pixels."""
    return tag == PER_FRAME_GROUPS or tag in PIXEL_DATA


def made_up_header(
    patient: PatientInfo,
    acquired: datetime | None = None,
    extra: Mapping[str, object] | None = None,
) -> SourceHeader:
    """Header for results of files without one (NIfTI, simulation), with new UIDs.

    Args:
        patient: Who; empty values stay empty.
        acquired: Start of the scan; None leaves the dates empty.
        extra: Further DICOM attributes by keyword, for example `BodyPartExamined`.
    """
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID, dataset.PatientName = patient.patient_id, patient.name
    dataset.PatientSex, dataset.StudyID = patient.sex, "1"
    if patient.weight_kg is not None:
        dataset.PatientWeight = number_text(patient.weight_kg)
    if patient.height_m is not None:
        dataset.PatientSize = number_text(patient.height_m)
    if acquired is not None:
        dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = date_text(acquired)
        dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = time_text(acquired)
    for keyword, value in (extra or {}).items():
        setattr(dataset, keyword, value)
    return SourceHeader(_completed(dataset))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesText:
    """Words and numbers of a new series.

    Attributes:
        description: SeriesDescription, at most 64 characters.
        number: SeriesNumber.
        uid: SeriesInstanceUID, empty for a new one.
    """

    description: str
    number: int
    uid: str = ""

    def __post_init__(self) -> None:
        if len(self.description) > SHORT_LIMIT:
            raise ExportError(
                f"The series description {self.description!r} is longer than DICOM allows"
                f" ({SHORT_LIMIT} characters); choose a shorter one."
            )


def _copied(dataset: Dataset, keywords: Iterable[str]) -> Dataset:
    copied = Dataset()
    for keyword in keywords:
        if keyword in dataset:
            copied[keyword] = copy.deepcopy(dataset[keyword])
            _shorten(copied[keyword])
    return copied


def _shorten(element: DataElement) -> None:
    """Cut text that is longer than its kind allows; identifiers of the patient stay whole."""
    limit = _TEXT_LIMITS.get(str(element.VR))
    if limit and element.keyword != "PatientID" and isinstance(element.value, str):
        element.value = element.value[:limit]


def _completed(dataset: Dataset) -> Dataset:
    """Add what the standard wants present, empty or new."""
    for keyword in (*_TYPE_2_STUDY, "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"):
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if not dataset.get(keyword):
            setattr(dataset, keyword, generate_uid())
    return dataset


def number_text(value: float) -> str:
    """A number as a DICOM decimal string of at most 16 characters, as exact as fits.

    Raises:
        ExportError: the number is not finite.
    """
    if not isfinite(value):
        raise ExportError(f"The value {value!r} cannot be written to DICOM.")
    return format_number_as_ds(float(value))


def date_text(moment: date) -> str:
    """A date as DICOM DA."""
    return moment.strftime("%Y%m%d")


def time_text(moment: datetime) -> str:
    """A time of day as DICOM TM, to the microsecond."""
    return moment.strftime("%H%M%S.%f")


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    """One coded entry."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def private_code(value: str, meaning: str) -> Dataset:
    """One coded entry of KiView's own scheme."""
    return code_item(value, PRIVATE_SCHEME, meaning)


def coding_scheme_sequence() -> Sequence:
    """Declaration of KiView's own coding scheme."""
    item = Dataset()
    item.CodingSchemeDesignator = PRIVATE_SCHEME
    item.CodingSchemeName = "KiView codes"
    item.CodingSchemeResponsibleOrganization = APPLICATION
    return Sequence([item])


def equipment_item(purpose: Dataset, attributes: Mapping[str, str]) -> Dataset:
    """One item of the contributing equipment sequence.

    Args:
        purpose: Coded purpose of reference.
        attributes: DICOM attributes by keyword; empty ones are left out.
    """
    item = Dataset()
    for keyword, value in attributes.items():
        if value:
            setattr(item, keyword, value)
    item.PurposeOfReferenceCodeSequence = Sequence([purpose])
    return item


def scanner_items(header: SourceHeader) -> list[Dataset]:
    """Equipment that contributed to the source: what it lists and the scanner itself."""
    source = header.dataset
    listed = [copy.deepcopy(item) for item in source.get("ContributingEquipmentSequence") or []]
    manufacturer = str(source.get("Manufacturer") or "")
    if not manufacturer:
        return listed
    attributes = {"Manufacturer": manufacturer}
    for keyword in (
        "InstitutionName",
        "StationName",
        "ManufacturerModelName",
        "DeviceSerialNumber",
    ):
        attributes[keyword] = str(source.get(keyword) or "")
    scanner = equipment_item(code_item("109101", "DCM", "Acquisition Equipment"), attributes)
    if source.get("SoftwareVersions"):
        scanner["SoftwareVersions"] = copy.deepcopy(source["SoftwareVersions"])
    return [*listed, scanner]


def plane_attributes(geometry: VolumeGeometry) -> dict[str, list[str]]:
    """Attributes of the image plane that all slices share.

    Raises:
        ExportError: rows and columns are not at right angles, which DICOM cannot say.
    """
    affine = geometry.affine_lps_mm
    spacing = geometry.spacing_zyx_mm
    along_row, along_column = affine[:3, 2] / spacing[2], affine[:3, 1] / spacing[1]
    if abs(along_row @ along_column) > ORTHOGONAL_TOLERANCE:
        raise ExportError(
            "The rows and columns of this image are not at right angles, which DICOM cannot"
            " describe; export NIfTI instead."
        )
    normal = np.cross(along_row, along_column)
    thickness = abs(float(affine[:3, 0] @ normal))
    return {
        "ImageOrientationPatient": [number_text(v) for v in (*along_row, *along_column)],
        "PixelSpacing": [number_text(spacing[1]), number_text(spacing[2])],
        "SliceThickness": [number_text(thickness)],
    }


def slice_position(geometry: VolumeGeometry, z: int) -> list[str]:
    """ImagePositionPatient of one slice: centre of its first voxel, LPS mm."""
    return [number_text(v) for v in geometry.to_lps_mm([z, 0, 0])]


def image_dataset(header: SourceHeader, geometry: VolumeGeometry, text: SeriesText) -> Dataset:
    """Attributes that every slice of a new series shares, for any single-slice image."""
    dataset = header.study_module()
    source = header.dataset
    dataset.SeriesInstanceUID = text.uid or generate_uid()
    dataset.SeriesNumber = text.number
    dataset.SeriesDescription = text.description
    dataset.FrameOfReferenceUID = geometry.frame_of_reference_uid or source.FrameOfReferenceUID
    dataset.PositionReferenceIndicator = source.get("PositionReferenceIndicator", "") or ""
    add_body_part(dataset, source)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = geometry.shape_zyx[1:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    for keyword, value in plane_attributes(geometry).items():
        setattr(dataset, keyword, value)
    return dataset


def add_body_part(dataset: Dataset, source: Dataset) -> None:
    """Copy the body part; a part that exists twice, or is unknown, needs a (perhaps empty) side."""
    part = str(source.get("BodyPartExamined") or "").upper()
    if part:
        dataset.BodyPartExamined = part
    if part not in _SINGLE_PARTS.split():
        dataset.Laterality = source.get("Laterality") or ""


def stored_as_int16(values: NDArray[np.floating]) -> tuple[NDArray[np.int16], str]:
    """Quantise one slice with the finest slope that its largest magnitude allows.

    Args:
        values: (y, x); values that are not finite become 0.

    Returns:
        (y, x) int16 and the text of the slope they were divided by.
    """
    finite = np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(np.abs(finite).max())
    slope = number_text(largest / np.iinfo(np.int16).max) if largest > 0 else "1"
    if float(slope) == 0.0:
        slope = "1"
    stored = np.rint(finite / float(slope))
    limit = np.iinfo(np.int16).max
    return np.clip(stored, -limit, limit).astype("<i2"), slope


def write_dataset(dataset: Dataset, path: Path) -> None:
    """Write one object as an explicit little-endian DICOM file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationVersionName = f"{APPLICATION.upper()}_{__version__}"[:16]
    dataset.save_as(path, enforce_file_format=True)
