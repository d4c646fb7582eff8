"""Constants of tissues: formulas and spread."""

import numpy as np
import pytest

from kiview.simulate.tissues import (
    NOT_TISSUE,
    REVERSIBLE,
    STANDARD,
    Label,
    Tissue,
    draw_all,
    draw_pair,
)


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


def test_that_reversible_people_have_the_published_k4_where_there_is_one():
    person = draw_all(np.random.default_rng(2), spread=0.0, within=0.0, reversible=True)
    assert person[Label.LIVER].first.k4 == pytest.approx(0.016)
    assert person[Label.GREY_MATTER].first.k4 == pytest.approx(0.0068)
    assert person[Label.MUSCLE].first.k4 == 0
    drawn = [draw_pair(REVERSIBLE[Label.LIVER], np.random.default_rng(s)) for s in range(300)]
    assert np.log([p.first.k4 for p in drawn]).std() == pytest.approx(0.23, abs=0.04)


def test_that_urine_keeps_what_it_gets():
    urine = STANDARD[Label.URINE]
    assert (urine.ki, urine.v0) == (urine.k1, 0)
    assert Label.URINE in NOT_TISSUE
