"""Write a parametric map as a derived PET series, which every clinical viewer shows.

Units say MLMINML or MLML, never BQML, so that no viewer makes an SUV of a Ki (PS3.3 C.8.9.1).
"""

from datetime import UTC, datetime
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from kiview.core.errors import ExportError
from kiview.core.images import ParametricMap
from kiview.core.progress import Progress
from kiview.io.dicom_common import (
    APPLICATION,
    SeriesText,
    SourceHeader,
    coding_scheme_sequence,
    date_text,
    time_text,
    write_dataset,
)
from kiview.io.dicom_pet_writer import MS_PER_S, pet_dataset, put_slice
from kiview.io.map_record import (
    SECONDS_PER_MINUTE,
    derivation_code,
    derivation_text,
    equipment,
    series_description,
    version_mark,
    window_min,
)


def write_pet_map(
    folder: Path,
    parametric_map: ParametricMap,
    header: SourceHeader,
    series_number: int,
    progress: Progress,
) -> tuple[Path, ...]:
    """Write one map, one file per slice.

    Args:
        folder: Existing folder for the files.
        parametric_map: (z, y, x) float32; voxels that are not finite are stored as 0 and counted
            in the derivation description.
        header: Patient, study and acquisition to inherit.
        series_number: SeriesNumber.
        progress: Told before each slice.

    Returns:
        The files, slice index ascending.

    Raises:
        ExportError: the quantity has no DICOM unit, or the axes are not at right angles.
    """
    shared = _shared(parametric_map, header, series_number)
    slices = parametric_map.geometry.shape_zyx[0]
    paths = []
    for z in range(slices):
        progress.step(z / slices, f"Writing DICOM slice {z + 1}")
        shared.InstanceNumber = shared.ImageIndex = z + 1
        put_slice(shared, parametric_map.geometry, z, parametric_map.values[z])
        paths.append(folder / f"slice{z + 1:04d}.dcm")
        write_dataset(shared, paths[-1])
    return tuple(paths)


def _shared(parametric_map: ParametricMap, header: SourceHeader, series_number: int) -> Dataset:
    unit, provenance = parametric_map.quantity.unit, parametric_map.provenance
    if not unit.dicom_term:
        raise ExportError(
            f"DICOM PET has no unit for {parametric_map.quantity}; export NIfTI instead."
        )
    text = SeriesText(description=series_description(parametric_map), number=series_number)
    dataset = pet_dataset(header, parametric_map.geometry, text, unit)
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.SeriesType = ["STATIC", "IMAGE"]
    dataset.Manufacturer = dataset.ManufacturerModelName = APPLICATION
    dataset.SoftwareVersions = version_mark(provenance)
    dataset.DerivationDescription = derivation_text(parametric_map, missing_as_zero=True)
    dataset.DerivationCodeSequence = Sequence([derivation_code(provenance)])
    dataset.ContributingEquipmentSequence = equipment(header, parametric_map, missing_as_zero=True)
    dataset.CodingSchemeIdentificationSequence = coding_scheme_sequence()
    _add_times(dataset, parametric_map, header.dataset)
    return dataset


def _add_times(dataset: Dataset, parametric_map: ParametricMap, source: Dataset) -> None:
    """Times of the source; a map of rates has no time or decay of its own."""
    for keyword in ("SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime"):
        setattr(dataset, keyword, source.get(keyword) or "")
    if not (dataset.SeriesDate and dataset.SeriesTime):
        now = datetime.now(UTC).astimezone()
        dataset.SeriesDate, dataset.SeriesTime = date_text(now), time_text(now)
    window = window_min(parametric_map.provenance)
    seconds = (window[1] - window[0]) * SECONDS_PER_MINUTE if window else 0.0
    dataset.ActualFrameDuration = round(seconds * MS_PER_S) if window else ""
    dataset.FrameReferenceTime = "0"
    dataset.CorrectedImage = source.get("CorrectedImage") or ""
    dataset.DecayCorrection = source.get("DecayCorrection") or "ADMIN"
    if dataset.DecayCorrection != "NONE":
        dataset.DecayFactor = "1"
