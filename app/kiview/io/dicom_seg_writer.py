"""Write regions as one DICOM segmentation object, binary, one segment per region."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom
import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from kiview import __version__
from kiview.core.errors import ExportError, InvalidInputError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import Progress
from kiview.core.roi import RoiMask
from kiview.io.dicom_common import (
    ORTHOGONAL_TOLERANCE,
    RESEARCH_USE,
    SHORT_LIMIT,
    SourceHeader,
    add_body_part,
    code_item,
    scanner_items,
)
from kiview.io.dicom_headers import Header, read_header
from kiview.io.dicom_stand_in import new_object, planes, put_source_in_place, stand_in
from kiview.io.dicom_tags import MULTI_FRAME_PET
from kiview.io.dicom_templates import TemplateReader
from kiview.io.highdicom_tables import load_tables

_CATEGORY = Code("123037004", "SCT", "Anatomical Structure")
_TYPE = Code("123037004", "SCT", "Anatomical Structure")
_SAME_PLANE_SHARE = 0.25
"""Share of the slice distance within which a source slice belongs to a frame."""
_STEP = 500


@dataclass(frozen=True, slots=True)
class SourceInstance:
    """One object of the series that the regions were drawn on.

    Attributes:
        series_uid: Series instance UID.
        sop_class: SOP class UID.
        uid: SOP instance UID.
        position_lps_mm: First voxel of a single slice, None for other objects.
    """

    series_uid: str
    sop_class: str
    uid: str
    position_lps_mm: tuple[float, float, float] | None


def source_instances(files: Sequence[str], progress: Progress) -> tuple[SourceInstance, ...]:
    """The DICOM objects among the files of a series; none for other formats.

    Raises:
        ReadError: a file cannot be read any more.
    """
    reader, found = TemplateReader(), []
    for number, name in enumerate(files):
        if number % _STEP == 0:
            progress.step(number / len(files), "Reading the source series")
        header = read_header(name, reader)
        if header is None:
            continue
        if not header.text("SOPInstanceUID"):
            raise ReadError("The source series does not name its objects; open it again.")
        found.append(
            SourceInstance(
                header.text("SeriesInstanceUID"),
                header.text("SOPClassUID"),
                header.text("SOPInstanceUID"),
                _position(header),
            )
        )
    return tuple(found)


def _position(header: Header) -> tuple[float, float, float] | None:
    if header.text("SOPClassUID") in MULTI_FRAME_PET:
        return None
    try:
        x, y, z = (float(part) for part in header.text("ImagePositionPatient").split("\\"))
    except ValueError:
        return None
    return x, y, z


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A region to write.

    Attributes:
        mask: Voxels and name.
        colour: `#rrggbb`.
        origin: Where it comes from, empty if it was drawn here.
    """

    mask: RoiMask
    colour: str
    origin: str = ""


def write_segmentation(
    path: Path,
    segments: Sequence[Segment],
    header: SourceHeader,
    sources: Sequence[SourceInstance],
    series_number: int,
) -> None:
    """Write regions of one grid as a segmentation.

    Args:
        path: File to write.
        segments: At least one; all on the same grid; they may overlap.
        header: Patient and study to inherit.
        sources: What the regions were drawn on, referenced by series and slice; may be empty.
        series_number: SeriesNumber.

    Raises:
        ExportError: rows and columns of the grid are not at right angles.
        InvalidInputError: there is no region, or the grids differ.
    """
    if not segments:
        raise InvalidInputError("There is no region to write.")
    geometry = segments[0].mask.geometry
    if not all(one.mask.geometry.matches(geometry) for one in segments):
        raise InvalidInputError("The regions lie on different grids.")
    _refuse_sheared(geometry)
    load_tables()
    inside = np.stack([one.mask.inside for one in segments], axis=-1)
    used = np.flatnonzero(inside.any(axis=(1, 2, 3)))
    frames = planes(geometry, used.tolist())
    measures = frames["pixel_measures"][0]
    measures.SpacingBetweenSlices = measures.SliceThickness
    written = highdicom.seg.Segmentation(
        source_images=[stand_in(header, geometry)],
        pixel_array=inside[used].astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_description(i, one) for i, one in enumerate(segments, 1)],
        content_label="REGIONS",
        content_description=RESEARCH_USE[:SHORT_LIMIT],
        series_description="Regions, research use only",
        **new_object(series_number, __version__),
        **frames,
    )
    _complete(written, header, sources, geometry)
    written.save_as(path)


def _refuse_sheared(geometry: VolumeGeometry) -> None:
    """A segmentation of planes that are not stacked along their normal cannot be read back."""
    directions = geometry.affine_lps_mm[:3, :3] / geometry.spacing_zyx_mm
    if np.abs(directions.T @ directions - np.eye(3)).max() > ORTHOGONAL_TOLERANCE:
        raise ExportError(
            "The axes of this image are not at right angles, which a segmentation cannot describe;"
            " save the regions as JSON instead."
        )


def _description(number: int, segment: Segment) -> highdicom.seg.SegmentDescription:
    red, green, blue = (int(segment.colour[i : i + 2], 16) for i in (1, 3, 5))
    made = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.mask.name[:SHORT_LIMIT] or f"Region {number}",
        segmented_property_category=_CATEGORY,
        segmented_property_type=_TYPE,
        algorithm_type="MANUAL",
        tracking_uid=generate_uid(),
        tracking_id=f"{number}",
        display_color=CIELabColor.from_rgb(red, green, blue),
    )
    if segment.origin:
        made.SegmentDescription = segment.origin[:1024]
    return made


def _complete(
    written: Dataset,
    header: SourceHeader,
    sources: Sequence[SourceInstance],
    geometry: VolumeGeometry,
) -> None:
    """Put the names and the real source in place of the stand-in, which is no file."""
    put_source_in_place(written, header)
    if header.dataset.get("BodyPartExamined"):
        add_body_part(written, header.dataset)  # else a segmentation has no side either
    equipment = scanner_items(header)
    if equipment:
        written.ContributingEquipmentSequence = DicomSequence(equipment)
    if sources:
        written.ReferencedSeriesSequence = _series(sources)
    places = _source_places(sources, geometry)
    for frame in written.PerFrameFunctionalGroupsSequence:
        frame.pop("DerivationImageSequence", None)
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        source = places.get(_slice_at(position, geometry))
        if source is not None:
            frame.DerivationImageSequence = DicomSequence([_derivation(source)])


def _series(sources: Sequence[SourceInstance]) -> DicomSequence:
    by_series: dict[str, list[Dataset]] = {}
    for source in sources:
        by_series.setdefault(source.series_uid, []).append(_reference(source))
    made = []
    for uid, instances in by_series.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ReferencedInstanceSequence = DicomSequence(instances)
        made.append(item)
    return DicomSequence(made)


def _reference(source: SourceInstance) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.sop_class, source.uid
    return item


def _derivation(source: SourceInstance) -> Dataset:
    image = _reference(source)
    image.SpatialLocationsPreserved = "YES"
    image.PurposeOfReferenceCodeSequence = DicomSequence(
        [code_item("121322", "DCM", "Source image for image processing operation")]
    )
    item = Dataset()
    item.SourceImageSequence = DicomSequence([image])
    item.DerivationCodeSequence = DicomSequence([code_item("113076", "DCM", "Segmentation")])
    return item


def _source_places(
    sources: Sequence[SourceInstance], geometry: VolumeGeometry
) -> dict[int, SourceInstance]:
    """Slice of the grid -> the first source slice there."""
    places: dict[int, SourceInstance] = {}
    for source in sources:
        if source.position_lps_mm is not None:
            places.setdefault(_slice_at(source.position_lps_mm, geometry), source)
    return places


def _slice_at(
    position_lps_mm: Sequence[float] | NDArray[np.float64], geometry: VolumeGeometry
) -> int:
    """Slice of the grid at a position, -1 between slices."""
    index = float(geometry.to_index(np.array(position_lps_mm, np.float64))[0])
    return round(index) if abs(index - round(index)) <= _SAME_PLANE_SHARE else -1
