"""Regions that others drew: what a DICOM structure set or segmentation of the study contains."""

from dataclasses import dataclass

STRUCTURE_SET = "RTSTRUCT"
SEGMENTATION = "SEG"


@dataclass(frozen=True, slots=True)
class Structure:
    """One region of such an object, as listed before it is read.

    Attributes:
        number: ROI or segment number, unique within the object.
        name: As in the object; the number is added where two have the same name.
        frame_of_reference_uid: Of its positions, empty if the object does not say.
    """

    number: int
    name: str
    frame_of_reference_uid: str = ""


@dataclass(frozen=True, slots=True)
class RegionObject:
    """A structure set or segmentation, without its contours or voxels.

    Attributes:
        path: The file.
        modality: `RTSTRUCT` or `SEG`.
        uid: SOP instance UID.
        series_uid: Series instance UID.
        study_uid: Study instance UID.
        patient_id: Whose it is; never logged, never in file names.
        description: Label or series description, may be empty.
        structures: What is in it, in the order of the object.
        problem: Why it cannot be read, empty if it can.
        shown: The file as the user knows it where that is not `path`: its name in an archive.
    """

    path: str
    modality: str
    uid: str
    series_uid: str
    study_uid: str
    patient_id: str
    description: str
    structures: tuple[Structure, ...]
    problem: str = ""
    shown: str = ""

    @property
    def kind_name(self) -> str:
        """What it is, for the user."""
        return "RT structure set" if self.modality == STRUCTURE_SET else "Segmentation"
