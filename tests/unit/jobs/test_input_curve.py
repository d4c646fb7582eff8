"""The input function from what the user chose."""

import numpy as np
import pytest
from tests.helpers.results import oblique_geometry

from kiview.core.errors import InvalidInputError, MissingInformationError
from kiview.core.feng import feng_activity
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.input_function import InputSource
from kiview.core.progress import NullProgress
from kiview.core.roi import RoiMask
from kiview.core.suv import SuvScale
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY
from kiview.jobs.input_curve import (
    POPULATIONS,
    InputCurveRequest,
    build_input_function,
    region_curve,
)

START_S = np.arange(0.0, 3600.0, 300.0)
SCALE_BQML = 1500.0
FENG = POPULATIONS["feng-fdg"]


def image(suv_scale=None) -> DynamicImage:
    """Twelve 5-min frames; the first slice is blood: the Feng shape at mid-frame."""
    geometry = oblique_geometry((2, 3, 4))
    blood = SCALE_BQML * feng_activity((START_S + 150.0) / 60.0, FENG)
    values = np.zeros((12, 2, 3, 4), np.float32)
    values[:, 0] = blood[:, None, None]
    values[:, 1] = 0.1 * blood[:, None, None]
    timing = FrameTiming(START_S, np.full(12, 300.0))
    return DynamicImage(ScaledFrameStore(values), geometry, timing, ACTIVITY, suv_scale=suv_scale)


def blood(of) -> RoiMask:
    inside = np.zeros(of.geometry.shape_zyx, bool)
    inside[0] = True
    return RoiMask(inside, of.geometry, "aorta")


def build(source, **changes):
    study = image()
    record = {"blood": blood(study)} | changes
    return build_input_function(InputCurveRequest(study, source, **record), NullProgress())


def test_that_a_region_gives_the_sum_of_its_frames():
    curve = build(InputSource.IMAGE)
    means = SCALE_BQML * feng_activity((START_S + 150.0) / 60.0, FENG)
    assert float(curve.integral(3600.0)) == pytest.approx(300.0 * means.sum(), rel=1e-6)
    assert "region aorta" in curve.description


def test_that_a_population_curve_is_scaled_to_the_region_over_the_window():
    curve = build(InputSource.POPULATION, scale_window_s=(2400.0, 3600.0))
    late = 3000.0
    truth = SCALE_BQML * float(feng_activity(late / 60.0, FENG))
    assert float(curve.at(late)) == pytest.approx(truth, rel=2e-3)  # mid-frame against mean
    assert "40-60 min" in curve.description
    assert curve.findings == ()


def test_that_a_region_that_does_not_fall_like_the_population_is_told():
    study = image()
    rising = study.store.voxels * np.linspace(1, 9, 12, dtype=np.float32)[:, None, None, None]
    other = DynamicImage(ScaledFrameStore(rising), study.geometry, study.timing, study.quantity)
    request = InputCurveRequest(other, InputSource.POPULATION, blood(other))
    curve = build_input_function(request, NullProgress())
    assert any("falls" in finding for finding in curve.findings)


def test_that_dose_and_weight_scale_a_population_curve_without_a_region():
    study = image(SuvScale(2e-4))
    request = InputCurveRequest(study, InputSource.POPULATION)
    curve = build_input_function(request, NullProgress())
    assert float(curve.at(3600.0)) == pytest.approx(1.6 / 2e-4, rel=0.02)
    assert any("not measured" in finding for finding in curve.findings)


def test_that_nothing_to_scale_by_is_said():
    with pytest.raises(MissingInformationError, match="blood region or dose and weight") as caught:
        build(InputSource.POPULATION, blood=None)
    assert caught.value.fields == ("weight_kg", "dose_bq")


def test_that_a_file_is_read(tmp_path):
    path = tmp_path / "blood.tsv"
    path.write_text("time\tplasma_radioactivity\n0\t0\n100\t50\n", encoding="utf-8")
    curve = build(InputSource.SAMPLES, file=path)
    assert float(curve.at(50.0)) == 25


@pytest.mark.parametrize(("column", "factor"), [("plasma", 1.0), ("whole_blood", 1.1)])
def test_that_the_plasma_factor_multiplies_whole_blood_and_never_plasma(tmp_path, column, factor):
    path = tmp_path / "blood.tsv"
    path.write_text(f"time\t{column}_radioactivity\n0\t0\n100\t50\n", encoding="utf-8")
    curve = build(InputSource.SAMPLES, file=path, plasma_factor=1.1)
    assert float(curve.at(50.0)) == pytest.approx(25 * factor)


def test_that_the_plasma_factor_multiplies_the_curve():
    assert float(build(InputSource.IMAGE, plasma_factor=1.1).at(1000.0)) == pytest.approx(
        1.1 * float(build(InputSource.IMAGE).at(1000.0))
    )


@pytest.mark.parametrize(
    ("source", "changes", "told"),
    [
        (InputSource.IMAGE, {"blood": None}, "region in blood"),
        (InputSource.SAMPLES, {}, "curve file"),
        (InputSource.POPULATION, {"population": "nobody"}, "'nobody'; KiView has feng-fdg"),
    ],
)
def test_that_a_missing_choice_is_named(source, changes, told):
    with pytest.raises(InvalidInputError, match=told):
        build(source, **changes)


def test_that_a_region_curve_says_what_it_averages():
    study = image()
    tac = region_curve(study, blood(study), NullProgress())
    assert tac.voxel_count == 12
    np.testing.assert_allclose(tac.std, 0, atol=0.05)
