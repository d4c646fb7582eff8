"""`kiview library`, and a library id in place of a path."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series
from tests.helpers.dicom_patterns.facts import SeriesSpec
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview import paths
from kiview.cli import main
from kiview.io.frame_store import VoxelCache


@pytest.fixture
def study(tmp_path) -> Path:
    folder = tmp_path / "study"
    write(folder)
    return folder


def write(folder: Path, **options) -> None:
    """Let a folder hold one series and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    start_s, duration_s = [0.0, 60.0, 120.0, 180.0], [60.0] * 4
    image = asymmetric_phantom(), axial_affine()
    write_dynamic_series(folder, "ge", *image, start_s, duration_s, **options)


def said(capsys, *words: str, code: int = 0) -> str:
    assert main(words) == code
    return capsys.readouterr().out


def error(capsys, *words: str, code: int) -> str:
    assert main(words) == code
    return capsys.readouterr().err


def test_that_an_added_study_is_listed_found_and_opened_by_its_id(study, capsys):
    library_id = said(capsys, "library", "add", str(study)).strip()
    listed = json.loads(said(capsys, "library", "list", "--json"))["studies"]
    assert [(one["id"], one["path"]) for one in listed] == [(library_id, str(study))]
    assert listed[0]["frame_count"] == 4
    assert listed[0]["file_count"] == len(list(study.iterdir()))
    assert listed[0]["size_bytes"] == sum(file.stat().st_size for file in study.iterdir())
    name = listed[0]["patient_name"].split("^")[0]
    assert library_id in said(capsys, "library", "list", name.lower())
    assert "No study found" in said(capsys, "library", "list", name, "nobody")
    by_id, by_path = (said(capsys, "info", one, "--json") for one in (library_id, str(study)))
    assert json.loads(by_id) == json.loads(by_path)


def test_that_info_alone_records_nothing(study, capsys):
    said(capsys, "info", str(study), "--json")
    assert not paths.library_file().exists()


def test_that_a_removed_study_is_gone_from_list_and_cache_but_not_from_disk(study, capsys):
    library_id = said(capsys, "library", "add", str(study)).strip()
    files = {file: file.read_bytes() for file in study.iterdir()}
    assert "removed" in said(capsys, "library", "remove", library_id)
    assert json.loads(said(capsys, "library", "list", "--json")) == {"studies": []}
    assert {file: file.read_bytes() for file in study.iterdir()} == files
    assert "holds no study" in error(capsys, "info", library_id, code=2)
    assert "holds no study" in error(capsys, "library", "remove", library_id, code=1)


def test_that_a_study_that_moved_away_is_told_with_the_way_out(study, capsys):
    library_id = said(capsys, "library", "add", str(study)).strip()
    study.rename(study.with_name("moved"))
    told = error(capsys, "info", library_id, code=1)
    assert str(study) in told
    assert f"kiview library remove {library_id}" in told


def test_that_an_id_never_opens_the_study_that_came_into_the_folder(study, capsys):
    library_id = said(capsys, "library", "add", str(study)).strip()
    write(study, study_uid="1.2.9", series_uid="1.2.9.1")
    told = error(capsys, "info", library_id, code=1)
    assert f"{study} holds another study than before" in told
    assert "1.2.9.1" in said(capsys, "info", str(study))


def test_that_an_id_opens_its_study_though_files_came_beside_it(study, capsys):
    library_id = said(capsys, "library", "add", str(study)).strip()
    (study / "notes.txt").write_text("new", encoding="utf-8")
    other = SeriesSpec(study_uid="1.2.9")
    write_ct_series(study / "ct", np.zeros((3, 4, 5)), axial_affine(), other)
    before, after = (said(capsys, "info", one) for one in (str(study), library_id))
    assert before == after


def test_that_a_folder_named_like_an_id_is_opened_itself(study, capsys, monkeypatch):
    study.rename(study.with_name("lib-0123456789"))
    monkeypatch.chdir(study.parent)
    assert json.loads(said(capsys, "info", "lib-0123456789", "--json"))["series"]


def test_that_prune_brings_the_cache_below_the_limit_asked_for(capsys):
    for letter in "ab":
        with VoxelCache(paths.voxel_cache_dir(), 0).create(letter * 40, (1, 1, 1, 5), "i2") as made:
            made.finish({})
    assert "0 entries removed" in said(capsys, "library", "prune")
    assert "2 entries removed" in said(capsys, "library", "prune", "--limit-gb", "0")
    assert not [path for path in paths.voxel_cache_dir().iterdir() if len(path.name) == 40]


@pytest.mark.parametrize(
    "words",
    [
        ("add",),
        ("remove",),
        ("remove", "../x"),
        ("prune", "lib-0123456789"),
        ("prune", "--json"),
        ("list", "--limit-gb", "1"),
        ("prune", "--limit-gb", "-1"),
        ("prune", "--limit-gb", "nan"),
        ("add", "nowhere"),
    ],
)
def test_that_what_cannot_be_meant_is_a_usage_error(capsys, words):
    error(capsys, "library", *words, code=2)
