"""Points and line of a Patlak plot of one curve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core import patlak
from kiview.core.input_function import InputFunction
from kiview.core.patlak import SECONDS_PER_MINUTE, PatlakSettings
from kiview.core.timing import FrameTiming


@dataclass(frozen=True, slots=True, eq=False)
class PatlakPlot:
    """What a Patlak plot shows.

    Attributes:
        x_min: (n,) integral of Cp / Cp at mid-frame, in minutes.
        y: (n,) C / Cp.
        used: (n,) whether the frame lies in the window of the fit.
        ki: Slope, mL/min/mL.
        v0: Intercept, mL/mL.
        ki_se: Standard error of the slope.
    """

    x_min: NDArray[np.float64]
    y: NDArray[np.float64]
    used: NDArray[np.bool_]
    ki: float
    v0: float
    ki_se: float


def patlak_plot(
    timing: FrameTiming,
    activity: NDArray[np.float64],
    input_function: InputFunction,
    settings: PatlakSettings,
) -> PatlakPlot:
    """Patlak plot of one curve.

    Args:
        timing: One time per frame.
        activity: (t,) in the input function's quantity.
        input_function: Plasma activity.
        settings: Window and weighting of the fit.

    Raises:
        InvalidInputError: the fit is impossible, see `patlak.design`.
    """
    design = patlak.design(timing, input_function, settings)
    fitted = patlak.fit_curve(design, activity[design.frames])
    mid_s = timing.mid_s
    cp = input_function.at(mid_s)
    shown = np.flatnonzero(cp > 0)
    x_min = input_function.integral(mid_s[shown]) / SECONDS_PER_MINUTE / cp[shown]
    used = np.isin(shown, design.frames)
    return PatlakPlot(
        x_min,
        activity[shown] / cp[shown],
        used,
        *fitted,
    )
