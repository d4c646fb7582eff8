"""Constants of tissues: formulas and spread."""

import numpy as np
import pytest

from kiview.simulate.tissues import STANDARD, Label, Tissue, draw_all, draw_pair


def test_that_ki_and_v0_follow_from_the_rate_constants():
    tissue = Tissue(0.102, 0.130, 0.062, 0.04)
    assert tissue.ki == pytest.approx(0.03162, abs=5e-6)
    assert tissue.v0 == pytest.approx(0.385, abs=5e-4)


def test_that_blood_has_no_influx_and_air_has_nothing():
    assert STANDARD[Label.BLOOD].ki == 0
    assert STANDARD[Label.BLOOD].v0 == 1
    assert (STANDARD[Label.AIR].ki, STANDARD[Label.AIR].v0) == (0, 0)


def test_that_every_standard_tissue_is_irreversible_and_says_where_it_comes_from():
    assert all(t.k4 == 0 and t.source for t in STANDARD.values())
    assert set(STANDARD) == set(Label)


def test_that_people_differ_by_the_lognormal_spread_asked_for():
    rng = np.random.default_rng(3)
    k1 = np.log([draw_pair(STANDARD[Label.LIVER], rng, 0.2, 0.0).first.k1 for _ in range(800)])
    assert k1.std() == pytest.approx(0.2, abs=0.02)
    assert k1.mean() == pytest.approx(np.log(0.864), abs=0.03)


def test_that_blood_and_air_are_the_same_in_everybody():
    person = draw_all(np.random.default_rng(5))
    assert person[Label.BLOOD].first == STANDARD[Label.BLOOD]
    assert person[Label.AIR].second == STANDARD[Label.AIR]
    assert person[Label.LIVER].first != person[Label.LIVER].second
