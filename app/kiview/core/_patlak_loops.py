"""The loop over the voxels of a Patlak fit, compiled.

Nine frames of a voxel are 18 bytes and some forty operations: numpy takes them in a dozen passes
through memory, a compiled loop in one (`adr/0015`). Importing this module loads the compiler, and
the first voxels of each type take about a second: `patlak` loads it when there are voxels to fit.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

SMALLEST_REST = 1e-7
"""Share of the squares above which what the fit leaves may be a difference: its root is then right
to 1e-7 with as many as 80 frames, better than float32 holds it."""
_BLOCK = 2048  # voxels whose sums stay in the nearest cache
_Sums = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
_Results = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]

# Of fast arithmetic only what keeps values that are not a number.
_compiled = njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})


@_compiled
def fit_rows(
    stored: NDArray[Any],
    step: int,
    weights: NDArray[np.float64],
    fitted: NDArray[np.float64],
    out: NDArray[np.float32],
) -> int:
    """Fit all voxels.

    Args:
        stored: 1-D, frame f of voxel i at f x step + i.
        step: From frame to frame.
        weights: (3, n) of Ki, of V0, and of the squares in the norm of what the fit leaves.
        fitted: (3,) as in `PatlakDesign`.
        out: (3, voxels), receives Ki, V0 and the standard error of Ki; -1 for the last where next
            to nothing is left, so that the difference of the squares would be rounding.

    Returns:
        How many voxels have -1.
    """
    # Arrays of their own: of rows of one array the compiler does not know that they are apart.
    sums = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    voxels, small = out.shape[1], 0
    for begin in range(0, voxels, _BLOCK):
        end = min(begin + _BLOCK, voxels)
        _sum_frames(stored[begin:], step, weights, end - begin, sums)
        results = out[0, begin:end], out[1, begin:end], out[2, begin:end]
        small += _finish(sums, fitted, results)
    return small


@_compiled
def _sum_frames(
    stored: NDArray[Any], step: int, weights: NDArray[np.float64], size: int, sums: _Sums
) -> None:
    """The three weighted sums of the first voxels."""
    ki, v0, squares = sums
    for i in range(size):
        ki[i] = v0[i] = squares[i] = 0.0
    for f in range(weights.shape[1]):
        of_ki, of_v0, of_squares = weights[0, f], weights[1, f], weights[2, f]
        frame = stored[f * step : f * step + size]
        for i in range(size):
            value = np.float64(frame[i])
            ki[i] += of_ki * value
            v0[i] += of_v0 * value
            squares[i] += of_squares * (value * value)


@_compiled
def _finish(sums: _Sums, fitted: NDArray[np.float64], results: _Results) -> int:
    """From the sums to the results; returns how many standard errors are left open."""
    ki, v0, squares = sums
    out_ki, out_v0, out_se = results
    of_ki, of_v0, across = fitted[0], fitted[1], fitted[2]
    small = 0
    for i in range(len(out_se)):
        along = of_ki * ki[i] + of_v0 * v0[i]
        of_fit = along * along + (across * v0[i]) * (across * v0[i])
        rest = squares[i] - of_fit
        is_small = rest < SMALLEST_REST * of_fit
        small += is_small
        out_ki[i], out_v0[i] = ki[i], v0[i]
        out_se[i] = -1.0 if is_small else np.sqrt(np.float32(rest))
    return small
