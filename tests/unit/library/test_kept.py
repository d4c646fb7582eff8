"""Entered values and merges come back for the same study and the same files only."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.helpers.library import record

from kiview.core.kept import Kept, Restored
from kiview.core.merge_plan import MergeSettings
from kiview.library.kept import CHANGED, DAMAGED, MOST_STATES, kept_text, read_kept
from kiview.library.library import Library, LibraryQuery

STARTS, DURATIONS = "0,60,120", "60,60,60"
KEPT = Kept(
    {
        "weight_kg": 82.0,
        "injection_time": "09:30:00",
        "frame_start_s": STARTS,
        "frame_duration_s": DURATIONS,
        "frame_series": "1.2.3.4",
    },
    {"1.2.3.4": MergeSettings(600.0, 1800.0)},
)


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "library" / "library.sqlite"


def kept_of(file, one=None) -> Restored:
    one = one or record()
    return Library(file).kept(one.source, one.uid, one.fingerprint)


def execute(file, statement, *values) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(statement, values)


def test_that_what_was_entered_comes_back_as_it_was(file):
    Library(file).keep(record(), KEPT)
    assert kept_of(file) == Restored(KEPT)
    Library(file).record(record())  # opened again
    assert kept_of(file) == Restored(KEPT)
    Library(file).keep(record(), Kept())
    assert kept_of(file) == Restored()


def test_that_a_study_that_is_not_listed_yet_is_put_in_whole(file):
    library = Library(file)
    library.keep(record(), KEPT)
    library.repair()
    (study,) = library.search(LibraryQuery()).studies
    assert [entry.size for entry in library.files(study.library_id)] == [100, 23]
    assert library.findings == ()


@pytest.mark.parametrize(
    "other",
    [record("elsewhere"), record(uid="9.9"), record(uid="9.9", fingerprint="0" * 40)],
    ids=["path", "study", "study-and-files"],
)
def test_that_another_study_gets_nothing_and_hears_of_nothing(file, other):
    Library(file).keep(record(), KEPT)
    assert kept_of(file, other) == Restored()


def test_that_changed_files_get_nothing_and_are_told_what_was_left_out(file):
    changed = record(fingerprint="0" * 40)
    Library(file).keep(record(), KEPT)
    assert kept_of(file, changed) == Restored(Kept(), KEPT, CHANGED)
    Library(file).keep(changed, Kept())  # told once
    assert kept_of(file, changed) == Restored()
    assert kept_of(file) == Restored(KEPT)  # the files are as they were


def test_that_only_the_latest_states_of_the_files_are_remembered(file):
    states = [record(fingerprint=f"{number:040x}") for number in range(MOST_STATES + 3)]
    for one in states:
        Library(file).keep(one, KEPT)
    held = [kept_of(file, one).kept == KEPT for one in states]
    assert held == [False] * 3 + [True] * MOST_STATES


def test_that_removing_a_study_removes_what_was_entered_for_it(file):
    Library(file).keep(record(), KEPT)
    Library(file).remove(Library(file).search(LibraryQuery()).studies[0].library_id)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1]",
        '"text"',
        b"\xff\x00",
        7,
        "[" * 100_000,
        " " * (2 << 20),
        '{"values": {}}',
        '{"values": 3, "merges": {}}',
        '{"values": {"weight_kg": 7000}, "merges": {}}',
        '{"values": {"weight_kg": true}, "merges": {}}',
        '{"values": {"weight_kg": NaN}, "merges": {}}',
        '{"values": {"weight_kg": null}, "merges": {}}',
        '{"values": {"shoe_size": 42}, "merges": {}}',
        '{"values": {"frame_start_s": "0,60"}, "merges": {}}',
        '{"values": {}, "merges": {"1.2": [600]}}',
        '{"values": {}, "merges": {"1.2": ["600", 0]}}',
        '{"values": {}, "merges": {"1.2": [-600, 0]}}',
        '{"values": {}, "merges": {"1.2": [Infinity, 0]}}',
        '{"values": {}, "merges": {"1.2": [1' + "0" * 400 + ", 0]}}",
    ],
)
@pytest.mark.parametrize("fingerprint", ["f" * 40, "0" * 40], ids=["same-files", "changed"])
def test_that_a_damaged_row_is_left_out_with_a_sentence(file, content, fingerprint):
    Library(file).keep(record(), KEPT)
    execute(file, "UPDATE kept SET content = ?", content)
    opened = record(fingerprint=fingerprint)
    assert kept_of(file, opened) == Restored(reason=DAMAGED)
    Library(file).keep(opened, Kept({"weight_kg": 70.0}))
    assert kept_of(file, opened).kept.values == {"weight_kg": 70.0}


def test_that_the_text_of_a_row_reads_as_written_down_here():
    text = '{"merges": {"1.2": [600.0, 1800.0]}, "values": {"weight_kg": 82.0}}'
    kept = Kept({"weight_kg": 82.0}, {"1.2": MergeSettings(600.0, 1800.0)})
    assert kept_text(kept) == text
    assert read_kept(text) == kept
    assert read_kept(json.dumps({"values": {}, "merges": {}})).is_empty
