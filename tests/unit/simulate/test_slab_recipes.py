"""What a network learns from covers what it is promised to cover."""

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.simulate.scanner_errors import mixing_taps
from kiview.simulate.slab_recipes import (
    LAST_END_MIN,
    PIXEL_RANGE_MM,
    STANDARD_MIXING_FWHM_MM,
    TRUES_RANGE,
    TrainingMix,
    standard_config,
    training_config,
)

FIRST = [
    ("body", "thigh"),
    ("body", "thorax"),
    ("body", "head"),
    ("insert", None),
    ("insert", None),
    ("body", "thigh"),
    ("body", "thorax"),
    ("body", "thorax"),
]
CONFIGS = [training_config(seed) for seed in range(400)]


def share(chosen):
    return sum(map(bool, chosen)) / len(CONFIGS)


def test_that_every_family_and_region_occurs():
    assert {c.kind for c in CONFIGS} == {"body", "torso", "uniform", "nema", "insert"}
    regions = {c.region for c in CONFIGS if c.kind == "body"}
    assert regions == {"head", "thorax", "abdomen", "pelvis", "thigh"}
    assert 0.7 < share(c.kind == "body" for c in CONFIGS) < 0.86


def test_that_the_usual_mix_draws_what_was_drawn_before_it_could_be_chosen():
    """The first draws of eight seeds, as they were."""
    said = [(c.kind, c.region) for c in CONFIGS[:8]]
    assert said == FIRST


def test_that_a_mix_draws_what_it_names_whatever_the_order():
    mix = TrainingMix({"brain": 1.0, "body": 3.0}, {"thigh": 2.0, "head": 2.0})
    found = [training_config(seed, mix) for seed in range(400)]
    assert {(c.kind, c.region) for c in found} == {
        ("brain", None),
        ("body", "thigh"),
        ("body", "head"),
    }
    assert 0.68 < sum(c.kind == "body" for c in found) / 400 < 0.82
    other = TrainingMix({"body": 0.75, "brain": 0.25}, {"head": 0.5, "thigh": 0.5})
    assert found == [training_config(seed, other) for seed in range(400)]
    assert [c.timing.start_s[0] for c in found] == [c.timing.start_s[0] for c in CONFIGS]


def test_that_a_mix_of_nothing_or_of_unknown_parts_is_refused():
    with pytest.raises(InvalidInputError, match="'neck' is none of thorax, abdomen"):
        TrainingMix(regions={"neck": 1.0})
    with pytest.raises(InvalidInputError, match="can't be drawn from"):
        TrainingMix(kinds={})
    with pytest.raises(InvalidInputError, match="can't be drawn from"):
        TrainingMix(kinds={"body": 2.0, "nema": -1.0})


def test_that_protocols_reach_from_two_frames_to_ten_within_the_window():
    assert {c.frame_count for c in CONFIGS} == set(range(2, 11))
    assert 0.25 < share((c.frame_start_s, c.frame_count) == (1800.0, 6) for c in CONFIGS) < 0.5
    for config in CONFIGS:
        assert 1500 <= config.frame_start_s <= 2700
        assert config.timing.end_s[-1] <= max(60 * LAST_END_MIN, 2700 + 2 * 1200)


def test_that_counts_and_pixels_stay_in_their_ranges():
    trues = np.array([c.scanner.trues_per_frame for c in CONFIGS])
    assert TRUES_RANGE[0] <= trues.min() < 7e4
    assert 2.5e6 < trues.max() <= TRUES_RANGE[1]
    pixels = [c.pixel_mm for c in CONFIGS]
    assert PIXEL_RANGE_MM[0] <= min(pixels)
    assert max(pixels) <= PIXEL_RANGE_MM[1]


def test_that_hard_cases_have_their_share():
    assert 0.5 < share(c.physiology == "varied" for c in CONFIGS) < 0.7
    assert 0.1 < share(c.reversible for c in CONFIGS) < 0.3
    assert 0.3 < share(c.input_errors for c in CONFIGS) < 0.5
    assert all(not c.reversible for c in CONFIGS if c.kind != "body")


def test_that_a_seed_always_means_the_same_slab():
    assert training_config(5) == CONFIGS[5]
    assert training_config(6) != CONFIGS[5]


def test_that_the_standard_scanner_correlates_neighbouring_slices_as_stated():
    taps = mixing_taps(STANDARD_MIXING_FWHM_MM, standard_config().slice_mm)
    shared = np.correlate(taps, taps, "full")
    middle = len(taps) - 1
    assert round(float(shared[middle + 1] / shared[middle]), 1) == 0.3
