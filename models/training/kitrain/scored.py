"""Which voxels and lesions of a group are scored."""

import numpy as np
from scipy.ndimage import binary_dilation

from kitrain.groups import Volume
from kitrain.records import GroupRecord
from kiview.core.map_scores import Lesion, Mask, scorable_lesions
from kiview.simulate.tissues import NOT_TISSUE, Label

LOST_MIN_CONTRAST, LOST_MIN_ML = 2.0, 0.5
"""A lesion this clear and this large must not be lost."""
_URINE_MARGIN = 2
_MM3_PER_ML = 1000.0


def scored_voxels(record: GroupRecord) -> Mask:
    """Inside the patient where there is tissue, (z, y, x).

    The definition asks for attenuation above 0.005 / mm, which leaves out pure lung (0.0029). Urine
    is no tissue: it and two voxels around it are left out.
    """
    labels = record.labels
    urine = np.isin(labels, [int(x) for x in NOT_TISSUE if x != Label.AIR])
    near = binary_dilation(urine, iterations=_URINE_MARGIN) if urine.any() else urine
    return np.asarray((record.body > 0) & (labels != Label.LUNG) & ~near)


def lesions_of(record: GroupRecord) -> list[Lesion]:
    """Lesions with a proper shell and a true contrast above 1.5."""
    return scorable_lesions(record.lesions, record.ki, record.body > 0)


def contrast_of(lesion: Lesion, truth: Volume) -> float:
    """True mean over that of the shell."""
    return float(truth[lesion.mask].mean() / max(float(truth[lesion.shell].mean()), 1e-9))


def volume_ml(lesion: Lesion, spacing_mm: tuple[float, ...]) -> float:
    """Volume of the lesion's voxels."""
    return float(lesion.mask.sum() * np.prod(spacing_mm) / _MM3_PER_ML)


def must_not_be_lost(lesion: Lesion, truth: Volume, spacing_mm: tuple[float, ...]) -> bool:
    """Whether the share of lost lesions counts it: contrast 2 : 1 or more, half a millilitre."""
    clear = contrast_of(lesion, truth) >= LOST_MIN_CONTRAST
    return clear and volume_ml(lesion, spacing_mm) >= LOST_MIN_ML
