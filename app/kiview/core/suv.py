"""Standardised uptake values."""

from dataclasses import dataclass

import numpy as np

from kiview.core.errors import InvalidInputError
from kiview.core.tracer import decay_factor


@dataclass(frozen=True, slots=True)
class SuvScale:
    """Factor from activity concentration to SUV by body weight.

    Attributes:
        factor_g_per_bq: Bq/mL (decay-corrected to the factor's reference time) -> g/mL.
    """

    factor_g_per_bq: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.factor_g_per_bq) and self.factor_g_per_bq > 0):
            raise InvalidInputError(f"The SUV factor {self.factor_g_per_bq!r} is not positive.")


def suvbw_factor_g_per_bq(
    weight_kg: float, dose_bq: float, elapsed_s: float, half_life_s: float
) -> float:
    """SUVbw factor for activity decay-corrected to a reference time.

    Args:
        weight_kg: Body weight in kg.
        dose_bq: Injected activity at injection in Bq.
        elapsed_s: From injection to the reference time of the activity values, in s (0 when they
            are corrected to the injection).
        half_life_s: Half-life in s.

    Returns:
        Factor in g/Bq: SUVbw = Bq/mL x factor.

    Raises:
        InvalidInputError: weight or dose is not positive.
    """
    if not weight_kg > 0:
        raise InvalidInputError(f"A body weight of {weight_kg:g} kg gives no SUV; enter weight_kg.")
    if not dose_bq > 0:
        raise InvalidInputError(f"A dose of {dose_bq:g} Bq gives no SUV; enter dose_bq.")
    return weight_kg * 1000.0 / (dose_bq * float(decay_factor(elapsed_s, half_life_s)))
