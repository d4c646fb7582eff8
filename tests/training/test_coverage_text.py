"""What a report says of the share of voxels that two standard deviations hold."""

import math

import numpy as np
import pytest

from kitrain.coverage_text import coverage_numbers, coverage_text
from kitrain.evaluate import Effort
from kitrain.methods import SHIPPED
from kitrain.scores import MethodScores, SetScores
from kitrain.test_sets import COUNT_LEVELS, ROBUSTNESS, STANDARD


def scores_of(**tissues):
    """Scores where each tissue has (voxels inside, voxels) of one person after the other."""
    covered = {
        tissue: {f"person {i}": [float(a), float(b)] for i, (a, b) in enumerate(rows)}
        for tissue, rows in tissues.items()
    }
    return SetScores({SHIPPED: MethodScores(covered=covered)}, 4, 0)


@pytest.fixture
def sets():
    every = [(95, 100)] * 4
    standard = scores_of(all=every, bone=every, lung=[(80, 100), (880, 1000)], spleen=every)
    few = scores_of(all=every, bone=[(100, 100)] * 3, lung=every)
    return {STANDARD.name: standard, COUNT_LEVELS[0]: few, "brain": scores_of(all=every)}


def test_that_tissues_outside_are_named_with_their_interval_and_people(sets):
    lines = coverage_text(sets).strip().splitlines()
    assert lines[2] == "| scans | all | bone | lung | spleen |"
    assert lines[4] == "| standard | 95.0 | 95.0 | 87.3 | 95.0 |"
    assert lines[6] == "| brain | 95.0 | - | - | - |"
    assert lines[-2] == "- standard: 2 of 3 tissues; outside are lung 87.3 (- to -, 2 people)."
    assert lines[-1] == (
        "- low-counts: 1 of 2 tissues; outside are bone 100.0 (100.0 to 100.0, 3 people)."
    )


def test_that_a_network_without_a_standard_deviation_has_no_such_section():
    assert coverage_text({STANDARD.name: scores_of()}) == ""


def test_that_numbers_hold_every_tissue_of_every_count_level(sets):
    found = coverage_numbers(sets)
    assert found.keys() == {STANDARD.name, COUNT_LEVELS[0]}
    assert found[STANDARD.name]["bone"] == {"share": 0.95, "low": 0.95, "high": 0.95, "people": 4}
    assert found[STANDARD.name]["lung"]["low"] is None


def test_that_the_interval_is_that_of_a_share_among_people_who_err_as_one():
    """People who are wholly inside or wholly outside: the share is that of a coin."""
    people, inside = 400, 0.9
    rows = [(10 * (i < inside * people), 10) for i in range(people)]
    low, high, count = scores_of(lung=rows).methods[SHIPPED].coverage_interval("lung")
    half = 1.96 * math.sqrt(inside * (1 - inside) / people)
    assert count == people
    np.testing.assert_allclose((low, high), (inside - half, inside + half), atol=0.004)


def test_that_count_levels_are_judged_on_people_of_their_own_number():
    effort = Effort(scans=3, per_condition=2, per_count=5)
    people = {kind.name: effort.people(kind) for kind in ROBUSTNESS}
    assert {people.pop(name) for name in COUNT_LEVELS} == {5}
    assert set(people.values()) == {2}
