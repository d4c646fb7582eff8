"""Read regions from a region file or a NIfTI mask and bring them to an image's grid."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kiview.core import roi
from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import Progress
from kiview.core.resample import resample
from kiview.core.roi import RoiMask
from kiview.jobs.open_study import OpenRequest, open_study

MOST_LABELS = 200
_MOST_NAMES = 12
_INSIDE_SHARE = 0.5
_BLOOD_WORDS = ("aorta", "blood", "ventricle", "atrium", "idif")


def read_regions(path: Path, geometry: VolumeGeometry, progress: Progress) -> tuple[RoiMask, ...]:
    """Read all regions of a file as masks.

    Args:
        path: Region JSON, or NIfTI with whole numbers: 0 outside, one number per region.
        geometry: Grid of the masks; a NIfTI mask on another grid is interpolated to it.
        progress: Told before each region.

    Returns:
        At least one mask, in the order of the file.

    Raises:
        ReadError: the file cannot be read or holds no region.
        InvalidInputError: a region holds no voxel of the grid.
    """
    if path.suffix.lower() == ".json":
        return _from_json(path, geometry, progress)
    return _from_nifti(path, geometry, progress)


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
        fitting = [mask for mask in fitting if _sounds_like_blood(mask.name)] or fitting
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(mask.name for mask in regions[:_MOST_NAMES])
    more = " and more" if len(regions) > _MOST_NAMES else ""
    asked = f"no region {name[:40]!r}" if name and not fitting else "several regions"
    raise InvalidInputError(f"The region file has {asked}; name one of: {known}{more}.")


def _sounds_like_blood(name: str) -> bool:
    return any(word in name.lower() for word in _BLOOD_WORDS)


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
