"""What readers of images in one file (NIfTI, ECAT) have in common."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, KiviewError
from kiview.core.study import Finding, Series, SeriesKind, Verdict
from kiview.core.suv import suvbw_factor_g_per_bq
from kiview.core.units import SUV_BW, Quantity
from kiview.io.dicom_meaning import BOTH_REFUSED, finding


def file_uid(path: Path, prefix: str) -> str:
    """A made-up series id: the same for the same place on disk."""
    return f"{prefix}-" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]


def refused_file(
    files: tuple[str, ...], uid: str, error: KiviewError, fields: tuple[str, ...]
) -> Series:
    """A file that is listed with the reason why it cannot be shown.

    Args:
        files: The image, and what belongs to it.
        uid: Its series id.
        error: Why not.
        fields: Values that are asked for where the error is about a value.
    """
    asked = fields if isinstance(error, InvalidInputError) else ()
    refused = finding("series-refused", str(error), BOTH_REFUSED, *asked)
    name = Path(files[0]).name
    return Series(uid, SeriesKind.OTHER, "", name, None, (refused,), source_files=files)


def largest_value(
    voxels: NDArray[Any], slope_t: NDArray[np.float64], intercept: float = 0.0
) -> float | None:
    """Largest value of an image, None where every voxel is NaN.

    Args:
        voxels: (t, z, y, x) as stored.
        slope_t: (t,) factor of each frame.
        intercept: Added after it.
    """
    ends = [
        max(float(np.nanmax(frame)) * slope, float(np.nanmin(frame)) * slope)
        for frame, slope in zip(voxels, slope_t, strict=True)
        if not np.isnan(frame).all()
    ]
    return max(ends) + intercept if ends else None


def single_frame_findings(count: int) -> tuple[Finding, ...]:
    """A finding where there is no time course."""
    if count > 1:
        return ()
    message = "The image has one frame; Ki needs a dynamic one."
    return (finding("single-frame", message, (Verdict.READY, Verdict.REFUSED)),)


def suv_at_injection(weight_kg: float | None, dose_bq: float | None) -> float | None:
    """Factor to SUV of activity at the injection, so that no decay comes in."""
    if not weight_kg or not dose_bq:
        return None
    return suvbw_factor_g_per_bq(weight_kg, dose_bq, elapsed_s=0.0, half_life_s=1.0)


def own_suv_factor(quantity: Quantity) -> float | None:
    """1 for values that are SUV already."""
    return 1.0 if quantity == SUV_BW else None
