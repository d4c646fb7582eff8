import numpy as np
import pytest

from kitrain import metrics
from kitrain.baselines import direct_baselines, gaussian_baselines, guided_baselines
from kitrain.evaluate import COLUMNS, CONTROL, control_method, evaluate, table
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


def test_that_every_conventional_method_is_scored_and_the_table_complete(record):
    methods = {**gaussian_baselines(), **guided_baselines(), **direct_baselines()}
    methods[CONTROL] = control_method()
    evaluation = evaluate(methods, [record])
    assert evaluation.lesions == 2
    for name, row in evaluation.scores.items():
        assert set(row) == set(COLUMNS), name
        assert np.isfinite([v for k, v in row.items() if k != "tumour_bias_small"]).all(), name
    assert evaluation.scores["4-D direct"]["nrmse_direct"] == 0
    assert evaluation.scores["4-D direct"]["nrmse_independent_direct"] > 0
    noisy, smooth = (evaluation.scores[f"Patlak, {w}"] for w in ("no filter", "3-D 12 mm"))
    assert smooth["noise"] < 0.3 * noisy["noise"]
    assert len(table(evaluation.scores).splitlines()) == 2 + len(methods)
    assert evaluation.best("HYPR-like") in methods
