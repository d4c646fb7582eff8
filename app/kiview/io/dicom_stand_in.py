"""A source image as highdicom wants one: patient, study and frame of reference, but no file."""

from pydicom.dataset import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage, generate_uid

from kiview.core.geometry import VolumeGeometry
from kiview.io.dicom_common import SourceHeader, plane_attributes, slice_position


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
