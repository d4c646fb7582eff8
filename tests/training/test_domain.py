"""Limits of counts: those of the default network and simulated scans."""

from dataclasses import replace

import numpy as np
import pytest

from kitrain.domain import measured_ranges
from kiview import paths
from kiview.nets import preprocess
from kiview.nets.catalog import load_catalog
from kiview.nets.domain import Severity, check_noise
from kiview.nets.noise import uptake_noise
from kiview.simulate.slab import simulate_slab
from kiview.simulate.slab_recipes import TRUES_RANGE, standard_config

STANDARD = standard_config().scanner.trues_per_frame
PERSON = 3_020_500


def study(trues):
    """Features of an ordinary scan of a thorax with so many trues per slice and 5 min."""
    config = standard_config()
    scanner = replace(config.scanner, trues_per_frame=trues)
    slab = simulate_slab(
        replace(config, region="thorax", scanner=scanner), PERSON, with_direct=False
    )
    basis = preprocess.FrameInput(slab.basis[1], slab.basis[0], slab.weights)
    operators = preprocess.linear_operators(basis)
    maps = preprocess.linear_maps(slab.frames, operators.matrix)
    return preprocess.study_features(maps, operators.noise_gain, (4.0, 4.0, 4.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trues", "told"),
    [(STANDARD, False), (STANDARD / 3, False), (TRUES_RANGE[0] / 30, True)],
)
def test_that_few_counts_are_told_and_ordinary_ones_are_not(trues, told):
    features = study(trues)
    domain = load_catalog(paths.models_dir()).default.domain
    found = check_noise(domain, uptake_noise(features), features.noise_gain)
    assert len(found) == told
    assert all("few counts" in finding.message.lower() for finding in found)
    assert all(finding.severity in Severity for finding in found)


def test_that_the_noisiest_few_do_not_set_the_limit():
    rng = np.random.default_rng(1)

    def noisy(noise):
        values = np.zeros((len(preprocess.FEATURE_NAMES), 6, 16, 16), np.float32)
        values[preprocess.FEATURE_NAMES.index("fur")] = 1.0
        values[preprocess.FEATURE_NAMES.index("ki")] = noise * rng.standard_normal((6, 16, 16))
        return preprocess.StudyFeatures(values, 0.01, 5.0)

    found = measured_ranges([noisy(0.1) for _ in range(99)] + [noisy(50.0)])
    assert found["noise_gain"] == [5.0, 5.0]
    assert found["uptake_noise"] == pytest.approx([0.1, 0.1], rel=0.15)
