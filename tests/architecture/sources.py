"""The project's own source files, for tests that read them."""

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = (REPOSITORY / "app" / "kiview", REPOSITORY / "models" / "training" / "kitrain")


@cache
def product_modules() -> tuple[Path, ...]:
    """Every module of kiview and kitrain."""
    return tuple(sorted(path for folder in PRODUCT for path in folder.rglob("*.py")))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def shown(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def tracked_files() -> tuple[Path, ...]:
    """Files under version control; skips where the tree is not a checkout."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("platform: not a git checkout")
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={REPOSITORY}", "ls-files", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = (REPOSITORY / name for name in listed.split("\0") if name)
    return tuple(path for path in paths if path.is_file())
