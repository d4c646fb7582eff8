"""DICOM segmentations (PS3.3 A.51): frames of one segment each, or label maps, into voxel sets.

Where a frame lies comes from its functional groups. A fractional segment holds the voxels of at
least half its largest value (`FRACTION_INSIDE`), probability and occupancy alike. Frames that are
left out because they are empty stay empty.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, ExplicitVRBigEndian

from kiview.core.errors import InvalidInputError, ReadError, UnsupportedDataError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import Progress
from kiview.core.region_object import SEGMENTATION, RegionObject, Structure
from kiview.core.roi_voxels import MOST_VOXELS, VoxelSet
from kiview.io.dicom_objects import (
    MOST_STRUCTURES,
    Breath,
    distinct_names,
    first_item,
    items_of,
    number_of,
    numbers_of,
    read_header_until,
    read_whole,
    text_of,
    told_of,
    whole_number,
)
from kiview.io.dicom_tags import SHARED_GROUPS

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATIONS = (SEGMENTATION_STORAGE, LABEL_MAP_STORAGE)
FRACTION_INSIDE = 0.5
MOST_FRAMES = 200_000
MOST_PIXELS = 8192
"""Rows or columns."""
_BINARY, _FRACTIONAL, _LABEL_MAP = "BINARY", "FRACTIONAL", "LABELMAP"
_EVEN_SHARE = 0.1
"""Share of the plane distance by which a plane may lie beside its place."""
_IN_PLANE_MM = 0.1
_SAME_PLANE_MM = 1e-3
_STEP = 100


@dataclass(frozen=True, slots=True, eq=False)
class ReadSegment:
    """One segment as read.

    Attributes:
        number: Segment number.
        colour: `#rrggbb`, empty if the object names none.
        voxels: Its voxels, or None.
        rule: How values became voxels.
        problem: Why it is no region, empty if it is one.
    """

    number: int
    colour: str
    voxels: VoxelSet | None
    rule: str = ""
    problem: str = ""


def list_segmentation(path: Path) -> RegionObject:
    """What a segmentation contains, without its pixels.

    Raises:
        ReadError: the file cannot be read, is damaged or no segmentation.
    """
    with told_of(path):
        dataset = read_header_until(path, SHARED_GROUPS)
        _refuse_others(path, dataset)
        items = _segments(dataset)
        numbers = [whole_number(item, "SegmentNumber") for item in items]
        if len(set(numbers)) < len(numbers):
            raise ReadError(
                f"{path.name} uses the same number for several segments; export it again."
            )
        names = [
            text_of(item, "SegmentLabel") or f"Segment {number}"
            for item, number in zip(items, numbers, strict=True)
        ]
        reference = str(dataset.get("FrameOfReferenceUID") or "")
        return RegionObject(
            path=str(path),
            modality=SEGMENTATION,
            uid=str(dataset.get("SOPInstanceUID", "")),
            series_uid=str(dataset.get("SeriesInstanceUID", "")),
            study_uid=str(dataset.get("StudyInstanceUID", "")),
            patient_id=str(dataset.get("PatientID", "")),
            description=text_of(dataset, "SeriesDescription") or text_of(dataset, "ContentLabel"),
            structures=tuple(
                Structure(number, name, reference)
                for number, name in zip(numbers, distinct_names(names, numbers), strict=True)
            ),
        )


def _refuse_others(path: Path, dataset: Dataset) -> None:
    if str(dataset.get("SOPClassUID", "")) not in SEGMENTATIONS:
        raise ReadError(f"{path.name} is no DICOM segmentation.")


def _segments(dataset: Dataset) -> list[Dataset]:
    """Described segments; number 0 of a label map is the background."""
    items = items_of(dataset, "SegmentSequence", MOST_STRUCTURES, "segments")
    return [item for item in items if whole_number(item, "SegmentNumber") > 0]


def read_segmentation(
    path: Path, numbers: Collection[int], progress: Progress
) -> tuple[ReadSegment, ...]:
    """Read the voxels of some segments.

    Args:
        path: The file.
        numbers: Numbers of the wanted segments.
        progress: Told now and then.

    Returns:
        The wanted segments in the order asked for; an empty one with the reason.

    Raises:
        ReadError: the file cannot be read, is damaged, or its planes are not evenly spaced.
    """
    with told_of(path):
        progress.step(0.0, f"Reading {path.name}")
        dataset = read_whole(path)
        _refuse_others(path, dataset)
        frames = _frames(dataset, path)
        colours = {whole_number(i, "SegmentNumber"): _colour(i) for i in _segments(dataset)}
        if _kind(dataset) == _LABEL_MAP:
            voxels = _from_labels(dataset, frames, numbers, progress)
        else:
            voxels = _from_segments(dataset, frames, numbers, progress)
        rule = _rule(dataset)
        return tuple(
            ReadSegment(
                number,
                colours.get(number, ""),
                voxels.get(number),
                rule,
                "" if number in voxels else "None of its voxels is set.",
            )
            for number in numbers
        )


def _kind(dataset: Dataset) -> str:
    kind = str(dataset.get("SegmentationType") or "")
    if kind not in (_BINARY, _FRACTIONAL, _LABEL_MAP):
        raise UnsupportedDataError(f"Segmentations of type {kind[:16]!r} are not read.")
    return kind


def _rule(dataset: Dataset) -> str:
    kind = _kind(dataset)
    if kind != _FRACTIONAL:
        return "label map" if kind == _LABEL_MAP else "binary"
    meaning = text_of(dataset, "SegmentationFractionalType").lower() or "fractional"
    return f"{meaning} of at least {FRACTION_INSIDE}"


@dataclass(frozen=True, slots=True, eq=False)
class _Frames:
    """Where the frames of an object lie.

    Attributes:
        geometry: Grid of all planes of the object.
        plane: (f,) plane of each frame.
        segment: (f,) segment of each frame, 0 in label maps.
    """

    geometry: VolumeGeometry
    plane: NDArray[np.intp]
    segment: NDArray[np.int64]


def _frames(dataset: Dataset, path: Path) -> _Frames:
    count = whole_number(dataset, "NumberOfFrames")
    rows, columns = whole_number(dataset, "Rows"), whole_number(dataset, "Columns")
    if not (0 < rows <= MOST_PIXELS and 0 < columns <= MOST_PIXELS and count > 0):
        raise ReadError(f"{path.name} has frames of {rows} x {columns} pixels, which is no image.")
    shared = first_item(dataset, "SharedFunctionalGroupsSequence")
    groups = items_of(dataset, "PerFrameFunctionalGroupsSequence", MOST_FRAMES, "frames")
    if len(groups) != count:
        raise ReadError(f"{path.name} says {count} frames but describes {len(groups)}.")
    is_map = _kind(dataset) == _LABEL_MAP
    position, segment, oriented = [], [], set()
    breath = Breath()
    for group in groups:
        breath.take()
        position.append(
            numbers_of(_group("PlanePositionSequence", group, shared), "ImagePositionPatient", 3)
        )
        plane = _group("PlaneOrientationSequence", group, shared)
        measures = _group("PixelMeasuresSequence", group, shared)
        direction = numbers_of(plane, "ImageOrientationPatient", 6)
        oriented.add((*direction, *numbers_of(measures, "PixelSpacing", 2)))
        named = _group("SegmentIdentificationSequence", group, shared)
        segment.append(0 if is_map else whole_number(named, "ReferencedSegmentNumber"))
    if len(oriented) > 1:
        raise UnsupportedDataError(f"The frames of {path.name} lie on different grids.")
    measures = _group("PixelMeasuresSequence", groups[0], shared)
    axes = np.array(oriented.pop())
    geometry, plane_index = _grid(np.array(position), axes, measures, (rows, columns))
    reference = str(dataset.get("FrameOfReferenceUID") or "")
    placed = VolumeGeometry(geometry.shape_zyx, geometry.affine_lps_mm, reference)
    return _Frames(placed, plane_index, np.array(segment, np.int64))


def _group(keyword: str, frame: Dataset, shared: Dataset) -> Dataset:
    return first_item(frame if keyword in frame else shared, keyword)


def _grid(
    position: NDArray[np.float64],
    axes: NDArray[np.float64],
    measures: Dataset,
    shape_yx: tuple[int, int],
) -> tuple[VolumeGeometry, NDArray[np.intp]]:
    """Grid of all planes, and the plane (f,) of each frame.

    Args:
        position: (f, 3) first voxel of each frame, LPS mm.
        axes: Row direction (3), column direction (3), distance of rows, of columns.
        measures: Names the distance of planes where there is only one.
        shape_yx: Rows and columns.
    """
    along_x, along_y, (dy, dx) = axes[:3], axes[3:6], axes[6:]
    normal = np.cross(along_x, along_y)
    if abs(np.linalg.norm(normal) - 1) > _EVEN_SHARE or min(dy, dx) <= 0:
        raise ReadError("The rows and columns of the segmentation are no two directions.")
    normal = normal / np.linalg.norm(normal)
    w = position @ normal
    beside = position - w[:, None] * normal
    if np.ptp(beside, axis=0).max() > _IN_PLANE_MM:
        raise UnsupportedDataError("The planes of the segmentation do not lie above each other.")
    distinct = np.unique(np.round(w / _SAME_PLANE_MM)) * _SAME_PLANE_MM
    step = _plane_distance(distinct, measures)
    place = (w - w.min()) / step
    index = np.rint(place)
    if np.abs(place - index).max() > _EVEN_SHARE:
        raise UnsupportedDataError("The planes of the segmentation are not evenly spaced.")
    count = int(index.max()) + 1
    if count * shape_yx[0] * shape_yx[1] > MOST_VOXELS:
        raise UnsupportedDataError("The planes of the segmentation reach further than a patient.")
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = normal * step, along_y * dy, along_x * dx
    affine[:3, 3] = position[np.argmin(w)]
    return VolumeGeometry((count, *shape_yx), affine), index.astype(np.intp)


def _plane_distance(distinct: NDArray[np.float64], measures: Dataset) -> float:
    """Distance of planes in mm: the smallest that occurs, refined over the whole stack."""
    if len(distinct) == 1:
        for keyword in ("SpacingBetweenSlices", "SliceThickness"):
            if measures.get(keyword) is not None:
                told = number_of(measures, keyword)
                if told > 0:
                    return told
        raise ReadError("The segmentation does not say how thick its one plane is.")
    smallest = float(np.diff(distinct).min())
    span = float(distinct[-1] - distinct[0])
    return span / max(round(span / smallest), 1)


def _from_segments(
    dataset: Dataset, frames: _Frames, numbers: Collection[int], progress: Progress
) -> dict[int, VoxelSet]:
    """Voxels of objects with one segment per frame."""
    limit = 0.5
    if _kind(dataset) == _FRACTIONAL:
        limit = FRACTION_INSIDE * max(whole_number(dataset, "MaximumFractionalValue"), 1)
    found = {}
    for done, number in enumerate(numbers):
        chosen = np.flatnonzero(frames.segment == number)
        if not len(chosen):
            continue
        part = progress.child(done / len(numbers), (done + 1) / len(numbers))
        first, last = int(frames.plane[chosen].min()), int(frames.plane[chosen].max())
        inside = np.zeros((last - first + 1, *frames.geometry.shape_zyx[1:]), np.bool_)
        for place, (k, pixels) in enumerate(_pixels(dataset, chosen, frames)):
            if place % _STEP == 0:
                part.step(place / len(chosen), f"Segment {number}")
            inside[k - first] |= pixels >= limit
        if inside.any():
            found[number] = _cropped(inside, first, frames.geometry)
    return found


def _from_labels(
    dataset: Dataset, frames: _Frames, numbers: Collection[int], progress: Progress
) -> dict[int, VoxelSet]:
    """Voxels of a label map: each voxel holds the number of its segment."""
    kind = np.uint8 if whole_number(dataset, "BitsAllocated") == 8 else np.uint16
    labels = np.zeros(frames.geometry.shape_zyx, kind)
    every = np.arange(len(frames.plane))
    for place, (k, pixels) in enumerate(_pixels(dataset, every, frames)):
        if place % _STEP == 0:
            progress.step(0.8 * place / len(every), "Label map")
        labels[k] = pixels
    found = {}
    for done, number in enumerate(numbers):
        progress.step(0.8 + 0.2 * done / len(numbers), f"Segment {number}")
        inside = labels == number
        if inside.any():
            found[number] = VoxelSet.cropped(inside, frames.geometry)
    return found


def _cropped(inside: NDArray[np.bool_], first: int, geometry: VolumeGeometry) -> VoxelSet:
    affine = geometry.affine_lps_mm.copy()
    affine[:3, 3] = geometry.to_lps_mm([first, 0, 0])
    z, y, x = inside.shape
    return VoxelSet.cropped(
        inside, VolumeGeometry((z, y, x), affine, geometry.frame_of_reference_uid)
    )


def _pixels(
    dataset: Dataset, chosen: NDArray[np.intp], frames: _Frames
) -> Iterator[tuple[int, NDArray[Any]]]:
    """(plane, stored pixels (y, x)) of some frames, one at a time."""
    shape = frames.geometry.shape_zyx[1:]
    syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    is_packed = whole_number(dataset, "BitsAllocated") == 1
    if is_packed and (syntax is None or not UID(syntax).is_encapsulated):
        # pydicom 3.0 loses its place where the bits of a frame do not fill whole bytes.
        if syntax == ExplicitVRBigEndian:
            raise UnsupportedDataError("Packed big-endian pixels are not read; export it again.")
        decoded = _unpacked(dataset, chosen, shape)
    else:
        decoded = iter_pixels(dataset, indices=chosen.tolist(), raw=True)
    breath = Breath()
    for frame, pixels in zip(chosen, decoded, strict=True):
        breath.take()
        if pixels.shape != shape:
            raise InvalidInputError("A frame of the segmentation has another size than it says.")
        yield int(frames.plane[frame]), pixels


def _unpacked(
    dataset: Dataset, chosen: NDArray[np.intp], shape_yx: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Frames of one bit a pixel, lowest bit first, that follow each other without padding."""
    stored = np.frombuffer(dataset.PixelData, np.uint8)
    size = shape_yx[0] * shape_yx[1]
    for frame in chosen.tolist():
        first, skipped = divmod(frame * size, 8)
        part = stored[first : first + (skipped + size + 7) // 8]
        bits = np.unpackbits(part, bitorder="little")[skipped : skipped + size]
        if len(bits) < size:
            raise ReadError("The segmentation is cut off: pixels are missing; copy it again.")
        yield bits.reshape(shape_yx)


def _colour(item: Dataset) -> str:
    value = item.get("RecommendedDisplayCIELabValue")
    try:
        colour = CIELabColor.from_dicom_value([int(v) for v in value or ()])
        red, green, blue = colour.to_rgb(clip=True)
    except (TypeError, ValueError):
        return ""
    return f"#{round(red):02x}{round(green):02x}{round(blue):02x}"
