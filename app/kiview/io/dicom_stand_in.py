"""What all objects written with highdicom share: a source image that is no file, and a grid."""

from collections.abc import Iterable
from typing import Any

import highdicom
from pydicom.dataset import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage, generate_uid

from kiview.core.geometry import VolumeGeometry
from kiview.io.dicom_common import APPLICATION, SourceHeader, plane_attributes, slice_position


def stand_in(header: SourceHeader, geometry: VolumeGeometry) -> Dataset:
    """Header of one slice on the grid; whoever uses it drops the references to it afterwards.

    Raises:
        ExportError: rows and columns of the grid are not at right angles.
    """
    source = header.study_module()
    # highdicom warns of names without a caret, and the warning quotes the name.
    source.PatientName = source.ReferringPhysicianName = ""
    source.FrameOfReferenceUID = (
        geometry.frame_of_reference_uid or header.dataset.FrameOfReferenceUID
    )
    source.PositionReferenceIndicator = header.dataset.get("PositionReferenceIndicator") or ""
    source.SOPClassUID = PositronEmissionTomographyImageStorage
    source.SOPInstanceUID, source.SeriesInstanceUID = generate_uid(), generate_uid()
    source.Modality = "PT"
    source.Rows, source.Columns = geometry.shape_zyx[1:]
    for keyword, value in plane_attributes(geometry).items():
        setattr(source, keyword, value)
    source.ImagePositionPatient = slice_position(geometry, 0)
    return source


def new_object(series_number: int, version: str) -> dict[str, Any]:
    """Arguments of highdicom for a new object in a series of its own, made by KiView."""
    return {
        "series_instance_uid": generate_uid(),
        "series_number": series_number,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
        "manufacturer": APPLICATION,
        "manufacturer_model_name": APPLICATION,
        "software_versions": version,
        "device_serial_number": f"{APPLICATION}-{version}",
    }


def planes(geometry: VolumeGeometry, slices: Iterable[int]) -> dict[str, Any]:
    """Arguments of highdicom for frames that are slices of a grid.

    Args:
        geometry: The grid.
        slices: Index of the slice of each frame.

    Raises:
        ExportError: rows and columns of the grid are not at right angles.
    """
    told = {name: [float(v) for v in texts] for name, texts in plane_attributes(geometry).items()}
    return {
        "pixel_measures": highdicom.PixelMeasuresSequence(
            told["PixelSpacing"], told["SliceThickness"][0]
        ),
        "plane_orientation": highdicom.PlaneOrientationSequence(
            "PATIENT", told["ImageOrientationPatient"]
        ),
        "plane_positions": [
            highdicom.PlanePositionSequence("PATIENT", geometry.to_lps_mm([z, 0, 0]).tolist())
            for z in slices
        ],
    }


def put_source_in_place(written: Dataset, header: SourceHeader) -> None:
    """Names of the real source; no reference to the stand-in."""
    for keyword in ("PatientName", "ReferringPhysicianName"):
        written[keyword] = header.dataset[keyword]
    for keyword in ("ReferencedSeriesSequence", "SourceImageSequence"):
        written.pop(keyword, None)
