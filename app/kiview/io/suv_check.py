"""Whether SUV values are such as people have; mistakes are usually in a unit of dose or voxels."""

import math

import numpy as np
from numpy.typing import NDArray

from kiview.core.images import DynamicImage
from kiview.core.study import Finding, Verdict
from kiview.io.dicom_meaning import finding

HIGHEST_SUV = 500.0
"""A full bladder reaches 100 to 300; a factor of 1000 in a unit is far above."""
LOWEST_SUV = 0.5
"""Activity that spreads evenly over the body has SUV 1; some of any body is above its half."""
SHARE = 99.9
"""Per cent of the voxels that lie below the value compared with `LOWEST_SUV`."""
_MOST_PLANES = 64
_MOST_VOXELS = 200_000
_FIELDS = ("dose_bq", "weight_kg", "units")


def suv_findings(image: DynamicImage) -> tuple[Finding, ...]:
    """Compare the SUV of the last frame with what is possible.

    Earlier frames may show the bolus in a vein. Of many slices some are looked at.

    Args:
        image: As read; nothing is told where it has no SUV.
    """
    factor = image.suv_factor
    if factor is None:
        return ()
    largest, sample = _looked_at(image)
    if not sample.size:
        return ()
    highest = largest * factor
    typical = float(np.percentile(sample, SHARE)) * factor
    if highest > HIGHEST_SUV:
        told = f"The highest SUV of the last frame is {highest:.4g}, above {HIGHEST_SUV:g}"
    elif typical < LOWEST_SUV:
        told = f"{SHARE:g} % of the voxels of the last frame have an SUV below {typical:.2g}"
    else:
        return ()
    message = f"{told}: the dose, the weight or the unit may be wrong. Check them or enter them."
    verdicts = (Verdict.CONFIRM, Verdict.READY)
    return (finding("suv-implausible", message, verdicts, *_FIELDS),)


def _looked_at(image: DynamicImage) -> tuple[float, NDArray[np.float32]]:
    """Largest value of some slices of the last frame, and an even sample of their values."""
    t, (z, y, x) = image.frame_count - 1, image.geometry.shape_zyx
    chosen = np.unique(np.linspace(0, z - 1, min(z, _MOST_PLANES)).round().astype(int))
    step = 1 + len(chosen) * y * x // _MOST_VOXELS
    largest, samples = -math.inf, []
    for index in chosen:
        plane = image.store.plane(0, int(index), t)
        values = plane[np.isfinite(plane)]
        largest = max(largest, float(values.max(initial=-np.inf)))
        samples.append(values[::step].copy())
    return largest, np.concatenate(samples)
