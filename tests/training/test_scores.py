from dataclasses import replace

import numpy as np
import pytest

from kitrain import metrics
from kitrain.baselines import direct, filtered_patlak
from kitrain.methods import (
    CONTROL,
    DIRECT,
    Chosen,
    Made,
    choose_filters,
    control_family,
    conventional,
    plain,
)
from kitrain.scored import must_not_be_lost, scored_voxels, volume_ml
from kitrain.scores import FAINT_RECOVERY, score_set
from kiview.simulate.tissues import Label
from tests.training.slabs import fake_slab


@pytest.fixture(scope="module")
def record():
    return fake_slab()


@pytest.fixture(scope="module")
def body(record):
    return record.body > 0


def test_that_nrmse_is_zero_for_the_truth_and_one_for_nothing(record, body):
    assert metrics.nrmse(record.ki, record.ki, body) == 0
    assert metrics.nrmse(np.zeros_like(record.ki), record.ki, body) == pytest.approx(1)


def test_that_nrmse_ignores_what_lies_outside_the_body(record, body):
    spoilt = np.where(body, record.ki, 99.0)
    assert metrics.nrmse(spoilt, record.ki, body) == 0


def test_that_similarity_is_one_for_the_truth_and_falls_with_noise(record, body):
    noise = 0.002 * np.random.default_rng(0).standard_normal(record.ki.shape).astype(np.float32)
    assert metrics.ssim(record.ki, record.ki, body) == pytest.approx(1)
    assert metrics.ssim(record.ki + noise, record.ki, body) < 0.95


def test_that_bias_and_noise_are_relative_to_the_mean_truth(record, body):
    assert metrics.body_bias(1.2 * record.ki, record.ki, body) == pytest.approx(0.2)
    rng = np.random.default_rng(0)
    mean = record.ki[body].mean()
    scans = [record.ki + 0.3 * mean * rng.standard_normal(record.ki.shape) for _ in range(2)]
    assert metrics.noise(*scans, record.ki, body) == pytest.approx(0.3, rel=0.05)


def test_that_both_lesions_are_found_with_a_shell_of_background(record, body):
    lesions = metrics.scorable_lesions(record.lesions, record.ki, body)
    assert [int(lesion.mask.sum()) for lesion in lesions] == [27, 27]
    for lesion in lesions:
        assert lesion.is_large
        assert not (lesion.shell & (record.lesions > 0)).any()
        assert record.ki[lesion.shell].max() < 0.01


def test_that_a_faint_or_tiny_lesion_is_not_scored(record, body):
    tiny = np.zeros_like(record.lesions)
    tiny[2, 15, 15:17] = 1
    assert metrics.scorable_lesions(tiny, record.ki, body) == []
    faint = np.where(record.lesions > 0, 0.006, record.ki).astype(np.float32)
    assert metrics.scorable_lesions(record.lesions, faint, body) == []


def test_that_the_truth_recovers_all_contrast_and_half_contrast_half_of_it(record, body):
    lesion = metrics.scorable_lesions(record.lesions, record.ki, body)[0]
    full = metrics.score_lesion(record.ki, record.ki, lesion)
    assert full.bias == pytest.approx(0)
    assert full.recovery == pytest.approx(1)
    shell = record.ki[lesion.shell].mean()
    halved = np.where(lesion.mask, shell + 0.5 * (record.ki - shell), record.ki)
    assert metrics.score_lesion(halved, record.ki, lesion).recovery == pytest.approx(0.5, rel=1e-5)


def test_that_noise_grows_scores_and_filters_calm_them(record):
    chosen = Chosen(8.0, 12.0, 12.0)
    families = [*conventional(chosen), control_family(), plain("none", filtered_patlak((0, 0, 0)))]
    scores = score_set([record], families, print)
    assert (scores.scans, scores.lesions) == (1, 2)
    noisy, calm = (scores.methods[name] for name in ("none", "Patlak, 3-D 12 mm"))
    assert calm.noise[0] < 0.3 * noisy.noise[0]
    direct = scores.methods[DIRECT]
    assert direct.mean("nrmse_direct") == 0
    assert direct.mean("ssim_direct") == pytest.approx(1)
    assert direct.mean("nrmse_independent") > 0
    assert np.isnan(direct.mean("nrmse_high"))
    assert len(direct.lesions) == 4
    assert CONTROL in scores.methods


def test_that_a_perfect_map_has_perfect_scores(record):
    perfect = plain("truth", lambda record, _: record.ki)
    scores = score_set([record], [perfect], print).methods["truth"]
    assert scores.mean("nrmse") == 0
    assert scores.mean("body_bias") == pytest.approx(0)
    assert scores.recovery == pytest.approx(1)
    assert scores.below(FAINT_RECOVERY) == (0, 4)
    share, low, high = scores.lost_interval()
    assert (share, low) == (0, 0)
    assert high == pytest.approx(1 - 0.025 ** (1 / 4), rel=1e-6)  # none of four, in closed form


def test_that_an_erased_lesion_counts_as_lost(record):
    def erased(record, _realisation):
        return np.where(record.lesions == 1, np.float32(0.005), record.ki)

    scores = score_set([record], [plain("erased", erased)], print).methods["erased"]
    assert scores.below(0.1) == (2, 4)
    assert scores.bias() == pytest.approx(0.5 * (0.005 / 0.03 - 1), abs=1e-3)


def test_that_only_clear_lesions_of_half_a_millilitre_must_not_be_lost(record, body):
    lesion = metrics.scorable_lesions(record.lesions, record.ki, body)[0]
    assert volume_ml(lesion, record.spacing_mm) == pytest.approx(27 * 0.064)
    assert must_not_be_lost(lesion, record.ki, record.spacing_mm)
    assert not must_not_be_lost(lesion, record.ki, (2.0, 2.0, 2.0))
    fainter = np.where(lesion.mask, 1.9 * record.ki[lesion.shell].mean(), record.ki)
    assert not must_not_be_lost(lesion, fainter, record.spacing_mm)


def test_that_urine_and_lung_are_not_scored(record):
    labels = record.labels.copy()
    labels[2, 14:17, 14:17] = int(Label.URINE)
    labels[0, 12:15, 12:15] = int(Label.LUNG)
    inside = scored_voxels(replace(record, labels=labels))
    assert not inside[2, 12:19, 15].any()
    assert inside[2, 15, 20]
    assert not inside[0, 12:15, 12:15].any()


def test_that_a_spread_that_fits_covers_what_a_normal_error_leaves(record):
    rng = np.random.default_rng(0)
    sigma = np.full_like(record.ki, 0.001)

    def guess(record, _realisation):
        error = 0.001 * rng.standard_normal(record.ki.shape).astype(np.float32)
        return {"guess": Made(record.ki + error, None, sigma)}

    covered = score_set([record], [guess], print).methods["guess"].coverage()
    assert covered["all"] == pytest.approx(0.954, abs=0.01)


def test_that_filters_are_chosen_by_the_error_on_the_given_people():
    quiet, loud = (choose_filters([fake_slab(noise=n)]) for n in (0.002, 0.3))
    assert quiet.in_plane_mm < loud.in_plane_mm
    assert quiet.whole_mm <= loud.whole_mm


def test_that_the_direct_image_is_judged_in_the_scale_of_the_curve_like_the_truth(record):
    """A curve wrong by its scale alone must not make the reference look wrong."""
    scaled = replace(record, target_scale=1.25)
    plain_error, scaled_error = (
        score_set([r], [plain(DIRECT, direct(0.0))], print).methods[DIRECT].mean("nrmse")
        for r in (record, scaled)
    )
    assert scaled_error == pytest.approx(plain_error, rel=1e-5)
