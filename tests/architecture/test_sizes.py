"""Modules, classes and functions stay small enough to read."""

import ast

import pytest
from tests.architecture.sources import parsed, product_modules, shown

LINES_OF_A_MODULE = 400
LINES_OF_A_CLASS = 250
LINES_OF_A_FUNCTION = 60


def too_long(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            limit = LINES_OF_A_CLASS
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            limit = LINES_OF_A_FUNCTION
        else:
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > limit:
            found.append(f"{node.name}: {lines} lines, at most {limit}")
    return found


@pytest.mark.parametrize("path", product_modules(), ids=shown)
def test_that_code_is_small_enough_to_read(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines < LINES_OF_A_MODULE, f"{lines} lines, fewer than {LINES_OF_A_MODULE} allowed"
    assert too_long(parsed(path)) == []
