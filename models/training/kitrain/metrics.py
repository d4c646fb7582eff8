"""Scores of a Ki map: the program's own (`core.map_scores`), and one that needs scikit-image."""

import numpy as np
from skimage.metrics import structural_similarity

from kiview.core.map_scores import (
    Lesion,
    LesionScore,
    Mask,
    Volume,
    body_bias,
    noise,
    nrmse,
    scorable_lesions,
    score_lesion,
)

__all__ = [
    "Lesion",
    "LesionScore",
    "body_bias",
    "noise",
    "nrmse",
    "scorable_lesions",
    "score_lesion",
    "ssim",
]


def ssim(values: Volume, reference: Volume, body: Mask) -> float:
    """Structural similarity per slice (Gaussian window, sigma 1.5), mean over the body."""
    span = float(np.quantile(reference[body], 0.995))
    clipped = np.clip(values, -span, 2 * span)
    total = 0.0
    for v, r, b in zip(clipped, reference, body, strict=True):
        _, similarity = structural_similarity(  # type: ignore[no-untyped-call]  # scikit-image is untyped
            v.astype(np.float64),
            r.astype(np.float64),
            data_range=span,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        total += float(similarity[b].sum())
    return total / int(body.sum())
