"""Curves of irreversible and reversible two-tissue compartments.

Exact for a piecewise-linear plasma curve: exponentials are updated recursively from sample to
sample, and their time integrals follow from the differential equation, so a frame average needs
no further quadrature.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from kiview.core.timing import FrameTiming
from kiview.simulate.phantom import Drawing, Phantom
from kiview.simulate.tissues import Tissue

Floats = NDArray[np.float64]
_SLOWEST_RATE = 1e-9
_SMALL_STEP = 1e-4


@dataclass(frozen=True, slots=True)
class SampledInput:
    """Plasma curve and whole-blood curve, linear between samples.

    Attributes:
        time_min: (n,) from 0, increasing.
        activity: (n,) of plasma in any activity unit: what tissue takes up from.
        blood: (n,) of whole blood in the same unit: what vessels show; None where it equals plasma.
    """

    time_min: Floats
    activity: Floats
    blood: Floats | None = None

    @property
    def integral(self) -> Floats:
        """Integral of the plasma from 0 at each sample, (n,), activity x min; exact."""
        return _cumulative(self.time_min, self.activity)

    @property
    def whole_blood(self) -> Floats:
        """Activity of whole blood, (n,)."""
        return self.activity if self.blood is None else self.blood

    @property
    def blood_integral(self) -> Floats:
        """Integral of the whole blood from 0 at each sample, (n,), activity x min; exact."""
        return _cumulative(self.time_min, self.whole_blood)


def fine_times_min(timing: FrameTiming) -> Floats:
    """Samples dense enough for FDG (0.005 min early) that contain every frame edge, (n,) min."""
    last = float(timing.end_s[-1]) / 60
    steps = (np.arange(0, 2, 0.005), np.arange(2, 10, 0.05), np.arange(10, last, 0.25))
    edges = np.concatenate([timing.start_s, timing.end_s]) / 60
    everything = np.concatenate([*steps, edges])
    return np.unique(np.round(everything[(everything >= 0) & (everything <= last)], 9))


def frame_averages(timing: FrameTiming, time_min: Floats, integral: Floats) -> Floats:
    """Mean of curves over frames from their running integrals.

    Args:
        timing: (t,) frames whose edges are among `time_min`.
        time_min: (n,).
        integral: (n,) or (k, n) integral from 0.

    Returns:
        (t,) or (k, t).
    """
    first = np.searchsorted(time_min, timing.start_s / 60 - 1e-7)
    last = np.searchsorted(time_min, timing.end_s / 60 - 1e-7)
    gained = np.asarray(integral)[..., last] - np.asarray(integral)[..., first]
    return np.asarray(gained / (timing.duration_s / 60))


def patlak_basis(plasma: SampledInput, timing: FrameTiming) -> Floats:
    """Frame means of the integral of the input and of the input itself, (2, t).

    Row 0 in activity x min (so Ki comes out in /min), row 1 in activity.
    """
    integral = plasma.integral
    twice = _cumulative_of_integral(plasma)
    rows = np.stack([twice, integral])
    return frame_averages(timing, plasma.time_min, rows)


def tissue_curves(tissues: list[Tissue], plasma: SampledInput) -> tuple[Floats, Floats]:
    """Activity of tissues and its running integral.

    Args:
        tissues: k tissues; one with a delay follows the input, and its vessels the blood, later.
        plasma: Input; the vessels of a tissue hold its whole blood.

    Returns:
        Activity (k, n) and integral from 0 (k, n), in the input's unit (x min).
    """
    slow, fast, weight_slow, weight_fast = _exponents(tissues)
    blood = np.array([t.blood_fraction for t in tissues])[:, None]
    rates = np.concatenate([slow, fast])
    responses, integrals = _convolve(rates, plasma)
    weights = np.concatenate([weight_slow, weight_fast])[:, None]
    count = len(tissues)
    free = (weights * responses).reshape(2, count, -1).sum(axis=0)
    free_integral = (weights * integrals).reshape(2, count, -1).sum(axis=0)
    activity = (1 - blood) * free + blood * plasma.whole_blood
    integral = (1 - blood) * free_integral + blood * plasma.blood_integral
    return _delayed(tissues, plasma.time_min, activity, integral)


def _delayed(
    tissues: list[Tissue], time_min: Floats, activity: Floats, integral: Floats
) -> tuple[Floats, Floats]:
    """Rows shifted by their tissue's delay (fourth order between samples); 0 before it."""
    for row, tissue in enumerate(tissues):
        if tissue.delay_s:
            shifted = np.maximum(time_min - tissue.delay_s / 60, 0.0)
            smooth = CubicHermiteSpline(time_min, integral[row], activity[row])
            activity[row] = np.interp(shifted, time_min, activity[row])
            integral[row] = smooth(shifted)
    return activity, integral


def curve_tables(
    phantom: Phantom, plasma: SampledInput, timing: FrameTiming
) -> tuple[Floats, Floats]:
    """Frame-averaged curves by label for both constant sets, each (256, t)."""
    labels = sorted(phantom.tissues)
    pairs = [phantom.tissues[label] for label in labels]
    tissues = [p.first for p in pairs] + [p.second for p in pairs]
    averages = frame_averages(timing, plasma.time_min, tissue_curves(tissues, plasma)[1])
    first, second = np.zeros((256, averages.shape[1])), np.zeros((256, averages.shape[1]))
    first[labels], second[labels] = averages[: len(labels)], averages[len(labels) :]
    return first, second


@dataclass(frozen=True, slots=True)
class ActivityBasis:
    """Few curves that together make the curve of every tissue of a phantom.

    Attributes:
        first: (256, r) coefficients by label, first constant set.
        second: (256, r) second set.
        curves: (r, t); coefficients @ curves = frame averages.
    """

    first: Floats
    second: Floats
    curves: NDArray[np.float32]

    def images(self, phantom: Phantom, drawing: Drawing) -> NDArray[np.float32]:
        """Coefficient images (r, z, y, x)."""
        count = self.first.shape[1]
        out = np.empty((count, *drawing.labels.shape), dtype=np.float32)
        for r in range(count):
            out[r] = phantom.map_of(drawing, self.first[:, r], self.second[:, r])
        return out


def activity_basis(first: Floats, second: Floats, tolerance: float = 1e-4) -> ActivityBasis:
    """Compress curve tables to a few curves, because projecting is linear and costly.

    Args:
        first: (256, t) curves by label.
        second: (256, t).
        tolerance: Largest error of any frame relative to the hottest tissue of that frame.
    """
    both = np.concatenate([first, second])
    scale = np.maximum(np.abs(both).max(axis=0), 1e-12 * np.abs(both).max())
    u, s, vt = np.linalg.svd(both / scale, full_matrices=False)
    for rank in range(1, len(s) + 1):
        error = np.abs((u[:, rank:] * s[rank:]) @ vt[rank:])
        if rank == len(s) or error.max() <= tolerance:
            break
    coefficients = u[:, :rank] * s[:rank]
    half = len(first)
    curves = (vt[:rank] * scale).astype(np.float32)
    return ActivityBasis(coefficients[:half], coefficients[half:], curves)


def _exponents(tissues: list[Tissue]) -> tuple[Floats, Floats, Floats, Floats]:
    """Rates and amplitudes of the two exponentials of each response, four (k,) arrays."""
    k1, k2, k3, k4 = np.array([(t.k1, t.k2, t.k3, t.k4) for t in tissues], dtype=float).T
    total = k2 + k3 + k4
    root = np.sqrt(np.maximum(total**2 - 4 * k2 * k4, 0))
    slow, fast = (total - root) / 2, (total + root) / 2
    gap = np.where(fast - slow > 0, fast - slow, 1.0)
    return slow, fast, k1 / gap * (k3 + k4 - slow), k1 / gap * (fast - k3 - k4)


def _convolve(rates: Floats, plasma: SampledInput) -> tuple[Floats, Floats]:
    """exp(-rate t) convolved with the input, and the integral of that, both (k, n)."""
    c, steps = plasma.activity, np.diff(plasma.time_min)
    response = np.zeros((rates.size, c.size))
    for n, h in enumerate(steps):
        decay, constant, linear = _step_weights(rates, float(h))
        response[:, n + 1] = decay * response[:, n] + constant * c[n] + linear * (c[n + 1] - c[n])
    moving = rates > _SLOWEST_RATE
    integral = np.tile(_cumulative_of_integral(plasma), (rates.size, 1))
    running = plasma.integral[None, :]
    integral[moving] = (running - response[moving]) / rates[moving, None]
    return response, integral


def _step_weights(rates: Floats, h: float) -> tuple[Floats, Floats, Floats]:
    """Decay over a step and the weights of the input's start value and of its rise."""
    x = rates * h
    decay = np.exp(-x)
    small = x < _SMALL_STEP
    safe = np.where(small, 1.0, x)
    constant = np.where(small, 1 - x / 2 + x**2 / 6, -np.expm1(-safe) / safe)
    linear = np.where(small, 0.5 - x / 6 + x**2 / 24, (1 - constant) / safe)
    return decay, h * constant, h * linear


def _cumulative(time_min: Floats, values: Floats) -> Floats:
    steps = np.diff(time_min)
    return np.concatenate([[0.0], np.cumsum(steps * (values[1:] + values[:-1]) / 2)])


def _cumulative_of_integral(plasma: SampledInput) -> Floats:
    """Integral of the running integral: exact for a piecewise-linear curve."""
    h, c = np.diff(plasma.time_min), plasma.activity
    start = plasma.integral[:-1]
    return np.concatenate([[0.0], np.cumsum(h * start + h**2 * (2 * c[:-1] + c[1:]) / 6)])
