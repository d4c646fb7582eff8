"""What the user chose in the views, kept with the study."""

from collections.abc import Mapping
from typing import Any

from kiview.core.errors import InvalidInputError
from kiview.core.reslice import Plane
from kiview.viewmodels.views import ViewsViewModel


def saved_views(views: ViewsViewModel) -> dict[str, Any]:
    """What the user chose, for JSON."""
    return {
        "cursor_lps_mm": views.link.cursor_lps_mm.tolist(),
        "centre_lps_mm": views.link.centre_lps_mm.tolist(),
        "zoom": views.link.zoom,
        "frames": {"indices": list(views.frames.shown.indices), "name": views.frames.shown.name},
        "planes": [plane.value for plane in views.planes],
        "scales": views.scales.to_dict(),
    }


def restore_views(views: ViewsViewModel, saved: Mapping[str, Any]) -> None:
    """Take over what `saved_views` gave for the same image.

    Raises:
        InvalidInputError: the entries are damaged; the views stay usable.
    """
    try:
        views.scales.restore(saved["scales"])
        frames = [int(t) for t in saved["frames"]["indices"]]
        valid = tuple(t for t in frames if 0 <= t < views.frames.frame_count)
        name = str(saved["frames"]["name"])
        if name or len(valid) > 1:
            views.frames.show_mean(valid, name)
        elif valid:
            views.frames.show_frame(valid[0])
        views.link.set_zoom(float(saved["zoom"]), saved["centre_lps_mm"])
        views.link.set_cursor(saved["cursor_lps_mm"])
        views.show_planes(tuple(Plane(name) for name in saved["planes"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidInputError(f"The saved views are damaged: {error!r}.") from error
