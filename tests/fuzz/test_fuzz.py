"""A small share of the damaged inputs, those that failed once, and proof that failures are seen."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.guard import Outcome, Task
from tests.fuzz.kinds import KINDS, ROUND
from tests.fuzz.run import outcomes, tasks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="platform: memory is watched on Linux only"),
]
SAVED = Path(__file__).resolve().parents[1] / "data" / "fuzz"
ROUNDS = 4
_WAYS = 4
"""Saved inputs are opened in so many ways, as some failed only after they had been accepted."""

# What must be seen: the name of a failure, and an opener that fails like that.
_CANARIES = """
import logging, sys, tempfile
from pathlib import Path
from kiview.core.errors import ReadError
from tests.fuzz import guard
from tests.fuzz.kinds import KINDS, Kind
from tests.fuzz.seeds import NAME

def fault(case): {}["absent"]
def two_lines(case): case.refuse(ReadError("Damaged.\\nCopy it again."))
def no_sentence(case): case.refuse(ReadError("damaged"))
def name_told(case): case.refuse(ReadError(f"{NAME} is damaged."))
def name_logged(case): logging.getLogger("kiview.io").debug("reading %s", NAME)
def trace_logged(case): logging.getLogger("kiview").error("no", exc_info=ValueError("no"))
def stray(case): (case.input.parent / "home" / "stray").write_text("x")
def input_changed(case): next(case.input.iterdir()).write_text("x")
def left_in_tmp(case): tempfile.mkstemp()
def memory(case): bytearray(64 << 20).upper()
def system(case): cli_os_error(case)
def sound(case): pass

def cli_os_error(case):
    path = case.seeds / "study" / "pet.nii.gz"
    guard.cli._info = guard._listened(lambda given, progress: open(path / "x"))
    case.run("info", path)

guard.install()
place = Path(tempfile.mkdtemp())
seeds = place / "seeds"
for name in ("settings", "study"):
    (seeds / name).mkdir(parents=True)
    (seeds / name / "file").write_text("x")
guard.MOST_BYTES = guard.peak_bytes() + (32 << 20)
for number, opener in enumerate(
    (fault, two_lines, no_sentence, name_told, name_logged, trace_logged, stray, input_changed,
     left_in_tmp, memory, system, sound)
):
    KINDS["canary"] = Kind("settings", lambda case: None, opener)
    outcome = guard.examine(guard.Task(number, "canary"), 1, place / str(number), seeds)
    sys.stdout.write(f"{opener.__name__} {outcome.result}: {outcome.reason.splitlines()[-1:]}\\n")
"""
_ENDLESS = """
import sys
from pathlib import Path
from tests.fuzz import guard, worker
from tests.fuzz.kinds import KINDS, Kind

def endless(case):
    while True:
        pass

guard.MOST_SECONDS = 0.2
KINDS["canary"] = Kind("settings", lambda case: None, endless)
worker.main(Path(sys.argv[1]), 1, None)
"""


def _told(found: list[tuple[Task, Outcome]]) -> str:
    return "\n".join(f"{task.number} {task.kind}: {one.result} {one.reason}" for task, one in found)


def test_that_sound_inputs_of_every_kind_are_accepted():
    found = list(outcomes(tasks(range(-len(ROUND), 0))))
    assert {one.kind for _, one in found} == set(KINDS)
    refused = [item for item in found if item[1].result != "accepted"]
    assert not refused, _told(refused)


def test_that_damaged_inputs_are_used_or_refused_in_a_sentence():
    found = list(outcomes(tasks(range(ROUNDS * len(ROUND)))))
    failed = [item for item in found if item[1].result == "failed"]
    assert not failed, _told(failed)
    # Damage that every reader refuses, or none does, would test nothing.
    refused = sum(one.result == "refused" for _, one in found)
    assert 0.2 * len(found) < refused < 0.9 * len(found)


def test_that_inputs_that_failed_once_do_not_fail_again():
    wanted = [
        Task(number, kind.name.replace("-", " "), folder)
        for kind in sorted(SAVED.iterdir())
        if kind.is_dir()
        for folder in sorted(kind.iterdir())
        for number in range(_WAYS)
    ]
    assert wanted
    failed = [item for item in outcomes(wanted) if item[1].result == "failed"]
    assert not failed, _told(failed)


def test_that_every_kind_of_failure_is_seen():
    done = subprocess.run(
        [sys.executable, "-c", _CANARIES], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 12, done.stderr
    assert [line for line in lines if " failed: " not in line] == ["sound accepted: []"], lines


def test_that_an_endless_input_ends_the_process(tmp_path):
    (tmp_path / "settings").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _ENDLESS, tmp_path], input="0\tcanary\t\n", capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode < 0
    assert "in endless" in done.stderr
    assert not done.stdout
