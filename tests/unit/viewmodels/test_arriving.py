"""A study being read: frames are seen, nothing is computed, what was open returns on failure."""

from pathlib import Path

import numpy as np
import pytest
from tests.helpers import small_study
from tests.helpers.slow_study import SlowStudy

from kiview.core.reslice import Plane
from kiview.viewmodels.readouts import PENDING

LAST = len(small_study.DURATIONS_S) - 1


@pytest.fixture
def slow():
    return SlowStudy()


def finished(qtbot, models) -> None:
    qtbot.waitUntil(lambda: not models.runner.tasks)


def test_that_the_latest_frame_is_seen_before_the_study_is_open(qtbot, models, slow):
    slow.begin(models)
    slow.bring(qtbot, models, LAST)
    views = models.views
    assert models.study.series is None
    assert views.frames.shown.indices == (LAST,)
    layer = views.layer("image")
    assert not layer.pending
    shown = layer.planes.read(Plane.CORONAL, float(views.link.cursor_lps_mm[1]))
    factor = slow.whole.suv_factor
    np.testing.assert_allclose(np.nanmax(shown.values), largest_coronal(slow) * factor, rtol=1e-6)
    assert views.frames.arrived_text == f"1 of {LAST + 1} frames read"
    slow.succeed()
    finished(qtbot, models)
    assert models.study.series is slow.study.series[0]
    assert views.frames.arrived_text == ""


def largest_coronal(slow: SlowStudy) -> float:
    middle = small_study.SHAPE_ZYX[1] // 2
    return float(slow.whole.store.voxels[LAST][:, middle].max())


def test_that_a_frame_to_come_is_pending_and_is_shown_once_it_came(qtbot, models, slow):
    slow.begin(models)
    slow.bring(qtbot, models, LAST)
    models.views.frames.show_frame(3)
    assert models.views.layer("image").pending
    assert models.views.readouts()[0].text == PENDING
    slow.bring(qtbot, models, LAST - 1)
    assert models.views.layer("image").pending
    slow.bring(qtbot, models, 3)
    assert not models.views.layer("image").pending
    assert models.views.readouts()[0].text != PENDING
    slow.succeed()
    finished(qtbot, models)


def test_that_cine_runs_through_frames_that_came(qtbot, models, slow):
    slow.begin(models)
    for frame in (LAST, 4):
        slow.bring(qtbot, models, frame)
    seen = []
    for _ in range(3):
        models.views.frames.next_frame()
        seen.append(models.views.frames.frame)
    assert seen == [4, LAST, 4]
    slow.succeed()
    finished(qtbot, models)


def test_that_nothing_is_computed_before_all_frames_are_there(qtbot, with_aorta, slow):
    models = with_aorta
    slow.begin(models)
    slow.bring(qtbot, models, LAST)
    assert "still being read" in models.maps.why_not
    assert "still being read" in models.network.why_not
    assert "still being read" in models.input_function.problem
    assert models.input_function.input_function is None
    models.rois.add(small_study.aorta(), "Aorta")
    assert models.curves.all == {}
    slow.succeed()
    finished(qtbot, models)
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    assert not models.maps.why_not


def test_that_cursor_frame_and_regions_stay_when_the_last_frame_came(qtbot, models, slow):
    slow.begin(models)
    slow.bring(qtbot, models, LAST)
    slow.bring(qtbot, models, 7)
    models.views.frames.show_frame(7)
    models.views.link.set_cursor(small_study.lesion_mm())
    models.rois.add(small_study.aorta(), "Drawn early")
    slow.succeed()
    finished(qtbot, models)
    assert models.views.frames.frame == 7
    np.testing.assert_allclose(models.views.link.cursor_lps_mm, small_study.lesion_mm())
    assert [roi.name for roi in models.rois.rois] == ["Drawn early"]
    assert models.views.image is slow.whole


@pytest.mark.parametrize("how", ["failed", "cancelled", "closed"])
def test_that_the_study_before_returns_with_its_maps_unless_it_was_closed(
    qtbot, with_aorta, slow, how
):
    models = with_aorta
    models.maps.compute()
    qtbot.waitUntil(lambda: models.results.get("patlak") is not None)
    before, maps = models.study.study, models.results.get("patlak").maps
    slow.begin(models)
    slow.bring(qtbot, models, LAST)
    assert [layer.key for layer in models.views.layers] == ["image"]
    if how == "failed":
        slow.fail()
    elif how == "cancelled":
        models.tasks.cancel()
        slow.succeed()  # it stops at its next step instead
    else:
        models.study.close_study()
        slow.succeed()
    finished(qtbot, models)
    assert models.study.arriving is None
    if how == "closed":
        assert models.study.study is None
        assert models.views.image is None
        return
    assert models.study.study is before
    assert models.study.path == Path("small")
    assert models.views.image is before.series[0].image
    assert models.results.get("patlak").maps is maps
    assert [layer.key for layer in models.views.layers] == ["image", "patlak"]
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    assert [roi.name for roi in models.rois.rois] == ["Aorta"]


def test_that_another_study_opened_meanwhile_takes_the_place(qtbot, models, slow):
    slow.begin(models)
    slow.bring(qtbot, models, LAST)
    other = small_study.study(uid="1.2.3.5")
    models.study._open_job = small_study.open_job(other)
    models.study.open_path(Path("other"))
    slow.succeed()
    finished(qtbot, models)
    assert models.study.study is other
    assert models.views.image is other.series[0].image
    assert models.study.arriving is None
