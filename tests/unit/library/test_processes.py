"""Two processes at once, and a process that is killed at any moment."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.architecture.sources import REPOSITORY
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.library import record
from tests.helpers.library_worker import cache_folder, checksum, large_record, library_file
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine

from kiview.io import cache_limit
from kiview.io.cache_limit import entries, prune
from kiview.jobs.library import RecordRequest, record_study
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.library.library import Library, LibraryQuery

STARTS_S, DURATIONS_S = [0.0, 60.0, 120.0, 180.0], [60.0] * 4
LONGEST_LIFE_S = 0.6
"""The worker does a whole round of import, record, remove and prune in a third of this."""


def start(*words: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.helpers.library_worker", *map(str, words)]
    started = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout.readline() == "ready\n"
    return started


def run_at_once(workers):
    """Let workers that wait begin together; what each said, when all came to a good end."""
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers)
    return said


def write_study(folder: Path, scale: float) -> np.ndarray:
    activity = asymmetric_phantom() * scale
    write_dynamic_series(
        folder, "ge", activity, axial_affine(), STARTS_S, DURATIONS_S, quantum_bqml=QUANTUM_BQML
    )
    return activity


def check_and_use(home: Path, truth: dict[Path, np.ndarray]) -> None:
    """After a kill: the library opens, mends itself and works, and no voxel is wrong."""
    library = Library(library_file(home))
    library.repair()
    assert library.findings == ()  # a kill is no damage
    listing = library.search(LibraryQuery())
    assert {study.path for study in listing.studies} <= {*truth, large_record().source}
    for study in listing.studies:
        assert len(library.files(study.library_id)) == study.file_count > 0
    path, activity = random.choice(list(truth.items()))
    opened = open_study(OpenRequest(path, {}, cache_folder(home), 0))
    for t in range(len(STARTS_S)):
        np.testing.assert_allclose(
            opened.series[0].image.store.frame(t), activity[t], atol=QUANTUM_BQML, rtol=1e-4
        )
    record_study(RecordRequest(opened, path, library_file(home)))
    assert library.search(LibraryQuery()).studies[0].path == path
    del opened
    prune(cache_folder(home), 0)
    assert entries(cache_folder(home)) == ()
    left = {file.name for file in cache_folder(home).iterdir()}
    assert left <= {".placing"}


@pytest.mark.parametrize(
    "kills", [pytest.param(3, id="few"), pytest.param(30, id="thirty", marks=pytest.mark.slow)]
)
def test_that_a_process_killed_at_any_moment_leaves_a_library_that_works(
    tmp_path, monkeypatch, kills
):
    monkeypatch.setattr(cache_limit, "YOUNG_S", 0.0)
    truth = {}
    for number in range(2):
        folder = tmp_path / f"study{number}"
        truth[folder] = write_study(folder, 1.0 + number)
    home = tmp_path / "home"
    dice = random.Random(kills)
    for seed in range(kills):
        worker = start(home, seed, *truth)
        life_s = dice.uniform(0.0, LONGEST_LIFE_S)
        sys.stdout.write(f"seed {kills}, kill {seed}: after {life_s:.4f} s\n")
        time.sleep(life_s)  # the moment itself is what is tried
        worker.kill()
        worker.communicate()
        check_and_use(home, truth)


def test_that_two_processes_that_record_at_once_lose_nothing(tmp_path):
    count = 25
    workers = [start(tmp_path, "record", prefix, count) for prefix in ("a", "b")]
    run_at_once(workers)
    library = Library(library_file(tmp_path))
    library.repair()
    names = [study.path.name for study in library.search(LibraryQuery()).studies]
    expected = [f"{p}{n}" for p in ("a", "b") for n in range(count)]
    assert sorted(names) == sorted([*expected, "shared0", "shared1", "shared2"])
    assert library.findings == ()


def test_that_two_processes_that_keep_values_at_once_leave_whole_ones(tmp_path):
    workers = [start(tmp_path, "keep", weight, 25) for weight in ("70", "82")]
    run_at_once(workers)
    library = Library(library_file(tmp_path))
    kept = {}
    for name in ("own70", "own82", "shared"):
        one = record(name)
        kept[name] = library.kept(one.source, one.uid, one.fingerprint).kept.values["weight_kg"]
    assert (kept["own70"], kept["own82"]) == (70.0, 82.0)
    assert kept["shared"] in (70.0, 82.0)
    assert library.search(LibraryQuery()).found_count == 3
    assert library.findings == ()


def test_that_two_processes_that_import_one_study_at_once_both_get_its_voxels(tmp_path):
    folder = tmp_path / "study"
    write_study(folder, 1.0)
    in_memory = open_study(OpenRequest(folder)).series[0].image.store.voxels
    workers = [start(tmp_path / "home", "open", 12, folder) for _ in range(2)]
    for told in run_at_once(workers):
        assert set(told.split()) == {str(checksum(in_memory))}
    assert entries(cache_folder(tmp_path / "home")) == ()


def test_that_two_processes_make_a_new_library_together_where_one_was_damaged(tmp_path):
    file = library_file(tmp_path)
    file.parent.mkdir()
    file.write_bytes(b"rubbish" * 5000)
    workers = [start(tmp_path, "record", prefix, 5) for prefix in ("a", "b")]
    run_at_once(workers)
    assert Library(file).search(LibraryQuery()).found_count == 13
    assert len(list(file.parent.glob("*.damaged-*"))) == 1
