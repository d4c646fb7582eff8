"""Remove each rule in a copy of the program and see whether its tests fail.

    python3 installer/dev.py mutate [ID or group ...] [--write-table]

Third-party packages are imported once; each removal runs in a child process that imports KiView
from the copy. The checkout itself is never changed.
"""

import argparse
import contextlib
import importlib
import itertools
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.mutation.rules import PACKAGE, REPOSITORY, TABLE, Removal, Rule, load_rules, table

_PRELOADED = (
    "hypothesis.strategies",
    "highdicom.legacy",
    "nibabel.ecat",
    "pydicom.pixels.decoders.base",
    "pydicom.pixels.utils",
    "pytestqt.plugin",
    "scipy.integrate",
    "scipy.io",
    "scipy.optimize",
    "scipy.spatial.transform",
)
_OPTIONS = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
_BROKEN = "the program cannot be imported or collected"
_LONGEST_S = 1800.0
_MOMENTS = itertools.count(1)

Outcome = dict[str, bool]
"""Node id of a test function -> whether all its cases passed."""


class _Recorder:
    """Which tests passed."""

    def __init__(self) -> None:
        self.passed: Outcome = {}
        self.is_broken = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            known = self.passed.get(report.nodeid, True)
            self.passed[report.nodeid] = known and report.passed

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.is_broken |= report.failed


def _child(app: Path, tests: list[str], answer: Connection) -> None:
    """Run tests against the copy and send back what passed."""
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
        sys.path.insert(0, str(app))
        os.environ["CI"] = "true"  # hypothesis keeps no examples of a broken program
        recorder = _Recorder()
        with contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            code = pytest.main(
                [*_OPTIONS, *(str(REPOSITORY / "tests" / test) for test in tests)],
                plugins=[recorder],
            )
    used = importlib.import_module("kiview").__file__ or ""
    if not Path(used).is_relative_to(app):
        answer.send(f"the tests ran with {used}, not with the copy")
    elif recorder.is_broken or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        answer.send(_BROKEN)
    else:
        answer.send(recorder.passed)


def outcome_of(app: Path, tests: list[str]) -> Outcome | str:
    """What passed with the program in `app`, or why nothing can be said."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(app, tests, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(_LONGEST_S) else "the tests did not end"
    except EOFError:
        return "the tests crashed"
    finally:
        process.kill()
        process.join()


def not_noticed(rule: Rule, outcome: Outcome | str) -> str:
    """Why a removal counts as not noticed; empty where every test of the rule failed."""
    if isinstance(outcome, str):
        return outcome
    silent = []
    for test in rule.tests:
        cases = [ok for node, ok in outcome.items() if _is_case(node, test)]
        if not cases or all(cases):
            silent.append(test)
    return f"still passes: {', '.join(silent)}" if silent else ""


def _is_case(node: str, test: str) -> bool:
    known = node.replace("\\", "/").removeprefix("tests/")
    return known == test or known.startswith(f"{test}[")


def check(app: Path, rule: Rule, removal: Removal) -> str:
    """Remove a rule in the copy, run its tests, put it back; what is wrong, or nothing."""
    copied = app / "kiview" / removal.file
    copied.write_text(removal.without_rule(), encoding="utf-8")
    moment = next(_MOMENTS)
    os.utime(copied, (moment, moment))  # no module compiled before fits
    try:
        return not_noticed(rule, outcome_of(app, list(rule.tests)))
    finally:
        shutil.copy2(removal.path, copied)


def _copy(folder: Path) -> Path:
    """The program with its resources, as in a checkout; its `app` folder."""
    shutil.copytree(PACKAGE, folder / "app" / "kiview")
    for name in ("resources", "models"):
        try:
            (folder / name).symlink_to(REPOSITORY / name, target_is_directory=True)
        except OSError:  # Windows lets only some users make links
            shutil.copytree(REPOSITORY / name, folder / name)
    return folder / "app"


def mutate(rules: list[Rule]) -> int:
    """Check rules and print a line for each removal; the number of those that went unnoticed."""
    bad, begun = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        app = _copy(Path(folder).resolve())
        tests = list(dict.fromkeys(test for rule in rules for test in rule.tests))
        whole = outcome_of(app, tests)
        failing = [whole] if isinstance(whole, str) else [t for t, ok in whole.items() if not ok]
        if failing:
            say(f"With all rules in place these tests fail already: {', '.join(failing)}")
            return len(failing)
        for rule in rules:
            for number, removal in enumerate(rule.removals, 1):
                wrong = check(app, rule, removal)
                bad += bool(wrong)
                say(f"{rule.id}.{number} {'NOT NOTICED: ' + wrong if wrong else 'noticed'}")
    count = sum(len(rule.removals) for rule in rules)
    say(f"{count - bad} of {count} removals noticed in {time.monotonic() - begun:.0f} s.")
    return bad


def say(sentence: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="mutate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="ids of rules, or groups; all where none is named")
    parser.add_argument("--write-table", action="store_true", help="write the page of rules only")
    options = parser.parse_args(arguments)
    rules = load_rules()
    if options.write_table:
        TABLE.write_text(table(rules), encoding="utf-8")
        say(f"Wrote {TABLE}.")
        return 0
    wanted = [
        rule
        for rule in rules
        if not rule.same_as and (not options.names or {rule.id, rule.group} & set(options.names))
    ]
    for name in _PRELOADED:
        importlib.import_module(name)
    return min(mutate(wanted), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
