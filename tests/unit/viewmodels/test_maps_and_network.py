"""Runs: readiness, results, staleness, comparison."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import small_study
from tests.helpers.network_runs import compute, in_place_of_networks, settled

from kiview import application
from kiview.core.errors import InvalidInputError, NetworkError
from kiview.core.images import ScaledFrameStore
from kiview.core.patlak import Weighting
from kiview.viewmodels.results import NETWORK, PATLAK
from kiview.viewmodels.views import DIFFERENCE_KEY


@pytest.fixture
def jobs(jobs, fake_preview):
    return in_place_of_networks(jobs, fake_preview)


def test_that_patlak_finds_the_ki_of_the_phantom(qtbot, with_aorta):
    result = compute(qtbot, with_aorta, PATLAK)
    geometry = small_study.geometry()
    ki = result.maps.main.values[geometry.nearest_index(small_study.lesion_mm())]
    assert ki == pytest.approx(small_study.KI["lesion"], rel=0.1)  # 2 % noise in ten frames
    assert result.summary == "30\N{EN DASH}60 min \N{MIDDLE DOT} IDIF"
    assert not result.is_stale


def test_that_a_ki_is_told_with_its_standard_error_and_other_quantities_are_not(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, PATLAK)
    error = models.results.get(PATLAK).maps.by_code("KiSE")
    here = error.geometry.nearest_index(models.views.link.cursor_lps_mm)
    assert models.views.readouts()[1].text.endswith(f" ± {error.values[here]:.4f}")
    models.columns.show_quantity("V0")
    assert "±" not in models.views.readouts()[1].text


@pytest.mark.parametrize(
    "change",
    [
        lambda models: models.maps.set_window_min(20, 60),
        lambda models: models.maps.set_weighting(Weighting.LINEAR),
        lambda models: models.input_function.set_plasma_factor(1.05),
        lambda models: models.rois.delete(models.rois.rois[0].roi_id),
    ],
    ids=["window", "weighting", "factor", "region"],
)
def test_that_any_changed_input_makes_the_map_stale(qtbot, with_aorta, change):
    compute(qtbot, with_aorta, PATLAK)
    change(with_aorta)
    qtbot.waitUntil(lambda: with_aorta.results.get(PATLAK).is_stale)


def test_that_files_changed_on_disk_make_the_map_stale_and_block_export(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, PATLAK)
    models.export.set_folder(Path("out"))
    changed = replace(small_study.study(), fingerprint="of other files")
    models.study._open_job = small_study.open_job(changed)
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    qtbot.waitUntil(lambda: models.maps.why_not == "" and not models.curves.is_reading)
    assert models.results.get(PATLAK).is_stale
    assert "out of date" in models.maps.status
    assert "out of date" in models.export.why_not


def test_that_the_same_series_with_more_slices_is_shown_whole_beside_its_stale_map(
    qtbot, with_aorta
):
    models = with_aorta
    compute(qtbot, models, PATLAK)
    study, grid = small_study.study(), small_study.geometry()
    taller = replace(grid, shape_zyx=(grid.shape_zyx[0] + 2, *grid.shape_zyx[1:]))
    voxels = np.pad(small_study.frames(), ((0, 0), (0, 2), (0, 0), (0, 0)))
    image = replace(study.series[0].image, store=ScaledFrameStore(voxels), geometry=taller)
    series = replace(study.series[0], image=image)
    more = replace(study, series=(series,), fingerprint="of more files")
    models.study._open_job = small_study.open_job(more)
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    top = taller.to_lps_mm((taller.shape_zyx[0] - 1, 12, 16))
    models.views.link.set_cursor(top)
    np.testing.assert_allclose(models.views.link.cursor_lps_mm, top)
    assert models.views.layer("patlak").stale


def test_that_a_map_is_never_computed_again_without_being_asked(qtbot, with_aorta):
    before = compute(qtbot, with_aorta, PATLAK)
    with_aorta.maps.set_window_min(20, 60)
    qtbot.wait(60)
    assert with_aorta.results.get(PATLAK).maps is before.maps


def test_that_an_input_changed_during_the_run_gives_a_stale_map(qtbot, with_aorta):
    models = with_aorta
    models.maps.compute()
    models.maps.set_window_min(20, 60)
    qtbot.waitUntil(lambda: not models.maps.is_running)
    assert models.results.get(PATLAK).is_stale


def test_that_an_empty_window_is_refused_and_nothing_changes(with_aorta):
    with pytest.raises(InvalidInputError):
        with_aorta.maps.set_window_min(60, 30)
    assert with_aorta.maps.start_min == 30


def test_that_too_few_frames_are_told_before_computing(with_aorta):
    with_aorta.maps.set_window_min(58, 60)
    assert "two" in with_aorta.maps.why_not


def test_that_the_network_runs_with_the_same_window_and_input(qtbot, with_aorta):
    patlak = compute(qtbot, with_aorta, PATLAK)
    network = compute(qtbot, with_aorta, NETWORK)
    assert network.input_key == patlak.input_key
    assert network.window_s == patlak.window_s
    assert with_aorta.network.device == "CPU"


def test_that_moving_the_slider_says_modified_and_makes_only_the_network_stale(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, PATLAK)
    compute(qtbot, models, NETWORK)
    assert not models.network.is_modified
    models.network.set_position(0.25)
    assert models.network.is_modified
    assert models.results.get(NETWORK).is_stale
    assert not models.results.get(PATLAK).is_stale
    models.network.reset()
    assert not models.network.is_modified
    assert not models.results.get(NETWORK).is_stale


def test_that_a_map_of_modified_weights_says_so_in_its_column(qtbot, with_aorta):
    with_aorta.network.set_position(0.25)
    compute(qtbot, with_aorta, NETWORK)
    assert with_aorta.views.layer(NETWORK).modified


def test_that_the_tie_switch_makes_the_network_stale(qtbot, with_aorta):
    compute(qtbot, with_aorta, NETWORK)
    with_aorta.network.set_tied(False)
    assert with_aorta.results.get(NETWORK).is_stale


def test_that_an_untied_map_says_so_in_its_column_and_its_difference(qtbot, with_aorta):
    compute(qtbot, with_aorta, PATLAK)
    compute(qtbot, with_aorta, NETWORK)
    assert with_aorta.views.layer(NETWORK).marks == ()
    with_aorta.network.set_tied(False)
    assert with_aorta.network.marks == ("UNTIED",)
    compute(qtbot, with_aorta, NETWORK)
    with_aorta.views.show_difference(True)
    assert with_aorta.views.layer(NETWORK).marks == ("UNTIED",)
    assert with_aorta.views.layer(DIFFERENCE_KEY).marks == ("UNTIED",)
    assert with_aorta.views.layer(PATLAK).marks == ()


def test_that_undo_and_reset_bring_the_tie_back(with_aorta):
    network = with_aorta.network
    network.set_position(0.25)
    network.set_tied(False)
    assert network.marks == ("MODIFIED", "UNTIED")
    with_aorta.undo.undo()
    assert (network.is_tied, network.position) == (True, 0.25)
    with_aorta.undo.redo()
    assert not network.is_tied
    network.reset()
    assert not network.is_changed
    assert network.marks == ()
    with_aorta.undo.undo()
    assert (network.is_tied, network.position) == (False, 0.25)
    network.set_position(network.shipped_position)
    assert not network.is_modified
    assert network.is_changed


def test_that_a_refusing_network_is_a_sentence_and_leaves_the_old_map(qtbot, with_aorta):
    def refuse(_request, _progress):
        raise NetworkError("This network was trained on FDG.")

    with_aorta.network._job = refuse
    assert compute(qtbot, with_aorta, NETWORK) is None
    assert with_aorta.messages.current.text == "This network was trained on FDG."


@pytest.mark.parametrize("method", [PATLAK, NETWORK])
def test_that_a_run_that_succeeds_takes_back_what_was_told_of_the_one_before(
    qtbot, with_aorta, method
):
    def refuse(_request, _progress):
        raise NetworkError("The file model.onnx cannot be read.")

    models = with_aorta
    owner = models.maps if method == PATLAK else models.network
    job, owner._job = owner._job, refuse
    compute(qtbot, models, method)
    assert models.messages.current is not None
    owner._job = job
    compute(qtbot, models, method)
    assert models.messages.current is None
    models.messages.show("The weights are saved in mine.json.")
    compute(qtbot, models, method)
    assert models.messages.current is not None


def test_that_without_networks_the_reason_is_told(qapp, jobs):  # noqa: ARG001
    models = application.build_models(jobs)
    models.network.refuse("The catalogue is damaged.")
    assert models.network.why_not == "The catalogue is damaged."


def test_that_both_maps_are_compared_over_body_and_regions(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, PATLAK)
    assert models.agreement.comparison is None
    compute(qtbot, models, NETWORK)
    qtbot.waitUntil(lambda: models.agreement.comparison is not None)
    rows = models.agreement.comparison.rows
    assert [row.name for row in rows] == ["Body", "Aorta"]
    assert models.agreement.mismatches == ()


def test_that_maps_that_become_stale_are_not_compared_again(qtbot, with_aorta):
    models, started = with_aorta, []
    compute(qtbot, models, PATLAK)
    compute(qtbot, models, NETWORK)
    qtbot.waitUntil(lambda: not models.runner.tasks)
    before = models.agreement.comparison
    models.runner.started.connect(lambda task: started.append(task.title))
    with qtbot.waitSignal(models.agreement.changed):
        models.network.set_position(0.5)
    assert models.agreement.warnings.endswith("STALE")
    settled(qtbot, models)
    assert models.agreement.comparison is before
    assert "Comparing maps" not in started
    models.rois.add(small_study.aorta(), "Second")
    qtbot.waitUntil(lambda: len(models.agreement.comparison.rows) == 3)


def test_that_maps_of_the_study_before_are_not_compared_over_the_next_one(
    qtbot, with_aorta, tmp_path
):
    models, started = with_aorta, []
    compute(qtbot, models, PATLAK)
    compute(qtbot, models, NETWORK)
    qtbot.waitUntil(lambda: not models.runner.tasks)
    models.runner.started.connect(lambda task: started.append(task.title))
    models.study._open_job = small_study.open_job(small_study.study(uid="5.6.7.8"))
    models.study.open_path(tmp_path)
    qtbot.waitUntil(lambda: models.study.path == tmp_path and not models.runner.tasks)
    assert models.results.all == ()
    assert "Comparing maps" not in started


def test_that_a_comparison_stopped_by_the_user_is_made_at_the_next_chance(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, PATLAK)
    stopped = []

    def stop_the_first(task):
        if task.title == "Comparing maps" and not stopped:
            stopped.append(task)
            task.cancel()

    models.runner.started.connect(stop_the_first)
    models.network.compute()
    qtbot.waitUntil(lambda: bool(stopped) and not models.runner.tasks)
    assert models.agreement.comparison is None
    models.network.set_position(0.5)
    qtbot.waitUntil(lambda: models.agreement.comparison is not None)


def test_that_patlak_of_the_same_frames_always_stands_beside_the_network(qtbot, with_aorta):
    models = with_aorta
    runs = []
    models.runner.started.connect(lambda task: runs.append(task.title))
    compute(qtbot, models, NETWORK)
    qtbot.waitUntil(lambda: models.agreement.comparison is not None)
    assert [layer.key for layer in models.views.layers][:3] == ["image", PATLAK, NETWORK]
    models.network.set_position(0.5)
    compute(qtbot, models, NETWORK)
    assert runs.count("Patlak Ki") == 1  # weights do not touch it
    models.input_function.set_plasma_factor(1.1)
    assert models.results.get(PATLAK).is_stale
    compute(qtbot, models, NETWORK)
    qtbot.waitUntil(lambda: not models.results.get(PATLAK).is_stale)
    qtbot.waitUntil(lambda: models.agreement.comparison is not None)
    assert models.agreement.mismatches == ()


def test_that_maps_of_different_input_functions_are_labelled(qtbot, with_aorta):
    models = with_aorta
    compute(qtbot, models, NETWORK)
    models.input_function.set_plasma_factor(1.1)
    compute(qtbot, models, PATLAK)
    qtbot.waitUntil(lambda: models.agreement.comparison is not None)
    assert models.agreement.mismatches == ("different input functions",)
    assert "different input functions" in models.views.layer(NETWORK).note


def test_that_columns_show_another_quantity_on_demand(qtbot, with_aorta):
    compute(qtbot, with_aorta, PATLAK)
    with_aorta.columns.show_quantity("V0")
    assert with_aorta.views.layer(PATLAK).quantity.code == "V0"


def test_that_the_patlak_plot_follows_the_cursor_and_the_selected_region(qtbot, with_aorta):
    models = with_aorta
    models.rois.select(None)
    models.views.link.set_cursor(small_study.lesion_mm())
    qtbot.waitUntil(lambda: models.patlak_point.plot is not None)
    qtbot.waitUntil(lambda: models.patlak_point.plot.ki == pytest.approx(0.03, rel=0.1))
    models.rois.select(models.rois.rois[0].roi_id)
    qtbot.waitUntil(lambda: models.patlak_point.name == "Aorta")
    assert models.patlak_point.plot.ki == pytest.approx(0.0, abs=1e-6)
    assert models.patlak_point.plot.v0 == pytest.approx(1.0, abs=1e-3)


def test_that_looking_at_another_series_keeps_the_maps_of_the_first(qtbot, with_aorta):
    models = with_aorta
    before = compute(qtbot, models, PATLAK)
    first = models.study.series
    other = replace(first, uid="9.8.7", image=small_study.image(series_uid="9.8.7"))
    models.study.study = replace(models.study.study, series=(first, other))
    models.study.show_series("9.8.7")
    assert models.results.get(PATLAK) is None
    assert models.views.layer(PATLAK) is None
    models.study.show_series(first.uid)
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    assert models.results.get(PATLAK).maps is before.maps
    assert not models.results.get(PATLAK).is_stale
    assert models.views.layer(PATLAK) is not None


def test_that_a_static_series_says_why_there_is_no_ki(opened):
    models = opened
    frames = models.study.image.store.slab(0, 40, [0])
    still = small_study.image(
        store=type(models.study.image.store)(frames),
        timing=models.study.image.timing.select([0]),
        series_uid="5.5",
    )
    series = replace(models.study.series, uid="5.5", image=still)
    models.study.study = replace(models.study.study, series=(models.study.series, series))
    models.study.show_series("5.5")
    assert "one frame" in models.input_function.problem
    assert "one frame" in models.maps.why_not


def test_that_a_change_of_weights_is_undone_and_done_again(with_aorta):
    network = with_aorta.network
    shipped = network.weights
    network.set_position(0.25)
    network.set_image_blend(0.5)
    changed = network.weights
    network.undo()
    assert network.weights == replace(changed, image_blend=0.0)
    network.undo()
    assert network.weights == shipped
    assert not network.can_undo
    network.redo()
    network.redo()
    assert network.weights == changed
    network.reset()
    network.undo()
    assert network.weights == changed


def test_that_a_dragged_slider_is_one_step_to_undo(with_aorta):
    network = with_aorta.network
    for position in (0.9, 0.8, 0.7, 0.6):
        network.set_position(position)
    network.undo()
    assert network.weights.position == network.shipped_position
    assert not network.can_undo
