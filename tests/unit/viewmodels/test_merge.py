"""Merged frames in the window: one image for everything, stale results, undo, reading again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import small_study

from kiview.core.errors import KiviewError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.merged_store import MergedFrameStore
from kiview.core.study import SeriesKind, Study
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY
from kiview.viewmodels.agreement import mismatches
from kiview.viewmodels.curves import read_curves
from kiview.viewmodels.layers import FrameSource
from kiview.viewmodels.results import PATLAK
from kiview.viewmodels.study import study_subtitle

DASH, DOT = "\N{EN DASH}", "\N{MIDDLE DOT}"


def compute(qtbot, models):
    qtbot.waitUntil(lambda: models.maps.why_not == "" and not models.runner.tasks)
    models.maps.compute()
    qtbot.waitUntil(lambda: not models.maps.is_running)
    return models.results.get(PATLAK)


def test_that_ten_minutes_from_the_patlak_window_are_offered(opened):
    merge = opened.merge
    assert (merge.length_min, merge.start_min, merge.why_not) == (10.0, 30.0, "")
    opened.maps.set_window_min(20, 60)
    assert merge.start_min == 20.0
    opened.maps.set_window_min(70, 90)
    assert merge.start_min == 0.0
    opened.study.close_study()
    assert (merge.start_min, merge.why_not) == (0.0, "Open a study first.")


def test_that_what_would_come_of_it_is_told_without_doing_it(opened):
    told = opened.merge.proposal(10, 30)
    assert told.text == (
        f"Frames 20-25 (30-60 min) merged into 3 frames of 10 min. Maps would use 3 frames"
        f" (30{DASH}60 min)."
    )
    assert told.is_possible
    told = opened.merge.proposal(20, 30)
    assert "Frames 24-25 are left out (50-60 min)" in told.text
    assert told.text.endswith(
        f"use 1 frame (30{DASH}60 min); Ki needs two: change the window there."
    )
    told = opened.merge.proposal(10, 32)
    assert not told.is_possible
    assert "across the start at 32 min" in told.text
    assert not opened.merge.proposal(0, 30).is_possible
    assert not opened.merge.is_merged
    assert opened.study.image is opened.study.series.image


def test_that_views_curves_plots_and_maps_all_use_the_merged_frames(qtbot, with_aorta):
    models = with_aorta
    with qtbot.waitSignal(models.merge.changed):
        models.merge.merge(10, 30)
    image = models.study.image
    assert image.frame_count == 22
    assert models.views.image is image
    assert models.views.frames.timing == image.timing
    assert models.views.frames.text == f"frame 22 {DOT} 50{DASH}60 min"
    assert models.maps.frames_in_window == 3
    assert "22 frames" in study_subtitle(image)
    assert study_subtitle(image).endswith(f"{DOT} 10 min frames")
    result = compute(qtbot, models)
    (curve,) = models.curves.all.values()
    assert curve.curve.timing == image.timing
    assert models.input_function.input_function.curve.start_s.shape == (22,)
    assert result.maps.provenance.steps == image.steps
    assert result.summary == f"30{DASH}60 min {DOT} 10 min frames {DOT} IDIF"
    ki = result.maps.main.values[small_study.geometry().nearest_index(small_study.lesion_mm())]
    assert ki == pytest.approx(small_study.KI["lesion"], rel=0.1)
    qtbot.waitUntil(lambda: models.patlak_point.plot is not None)
    assert models.network.request().image is image
    models.export.set_folder(Path("out"))
    assert models.export.request().end_s == image.timing.end_s.max()


def test_that_a_map_of_other_frames_is_stale_and_fresh_again_as_acquired(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models)
    models.merge.merge(10, 30)
    assert models.results.get(PATLAK).is_stale
    qtbot.waitUntil(lambda: models.maps.why_not == "")  # the curve is read again
    assert models.results.get(PATLAK).is_stale
    assert models.views.layer("patlak").stale
    models.merge.use_acquired()
    assert not models.merge.is_merged
    assert models.study.image is models.study.series.image
    qtbot.waitUntil(lambda: not models.results.get(PATLAK).is_stale)
    assert models.views.frames.steps == ()


def test_that_merging_during_a_run_gives_a_stale_map(qtbot, with_aorta):
    models = with_aorta
    qtbot.waitUntil(lambda: not models.runner.tasks)
    models.maps.compute()
    models.merge.merge(10, 30)
    qtbot.waitUntil(lambda: not models.maps.is_running and models.maps.why_not == "")
    assert models.results.get(PATLAK).is_stale
    assert models.results.get(PATLAK).maps.provenance.steps == ()


def test_that_a_refused_merge_changes_nothing(opened):
    opened.merge.merge(10, 30)
    before = opened.study.image
    with pytest.raises(KiviewError, match="across the start"):
        opened.merge.merge(10, 32)
    assert opened.study.image is before
    assert (opened.merge.length_min, opened.merge.start_min) == (10.0, 30.0)


def test_that_merging_is_undone_and_redone_in_order_with_regions(with_aorta):
    models = with_aorta
    models.merge.merge(10, 30)
    models.rois.add(small_study.aorta(), "Second")
    models.merge.merge(20, 20)
    models.merge.merge(20, 20)  # nothing new
    seen = []
    for _ in range(3):
        models.undo.undo()
        seen.append((models.study.image.frame_count, len(models.rois.rois)))
    assert seen == [(22, 2), (22, 1), (25, 1)]
    models.undo.redo()
    assert models.study.image.frame_count == 22
    models.undo.redo()
    models.undo.redo()
    assert models.study.image.frame_count == 17 + 2
    assert (models.merge.length_min, models.merge.start_min) == (20.0, 20.0)


def test_that_two_frames_of_twenty_minutes_are_enough(qtbot, with_aorta):
    models = with_aorta
    models.merge.merge(20, 20)
    models.maps.set_window_min(20, 60)
    result = compute(qtbot, models)
    assert result.maps.provenance.settings["frames"] == [18, 19]
    ki = result.maps.main.values[small_study.geometry().nearest_index(small_study.lesion_mm())]
    assert ki == pytest.approx(small_study.KI["lesion"], rel=0.1)


def test_that_a_study_read_again_with_entered_values_stays_merged(qtbot, opened):
    opened.merge.merge(10, 30)
    with qtbot.waitSignal(opened.study.study_changed):
        opened.study.enter({"weight_kg": "70"})
    assert opened.study.image.frame_count == opened.views.image.frame_count == 22
    assert opened.merge.is_merged


def test_that_merging_and_entering_are_undone_and_redone_in_order(qtbot, opened):
    opened.study._open_job = small_study.obedient_job(small_study.study())

    def settled():
        qtbot.waitUntil(lambda: not opened.study.is_opening)
        return opened.study.image.frame_count, opened.overrides.values.get("weight_kg")

    opened.overrides.change({"weight_kg": 80.0})
    settled()
    opened.merge.merge(10, 30)
    opened.overrides.change({"weight_kg": 60.0})
    assert settled() == (22, 60.0)
    back, again = [], []
    while opened.undo.can_undo:
        opened.undo.undo()
        back.append(settled())
    while opened.undo.can_redo:
        opened.undo.redo()
        again.append(settled())
    assert back == [(22, 80.0), (25, 80.0), (25, None)]
    assert again == [(25, 80.0), (22, 80.0), (22, 60.0)]


def test_that_a_merge_forgets_values_that_were_taken_back(qtbot, opened):
    opened.study._open_job = small_study.obedient_job(small_study.study())
    opened.overrides.change({"weight_kg": 80.0})
    qtbot.waitUntil(lambda: not opened.study.is_opening)
    opened.undo.undo()
    qtbot.waitUntil(lambda: not opened.study.is_opening)
    assert opened.undo.can_redo
    opened.merge.merge(10, 30)
    assert not opened.undo.can_redo


def read_later(qtbot, opened):
    """Enter an injection time; the series that comes of it starts 100 s later."""
    study = small_study.study()
    image = study.series[0].image
    late = FrameTiming(image.timing.start_s + 100, image.timing.duration_s)
    series = replace(study.series[0], image=replace(image, timing=late))
    opened.study._open_job = small_study.open_job(replace(study, series=(series,)))
    with qtbot.waitSignal(opened.study.study_changed):
        opened.study.enter({"injection_time": "09:30:00"})
    return series


def test_that_a_merge_that_no_longer_fits_cannot_come_back(qtbot, opened):
    opened.merge.merge(10, 30)
    opened.merge.use_acquired()
    series = read_later(qtbot, opened)
    opened.merge.undo()
    assert opened.messages.current.text.startswith("The frames stay as they are. A frame runs")
    assert opened.study.image is series.image
    assert not opened.merge.can_undo


def test_that_frames_that_no_longer_fit_are_as_acquired_again_and_told(qtbot, opened):
    opened.merge.merge(10, 30)
    series = read_later(qtbot, opened)
    assert not opened.merge.is_merged
    assert opened.study.image is series.image
    assert opened.messages.current.text.startswith("The frames are as acquired again. A frame runs")


def two_series():
    study = small_study.study()
    one = study.series[0]
    still = replace(
        one.image,
        store=ScaledFrameStore(one.image.store.slab(0, 40, [24])),
        timing=one.image.timing.select([24]),
        series_uid="still",
    )
    other = replace(one, uid="other", image=replace(one.image, series_uid="other"))
    static = replace(one, uid="still", kind=SeriesKind.STATIC, image=still)
    return Study("1.2.3", study.patient, (one, other, static), source="small")


def test_that_each_series_has_frames_of_its_own(qtbot, opened):
    opened.study._open_job = small_study.open_job(two_series())
    with qtbot.waitSignal(opened.study.study_changed):
        opened.study.open_path(Path("small"))
    opened.merge.merge(10, 30)
    opened.study.show_series("other")
    assert opened.views.image.frame_count == opened.study.image.frame_count == 25
    assert not opened.merge.is_merged
    assert not opened.undo.can_undo
    opened.study.show_series("1.2.3.4")
    assert opened.views.image.frame_count == opened.study.image.frame_count == 22
    opened.study.show_series("still")
    assert "one frame; nothing to merge" in opened.merge.why_not
    with qtbot.waitSignal(opened.study.study_changed):
        opened.study.enter({"weight_kg": "70"})
    assert opened.study.series.uid == "still"
    opened.study.show_series("1.2.3.4")
    assert opened.views.image.frame_count == opened.study.image.frame_count == 22
    opened.study.show_series("other")
    opened.merge.merge(20, 20)
    with qtbot.waitSignal(opened.study.study_changed):
        opened.study.enter({"weight_kg": "71"})
    assert opened.study.series.uid == "other"
    assert opened.views.image.frame_count == opened.study.image.frame_count == 19


def test_that_another_study_starts_as_acquired(qtbot, opened):
    opened.merge.merge(10, 30)
    opened.study._open_job = small_study.open_job(small_study.study(uid="9.9"))
    with qtbot.waitSignal(opened.study.study_changed):
        opened.study.open_path(Path("other"))
    assert opened.study.image.frame_count == 25
    opened.study._open_job = small_study.open_job(small_study.study())
    with qtbot.waitSignal(opened.study.study_changed):
        opened.study.open_path(Path("small"))
    assert opened.study.image.frame_count == 25


def test_that_a_curve_being_read_from_other_frames_is_not_taken(qtbot, with_aorta, monkeypatch):
    models = with_aorta
    qtbot.waitUntil(lambda: not models.runner.tasks)
    started = []

    def slow(image, rois, progress):
        started.append(image)
        return read_curves(image, rois, progress)

    monkeypatch.setattr("kiview.viewmodels.curves.read_curves", slow)
    models.rois.add(small_study.aorta(), "Second")
    models.curves._settle.stop()
    models.curves._read_again()  # under way when the frames change
    models.merge.merge(10, 30)
    qtbot.waitUntil(lambda: len(started) > 1 and not models.curves.is_reading)
    counts = [len(curve.curve.mean) for curve in models.curves.all.values()]
    assert counts == [22, 22]
    assert np.isfinite(models.curves.all["region-2"].curve.mean).all()


def test_that_a_frame_made_of_many_large_ones_is_read_in_the_background():
    voxels = np.broadcast_to(np.int16(1), (40, 200, 2, 250))  # takes no memory
    store = MergedFrameStore(
        ScaledFrameStore(voxels), [range(35), (35,)], [np.ones(35), np.ones(1)]
    )
    grid = VolumeGeometry((200, 2, 250), small_study.geometry().affine_lps_mm)
    image = DynamicImage(store, grid, FrameTiming([0.0, 2100.0], [2100.0, 60.0]), ACTIVITY)
    assert FrameSource(image, (0,)).is_slow
    assert not FrameSource(image, (1,)).is_slow


def test_that_maps_of_merged_and_acquired_frames_are_told_apart(qtbot, with_aorta):
    models = with_aorta
    first = compute(qtbot, models)
    models.merge.merge(10, 30)
    second = compute(qtbot, models)
    assert first.input_key == second.input_key
    assert mismatches(first, second) == ("different frames",)
    assert mismatches(second, second) == ()
