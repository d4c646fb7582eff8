"""How well two maps agree: bias, limits of agreement, correlation, concordance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kiview.core.errors import InvalidInputError
from kiview.core.images import DynamicImage
from kiview.core.patlak import SECONDS_PER_MINUTE
from kiview.core.resample import resample

_LIMITS_SD = 1.959963984540054  # 97.5 % point of the normal distribution (Bland and Altman 1986)
_BODY_SHARE = 0.1
_SMALLEST_PART_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a map B with a map A over one region.

    Attributes:
        name: Region.
        voxel_count: Voxels where both maps have a value.
        mean_a: Mean of A.
        sd_a: Standard deviation of A over the voxels.
        mean_b: Mean of B.
        sd_b: Standard deviation of B.
        bias: Mean of B - A.
        bias_percent: `bias` in percent of `mean_a`; NaN where that is no larger than its standard
            error, as in blood, whose Ki is zero.
        sd_difference: Standard deviation of B - A.
        lower_limit: Lower 95 % limit of agreement, bias - 1.96 sd.
        upper_limit: Upper 95 % limit.
        correlation: Pearson's r; NaN when a map is constant.
        concordance: Lin's concordance coefficient (Lin 1989, Biometrics 45:255).
    """

    name: str
    voxel_count: int
    mean_a: float
    sd_a: float
    mean_b: float
    sd_b: float
    bias: float
    bias_percent: float
    sd_difference: float
    lower_limit: float
    upper_limit: float
    correlation: float
    concordance: float


def agreement(
    a: NDArray[np.float32], b: NDArray[np.float32], inside: NDArray[np.bool_], name: str
) -> Agreement:
    """Compare two maps over a region.

    Standard deviations are those of the voxels themselves (divided by n).

    Args:
        a: (z, y, x) reference map, NaN where not fitted.
        b: (z, y, x) other map on the same grid.
        inside: (z, y, x) region.
        name: Name of the region.

    Raises:
        InvalidInputError: no voxel of the region has a value in both maps.
    """
    both = inside & np.isfinite(a) & np.isfinite(b)
    x, y = a[both].astype(np.float64), b[both].astype(np.float64)
    if not len(x):
        raise InvalidInputError(f"No voxel of {name!r} has a value in both maps.")
    difference = y - x
    bias, sd = float(difference.mean()), float(difference.std())
    mean_a, mean_b, sd_a, sd_b = x.mean(), y.mean(), x.std(), y.std()
    covariance = float(((x - mean_a) * (y - mean_b)).mean())
    spread = sd_a**2 + sd_b**2 + (mean_a - mean_b) ** 2
    return Agreement(
        name=name,
        voxel_count=len(x),
        mean_a=float(mean_a),
        sd_a=float(sd_a),
        mean_b=float(mean_b),
        sd_b=float(sd_b),
        bias=bias,
        bias_percent=_percent(bias, float(mean_a), float(sd_a) / np.sqrt(len(x))),
        sd_difference=sd,
        lower_limit=bias - _LIMITS_SD * sd,
        upper_limit=bias + _LIMITS_SD * sd,
        correlation=covariance / float(sd_a * sd_b) if sd_a * sd_b else float("nan"),
        concordance=2 * covariance / float(spread) if spread else float("nan"),
    )


def _percent(part: float, whole: float, whole_error: float) -> float:
    return 100 * part / whole if abs(whole) > whole_error else float("nan")


def body_mask(image: DynamicImage) -> NDArray[np.bool_]:
    """Guess the patient's body from the image itself.

    The time-averaged activity of the later half of the scan, smoothed over three voxels, above a
    tenth of its mean over the voxels above their own mean; parts smaller than a twentieth of the
    largest are dropped and holes are filled slice by slice.

    Args:
        image: Dynamic or static image.

    Returns:
        (z, y, x) bool.
    """
    frames = np.arange(image.frame_count // 2, image.frame_count)
    duration_min = image.timing.weighted().duration_s[frames] / SECONDS_PER_MINUTE
    mean = np.zeros(image.geometry.shape_zyx, np.float32)
    for slab in image.slabs(1):
        part = mean[slab.z0 : slab.z1]
        for t, weight in zip(frames, duration_min / duration_min.sum(), strict=True):
            part += np.float32(weight) * image.store.slab(slab.z0, slab.z1, [int(t)])[0]
    smooth = ndimage.uniform_filter(mean, 3)
    del mean  # a whole body is 0.5 GB; so is everything below
    hot = smooth > smooth.mean()
    if not hot.any():
        return np.zeros(smooth.shape, np.bool_)
    active = smooth > _BODY_SHARE * smooth[hot].mean()
    del smooth, hot
    labels, count = ndimage.label(active)
    sizes = np.zeros(count + 1, np.int64)
    for plane in labels:  # at once it would be a copy in int64
        sizes += np.bincount(plane.ravel(), minlength=count + 1)
    sizes[0] = 0
    body = (sizes >= _SMALLEST_PART_SHARE * sizes.max())[labels] & (labels > 0)
    filled = [ndimage.binary_fill_holes(plane) for plane in body]
    return np.asarray(filled, dtype=np.bool_)


__all__ = ["Agreement", "agreement", "body_mask", "resample"]
