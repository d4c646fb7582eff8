import numpy as np
import pytest

from kiview.core.errors import NetworkError
from kiview.nets.curve_features import POPULATION, STATISTIC_NAMES, Blood
from kiview.nets.curve_readout import CurveReadout, attention, plasma_at, plasma_curve

WIDTH = len(STATISTIC_NAMES)


def readout(correction=0.0, share_logit=0.0, early=0.0):
    zeros = np.zeros((2, WIDTH))
    return CurveReadout(
        zeros, np.zeros(2), np.zeros((3, 2)), np.array([correction, share_logit, early])
    )


def blood(ln_level=0.0, slope=0.0):
    statistics = np.zeros(WIDTH)
    statistics[STATISTIC_NAMES.index("slope")] = slope
    return Blood(ln_level, 45.0, statistics, 0.9, 30.0)


def test_that_blood_like_the_population_gives_its_curve():
    curve = plasma_curve(blood(np.log(3.0)), readout(), 3600.0)
    time_s = np.array([30.0, 120.0, 600.0, 3000.0])
    np.testing.assert_allclose(curve.at(time_s), 3.0 * POPULATION.at(time_s), rtol=2e-3)
    whole = 3.0 * POPULATION.integral(3600.0)
    assert float(curve.integral(3600.0)) == pytest.approx(float(whole), rel=1e-3)


def test_that_correction_slope_and_early_part_act_where_they_should():
    plain = plasma_at(blood(), np.array([0.0, 1.0, 0.0]), [45.0, 65.0])
    tilted = plasma_at(blood(slope=0.2), np.array([0.0, 0.5, 0.0]), [45.0, 65.0])
    np.testing.assert_allclose(tilted / plain, [1.0, np.exp(0.1)])
    raised = plasma_at(blood(), np.array([0.3, 1.0, 0.0]), [45.0, 65.0])
    np.testing.assert_allclose(raised / plain, np.exp(0.3))
    early = plasma_at(blood(), np.array([0.0, 1.0, 1.0]), [15.0, 150.0])
    ratio = early / plasma_at(blood(), np.array([0.0, 1.0, 0.0]), [15.0, 150.0])
    np.testing.assert_allclose(ratio, [np.exp(np.exp(-1.0)), 1.0], rtol=1e-4)


def test_that_the_read_out_is_the_small_network_it_says():
    rng = np.random.default_rng(0)
    w1, b1, w2, b2 = (rng.normal(size=s) for s in ((5, WIDTH), 5, (3, 5), 3))
    statistics = rng.normal(size=WIDTH)
    hidden = [
        np.tanh(sum(w1[i, j] * statistics[j] for j in range(WIDTH)) + b1[i]) for i in range(5)
    ]
    raw = [sum(w2[k, i] * hidden[i] for i in range(5)) + b2[k] for k in range(3)]
    expected = [raw[0], 1.0 / (1.0 + np.exp(-raw[1])), raw[2]]
    np.testing.assert_allclose(CurveReadout(w1, b1, w2, b2)(statistics), expected)


def test_that_attention_adds_up_to_one_and_stands_on_the_highest_logits():
    logits = np.full((2, 3, 4), -200.0, np.float32)
    logits[1, 2, 3] = 90.0
    weights, probability = attention(logits)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[1, 2, 3] == pytest.approx(1.0)
    assert probability[1, 2, 3] == pytest.approx(1.0)
    assert probability[0, 0, 0] == pytest.approx(0.0, abs=1e-30)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((np.zeros((2, 3)), np.zeros(2), np.zeros((3, 2)), np.zeros(3)), "has the shapes"),
        ((np.zeros((0, WIDTH)), np.zeros(0), np.zeros((3, 0)), np.zeros(3)), "has the shapes"),
        (
            (np.full((2, WIDTH), np.nan), np.zeros(2), np.zeros((3, 2)), np.zeros(3)),
            "values that are no numbers",
        ),
    ],
)
def test_that_a_read_out_that_cannot_be_is_refused(parts, told):
    with pytest.raises(NetworkError, match=told):
        CurveReadout(*parts)
