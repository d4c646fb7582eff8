"""Large results lie on the disk and leave nothing there."""

import errno
import gc
import os
import sys

import numpy as np
import pytest

from kiview.io import scratch
from kiview.io.scratch import Room

SHAPE = (3, 4, 5, 6)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="platform: results stay in memory")


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(scratch, "LARGE_BYTES", 100)


def test_that_a_small_result_is_in_memory(tmp_path):
    with Room(SHAPE, tmp_path / "cache") as room:
        assert not isinstance(room.values, np.memmap)
    assert not (tmp_path / "cache").exists()


@on_linux
@pytest.mark.usefixtures("small_limit")
def test_that_a_large_result_is_mapped_and_its_file_has_no_name(tmp_path):
    values = np.arange(360, dtype=np.float32).reshape(SHAPE)
    with Room(SHAPE, tmp_path / "cache") as room:
        assert isinstance(room.values, np.memmap)
        room.values[:] = values
    kept = room.values[1]
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
    with Room(SHAPE, tmp_path):
        pass
    assert asked == [(0, 4 * 360)]


@on_linux
@pytest.mark.usefixtures("small_limit")
def test_that_a_full_disk_leaves_the_result_in_memory(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(scratch.os, "posix_fallocate", full)
    with Room(SHAPE, tmp_path) as room:
        assert not isinstance(room.values, np.memmap)
        assert room.values.shape == SHAPE


@on_linux
@pytest.mark.parametrize("limit", [100, 1 << 20], ids=["on disk", "in memory"])
def test_that_parts_are_written_to_their_places(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(scratch, "LARGE_BYTES", limit)
    values = np.arange(360, dtype=np.float32).reshape(SHAPE)
    with Room(SHAPE, tmp_path) as room:
        assert isinstance(room.values, np.memmap) == (limit == 100)
        for index in np.ndindex(SHAPE[:2]):
            room.write(index, values[index])
    np.testing.assert_array_equal(room.values, values)


@on_linux
@pytest.mark.usefixtures("small_limit")
def test_that_a_system_that_writes_less_than_asked_is_asked_again(tmp_path, monkeypatch):
    write = os.pwrite
    monkeypatch.setattr(scratch.os, "pwrite", lambda fd, data, at: write(fd, data[:7], at))
    values = np.arange(360, dtype=np.float32).reshape(SHAPE)
    with Room(SHAPE, tmp_path) as room:
        for k in range(3):
            room.write((k,), values[k])
    np.testing.assert_array_equal(room.values, values)
