"""The list of import rules fits the code and the tests, and its page is up to date.

That each test fails without its rule is shown by `python3 installer/dev.py mutate`.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from tests.architecture.sources import parsed
from tests.mutation.rules import REPOSITORY, TABLE, Removal, Rule, load_rules, table
from tests.mutation.run import not_noticed

RULES = load_rules()
QUIRKS = 13
"""Numbered oddities of all makers in the list of quirks."""


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Names of the test functions of a module."""
    return frozenset(n.name for n in parsed(path).body if isinstance(n, ast.FunctionDef))


def removals() -> list[tuple[Rule, Removal]]:
    return [(rule, one) for rule in RULES if not rule.same_as for one in rule.removals]


def test_that_ids_of_rules_are_unique():
    ids = [rule.id for rule in RULES]
    assert sorted(set(ids)) == sorted(ids)


def test_that_every_section_and_quirk_has_rules():
    ids = {rule.id for rule in RULES}
    for section in ("R6.1", "R6.2", "R6.3"):
        numbers = {int(one.split("-")[1]) for one in ids if one.startswith(f"{section}-")}
        assert numbers == set(range(1, len(numbers) + 1))
    numbered = {int(found.group(1)) for one in ids if (found := re.match(r"Q-(\d+)", one))}
    assert numbered == set(range(1, QUIRKS + 1))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_that_a_rule_says_what_who_where_and_is_tested(rule):
    assert rule.says
    assert rule.source
    assert rule.removals
    assert rule.tests
    for test in rule.tests:
        path, _, name = test.partition("::")
        assert name.split("[")[0] in functions_of(REPOSITORY / "tests" / path), test


@pytest.mark.parametrize(("rule", "removal"), removals(), ids=lambda part: getattr(part, "id", ""))
def test_that_what_is_removed_still_stands_once_in_the_code(rule, removal):
    assert removal.count() == 1, f"{rule.id}: {removal.original!r} in {removal.file}"
    assert removal.replacement != removal.original
    ast.parse(removal.without_rule())


def test_that_the_page_of_rules_is_up_to_date():
    told = "run python3 installer/dev.py mutate --write-table"
    assert TABLE.read_text(encoding="utf-8") == table(RULES), told


RULE = Rule(
    "X", "says", "source", ("unit/test_a.py::test_x", "unit/test_b.py::test_y[one]"), (), ""
)


def test_that_a_removal_counts_only_where_every_test_fails():
    gone = {
        "tests/unit/test_a.py::test_x[1]": True,
        "tests/unit/test_a.py::test_x[2]": False,
        "tests/unit/test_b.py::test_y[one]": False,
        "tests/unit/test_b.py::test_y[two]": True,
    }
    assert not_noticed(RULE, gone) == ""
    kept = gone | {"tests/unit/test_a.py::test_x[2]": True}
    assert not_noticed(RULE, kept) == "still passes: unit/test_a.py::test_x"
    without = {name: ok for name, ok in gone.items() if "test_y" not in name}
    assert "test_y[one]" in not_noticed(RULE, without)
    assert not_noticed(RULE, "the tests crashed") == "the tests crashed"


def test_that_the_place_of_a_removal_is_the_definition_around_it(tmp_path, monkeypatch):
    (tmp_path / "m.py").write_text(
        "A = 1\nclass B:\n    def c(self):\n        return 2\n", encoding="utf-8"
    )
    monkeypatch.setattr("tests.mutation.rules.PACKAGE", tmp_path)
    assert Removal("m.py", "A = 1", "A = 3").place() == "m.A"
    assert Removal("m.py", "        return 2", "        pass").place() == "m.B.c"
