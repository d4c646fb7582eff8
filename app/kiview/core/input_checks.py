"""Does a scaled population curve fall like the image's own blood curve?"""

import numpy as np

from kiview.core.input_function import InputFunction
from kiview.core.tac import TimeActivityCurve

LARGEST_SLOPE_DIFFERENCE = 0.2
"""Relative difference of log-slopes above which the user is warned (`science.md` 1.3; a guess)."""


def log_slopes_per_min(
    tac: TimeActivityCurve, input_function: InputFunction, window_s: tuple[float, float]
) -> tuple[float, float] | None:
    """Slopes of ln(activity) of region and input function over a window, per minute.

    Args:
        tac: Curve of the blood region.
        input_function: Curve to compare, sampled at the same mid-frame times.
        window_s: Start and end in s from injection.

    Returns:
        (region, input function), or None with fewer than two positive frames in the window.
    """
    inside = tac.timing.in_window(*window_s) & (tac.mean > 0)
    if inside.sum() < 2:
        return None
    mid_s = tac.timing.mid_s[inside]
    other = input_function.at(mid_s)
    if not (other > 0).all():
        return None
    minutes = mid_s / 60.0
    region = np.polyfit(minutes, np.log(tac.mean[inside]), 1)[0]
    curve = np.polyfit(minutes, np.log(other), 1)[0]
    return float(region), float(curve)


def slope_finding(
    tac: TimeActivityCurve, input_function: InputFunction, window_s: tuple[float, float]
) -> tuple[str, ...]:
    """A sentence when the curves fall differently over the scaling window, else nothing."""
    slopes = log_slopes_per_min(tac, input_function, window_s)
    if slopes is None:
        return ()
    region, curve = slopes
    largest = max(abs(region), abs(curve))
    if abs(region - curve) <= LARGEST_SLOPE_DIFFERENCE * largest:
        return ()
    return (
        (
            f"Over the scaling window the region falls by {-100 * region:.1f} % per min, the"
            f" population curve by {-100 * curve:.1f} %; their integrals may differ, compare the"
            " curves."
        ),
    )
