"""Feng's model of the plasma curve of FDG and its closed-form integral."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class FengParameters:
    """Parameters of Feng's model 2 of a plasma curve; a shape to be scaled.

    Feng D, Huang SC, Wang X. Int J Biomed Comput 1993;32:95-110. Times in minutes:
    Cp(t') = (a1 t' - a2 - a3) exp(l1 t') + a2 exp(l2 t') + a3 exp(l3 t'), t' = t - tau > 0.
    """

    tau_min: float = 0.735
    a1: float = 851.1
    a2: float = 21.88
    a3: float = 20.81
    l1: float = -4.134
    l2: float = -0.1191
    l3: float = -0.01043


FENG_FDG = FengParameters()
"""Model 2 as published for FDG, with its bolus delay."""
FENG_FDG_NO_DELAY = replace(FENG_FDG, tau_min=0.0)
"""Model 3: the same shape from time zero."""
FENG_SUV_PER_UNIT = 0.14354
"""Scales the shape to SUV 1.6 at 60 min (a design value, `science.md` 1.1)."""


def feng_activity(time_min: ArrayLike, parameters: FengParameters) -> NDArray[np.float64]:
    """Feng curve at times in minutes from injection, in the shape's own unit; 0 before tau."""
    p = parameters
    t = np.maximum(np.asarray(time_min, dtype=np.float64) - p.tau_min, 0.0)
    fast = (p.a1 * t - p.a2 - p.a3) * np.exp(p.l1 * t)
    return fast + p.a2 * np.exp(p.l2 * t) + p.a3 * np.exp(p.l3 * t)


def feng_integral(time_min: ArrayLike, parameters: FengParameters) -> NDArray[np.float64]:
    """Integral of the Feng curve from injection, in shape unit x minutes (closed form)."""
    p = parameters
    t = np.maximum(np.asarray(time_min, dtype=np.float64) - p.tau_min, 0.0)
    b = -p.l1
    fast = p.a1 * (1 / b**2 - (t / b + 1 / b**2) * np.exp(-b * t))
    fast += (p.a2 + p.a3) * np.expm1(-b * t) / b
    slow = p.a2 * np.expm1(p.l2 * t) / p.l2 + p.a3 * np.expm1(p.l3 * t) / p.l3
    return fast + slow
