"""The voxel cache stays within its size and never takes voxels from an open study."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import asymmetric_phantom, axial_affine
from tests.helpers.stores import put_all

from kiview.core.errors import ReadError
from kiview.io import cache_limit
from kiview.io.cache_limit import LOCK, PLACING, entries, prune, remove_entry
from kiview.io.frame_store import VoxelCache, store_key
from kiview.jobs.open_study import OpenRequest, open_study

SHAPE = (2, 10, 10, 10)
VOXEL_BYTES = 2 * 2000
OVERHEAD_BYTES = 600
"""Most that head and record of such a store take."""


def key(letter: str) -> str:
    return letter * 40


def fill(folder: Path, letter: str, used_s: float, value: int = 1):
    """A store that was last used at a certain time; returns its mapped voxels."""
    with VoxelCache(folder, memory_limit_bytes=0).create(key(letter), SHAPE, np.int16) as writer:
        put_all(writer, np.full(SHAPE, value, np.int16))
        voxels = writer.finish({})
    os.utime(folder / key(letter) / LOCK, (used_s, used_s))
    return voxels


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != PLACING)


def test_that_the_least_recently_used_go_first_until_the_rest_fits(tmp_path):
    for letter, used_s in (("a", 300.0), ("b", 100.0), ("c", 200.0), ("d", 400.0)):
        fill(tmp_path, letter, used_s)
    report = prune(tmp_path, 2 * (VOXEL_BYTES + OVERHEAD_BYTES))
    assert names(tmp_path) == [key("a"), key("d")]
    assert report.removed_count == 2
    assert report.in_use_count == 0
    on_disk = sum(path.stat().st_size for path in tmp_path.glob("*/*"))
    assert report.left_bytes == on_disk <= 2 * (VOXEL_BYTES + OVERHEAD_BYTES)
    assert 2 * VOXEL_BYTES <= report.freed_bytes <= 2 * (VOXEL_BYTES + OVERHEAD_BYTES)


def test_that_finding_a_store_counts_as_using_it(tmp_path):
    for letter, used_s in (("a", 100.0), ("b", 200.0)):
        fill(tmp_path, letter, used_s)
    assert VoxelCache(tmp_path).find(key("a")) is not None
    assert [entry.path.name for entry in entries(tmp_path)] == [key("b"), key("a")]


def test_that_a_cache_within_its_limit_is_left_alone(tmp_path):
    fill(tmp_path, "a", 100.0)
    report = prune(tmp_path, VOXEL_BYTES + OVERHEAD_BYTES)
    assert report.removed_count == 0
    assert names(tmp_path) == [key("a")]


def test_that_voxels_in_use_stay_as_long_as_a_view_of_them_lives(tmp_path):
    voxels = fill(tmp_path, "a", 100.0)
    view = voxels[0, 1].view(np.ndarray)
    del voxels
    report = prune(tmp_path, 0)
    assert (report.removed_count, report.in_use_count) == (0, 1)
    assert (view == 1).all()
    del view
    assert prune(tmp_path, 0).removed_count == 1
    assert names(tmp_path) == []


def test_that_a_store_found_again_is_in_use_too(tmp_path):
    fill(tmp_path, "a", 100.0)
    found = VoxelCache(tmp_path).find(key("a"))
    assert not remove_entry(tmp_path / key("a"))
    del found
    assert remove_entry(tmp_path / key("a"))


@pytest.mark.skipif(sys.platform == "win32", reason="platform: open stores cannot be renamed")
def test_that_a_store_placed_while_an_unused_one_is_removed_stays(tmp_path, monkeypatch):
    fill(tmp_path, "a", 100.0)
    real, found = cache_limit.try_lock, []
    other = threading.Thread(target=lambda: found.append(fill(tmp_path, "a", 200.0, 2)))

    def lock_and_let_another_come(path, *, shared):
        held = real(path, shared=shared)
        other.start()
        other.join(0.5)  # it waits for this removal, or is done by now
        return held

    monkeypatch.setattr(cache_limit, "try_lock", lock_and_let_another_come)
    assert remove_entry(tmp_path / key("a"))
    other.join(20)
    assert names(tmp_path) == [key("a")]
    assert (found[0] == 2).all()


HOLD = """
import sys
from pathlib import Path
from kiview.io.frame_store import VoxelCache
found = VoxelCache(Path(sys.argv[1])).find(sys.argv[2])
print("held" if found else "not found", flush=True)
sys.stdin.read()
"""


def test_that_a_study_open_in_another_process_stays_until_that_process_is_killed(tmp_path):
    fill(tmp_path, "a", 100.0)
    command = [sys.executable, "-c", HOLD, str(tmp_path), key("a")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline().strip() == "held"
        assert prune(tmp_path, 0).in_use_count == 1
        assert names(tmp_path) == [key("a")]
        other.kill()
        other.wait()
        assert prune(tmp_path, 0).removed_count == 1


def test_that_leftovers_of_killed_processes_go_and_files_of_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_limit, "YOUNG_S", 0.0)
    for name in (f"{key('a')}.part-01234567", f"{key('b')}.gone-01234567"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "voxels.npy").write_bytes(b"half")
    (tmp_path / f"{key('c')}.index.part-01234567").write_bytes(b"{")
    others = ["notes.txt", "x.part-01234567", "my.gone-01234567"]
    for name in others:
        (tmp_path / name).write_text("of the user", encoding="utf-8")
    prune(tmp_path, 10**9)
    assert names(tmp_path) == sorted(others)


def test_that_what_is_being_written_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_limit, "YOUNG_S", 0.0)
    with VoxelCache(tmp_path, 0).create(key("a"), SHAPE, np.int16) as writer:
        put_all(writer, np.full(SHAPE, 3, np.int16))
        prune(tmp_path, 0)
        assert (writer.finish({}) == 3).all()


def test_that_a_young_half_store_without_a_lock_is_waited_for(tmp_path):
    (tmp_path / f"{key('a')}.part-01234567").mkdir()
    prune(tmp_path, 0)
    assert names(tmp_path) == [f"{key('a')}.part-01234567"]


def test_that_remembered_folders_count_and_go_by_their_last_use(tmp_path):
    index = tmp_path / f"{key('b')}.index.json"
    index.write_bytes(b" " * 5000)
    os.utime(index, (50.0, 50.0))
    fill(tmp_path, "a", 100.0)
    report = prune(tmp_path, VOXEL_BYTES + OVERHEAD_BYTES)
    assert names(tmp_path) == [key("a")]
    assert report.freed_bytes == 5000


def test_that_pruning_a_cache_that_is_not_there_does_nothing(tmp_path):
    assert prune(tmp_path / "none", 0) == cache_limit.PruneReport(0, 0, 0, 0)
    assert not (tmp_path / "none").exists()


def test_that_a_store_tells_its_name_and_voxels_in_memory_have_none(tmp_path):
    assert store_key(fill(tmp_path, "a", 1.0)[0:1]) == key("a")
    assert store_key(np.zeros(SHAPE)) is None


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_that_a_store_with_an_emptied_page_is_imported_again(tmp_path, place):
    values = np.arange(2 * 64**3, dtype=np.int16).reshape(2, 64, 64, 64)
    cache = VoxelCache(tmp_path, 0)

    def fill_large() -> None:
        with cache.create(key("a"), values.shape, np.int16) as writer:
            put_all(writer, values)
            writer.finish({})

    fill_large()
    file = tmp_path / key("a") / "voxels.npy"
    size = file.stat().st_size
    emptied = 80_000  # more than the distance of the pieces that are checked
    with file.open("r+b") as stream:
        stream.seek(128 + int(place * (size - 128 - emptied)))
        stream.write(b"\0" * emptied)
    assert cache.find(key("a")) is None
    fill_large()
    found = cache.find(key("a"))
    assert found is not None
    np.testing.assert_array_equal(found[0], values)


def test_that_two_imports_of_one_study_at_once_both_get_its_voxels(tmp_path):
    cache, results, barrier = VoxelCache(tmp_path, 0), [], threading.Barrier(4, timeout=10)

    def work() -> None:
        for _ in range(10):
            barrier.wait()
            with cache.create(key("a"), SHAPE, np.int16) as writer:
                put_all(writer, np.full(SHAPE, 7, np.int16))
                results.append(bool((writer.finish({}) == 7).all()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 40
    assert names(tmp_path) == [key("a")]


def test_that_voxels_stay_readable_while_another_import_replaces_a_damaged_store(tmp_path):
    voxels = fill(tmp_path, "a", 1.0, value=5)
    (tmp_path / key("a") / "store.json").write_text("{}", encoding="utf-8")
    again = fill(tmp_path, "a", 1.0, value=5)
    assert (voxels == 5).all()
    assert (again == 5).all()
    assert names(tmp_path) == [key("a")]


def test_that_opening_a_study_brings_the_cache_below_its_limit(tmp_path):
    cache = tmp_path / "cache"
    fill(cache, "a", 100.0)
    activity = asymmetric_phantom()
    start_s, duration_s = [0.0, 60.0, 120.0, 180.0], [60.0] * 4
    write_dynamic_series(tmp_path / "s", "ge", activity, axial_affine(), start_s, duration_s)
    opened = open_study(OpenRequest(tmp_path / "s", {}, cache, 0, cache_limit_bytes=0))
    own = store_key(opened.series[0].image.store.voxels)
    assert names(cache) == [own]


@pytest.fixture
def small_disk(monkeypatch):
    """A disk that holds the given number of stores and nothing else but the cache."""

    def of_stores(count: int) -> None:
        capacity = count * (VOXEL_BYTES + OVERHEAD_BYTES)

        def usage(folder: Path) -> object:
            files = [path for path in folder.rglob("*") if path.is_file()]
            free = capacity - sum(path.stat().st_size for path in files)
            return type("Usage", (), {"free": free})

        monkeypatch.setattr(shutil, "disk_usage", usage)

    return of_stores


def test_that_a_full_disk_loses_what_was_not_used_for_longest(tmp_path, small_disk):
    small_disk(3)
    held = fill(tmp_path, "a", 100.0)
    for letter, used_s in (("b", 300.0), ("c", 200.0)):
        fill(tmp_path, letter, used_s)
    fill(tmp_path, "d", 400.0)
    assert names(tmp_path) == [key("a"), key("b"), key("d")]
    assert (held == 1).all()


def test_that_a_study_that_cannot_fit_is_refused_and_the_cache_left_alone(tmp_path, small_disk):
    small_disk(2)
    for letter in "ab":
        fill(tmp_path, letter, 100.0)
    with pytest.raises(ReadError, match=r"needs 12\.0 kB in .*, but only \d\.\d kB are free"):
        VoxelCache(tmp_path, 0).create(key("c"), (6, 10, 10, 10), np.int16)
    assert names(tmp_path) == [key("a"), key("b")]


def test_that_open_studies_stay_where_the_disk_is_full(tmp_path, small_disk):
    small_disk(2)
    held = [fill(tmp_path, letter, 100.0) for letter in "ab"]
    with pytest.raises(ReadError, match="make room there"):
        fill(tmp_path, "c", 200.0)
    assert names(tmp_path) == [key("a"), key("b")]
    assert all((voxels == 1).all() for voxels in held)
