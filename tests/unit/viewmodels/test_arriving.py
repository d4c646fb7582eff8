"""A study being read: frames are seen, nothing is computed, what was open returns on failure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import small_study
from tests.helpers.slow_study import SlowStudy

from kiview.core.reslice import Plane
from kiview.core.study import Finding, Verdict
from kiview.viewmodels.readouts import PENDING

LAST = len(small_study.DURATIONS_S) - 1

DOUBT = Finding("doubt", "Confirm this.", Verdict.CONFIRM, Verdict.CONFIRM)


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


def open_with_doubt(qtbot, models) -> None:
    models.study._open_job = small_study.open_job(small_study.study((DOUBT,)))
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"), {"weight_kg": 70.0})
    finished(qtbot, models)
    models.study.confirm("doubt")
    models.merge.merge(10, 30)


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_that_merges_confirmations_and_steps_return_with_the_study(qtbot, models, slow, how):
    open_with_doubt(qtbot, models)
    models.overrides.change({"height_m": 1.75})
    finished(qtbot, models)
    models.merge.merge(20, 20)
    merged = models.study.image
    slow.begin(models)
    slow.bring(qtbot, models, LAST)
    assert models.study.confirmed == frozenset()
    assert "still being read" in models.merge.why_not
    if how == "failed":
        slow.fail()
    else:
        models.tasks.cancel()
        slow.succeed()
    finished(qtbot, models)
    assert models.study.image is models.views.image is merged
    assert models.views.frames.frame_count == merged.frame_count == 17 + 2
    assert models.study.confirmed == {"doubt"}
    assert models.overrides.values == {"weight_kg": 70.0, "height_m": 1.75}
    models.merge.undo()
    assert models.study.image.frame_count == 22
    models.study._open_job = small_study.open_job(small_study.study((DOUBT,)))
    models.overrides.undo()
    finished(qtbot, models)
    assert models.overrides.values == {"weight_kg": 70.0}


def test_that_a_study_read_again_keeps_series_merges_and_confirmations(qtbot, models):
    open_with_doubt(qtbot, models)
    slow = SlowStudy("1.2.3.4")
    again = replace(slow.study.series[0], findings=(DOUBT,))
    larger = small_study.study(uid="1.2.3.5").series[0]
    slow.study = replace(slow.study, series=(larger, again))
    models.study._open_job = slow.job
    models.overrides.change({"weight_kg": 80.0})
    slow.bring(qtbot, models, LAST)
    assert models.study.series is None
    slow.succeed()
    finished(qtbot, models)
    assert models.study.series is again
    assert models.study.confirmed == {"doubt"}
    assert models.study.image.frame_count == models.views.image.frame_count == 22
    assert models.overrides.values == {"weight_kg": 80.0}
    assert models.overrides.can_undo


def test_that_a_finding_told_otherwise_is_no_longer_confirmed(qtbot, models):
    open_with_doubt(qtbot, models)
    slow = SlowStudy("1.2.3.4")
    changed = replace(slow.study.series[0], findings=(replace(DOUBT, message="Confirm that."),))
    slow.study = replace(slow.study, series=(changed,))
    models.study._open_job = slow.job
    models.overrides.change({"weight_kg": 80.0})
    slow.bring(qtbot, models, LAST)
    slow.succeed()
    finished(qtbot, models)
    assert models.study.confirmed == frozenset()


def test_that_frames_of_another_series_do_not_replace_the_shown_one(qtbot, models, slow):
    open_with_doubt(qtbot, models)
    shown, arrivals = models.views.image, []
    models.study.arriving_changed.connect(lambda: arrivals.append(models.study.arriving))
    models.study._open_job = slow.job
    models.overrides.change({"weight_kg": 80.0})
    task = models.study._task
    slow._asked.append(LAST)
    with qtbot.waitSignal(task.offered):
        slow._go.release()
    assert models.views.image is shown
    slow.succeed()
    finished(qtbot, models)
    assert arrivals == [None]
    assert models.study.series is slow.study.series[0]
