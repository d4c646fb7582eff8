"""Dynamic images, curves, maps and their comparison."""

import numpy as np
import pytest

from kiview.core.agreement import agreement, body_mask
from kiview.core.errors import GeometryMismatchError, InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, FrameStore, MapSet, ParametricMap, ScaledFrameStore
from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.core.provenance import Provenance
from kiview.core.resample import resample
from kiview.core.roi import RoiMask
from kiview.core.study import (
    Finding,
    PatientInfo,
    Series,
    SeriesKind,
    Study,
    Verdict,
)
from kiview.core.suv import SuvScale
from kiview.core.tac import TimeActivityCurve, extract
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY, COUNTS, KI, SUV_BW, V0


def grid(shape=(4, 3, 2), spacing=(3.0, 2.0, 1.0)):
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = spacing
    affine[3, 3] = 1
    return VolumeGeometry(shape, affine)


def stored(dtype=np.int16):
    rng = np.random.default_rng(1)
    voxels = rng.integers(0, 1000, (5, 4, 3, 2)).astype(dtype)
    slope = rng.uniform(0.1, 2, (5, 4))
    return voxels, slope, ScaledFrameStore(voxels, slope)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32])
def test_that_every_way_of_reading_gives_stored_value_times_slope(dtype):
    voxels, slope, store = stored(dtype)
    truth = voxels * slope[:, :, None, None]
    np.testing.assert_allclose(store.frame(3), truth[3], rtol=1e-6)
    np.testing.assert_allclose(store.slab(1, 3, [0, 4]), truth[[0, 4], 1:3], rtol=1e-6)
    np.testing.assert_allclose(store.slab(0, 4), truth, rtol=1e-6)
    for axis, plane in enumerate((truth[2, 1], truth[2, :, 1], truth[2, :, :, 1])):
        np.testing.assert_allclose(store.plane(axis, 1, 2), plane, rtol=1e-6)
        assert store.plane(axis, 1, 2).dtype == np.float32
    for frames in (np.array([1, 2, 3]), np.array([4, 0])):
        plane, factor, offset = store.stored_slice(2, frames)
        assert plane.dtype == dtype
        scaled = plane * factor[:, None, None] + offset[:, None, None]
        np.testing.assert_allclose(scaled, truth[frames, 2])
    mask = np.random.default_rng(2).random((4, 3, 2)) > 0.5
    np.testing.assert_allclose(store.curve(mask)[0], truth[:, mask].mean(axis=1))
    np.testing.assert_allclose(store.curve(mask)[1], truth[:, mask].std(axis=1))


def test_that_an_intercept_is_added_after_the_slope():
    voxels, _, _ = stored()
    store = ScaledFrameStore(voxels, 2.0, np.arange(5.0)[:, None])
    truth = voxels * 2.0 + np.arange(5.0)[:, None, None, None]
    np.testing.assert_allclose(store.frame(4), truth[4])
    np.testing.assert_allclose(store.plane(0, 2, 3), truth[3, 2])
    np.testing.assert_allclose(store.plane(2, 1, 3), truth[3, :, :, 1])


class DoubledStore(FrameStore):
    """A store with nothing but what every store must have: twice another one."""

    def __init__(self, store):
        self._store = store

    @property
    def shape_tzyx(self):
        return self._store.shape_tzyx

    def slab(self, z0, z1, frames=None):
        return 2 * self._store.slab(z0, z1, frames)

    def plane(self, axis, index, t):
        return 2 * self._store.plane(axis, index, t)

    def curve(self, mask_zyx):
        raise NotImplementedError


def test_that_single_voxels_are_read_by_any_store():
    voxels, slope, store = stored()
    index = np.array([[0, 1, 1], [3, 2, 0], [1, 0, 1]])
    truth = [voxels[2, z, y, x] * slope[2, z] for z, y, x in index]
    np.testing.assert_allclose(store.voxels_at(index, 2), truth, rtol=1e-6)
    np.testing.assert_allclose(DoubledStore(store).voxels_at(index, 2), 2 * np.array(truth), 1e-6)
    plane, factor, offset = DoubledStore(store).stored_slice(1, np.array([0, 3]))
    np.testing.assert_allclose(plane * factor[:, None, None] + offset[:, None, None], plane)
    np.testing.assert_allclose(plane, 2 * store.slab(1, 2, [0, 3])[:, 0])


def test_that_a_store_knows_whether_it_reads_from_disk(tmp_path):
    _, _, store = stored()
    mapped = np.memmap(tmp_path / "frames", np.int16, "w+", shape=(2, 3, 4, 5))
    assert ScaledFrameStore(mapped).is_on_disk
    assert not store.is_on_disk
    assert not DoubledStore(store).is_on_disk


def test_that_plain_float_frames_are_handed_out_without_a_copy():
    voxels = np.ones((5, 4, 3, 2), np.float32)
    store = ScaledFrameStore(voxels)
    assert np.shares_memory(store.slab(0, 4, [1, 2, 3]), voxels)
    with pytest.raises(ValueError, match="read-only"):
        store.frame(0)[:] = 0
    np.testing.assert_array_equal(store.slab(0, 4, [0, 2]), voxels[[0, 2]])


def test_that_a_three_dimensional_array_is_no_dynamic_image():
    with pytest.raises(InvalidInputError, match="needs"):
        ScaledFrameStore(np.zeros((2, 2, 2)))


def image(quantity=ACTIVITY, timing=None, **named):
    _, _, store = stored()
    times = timing or FrameTiming(60.0 * np.arange(5), np.full(5, 60.0))
    return DynamicImage(store, grid(), times, quantity, **named)


def test_that_slabs_cover_every_slice_once():
    slabs = list(image().slabs(frame_count=5, slab_bytes=4 * 6 * 5 * 3))
    assert [(slab.z0, slab.z1) for slab in slabs] == [(0, 3), (3, 4)]
    assert slabs[1].fraction == 0.75


def test_that_suv_needs_activity_with_a_scale_or_suv_voxels():
    assert image(suv_scale=SuvScale(2e-4)).suv_factor == 2e-4
    assert image(SUV_BW).suv_factor == 1
    assert image().suv_factor is None
    assert image(COUNTS, suv_scale=SuvScale(1.0)).suv_factor is None


@pytest.mark.parametrize(
    ("timing", "sentence"),
    [
        (FrameTiming([0], [1]), "frame table lists 1"),
        (FrameTiming(np.arange(5.0)[:, None] * [1, 1], np.ones((5, 2))), "per slice"),
    ],
)
def test_that_times_that_do_not_fit_the_voxels_are_refused(timing, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        image(timing=timing)


def test_that_a_geometry_that_does_not_fit_the_voxels_is_refused():
    _, _, store = stored()
    with pytest.raises(InvalidInputError, match="geometry describes"):
        DynamicImage(store, grid((4, 3, 3)), FrameTiming([0], [1]), ACTIVITY)


def test_that_a_region_curve_averages_its_voxels_and_slice_times():
    start = 100.0 * np.arange(5)[:, None] + np.array([0, 10, 20, 30])
    dynamic = image(timing=FrameTiming(start, np.full((5, 4), 10.0)))
    inside = np.zeros((4, 3, 2), bool)
    inside[0, 0, 0] = inside[1, :2, 0] = True
    mask = RoiMask(inside, grid(), "Aorta")
    curve = extract(dynamic, mask)
    truth = dynamic.store.slab(0, 4)[:, inside].mean(axis=1)
    np.testing.assert_allclose(curve.mean, truth, rtol=1e-6)
    np.testing.assert_allclose(curve.timing.start_s, 100 * np.arange(5) + 20 / 3)
    assert curve.voxel_count == mask.voxel_count == 3
    assert mask.volume_ml == pytest.approx(0.018)


def test_that_a_region_on_another_grid_gives_no_curve():
    other = RoiMask(np.ones((4, 3, 2), bool), grid(spacing=(3, 2, 1.1)), "Aorta")
    with pytest.raises(GeometryMismatchError, match="another grid"):
        extract(image(), other)


def test_that_empty_or_misfitting_masks_are_refused():
    with pytest.raises(InvalidInputError, match="no voxel centre"):
        RoiMask(np.zeros((4, 3, 2), bool), grid())
    with pytest.raises(GeometryMismatchError, match="its grid has"):
        RoiMask(np.ones((4, 3, 3), bool), grid())


def test_that_a_curve_needs_one_value_per_frame():
    with pytest.raises(InvalidInputError, match="one value"):
        TimeActivityCurve(FrameTiming([0, 1], [1, 1]), [1.0], [1.0], 1, ACTIVITY)
    with pytest.raises(InvalidInputError, match="standard deviation"):
        TimeActivityCurve(FrameTiming([0, 1], [1, 1]), [1.0, 2.0], [1.0], 1, ACTIVITY)


def parametric_map(values, quantity=KI):
    return ParametricMap(
        np.asarray(values, np.float32), quantity, grid(), Provenance("patlak", "KiView 0")
    )


def test_that_a_map_counts_voxels_without_a_value_and_a_run_finds_its_maps():
    values = np.zeros((4, 3, 2))
    values[0, 0] = np.nan
    run = MapSet((parametric_map(values), parametric_map(values + 1, V0)))
    assert run.main.unfitted_count == 2
    assert run.by_code("V0").quantity is V0
    assert run.provenance.method == "patlak"
    with pytest.raises(InvalidInputError, match="no K1"):
        run.by_code("K1")
    with pytest.raises(InvalidInputError, match="no result"):
        MapSet(())
    with pytest.raises(InvalidInputError, match="does not fit"):
        parametric_map(np.zeros((1, 3, 2)))


def test_that_provenance_becomes_plain_json():
    record = Provenance("network", "KiView 1", {"a": 0.5}, modified=True).to_dict()
    assert record["settings"] == {"a": 0.5}
    assert record["weights_modified"] is True
    assert (record["computed_at"], record["operator"]) == ("", "")  # nobody told


def test_that_agreement_numbers_equal_their_definitions():
    rng = np.random.default_rng(5)
    a = rng.normal(0.03, 0.01, (4, 3, 2)).astype(np.float32)
    b = (1.1 * a + rng.normal(0, 0.002, a.shape)).astype(np.float32)
    b[0, 0, 0] = np.nan
    result = agreement(a, b, np.ones(a.shape, bool), "body")
    x, y = a.ravel()[1:].astype(float), b.ravel()[1:].astype(float)
    assert result.voxel_count == 23
    assert result.bias == pytest.approx(np.mean(y - x))
    assert result.bias_percent == pytest.approx(100 * np.mean(y - x) / x.mean())
    assert result.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert result.upper_limit - result.lower_limit == pytest.approx(2 * 1.959964 * np.std(y - x))
    concordance = (
        2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    )
    assert result.concordance == pytest.approx(concordance)
    assert str(KI) == "Ki [mL/min/mL]"


def test_that_constant_maps_have_no_correlation_and_empty_regions_are_refused():
    flat = np.zeros((4, 3, 2), np.float32)
    result = agreement(flat, flat, np.ones(flat.shape, bool), "body")
    assert np.isnan([result.correlation, result.concordance, result.bias_percent]).all()
    with pytest.raises(InvalidInputError, match="No voxel"):
        agreement(flat, flat, np.zeros(flat.shape, bool), "lesion")


def test_that_a_mean_no_larger_than_its_error_gives_no_percentage():
    around_zero = np.linspace(-1, 1.001, 24, dtype=np.float32).reshape(4, 3, 2)
    result = agreement(around_zero, around_zero + 1, np.ones((4, 3, 2), bool), "blood")
    assert np.isnan(result.bias_percent)
    assert result.bias == pytest.approx(1)


def test_that_resampling_a_linear_image_is_exact_and_outside_is_nan():
    source, target = grid((6, 7, 8)), grid((3, 3, 5), (4.5, 3.3, 1.6))
    z, y, x = np.indices(source.shape_zyx)
    values = (0.5 * 3 * z - 2 * y + 3.0 * x).astype(np.float32)
    moved = resample(values, source, target)
    position = target.to_lps_mm(np.moveaxis(np.indices(target.shape_zyx), 0, -1))
    truth = 3 * position[..., 0] - position[..., 1] + 0.5 * position[..., 2]
    np.testing.assert_allclose(moved, truth, atol=1e-4)
    assert resample(values, source, source) is values
    assert np.isnan(resample(values, source, grid((9, 7, 8)))[-1]).all()


def test_that_the_body_is_found_and_air_is_not():
    activity = np.zeros((3, 6, 40, 40), np.float32)
    activity[:, :, 10:30, 8:32] = 100
    activity[:, :, 18:22, 18:22] = 2  # a cold hole inside
    activity += np.random.default_rng(0).normal(0, 1, activity.shape).astype(np.float32)
    timing = FrameTiming(60.0 * np.arange(3), np.full(3, 60.0))
    body = body_mask(DynamicImage(ScaledFrameStore(activity), grid((6, 40, 40)), timing, ACTIVITY))
    assert body[:, 12:28, 10:30].all()
    assert not body[:, :7].any()
    assert not body_mask(
        DynamicImage(ScaledFrameStore(0 * activity), grid((6, 40, 40)), timing, ACTIVITY)
    ).any()


def test_that_a_series_is_as_good_as_its_worst_finding_and_the_main_one_has_most_frames():
    findings = (
        Finding("weight-missing", "No weight.", suv=Verdict.REFUSED),
        Finding("times", "Check.", suv=Verdict.CONFIRM, kinetics=Verdict.CONFIRM),
    )
    dynamic = Series("1", SeriesKind.DYNAMIC, "PT", "", image(), findings)
    assert (dynamic.suv_verdict, dynamic.kinetics_verdict) == (Verdict.REFUSED, Verdict.CONFIRM)
    empty = Series("2", SeriesKind.OTHER, "SR", "", None)
    assert empty.suv_verdict is Verdict.READY
    assert Study("1", PatientInfo(), (empty, dynamic)).main_series is dynamic
    assert Study("1", PatientInfo(), (empty,)).main_series is None


def test_that_parts_of_progress_map_to_their_range_and_a_stop_request_stops():
    told = []
    stop = False
    progress = CallbackProgress(lambda f, m: told.append((f, m)), lambda: stop)
    progress.child(0.5, 1.0).child(0.0, 0.5).step(1.0, "half")
    progress.child(0.2, 0.4).step(None, "unknown")
    assert told == [(0.75, "half"), (0.2, "unknown")]
    stop = True
    with pytest.raises(Cancelled):
        progress.step(0.9, "more")
    NullProgress().step(0.1, "nobody")
