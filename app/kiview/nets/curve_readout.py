"""From the voxels that a curve network takes for blood to a plasma curve.

Cp(t) = P(t) exp(level + correction + share x slope (t - t_m) / 20 min + early exp(-t / 15 min)):
the population curve P with another level, another slope over the frames, and another early part, as
far as late frames tell of it. Level and slope are measured; correction (partial volume, plasma over
blood), share of the slope that is believed, and the early part come from a small network that sees
eight numbers (`curve_features.STATISTIC_NAMES`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from kiview.core.errors import NetworkError
from kiview.core.input_curves import SampledCurve
from kiview.nets.curve_features import POPULATION, SLOPE_MIN, STATISTIC_NAMES, Blood

Volume = NDArray[np.float32]
Floats = NDArray[np.float64]

EARLY_MIN = 15.0
READOUT_OUTPUTS = ("correction", "slope_share", "early")
MOST_HIDDEN = 256


@dataclass(frozen=True, slots=True, eq=False)
class CurveReadout:
    """The small network behind the eight numbers: tanh(W1 s + b1), then W2 h + b2.

    Attributes:
        hidden: (h, 8) W1.
        hidden_bias: (h,) b1.
        out: (3, h) W2; `READOUT_OUTPUTS`, the share through a logistic function.
        out_bias: (3,) b2.

    Raises:
        NetworkError: shapes don't fit, or a value is no number.
    """

    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats

    def __post_init__(self) -> None:
        width = len(self.hidden_bias)
        shapes = (self.hidden.shape, self.hidden_bias.shape, self.out.shape, self.out_bias.shape)
        wanted = ((width, len(STATISTIC_NAMES)), (width,), (3, width), (3,))
        if shapes != wanted or not 0 < width <= MOST_HIDDEN:
            raise NetworkError(
                f"The read-out of the curve network has the shapes {shapes}, not {wanted}; put its"
                " original card back."
            )
        if not all(np.isfinite(part).all() for part in self.parts):
            raise NetworkError(
                "The read-out of the curve network holds values that are no numbers."
            )

    @property
    def parts(self) -> tuple[Floats, ...]:
        """All weights."""
        return self.hidden, self.hidden_bias, self.out, self.out_bias

    def __call__(self, statistics: Floats) -> Floats:
        """(3,) correction, share of the slope, early part."""
        raw = self.out @ np.tanh(self.hidden @ statistics + self.hidden_bias) + self.out_bias
        return np.array([raw[0], expit(raw[1]), raw[2]])


def attention(logits: Volume) -> tuple[Volume, Volume]:
    """What a curve network's map of logits says.

    Args:
        logits: (z, y, x) of the whole study.

    Returns:
        Attention, which adds up to 1, and the probability that a voxel is blood, both (z, y, x).
    """
    weights = softmax(logits.astype(np.float64))
    return weights.astype(np.float32), expit(logits)


def plasma_at(blood: Blood, shape: Floats, time_min: ArrayLike) -> Floats:
    """Plasma activity at times in minutes from injection, in the unit of the frames.

    Args:
        blood: What was measured.
        shape: From the read-out.
        time_min: Any shape.
    """
    correction, share, early = shape
    t = np.asarray(time_min, dtype=np.float64)
    tilt = share * blood.statistics[STATISTIC_NAMES.index("slope")]
    bend = tilt * (t - blood.middle_min) / SLOPE_MIN + early * np.exp(-t / EARLY_MIN)
    return np.asarray(POPULATION.at(60.0 * t) * np.exp(blood.ln_level + correction + bend))


def plasma_curve(blood: Blood, readout: CurveReadout, end_s: float) -> SampledCurve:
    """The plasma curve from injection to `end_s`, sampled every second, later every 20 s."""
    time_s = POPULATION.natural_time_s(end_s)
    return SampledCurve(time_s, plasma_at(blood, readout(blood.statistics), time_s / 60.0))
