"""Turns single-slice PET files into multi-frame objects with the same pixels.

Public enhanced PET does not exist, so tests make their own. Nothing here comes from `kiview.io`.

    write_enhanced(folder, [slices_of_one_object, ...])     # by hand, PS3.3 A.56
    write_legacy_converted(folder, [slices_of_one_object, ...])     # by highdicom, PS3.3 A.72
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pydicom
from highdicom.legacy import LegacyConvertedEnhancedPETImage
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedPETImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.dicom_patterns.facts import SliceFacts
from tests.helpers.four_frames import DURATION_S, SPEC, START_S
from tests.helpers.phantoms import asymmetric_phantom, oblique_affine

SLICES, FRAMES = 5, 4
"""Of `classic`."""
Slices = list[Dataset]
Change = Callable[[Dataset], None]
_SAME_FOR_ALL = """
    SpecificCharacterSet StudyDate SeriesDate StudyTime SeriesTime AccessionNumber Modality
    Manufacturer ManufacturerModelName ReferringPhysicianName SeriesDescription PatientName
    PatientID PatientSex PatientSize PatientWeight PatientPosition StudyInstanceUID StudyID
    PatientBirthDate SeriesInstanceUID SeriesNumber FrameOfReferenceUID SamplesPerPixel
    PositionReferenceIndicator PhotometricInterpretation Rows Columns BitsAllocated BitsStored
    HighBit PixelRepresentation
"""
_CORRECTED = {
    "DecayCorrected": "DECY",
    "AttenuationCorrected": "ATTN",
    "ScatterCorrected": "SCAT",
    "DeadTimeCorrected": "DTIM",
    "RandomsCorrected": "RAN",
    "DetectorNormalizationCorrection": "NORM",
    "CountLossNormalizationCorrected": "CLN",
    "GantryMotionCorrected": "MOTN",
    "PatientMotionCorrected": "PMOT",
    "NonUniformRadialSamplingCorrected": "RADL",
    "SensitivityCalibrated": "DCAL",
}


def read_slices(paths: Iterable[Path]) -> list[Dataset]:
    """Single-slice files, whole."""
    return [pydicom.dcmread(path) for path in paths]


def write_legacy_converted(folder: Path, objects: Sequence[Sequence[Dataset]]) -> list[Path]:
    """One legacy converted object per list of slices, by highdicom."""
    folder.mkdir(parents=True, exist_ok=True)
    series_uid, paths = generate_uid(), []
    for number, slices in enumerate(objects):
        converted = LegacyConvertedEnhancedPETImage(
            list(slices),
            series_instance_uid=series_uid,
            series_number=7,
            sop_instance_uid=generate_uid(),
            instance_number=number + 1,
        )
        paths.append(folder / f"legacy{number}.dcm")
        converted.save_as(paths[-1])
    return paths


def write_enhanced(
    folder: Path,
    objects: Sequence[Sequence[Dataset]],
    *,
    change: Change | None = None,
    change_frame: Callable[[Dataset, Dataset], None] | None = None,
) -> list[Path]:
    """One enhanced PET object per list of slices.

    Args:
        folder: Made if absent.
        objects: Slices of each object in the order of its frames.
        change: Last change to each object; may damage it.
        change_frame: Last change to the functional groups of a frame, with its slice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    times = sorted({_moment(one) for slices in objects for one in slices})
    paths = []
    for number, slices in enumerate(objects):
        ds = _object(slices, number)
        ds.PerFrameFunctionalGroupsSequence = [
            _frame(one, times.index(_moment(one)) + 1, index) for index, one in enumerate(slices)
        ]
        for group, one in zip(ds.PerFrameFunctionalGroupsSequence, slices, strict=True):
            if change_frame is not None:
                change_frame(group, one)
        ds.PixelData = b"".join(one.PixelData for one in slices)
        if change is not None:
            change(ds)
        paths.append(folder / f"enhanced{number}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def _moment(one: Dataset) -> datetime:
    text = f"{one.AcquisitionDate}{one.AcquisitionTime}"
    return datetime.strptime(text, "%Y%m%d%H%M%S.%f")  # noqa: DTZ007 - scanner clock


def _date_time(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S.%f")


def _series_start(one: Dataset) -> datetime:
    text = f"{one.SeriesDate}{one.SeriesTime}"
    return datetime.strptime(text, "%Y%m%d%H%M%S.%f")  # noqa: DTZ007 - scanner clock


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _object(slices: Sequence[Dataset], number: int) -> Dataset:
    first = slices[0]
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in _SAME_FOR_ALL.split():
        if keyword in first:
            ds[keyword] = first[keyword]
    ds.SOPClassUID, ds.SOPInstanceUID = EnhancedPETImageStorage, generate_uid()
    ds.ImageType = ["ORIGINAL", "PRIMARY", "DYNAMIC", "NONE"]
    ds.ContentDate, ds.ContentTime = first.SeriesDate, first.SeriesTime
    ds.InstanceNumber, ds.AcquisitionNumber = number + 1, 1
    ds.DeviceSerialNumber, ds.SoftwareVersions = "1", "1"
    ds.AcquisitionDateTime = _date_time(min(_moment(one) for one in slices))
    ds.AcquisitionDuration = sum(float(one.ActualFrameDuration) for one in slices) / 1000.0
    ds.AcquisitionContextSequence = []
    ds.NumberOfFrames = len(slices)
    ds.PixelPresentation, ds.VolumetricProperties = "MONOCHROME", "VOLUME"
    ds.VolumeBasedCalculationTechnique = "NONE"
    ds.ContentQualification, ds.BurnedInAnnotation = "RESEARCH", "NO"
    ds.LossyImageCompression, ds.PresentationLUTShape = "00", "IDENTITY"
    ds.CountsSource = "EMISSION"
    ds.ViewCodeSequence = [_code("62824007", "SCT", "Transverse")]
    _add_corrections(ds, first)
    _add_dimensions(ds)
    ds.RadiopharmaceuticalInformationSequence = [_agent(first)]
    ds.SharedFunctionalGroupsSequence = [_shared(first)]
    return ds


def _add_corrections(ds: Dataset, first: Dataset) -> None:
    for keyword, word in _CORRECTED.items():
        setattr(ds, keyword, "YES" if word in first.CorrectedImage else "NO")
    if first.DecayCorrection == "START":
        ds.DecayCorrectionDateTime = _date_time(_series_start(first))
    elif first.DecayCorrection == "ADMIN":
        agent = first.RadiopharmaceuticalInformationSequence[0]
        ds.DecayCorrectionDateTime = agent.RadiopharmaceuticalStartDateTime
    if ds.AttenuationCorrected == "YES":
        ds.AttenuationCorrectionSource = "CT"
        ds.AttenuationCorrectionTemporalRelationship = "SEQUENTIAL"
    if ds.ScatterCorrected == "YES":
        ds.ScatterCorrectionMethod = "MODEL"
    if ds.RandomsCorrected == "YES":
        ds.RandomsCorrectionMethod = "DLYD"


def _add_dimensions(ds: Dataset) -> None:
    organization = Dataset()
    organization.DimensionOrganizationUID = generate_uid()
    ds.DimensionOrganizationSequence = [organization]
    ds.DimensionIndexSequence = []
    for pointer, group in ((0x00209128, 0x00209111), (0x00200032, 0x00209113)):
        item = Dataset()
        item.DimensionOrganizationUID = organization.DimensionOrganizationUID
        item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, group
        ds.DimensionIndexSequence.append(item)


def _agent(first: Dataset) -> Dataset:
    classic = first.RadiopharmaceuticalInformationSequence[0]
    item = Dataset()
    item.RadiopharmaceuticalAgentNumber = 1
    item.RadionuclideCodeSequence = classic.RadionuclideCodeSequence
    item.AdministrationRouteCodeSequence = [_code("47625008", "SCT", "Intravenous route")]
    item.RadiopharmaceuticalStartDateTime = classic.RadiopharmaceuticalStartDateTime
    item.RadionuclideTotalDose = f"{float(classic.RadionuclideTotalDose) / 1e6:.9g}"  # MBq
    item.RadionuclideHalfLife = classic.RadionuclideHalfLife
    item.RadionuclidePositronFraction = classic.RadionuclidePositronFraction
    fdg = _code("35321007", "SCT", "Fluorodeoxyglucose F^18^")
    item.RadiopharmaceuticalCodeSequence = [fdg]
    return item


def _shared(first: Dataset) -> Dataset:
    groups = Dataset()
    measures, orientation = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = first.PixelSpacing, first.SliceThickness
    orientation.ImageOrientationPatient = first.ImageOrientationPatient
    groups.PixelMeasuresSequence = [measures]
    groups.PlaneOrientationSequence = [orientation]
    usage, kind, anatomy = Dataset(), Dataset(), Dataset()
    usage.RadiopharmaceuticalAgentNumber = 1
    groups.RadiopharmaceuticalUsageSequence = [usage]
    kind.FrameType = ["ORIGINAL", "PRIMARY", "DYNAMIC", "NONE"]
    kind.PixelPresentation, kind.VolumetricProperties = "MONOCHROME", "VOLUME"
    kind.VolumeBasedCalculationTechnique = "NONE"
    groups.PETFrameTypeSequence = [kind]
    anatomy.FrameLaterality = "U"
    anatomy.AnatomicRegionSequence = [_code("38266002", "SCT", "Entire body")]
    groups.FrameAnatomySequence = [anatomy]
    return groups


def _frame(one: Dataset, temporal_index: int, index: int) -> Dataset:
    groups = Dataset()
    content, position, values, window = (Dataset() for _ in range(4))
    content.FrameAcquisitionDateTime = _date_time(_moment(one))
    content.FrameAcquisitionDuration = float(one.ActualFrameDuration)
    reference = timedelta(milliseconds=float(one.FrameReferenceTime))
    content.FrameReferenceDateTime = _date_time(_series_start(one) + reference)
    content.TemporalPositionIndex = temporal_index
    content.StackID, content.InStackPositionNumber = "1", index + 1
    content.DimensionIndexValues = [temporal_index, index + 1]
    groups.FrameContentSequence = [content]
    position.ImagePositionPatient = one.ImagePositionPatient
    groups.PlanePositionSequence = [position]
    values.RescaleSlope, values.RescaleIntercept = one.RescaleSlope, one.RescaleIntercept
    values.RescaleType = "US"
    groups.PixelValueTransformationSequence = [values]
    window.WindowCenter, window.WindowWidth = "500", "1000"
    groups.FrameVOILUTSequence = [window]
    groups.RealWorldValueMappingSequence = [mapping("Bq/ml", float(one.RescaleSlope))]
    if "DecayFactor" in one:
        factors = Dataset()
        factors.DecayFactor = one.DecayFactor
        factors.PrimaryPromptsCountsAccumulated, factors.SliceSensitivityFactor = 1, "1"
        factors.ScatterFractionFactor, factors.DeadTimeFactor = "0.3", "1"
        groups.PETFrameCorrectionFactorsSequence = [factors]
    return groups


def mapping(unit: str, slope: float, intercept: float = 0.0) -> Dataset:
    """One real-world value mapping from stored values."""
    item = Dataset()
    item.LUTLabel, item.LUTExplanation = unit[:16], unit
    item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped = -32768, 32767
    item["RealWorldValueFirstValueMapped"].VR = item["RealWorldValueLastValueMapped"].VR = "SS"
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
    item.MeasurementUnitsCodeSequence = [_code(unit, "UCUM", unit)]
    return item


def classic(folder: Path, pattern: str = "siemens", **options: object) -> Slices:
    """Single-slice files (t, z) of the phantom; slopes differ from slice to slice."""

    def varied(ds: Dataset, facts: SliceFacts) -> None:
        factor = 1 << ((facts.frame + 2 * facts.slice_index) % 3)
        stored = np.frombuffer(ds.PixelData, "<i2")
        if (stored % factor == 0).all():  # a coarser slope for the same values
            ds.PixelData = (stored // factor).astype("<i2").tobytes()
            ds.RescaleSlope = f"{float(ds.RescaleSlope) * factor:.10g}"

    activity = options.pop("activity", 4 * asymmetric_phantom())
    start, duration = options.pop("start", START_S), options.pop("duration", DURATION_S)
    fields = {**vars(SPEC), "change": varied, **options}
    affine = oblique_affine()
    paths = write_dynamic_series(folder, pattern, activity, affine, start, duration, **fields)
    return read_slices(paths)


def shuffled(slices: Sequence[Dataset]) -> Slices:
    """In another order."""
    order = np.random.default_rng(5).permutation(len(slices))
    return [slices[i] for i in order]


def per_frame(slices: Slices) -> list[Slices]:
    """An object for each frame."""
    return [slices[t * SLICES : (t + 1) * SLICES] for t in range(FRAMES)]


def per_slice(slices: Slices) -> list[Slices]:
    """An object for each position."""
    return [slices[z::SLICES] for z in range(SLICES)]
