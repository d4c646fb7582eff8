"""A preview around the cursor agrees with what a whole run gives."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers import small_study

from kiview import paths
from kiview.core.input_function import from_region
from kiview.core.progress import NullProgress
from kiview.core.roi import Roi
from kiview.core.tac import extract
from kiview.jobs.preview_network import PreviewRequest, preview_network
from kiview.nets.catalog import load_catalog
from kiview.nets.infer import NetworkRequest, run_network
from kiview.nets.weights import shipped_weights

pytestmark = pytest.mark.slow
KEY = "study|input|1800-3600"


@pytest.fixture(scope="module")
def run():
    image = small_study.image()
    mask = Roi("aorta", "Aorta", "#ffffff", small_study.aorta()).rasterise(image.geometry)
    card = load_catalog(paths.models_dir()).default
    curve = from_region(extract(image, mask))
    return NetworkRequest(image, curve, 1800.0, 3600.0, card, shipped_weights(card))


@pytest.fixture(scope="module")
def computed(run):
    return run_network(run, NullProgress()).main


def preview(run, computed, weights, kept=None):
    position = np.array(small_study.lesion_mm())
    request = PreviewRequest(replace(run, weights=weights), computed, run.weights, position)
    return preview_network(request, kept, KEY, NullProgress())


def test_that_the_computed_weights_give_the_computed_map(run, computed):
    shown = preview(run, computed, run.weights).map.values
    np.testing.assert_allclose(shown, computed.values, atol=1e-5 * computed.values.max())


def test_that_other_weights_change_only_the_neighbourhood_and_are_near_a_whole_run(run, computed):
    other = replace(run.weights, position=0.0 if run.weights.position else 1.0)
    shown = preview(run, computed, other).map.values
    whole = run_network(replace(run, weights=other), NullProgress()).main.values
    changed = shown != computed.values
    distance = np.abs(
        computed.geometry.to_lps_mm(np.argwhere(changed)) - np.array(small_study.lesion_mm())
    )
    assert changed.any()
    assert distance.max() < 60.0
    # The tie of the computed map stands for the one of the other weights.
    index = computed.geometry.nearest_index(small_study.lesion_mm())
    assert shown[index] == pytest.approx(whole[index], rel=0.15)


def test_that_features_are_kept_for_the_next_preview_of_the_same_inputs(run, computed):
    first = preview(run, computed, run.weights)
    second = preview(run, computed, run.weights, first.kept)
    assert second.kept.prepared is first.kept.prepared
    assert second.kept.correction is first.kept.correction
    stale = replace(first.kept, key="other inputs")
    assert preview(run, computed, run.weights, stale).kept.prepared is not first.kept.prepared


def test_that_the_image_blend_mixes_patlak_in(run, computed):
    only_patlak = replace(run.weights, image_blend=1.0)
    shown = preview(run, computed, only_patlak)
    box = shown.kept.box
    patlak = shown.kept.prepared.patlak_ki()[box.z0 : box.z1, box.y0 : box.y1, box.x0 : box.x1]
    part = shown.map.values[box.z0 : box.z1, box.y0 : box.y1, box.x0 : box.x1]
    np.testing.assert_allclose(part, patlak, atol=1e-6)
