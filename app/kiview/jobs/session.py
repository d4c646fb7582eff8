"""What is kept with a series between sessions: read back and written beside the window."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kiview.core import roi as roi_files
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import Progress
from kiview.core.roi import Roi, RoiVoxels
from kiview.io import workspace
from kiview.io.workspace import Workspace

_READ_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class KeptSession:
    """What was kept with a series.

    Attributes:
        rois: Its regions.
        voxels: Of each region on the image's grid, for display.
        views: Choices about the views.
        choices: Input function, window and network choices by name.
    """

    rois: tuple[Roi, ...]
    voxels: tuple[RoiVoxels, ...]
    views: Mapping[str, Any]
    choices: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeepRequest:
    """What to keep with a series.

    Attributes:
        series_uid: The series.
        rois: Its regions.
        views: Choices about the views.
        choices: Input function, window and network choices by name.
    """

    series_uid: str
    rois: tuple[Roi, ...]
    views: dict[str, Any]
    choices: dict[str, Any]


def is_session_kept(series_uid: str) -> bool:
    """Whether anything was kept with a series."""
    return workspace.workspace_file(series_uid).exists()


def restore_session(
    series_uid: str, geometry: VolumeGeometry, progress: Progress
) -> KeptSession | None:
    """Read what was kept with a series, ready to be shown.

    Args:
        series_uid: The series.
        geometry: Grid of its image.
        progress: Told before each region; may stop the work.

    Returns:
        None when nothing was kept.

    Raises:
        ReadError: the file is damaged or was written by a newer version; it is left alone.
        InvalidInputError: its regions are damaged.
    """
    progress.step(0.0, "Regions kept with the study")
    kept = workspace.load(series_uid)
    if kept is None:
        return None
    rois = roi_files.from_dict(kept.regions, progress.child(0.0, _READ_SHARE))
    voxels = []
    for done, roi in enumerate(rois):
        progress.step(_READ_SHARE + (1 - _READ_SHARE) * done / len(rois), roi.name)
        roi.shape.prepare()
        voxels.append(roi.voxels(geometry))
    return KeptSession(rois, tuple(voxels), kept.views, kept.choices)


def keep_session(request: KeepRequest, _progress: Progress) -> None:
    """Keep regions and choices in place of those before; once begun it is not stopped.

    Raises:
        ExportError: the user's folder cannot be written.
    """
    regions = roi_files.to_dict(request.rois)
    workspace.save(request.series_uid, Workspace(regions, request.views, request.choices))
