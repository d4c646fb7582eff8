"""Plasma curves of simulated people: the Feng shapes with parameters that vary.

By default whole blood has the activity of plasma; `plasma_blood_ratio` says otherwise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FENG_FDG, FengParameters, feng_activity, feng_integral
from kiview.core.timing import FrameTiming
from kiview.simulate.kinetics import SampledInput, fine_times_min

Floats = NDArray[np.float64]
SCALE_TIME_MIN = 45.0
"""When the level of a curve is set."""
POPULATION_LEVEL = 2.2
"""Mean SUV of plasma at `SCALE_TIME_MIN` (design)."""
FENG_MODEL_4 = FengParameters(0.731, 892.5, 36.8, 0.0, -3.8862, -0.0262, -1.0)
"""Feng 1993, model 4: one exponential tail (the second term, of amplitude 0, is unused)."""
BOLUS_AMPLITUDE, BOLUS_FAST, BOLUS_SLOW = 90.64, -77.53, -0.341
"""Feng 1993, model 5: 90.64 (exp(-77.53 t) + exp(-0.341 t)), t in min from arrival."""
_BOLUS_AREA = BOLUS_AMPLITUDE * (1 / -BOLUS_FAST + 1 / -BOLUS_SLOW)
_HOUR_MIN = 60.0


@dataclass(frozen=True, slots=True)
class PlasmaSettings:
    """One person's input function.

    Attributes:
        parameters: Feng shape (models 2 to 4); delay in minutes.
        level: Plasma activity at 45 min after injection, in the unit wanted.
        infusion_s: The tracer was given over this long: the shape is averaged over it.
        bolus_share: Area of a fast component (Feng's model 5, gone by 20 min) relative to that of
            the shape over the first hour.
        plasma_blood_ratio: Plasma over whole blood, one factor for all times.

    Raises:
        InvalidInputError: a duration or share is negative, or the ratio is not positive.
    """

    parameters: FengParameters
    level: float
    infusion_s: float = 0.0
    bolus_share: float = 0.0
    plasma_blood_ratio: float = 1.0

    def __post_init__(self) -> None:
        if self.infusion_s < 0 or self.bolus_share < 0 or self.plasma_blood_ratio <= 0:
            raise InvalidInputError(
                f"An input function with an infusion of {self.infusion_s:g} s, a bolus share of"
                f" {self.bolus_share:g} and a plasma/blood ratio of {self.plasma_blood_ratio:g}"
                " cannot be; give values of 0 or more and a positive ratio."
            )

    def sampled(self, timing: FrameTiming) -> SampledInput:
        """Curve sampled finely up to the end of the last frame."""
        time = fine_times_min(timing)
        shape = self._shape(time)
        reference = self._shape(np.array([SCALE_TIME_MIN]))[0]
        activity = np.asarray(shape * (self.level / reference))
        ratio = self.plasma_blood_ratio
        return SampledInput(time, activity, None if ratio == 1.0 else activity / ratio)

    def _shape(self, time_min: Floats) -> Floats:
        length = self.infusion_s / 60
        if length:
            gained = self._shape_integral(time_min) - self._shape_integral(time_min - length)
            return np.asarray(gained / length)
        shape = feng_activity(time_min, self.parameters)
        if self.bolus_share:
            shape = shape + self._bolus_scale() * bolus_activity(self._since_arrival(time_min))
        return shape

    def _shape_integral(self, time_min: Floats) -> Floats:
        integral = feng_integral(time_min, self.parameters)
        if self.bolus_share:
            bolus = bolus_integral(self._since_arrival(time_min))
            integral = integral + self._bolus_scale() * bolus
        return integral

    def _since_arrival(self, time_min: Floats) -> Floats:
        return np.asarray(time_min - self.parameters.tau_min)

    def _bolus_scale(self) -> float:
        hour = feng_integral(self.parameters.tau_min + _HOUR_MIN, self.parameters)
        return float(self.bolus_share * hour / _BOLUS_AREA)


def bolus_activity(time_min: Floats) -> Floats:
    """Feng's model 5 at minutes from arrival, in its own unit; 0 before."""
    t = np.maximum(time_min, 0.0)
    value = BOLUS_AMPLITUDE * (np.exp(BOLUS_FAST * t) + np.exp(BOLUS_SLOW * t))
    return np.where(time_min > 0, value, 0.0)


def bolus_integral(time_min: Floats) -> Floats:
    """Integral of Feng's model 5 from arrival, in its own unit x minutes."""
    t = np.maximum(time_min, 0.0)
    fast, slow = np.expm1(BOLUS_FAST * t) / BOLUS_FAST, np.expm1(BOLUS_SLOW * t) / BOLUS_SLOW
    return np.asarray(BOLUS_AMPLITUDE * (fast + slow))


def draw_plasma(rng: np.random.Generator) -> PlasmaSettings:
    """A random person: SUV 2.2 (20 %) at 45 min, early shape 25 %, late shape 15 %."""
    parameters = _draw_shape(rng, FENG_FDG, 0.25, 0.15)
    return PlasmaSettings(parameters, _draw_level(rng, 0.2))


@dataclass(frozen=True, slots=True)
class PlasmaVariety:
    """How much the input functions of a varied population differ (all design).

    Attributes:
        early: Lognormal sigma of the peak's amplitude, width and second amplitude.
        late: Lognormal sigma of the tail's amplitude and rates.
        level: Lognormal sigma of the SUV at 45 min.
        one_tail_share: People whose curve starts from model 4 instead of model 2.
        bolus_share: People with an added fast component (2 to 12 % of the area of an hour).
        infusion_s: Shortest and longest infusion.
        ratio: Centre and lognormal sigma of the plasma/blood ratio.
    """

    early: float = 0.35
    late: float = 0.22
    level: float = 0.30
    one_tail_share: float = 0.2
    bolus_share: float = 0.3
    infusion_s: tuple[float, float] = (5.0, 60.0)
    ratio: tuple[float, float] = (1.05, 0.05)


def draw_varied_plasma(
    rng: np.random.Generator, variety: PlasmaVariety | None = None
) -> PlasmaSettings:
    """A random person of a varied population: shape, infusion, plasma/blood ratio.

    Args:
        rng: Source of randomness.
        variety: How much people differ; the defaults if None.
    """
    v = variety or PlasmaVariety()
    centre = FENG_MODEL_4 if rng.random() < v.one_tail_share else FENG_FDG
    parameters = _draw_shape(rng, centre, v.early, v.late)
    bolus = float(rng.uniform(0.02, 0.12)) if rng.random() < v.bolus_share else 0.0
    return PlasmaSettings(
        parameters,
        _draw_level(rng, v.level),
        infusion_s=float(rng.uniform(*v.infusion_s)),
        bolus_share=bolus,
        plasma_blood_ratio=float(v.ratio[0] * np.exp(v.ratio[1] * rng.standard_normal())),
    )


def _draw_shape(
    rng: np.random.Generator, centre: FengParameters, early_sigma: float, late_sigma: float
) -> FengParameters:
    early = np.exp(early_sigma * rng.standard_normal(3))
    late = np.exp(late_sigma * rng.standard_normal(3))
    return FengParameters(
        float(rng.uniform(0.2, 0.9)),
        float(centre.a1 * early[0]),
        float(centre.a2 * early[1]),
        float(centre.a3 * late[0]),
        float(centre.l1 * early[2]),
        float(centre.l2 * late[1]),
        float(centre.l3 * late[2]),
    )


def _draw_level(rng: np.random.Generator, sigma: float) -> float:
    return float(POPULATION_LEVEL * np.exp(sigma * rng.standard_normal()))
