"""Settings survive closing, old files, damage and a full or read-only disk."""

import json
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiview import paths
from kiview.core.errors import ExportError
from kiview.settings import schema, store
from kiview.settings.schema import Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.json"


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")


def test_that_saved_settings_are_loaded_again(file):
    kept = Settings(threads=2, ki_window_max=0.02, recent_folder="studies/größe")
    store.save(kept, file)
    assert store.load(file) == store.LoadedSettings(kept)


def test_that_the_default_file_lies_in_the_users_folder(user_folder):
    store.save(Settings(threads=3))
    assert paths.settings_file().is_relative_to(user_folder)
    assert store.load().settings.threads == 3


def test_that_a_missing_file_gives_the_defaults_without_a_notice(file):
    assert store.load(file) == store.LoadedSettings(Settings())


@pytest.mark.parametrize("text", ["{", "", "[1, 2]", "null", '{"threads": 1'])
def test_that_a_damaged_file_gives_defaults_a_sentence_and_is_kept_aside(file, text):
    write(file, text)
    loaded = store.load(file)
    assert loaded.settings == Settings()
    assert "damaged" in loaded.notices[0]
    assert file.with_name("settings.json.damaged").read_text(encoding="utf-8") == text
    assert not file.exists()


def test_that_a_file_that_is_no_text_is_damaged_too(file):
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\x00\x80")
    assert "damaged" in store.load(file).notices[0]


def test_that_one_bad_value_costs_only_itself(file):
    write(file, json.dumps({"threads": -4, "ki_window_max": 0.1}))
    loaded = store.load(file)
    assert loaded.settings == Settings(ki_window_max=0.1)
    assert len(loaded.notices) == 1
    assert "Processor threads" in loaded.notices[0]


def test_that_values_that_contradict_each_other_give_defaults_and_a_sentence(file):
    write(file, json.dumps({"patlak_start_min": 70.0}))
    loaded = store.load(file)
    assert loaded.settings == Settings()
    assert "start before it ends" in loaded.notices[0]


def test_that_renamed_and_removed_keys_of_old_files_are_understood(file, monkeypatch):
    monkeypatch.setattr(schema, "RENAMED", MappingProxyType({"cpu_threads": "threads"}))
    monkeypatch.setattr(schema, "REMOVED", frozenset({"old_colour"}))
    write(file, json.dumps({"schema_version": 0, "cpu_threads": 4, "old_colour": "red"}))
    assert store.load(file) == store.LoadedSettings(Settings(threads=4))


def test_that_a_newer_file_is_read_as_far_as_it_is_known(file):
    write(file, json.dumps({"schema_version": 99, "threads": 2, "wings": 4}))
    loaded = store.load(file)
    assert loaded.settings == Settings(threads=2)
    assert "newer KiView" in loaded.notices[0]


def test_that_a_write_that_fails_leaves_the_old_file_and_no_rest(file, monkeypatch):
    store.save(Settings(threads=1), file)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(ExportError, match="No space left on device"):
        store.save(Settings(threads=2), file)
    assert store.load(file).settings.threads == 1
    assert [path.name for path in file.parent.iterdir()] == ["settings.json"]


def test_that_an_unusable_folder_gives_a_sentence(tmp_path):
    (tmp_path / "config").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(ExportError, match="could not be saved"):
        store.save(Settings(), tmp_path / "config" / "settings.json")
    assert "cannot be read" in store.load(tmp_path / "config" / "settings.json").notices[0]


@given(
    written=st.dictionaries(
        st.sampled_from([field.key for field in schema.fields()]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([])),
    )
)
def test_that_whatever_a_file_holds_loading_gives_settings_within_limits(tmp_path_factory, written):
    file = tmp_path_factory.mktemp("any") / "settings.json"
    file.write_text(json.dumps(written), encoding="utf-8")
    loaded = store.load(file).settings
    for field in schema.fields():
        assert field.checked(getattr(loaded, field.key)) == getattr(loaded, field.key)
