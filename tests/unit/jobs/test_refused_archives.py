"""Zip archives that nobody should send: refused with the reason, and nothing is left of them."""

import os
import re
import shutil
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.helpers.archived_study import cache_of, left_behind, opened, refusal, write_study
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

from kiview.core.errors import ReadError, UnsupportedDataError
from kiview.io import zip_content, zip_store
from kiview.io.cache_limit import LOCK


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
        told = str(refusal(archive))
    assert re.search(r"unpacked, needs \d+\.\d kB in ", told)
    assert "only 614.4 kB are free there, of which 536.9 MB are kept spare; make room" in told
    monkeypatch.setattr(zip_content, "MOST_MEMBERS", 60_000)
    assert "more than 60000 files" in str(refusal(claim_members(archive, 65_000)))


def test_that_a_full_disk_while_unpacking_leaves_nothing(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zip_store, "_copy", full)
    assert "No space left" in str(refusal(archive))


def test_that_a_full_disk_loses_unused_studies_before_an_archive_is_refused(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copy(archive, archive.with_name("other.zip"))
    opened(other)
    (old,) = [path for path in left_behind(other) if len(path) == 40]
    os.utime(cache_of(other) / old / LOCK, (100, 100))
    usage = shutil.disk_usage(archive.parent)

    def of_one(folder: Path) -> object:
        return usage._replace(free=(0 if (folder / old).exists() else 1 << 30))

    monkeypatch.setattr(shutil, "disk_usage", of_one)
    monkeypatch.setattr(zip_store, "SPARE_BYTES", 0)
    opened(archive)
    assert old not in left_behind(archive)


def test_that_an_archive_without_images_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    path = zip_names(tmp_path / "notes.zip", {"notes.txt": b"none\n"})
    assert "holds no image" in str(refusal(path))
    path = zip_names(tmp_path / "nested.zip", {"inner.zip": b"none"})
    assert "archive inside the archive" in str(refusal(path))
    with pytest.raises(ReadError, match="empty"):
        opened(zip_names(tmp_path / "empty.zip", {}))


def test_that_an_archive_of_another_ending_is_told_what_to_do(archive: Path) -> None:
    path = archive.rename(archive.with_name("study.txt"))
    with pytest.raises(ReadError, match=r"let its name end in \.zip and open it"):
        opened(path)


def test_that_errors_name_files_as_the_archive_does(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.ones((2, 3, 4), np.float32), np.eye(4))
    nibabel.save(image, tmp_path / "whole.nii")
    cut = (tmp_path / "whole.nii").read_bytes()[:360]
    path = zip_names(tmp_path / "cut.zip", {"deep/brain.nii": cut})
    with pytest.raises(ReadError) as caught:
        opened(path)
    assert str(path / "deep" / "brain.nii") in str(caught.value)
    assert str(cache_of(path)) not in str(caught.value)


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
