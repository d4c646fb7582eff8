"""Results arrive whole or not at all."""

import errno
from pathlib import Path

import pytest

from kiview.core.errors import ExportError
from kiview.core.progress import Cancelled
from kiview.io.staging import refuse_existing, staged


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its text; folders end in a slash."""
    return {
        path.relative_to(folder).as_posix() + ("/" if path.is_dir() else ""): (
            "" if path.is_dir() else path.read_text(encoding="utf-8")
        )
        for path in folder.rglob("*")
    }


def fill(place: Path) -> None:
    (place / "map.json").write_text("new", encoding="utf-8")
    (place / "series").mkdir()
    (place / "series" / "a.dcm").write_text("new", encoding="utf-8")


def test_that_a_new_folder_appears_with_its_content(tmp_path):
    with staged(tmp_path / "deep" / "out") as place:
        fill(place)
        assert not (tmp_path / "deep" / "out").exists()
    assert tree(tmp_path / "deep") == {
        "out/": "",
        "out/map.json": "new",
        "out/series/": "",
        "out/series/a.dcm": "new",
    }


def test_that_other_files_of_an_existing_folder_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with staged(tmp_path) as place:
        fill(place)
    assert tree(tmp_path) == {
        "notes.txt": "mine",
        "map.json": "new",
        "series/": "",
        "series/a.dcm": "new",
    }


@pytest.mark.parametrize("stop", [Cancelled, KeyboardInterrupt, RuntimeError])
def test_that_nothing_is_left_when_the_work_stops(tmp_path, stop):
    def work():
        with staged(tmp_path / "deep" / "out") as place:
            fill(place)
            raise stop

    with pytest.raises(stop):
        work()
    assert tree(tmp_path) == {}


def test_that_a_file_in_the_way_is_named_and_kept(tmp_path):
    (tmp_path / "map.json").write_text("old", encoding="utf-8")
    with pytest.raises(ExportError, match=r"map\.json exists already"), staged(tmp_path) as place:
        fill(place)
    assert tree(tmp_path) == {"map.json": "old"}


def test_that_overwriting_replaces_files_and_folders(tmp_path):
    (tmp_path / "map.json").write_text("old", encoding="utf-8")
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "b.dcm").write_text("old", encoding="utf-8")
    with staged(tmp_path, overwrite=True) as place:
        fill(place)
    assert tree(tmp_path) == {"map.json": "new", "series/": "", "series/a.dcm": "new"}


def test_that_a_failed_overwrite_brings_everything_back(tmp_path, monkeypatch):
    (tmp_path / "map.json").write_text("old", encoding="utf-8")
    (tmp_path / "series").mkdir()
    before = tree(tmp_path)
    rename = Path.rename

    def rename_all_but_the_new_series(self, target):
        new = self.name == "series" and self.parent != tmp_path
        if new and Path(target).parent == tmp_path and any(self.iterdir()):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_all_but_the_new_series)
    with (
        pytest.raises(ExportError, match="Input/output error"),
        staged(tmp_path, overwrite=True) as place,
    ):
        fill(place)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "is full; nothing was written. Free some space"),
        (errno.EDQUOT, "is full; nothing was written. Free some space"),
        (errno.EROFS, "may not be written to; nothing was written. Choose another"),
        (errno.EACCES, "may not be written to; nothing was written. Choose another"),
        (errno.EIO, "failed (strange); nothing was written"),
    ],
)
def test_that_trouble_with_the_disk_is_told_in_a_sentence(tmp_path, number, told):
    def work():
        with staged(tmp_path / "out") as place:
            fill(place)
            raise OSError(number, "strange")

    with pytest.raises(ExportError) as caught:
        work()
    assert told in str(caught.value)
    assert str(tmp_path / "out") in str(caught.value)
    assert tree(tmp_path) == {}


def test_that_a_folder_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    def forbidden(self, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(ExportError, match="may not be written to"), staged(tmp_path / "out"):
        pytest.fail("there is no place to write to")


def test_that_a_file_is_no_folder_to_write_into(tmp_path):
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(ExportError, match="is a file; choose a folder"), staged(tmp_path / "out"):
        pytest.fail("there is no place to write to")


def test_that_all_existing_names_are_counted(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    with pytest.raises(ExportError, match=r"b and 1 more exist already"):
        refuse_existing(tmp_path, ["x", "b", "c"])
    refuse_existing(tmp_path, ["x"])


def test_that_an_error_wrapped_by_a_library_is_still_told_in_a_sentence(tmp_path):
    def work():
        with staged(tmp_path / "out"):
            system = OSError(errno.ENOSPC, "No space left on device")
            raise OSError("With tag got exception: Traceback ...") from system

    with pytest.raises(ExportError, match="is full; nothing was written") as caught:
        work()
    assert "Traceback" not in str(caught.value)


def test_that_an_error_without_a_number_shows_no_traceback(tmp_path):
    with pytest.raises(ExportError, match=r"failed \(OSError\); nothing"), staged(tmp_path / "out"):
        raise OSError("Traceback ...")


def test_that_a_file_among_the_parents_is_named(tmp_path):
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with (
        pytest.raises(ExportError, match=r"out is a file; choose a folder"),
        staged(tmp_path / "out" / "maps"),
    ):
        pytest.fail("there is no place to write to")
