"""The probe phantom scores networks by their effect, not by their word."""

from dataclasses import replace

import numpy as np
import pytest

from kiview import paths
from kiview.core import map_scores
from kiview.core.progress import Cancelled, NullProgress
from kiview.jobs import probe_network as job
from kiview.jobs.probe_network import ProbeRequest, make_phantom, probe_network
from kiview.nets.catalog import load_catalog
from kiview.nets.infer import NetworkRequest, run_network
from kiview.nets.weights import shipped_weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def card():
    return load_catalog(paths.models_dir()).default


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(NullProgress())


@pytest.fixture(scope="module")
def report(card, phantom):
    """Shipped against the smooth end of the slider."""
    smooth = replace(shipped_weights(card), position=0.0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(job, "make_phantom", lambda _progress: phantom)
        return probe_network(ProbeRequest(card, smooth), None, NullProgress())


def test_that_the_phantom_is_the_same_every_time_and_its_scans_differ_by_noise_only(phantom):
    again = make_phantom(NullProgress())
    first, second = (image.store.frame(0) for image in phantom.images)
    np.testing.assert_array_equal(again.images[0].store.frame(0), first)
    assert np.abs(first - second).max() > 0.1 * first.max()
    difference = (first - second)[phantom.body]
    assert abs(difference.mean()) < 0.05 * first[phantom.body].mean()


def test_that_the_phantom_has_lesions_small_and_large(phantom):
    large = [lesion for lesion in phantom.lesions if lesion.is_large]
    assert len(phantom.lesions) >= 5
    assert 1 <= len(large) < len(phantom.lesions)


def test_that_the_scores_are_those_of_the_maps_a_run_gives(card, phantom, report):
    timing = phantom.images[0].timing
    window = float(timing.start_s[0]), float(timing.end_s[-1])
    maps = [
        run_network(
            NetworkRequest(image, phantom.input_function, *window, card, shipped_weights(card)),
            NullProgress(),
        ).main.values
        for image in phantom.images
    ]
    truth, body = phantom.ki, phantom.body
    expected = np.mean([map_scores.nrmse(values, truth, body) for values in maps])
    assert report.shipped.nrmse == pytest.approx(expected, rel=1e-6)
    assert report.shipped.noise == pytest.approx(map_scores.noise(*maps, truth, body), rel=1e-6)


def test_that_patlak_is_noisier_and_the_smooth_end_blurs_lesions(report):
    assert report.patlak.noise > 2 * report.shipped.noise
    assert report.shipped.nrmse < 0.7 * report.patlak.nrmse
    assert report.now.noise < report.shipped.noise
    assert report.now.lesion_bias < report.shipped.lesion_bias - 0.05
    assert report.now.recovery < report.shipped.recovery - 0.05
    assert report.shipped.lesion_count == 2 * len(report.phantom.lesions)


def test_that_shipped_scores_and_phantom_are_used_again(card, report, monkeypatch):
    monkeypatch.setattr(job, "make_phantom", None)
    blended = replace(shipped_weights(card), image_blend=1.0)
    again = probe_network(ProbeRequest(card, blended), report, NullProgress())
    assert again.phantom is report.phantom
    assert again.shipped is report.shipped
    assert again.now.noise > again.patlak.noise  # Patlak without the filter


def test_that_present_weights_that_are_the_shipped_ones_get_the_same_scores(card, report):
    same = probe_network(ProbeRequest(card, shipped_weights(card)), report, NullProgress())
    assert same.now is same.shipped
    untied = ProbeRequest(card, shipped_weights(card), tied=False)
    assert probe_network(untied, report, NullProgress()).now != same.shipped


def test_that_a_probe_can_be_stopped(card, report):
    class Stopping(NullProgress):
        def step(self, fraction, message):  # noqa: ARG002 - the interface
            raise Cancelled

    with pytest.raises(Cancelled):
        probe_network(ProbeRequest(card, shipped_weights(card)), report, Stopping())
