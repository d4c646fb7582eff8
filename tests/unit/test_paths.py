"""Bundled files are found by relative name; the user's folders are the platform's."""

from pathlib import Path

import pytest

from kiview import paths


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "icons").mkdir()
    (tmp_path / "icons" / "open.svg").write_text("<svg/>", encoding="utf-8")
    return tmp_path


def test_that_a_bundled_file_is_found_by_its_relative_name(folder):
    assert paths.bundled_file(folder, "icons/open.svg") == folder / "icons" / "open.svg"


@pytest.mark.parametrize("name", ["", "../secret", "icons/../../x", "/etc/x", "C:/x", "icons\\x"])
def test_that_a_name_that_leaves_the_folder_is_refused(folder, name):
    with pytest.raises(paths.BundledFileError, match="not a relative name"):
        paths.bundled_file(folder, name)


def test_that_a_missing_file_is_reported_with_its_name_and_the_way_out(folder):
    with pytest.raises(paths.BundledFileError, match=r"'icons/close\.svg' is missing.*again"):
        paths.bundled_file(folder, "icons/close.svg")


def test_that_the_checkout_supplies_resources_and_models():
    assert (paths.resources_dir().name, paths.models_dir().name) == ("resources", "models")
    assert paths.models_dir().is_dir()


def test_that_an_installed_wheel_supplies_its_own_resources(tmp_path, monkeypatch):
    (tmp_path / "_resources").mkdir()
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path)
    assert paths.resources_dir() == tmp_path / "_resources"


def test_that_without_an_override_the_platform_names_the_folders(monkeypatch, user_folder):
    monkeypatch.delenv(paths.USER_DIR_VARIABLE)
    folders = {paths.config_dir(), paths.data_dir(), paths.cache_dir(), paths.log_dir()}
    assert len(folders) >= 3
    for folder in folders:
        assert folder.is_relative_to(user_folder)
        assert "KiView" in folder.parts


def test_that_naming_a_folder_does_not_make_it():
    for folder in (paths.config_dir(), paths.demo_study_dir(), paths.weight_sets_dir()):
        assert not folder.exists()


def test_that_the_sites_networks_are_where_environment_or_setting_say(monkeypatch, tmp_path):
    monkeypatch.delenv(paths.SITE_MODELS_VARIABLE, raising=False)
    assert paths.site_models_dir() is None
    assert paths.site_models_dir(str(tmp_path)) == tmp_path
    monkeypatch.setenv(paths.SITE_MODELS_VARIABLE, str(tmp_path / "other"))
    assert paths.site_models_dir(str(tmp_path)) == tmp_path / "other"
