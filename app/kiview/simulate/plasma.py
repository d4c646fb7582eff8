"""Plasma curves of simulated people: the Feng shape with parameters that vary.

Whole blood is taken to have the activity of plasma (a simplification: for FDG the ratio is near
one and nearly constant).
"""

from dataclasses import dataclass

import numpy as np

from kiview.core.feng import FENG_FDG, FengParameters, feng_activity
from kiview.core.timing import FrameTiming
from kiview.simulate.kinetics import SampledInput, fine_times_min

SCALE_TIME_MIN = 45.0
"""When the level of a curve is set."""


@dataclass(frozen=True, slots=True)
class PlasmaSettings:
    """One person's input function.

    Attributes:
        parameters: Feng shape; delay in minutes.
        level: Activity at 45 min after injection, in the unit wanted.
    """

    parameters: FengParameters
    level: float

    def sampled(self, timing: FrameTiming) -> SampledInput:
        """Curve sampled finely up to the end of the last frame."""
        time = fine_times_min(timing)
        shape = feng_activity(time, self.parameters)
        reference = feng_activity(np.array([SCALE_TIME_MIN]), self.parameters)[0]
        return SampledInput(time, np.asarray(shape * (self.level / reference)))


def draw_plasma(rng: np.random.Generator) -> PlasmaSettings:
    """A random person: SUV 2.2 (20 %) at 45 min, early shape 25 %, late shape 15 %."""
    early, late = np.exp(0.25 * rng.standard_normal(3)), np.exp(0.15 * rng.standard_normal(3))
    f = FENG_FDG
    parameters = FengParameters(
        float(rng.uniform(0.2, 0.9)),
        float(f.a1 * early[0]),
        float(f.a2 * early[1]),
        float(f.a3 * late[0]),
        float(f.l1 * early[2]),
        float(f.l2 * late[1]),
        float(f.l3 * late[2]),
    )
    return PlasmaSettings(parameters, float(2.2 * np.exp(0.2 * rng.standard_normal())))
