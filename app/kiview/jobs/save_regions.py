"""Write regions to a file that `--roi` takes: region JSON, NIfTI mask, DICOM segmentation."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kiview.core import roi as roi_files
from kiview.core.errors import ExportError, InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import Progress
from kiview.core.roi import Roi, RoiMask
from kiview.core.study import PatientInfo
from kiview.io.dicom_common import made_up_header, read_source_header
from kiview.io.dicom_seg_writer import Segment, source_instances, write_segmentation
from kiview.io.image_kinds import ImageKind, kind_of
from kiview.io.nifti_writer import write_nifti_volume
from kiview.io.staging import refuse_existing, staged

JSON_ENDING, NIFTI_ENDING, SEG_ENDING = ".json", ".nii.gz", ".dcm"
ENDINGS = (JSON_ENDING, NIFTI_ENDING, SEG_ENDING)
SERIES_NUMBER = 9101


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRegionsRequest:
    """Regions and where they go.

    Attributes:
        path: File ending in `.json` (shapes in mm), `.nii.gz` (one number per region) or `.dcm`
            (DICOM segmentation).
        rois: At least one.
        geometry: Grid of the image they were drawn on.
        patient: Who it is, for images without a DICOM header.
        source_files: Files of the image; a segmentation refers to those that are DICOM.
        overwrite: Whether a file of the same name is replaced.
    """

    path: Path
    rois: tuple[Roi, ...]
    geometry: VolumeGeometry
    patient: PatientInfo = field(default_factory=PatientInfo)
    source_files: tuple[str, ...] = ()
    overwrite: bool = False


def save_regions(request: SaveRegionsRequest, progress: Progress) -> str:
    """Write the regions, whole or not at all.

    Args:
        request: Which and where.
        progress: Told at each region; may stop the work.

    Returns:
        What was written, as a sentence.

    Raises:
        InvalidInputError: there is no region, or one holds no voxel of the image.
        ExportError: the ending is none of `ENDINGS`, regions of a NIfTI mask overlap, or the file
            cannot be written.
    """
    path = request.path
    ending = next((one for one in ENDINGS if path.name.lower().endswith(one)), "")
    if not ending:
        raise ExportError(f"{path.name} must end in {', '.join(ENDINGS)}; choose another name.")
    if not request.rois:
        raise InvalidInputError("There is no region to save; draw one first.")
    if not request.overwrite:
        refuse_existing(path.parent, [path.name])
    elif path.exists() and any(path.samefile(name) for name in request.source_files):
        raise ExportError(f"{path.name} is a file of the study itself; choose another name.")
    told = f"Saved {len(request.rois)} region{'s' * (len(request.rois) > 1)} to {path.name}."
    with staged(path.parent, request.overwrite) as place:
        if ending == JSON_ENDING:
            text = json.dumps(roi_files.to_dict(request.rois), indent=1, allow_nan=False)
            (place / path.name).write_text(text + "\n", encoding="utf-8")
        elif ending == NIFTI_ENDING:
            told = f"{told} {_write_labels(place / path.name, request, progress)}"
        else:
            _write_segmentation(place / path.name, request, progress)
        progress.step(1.0, "Moving the file into place")
    return told


def _masks(request: SaveRegionsRequest, progress: Progress) -> list[RoiMask]:
    masks = []
    for done, roi in enumerate(request.rois):
        progress.step(0.5 * done / len(request.rois), roi.name)
        masks.append(roi.rasterise(request.geometry))
    return masks


def _write_labels(path: Path, request: SaveRegionsRequest, progress: Progress) -> str:
    """Write one number per region; returns which is which."""
    labels = np.zeros(request.geometry.shape_zyx, np.float32)
    for number, mask in enumerate(_masks(request, progress), 1):
        shared = labels[mask.inside]
        if shared.any():
            other = request.rois[int(shared.max()) - 1].name
            raise ExportError(
                f"{mask.name} and {other} overlap, which a mask of numbers cannot hold; save them"
                " as region JSON or DICOM SEG."
            )
        labels[mask.inside] = number
    write_nifti_volume(path, labels, request.geometry, "Regions", progress.child(0.5, 1.0))
    return "Numbers: " + ", ".join(f"{i} {roi.name}" for i, roi in enumerate(request.rois, 1)) + "."


def _write_segmentation(path: Path, request: SaveRegionsRequest, progress: Progress) -> None:
    masks = _masks(request, progress)
    segments = [
        Segment(mask, roi.colour, roi.origin) for mask, roi in zip(masks, request.rois, strict=True)
    ]
    files = [name for name in request.source_files if not isinstance(kind_of(name), ImageKind)]
    header = read_source_header(Path(files[0])) if files else made_up_header(request.patient)
    sources = source_instances(files, progress.child(0.5, 0.9))
    progress.step(0.9, "Writing the segmentation")
    write_segmentation(path, segments, header, sources, SERIES_NUMBER)
