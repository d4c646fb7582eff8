"""What a perfect scanner's Patlak analysis would give: the truth of a phantom for one protocol.

With k4 > 0, arrival delays, or a plasma/blood ratio there is no Ki and V0 that hold for every
window. The truth is then the noise-free Patlak of the same frames.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.timing import FrameTiming
from kiview.simulate.kinetics import SampledInput, curve_tables, patlak_basis
from kiview.simulate.phantom import Drawing, Phantom

Floats = NDArray[np.float64]
_KI, _V0 = 0, 1


@dataclass(frozen=True, slots=True)
class PatlakTruth:
    """Noise-free Patlak of every material for both of its constant sets.

    The fit is linear in the activity, and activity is linear in the mixture of the two sets, so a
    mixed voxel's Patlak is the same mixture of these values.

    Attributes:
        first: (256, 2) Ki (/min) and V0 (mL/mL) by label, first constant set.
        second: (256, 2) of the second set.
    """

    first: Floats
    second: Floats

    def ki(self, phantom: Phantom, drawing: Drawing) -> NDArray[np.float32]:
        """Map of Ki, (z, y, x), /min."""
        return phantom.map_of(drawing, self.first[:, _KI], self.second[:, _KI])

    def v0(self, phantom: Phantom, drawing: Drawing) -> NDArray[np.float32]:
        """Map of V0, (z, y, x), mL/mL."""
        return phantom.map_of(drawing, self.first[:, _V0], self.second[:, _V0])


def patlak_truth(
    phantom: Phantom, plasma: SampledInput, timing: FrameTiming, weights: Floats | None = None
) -> PatlakTruth:
    """Weighted least squares of every material's exact frame averages on the Patlak basis.

    Args:
        phantom: Materials with or without k4 and delay.
        plasma: True input, sampled at every frame edge.
        timing: (t,) frames of the fit, two or more.
        weights: (t,) of the frames, as in the fit to be compared; equal if None.

    Raises:
        InvalidInputError: fewer than two frames, or weights of another number or not positive.
    """
    weights = np.ones(timing.frame_count) if weights is None else np.asarray(weights, float)
    if timing.frame_count < 2 or weights.shape != (timing.frame_count,) or weights.min() <= 0:
        raise InvalidInputError(
            f"A Patlak truth needs two frames or more and a positive weight for each; got"
            f" {timing.frame_count} frames and weights of shape {weights.shape}."
        )
    root = np.sqrt(weights)
    inverse = np.linalg.pinv((patlak_basis(plasma, timing) * root).T)
    first, second = ((table * root) @ inverse.T for table in curve_tables(phantom, plasma, timing))
    return PatlakTruth(first, second)
