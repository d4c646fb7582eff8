"""Slabs with frames of different lengths and pauses between them."""

from dataclasses import replace

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.simulate.acquisition import ScannerSettings
from kiview.simulate.slab import expected_counts_of, simulate_slab
from kiview.simulate.slab_config import SlabConfig
from kiview.simulate.slab_person import draw_slab_person
from kiview.simulate.tissues import Label

UNEVEN = SlabConfig(
    kind="uniform",
    frame_seconds=(300.0, 600.0, 300.0, 600.0),
    frame_gaps_s=(0.0, 120.0, 0.0),
    slices=3,
    pixels=48,
    pixel_mm=8.5,
    angles=32,
    subsets=8,
    lesions=0,
    scanner=ScannerSettings(background_error=0.0),
)
STARTS_S = (1800.0, 2100.0, 2820.0, 3120.0)


def decay(start_s, duration_s, half_life_s):
    """Mean of the decay over a frame by the midpoint rule in steps of a second."""
    seconds = start_s + 0.5 + np.arange(int(duration_s))
    return np.exp2(-seconds / half_life_s).mean()


def test_that_frames_follow_their_lengths_and_pauses():
    np.testing.assert_array_equal(UNEVEN.timing.start_s, STARTS_S)
    np.testing.assert_array_equal(UNEVEN.timing.duration_s, UNEVEN.frame_seconds)
    np.testing.assert_array_equal(UNEVEN.timing.gaps_s(), UNEVEN.frame_gaps_s)
    assert replace(UNEVEN, frame_gaps_s=()).timing.is_contiguous()


def test_that_equal_lengths_one_by_one_are_the_single_length():
    plain = SlabConfig(frame_start_s=1783.3, frame_duration_s=240.0, frame_count=7)
    listed = replace(plain, frame_seconds=(240.0,) * 7)
    np.testing.assert_allclose(listed.timing.start_s, plain.timing.start_s, rtol=1e-15)
    paused = replace(plain, frame_gaps_s=(0.0,) * 5 + (30.0,))
    assert paused.timing.end_s[-1] == pytest.approx(plain.timing.end_s[-1] + 30)


def test_that_the_whole_scan_keeps_the_pauses_of_the_late_frames():
    whole = UNEVEN.whole_timing
    assert whole.start_s[0] == 0
    np.testing.assert_array_equal(whole.start_s[-4:], STARTS_S)
    np.testing.assert_allclose(whole.duration_s[-4:], UNEVEN.frame_seconds)
    np.testing.assert_allclose(whole.gaps_s()[:-3], 0, atol=1e-9)


def test_that_counts_follow_activity_length_and_decay():
    """Closed form: trues of a frame = constant x activity x length x mean decay.

    2 % covers attenuation, which weighs the few tissues of the body differently than their mean.
    """
    rng = np.random.default_rng(3)
    person = draw_slab_person(UNEVEN, rng)
    expected = expected_counts_of(UNEVEN, person, rng)
    times = zip(STARTS_S, UNEVEN.frame_seconds, strict=True)
    half_life_s = UNEVEN.scanner.half_life_s
    effective_s = np.array([length * decay(start, length, half_life_s) for start, length in times])
    np.testing.assert_allclose(person.weights, effective_s, rtol=1e-6)
    np.testing.assert_allclose(expected.gain / expected.gain[0], effective_s / effective_s[0], 1e-6)
    trues = expected.trues.sum(axis=(0, 1), dtype=np.float64).mean(axis=0)
    assert trues.sum() == pytest.approx(6e5 * sum(UNEVEN.frame_seconds) / 300, rel=1e-4)
    images = person.activity.images(person.phantom, person.drawing)
    total = images.sum(axis=(1, 2, 3), dtype=np.float64) @ person.activity.curves
    wanted = total * effective_s
    np.testing.assert_allclose(trues / trues[0], wanted / wanted[0], rtol=0.02)


def test_that_the_input_goes_on_during_a_pause():
    """Frame means of the input and of its integral by the midpoint rule, pauses not cut out."""
    person = draw_slab_person(UNEVEN, np.random.default_rng(3))
    plasma = person.plasma
    for frame, (start, length) in enumerate(zip(STARTS_S, UNEVEN.frame_seconds, strict=True)):
        minutes = (start + 0.5 + np.arange(int(length))) / 60
        activity = np.interp(minutes, plasma.time_min, plasma.activity)
        integral = np.interp(minutes, plasma.time_min, plasma.integral)
        assert person.basis[1, frame] == pytest.approx(activity.mean(), rel=1e-5)
        assert person.basis[0, frame] == pytest.approx(integral.mean(), rel=1e-5)


def test_that_noise_falls_with_the_square_root_of_the_counts():
    """Relative noise x sqrt(counts) is one number; 5 % covers the noise of a standard deviation."""
    slab = simulate_slab(UNEVEN, 3, with_direct=False)
    inside = slab.labels == Label.BACKGROUND
    means = np.array([frame[inside].mean() for frame in slab.frames])
    noise = np.array([frame[inside].std() for frame in slab.frames - slab.frames_second])
    counts = means * slab.weights
    one = noise / means * np.sqrt(counts)
    np.testing.assert_allclose(one, one.mean(), rtol=0.05)


def test_that_frame_tables_that_cannot_be_are_refused():
    with pytest.raises(InvalidInputError, match="two frames"):
        replace(UNEVEN, frame_seconds=(300.0,))
    with pytest.raises(InvalidInputError, match="longer than 0 s"):
        replace(UNEVEN, frame_seconds=(300.0, 0.0, 300.0, 300.0))
    with pytest.raises(InvalidInputError, match="4 frames have 3 gaps"):
        replace(UNEVEN, frame_gaps_s=(120.0,))
    with pytest.raises(InvalidInputError, match="4 frames have 3 gaps"):
        replace(UNEVEN, frame_gaps_s=(0.0, -1.0, 0.0))
