"""How noisy a study is, as a measurable stand-in for its counts."""

import numpy as np

from kiview.nets.preprocess import FEATURE_NAMES, StudyFeatures

MAD_PER_SIGMA = 0.6744897501960817
"""Median absolute deviation of a normal distribution with standard deviation 1."""
BODY_LEVEL = 0.3
"""Uptake, in normalisers, above which a voxel counts as tissue."""
FEWEST_PAIRS = 200


def uptake_noise(features: StudyFeatures) -> float:
    """Standard deviation of the noise of linear Patlak Ki over the normaliser n and the gain g.

    The gain is how much noisier the fit of these frames makes Ki than their uptake ratio, so this
    is the noise of uptake: it falls with the root of the counts of the window, whatever the frames.

    From differences of neighbouring slices where both show tissue: half the squared spread is
    noise, anatomy cancels in the median. Slices of a scanner are correlated, which makes it
    smaller, in the training as in a study.

    Args:
        features: Of a whole study.

    Returns:
        The noise, or NaN where fewer than 200 pairs of voxels show tissue.
    """
    ki = features.values[FEATURE_NAMES.index("ki")]
    tissue = features.values[FEATURE_NAMES.index("fur")] > BODY_LEVEL
    pairs = tissue[1:] & tissue[:-1]
    if np.count_nonzero(pairs) < FEWEST_PAIRS:
        return float("nan")
    differences = ki[1:][pairs] - ki[:-1][pairs]
    spread = np.median(np.abs(differences - np.median(differences))) / MAD_PER_SIGMA
    return float(spread / np.sqrt(2.0))
