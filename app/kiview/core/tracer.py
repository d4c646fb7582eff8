"""Radionuclides, injections and radioactive decay."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core.errors import InvalidInputError

F18_HALF_LIFE_S = 6586.2
"""Half-life of fluorine-18 in s, for simulation; files state their own."""
MOST_HALF_LIVES = 100.0
"""No activity is left after so many (a share of 1e-30)."""


@dataclass(frozen=True, slots=True)
class Radionuclide:
    """A radionuclide.

    Attributes:
        name: For example `18F`; empty if unknown.
        half_life_s: Physical half-life in s, positive.
    """

    name: str
    half_life_s: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.half_life_s) and self.half_life_s > 0):
            raise InvalidInputError(
                f"The half-life {self.half_life_s!r} s is not a positive time; enter half_life_s."
            )


@dataclass(frozen=True, slots=True)
class Injection:
    """What was given to the patient.

    Attributes:
        radionuclide: Its decay.
        activity_bq: Activity at injection (time zero) in Bq, or None if unknown.
        tracer: Name of the compound, for example `FDG`; empty if unknown.
    """

    radionuclide: Radionuclide
    activity_bq: float | None = None
    tracer: str = ""

    def __post_init__(self) -> None:
        if self.activity_bq is not None and not self.activity_bq > 0:
            raise InvalidInputError(
                f"The injected activity {self.activity_bq!r} Bq is not positive; enter dose_bq."
            )


def decay_constant_per_s(half_life_s: float) -> float:
    """Decay constant ln 2 / half-life, in 1/s."""
    return float(np.log(2.0)) / half_life_s


def decay_factor(elapsed_s: ArrayLike, half_life_s: float) -> NDArray[np.float64]:
    """Share of the activity that is left after `elapsed_s` seconds."""
    return np.exp2(-np.asarray(elapsed_s, dtype=np.float64) / half_life_s)


def refuse_unreal_decay(elapsed_s: ArrayLike, half_life_s: float) -> None:
    """Refuse times between injection and image after which nothing could be measured.

    Args:
        elapsed_s: Times in s, any shape; those that are not numbers are left out.
        half_life_s: Half-life in s.

    Raises:
        InvalidInputError: one is longer than `MOST_HALF_LIVES`.
    """
    longest_s = float(np.nanmax(np.abs(np.asarray(elapsed_s, dtype=np.float64)), initial=0.0))
    if longest_s > MOST_HALF_LIVES * half_life_s:
        raise InvalidInputError(
            f"{longest_s / 3600:.4g} h between injection and image are"
            f" {longest_s / half_life_s:.3g} half-lives of {half_life_s:g} s, after which no"
            " activity is left; check injection_time and half_life_s."
        )


def average_activity_offset_s(duration_s: ArrayLike, half_life_s: float) -> NDArray[np.float64]:
    """Time from the start of a frame at which the activity equals its mean over the frame.

    t = ln(L T / (1 - exp(-L T))) / L with decay constant L (QIBA FDG-PET/CT profile).
    """
    decay = decay_constant_per_s(half_life_s)
    lt = decay * np.asarray(duration_s, dtype=np.float64)
    return np.log(lt / -np.expm1(-lt)) / decay


def frame_decay_correction(
    start_s: ArrayLike, duration_s: ArrayLike, half_life_s: float
) -> NDArray[np.float64]:
    """Factor that brings a measured frame mean to time zero.

    exp(L t0) L T / (1 - exp(-L T)); equals DICOM `DecayFactor` of GE and Siemens files when times
    count from the series start.
    """
    decay = decay_constant_per_s(half_life_s)
    lt = decay * np.asarray(duration_s, dtype=np.float64)
    return np.exp(decay * np.asarray(start_s, dtype=np.float64)) * lt / -np.expm1(-lt)
