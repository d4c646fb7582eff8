"""Write an attenuation image as a CT series."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid

from kiview.core.geometry import VolumeGeometry
from kiview.io.dicom_common import (
    APPLICATION,
    SeriesText,
    SourceHeader,
    image_dataset,
    slice_position,
    write_dataset,
)

CT_HU_RANGE = (-1024, 3071)


def write_ct(
    folder: Path,
    values_hu: NDArray[np.floating],
    geometry: VolumeGeometry,
    header: SourceHeader,
    text: SeriesText,
) -> tuple[Path, ...]:
    """Write an attenuation image as a CT series, one file per slice.

    Args:
        folder: Existing folder for the files.
        values_hu: (z, y, x) in Hounsfield units, -1024 to 3071.
        geometry: Grid of the image.
        header: Patient and study; its series date and time are the acquisition's.
        text: Words of the series.
    """
    shared = image_dataset(header, geometry, text)
    _add_ct_attributes(shared, header.dataset)
    paths = []
    for z in range(geometry.shape_zyx[0]):
        shared.SOPInstanceUID = generate_uid()
        shared.InstanceNumber = z + 1
        shared.ImagePositionPatient = slice_position(geometry, z)
        shared.PixelData = np.clip(np.rint(values_hu[z]), *CT_HU_RANGE).astype("<i2").tobytes()
        paths.append(folder / f"slice{z + 1:04d}.dcm")
        write_dataset(shared, paths[-1])
    return tuple(paths)


def _add_ct_attributes(dataset: Dataset, source: Dataset) -> None:
    dataset.SOPClassUID = CTImageStorage
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Manufacturer = source.get("Manufacturer") or APPLICATION
    for keyword in ("SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime"):
        if source.get(keyword):
            setattr(dataset, keyword, source.get(keyword))
    dataset.ContentDate, dataset.ContentTime = dataset.StudyDate, dataset.StudyTime
    dataset.PatientPosition = source.get("PatientPosition") or ""
    dataset.AcquisitionNumber = 1
    dataset.KVP = ""
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "HU"
