"""What a network learns from covers what it is promised to cover."""

import numpy as np

from kiview.simulate.scanner_errors import mixing_taps
from kiview.simulate.slab_recipes import (
    LAST_END_MIN,
    PIXEL_RANGE_MM,
    STANDARD_MIXING_FWHM_MM,
    TRUES_RANGE,
    standard_config,
    training_config,
)

CONFIGS = [training_config(seed) for seed in range(400)]


def share(chosen):
    return sum(map(bool, chosen)) / len(CONFIGS)


def test_that_every_family_and_region_occurs():
    assert {c.kind for c in CONFIGS} == {"body", "torso", "uniform", "nema", "insert"}
    regions = {c.region for c in CONFIGS if c.kind == "body"}
    assert regions == {"head", "thorax", "abdomen", "pelvis", "thigh"}
    assert 0.7 < share(c.kind == "body" for c in CONFIGS) < 0.86


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
