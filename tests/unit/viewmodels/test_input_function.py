"""Where the input function comes from and what follows."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers import small_study

from kiview.core.input_function import InputSource
from kiview.core.progress import NullProgress
from kiview.core.roi_shapes import Sphere
from kiview.io.dicom_frames import stand_in_timing
from kiview.jobs.input_curve import InputCurveRequest, build_input_function
from kiview.viewmodels.curves import TIMES_UNKNOWN


def test_that_without_a_region_the_first_step_is_told(opened):
    assert opened.input_function.input_function is None
    assert "aorta" in opened.input_function.problem


def test_that_the_region_gives_the_blood_curve_of_the_phantom(with_aorta):
    found = with_aorta.input_function.input_function
    truth = small_study.blood()
    late_s = np.array([1950.0, 2550.0, 3450.0])
    np.testing.assert_allclose(found.at(late_s), truth.at(late_s), rtol=0.02)
    # The first frames are 10 s long, the curve peaks within one: the integral is what counts.
    np.testing.assert_allclose(found.integral(3600.0), truth.integral(3600.0), rtol=0.02)


def test_that_a_region_named_after_blood_is_taken_before_others(qtbot, opened):
    opened.rois.add(Sphere(small_study.lesion_mm(), 10.0), "Lesion")
    opened.rois.add(small_study.aorta(), "My aorta")
    qtbot.waitUntil(lambda: len(opened.curves.all) == 2)
    assert opened.rois.roi(opened.input_function.roi_id).name == "My aorta"


def test_that_the_population_curve_is_scaled_to_the_region(with_aorta):
    model = with_aorta.input_function
    model.use_source(InputSource.POPULATION)
    found = model.input_function
    assert found.source is InputSource.POPULATION
    truth = small_study.blood()
    np.testing.assert_allclose(
        found.frame_mean(1800, 1800),
        truth.integral(3600.0) / 1800 - truth.integral(1800.0) / 1800,
        rtol=0.03,
    )
    assert "simulation" in model.status


def test_that_another_scaling_window_gives_another_identity_only_where_it_matters(with_aorta):
    model = with_aorta.input_function
    before = model.identity
    model.set_scale_window_min(20, 50)
    assert model.identity == before  # image-derived from the injection on: not scaled
    model.use_source(InputSource.POPULATION)
    scaled = model.identity
    model.set_scale_window_min(30, 60)
    assert model.identity != scaled


def test_that_the_plasma_factor_scales_the_curve_and_changes_the_identity(with_aorta):
    model = with_aorta.input_function
    before, whole_blood = model.identity, model.input_function.at(1800.0)
    model.set_plasma_factor(1.1)
    assert model.input_function.at(1800.0) == pytest.approx(1.1 * whole_blood)
    assert model.identity != before


def test_that_undo_of_a_move_gives_the_old_identity_back(qtbot, with_aorta):
    models = with_aorta
    before = models.input_function.identity
    roi = models.rois.rois[0]
    models.rois.reshape(roi.roi_id, roi.shape.moved((0, 0, 5)))
    qtbot.waitUntil(lambda: models.input_function.identity != before)
    models.rois.undo()
    qtbot.waitUntil(lambda: models.input_function.identity == before)


def test_that_a_region_outside_the_image_is_told(qtbot, opened):
    opened.rois.add(Sphere((5000.0, 0.0, 0.0), 3.0), "Aorta")
    qtbot.waitUntil(lambda: "no voxel" in opened.input_function.problem)


def test_that_a_curve_file_is_used_and_its_failure_told(qtbot, with_aorta, tmp_path):
    models = with_aorta
    samples = replace(models.input_function.input_function, source=InputSource.SAMPLES)
    models.input_function._read_curve = lambda _path, _progress: samples
    models.input_function.load_file(tmp_path / "blood.tsv")
    qtbot.waitUntil(lambda: models.input_function.source is InputSource.SAMPLES)
    assert models.input_function.input_function is samples
    assert "blood.tsv" in models.input_function.identity


def test_that_a_file_that_is_missing_is_a_sentence_in_the_banner(qtbot, with_aorta, tmp_path):
    with_aorta.input_function.load_file(tmp_path / "nothing.tsv")
    qtbot.waitUntil(lambda: with_aorta.messages.current is not None)
    assert "nothing.tsv" in with_aorta.messages.current.text
    assert with_aorta.input_function.source is InputSource.IMAGE


@pytest.mark.parametrize("source", [InputSource.IMAGE, InputSource.POPULATION])
def test_that_the_window_makes_the_input_function_of_the_command_line(with_aorta, source):
    model = with_aorta.input_function
    model.use_source(source)
    model.set_plasma_factor(1.1)
    image = with_aorta.study.image
    blood = with_aorta.rois.roi(model.roi_id).rasterise(image.geometry)
    request = InputCurveRequest(image, source, blood, plasma_factor=1.1)
    expected = build_input_function(request, NullProgress())
    times_s = np.array([40.0, 900.0, 3000.0])
    np.testing.assert_allclose(model.input_function.at(times_s), expected.at(times_s))
    np.testing.assert_allclose(model.input_function.integral(times_s), expected.integral(times_s))
    assert model.input_function.findings == expected.findings


def test_that_there_is_neither_input_function_nor_plot_over_unknown_times(qtbot, with_aorta):
    count = with_aorta.study.image.frame_count
    with_aorta.study.use_merged(small_study.image(timing=stand_in_timing(count)))
    model, point = with_aorta.input_function, with_aorta.patlak_point
    qtbot.waitUntil(lambda: model.problem == TIMES_UNKNOWN)
    assert model.input_function is None
    model.use_source(InputSource.POPULATION)
    assert model.problem == TIMES_UNKNOWN
    model.input_function = small_study.found_blood()  # one that needs no region
    point._update()
    assert (point.plot, point.problem) == (None, TIMES_UNKNOWN)
