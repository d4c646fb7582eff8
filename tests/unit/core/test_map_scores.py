"""Scores worked out by hand on maps of a few values."""

import numpy as np
import pytest

from kiview.core import map_scores

SHAPE = (15, 31, 31)
CENTRE = (7, 15, 15)


def flat(value):
    return np.full(SHAPE, value, np.float32)


def cube(half):
    mask = np.zeros(SHAPE, bool)
    z, y, x = CENTRE
    mask[z - half : z + half + 1, y - half : y + half + 1, x - half : x + half + 1] = True
    return mask


def with_lesion(background=1.0, lesion=3.0, half=1):
    return np.where(cube(half), lesion, flat(background)).astype(np.float32)


EVERYWHERE = np.ones(SHAPE, bool)


def labels(half=1):
    return cube(half).astype(np.uint8)


def test_that_nrmse_is_a_share_of_the_reference():
    values, truth = np.array([[[3.0, 4.0]]]), np.array([[[0.0, 5.0]]])
    body = np.ones((1, 1, 2), bool)
    assert map_scores.nrmse(values, truth, body) == pytest.approx(np.sqrt(10 / 25))


def test_that_only_the_body_counts():
    body = cube(2)
    spoilt = np.where(body, 1.1, 99.0).astype(np.float32)
    assert map_scores.nrmse(spoilt, flat(1.0), body) == pytest.approx(0.1, rel=1e-5)
    assert map_scores.body_bias(spoilt, flat(1.0), body) == pytest.approx(0.1, rel=1e-5)


def test_that_noise_is_that_of_one_scan_relative_to_the_truth():
    rng = np.random.default_rng(3)
    scans = [(2 + 0.5 * rng.standard_normal(SHAPE)).astype(np.float32) for _ in range(2)]
    found = map_scores.noise(*scans, flat(2.0), EVERYWHERE)
    assert found == pytest.approx(0.25, rel=0.03)


def test_that_a_lesion_is_compared_with_a_shell_three_voxels_thick_around_a_gap_of_two():
    (lesion,) = map_scores.scorable_lesions(labels(), with_lesion(), EVERYWHERE)
    distance = np.abs(np.indices(SHAPE) - np.array(CENTRE).reshape(3, 1, 1, 1))
    beyond = np.maximum(distance - 1, 0).sum(axis=0)  # steps along the axes from the lesion
    np.testing.assert_array_equal(lesion.shell, (beyond > 2) & (beyond <= 5))
    assert lesion.mask.sum() == 27
    assert lesion.is_large


@pytest.mark.parametrize(
    ("recovered", "lost"), [(1.0, False), (0.5, False), (0.11, False), (0.09, True), (-0.2, True)]
)
def test_that_the_recovered_share_of_contrast_is_told(recovered, lost):
    truth = with_lesion(1.0, 3.0)
    (lesion,) = map_scores.scorable_lesions(labels(), truth, EVERYWHERE)
    score = map_scores.score_lesion(with_lesion(1.0, 1.0 + 2 * recovered), truth, lesion)
    assert score.recovery == pytest.approx(recovered, abs=1e-6)
    assert score.bias == pytest.approx((1 + 2 * recovered) / 3 - 1, abs=1e-6)
    assert score.is_lost is lost


def test_that_contrast_to_noise_uses_the_spread_of_the_shell():
    truth = with_lesion(1.0, 3.0)
    (lesion,) = map_scores.scorable_lesions(labels(), truth, EVERYWHERE)
    noisy = truth.copy()
    noisy[lesion.shell] = np.where(np.arange(lesion.shell.sum()) % 2, 1.5, 0.5)
    score = map_scores.score_lesion(noisy, truth, lesion)
    assert score.contrast_to_noise == pytest.approx(2.0 / 0.5, rel=0.01)


def test_that_faint_tiny_and_shell_less_lesions_are_not_scored():
    assert map_scores.scorable_lesions(labels(), with_lesion(1.0, 1.4), EVERYWHERE) == []
    assert map_scores.scorable_lesions(labels(0), with_lesion(half=0), EVERYWHERE) == []
    assert map_scores.scorable_lesions(labels(), with_lesion(), cube(2)) == []


def test_that_a_neighbouring_lesion_and_other_tissue_are_no_background():
    truth, both = with_lesion(), labels()
    both[7, 15, 19:22] = 2
    truth[both == 2] = 3.0
    truth[7, 19:23, :] = 2.5  # an organ in the shell
    lesion = map_scores.scorable_lesions(both, truth, EVERYWHERE)[0]
    np.testing.assert_array_equal(truth[lesion.shell], 1.0)
