"""The rules by which files are read: what each says, where it is, how to remove it, what notices.

One TOML file per group in the folder `rules`; the table in `app/docs/import_rules.md` is made
from them.
"""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "app" / "kiview"
TABLE = REPOSITORY / "app" / "docs" / "import_rules.md"
_FOLDER = Path(__file__).resolve().parent / "rules"
GROUPS = {
    "times": "Times of classic PET",
    "suv": "SUV and decay",
    "enhanced": "Multi-frame PET",
    "quirks": "What real files look like",
    "curves": "Curve files",
}
"""File of the rules -> its heading."""


_PREFACE = (
    "What KiView takes from files and how: each rule, who says so, where it is in the code, and",
    "the test that fails without it. `science.md` numbers are those of the project's fact sheet.",
    "",
    "Made by `python3 installer/dev.py mutate --write-table` from `tests/mutation/rules`; do not",
    "edit it by hand. `python3 installer/dev.py mutate` takes away each rule in a copy of the",
    "program and expects its tests to fail.",
    "",
    "Not offered, so without a rule: SUV by lean mass, body surface or ideal weight (such values",
    "are shown as they are), TemporalPositionTimeOffset, and any rule of UIH's or Canon's own,",
    "since none is published: their files are read like those of an unknown maker.",
)


@dataclass(frozen=True)
class Removal:
    """A change of the source that takes a rule away.

    Attributes:
        file: Module, from the package.
        original: Text that occurs there once.
        replacement: What stands there without the rule.
    """

    file: str
    original: str
    replacement: str

    @property
    def path(self) -> Path:
        """The module in this checkout."""
        return PACKAGE / self.file

    def count(self) -> int:
        """How often the original text occurs."""
        return source_of(self.path).count(self.original)

    def without_rule(self) -> str:
        """The module without the rule."""
        return source_of(self.path).replace(self.original, self.replacement, 1)

    def place(self) -> str:
        """Module and innermost function or class around the text, like `io.dicom_times.day`."""
        module = self.file.removesuffix(".py").replace("/", ".")
        text = source_of(self.path)
        offset = text.find(self.original)
        inside = len(self.original) - len(self.original.lstrip())
        line = text.count("\n", 0, offset + inside) + 1
        return ".".join((module, *_around(ast.parse(text).body, line)))


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: Like `R6.1-3` or `Q-4`.
        says: The rule in a sentence.
        source: Who says so.
        tests: Node ids below `tests` that fail without the rule, each of them.
        removals: Ways to remove it; each alone must be noticed by all tests.
        group: Key of `GROUPS`.
        same_as: Id of the rule whose removals and tests are also those of this one; else empty.
    """

    id: str
    says: str
    source: str
    tests: tuple[str, ...]
    removals: tuple[Removal, ...]
    group: str
    same_as: str = ""


@cache
def source_of(path: Path) -> str:
    """Text of a module."""
    return path.read_text(encoding="utf-8")


def _around(body: list[ast.stmt], line: int) -> Iterator[str]:
    """Names of the definitions around a line, or the name that is assigned in it."""
    for node in body:
        if not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
            yield from _around(node.body, line)
        elif node.col_offset == 0 and isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name):
                yield target.id


def load_rules() -> tuple[Rule, ...]:
    """All rules, in the order of their groups."""
    rules = [rule for group in GROUPS for rule in _load(group)]
    known = {rule.id: rule for rule in rules}
    return tuple(_completed(rule, known) for rule in rules)


def _completed(rule: Rule, rules: dict[str, Rule]) -> Rule:
    if not rule.same_as:
        return rule
    other = rules[rule.same_as]
    return replace(rule, tests=other.tests, removals=other.removals)


def _load(group: str) -> Iterator[Rule]:
    document = tomllib.loads((_FOLDER / f"{group}.toml").read_text(encoding="utf-8"))
    for told in document["rule"]:
        tests = (name if "/" in name else f"unit/io/{name}" for name in told.get("tests", []))
        removals = (Removal(told["file"], *pair) for pair in told.get("remove", []))
        yield Rule(
            told["id"],
            told["says"],
            told["source"],
            tuple(tests),
            tuple(removals),
            group,
            told.get("same_as", ""),
        )


def table(rules: tuple[Rule, ...]) -> str:
    """The rules as a page of Markdown."""
    removals = sum(len(rule.removals) for rule in rules if not rule.same_as)
    lines = [
        "# Rules of import",
        "",
        *_PREFACE,
        "",
        f"{len(rules)} rules, {removals} removals.",
    ]
    for group, heading in GROUPS.items():
        lines += ["", f"## {heading}", "", "| Rule | Says | Source | Code | Test |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_row(rule) for rule in rules if rule.group == group]
    return "\n".join(lines) + "\n"


def _row(rule: Rule) -> str:
    places = ", ".join(f"`{place}`" for place in dict.fromkeys(r.place() for r in rule.removals))
    tests = ", ".join(f"`{_short(test)}`" for test in rule.tests)
    cells = (rule.id, rule.says, rule.source, places, tests)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _short(test: str) -> str:
    """`test_rules_times: moving acquisition times are the starts`."""
    path, _, name = test.partition("::")
    words = name.split("[")[0].removeprefix("test_that_").replace("_", " ")
    return f"{Path(path).stem}: {words}"
