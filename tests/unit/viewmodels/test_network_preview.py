"""Previews of changed weights: what they show, when they go on, when they stop."""

import threading

import numpy as np
import pytest
from tests.helpers import small_study
from tests.helpers.network_runs import compute, in_place_of_networks, settled

from kiview.core.reslice import Plane
from kiview.jobs.preview_network import Preview
from kiview.viewmodels.results import NETWORK, PATLAK
from kiview.viewmodels.views import DIFFERENCE_KEY


@pytest.fixture
def jobs(jobs, fake_preview):
    return in_place_of_networks(jobs, fake_preview)


def test_that_the_slider_is_previewed_and_the_stored_map_stays(qtbot, with_aorta):
    models = with_aorta
    stored = compute(qtbot, models, NETWORK)
    at = np.array(small_study.lesion_mm())
    before = models.views.layer(NETWORK).value_at(at)
    with qtbot.waitSignal(models.preview.shown):
        models.network.set_position(0.5)
    layer = models.views.layer(NETWORK)
    assert layer.title == "Preview Ki"
    assert layer.marks == ("PREVIEW",)
    assert layer.value_at(at) == pytest.approx(0.5 * before)
    assert models.results.get(NETWORK).maps is stored.maps
    qtbot.waitUntil(lambda: not models.runner.tasks)
    models.network.reset()
    assert not models.preview.is_shown
    assert models.views.layer(NETWORK).title == "Network Ki"
    assert models.views.layer(NETWORK).value_at(at) == before


def test_that_a_preview_is_marked_as_one_and_never_as_stale(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, PATLAK)
    compute(qtbot, models, NETWORK)
    models.views.show_difference(True)
    models.network.set_position(0.5)
    settled(qtbot, models)
    models.agreement.changed.emit()
    assert models.views.layer(NETWORK).marks == ("PREVIEW",)
    assert models.views.layer(DIFFERENCE_KEY).marks == ("PREVIEW",)
    assert models.results.get(NETWORK).is_stale
    models.maps.set_window_min(20, 60)
    assert models.views.layer(NETWORK).marks == ("STALE",)


def test_that_only_the_last_of_many_slider_positions_has_to_be_shown(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, NETWORK)
    for position in (0.9, 0.7, 0.5, 0.3):
        models.network.set_position(position)
    qtbot.waitUntil(lambda: models.preview.is_shown and not models.runner.tasks)
    stored = models.results.get(NETWORK).maps.main
    at = np.array(small_study.lesion_mm())
    whole = stored.values[stored.geometry.nearest_index(at)]
    assert models.views.layer(NETWORK).value_at(at) == pytest.approx(0.3 * float(whole))


def test_that_a_preview_goes_on_until_the_planes_are_whole(qtbot, with_aorta, fake_preview):
    models = with_aorta
    compute(qtbot, models, PATLAK)
    compute(qtbot, models, NETWORK)
    models.views.show_difference(True)
    models.network.set_position(0.5)
    with qtbot.waitSignal(models.preview.shown):
        pass
    assert "near the cursor" in models.views.layer(NETWORK).method
    shown = [models.views.layer(key) for key in (PATLAK, NETWORK, DIFFERENCE_KEY)]
    assert [len(layer.previewed_boxes) for layer in shown] == [0, 1, 1]
    settled(qtbot, models)
    assert models.views.layer(NETWORK).previewed_boxes == ()
    assert len(fake_preview.requests) == 3
    assert "these planes" in models.views.layer(NETWORK).method
    assert fake_preview.requests[0].planes == (Plane.CORONAL, Plane.SAGITTAL)


def test_that_a_preview_follows_the_cursor_and_the_rows(qtbot, with_aorta, fake_preview):
    models = with_aorta
    compute(qtbot, models, NETWORK)
    models.network.set_position(0.5)
    settled(qtbot, models)
    models.views.link.set_cursor(small_study.lesion_mm())
    settled(qtbot, models)
    assert tuple(fake_preview.requests[-1].position_lps_mm) == small_study.lesion_mm()
    models.views.use_layout(4)
    settled(qtbot, models)
    assert fake_preview.requests[-1].planes == (Plane.AXIAL,)
    models.views.toggle_full_size(NETWORK, Plane.SAGITTAL)
    settled(qtbot, models)
    assert fake_preview.requests[-1].planes == (Plane.SAGITTAL,)


def test_that_a_whole_preview_is_scrolled_without_computing_again(qtbot, with_aorta, fake_preview):
    models, fake_preview.ends_whole = with_aorta, True
    compute(qtbot, models, NETWORK)
    models.network.set_position(0.5)
    settled(qtbot, models)
    models.views.link.set_cursor(small_study.lesion_mm())
    models.views.use_layout(5)
    qtbot.wait(60)
    assert len(fake_preview.requests) == 3
    assert models.preview.is_complete
    models.network.set_position(0.25)
    settled(qtbot, models)
    assert len(fake_preview.requests) == 6


def test_that_a_closed_study_is_not_kept_for_previews(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, NETWORK)
    models.network.set_position(0.5)
    settled(qtbot, models)
    assert models.preview._kept is not None
    models.study.close_study()
    assert models.preview._kept is None


def test_that_a_network_no_longer_previewed_is_closed_on_another_thread(qtbot, with_aorta):
    ended_on = []

    class Kept:
        def __del__(self):
            ended_on.append(threading.current_thread())

    def preview(request, _kept, _key, _progress):
        return Preview(request.computed, Kept(), is_complete=True, fraction=1.0, is_whole=True)

    models = with_aorta
    models.preview._job = preview
    compute(qtbot, models, NETWORK)
    for position in (0.5, 0.25):
        models.network.set_position(position)
        settled(qtbot, models)
    models.study.close_study()
    qtbot.waitUntil(lambda: len(ended_on) == 2)
    assert threading.main_thread() not in ended_on


def test_that_the_cursor_starts_no_preview_of_unchanged_weights(qtbot, with_aorta, fake_preview):
    compute(qtbot, with_aorta, NETWORK)
    with_aorta.views.link.set_cursor(small_study.lesion_mm())
    qtbot.wait(60)
    assert fake_preview.requests == []


def test_that_other_weights_stop_the_later_steps_of_the_ones_before(
    qtbot, with_aorta, fake_preview
):
    models = with_aorta
    compute(qtbot, models, NETWORK)
    models.network.set_position(0.5)
    with qtbot.waitSignal(models.preview.shown):
        pass
    fake_preview.pace_s = 30.0
    qtbot.waitUntil(lambda: len(fake_preview.requests) == 2)
    models.network.set_position(0.25)
    fake_preview.pace_s = 0.0
    settled(qtbot, models)
    positions = [request.run.weights.position for request in fake_preview.requests]
    assert positions == [0.5, 0.5, 0.25, 0.25, 0.25]


def test_that_a_preview_cancelled_by_the_user_stays_as_it_is(qtbot, with_aorta, fake_preview):
    models = with_aorta
    compute(qtbot, models, NETWORK)
    fake_preview.pace_s = 30.0
    models.network.set_position(0.5)
    qtbot.waitUntil(lambda: len(fake_preview.requests) == 1)
    models.runner.cancel_all()
    qtbot.waitUntil(lambda: not models.runner.tasks)
    qtbot.wait(60)
    assert len(fake_preview.requests) == 1
    assert not models.preview.is_complete


def test_that_the_tie_switch_is_previewed_too(qtbot, with_aorta, fake_preview):
    compute(qtbot, with_aorta, NETWORK)
    with_aorta.network.set_tied(False)
    settled(qtbot, with_aorta)
    assert not fake_preview.requests[-1].run.tied
    assert with_aorta.views.layer(NETWORK).untied
    with_aorta.network.reset()
    assert not with_aorta.views.layer(NETWORK).untied


def test_that_nothing_is_previewed_when_the_input_changed(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, NETWORK)
    models.input_function.set_plasma_factor(1.2)
    with qtbot.assertNotEmitted(models.preview.shown, wait=120):
        models.network.set_position(0.5)
