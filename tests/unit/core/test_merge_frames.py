"""Merged frames equal what one long frame would have measured."""

import dataclasses
import json
import math
from itertools import pairwise

import numpy as np
import pytest
from tests.helpers import small_study
from tests.unit.core.test_images import grid

from kiview.core.errors import InvalidInputError, MissingInformationError
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.merge_frames import (
    MERGE_FRAMES,
    merge_again,
    merge_frames,
    merge_weights,
    recorded_merge,
)
from kiview.core.merge_plan import MergeSettings
from kiview.core.timing import FrameTiming
from kiview.core.tracer import Injection, Radionuclide, frame_decay_correction
from kiview.core.units import SUV_BW

F18_S, C11_S = 6586.2, 1221.84
TEN_FROM_THIRTY = MergeSettings(600.0, 1800.0)
TERMS = ((5000.0, 1 / 90), (1200.0, 1 / 1500), (300.0, 1 / 20000), (-400.0, 1 / 800))
"""Activity at the injection's reference: sum of a exp(-b t), which rises, peaks and falls."""


def measured(start_s, end_s, half_life_s, scale=1.0):
    """What a scanner writes for a frame, corrected to injection: from the integral of the decaying
    activity, in closed form."""
    decay = math.log(2) / half_life_s
    counts = sum(
        scale
        * a
        * (math.exp(-(b + decay) * start_s) - math.exp(-(b + decay) * end_s))
        / (b + decay)
        for a, b in TERMS
    )
    length = end_s - start_s
    mean_factor = decay * length / (1 - math.exp(-decay * length))  # DICOM DecayFactor of a frame
    return counts / length * mean_factor * math.exp(decay * start_s)


@pytest.mark.parametrize("half_life_s", [F18_S, C11_S])
@pytest.mark.parametrize(
    "edges_s",
    [[1800, 2100, 2400], [0, 10, 30, 90, 200, 600], [600, 1200, 1230, 1800], [-30, 60, 570]],
)
def test_that_a_merged_frame_is_what_one_long_frame_would_have_measured(half_life_s, edges_s):
    timing = FrameTiming(edges_s[:-1], np.diff(edges_s))
    frames = [measured(a, b, half_life_s) for a, b in pairwise(edges_s)]
    weights = merge_weights(timing, range(len(frames)), half_life_s)
    long_frame = measured(edges_s[0], edges_s[-1], half_life_s)
    assert weights @ frames == pytest.approx(long_frame, rel=1e-9)


def test_that_the_plain_mean_by_duration_would_be_wrong():
    """So that the test above cannot pass with it."""
    durations = np.diff([600.0, 1200.0, 1230.0, 1800.0])
    frames = [measured(600, 1200, C11_S), measured(1200, 1230, C11_S), measured(1230, 1800, C11_S)]
    plain = durations @ frames / durations.sum()
    assert abs(plain / measured(600, 1800, C11_S) - 1) > 1e-3


@pytest.mark.parametrize("half_life_s", [F18_S, C11_S])
def test_that_counts_add_up(half_life_s):
    """Uncorrect each frame to counts, add, correct the long frame: any values, any noise."""
    timing = FrameTiming([1800.0, 2100.0, 2160.0, 2280.0], [300.0, 60.0, 120.0, 120.0])
    frames = np.random.default_rng(3).normal(1000, 400, (4, 50))
    factors = frame_decay_correction(timing.start_s, timing.duration_s, half_life_s)
    counts = (frames / factors[:, None] * timing.duration_s[:, None]).sum(axis=0)
    corrected = counts / 600.0 * frame_decay_correction(1800.0, 600.0, half_life_s)
    weights = merge_weights(timing, range(4), half_life_s)
    np.testing.assert_allclose(weights @ frames, corrected, rtol=1e-9)


def test_that_a_constant_activity_stays():
    timing = FrameTiming([0.0, 100.0, 700.0], [100.0, 600.0, 20.0])
    assert merge_weights(timing, (0, 1, 2), C11_S).sum() == pytest.approx(1, rel=1e-12)


def per_slice_image():
    """Two slices, the second 40 s later; frames of 5 min, carbon-11, values as measured."""
    start = np.arange(4)[:, None] * 300.0 + [[0.0, 40.0]]
    voxels = np.array(
        [[measured(s, s + 300, C11_S, 1 + z) for z, s in enumerate(row)] for row in start]
    )
    frames = np.broadcast_to(voxels[:, :, None, None], (4, 2, 3, 2)).astype(np.float32)
    return DynamicImage(
        ScaledFrameStore(frames),
        grid((2, 3, 2)),
        FrameTiming(start, np.full((4, 2), 300.0)),
        SUV_BW,
        Injection(Radionuclide("11C", C11_S)),
    )


def test_that_each_slice_is_merged_with_its_own_times():
    merged = merge_frames(per_slice_image(), MergeSettings(600.0, 0.0))
    truth = [
        [measured(s + z * 40, s + z * 40 + 600, C11_S, 1 + z) for z in (0, 1)] for s in (0, 600)
    ]
    found = merged.store.slab(0, 2)
    np.testing.assert_allclose(
        found, np.broadcast_to(np.array(truth)[..., None, None], found.shape), rtol=2e-7
    )
    np.testing.assert_array_equal(merged.timing.start_s, [[0, 40], [600, 640]])


def test_that_the_merged_image_keeps_everything_but_frames_and_says_what_was_done():
    image = small_study.image(user_given=(("weight_kg", 70.0),), body_part="CHEST")
    merged = merge_frames(image, TEN_FROM_THIRTY)
    assert merged.frame_count == merged.store.shape_tzyx[0] == 22
    np.testing.assert_array_equal(merged.timing.start_s[-3:], [1800, 2400, 3000])
    for name in ("geometry", "quantity", "injection", "suv_scale", "series_uid", "user_given"):
        assert getattr(merged, name) is getattr(image, name)
    assert merged.suv_factor == image.suv_factor
    (step,) = merged.steps
    assert (step.name, step.label) == (MERGE_FRAMES, "10 min frames")
    assert step.settings["start_s"] == 1800.0
    assert step.settings["length_s"] == 600.0
    assert step.settings["source_frames"][-3:] == [[20, 21], [22, 23], [24, 25]]
    assert step.settings["source_frames"][:19] == [[n] for n in range(1, 20)]
    assert image.steps == ()


def test_that_images_without_a_common_decay_reference_or_half_life_are_refused():
    with pytest.raises(InvalidInputError, match="could not be decay-corrected to one time"):
        merge_frames(small_study.image(decay_corrected=False), TEN_FROM_THIRTY)
    times = small_study.timing()
    stand_in = FrameTiming(times.start_s, times.duration_s, is_known=False)
    with pytest.raises(InvalidInputError, match="frame times are unknown"):
        merge_frames(small_study.image(timing=stand_in), TEN_FROM_THIRTY)
    with pytest.raises(MissingInformationError, match="needs the half-life") as told:
        merge_frames(small_study.image(injection=None), TEN_FROM_THIRTY)
    assert told.value.fields == ("half_life_s",)


def recorded(image, settings):
    """The settings of the step, as they come back from a file."""
    return json.loads(json.dumps(merge_frames(image, settings).steps[-1].to_dict()))["settings"]


def test_that_a_merge_is_done_again_from_its_record():
    image = small_study.image()
    again = merge_again(image, recorded_merge(recorded(image, TEN_FROM_THIRTY)))
    first = merge_frames(image, TEN_FROM_THIRTY)
    assert again.timing == first.timing
    assert again.steps == first.steps
    np.testing.assert_array_equal(again.store.frame(21), first.store.frame(21))


def test_that_frames_unlike_those_of_the_record_are_refused():
    image = small_study.image()
    record = recorded(image, TEN_FROM_THIRTY)
    timing = small_study.timing()
    shorter = dataclasses.replace(
        image,
        timing=timing.select(np.arange(24)),
        store=ScaledFrameStore(image.store.slab(0, 40)[:24]),
    )
    with pytest.raises(InvalidInputError, match="not those that the record merged"):
        merge_again(shorter, recorded_merge(record))
    record["left_out_frames"] = [26]
    with pytest.raises(InvalidInputError, match="not those that the record merged"):
        merge_again(image, recorded_merge(record))


@pytest.mark.parametrize("value", [True, "600", None, [600]])
@pytest.mark.parametrize("name", ["length_s", "start_s"])
def test_that_a_record_whose_numbers_are_none_is_refused(name, value):
    record = recorded(small_study.image(), TEN_FROM_THIRTY)
    with pytest.raises(TypeError, match=f"{name} of merged frames is no number"):
        recorded_merge(record | {name: value})
    with pytest.raises(KeyError, match=name):
        recorded_merge({key: value for key, value in record.items() if key != name})
