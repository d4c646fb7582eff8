"""What goes into the library comes out again, is found, sorted and removed."""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.library import record

from kiview.core.errors import InvalidInputError
from kiview.core.study import FileEntry
from kiview.library.library import Library, LibraryQuery
from kiview.library.records import LibrarySort, Thumbnail, is_library_id


@pytest.fixture
def library(tmp_path) -> Library:
    return Library(tmp_path / "library" / "library.sqlite")


def names(library: Library, text: str = "", sort: LibrarySort = LibrarySort.RECENT) -> list[str]:
    return [study.path.name for study in library.search(LibraryQuery(text, sort)).studies]


def test_that_a_study_is_listed_with_what_was_known_about_it(library):
    picture = Thumbnail(2, 3, bytes(range(6)))
    library_id = library.record(record("in/here", thumbnail=picture))
    (study,) = library.search(LibraryQuery()).studies
    assert study.library_id == library_id
    assert is_library_id(library_id)
    assert study.path == record("in/here").source
    assert (study.patient_name, study.patient_id) == ("Muster^Erika", "4711")
    assert (study.study_date, study.tracer, study.activity_bq) == ("2024-03-01", "FDG", 3.1e8)
    assert (study.frame_count, study.slice_count, study.span_s) == (12, 40, (0.0, 3600.0))
    assert (study.file_count, study.size_bytes) == (2, 123)
    assert study.thumbnail == picture
    assert library.find(library_id) == study
    assert library.find("lib-0000000000") is None


def test_that_the_files_of_a_study_are_kept_with_size_and_time(library):
    outside = FileEntry(str(record("elsewhere").source), 5, 1)
    made = record("in/here")
    library_id = library.record(replace(made, files=(*made.files, outside)))
    assert set(library.files(library_id)) == {*made.files, outside}


def test_that_opening_again_updates_the_entry_and_keeps_its_id_and_picture(library):
    picture = Thumbnail(1, 1, b"x")
    first = library.record(record(thumbnail=picture))
    library.record(record("other"))
    made = record()
    again = library.record(replace(made, files=made.files[:1], tracer="PSMA", thumbnail=None))
    assert again == first
    listing = library.search(LibraryQuery())
    assert listing.found_count == 2
    study = listing.studies[0]  # the latest
    assert (study.library_id, study.tracer, study.file_count) == (first, "PSMA", 1)
    assert study.thumbnail == picture
    assert len(library.files(first)) == 1


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (LibrarySort.RECENT, ["d", "c", "b", "a"]),
        (LibrarySort.NAME, ["b", "c", "a", "d"]),
        (LibrarySort.DATE, ["a", "c", "b", "d"]),
        (LibrarySort.TRACER, ["a", "c", "b", "d"]),
    ],
)
def test_that_the_list_is_sorted_and_what_is_unknown_comes_last(library, sort, expected):
    for name, patient, date, tracer in (
        ("a", "Zoe", "2025-01-01", "18F"),
        ("b", "adam", "2023-01-01", "psma"),
        ("c", "Berta", "2024-01-01", "FDG"),
        ("d", "", "", ""),
    ):
        library.record(record(name, patient_name=patient, study_date=date, tracer=tracer))
    assert names(library, sort=sort) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 2),
        ("erika MUSTER", 1),
        ("  4711 ", 1),
        ("2024-03", 1),
        ("psma", 1),
        ("whole", 2),
        ("MÜLLER", 1),
        ("müller fdg", 0),
        ("%", 0),
        ("_", 0),
        ("'; DROP TABLE studies; --", 0),
        ("\ud800", 0),
        (" ".join("abcdefghijklmnopqrstuvwxyz"), 0),
    ],
)
def test_that_a_search_finds_all_words_in_any_case_and_nothing_else(library, text, expected):
    library.record(record("a"))
    library.record(
        record(
            "b", patient_name="Müller^Uwe", patient_id="1", study_date="2020-01-01", tracer="PSMA"
        )
    )
    listing = library.search(LibraryQuery(text))
    assert listing.found_count == len(listing.studies) == expected
    assert library.search(LibraryQuery()).found_count == 2


def test_that_a_long_list_is_cut_and_says_how_many_there_are(library):
    for number in range(5):
        library.record(record(f"s{number}"))
    listing = library.search(LibraryQuery(limit=2))
    assert [study.path.name for study in listing.studies] == ["s4", "s3"]
    assert listing.found_count == 5


def test_that_removing_a_study_leaves_its_files_and_takes_its_name_out_of_the_file(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(b"pixels")
    library = Library(tmp_path / "library.sqlite")
    gone = library.record(record(folder, patient_name="Gonetoday^Anna"))
    library.record(record("kept"))
    assert b"Gonetoday" in _content(library.file)
    library.remove(gone)
    assert (folder / "a.dcm").read_bytes() == b"pixels"
    assert names(library) == ["kept"]
    assert b"onetoday" not in _content(library.file)
    with sqlite3.connect(library.file) as connection:
        for table in ("studies", "patients", "series"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM files").fetchone() == (2,)
    connection.close()


def _content(file: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(file.parent.glob(file.name + "*")))


def test_that_removing_names_only_the_voxels_that_no_other_study_uses(library):
    made = record("a")
    shared, own = made.series[0], replace(made.series[0], store_key="d" * 40)
    first = library.record(replace(made, series=(shared, own)))
    second = library.record(record("b", fingerprint="b" * 40))
    assert set(library.remove(first)) == {"f" * 40, "d" * 40}
    assert set(library.remove(second)) == {"b" * 40, "e" * 40}


def test_that_removing_what_is_not_there_says_so(library):
    with pytest.raises(InvalidInputError, match="holds no study lib-0000000000"):
        library.remove("lib-0000000000")


@settings(max_examples=40)
@given(
    name=st.text(max_size=2000),
    path=st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=60),
)
def test_that_any_name_and_any_path_can_be_kept(tmp_path_factory, name, path):
    library = Library(tmp_path_factory.mktemp("any") / "library.sqlite")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return  # no path of this machine
    made = record(f"x{path}y", patient_name=name, tracer=name)
    library_id = library.record(made)
    study = library.find(library_id)
    assert study is not None
    assert study.path == made.source
    assert set(library.files(library_id)) == set(made.files)
    library.repair()
    assert library.findings == ()


def test_that_a_path_with_bytes_that_are_no_text_is_kept(library):
    made = record(os.fsdecode(b"caf\xe9"))
    library_id = library.record(made)
    assert library.find(library_id).path == made.source
    assert set(library.files(library_id)) == set(made.files)
