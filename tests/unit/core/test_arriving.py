"""Frames that can be looked at while others are still being read."""

import threading

import numpy as np

from kiview.core.arriving import ArrivingFrameStore

SHAPE = (3, 2, 4, 5)
WAIT_S = 10.0


def voxels() -> np.ndarray:
    return np.arange(120, dtype=np.int16).reshape(SHAPE)


def store_with(*frames: int) -> ArrivingFrameStore:
    """Slope 0.5 and intercept 3; some frames have come."""
    store = ArrivingFrameStore(SHAPE, 0.5, 3.0)
    store.lend(voxels())
    for t in frames:
        store.add(t)
    return store


def test_that_frames_that_came_are_scaled_and_the_others_are_no_value():
    store = store_with(2)
    expected = 0.5 * voxels() + 3.0  # exact in float32
    np.testing.assert_array_equal(store.frame(2), expected[2])
    np.testing.assert_array_equal(store.plane(0, 1, 2), expected[2, 1])
    np.testing.assert_array_equal(store.plane(1, 3, 2), expected[2, :, 3])
    np.testing.assert_array_equal(store.plane(2, 4, 2), expected[2, :, :, 4])
    np.testing.assert_array_equal(store.voxels_at(np.array([[1, 2, 3]]), 2), expected[2, 1, 2, [3]])
    assert np.isnan(store.slab(0, 2, [0, 1])).all()
    for axis, sides in enumerate([(4, 5), (2, 5), (2, 4)]):
        missing = store.plane(axis, 0, 1)
        assert missing.shape == sides
        assert np.isnan(missing).all()
    assert np.isnan(store.voxels_at(np.array([[1, 2, 3]]), 0)).all()


def test_that_a_curve_has_values_where_frames_came():
    mask = np.zeros(SHAPE[1:], bool)
    mask[1, :2, 0] = True
    mean, std = store_with(0, 2).curve(mask)
    inside = 0.5 * voxels()[:, 1, :2, 0] + 3.0
    np.testing.assert_allclose(mean[[0, 2]], inside.mean(axis=1)[[0, 2]])
    np.testing.assert_allclose(std[[0, 2]], inside.std(axis=1)[[0, 2]])
    assert np.isnan([mean[1], std[1]]).all()


def test_that_every_frame_is_told_once_it_came():
    store = ArrivingFrameStore(SHAPE, 1.0, 0.0)
    assert [store.add(2), store.add(0)] == [frozenset({2}), frozenset({0, 2})]


def test_that_a_look_waits_while_the_voxels_are_taken_back():
    store = store_with(1)
    store.take_back()
    seen = []
    reader = threading.Thread(target=lambda: seen.append(store.plane(0, 0, 1)))
    reader.start()
    reader.join(0.05)
    assert seen == []
    store.lend(voxels() + np.int16(2))
    reader.join(WAIT_S)
    np.testing.assert_array_equal(seen[0], 0.5 * (voxels()[1, 0] + 2) + 3.0)


def test_that_nothing_is_kept_of_voxels_that_were_taken_back():
    lent = voxels()
    store = ArrivingFrameStore(SHAPE, 1.0, 0.0)
    store.lend(lent)
    store.add(0)
    shown = [store.plane(axis, 0, 0) for axis in range(3)] + [store.slab(0, 2, [0])]
    store.take_back()
    assert not any(np.shares_memory(part, lent) for part in shown)


def test_that_plain_floats_are_not_handed_out_as_a_view_of_what_is_lent():
    lent = voxels().astype(np.float32)
    store = ArrivingFrameStore(SHAPE, 1.0, 0.0)
    store.lend(lent)
    store.add(1)
    assert not np.shares_memory(store.frame(1), lent)
    np.testing.assert_array_equal(store.frame(1), lent[1])


def test_that_nobody_waits_for_a_store_that_was_given_up():
    store = store_with(1)
    store.give_up()
    assert np.isnan(store.frame(1)).all()
