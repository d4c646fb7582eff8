"""A full disk, a drive that goes, files that change: a sentence, and nothing corrupted."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.architecture.sources import REPOSITORY
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine
from tests.helpers.stores import put_all

from kiview.core.errors import ReadError
from kiview.core.progress import Progress
from kiview.io import frame_store, scan_cache
from kiview.io.frame_store import VoxelCache, identity, refuse_changed
from kiview.jobs.library import RecordRequest, record_study
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.library.library import Library, LibraryQuery

START_S, DURATION_S = [0.0, 60.0, 120.0, 180.0], [60.0] * 4
SHAPE = (2, 3, 64, 64)


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Folder of a dynamic series, and its activity in Bq/mL."""
    activity = asymmetric_phantom()
    write_dynamic_series(
        tmp_path / "s",
        "ge",
        activity,
        axial_affine(),
        START_S,
        DURATION_S,
        quantum_bqml=QUANTUM_BQML,
    )
    return tmp_path / "s", activity


def open_it(folder: Path, progress: Progress | None = None):
    cache = folder.parent / "cache"
    return open_study(OpenRequest(folder, {}, cache, memory_limit_bytes=0), progress)


def check_opens(folder: Path, activity: np.ndarray) -> None:
    """Nothing of the failed import is left, and the study opens with its values."""
    cache = folder.parent / "cache"
    assert not cache.exists() or [p.name for p in cache.iterdir() if p.is_dir()] == []
    store = open_it(folder).series[0].image.store
    for t, frame in enumerate(activity):
        np.testing.assert_allclose(store.frame(t), frame, atol=QUANTUM_BQML, rtol=1e-4)


class Meddler(Progress):
    """Does something once frames have begun to come: the headers were read, not all pixels."""

    def __init__(self, meddle) -> None:
        self._meddle, self.did = meddle, False

    def step(self, _fraction, _message):
        pass

    def offer(self, _early) -> bool:
        if not self.did:
            self.did = True
            self._meddle()
        return True


class FillingDisk:
    """A file on a disk with room for some bytes only; it takes a part of the last write."""

    def __init__(self, file, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self._file.write(data[: self._room])
        self._room -= taken
        return taken

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_that_a_disk_that_fills_up_during_import_gives_a_sentence(study, monkeypatch):
    folder, activity = study
    begin = frame_store.VoxelWriter.__init__

    def on_small_disk(writer, *arguments):
        begin(writer, *arguments)
        writer._file = FillingDisk(writer._file, room=activity[0].size * 2 + 7)

    with monkeypatch.context() as patched:
        patched.setattr(frame_store.VoxelWriter, "__init__", on_small_disk)
        with pytest.raises(ReadError, match=r"No space left on device\); make room"):
            open_it(folder)
    check_opens(folder, activity)


def test_that_a_write_that_takes_a_part_is_gone_on_with(tmp_path):
    voxels = np.random.default_rng(0).integers(-9, 9, SHAPE).astype(np.int16)
    with VoxelCache(tmp_path, 0).create("a", SHAPE, np.int16) as writer:
        file = writer._file
        for t, frame in enumerate(voxels):
            for part in (100, 10**9):  # the first write of each frame stops after 100 bytes
                writer._file = FillingDisk(file, part)
                try:
                    writer.put(t, 0, frame)
                except ReadError:
                    continue
        writer._file = file
        np.testing.assert_array_equal(writer.finish({}), voxels)


SMALL_FILES = """
import resource, sys
import numpy as np
from pathlib import Path
from kiview.core.errors import ReadError
from kiview.io.frame_store import VoxelCache
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    VoxelCache(Path(sys.argv[1]), 0).create("a", (2, 3, 64, 64), np.int16)
except ReadError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no limit on the size of files")
def test_that_a_limit_on_the_size_of_files_gives_a_sentence(tmp_path):
    command = [sys.executable, "-c", SMALL_FILES, str(tmp_path / "cache")]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    assert "cannot be stored" in told.stdout
    assert "File too large" in told.stdout
    assert list((tmp_path / "cache").iterdir()) == []


def test_that_a_disk_that_is_full_at_the_end_gives_a_sentence(study, monkeypatch):
    folder, activity = study

    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(frame_store.os, "fsync", full)
        with pytest.raises(ReadError, match="make room there"):
            open_it(folder)
    check_opens(folder, activity)


def test_that_a_full_disk_costs_the_memory_of_a_folder_only(study, monkeypatch):
    folder, activity = study
    monkeypatch.setattr(scan_cache, "FEWEST_FILES", 1)

    write = Path.write_bytes

    def full(path, *arguments, **options):
        if ".index" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        check_opens(folder, activity)
    assert list((folder.parent / "cache").glob("*.index*")) == []


def test_that_a_folder_taken_away_during_import_gives_a_sentence(study):
    folder, activity = study
    away = folder.with_name("away")
    meddler = Meddler(lambda: folder.rename(away))
    with pytest.raises(ReadError, match="No such file"):
        open_it(folder, meddler)
    assert meddler.did
    shutil.rmtree(folder, ignore_errors=True)
    away.rename(folder)
    check_opens(folder, activity)


def file_of_first_frame(folder: Path) -> Path:
    """A file that is read last."""
    import pydicom  # noqa: PLC0415

    starts = {path: pydicom.dcmread(path).FrameReferenceTime for path in folder.iterdir()}
    return min(sorted(starts), key=lambda path: float(starts[path]))


@pytest.mark.parametrize("harm", ["cut", "exchanged", "touched"])
def test_that_a_file_that_changes_during_import_gives_a_sentence(study, harm):
    folder, activity = study
    path = file_of_first_frame(folder)
    content, status = path.read_bytes(), path.stat()

    def change() -> None:
        if harm == "cut":
            path.write_bytes(content[:-20])
        elif harm == "exchanged":  # the same length, other voxels
            path.write_bytes(content[:-40] + bytes(40))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))

    meddler = Meddler(change)
    with pytest.raises(ReadError, match=r"copy it again|changed while it was read"):
        open_it(folder, meddler)
    assert meddler.did
    path.write_bytes(content)
    check_opens(folder, activity)


def test_that_a_failed_import_leaves_the_library_as_it_was(study):
    folder, activity = study
    file = folder.parent / "library.sqlite"
    record_study(RecordRequest(open_it(folder), folder, file))
    shutil.rmtree(folder.parent / "cache")
    path = file_of_first_frame(folder)
    content = path.read_bytes()
    with pytest.raises(ReadError):
        open_it(folder, Meddler(lambda: path.write_bytes(content[:-20])))
    library = Library(file)
    library.repair()
    assert library.findings == ()
    assert [one.path for one in library.search(LibraryQuery()).studies] == [folder]
    path.write_bytes(content)
    check_opens(folder, activity)


def test_that_unchanged_files_pass_and_each_file_is_named(tmp_path):
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_bytes(b"1234")
    before = [identity(path) for path in paths]
    refuse_changed(before)
    refuse_changed([(f"{before[0][0]}\0 7", *before[0][1:])])  # a frame of a multi-frame object
    paths[1].write_bytes(b"12345")
    with pytest.raises(ReadError, match=r"b changed while it was read"):
        refuse_changed(before)


def test_that_a_writer_puts_slices_where_they_belong(tmp_path):
    voxels = np.random.default_rng(1).integers(-99, 99, SHAPE).astype(np.int16)
    for limit in (0, 1 << 30):  # on disk, in memory
        with VoxelCache(tmp_path, limit).create("a", SHAPE, np.int16) as writer:
            writer.put(1, 2, voxels[1, 2])
            writer.put(0, 1, voxels[0, 1:])
            put = writer.finish({})
            np.testing.assert_array_equal(put[1, 2], voxels[1, 2])
            np.testing.assert_array_equal(put[0, 1:], voxels[0, 1:])
            if limit == 0:
                assert not put[0, 0].any()


def test_that_all_frames_put_are_all_frames_read(tmp_path):
    voxels = np.random.default_rng(2).random(SHAPE).astype(np.float32)
    with VoxelCache(tmp_path, 0).create("a", SHAPE, np.float32) as writer:
        put_all(writer, voxels.astype(np.float64))  # brought to the type of the store
        np.testing.assert_array_equal(writer.finish({}), voxels)
