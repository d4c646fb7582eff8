"""Structure sets and segmentations: found in a study, listed, and read as regions."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kiview.core.contours import shape_of, stack_of
from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import Progress
from kiview.core.region_object import STRUCTURE_SET, RegionObject, Structure
from kiview.core.roi import Roi, RoiVoxels
from kiview.core.roi_shapes import Shape
from kiview.core.roi_voxels import VoxelSet
from kiview.io.dicom_headers import read_header
from kiview.io.dicom_rtstruct import (
    RT_STRUCTURE_SET,
    ContouredStructure,
    list_structure_set,
    read_structure_set,
)
from kiview.io.dicom_seg import SEGMENTATIONS, ReadSegment, list_segmentation, read_segmentation
from kiview.io.scan import OTHER_PATIENT, StudyIndex
from kiview.io.sop_classes import SEGMENTATION_UNUSED, STRUCTURE_SET_UNUSED

MOST_OBJECTS = 500
"""More structure sets and segmentations than this are not looked into."""
_READ_SHARE = 0.5
_MOST_NAMED = 3
_OUTSIDE = "No voxel centre of the image lies inside it."


@dataclass(frozen=True, slots=True)
class StructuresRequest:
    """What to read as regions.

    Attributes:
        source: The object.
        numbers: Numbers of the wanted structures, at least one.
        geometry: Grid of the image.
        trusts_position: Whether positions of another or an unknown frame of reference are taken.
    """

    source: RegionObject
    numbers: tuple[int, ...]
    geometry: VolumeGeometry
    trusts_position: bool = False


@dataclass(frozen=True, slots=True)
class ReadStructures:
    """Regions that were read.

    Attributes:
        rois: At least one; a colour is empty where the object names none.
        voxels: Of each region on the image's grid, for display.
        findings: What was left out or assumed, as sentences.
    """

    rois: tuple[Roi, ...]
    voxels: tuple[RoiVoxels, ...]
    findings: tuple[str, ...]


def find_region_objects(
    index: StudyIndex,
) -> tuple[tuple[RegionObject, ...], tuple[tuple[str, str], ...]]:
    """List the structure sets and segmentations of the study's patient.

    Args:
        index: What the folder contains.

    Returns:
        The objects, and (path, reason) of all files that are still not used.
    """
    kinds = {STRUCTURE_SET_UNUSED: list_structure_set, SEGMENTATION_UNUSED: list_segmentation}
    studies = {files.study_uid for files in index.dicom} - {""}
    patients = {name for f in index.dicom for name in f.headers.distinct("PatientID")} - {""}
    found: list[RegionObject] = []
    unused: list[tuple[str, str]] = []
    for path, reason in index.unused:
        listing = kinds.get(reason)
        if listing is None or len(found) >= MOST_OBJECTS:
            unused.append((path, reason))
            continue
        try:
            listed = listing(Path(path))
        except ReadError as error:
            unused.append((path, str(error)))
            continue
        if not listed.structures:
            unused.append((path, reason))
        elif not index.dicom or listed.study_uid in studies or listed.patient_id in patients:
            found.append(listed)
        else:
            unused.append((path, OTHER_PATIENT))
    return tuple(found), tuple(unused)


def list_region_object(path: Path) -> RegionObject:
    """What a structure set or segmentation contains.

    Raises:
        ReadError: it is neither, or damaged.
    """
    try:
        header = read_header(path)
    except ReadError as error:
        raise ReadError(f"{path.name} {error}.") from error
    sop_class = "" if header is None else header.text("SOPClassUID")
    if sop_class == RT_STRUCTURE_SET:
        return list_structure_set(path)
    if sop_class in SEGMENTATIONS:
        return list_segmentation(path)
    raise ReadError(
        f"{path.name} holds no regions; give a region JSON, a NIfTI mask, an RT structure set or a"
        " DICOM segmentation."
    )


def position_problem(structures: Iterable[Structure], geometry: VolumeGeometry) -> str:
    """What speaks against taking positions of structures for positions in an image.

    Args:
        structures: What is to be read.
        geometry: Grid of the image.

    Returns:
        A sentence, empty if both have the same frame of reference.
    """
    own = geometry.frame_of_reference_uid
    others = {structure.frame_of_reference_uid for structure in structures}
    if others == {own} and own:
        return ""
    if not own or "" in others:
        return (
            "The files do not say that these structures and the image share a frame of reference,"
            " so they may lie elsewhere in the patient."
        )
    return (
        "These structures belong to another frame of reference than the image, so they may lie"
        " elsewhere in the patient."
    )


def read_structures(request: StructuresRequest, progress: Progress) -> ReadStructures:
    """Read structures as regions.

    Args:
        request: Which, and the image they are for.
        progress: Told at each step; may stop the work.

    Returns:
        The regions, and what was left out.

    Raises:
        InvalidInputError: the frame of reference is another one and is not trusted.
        ReadError: the file cannot be read, or none of the structures is a region in the image.
    """
    source = request.source
    wanted = [one for one in source.structures if one.number in request.numbers]
    if not wanted:
        raise InvalidInputError("Choose at least one structure to read.")
    problem = position_problem(wanted, request.geometry)
    if problem and not request.trusts_position:
        raise InvalidInputError(f"{problem} Check that, then read them all the same.")
    numbers = [one.number for one in wanted]
    part = progress.child(0.0, _READ_SHARE)
    findings = [f"{problem} They were read all the same."] if problem else []
    read: tuple[ContouredStructure | ReadSegment, ...] = (
        read_structure_set(Path(source.path), numbers, part)
        if source.modality == STRUCTURE_SET
        else read_segmentation(Path(source.path), numbers, part)
    )
    rois: list[Roi] = []
    voxels: list[RoiVoxels] = []
    reasons: list[str] = []
    for done, (structure, one) in enumerate(zip(wanted, read, strict=True)):
        share = _READ_SHARE + (1 - _READ_SHARE) * done / len(wanted)
        progress.step(share, structure.name)
        try:
            roi = _roi(request, structure, one, findings, progress.child(share, share))
            on_grid = _on_grid(roi, request.geometry)
        except InvalidInputError as error:
            reasons.append(f"{structure.name} was not read: {error}")
            continue
        rois.append(roi)
        voxels.append(on_grid)
    if not rois:
        raise ReadError(" ".join(reasons[:_MOST_NAMED]))
    return ReadStructures(tuple(rois), tuple(voxels), (*findings, *reasons))


def _roi(
    request: StructuresRequest,
    structure: Structure,
    read: ContouredStructure | ReadSegment,
    findings: list[str],
    progress: Progress,
) -> Roi:
    if read.problem:
        raise InvalidInputError(read.problem)
    source = request.source
    shape: Shape
    if isinstance(read, ReadSegment):
        shape, rule = _segment(read), read.rule
    else:
        shape, rule = _contoured(structure, read, request.geometry, findings, progress)
    origin = f"{source.kind_name} {source.uid}, structure {structure.number}, {rule}"
    roi_id = f"{source.uid}-{structure.number}"
    shape.prepare()
    return Roi(roi_id, structure.name, read.colour, shape, origin=origin)


def _on_grid(roi: Roi, geometry: VolumeGeometry) -> RoiVoxels:
    found = roi.voxels(geometry)
    if not found.inside.any():
        raise InvalidInputError(_OUTSIDE)
    return found


def _segment(read: ReadSegment) -> VoxelSet:
    if read.voxels is None:
        raise InvalidInputError("None of its voxels is set.")
    return read.voxels


def _contoured(
    structure: Structure,
    read: ContouredStructure,
    geometry: VolumeGeometry,
    findings: list[str],
    progress: Progress,
) -> tuple[Shape, str]:
    """Shape of some contours, and by which rule."""
    stack = stack_of(read.contours, float(geometry.spacing_zyx_mm[0]))
    shape = shape_of(stack, geometry, progress)
    if shape is None:
        raise InvalidInputError(_OUTSIDE)
    if stack.dropped:
        findings.append(
            f"{stack.dropped} contours of {structure.name} enclose no area and were left out."
        )
    if stack.gap_count:
        findings.append(
            f"The contours of {structure.name} skip slices at {stack.gap_count} places; the region"
            " is interrupted there."
        )
    how = "voxels of the image" if isinstance(shape, VoxelSet) else "polygons"
    return shape, f"even-odd contours as {how}"
