"""Read regions from a file of any kind and bring them to an image's grid."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kiview.core import roi
from kiview.core.blood_names import sounds_like_blood
from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import Progress
from kiview.core.resample import resample
from kiview.core.roi import RoiMask
from kiview.io.dicom_headers import looks_like_dicom
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.jobs.region_objects import (
    StructuresRequest,
    list_region_object,
    position_problem,
    read_structures,
)

MOST_LABELS = 200
_MOST_NAMES = 12
_INSIDE_SHARE = 0.5
_FIRST_BYTES = 256


@dataclass(frozen=True, slots=True)
class RegionFile:
    """A file with regions.

    Attributes:
        path: Region JSON; NIfTI with whole numbers, 0 outside, one number per region; RT structure
            set; DICOM segmentation.
        name: The wanted region of a DICOM object, empty for all; others are read whole.
        trusts_position: Whether a DICOM object of another frame of reference is taken.
    """

    path: Path
    name: str = ""
    trusts_position: bool = False


def read_regions(
    file: RegionFile | Path,
    geometry: VolumeGeometry,
    progress: Progress,
    tell: Callable[[str], None] | None = None,
) -> tuple[RoiMask, ...]:
    """Read the regions of a file as masks.

    Args:
        file: What to read; of a path all regions.
        geometry: Grid of the masks; a NIfTI mask on another grid is interpolated to it, other
            voxels are looked up at its voxel centres.
        progress: Told before each region.
        tell: Called with each sentence about what was left out or assumed.

    Returns:
        At least one mask, in the order of the file.

    Raises:
        ReadError: the file cannot be read or holds no region.
        InvalidInputError: a region holds no voxel of the grid.
    """
    file = file if isinstance(file, RegionFile) else RegionFile(file)
    if file.path.suffix.lower() == ".json":
        return _from_json(file.path, geometry, progress)
    if _is_dicom(file.path):
        return _from_dicom(file, geometry, progress, tell)
    return _from_nifti(file.path, geometry, progress)


def choose_region(regions: tuple[RoiMask, ...], name: str, blood: bool = False) -> RoiMask:
    """One region of a file.

    Args:
        regions: At least one.
        name: Name of the wanted one; empty if there is no choice.
        blood: Whether a region that is named after blood is taken without being asked for.

    Raises:
        InvalidInputError: no or several regions fit; the text lists the names.
    """
    fitting = [mask for mask in regions if not name or mask.name.lower() == name.lower()]
    if blood and len(fitting) > 1:
        fitting = [mask for mask in fitting if sounds_like_blood(mask.name)] or fitting
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(mask.name for mask in regions[:_MOST_NAMES])
    more = " and more" if len(regions) > _MOST_NAMES else ""
    asked = f"no region {name[:40]!r}" if name and not fitting else "several regions"
    raise InvalidInputError(f"The region file has {asked}; name one of: {known}{more}.")


def _from_json(path: Path, geometry: VolumeGeometry, progress: Progress) -> tuple[RoiMask, ...]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(f"The region file {path.name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ReadError(f"The region file {path.name} is damaged: {error}.") from error
    shapes = roi.from_dict(document)
    if not shapes:
        raise ReadError(f"The region file {path.name} holds no region.")
    masks = []
    for number, shape in enumerate(shapes):
        progress.step(number / len(shapes), f"Region {shape.name}")
        masks.append(shape.rasterise(geometry))
    return tuple(masks)


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return looks_like_dicom(stream.read(_FIRST_BYTES))
    except OSError as error:
        raise ReadError(f"The region file {path.name} cannot be read: {error.strerror}.") from error


def _from_dicom(
    file: RegionFile,
    geometry: VolumeGeometry,
    progress: Progress,
    tell: Callable[[str], None] | None,
) -> tuple[RoiMask, ...]:
    """The named structure of an object, or all that are regions in this image."""
    listed = list_region_object(file.path)
    chosen = [one for one in listed.structures if file.name.lower() in ("", one.name.lower())]
    if not chosen:
        known = ", ".join(one.name for one in listed.structures) or "none at all"
        asked = f"no region {file.name!r}" if file.name else "no region"
        raise InvalidInputError(f"The region file has {asked}; it has: {known}.")
    problem = position_problem(chosen, geometry)
    if problem and not file.trusts_position:
        raise InvalidInputError(f"{problem} Check that, then add --trust-position.")
    numbers = tuple(one.number for one in chosen)
    request = StructuresRequest(listed, numbers, geometry, file.trusts_position)
    read = read_structures(request, progress)
    if tell is not None:
        for finding in read.findings:
            tell(finding)
    return tuple(roi.rasterise(geometry) for roi in read.rois)


def _from_nifti(path: Path, geometry: VolumeGeometry, progress: Progress) -> tuple[RoiMask, ...]:
    study = open_study(OpenRequest(path), progress)
    image = next((series.image for series in study.series if series.image is not None), None)
    if image is None or image.is_dynamic:
        raise ReadError(f"{path.name} is no mask: a region file has one volume.")
    labels = image.store.frame(0)
    numbers = _label_numbers(path, labels)
    stem = path.name.split(".")[0]
    masks = []
    for place, number in enumerate(numbers):
        name = stem if len(numbers) == 1 else f"{stem} {number}"
        progress.step(place / len(numbers), f"Region {name}")
        inside = _on_grid(labels == number, image.geometry, geometry)
        masks.append(RoiMask(inside, geometry, name))
    return tuple(masks)


def _label_numbers(path: Path, labels: NDArray[np.float32]) -> list[int]:
    found = np.unique(labels)
    if not np.isfinite(found).all() or (found != np.rint(found)).any() or len(found) > MOST_LABELS:
        raise ReadError(
            f"{path.name} is no mask: it holds other values than 0 and a few whole numbers."
        )
    numbers = [int(value) for value in found if value != 0]
    if not numbers:
        raise ReadError(f"{path.name} holds no region: every voxel is 0.")
    return numbers


def _on_grid(
    inside: NDArray[np.bool_], source: VolumeGeometry, target: VolumeGeometry
) -> NDArray[np.bool_]:
    if source.matches(target):
        return inside
    share = resample(inside.astype(np.float32), source, target)
    return np.asarray(np.nan_to_num(share) >= _INSIDE_SHARE)
