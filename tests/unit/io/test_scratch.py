"""Large results lie on the disk and leave nothing there."""

import errno
import gc
import os
import sys

import numpy as np
import pytest

from kiview.io import scratch
from kiview.io.scratch import room_for

SHAPE = (3, 4, 5, 6)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="platform: results stay in memory")


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(scratch, "LARGE_BYTES", 100)


def test_that_a_small_result_is_in_memory(tmp_path):
    assert not isinstance(room_for(SHAPE, tmp_path / "cache"), np.memmap)
    assert not (tmp_path / "cache").exists()


@on_linux
@pytest.mark.usefixtures("small_limit")
def test_that_a_large_result_is_mapped_and_its_file_has_no_name(tmp_path):
    room = room_for(SHAPE, tmp_path / "cache")
    assert isinstance(room, np.memmap)
    values = np.arange(360, dtype=np.float32).reshape(SHAPE)
    np.asarray(room)[:] = values
    kept = room[1]
    del room
    gc.collect()
    np.testing.assert_array_equal(kept, values[1])  # a part keeps the whole
    assert list((tmp_path / "cache").iterdir()) == []


@on_linux
@pytest.mark.usefixtures("small_limit")
def test_that_the_room_on_the_disk_is_taken_at_once(tmp_path, monkeypatch):
    asked = []
    take = os.posix_fallocate
    monkeypatch.setattr(
        scratch.os, "posix_fallocate", lambda *a: (asked.append(a[1:]), take(*a))[1]
    )
    room_for(SHAPE, tmp_path)
    assert asked == [(0, 4 * 360)]


@on_linux
@pytest.mark.usefixtures("small_limit")
def test_that_a_full_disk_leaves_the_result_in_memory(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(scratch.os, "posix_fallocate", full)
    room = room_for(SHAPE, tmp_path)
    assert not isinstance(room, np.memmap)
    assert room.shape == SHAPE
