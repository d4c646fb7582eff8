"""Every public name says what it is."""

import ast
from collections.abc import Iterator

import pytest
from tests.architecture.sources import parsed, product_modules, shown

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def undocumented(tree: ast.Module) -> Iterator[str]:
    if ast.get_docstring(tree) is None:
        yield "the module itself"
    yield from _undocumented_in(tree.body, "")


def _undocumented_in(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if not isinstance(node, _DEFINITIONS) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None and not _is_restatement(node):
            yield f"{prefix}{node.name} (line {node.lineno})"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented_in(node.body, f"{prefix}{node.name}.")


def _is_restatement(node: ast.stmt) -> bool:
    """Overloads, setters and overrides say nothing that their counterpart does not say."""
    decorators = {ast.unparse(item) for item in getattr(node, "decorator_list", [])}
    return any(name.endswith(("overload", ".setter", "override")) for name in decorators)


def test_that_the_walk_finds_what_is_undocumented():
    code = "class A:\n    def b(self): ...\n    def _c(self): ...\ndef d():\n    'Said.'\n"
    found = list(undocumented(ast.parse(code)))
    assert found == ["the module itself", "A (line 1)", "A.b (line 2)"]


@pytest.mark.parametrize("path", product_modules(), ids=shown)
def test_that_every_public_name_is_documented(path):
    assert list(undocumented(parsed(path))) == []
