"""Regions of interest: what is drawn, in patient millimetres, and the voxels it holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kiview.core._arrays import frozen_view
from kiview.core.errors import GeometryMismatchError, InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import NullProgress, Progress
from kiview.core.roi_shapes import Shape, shape_from_dict
from kiview.core.roi_voxels import VoxelSet

SCHEMA_VERSION = 1
_LONGEST_TEXT = 80


@dataclass(frozen=True, slots=True, eq=False)
class RoiMask:
    """Voxels of a region on one grid.

    Attributes:
        inside: (z, y, x) bool, at least one voxel.
        geometry: Grid of the mask.
        name: Name of the region.
    """

    inside: NDArray[np.bool_]
    geometry: VolumeGeometry
    name: str = ""

    def __post_init__(self) -> None:
        if self.inside.shape != self.geometry.shape_zyx:
            raise GeometryMismatchError(
                f"The region {self.name!r} has {self.inside.shape} voxels but its grid has"
                f" {self.geometry.shape_zyx}."
            )
        if not self.inside.any():
            raise InvalidInputError(
                f"The region {self.name!r} holds no voxel centre; draw it larger or inside the"
                " image."
            )
        object.__setattr__(self, "inside", frozen_view(self.inside))

    @property
    def voxel_count(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.inside))

    @property
    def volume_ml(self) -> float:
        """Volume in mL."""
        return self.voxel_count * self.geometry.voxel_volume_ml


@dataclass(frozen=True, slots=True, eq=False)
class RoiVoxels:
    """Voxels of a region within the box that it can reach: small, for display.

    Attributes:
        box: Slices along z, y, x of the grid.
        inside: bool, as large as the box.
        geometry: Grid.
    """

    box: tuple[slice, slice, slice]
    inside: NDArray[np.bool_]
    geometry: VolumeGeometry

    def plane(self, axis: int, index: int) -> NDArray[np.bool_] | None:
        """One whole plane of the grid, or None when it holds no voxel of the region."""
        if not self.box[axis].start <= index < self.box[axis].stop:
            return None
        where = (slice(None),) * axis + (index - self.box[axis].start,)
        part = self.inside[where]
        if not part.any():
            return None
        others = [i for i in range(3) if i != axis]
        whole = np.zeros([self.geometry.shape_zyx[i] for i in others], np.bool_)
        whole[self.box[others[0]], self.box[others[1]]] = part
        return whole


@dataclass(frozen=True, slots=True)
class Roi:
    """A region as drawn.

    Attributes:
        roi_id: Identity, kept through every change.
        name: As shown.
        colour: `#rrggbb`.
        shape: Where it is, in LPS mm.
        revision: Changes whenever the shape does; results remember it to know when they are stale.
        origin: Where a region that was not drawn here comes from and by which rule it was read.
    """

    roi_id: str
    name: str
    colour: str
    shape: Shape
    revision: int = 1
    origin: str = ""

    def voxels(self, geometry: VolumeGeometry) -> RoiVoxels:
        """Voxels whose centre lies inside the region, as a small box; may be empty."""
        box = _index_box(self.shape, geometry)
        if isinstance(self.shape, VoxelSet):
            return RoiVoxels(box, self.shape.sampled(box, geometry), geometry)
        axes = [np.arange(part.start, part.stop) for part in box]
        index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        inside = self.shape.signed_distance_mm(geometry.to_lps_mm(index)) >= 0
        return RoiVoxels(box, inside, geometry)

    def rasterise(self, geometry: VolumeGeometry) -> RoiMask:
        """Voxels whose centre lies inside the region.

        Raises:
            InvalidInputError: no voxel centre lies inside.
        """
        voxels = self.voxels(geometry)
        inside = np.zeros(geometry.shape_zyx, np.bool_)
        inside[voxels.box] = voxels.inside
        return RoiMask(inside, geometry, self.name)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "id": self.roi_id,
            "name": self.name,
            "colour": self.colour,
            "revision": self.revision,
            **({"origin": self.origin} if self.origin else {}),
            "shape": self.shape.to_dict(),
        }


def _index_box(shape: Shape, geometry: VolumeGeometry) -> tuple[slice, slice, slice]:
    """Voxels that the region can reach; empty slices when it lies outside the grid."""
    low, high = shape.bounds_lps_mm()
    corners = np.array([[x, y, z] for x, y, z in np.ndindex(2, 2, 2)])
    index = geometry.to_index(np.where(corners, high, low))
    size = np.array(geometry.shape_zyx)
    first = np.clip(np.floor(index.min(axis=0)).astype(int), 0, size)
    stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, first, size)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(first, stop, strict=True))
    return z, y, x


def to_dict(rois: tuple[Roi, ...]) -> dict[str, Any]:
    """Regions as a plain dictionary for JSON: `{"schema_version": 1, "regions": [...]}`."""
    return {"schema_version": SCHEMA_VERSION, "regions": [roi.to_dict() for roi in rois]}


def from_dict(
    document: Any,  # noqa: ANN401 - whatever the JSON file held
    progress: Progress | None = None,
) -> tuple[Roi, ...]:
    """Regions of a JSON document written by `to_dict`.

    Args:
        document: As read.
        progress: Told before each region.

    Raises:
        InvalidInputError: the document is something else, or was written by a newer version.
    """
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise InvalidInputError(
            f"This is no region file of version {SCHEMA_VERSION} (schema_version is"
            f" {str(version)[:20]!r})."
        )
    regions = document.get("regions")
    if not isinstance(regions, list):
        raise InvalidInputError("The region file has no list of regions.")
    told = progress or NullProgress()
    rois = []
    for number, entry in enumerate(regions, 1):
        told.step((number - 1) / len(regions), f"Region {number}")
        rois.append(_roi_from_dict(entry, number))
    return tuple(rois)


def _roi_from_dict(entry: Any, number: int) -> Roi:  # noqa: ANN401 - whatever the JSON file held
    try:
        name = _plain(str(entry.get("name", f"Region {number}")))
        return Roi(
            roi_id=str(entry.get("id", f"region-{number}")),
            name=name,
            colour=str(entry.get("colour", "#4cc2ff")),
            shape=_shape(entry["shape"]),
            revision=int(entry.get("revision", 1)),
            origin=str(entry.get("origin", "")),
        )
    except KeyError as error:
        raise InvalidInputError(f"Region {number} of the file lacks {error}.") from error
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        reason = _plain(str(error))
        raise InvalidInputError(f"Region {number} of the file is damaged: {reason}.") from error


def _shape(entry: dict[str, Any]) -> Shape:
    return VoxelSet.from_dict(entry) if entry["type"] == "voxels" else shape_from_dict(entry)


def _plain(text: str) -> str:
    """A text of the file for the screen: one line, not endless."""
    return "".join(c if c.isprintable() else " " for c in text[:_LONGEST_TEXT])
