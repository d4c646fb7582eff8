"""A process that imports, records, removes and prunes until it is killed, or records and ends.

`python -m tests.helpers.library_worker HOME SEED STUDY...` never ends by itself;
`python -m tests.helpers.library_worker HOME record PREFIX COUNT` records COUNT studies;
`python -m tests.helpers.library_worker HOME open COUNT STUDY` imports STUDY that often, each time
into an emptied cache, and tells the checksum of its voxels;
`python -m tests.helpers.library_worker HOME keep WEIGHT COUNT` keeps entered values that often.
"""

import random
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from kiview.core.kept import Kept
from kiview.core.study import FileEntry
from kiview.io.cache_limit import prune
from kiview.jobs.library import (
    ListRequest,
    RecordRequest,
    RemoveRequest,
    list_studies,
    record_study,
    remove_study,
)
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.library.library import Library, LibraryQuery
from kiview.library.records import StudyRecord
from tests.helpers.library import record


def library_file(home: Path) -> Path:
    return home / "library" / "library.sqlite"


def cache_folder(home: Path) -> Path:
    return home / "voxels"


def large_record() -> StudyRecord:
    """A study of so many files that a kill often meets its recording."""
    made = record("large")
    files = tuple(FileEntry(str(made.source / f"{n}.dcm"), n, n) for n in range(4000))
    return replace(made, files=files)


def work_for_ever(home: Path, seed: int, studies: list[Path]) -> None:
    dice, file, cache = random.Random(seed), library_file(home), cache_folder(home)
    while True:
        path = dice.choice(studies)
        request = OpenRequest(path, {}, cache, 0, cache_limit_bytes=dice.choice([0, 10**9]))
        study = open_study(request)
        record_study(RecordRequest(study, path, file))
        del study
        for _ in range(3):
            Library(file).record(large_record())
        if dice.random() < 0.3:
            listed = list_studies(ListRequest(LibraryQuery(), dice.random() < 0.5, file)).studies
            if listed:
                one = dice.choice(listed)
                remove_study(RemoveRequest(one.library_id, file, cache))
        if dice.random() < 0.3:
            prune(cache, 0)


def record_some(home: Path, prefix: str, count: int) -> None:
    library = Library(library_file(home))
    for number in range(count):
        library.record(record(f"{prefix}{number}"))
        library.record(record(f"shared{number % 3}"))


def keep_some(home: Path, weight_kg: float, count: int) -> None:
    """One study of each process, and one that all of them enter values for."""
    library = Library(library_file(home))
    for _ in range(count):
        library.keep(record(f"own{weight_kg:g}"), Kept({"weight_kg": weight_kg}))
        library.keep(record("shared"), Kept({"weight_kg": weight_kg}))


def checksum(voxels: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(voxels))


def open_some(home: Path, count: int, study: Path) -> None:
    for _ in range(count):
        opened = open_study(OpenRequest(study, {}, cache_folder(home), 0))
        sys.stdout.write(f"{checksum(opened.series[0].image.store.voxels)}\n")
        del opened
        prune(cache_folder(home), 0)


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if sys.argv[2] == "record":
        sys.stdin.readline()  # both begin at once
        record_some(Path(sys.argv[1]), sys.argv[3], int(sys.argv[4]))
    elif sys.argv[2] == "keep":
        sys.stdin.readline()
        keep_some(Path(sys.argv[1]), float(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[2] == "open":
        sys.stdin.readline()
        open_some(Path(sys.argv[1]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        work_for_ever(Path(sys.argv[1]), int(sys.argv[2]), [Path(a) for a in sys.argv[3:]])
