import math

import numpy as np
import pytest

from kiview.nets.noise import uptake_noise
from kiview.nets.preprocess import FEATURE_NAMES, StudyFeatures

KI, FUR = FEATURE_NAMES.index("ki"), FEATURE_NAMES.index("fur")


def features(noise, gain, anatomy=0.0, shape=(12, 40, 40)):
    """Noise of known size in Ki / n, on tissue with organs that end between slices."""
    rng = np.random.default_rng(3)
    values = np.zeros((len(FEATURE_NAMES), *shape), np.float32)
    z, y, x = np.indices(shape)
    inside = (y - 20) ** 2 + (x - 20) ** 2 < 300
    values[FUR] = np.where(inside, 1.0, 0.0)
    organ = anatomy * ((z > 4) & (y > 20) & (x > 26))
    values[KI] = (0.5 + organ + noise * rng.standard_normal(shape)) / gain
    return StudyFeatures(values, 0.01, gain)


@pytest.mark.parametrize("noise", [0.02, 0.3, 2.0])
@pytest.mark.parametrize("gain", [3.0, 20.0])
def test_that_white_noise_is_measured(noise, gain):
    assert gain * uptake_noise(features(noise, gain)) == pytest.approx(noise, rel=0.03)


def test_that_organs_hardly_add_to_it():
    assert 4.0 * uptake_noise(features(0.1, 4.0, anatomy=3.0)) == pytest.approx(0.1, rel=0.05)


def test_that_what_lies_outside_the_body_does_not_count():
    study = features(0.1, 4.0)
    study.values[KI][study.values[FUR] == 0] = 1e6
    assert uptake_noise(study) == pytest.approx(0.1 / 4.0, rel=0.03)


def test_that_one_slice_or_no_tissue_tells_nothing():
    assert math.isnan(uptake_noise(features(0.1, 4.0, shape=(1, 40, 40))))
    study = features(0.1, 4.0)
    study.values[FUR] = 0
    assert math.isnan(uptake_noise(study))
