"""Mapped voxels are fetched as a whole before a plane across the slices is taken from them."""

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from kiview.core import _pages
from kiview.core.images import ScaledFrameStore

SHAPE = (3, 64, 128, 256)  # 4 MiB of int16 a frame


@pytest.fixture
def mapped(tmp_path):
    """Voxels of a file whose frames do not begin at a page."""
    voxels = np.arange(np.prod(SHAPE)).astype(np.int16).reshape(SHAPE)
    np.save(tmp_path / "voxels.npy", voxels)
    return np.load(tmp_path / "voxels.npy", mmap_mode="r")


class Told(mmap.mmap):
    """A mapping that remembers the ranges it was asked for."""

    asked: list[tuple[int, int]]

    def madvise(self, option, start, length):
        """As the system's."""
        self.asked.append((start, start + length))
        return super().madvise(option, start, length)


def told_of(mapped):
    """The same voxels over a mapping that remembers, and it."""
    with Path(mapped.filename).open("rb") as file:
        told = Told(file.fileno(), 0, prot=mmap.PROT_READ)
    told.asked = []
    voxels = np.frombuffer(told, np.int16, offset=mapped.offset).reshape(SHAPE).view(np.memmap)
    voxels._mmap = told
    return voxels, told


@pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux fetches")
@pytest.mark.parametrize("t", [0, 2])
def test_that_the_pages_of_a_frame_are_fetched_in_their_order(mapped, t):
    voxels, told = told_of(mapped)
    ScaledFrameStore(voxels).plane(2, 7, t)
    begin = mapped.offset + t * voxels[0].nbytes
    starts, ends = np.transpose(told.asked)
    assert begin - mmap.PAGESIZE < starts[0] <= begin
    assert ends[-1] == begin + voxels[0].nbytes
    np.testing.assert_array_equal(starts[1:], ends[:-1])
    assert (ends - starts).max() <= 1 << 20


@pytest.mark.parametrize("axis", [1, 2])
def test_that_planes_of_a_mapped_frame_are_those_of_the_voxels(mapped, axis):
    store = ScaledFrameStore(mapped, 0.5)
    expected = 0.5 * np.take(np.asarray(mapped[2]), 100, axis).astype(np.float32)
    np.testing.assert_array_equal(store.plane(axis, 100, 2), expected)


def test_that_a_plane_is_given_where_the_system_cannot_fetch(mapped, monkeypatch):
    monkeypatch.setattr(_pages, "_POPULATE_READ", 12345)
    store = ScaledFrameStore(mapped)
    np.testing.assert_array_equal(store.plane(2, 7, 1), mapped[1, :, :, 7])


@pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux fetches")
@pytest.mark.parametrize("part", [np.s_[0, :, ::2], np.s_[0, 3:3]], ids=["with gaps", "empty"])
def test_that_parts_that_are_no_run_of_pages_are_left_alone(mapped, part):
    voxels, told = told_of(mapped)
    _pages.fetch(voxels[part])
    assert told.asked == []
    _pages.fetch(np.zeros(SHAPE)[part])
