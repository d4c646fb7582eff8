"""Where a network is unsure of its own map, and what the consistency step does with that.

A narrow vessel and a small lesion look alike in late frames, but for the slope that is lost in
noise. The network then gives the mean of both, a standard deviation of the size of its Ki, and as
much blood (V) as uptake.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]
UNSURE, UNSURE_KEEP = (0.25, 0.45), 0.5
"""Standard deviation by the network in parts of its Ki from which it begins to be unsure and at
which it wholly is, and the share of `tie.KEEP_SIGMAS` that is asked for there."""
VESSEL, VESSEL_TIMES, VESSEL_SIGMAS = (0.2, 0.4), 1.2, 2.0
"""That share times V / Ki: from which a voxel begins to be as likely a vessel, and at which it
wholly is. It may show so many times Patlak at 8 mm, which blurs a true lesion, and so many of its
standard deviations beyond."""


@dataclass(frozen=True, slots=True, eq=False)
class Doubt:
    """What a network says of its own map, for the consistency step.

    Attributes:
        sigma: (z, y, x) standard deviation of Ki by the network, /min.
        unsure: Same grid, 0 to 1: whether it is large beside Ki.
        vessel: Same grid, 0 to 1: whether V is large beside Ki as well.
        calibration: Same grid, factor of the standard deviation of the consistent map, None where
            the network is not calibrated.
    """

    sigma: Volume
    unsure: Volume
    vessel: Volume
    calibration: Volume | None = None


def doubt_of(ki: Volume, v: Volume, sigma: Volume, calibration: Volume | None = None) -> Doubt:
    """Where a network is unsure of its own map.

    Args:
        ki: (z, y, x) of the network, /min.
        v: Same grid, its V0 <C>/<S>, /min.
        sigma: Same grid, its standard deviation of Ki, /min.
        calibration: Same grid, factor that it gives of the standard deviation as shown, if any.
    """
    per_ki = np.divide(np.float32(1), ki, out=np.zeros_like(ki), where=ki > 0)
    share = sigma * per_ki
    blood = np.multiply(v, per_ki, out=per_ki)
    blood *= share
    unsure, vessel = _between_0_and_1(share, UNSURE), _between_0_and_1(blood, VESSEL)
    return Doubt(sigma, unsure, vessel, calibration)


def _between_0_and_1(values: Volume, limits: tuple[float, float]) -> Volume:
    """0 below the limits, 1 above, a straight line between; in place."""
    low, high = limits
    values -= np.float32(low)
    values *= np.float32(1 / (high - low))
    return np.clip(values, 0, 1, out=values)


def less_where_unsure(keep_sigmas: float, doubt: Doubt) -> Volume:
    """(z, y, x) standard deviations to ask for: those given where the network is sure."""
    return np.float32(keep_sigmas) * (1 - np.float32(1 - UNSURE_KEEP) * doubt.unsure)


def leave_vessels(ki: Volume, vessel: Volume, near: Volume, noise: Volume) -> Volume:
    """Take what Patlak does not show from voxels that may as well be vessels.

    They keep their standard deviation: that it may be a lesion after all stays told.

    Args:
        ki: (z, y, x) of the map, /min.
        vessel: Same grid, as in `Doubt`.
        near: Same grid, Patlak under 8 mm, /min.
        noise: Same grid, standard deviation of it, /min.
    """
    allowed = np.float32(VESSEL_TIMES) * np.maximum(near, 0)
    allowed += np.float32(VESSEL_SIGMAS) * noise
    beyond = ki - allowed
    np.maximum(beyond, 0, out=beyond)
    beyond *= vessel
    return ki - beyond
