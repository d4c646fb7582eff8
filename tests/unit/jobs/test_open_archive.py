"""Zip archives of a study open like the folder that was packed, once, whatever comes between."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import nibabel
import numpy as np
import pytest
from tests.helpers.archived_study import cache_of, left_behind, opened, write_study
from tests.helpers.archives import zip_folder, zip_names
from tests.helpers.discs import write_disc
from tests.helpers.ecat_factory import write_ecat

from kiview import paths
from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.core.study import SeriesKind, Study
from kiview.io import scan_cache, zip_store
from kiview.io.cache_limit import entries, prune
from kiview.jobs.library import RecordRequest, RemoveRequest, find_study, record_study, remove_study
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.library.library import Library


def test_that_an_archive_opens_like_its_folder(archive: Path, tmp_path: Path) -> None:
    study, expected = opened(archive), opened(tmp_path / "study")
    assert study.uid == expected.uid == "1.2.3"
    assert study.source == str(archive)
    assert study.patient == expected.patient
    for found, other in zip(study.series, expected.series, strict=True):
        assert (found.uid, found.kind, found.description) == (
            other.uid,
            other.kind,
            other.description,
        )
        assert found.findings == other.findings
        assert found.image is not None
        assert other.image is not None
        for frame in range(found.image.frame_count):
            np.testing.assert_array_equal(
                found.image.store.frame(frame), other.image.store.frame(frame)
            )
        assert all(Path(name).is_file() for name in found.source_files)


def test_that_unused_files_are_told_by_their_names_in_the_archive(archive: Path) -> None:
    told = {Path(name).relative_to(archive).as_posix() for name, _ in opened(archive).unused_files}
    names = ("RS.dcm", "notes.txt", "empty.dcm", "cut.dcm")
    assert told == {f"DOE_JANE_47/DOE_JANE/{name}" for name in names}


def test_that_the_cache_tells_nobody_a_name_and_is_the_owners(archive: Path) -> None:
    opened(archive)
    names = [str(path.relative_to(cache_of(archive))) for path in cache_of(archive).rglob("*")]
    assert len(names) > 10
    assert not [name for name in names if "DOE" in name or "47" in Path(name).name[:4]]
    (store,) = [path for path in cache_of(archive).iterdir() if path.is_dir()]
    if os.name == "posix":
        assert stat.S_IMODE(store.stat().st_mode) == 0o700
    for path in store.iterdir():
        if path.is_file():
            assert b"DOE" not in path.read_bytes()


def test_that_the_second_opening_unpacks_nothing(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(archive)

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(zip_store, "_write_members", refuse)
    second = opened(archive)
    assert [one.source_files for one in second.series] == [one.source_files for one in first.series]


def test_that_an_archive_that_changed_is_unpacked_anew(archive: Path, tmp_path: Path) -> None:
    opened(archive)
    for path in (tmp_path / "study" / "DOE_JANE" / "ct").iterdir():
        path.unlink()
    zip_folder(archive, tmp_path / "study")
    assert [one.kind for one in opened(archive).series] == [SeriesKind.DYNAMIC]


def test_that_other_voxels_under_the_same_names_sizes_and_time_are_noticed(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study")
    archive = zip_folder(tmp_path / "export.zip", folder, method=ZIP_STORED)
    before, time_ns = opened(archive), archive.stat().st_mtime_ns
    path = folder / "DOE_JANE" / "ct" / "CT0000.dcm"
    data = path.read_bytes()
    path.write_bytes(data[:-2] + b"\x39\x30")  # 12345 - 1024 HU
    zip_folder(archive, folder, method=ZIP_STORED)
    os.utime(archive, ns=(time_ns, time_ns))
    after = opened(archive)
    assert before.files == after.files
    assert before.series[1].max_value != after.series[1].max_value == 12345 - 1024


@pytest.mark.parametrize("damage", ["lost", "cut", "record", "lock"])
def test_that_a_damaged_store_is_made_again(damage: str, archive: Path) -> None:
    path = Path(opened(archive).series[0].source_files[0])
    store = path.parents[2]
    if damage == "lost":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        (store / {"record": "archive.json", "lock": "lock"}[damage]).unlink()
    study = opened(archive)
    assert path.is_file()
    assert study.series[0].image is not None
    assert len(left_behind(archive)) == 1


def test_that_nifti_with_its_sidecar_keeps_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "bids"
    folder.mkdir()
    image = nibabel.Nifti1Image(np.ones((2, 3, 4, 2), np.float32), np.diag([2, 2, 3, 1]))
    nibabel.save(image, folder / "sub-07_pet.nii.gz")
    times = {"FrameTimesStart": [0, 60], "FrameDuration": [60, 60], "InjectionStart": 0}
    record = {**times, "Units": "Bq/mL", "TracerRadionuclide": "F18"}
    (folder / "sub-07_pet.json").write_text(json.dumps(record), encoding="utf-8")
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 3, 4), np.float32), np.eye(4)), folder / "a.NII")
    study = opened(zip_folder(tmp_path / "bids.zip", folder))
    pet, other = study.series
    assert pet.description == "sub-07_pet.nii.gz"
    assert pet.image is not None
    assert pet.image.description == "sub-07_pet.nii.gz"
    assert pet.image.timing.start_s.tolist() == [0, 60]
    assert pet.image.timing.duration_s.tolist() == [60, 60]
    assert other.description == "a.NII"
    assert study.unused_files == ()
    assert any("a.NII has no sidecar" in one.message for one in other.findings)


def test_that_ecat_and_discs_are_found_inside(tmp_path: Path) -> None:
    (tmp_path / "ecat").mkdir()
    stored = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)
    write_ecat(tmp_path / "ecat" / "scan.v", stored, [0.0, 30.0], [30.0, 60.0])
    study = opened(zip_folder(tmp_path / "ecat.zip", tmp_path / "ecat"))
    assert study.series[0].image is not None
    assert study.series[0].image.frame_count == 2
    files = sorted((write_study(tmp_path / "study") / "DOE_JANE" / "pet").iterdir())
    lost = write_disc(tmp_path / "disc", files)[4]
    opened_disc = opened(zip_folder(tmp_path / "disc.zip", tmp_path / "disc", "CD 1"))
    assert "dicomdir-files-missing" not in {one.code for one in opened_disc.series[0].findings}
    lost.unlink()
    opened_disc = opened(zip_folder(tmp_path / "disc.zip", tmp_path / "disc", "CD 1"))
    (told,) = [one for one in opened_disc.series[0].findings if one.code.startswith("dicomdir")]
    assert lost.relative_to(tmp_path / "disc").as_posix() in told.message


def test_that_archives_inside_and_leftovers_are_listed(archive: Path) -> None:
    with ZipFile(archive) as packed:
        contents = {name: packed.read(name) for name in packed.namelist() if "/pet/IM" in name}
    contents["old/inner.ZIP"] = archive.read_bytes()
    contents["__MACOSX/._x.nii"] = contents["a/._y"] = b"\x00\x05\x16\x07"
    contents["twice.nii"] = contents["TWICE.NII"] = b""
    path = zip_names(archive.with_name("outer.zip"), {**contents, "twice.NII": b""})
    told = {name.removeprefix(f"{path}{os.sep}"): why for name, why in opened(path).unused_files}
    assert "archive inside the archive" in told[str(Path("old/inner.ZIP"))]
    assert "macOS" in told[str(Path("__MACOSX/._x.nii"))]
    assert "macOS" in told[str(Path("a/._y"))]
    assert "same name" in told["twice.NII"]
    assert len(told) == 4


def test_that_a_zip_in_a_folder_is_listed(archive: Path, tmp_path: Path) -> None:
    shutil.copy(archive, tmp_path / "study" / "more.zip")
    told = dict(opened(tmp_path / "study").unused_files)
    assert "zip archive" in told[str(tmp_path / "study" / "more.zip")]


def test_that_a_stop_at_any_step_leaves_nothing_half(archive: Path) -> None:
    steps: list[tuple[float, str]] = []
    request = OpenRequest(archive, cache_folder=cache_of(archive))
    open_study(request, CallbackProgress(lambda share, text: steps.append((share or 0.0, text))))
    shares = [share for share, _ in steps]
    assert shares == sorted(shares)
    assert any(text.startswith("Unpacking") for _, text in steps)
    assert all("DOE" not in text for _, text in steps)
    for stop in range(len(steps)):
        cache = archive.parent / f"cache {stop}"
        seen = iter(range(stop))
        progress = CallbackProgress(lambda *_: None, lambda s=seen: next(s, None) is None)
        with pytest.raises(Cancelled):
            open_study(OpenRequest(archive, cache_folder=cache), progress)
        names = [path.name for path in cache.iterdir()] if cache.exists() else []
        assert not [name for name in names if ".part-" in name]
        if steps[stop][1].startswith("Unpacking"):
            assert names == []


KILLED = """
import sys, time
from pathlib import Path
from kiview.io import zip_store
from kiview.core.progress import NullProgress

copy = zip_store._copy

def slow(*given):
    yield from copy(*given)
    print("one", flush=True)
    time.sleep(60)

zip_store._copy = slow
zip_store.unpack(Path(sys.argv[1]), Path(sys.argv[2]), NullProgress())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="platform: no SIGKILL")
def test_that_a_killed_process_leaves_no_half_study(archive: Path) -> None:
    cache = cache_of(archive)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(archive), str(cache)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        prune(cache, 0)
        assert left_behind(archive)  # a living process writes there
        process.kill()
    (part,) = [path for path in cache.iterdir() if ".part-" in path.name]
    study = opened(archive)
    assert len(study.series) == 2
    old = time.time() - 3600
    os.utime(part, (old, old))
    prune(cache, 10**9)
    assert len(left_behind(archive)) == 1


def test_that_an_open_study_is_not_pruned_and_a_closed_one_is(archive: Path) -> None:
    study = opened(archive, cache_limit_bytes=0)
    assert Path(study.series[0].source_files[0]).is_file()
    report = prune(cache_of(archive), 0)
    assert (report.removed_count, report.in_use_count) == (0, 1)
    packed = sum(path.stat().st_size for path in cache_of(archive).rglob("*") if path.is_file())
    assert entries(cache_of(archive))[0].size_bytes == packed
    del study
    assert prune(cache_of(archive), 0).removed_count == 1
    assert left_behind(archive) == []


def test_that_two_openings_at_once_share_one_store(archive: Path) -> None:
    studies: list[Study] = []
    threads = [threading.Thread(target=lambda: studies.append(opened(archive))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({study.series[0].source_files for study in studies}) == 1
    assert len(left_behind(archive)) == 1


def test_that_voxels_are_found_again_after_the_archive_was_unpacked_anew(archive: Path) -> None:
    study = opened(archive, memory_limit_bytes=0)
    path = Path(study.series[0].source_files[0])
    stores = set(left_behind(archive))
    del study
    shutil.rmtree(path.parents[2])
    opened(archive, memory_limit_bytes=0)
    assert set(left_behind(archive)) == stores


def test_that_a_large_archive_is_remembered_with_its_names(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_cache, "FEWEST_FILES", 1)
    first, second = opened(archive), opened(archive)
    assert first.unused_files == second.unused_files
    (record,) = cache_of(archive).glob("*.index.json")
    assert "DOE" not in record.read_text(encoding="utf-8")


def test_that_the_library_lists_the_archive_and_forgets_what_was_unpacked(archive: Path) -> None:
    study = open_study(OpenRequest(archive))
    library_id, _ = record_study(RecordRequest(study, archive))
    listed = find_study(library_id)
    assert listed is not None
    assert listed.path == archive
    files = Library(paths.library_file()).files(library_id)
    assert [(Path(one.path), one.size) for one in files] == [(archive, archive.stat().st_size)]
    cache = paths.voxel_cache_dir()
    assert len(entries(cache)) == 1
    del study
    remove_study(RemoveRequest(library_id))
    assert entries(cache) == ()
    assert archive.is_file()


def test_that_names_at_the_end_of_a_sentence_keep_its_full_stop(archive: Path) -> None:
    unpacked = zip_store.unpack(archive, cache_of(archive), NullProgress())
    path, name = next(iter(unpacked.names.items()))
    short = name.rpartition("/")[2]
    assert unpacked.told(f"See {path}.") == f"See {archive / name}."
    assert unpacked.told(f"See {Path(path).name}. Or {path}, {path}") == (
        f"See {short}. Or {archive / name}, {archive / name}"
    )
    assert unpacked.told("Nothing of kv here.") == "Nothing of kv here."
