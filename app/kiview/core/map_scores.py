"""Scores of a Ki map against the truth of a phantom; training and program score alike.

Definitions: body b = inside the patient. NRMSE = sqrt(sum_b (v - r)^2 / sum_b r^2). Noise = sd of
the difference of two noise realisations / sqrt 2 / mean truth. A lesion is compared with a shell
around it (dilation by 5 less dilation by 2 voxels, in the body, free of other lesions, truth near
its own median). A lesion is lost when less than a tenth of its contrast is recovered.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
LARGE_VOXELS = 20
LOST_RECOVERY = 0.1
_MIN_LESION, _MIN_SHELL, _MIN_CONTRAST = 3, 20, 1.5
_SHELL_INNER, _SHELL_OUTER = 2, 5


def nrmse(values: Volume, reference: Volume, body: Mask) -> float:
    """Root of the squared error over the squared reference, inside the body.

    Args:
        values: (z, y, x).
        reference: Same grid and unit.
        body: Same grid.
    """
    difference = (values[body] - reference[body]).astype(np.float64)
    return float(np.sqrt((difference**2).sum() / (reference[body].astype(np.float64) ** 2).sum()))


def body_bias(values: Volume, truth: Volume, body: Mask) -> float:
    """Relative error of the mean over the body."""
    return float(values[body].mean(dtype=np.float64) / truth[body].mean(dtype=np.float64)) - 1.0


def noise(first: Volume, second: Volume, truth: Volume, body: Mask) -> float:
    """Noise from two realisations, relative to the mean truth of the body."""
    spread = float((first[body] - second[body]).std(dtype=np.float64))
    return spread / float(np.sqrt(2.0)) / float(truth[body].mean(dtype=np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Lesion:
    """A lesion that can be scored, with the shell it is compared to.

    Attributes:
        mask: (z, y, x).
        shell: (z, y, x).
    """

    mask: Mask
    shell: Mask

    @property
    def is_large(self) -> bool:
        """Whether it has at least `LARGE_VOXELS` voxels."""
        return int(self.mask.sum()) >= LARGE_VOXELS


@dataclass(frozen=True, slots=True)
class LesionScore:
    """Scores of one lesion.

    Attributes:
        bias: Relative error of its mean.
        recovery: Contrast over true contrast (CRC).
        contrast_to_noise: Contrast over the standard deviation of the shell (CNR).
        is_large: At least 20 voxels.
    """

    bias: float
    recovery: float
    contrast_to_noise: float
    is_large: bool

    @property
    def is_lost(self) -> bool:
        """Whether it can hardly be seen any more."""
        return self.recovery < LOST_RECOVERY


def scorable_lesions(labels: NDArray[np.uint8], truth: Volume, body: Mask) -> list[Lesion]:
    """Lesions with three voxels or more, a proper shell, and a true contrast above 1.5.

    Args:
        labels: (z, y, x), 0 outside lesions, else the number of the lesion.
        truth: (z, y, x) Ki.
        body: (z, y, x).
    """
    found = []
    for label in range(1, int(labels.max()) + 1):
        mask = labels == label
        if mask.sum() < _MIN_LESION:
            continue
        shell = _shell(mask, labels, truth, body)
        if shell.sum() < _MIN_SHELL:
            continue
        if truth[mask].mean() > _MIN_CONTRAST * truth[shell].mean():
            found.append(Lesion(mask, shell))
    return found


def _shell(mask: Mask, labels: NDArray[np.uint8], truth: Volume, body: Mask) -> Mask:
    outer = binary_dilation(mask, iterations=_SHELL_OUTER)
    inner = binary_dilation(mask, iterations=_SHELL_INNER)
    shell: Mask = outer & ~inner & body & (labels == 0)
    if not shell.any():
        return shell
    median = np.median(truth[shell])
    even: Mask = shell & (np.abs(truth - median) < 0.5 * median + 2e-4)
    return even


def score_lesion(values: Volume, truth: Volume, lesion: Lesion) -> LesionScore:
    """Score one lesion of a map."""
    mask, shell = lesion.mask, lesion.shell
    mean, background = float(values[mask].mean()), float(values[shell].mean())
    true_mean, true_background = float(truth[mask].mean()), float(truth[shell].mean())
    spread = float(values[shell].std())
    return LesionScore(
        bias=mean / true_mean - 1.0,
        recovery=(mean - background) / (true_mean - true_background),
        contrast_to_noise=(mean - background) / max(spread, 1e-12),
        is_large=lesion.is_large,
    )
