"""Write PET Image Storage series: what all of them share, and a dynamic acquisition.

PS3.3 C.8.9. Stored values are signed 16 bit with one slope per slice; the slope a value was divided
by is the number that its text says.
"""

import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import PositronEmissionTomographyImageStorage, generate_uid

from kiview.core.errors import ExportError, MissingInformationError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage
from kiview.core.progress import Progress
from kiview.core.timing import FrameTiming
from kiview.core.tracer import (
    Injection,
    average_activity_offset_s,
    decay_factor,
    frame_decay_correction,
)
from kiview.core.units import ACTIVITY, Unit
from kiview.io.dicom_common import (
    APPLICATION,
    SeriesText,
    SourceHeader,
    code_item,
    date_text,
    image_dataset,
    number_text,
    slice_position,
    stored_as_int16,
    time_text,
    write_dataset,
)

MS_PER_S = 1000.0
F18_POSITRON_FRACTION = 0.967

_POSITION_CODES = {
    "S": ("40199007", "supine"),
    "P": ("1240000", "prone"),
    "DR": ("102536004", "right lateral decubitus"),
    "DL": ("102535000", "left lateral decubitus"),
}
_GANTRY_CODES = {"HF": ("102540008", "headfirst"), "FF": ("102541007", "feet-first")}
_NUCLIDES = {
    "18F": ("77004003", "^18^Fluorine"),
    "11C": ("40565007", "^11^Carbon"),
    "68GA": ("80751004", "^68^Gallium"),
}
_TRACERS = {"FDG": ("35321007", "Fluorodeoxyglucose F^18^")}


class DecayReference(StrEnum):
    """Time that the stored values of a series are decay-corrected to."""

    START = "START"
    """Start of the scan."""
    ADMIN = "ADMIN"
    """Injection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """What a dynamic series needs besides its image.

    Attributes:
        header: Patient and study.
        injection_time: Wall-clock time of the injection.
        reference: Time that the stored values are decay-corrected to.
        text: Words of the series.
        corrections: Terms of CorrectedImage.
    """

    header: SourceHeader
    injection_time: datetime
    reference: DecayReference
    text: SeriesText
    corrections: tuple[str, ...] = ("NORM", "DTIM", "ATTN", "SCAT", "RAN", "DCAL", "DECY")


def pet_dataset(
    header: SourceHeader, geometry: VolumeGeometry, text: SeriesText, unit: Unit
) -> Dataset:
    """Attributes that every slice of a new PET series shares."""
    dataset = image_dataset(header, geometry, text)
    source = header.dataset
    dataset.SOPClassUID = PositronEmissionTomographyImageStorage
    dataset.Modality = "PT"
    dataset.Units = unit.dicom_term
    dataset.CountsSource = source.get("CountsSource") or "EMISSION"
    dataset.NumberOfSlices = geometry.shape_zyx[0]
    dataset.CollimatorType = "NONE"
    dataset.RescaleIntercept = "0"
    dataset.RadiopharmaceuticalInformationSequence = copy.deepcopy(
        source.get("RadiopharmaceuticalInformationSequence") or Sequence()
    )
    _add_patient_orientation(dataset, source)
    return dataset


def put_slice(
    dataset: Dataset, geometry: VolumeGeometry, z: int, values: NDArray[np.floating]
) -> int:
    """Set position, pixels and a new instance UID for one slice.

    Args:
        dataset: Shared attributes; changed here.
        geometry: Grid of the volume.
        z: Index of the slice.
        values: (y, x) in the unit of the series.

    Returns:
        Number of voxels without a finite value, stored as 0.
    """
    stored, slope = stored_as_int16(values)
    dataset.SOPInstanceUID = generate_uid()
    dataset.ImagePositionPatient = slice_position(geometry, z)
    dataset.RescaleSlope = slope
    dataset.PixelData = stored.tobytes()
    return int(values.size - np.isfinite(values).sum())


def write_dynamic_pet(
    folder: Path, image: DynamicImage, acquisition: Acquisition, progress: Progress
) -> tuple[Path, ...]:
    """Write a dynamic PET acquisition, one file per frame and slice.

    Args:
        folder: Existing folder for the files.
        image: (t, z, y, x) activity in Bq/mL decay-corrected to the injection, with its injection.
        acquisition: Patient, study, clock and words.
        progress: Told after each slice.

    Returns:
        The files, frame after frame, slice index ascending.

    Raises:
        MissingInformationError: the injection is unknown.
        ExportError: the image is no activity concentration.
    """
    if image.quantity != ACTIVITY:
        raise ExportError("Only activity concentrations in Bq/mL can be written as dynamic PET.")
    if image.injection is None:
        raise MissingInformationError(
            "A dynamic PET series needs the injection (half-life, dose, time).", ("dose_bq",)
        )
    shared = _dynamic_dataset(image, image.injection, acquisition)
    clock = _Clock(image, image.injection.radionuclide.half_life_s, acquisition)
    frames, slices = image.frame_count, image.geometry.shape_zyx[0]
    paths = []
    for t in range(frames):
        values = image.store.frame(t)
        for z in range(slices):
            progress.step((t * slices + z) / (frames * slices), f"Writing frame {t + 1}")
            clock.put(shared, t, z)
            shared.ImageIndex = shared.InstanceNumber = t * slices + z + 1
            put_slice(shared, image.geometry, z, values[z] * clock.to_reference)
            paths.append(folder / f"frame{t + 1:03d}_slice{z + 1:04d}.dcm")
            write_dataset(shared, paths[-1])
    return tuple(paths)


def _dynamic_dataset(
    image: DynamicImage, injection: Injection, acquisition: Acquisition
) -> Dataset:
    header = acquisition.header
    dataset = pet_dataset(header, image.geometry, acquisition.text, image.quantity.unit)
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SeriesType = ["DYNAMIC", "IMAGE"]
    dataset.NumberOfTimeSlices = image.frame_count
    dataset.DecayCorrection = acquisition.reference.value
    dataset.CorrectedImage = list(acquisition.corrections)
    dataset.Manufacturer = header.dataset.get("Manufacturer") or APPLICATION
    for keyword in ("ManufacturerModelName", "SoftwareVersions", "DeviceSerialNumber"):
        if header.dataset.get(keyword):
            dataset[keyword] = copy.deepcopy(header.dataset[keyword])
    dataset.RadiopharmaceuticalInformationSequence = Sequence(
        [_radiopharmaceutical(injection, acquisition.injection_time)]
    )
    return dataset


def _radiopharmaceutical(injection: Injection, injected: datetime) -> Dataset:
    item = Dataset()
    item.Radiopharmaceutical = injection.tracer
    if injection.activity_bq is not None:
        item.RadionuclideTotalDose = number_text(injection.activity_bq)
    item.RadionuclideHalfLife = number_text(injection.radionuclide.half_life_s)
    item.RadiopharmaceuticalStartTime = time_text(injected)
    item.RadiopharmaceuticalStartDateTime = date_text(injected) + time_text(injected)
    nuclide = _NUCLIDES.get(injection.radionuclide.name.upper().replace("-", ""))
    if nuclide is _NUCLIDES["18F"]:
        item.RadionuclidePositronFraction = number_text(F18_POSITRON_FRACTION)
    item.RadionuclideCodeSequence = _known(nuclide)
    item.RadiopharmaceuticalCodeSequence = _known(_TRACERS.get(injection.tracer.upper()))
    return item


def _known(code: tuple[str, str] | None) -> Sequence:
    return Sequence([code_item(code[0], "SCT", code[1])] if code else [])


def _add_patient_orientation(dataset: Dataset, source: Dataset) -> None:
    """NM/PET patient orientation: copied, or derived from PatientPosition, or left empty."""
    position = str(source.get("PatientPosition") or "")
    modifier = _POSITION_CODES.get(position[2:])
    gantry = _GANTRY_CODES.get(position[:2])
    orientation = Sequence([code_item("102538003", "SCT", "recumbent")] if modifier else [])
    if modifier:
        orientation[0].PatientOrientationModifierCodeSequence = _known(modifier)
    copied = source.get("PatientOrientationCodeSequence")
    dataset.PatientOrientationCodeSequence = copy.deepcopy(copied) if copied else orientation
    copied = source.get("PatientGantryRelationshipCodeSequence")
    dataset.PatientGantryRelationshipCodeSequence = (
        copy.deepcopy(copied) if copied else _known(gantry)
    )


class _Clock:
    """Wall-clock times and decay of the frames of a series."""

    def __init__(self, image: DynamicImage, half_life_s: float, acquisition: Acquisition) -> None:
        timing = image.timing
        series_start_s = float(timing.start_s.min())
        reference_s = series_start_s if acquisition.reference is DecayReference.START else 0.0
        self.to_reference = float(decay_factor(reference_s, half_life_s))
        """Factor from injection reference to the reference of the series."""
        self._start_s, self._duration_s = _per_slice(timing, image.geometry.shape_zyx[0])
        self._factor = frame_decay_correction(
            self._start_s - reference_s, self._duration_s, half_life_s
        )
        average = average_activity_offset_s(self._duration_s, half_life_s)
        self._frame_reference_ms = MS_PER_S * (self._start_s - series_start_s + average)
        self._injected = acquisition.injection_time
        self._series = self._injected + timedelta(seconds=series_start_s)

    def put(self, dataset: Dataset, t: int, z: int) -> None:
        """Set the times of one frame and slice."""
        start = self._injected + timedelta(seconds=float(self._start_s[t, z]))
        dataset.SeriesDate, dataset.SeriesTime = date_text(self._series), time_text(self._series)
        dataset.AcquisitionDate, dataset.AcquisitionTime = date_text(start), time_text(start)
        dataset.ContentDate, dataset.ContentTime = date_text(start), time_text(start)
        dataset.FrameReferenceTime = number_text(float(self._frame_reference_ms[t, z]))
        dataset.ActualFrameDuration = round(float(self._duration_s[t, z]) * MS_PER_S)
        dataset.DecayFactor = number_text(float(self._factor[t, z]))


def _per_slice(timing: FrameTiming, slices: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Start and duration, each (t, z)."""
    shape = (timing.frame_count, slices)
    start, duration = timing.start_s, timing.duration_s
    if not timing.is_per_slice:
        start, duration = start[:, None], duration[:, None]
    return np.broadcast_to(start, shape), np.broadcast_to(duration, shape)
