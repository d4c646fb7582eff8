import dataclasses

import numpy as np
import pytest
from tests.unit.nets.fakes import (
    SIX_FRAMES,
    card,
    card_with_sigma,
    fake_image,
    plasma,
    request,
    truth,
)

from kiview.core.errors import NetworkError, QuantityMismatchError
from kiview.core.images import ScaledFrameStore
from kiview.core.made import Made
from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.core.suv import SuvScale
from kiview.core.timing import FrameTiming
from kiview.core.units import KI, KI_STANDARD_DEVIATION, LOG_CORRECTION, SUV_BW, V0
from kiview.nets import infer, run_record
from kiview.nets.blend import voxel_noise
from kiview.nets.infer import Region
from kiview.nets.noise import uptake_noise
from kiview.nets.runtime import NetworkOutputs, NetworkRuntime
from kiview.nets.tie import widened
from kiview.nets.weights import WeightSet, shipped_weights

NOBODY = NullProgress()


def run(image=None, **changes):
    return infer.run_network(request(image, **changes), NOBODY)


def scaled(image, factor):
    voxels = image.store.slab(0, image.geometry.shape_zyx[0]) * np.float32(factor)
    return dataclasses.replace(image, store=ScaledFrameStore(voxels))


def test_that_maps_of_a_clean_body_are_near_the_truth():
    image = fake_image((10, 64, 64), noise=0.02)
    maps = run(image)
    ki, v0 = truth((10, 64, 64))
    body = (v0 > 0) & (ki < 0.01)
    assert [m.quantity for m in maps.maps] == [KI, V0, LOG_CORRECTION]
    assert maps.main.values[body].mean() == pytest.approx(ki[body].mean(), rel=0.1)
    assert maps.by_code("V0").values[body].mean() == pytest.approx(v0[body].mean(), rel=0.15)
    assert maps.main.geometry == image.geometry


@pytest.mark.parametrize("factor", [2.0, 0.37, 1e-3])
def test_that_scaling_the_curve_scales_ki_inversely(factor):
    ki = run().main.values
    other = run(input_function=plasma(factor)).main.values
    np.testing.assert_allclose(other * factor, ki, rtol=0, atol=1e-5 * ki.max())


def test_that_scaling_the_frames_scales_ki():
    ki = run().main.values
    other = run(scaled(fake_image(), 7.0)).main.values
    np.testing.assert_allclose(other, 7.0 * ki, rtol=0, atol=7e-5 * ki.max())


def test_that_an_empty_image_gives_empty_maps():
    maps = run(scaled(fake_image(), 0.0))
    assert not maps.main.values.any()
    assert not maps.by_code("V0").values.any()


@pytest.mark.parametrize("count", [2, 3, 7])
def test_that_any_number_of_frames_from_two_works(count):
    starts = 1800.0 + 1800.0 / count * np.arange(count)
    timing = FrameTiming(starts, np.full(count, 1800.0 / count))
    values = run(fake_image(timing=timing)).main.values
    assert np.isfinite(values).all()


def test_that_only_frames_in_the_window_are_used():
    long = FrameTiming(1200.0 + 300.0 * np.arange(10), np.full(10, 300.0))
    image = fake_image(timing=long)
    voxels = np.array(image.store.slab(0, 6))
    voxels[[0, 1, 8, 9]] = 1e9
    spoilt = dataclasses.replace(image, store=ScaledFrameStore(voxels))
    np.testing.assert_array_equal(run(spoilt).main.values, run(image).main.values)


def test_that_times_per_slice_are_accepted():
    shift = np.linspace(0.0, 120.0, 6)
    timing = FrameTiming(SIX_FRAMES.start_s[:, None] + shift, np.full((6, 6), 300.0))
    values = run(fake_image(timing=timing, noise=0.0), end_s=3800.0, tied=False).main.values
    reference = run(fake_image(noise=0.0), tied=False).main.values
    np.testing.assert_allclose(values, reference, atol=0.05 * reference.max())


@pytest.mark.parametrize(
    "region",
    [Region(3, 4, 0, 128, 0, 118), Region(0, 6, 62, 65, 0, 118), Region(1, 3, 57, 70, 43, 55)],
)
def test_that_a_tile_computed_alone_equals_the_whole_map(region):
    prepared = infer.prepare(request(fake_image((6, 128, 118))), NOBODY)
    runtime = NetworkRuntime(card())
    whole = infer.network_volume(prepared, runtime, NOBODY)
    tile = infer.network_region(prepared, runtime, region)
    inside = tuple(
        slice(*pair)
        for pair in ((region.z0, region.z1), (region.y0, region.y1), (region.x0, region.x1))
    )
    for part, full in ((tile.ki, whole.ki), (tile.v, whole.v)):
        np.testing.assert_allclose(part, full[inside], rtol=0, atol=1e-5 * full.max())


def test_that_other_voxel_sizes_get_the_networks_grid_with_its_own_affine():
    image = fake_image((18, 70, 66), spacing_zyx_mm=(2.0, 2.5, 2.5))
    ki_map = run(image).main
    np.testing.assert_allclose(ki_map.geometry.spacing_zyx_mm, 4.0)
    np.testing.assert_allclose(ki_map.geometry.centre_lps_mm, image.geometry.centre_lps_mm)
    hot = np.unravel_index(np.argmax(ki_map.values), ki_map.values.shape)
    expected = np.mean(np.argwhere(truth((18, 70, 66))[0] > 0.02), axis=0)
    distance = ki_map.geometry.to_lps_mm(hot) - image.geometry.to_lps_mm(expected)
    assert np.linalg.norm(distance) < 6.0


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 4.0), (3.0, 3.0, 3.0)])
def test_that_voxels_without_a_number_have_no_value_and_spoil_no_others(spacing):
    image = fake_image(spacing_zyx_mm=spacing)
    voxels = np.array(image.store.slab(0, 6))
    voxels[2, 3, 20, 20] = np.nan
    maps = run(dataclasses.replace(image, store=ScaledFrameStore(voxels)))
    assert 1 <= maps.main.unfitted_count <= 27
    assert np.isnan(maps.by_code("V0").values).sum() == maps.main.unfitted_count


def test_that_the_tie_can_be_switched_off():
    maps = run(tied=False)
    assert [m.quantity for m in maps.maps] == [KI, V0]
    assert maps.provenance.settings["tied_to_patlak"] is False


def test_that_the_record_names_network_weights_and_inputs(monkeypatch):
    made = Made("2026-01-31T09:30:00+00:00", "rmeyer")
    monkeypatch.setattr(run_record, "made_now", lambda: made)
    record = run().provenance
    assert (record.computed_at, record.operator) == (made.at, made.by)
    network = card()
    assert record.network_id == network.id
    assert not record.modified
    assert len(record.weight_set_id) == 64
    assert record.settings["slider_position"] == network.slider.shipped_position
    assert record.settings["frames"] == [1, 2, 3, 4, 5, 6]
    assert record.settings["device"] in {"CPU", "GPU (CUDA)"}


def test_that_a_moved_slider_changes_map_and_record():
    moved = WeightSet(card().network.sha256, 0.5)
    maps, shipped = run(weights=moved), run()
    assert maps.provenance.modified
    assert maps.provenance.weight_set_id != shipped.provenance.weight_set_id
    assert np.abs(maps.main.values - shipped.main.values).max() > 1e-4


def test_that_a_full_image_blend_is_the_patlak_map():
    network = card()
    chosen = dataclasses.replace(shipped_weights(network), image_blend=1.0)
    maps = run(weights=chosen)
    patlak = infer.prepare(request(), NOBODY).patlak.ki
    np.testing.assert_allclose(maps.main.values, patlak, rtol=1e-6, atol=1e-9)
    assert maps.provenance.modified


def test_that_progress_rises_and_tells_the_time_left(monkeypatch):
    monkeypatch.setattr(infer, "BLOCK_VOXELS", 40 * 44)
    told = []
    watcher = CallbackProgress(lambda fraction, message: told.append((fraction, message)))
    infer.run_network(request(), watcher)
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert any("s left" in message for _, message in told)


def test_that_a_cancel_ends_the_run(monkeypatch):
    monkeypatch.setattr(infer, "BLOCK_VOXELS", 40 * 44)
    steps = []
    stopper = CallbackProgress(lambda *step: steps.append(step), lambda: len(steps) > 5)
    with pytest.raises(Cancelled):
        infer.run_network(request(), stopper)
    assert len(steps) == 6


def test_that_a_window_without_two_frames_is_refused():
    with pytest.raises(NetworkError, match="widen the window"):
        run(start_s=3200.0)


def test_that_a_refusal_says_why():
    early = FrameTiming(60.0 + 300.0 * np.arange(6), np.full(6, 300.0))
    with pytest.raises(NetworkError, match="before tracer uptake is steady"):
        run(fake_image(timing=early), start_s=0.0)


def test_that_a_study_unlike_the_training_is_computed_with_a_warning():
    image = fake_image(spacing_zyx_mm=(2.0, 2.0, 2.0))
    assert any("voxels are 2 x 2 x 2 mm" in finding for finding in run(image).findings)


def test_that_the_scale_of_suv_and_so_the_weight_change_nothing():
    image = fake_image()
    light = dataclasses.replace(image, suv_scale=SuvScale(1e-4), user_given=(("weight_kg", 40.0),))
    for first, other in zip(run(image).maps, run(light).maps, strict=True):
        np.testing.assert_array_equal(first.values, other.values)


def test_that_a_curve_in_another_unit_is_refused():
    curve = dataclasses.replace(plasma(), quantity=SUV_BW)
    with pytest.raises(QuantityMismatchError):
        run(input_function=curve)


def test_that_a_wide_disagreement_with_patlak_is_told():
    prepared = infer.prepare(request(), NOBODY)
    ki = prepared.patlak.ki.clip(0) * np.float32(0.4)
    maps = infer.finish(request(), prepared, NetworkOutputs(ki, ki), run().provenance)
    assert any("differ by more than half" in finding for finding in maps.findings)


def test_that_an_empty_study_raises_no_alarm():
    assert infer.run_network(request(scaled(fake_image(), 0.0)), NOBODY).findings == ()


def test_that_the_uncertainty_of_a_network_follows_its_ki(tmp_path):
    network = card_with_sigma(tmp_path)
    weights = shipped_weights(network)
    free = run(card=network, weights=weights, tied=False)
    tied = run(card=network, weights=weights)
    blended = run(card=network, weights=dataclasses.replace(weights, image_blend=0.25))
    assert [m.quantity for m in tied.maps] == [KI, V0, KI_STANDARD_DEVIATION, LOG_CORRECTION]
    np.testing.assert_allclose(free.by_code("KiSD").values, 0.1 * free.main.values, rtol=1e-5)
    spread = tied.by_code("KiSD").values
    patlak = infer.prepare(request(card=network), NOBODY).patlak
    least = widened(np.float32(0.1) * tied.main.values, tied.main.values, patlak)
    follows = np.isclose(spread, least, rtol=1e-4)
    assert follows.mean() > 0.9
    assert (spread > least)[~follows].all()
    assert np.abs(tied.main.values - free.main.values).max() > 1e-4
    prepared = infer.prepare(request(card=network), NOBODY)
    expected = 0.75 * spread + 0.25 * voxel_noise(patlak, prepared.fur)
    np.testing.assert_allclose(blended.by_code("KiSD").values, expected, rtol=1e-5)


def test_that_patlak_alone_keeps_the_uncertainty_of_its_noise(tmp_path):
    network = card_with_sigma(tmp_path)
    weights = dataclasses.replace(shipped_weights(network), image_blend=1.0)
    image = fake_image((12, 40, 44), noise=0.05)
    clean = infer.prepare(request(fake_image((12, 40, 44), noise=0.0)), NOBODY).patlak.ki
    maps = run(image, card=network, weights=weights)
    inside = truth((12, 40, 44))[1] > 0
    errors = (maps.main.values - clean)[inside]
    told = maps.by_code("KiSD").values[inside]
    assert told.min() > 0
    assert 0.8 * errors.std() < np.sqrt(np.square(told).mean()) < 1.3 * errors.std()


def test_that_an_empty_study_blends_to_no_uncertainty(tmp_path):
    network = card_with_sigma(tmp_path)
    weights = dataclasses.replace(shipped_weights(network), image_blend=1.0)
    maps = run(scaled(fake_image(), 0.0), card=network, weights=weights)
    assert not maps.by_code("KiSD").values.any()


def test_that_a_calibration_scales_the_uncertainty_of_the_consistent_map_alone(tmp_path):
    (tmp_path / "calibrated").mkdir()
    cards = card_with_sigma(tmp_path), card_with_sigma(tmp_path / "calibrated", 0.4)
    for tied, factor in ((True, 0.4), (False, 1.0)):
        before, after = (
            run(card=network, weights=shipped_weights(network), tied=tied) for network in cards
        )
        np.testing.assert_array_equal(before.main.values, after.main.values)
        expected = np.float32(factor) * before.by_code("KiSD").values
        np.testing.assert_allclose(after.by_code("KiSD").values, expected, rtol=1e-6)


def test_that_a_network_with_uncertainty_gives_none_for_an_empty_image(tmp_path):
    network = card_with_sigma(tmp_path)
    image = scaled(fake_image(), 0.0)
    maps = run(image, card=network, weights=shipped_weights(network))
    assert not maps.by_code("KiSD").values.any()


def test_that_where_ki_is_zero_the_uncertainty_stays_as_it_is(tmp_path):
    network = card_with_sigma(tmp_path)
    chosen = request(card=network, weights=shipped_weights(network))
    prepared = infer.prepare(chosen, NOBODY)
    zero = np.zeros(prepared.geometry.shape_zyx, np.float32)
    maps = infer.finish(chosen, prepared, NetworkOutputs(zero, zero, zero + 1), run().provenance)
    np.testing.assert_allclose(maps.by_code("KiSD").values, zero + 1, rtol=1e-5)


@pytest.mark.parametrize("refused", [True, False])
def test_that_a_study_noisier_than_the_training_is_warned_about_or_refused(refused):
    image = fake_image((8, 40, 44), noise=0.002)
    noise = uptake_noise(infer.prepare(request(image), NOBODY).features)
    limit = noise / 4 if refused else noise / 2
    domain = dataclasses.replace(card().domain, uptake_noise=(0.0, limit))
    network = dataclasses.replace(card(), domain=domain)
    if refused:
        with pytest.raises(NetworkError, match=r"Too few counts: .* is 4\.0 times"):
            run(image, card=network)
    else:
        assert any("few counts" in told for told in run(image, card=network).findings)
