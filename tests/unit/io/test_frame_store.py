"""Voxels on disk: whole or not at all, found again, never by a patient's name."""

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine
from tests.helpers.stores import put_all

from kiview.core.errors import ReadError
from kiview.io import frame_store
from kiview.io.frame_store import VoxelCache, cache_key, identity
from kiview.jobs.open_study import OpenRequest, open_study

SHAPE = (2, 3, 4, 5)


def fill(cache: VoxelCache, key: str) -> np.ndarray:
    values = np.arange(120, dtype=np.int16).reshape(SHAPE)
    with cache.create(key, SHAPE, np.int16) as writer:
        put_all(writer, values)
        writer.finish({"note": "kept"})
    return values


def test_that_small_series_stay_in_memory(tmp_path: Path) -> None:
    cache = VoxelCache(tmp_path / "cache")
    fill(cache, "a")
    assert not (tmp_path / "cache").exists()
    assert cache.find("a") is None


def test_that_large_series_are_mapped_and_found_again(tmp_path: Path) -> None:
    cache = VoxelCache(tmp_path / "cache", memory_limit_bytes=100)
    values = fill(cache, "a")
    found = cache.find("a")
    assert found is not None
    np.testing.assert_array_equal(found[0], values)
    assert isinstance(found[0], np.memmap)
    assert found[0].dtype == np.int16
    assert found[1]["note"] == "kept"
    assert not found[0].flags.writeable
    fill(cache, "a")  # a second import replaces the first
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"a", ".placing"}


@pytest.mark.skipif(os.name != "posix", reason="platform: no modes of files")
def test_that_a_store_is_its_owners_alone_and_an_older_one_becomes_so(tmp_path: Path) -> None:
    cache = VoxelCache(tmp_path / "cache", memory_limit_bytes=100)
    fill(cache, "a")
    places = [cache.folder, *cache.folder.rglob("*")]

    def modes() -> set[int]:
        return {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in places}

    assert len(places) == 6
    assert modes() == {0}
    for path in places:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert cache.find("a") is not None
    assert {path.name for path in places if path.stat().st_mode & 0o077} <= {"lock", ".placing"}


def test_that_a_broken_import_leaves_nothing(tmp_path: Path) -> None:
    cache = VoxelCache(tmp_path / "cache", memory_limit_bytes=0)
    with cache.create("a", SHAPE, np.int16) as writer:
        writer.put(0, 0, np.ones(SHAPE[1:], np.int16))
    assert list((tmp_path / "cache").iterdir()) == []
    assert cache.find("a") is None


@pytest.mark.parametrize("damage", ["record", "voxels", "empty", "header", "version", "shape"])
def test_that_a_damaged_store_is_not_used(damage: str, tmp_path: Path) -> None:
    cache = VoxelCache(tmp_path, memory_limit_bytes=0)
    fill(cache, "a")
    record = tmp_path / "a" / "store.json"
    if damage == "record":
        record.write_text("[]", encoding="utf-8")
    elif damage == "voxels":
        (tmp_path / "a" / "voxels.npy").write_bytes(b"nothing")
    elif damage == "empty":
        (tmp_path / "a" / "voxels.npy").write_bytes(b"")
    elif damage == "header":
        voxels = tmp_path / "a" / "voxels.npy"
        voxels.write_bytes(voxels.read_bytes().replace(b"(2, 3, 4, 5), }", b"(2, 3\x89\xd0[ \n  "))
    elif damage == "version":
        record.write_text(record.read_text().replace('"format_version": 2', '"format_version": 1'))
    else:
        record.write_text(record.read_text().replace("[2, 3, 4, 5]", "[2, 3, 4, 6]"))
    assert cache.find("a") is None


def test_that_a_full_disk_gives_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(frame_store.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ReadError, match=r"needs 0\.2 kB in .*only 0\.0 kB are free there; make"):
        VoxelCache(tmp_path, 0).create("a", SHAPE, np.int16)
    assert not list(tmp_path.iterdir())


def test_that_a_read_only_cache_is_told_as_that_and_not_as_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(frame_store.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(ReadError, match=r"\(Read-only file system\); make the folder writable"):
        VoxelCache(tmp_path, 0).create("a", SHAPE, np.int16)


def test_that_a_folder_that_cannot_be_made_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(ReadError, match="cannot be stored"):
        VoxelCache(tmp_path / "file", 0).create("a", SHAPE, np.int16)


def test_that_the_key_follows_path_size_and_time_only(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    first = cache_key([identity(path)])
    assert first == cache_key([identity(path)])
    path.write_bytes(b"12")
    assert first != cache_key([identity(path)])
    with pytest.raises(ReadError, match="any more"):
        identity(tmp_path / "gone")


def test_that_a_study_read_from_disk_equals_one_in_memory(tmp_path: Path) -> None:
    activity = asymmetric_phantom()
    write_dynamic_series(
        tmp_path / "study",
        "ge",
        activity,
        axial_affine(),
        [0.0, 60.0, 120.0, 180.0],
        [60.0] * 4,
        quantum_bqml=QUANTUM_BQML,
    )
    memory = open_study(OpenRequest(tmp_path / "study")).series[0]
    request = OpenRequest(tmp_path / "study", {}, tmp_path / "cache", memory_limit_bytes=0)
    for _ in range(2):
        series = open_study(request).series[0]
        assert series.image is not None
        assert memory.image is not None
        assert isinstance(series.image.store.voxels, np.memmap)
        for t in range(4):
            np.testing.assert_array_equal(series.image.store.frame(t), memory.image.store.frame(t))
        assert series.max_value == memory.max_value
    names = [path.name for path in (tmp_path / "cache").rglob("*")]
    assert not any("Factory" in name or "FACTORY" in name for name in names)
