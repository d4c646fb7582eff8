"""Patlak maps of whole images."""

import sys
from importlib import import_module

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError, QuantityMismatchError
from kiview.core.feng import FENG_FDG_NO_DELAY
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.input_curves import FengCurve
from kiview.core.input_function import InputFunction, InputSource, from_samples
from kiview.core.made import Made
from kiview.core.patlak import PatlakSettings
from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY, SUV_BW
from kiview.jobs.compute_patlak import PatlakRequest, compute_patlak

SHAPE = (9, 6, 5)
ARTERIAL = InputFunction(FengCurve(FENG_FDG_NO_DELAY, 1000.0), InputSource.POPULATION, ACTIVITY)
RNG = np.random.default_rng(0)
KI = RNG.uniform(0, 0.05, SHAPE)
V0 = RNG.uniform(0.1, 1.0, SHAPE)


def patlak_image(timing, quantity=ACTIVITY, **named):
    """Frames that lie exactly on a Patlak line at their mid-times."""
    mid = (
        timing.mid_s[:, :, None, None] if timing.is_per_slice else timing.mid_s[:, None, None, None]
    )
    voxels = KI * ARTERIAL.integral(mid) / 60 + V0 * ARTERIAL.at(mid)
    store = ScaledFrameStore(voxels.astype(np.float32))
    return DynamicImage(store, VolumeGeometry(SHAPE, np.eye(4)), timing, quantity, **named)


def per_frame():
    return FrameTiming(300.0 * np.arange(12), np.full(12, 300.0))


def test_that_ki_and_v0_of_every_voxel_are_recovered():
    run = compute_patlak(PatlakRequest(patlak_image(per_frame()), ARTERIAL), NullProgress())
    np.testing.assert_allclose(run.by_code("Ki").values, KI, atol=2e-6)
    np.testing.assert_allclose(run.by_code("V0").values, V0, atol=2e-4)
    assert (run.by_code("KiSE").values < 1e-6).all()
    assert run.provenance.settings["frames"] == [7, 8, 9, 10, 11, 12]
    assert run.provenance.settings["window_min"] == [30, 60]


def test_that_the_record_tells_when_and_by_whom_it_was_computed(monkeypatch):
    made = Made("2026-01-31T09:30:00+00:00", "rmeyer")
    monkeypatch.setattr(import_module("kiview.jobs.compute_patlak"), "made_now", lambda: made)
    run = compute_patlak(PatlakRequest(patlak_image(per_frame()), ARTERIAL), NullProgress())
    record = run.provenance.to_dict()
    assert (record["computed_at"], record["operator"]) == (made.at, made.by)


def test_that_each_slice_is_fitted_with_its_own_times():
    shift = np.repeat([0.0, 45.0, 90.0], 3)
    start = 300.0 * np.arange(12)[:, None] + shift
    timing = FrameTiming(start, np.full_like(start, 45.0))
    run = compute_patlak(PatlakRequest(patlak_image(timing), ARTERIAL), NullProgress())
    np.testing.assert_allclose(run.by_code("Ki").values, KI, atol=2e-6)
    assert not run.findings


def test_that_slices_outside_the_window_stay_without_a_value_and_are_told():
    start = 300.0 * np.arange(12)[:, None] + np.repeat([0.0, 3300.0], [6, 3])
    timing = FrameTiming(start, np.full_like(start, 300.0))
    run = compute_patlak(PatlakRequest(patlak_image(timing), ARTERIAL), NullProgress())
    assert np.isnan(run.main.values[6:]).all()
    np.testing.assert_allclose(run.main.values[:6], KI[:6], atol=2e-6)
    assert "3 slices" in run.findings[0]


def test_that_a_stop_request_ends_the_work_without_a_result():
    request = PatlakRequest(patlak_image(per_frame()), ARTERIAL)
    with pytest.raises(Cancelled):
        compute_patlak(request, CallbackProgress(lambda _f, _m: None, lambda: True))


@pytest.mark.parametrize(
    ("image", "arterial", "settings", "error", "sentence"),
    [
        (patlak_image(per_frame(), SUV_BW), ARTERIAL, {}, QuantityMismatchError, "Bq/mL"),
        (
            patlak_image(per_frame()),
            ARTERIAL,
            {"start_s": 9e3, "end_s": 1e4},
            InvalidInputError,
            "widen the window",
        ),
        (patlak_image(per_frame().select([0])), ARTERIAL, {}, InvalidInputError, "has one"),
        (
            patlak_image(per_frame(), decay_corrected=False),
            ARTERIAL,
            {},
            InvalidInputError,
            "half-life",
        ),
        (
            patlak_image(per_frame()),
            from_samples([0, 600], [0, 1], ACTIVITY),
            {},
            InvalidInputError,
            "ends at 600 s",
        ),
    ],
    ids=["unit", "window", "static", "decay", "short input"],
)
def test_that_unsuitable_input_is_refused_with_a_sentence(
    image, arterial, settings, error, sentence
):
    request = PatlakRequest(image, arterial, PatlakSettings(**settings))
    with pytest.raises(error, match=sentence):
        compute_patlak(request, NullProgress())


def test_that_no_slice_with_two_frames_in_the_window_is_refused():
    start = 300.0 * np.arange(12)[:, None] + np.zeros(9)
    timing = FrameTiming(start, np.full_like(start, 300.0))
    settings = PatlakSettings(9000, 9900)
    with pytest.raises(InvalidInputError, match="widen the window"):
        compute_patlak(PatlakRequest(patlak_image(timing), ARTERIAL, settings), NullProgress())


def test_that_maps_without_any_value_are_refused():
    image = patlak_image(per_frame())
    store = ScaledFrameStore(np.full((12, *SHAPE), np.nan, np.float32))
    empty = DynamicImage(store, image.geometry, image.timing, image.quantity)
    with pytest.raises(InvalidInputError, match="no voxel a value"):
        compute_patlak(PatlakRequest(empty, ARTERIAL), NullProgress())


def test_that_maps_on_the_disk_equal_those_in_memory(monkeypatch):
    request = PatlakRequest(patlak_image(per_frame()), ARTERIAL)
    in_memory = compute_patlak(request, NullProgress())
    monkeypatch.setattr("kiview.io.scratch.LARGE_BYTES", 0)
    on_disk = compute_patlak(request, NullProgress())
    for one, other in zip(in_memory.maps, on_disk.maps, strict=True):
        assert isinstance(other.values, np.memmap) == (sys.platform == "linux")
        np.testing.assert_array_equal(other.values, one.values)
        assert not other.values.flags.writeable
