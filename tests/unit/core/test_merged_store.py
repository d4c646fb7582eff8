"""Merged voxels: the same by every way of reading, a slice at a time."""

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.core.images import FrameStore, ScaledFrameStore
from kiview.core.merged_store import MergedFrameStore

GROUPS = ((0,), (1, 2, 3), (4, 5))
SHAPE = (6, 4, 3, 5)


def stored():
    """Counts with a slope and an intercept per (frame, slice), and their true values."""
    rng = np.random.default_rng(5)
    voxels = rng.integers(-500, 32000, SHAPE).astype(np.int16)
    slope, intercept = rng.uniform(0.1, 3, SHAPE[:2]), rng.uniform(-9, 9, SHAPE[:2])
    truth = voxels * slope[..., None, None] + intercept[..., None, None]
    return ScaledFrameStore(voxels, slope, intercept), truth


def weights(per_slice):
    rng = np.random.default_rng(6)
    shapes = [(len(g), SHAPE[1]) if per_slice else (len(g),) for g in GROUPS]
    made = [rng.uniform(0.2, 1, shape) for shape in shapes]
    made[0] = np.ones_like(made[0])
    return [weight / weight.sum(axis=0) for weight in made]


def sums(truth, chosen):
    full = [np.broadcast_to(w.reshape(len(w), -1), (len(w), SHAPE[1])) for w in chosen]
    return np.array(
        [np.einsum("nz,nzyx->zyx", w, truth[list(g)]) for g, w in zip(GROUPS, full, strict=True)]
    )


@pytest.mark.parametrize("per_slice", [False, True])
def test_that_every_way_of_reading_gives_the_weighted_sum(per_slice):
    source, truth = stored()
    chosen = weights(per_slice)
    store, expected = MergedFrameStore(source, GROUPS, chosen), sums(truth, chosen)
    close = {"rtol": 3e-7, "atol": 1e-3}
    assert store.shape_tzyx == (3, *SHAPE[1:])
    np.testing.assert_allclose(store.slab(0, 4), expected, **close)
    np.testing.assert_allclose(store.slab(1, 3, [2, 0]), expected[[2, 0], 1:3], **close)
    np.testing.assert_allclose(store.frame(1), expected[1], **close)
    for t in range(3):
        for axis, plane in enumerate((expected[t, 2], expected[t, :, 2], expected[t, :, :, 2])):
            np.testing.assert_allclose(store.plane(axis, 2, t), plane, **close)
            assert store.plane(axis, 2, t).dtype == np.float32
    index = np.array([[0, 1, 1], [3, 2, 4], [1, 0, 0]])
    np.testing.assert_allclose(store.voxels_at(index, 2), expected[2][tuple(index.T)], **close)
    assert store.voxels_at(index[0], 2) == pytest.approx(expected[2, 0, 1, 1], rel=3e-7)
    for frames in (np.array([0, 1, 2]), np.array([0]), np.array([2])):
        voxels, slope, intercept = store.stored_slice(3, frames)
        scaled = voxels * slope[:, None, None] + intercept[:, None, None]
        np.testing.assert_allclose(scaled, expected[frames, 3], **close)
    mask = np.random.default_rng(7).random(SHAPE[1:]) > 0.5
    mean, std = store.curve(mask)
    np.testing.assert_allclose(mean, expected[:, mask].mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(std, expected[:, mask].std(axis=1), rtol=1e-6)


def test_that_sums_are_made_in_double_precision():
    """Values that nearly cancel, and stored ones that single precision cannot hold."""
    voxels = np.array([1e8, 1.0, -1e8], np.float32).reshape(3, 1, 1, 1)
    store = MergedFrameStore(ScaledFrameStore(voxels), [(0, 1, 2)], [np.ones(3)])
    assert store.frame(0)[0, 0, 0] == store.plane(1, 0, 0)[0, 0] == 1.0
    voxels = np.array([2**24 + 1, -(2**24)], np.int32).reshape(2, 1, 1, 1)
    store = MergedFrameStore(ScaledFrameStore(voxels), [(0, 1)], [np.ones(2)])
    assert store.frame(0)[0, 0, 0] == store.plane(0, 0, 0)[0, 0] == 1.0


def test_that_frames_that_stay_are_handed_through_as_they_are_stored():
    source, _ = stored()
    store = MergedFrameStore(source, GROUPS, weights(per_slice=False))
    voxels, slope, _ = store.stored_slice(2, np.array([0]))
    assert voxels.dtype == np.int16
    assert slope[0] == source.slope_tz[0, 2]
    np.testing.assert_array_equal(store.slab(0, 4, [0]), source.slab(0, 4, [0]))
    np.testing.assert_array_equal(store.plane(2, 1, 0), source.plane(2, 1, 0))


def test_that_a_frame_tells_how_many_are_read_for_it(tmp_path):
    source, _ = stored()
    store = MergedFrameStore(source, GROUPS, weights(per_slice=False))
    assert [store.parts_of(t) for t in range(3)] == [1, 3, 2]
    assert MergedFrameStore(store, [(0, 1)], [np.ones(2)]).parts_of(0) == 4
    assert not store.is_on_disk
    mapped = np.memmap(tmp_path / "frames", np.int16, "w+", shape=SHAPE)
    assert MergedFrameStore(ScaledFrameStore(mapped), GROUPS, weights(per_slice=False)).is_on_disk


class Watched(FrameStore):
    """Remembers the most voxels that were asked for at once."""

    def __init__(self, source):
        self._source = source
        self.most = 0

    @property
    def shape_tzyx(self):
        return self._source.shape_tzyx

    def slab(self, z0, z1, frames=None):
        made = self._source.slab(z0, z1, frames)
        self.most = max(self.most, made.size)
        return made

    def plane(self, axis, index, t):
        return self._source.plane(axis, index, t)

    def curve(self, mask_zyx):
        return self._source.curve(mask_zyx)


def test_that_one_slice_of_one_new_frame_is_read_at_a_time():
    source, _ = stored()
    watched = Watched(source)
    store = MergedFrameStore(watched, GROUPS, weights(per_slice=False))
    store.slab(0, 4)
    store.stored_slice(1, np.arange(3))
    assert watched.most == 3 * SHAPE[2] * SHAPE[3]


def test_that_frames_without_sources_or_weights_are_refused():
    source, _ = stored()
    for groups, chosen in (([], []), ([()], [np.ones(0)]), ([(0, 1)], [np.ones(3)])):
        with pytest.raises(InvalidInputError, match="one weight for each"):
            MergedFrameStore(source, groups, chosen)
