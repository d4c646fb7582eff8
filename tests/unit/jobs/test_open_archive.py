"""Zip archives of a study open like the folder that was packed, and nothing else gets through."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import nibabel
import numpy as np
import pytest
from tests.helpers.archives import (
    add_link,
    claim_members,
    damage_middle,
    set_flag,
    set_method,
    share_bytes,
    zip_folder,
    zip_names,
)
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series, write_rubbish
from tests.helpers.dicom_patterns.facts import SeriesSpec
from tests.helpers.discs import write_disc
from tests.helpers.ecat_factory import write_ecat
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview import paths
from kiview.core.errors import KiviewError, ReadError, UnsupportedDataError
from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.core.study import SeriesKind, Study
from kiview.io import scan_cache, zip_content, zip_store
from kiview.io.cache_limit import entries, prune
from kiview.io.frame_store import PLACING
from kiview.jobs.library import RecordRequest, RemoveRequest, find_study, record_study, remove_study
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.library.library import Library

SHAPE = (3, 4, 5)
PHANTOM = asymmetric_phantom(SHAPE, 2)


def write_study(folder: Path) -> Path:
    write_dynamic_series(
        folder / "DOE_JANE" / "pet",
        "siemens",
        PHANTOM,
        axial_affine(),
        [5.0, 65.0],
        [60.0, 60.0],
        study_uid="1.2.3",
        scan_start_s=5.0,
    )
    ct = SeriesSpec(study_uid="1.2.3")
    write_ct_series(folder / "DOE_JANE" / "ct", PHANTOM[0] / 10, axial_affine(), ct)
    write_rubbish(folder / "DOE_JANE", ct)
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return zip_folder(tmp_path / "export.zip", write_study(tmp_path / "study"), "DOE_JANE_47")


def cache_of(path: Path) -> Path:
    return path.parent / "cache"


def opened(path: Path, **options: Any) -> Study:
    return open_study(OpenRequest(path, cache_folder=cache_of(path), **options))


def refusal(path: Path) -> KiviewError:
    with pytest.raises(KiviewError) as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")
    assert left_behind(path) == []
    return caught.value


def left_behind(path: Path) -> list[str]:
    """What lies in the cache of a test besides its lock."""
    cache = cache_of(path)
    return [one.name for one in cache.iterdir() if one.name != PLACING] if cache.exists() else []


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


@pytest.mark.parametrize(
    "name",
    ["../out.dcm", "a/../../out.dcm", "/out.dcm", "C:/out.dcm", "..\\out.dcm", "\\\\host\\out"],
)
def test_that_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path = zip_names(tmp_path / "deep" / "bad.zip", {"IM1": b"x", name: b"y"})
    assert "names that lead out" in str(refusal(path))
    assert not list(tmp_path.rglob("out*"))


def test_that_links_are_refused(archive: Path) -> None:
    assert "links" in str(refusal(add_link(archive, "link", "/etc/passwd")))


def test_that_encrypted_and_oddly_packed_archives_say_what_to_do(archive: Path) -> None:
    copy = archive.with_name("copy.zip")
    shutil.copy(archive, copy)
    error = refusal(set_flag(copy, 1))
    assert isinstance(error, UnsupportedDataError)
    assert "password" in str(error)
    assert "method" in str(refusal(set_method(archive, 9)))


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
def test_that_a_cut_archive_is_refused(part: float, archive: Path) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * part)])
    assert "cut off or damaged" in str(refusal(archive))


def test_that_a_wrong_checksum_leaves_nothing(archive: Path) -> None:
    assert "cut off or damaged" in str(refusal(damage_middle(archive)))


def test_that_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = zip_names(tmp_path / "bomb.zip", {"IM1": bytes(100_000)})
    assert "damaged" in str(refusal(share_bytes(path, 50)))


def test_that_an_archive_that_grows_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zip_names(tmp_path / "bomb.zip", {"IM1": bytes(4_000_000)})
    with pytest.raises(ReadError, match="no image"):
        opened(path)  # a small one is harmless
    shutil.rmtree(cache_of(path))
    monkeypatch.setattr(zip_content, "RATIO_FROM_BYTES", 1_000_000)
    assert "fold when unpacked" in str(refusal(path))


def test_that_limits_of_size_and_number_are_kept(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(zip_content, "MOST_BYTES", 10_000)
        assert "would take" in str(refusal(archive))
    with monkeypatch.context() as patch:
        patch.setattr(zip_content, "MOST_MEMBERS", 5)
        assert "more than 5 files" in str(refusal(archive))
    usage = shutil.disk_usage(archive.parent)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=600 << 10))
        assert "make room" in str(refusal(archive))
    monkeypatch.setattr(zip_content, "MOST_MEMBERS", 60_000)
    assert "more than 60000 files" in str(refusal(claim_members(archive, 65_000)))


def test_that_a_full_disk_while_unpacking_leaves_nothing(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zip_store, "_copy", full)
    assert "No space left" in str(refusal(archive))


def test_that_an_archive_without_images_says_so(tmp_path: Path) -> None:
    path = zip_names(tmp_path / "notes.zip", {"notes.txt": b"none\n"})
    with pytest.raises(ReadError, match="holds no image"):
        opened(path)
    path = zip_names(tmp_path / "nested.zip", {"inner.zip": b"none"})
    with pytest.raises(ReadError, match="archive inside the archive"):
        opened(path)
    with pytest.raises(ReadError, match="empty"):
        opened(zip_names(tmp_path / "empty.zip", {}))


def test_that_errors_name_files_as_the_archive_does(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.ones((2, 3, 4), np.float32), np.eye(4))
    nibabel.save(image, tmp_path / "whole.nii")
    cut = (tmp_path / "whole.nii").read_bytes()[:360]
    path = zip_names(tmp_path / "cut.zip", {"deep/brain.nii": cut})
    with pytest.raises(ReadError) as caught:
        opened(path)
    assert str(path / "deep" / "brain.nii") in str(caught.value)
    assert str(cache_of(path)) not in str(caught.value)


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


def test_that_archives_with_the_long_form_of_their_end_are_read_and_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    path = zip_folder(tmp_path / "long.zip", write_study(tmp_path / "study"))
    assert b"PK\x06\x06" in path.read_bytes()
    assert len(opened(path).series) == 2
    shutil.rmtree(cache_of(path))
    monkeypatch.setattr(zip_content, "MOST_MEMBERS", 5)
    assert "more than 5 files" in str(refusal(path))


def test_that_names_at_the_end_of_a_sentence_keep_its_full_stop(archive: Path) -> None:
    unpacked = zip_store.unpack(archive, cache_of(archive), NullProgress())
    path, name = next(iter(unpacked.names.items()))
    short = name.rpartition("/")[2]
    assert unpacked.told(f"See {path}.") == f"See {archive / name}."
    assert unpacked.told(f"See {Path(path).name}. Or {path}, {path}") == (
        f"See {short}. Or {archive / name}, {archive / name}"
    )
    assert unpacked.told("Nothing of kv here.") == "Nothing of kv here."
