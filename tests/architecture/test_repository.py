"""What is under version control fits every machine, and its statements agree."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.architecture.sources import REPOSITORY, shown, tracked_files

_ONE_MACHINE = re.compile(
    r"pypi\.(org|python)|pythonhosted|registry\.npmjs|deb\.debian\.org|"
    r"(?<![\w./~-])/(work|root|home/\w+|Users/\w+|tmp|opt)/\w"
)
_TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".cfg", ".sh", ".qss", ""}
_LARGEST_BYTES = 8 * 1024 * 1024


def project() -> dict[str, object]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins() -> dict[str, str]:
    lines = (REPOSITORY / "installer" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pinned}


def test_that_no_file_names_a_package_index_or_a_place_on_one_machine():
    found = []
    for path in tracked_files():
        if path.suffix not in _TEXT or path.name == "test_repository.py":
            continue
        if path.is_relative_to(REPOSITORY / "tests" / "data"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if _ONE_MACHINE.search(line):
                found.append(f"{shown(path)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def test_that_the_search_knows_such_places():
    for line in ("open('/tmp/x')", "see /home/jo/x", "https://pypi.org/simple", " /work/a"):
        assert _ONE_MACHINE.search(line), line
    for line in ("a/tmp/b", "../opt/x", "either/or", "/tmp"):
        assert not _ONE_MACHINE.search(line), line


def test_that_files_under_version_control_are_small():
    large = [shown(path) for path in tracked_files() if path.stat().st_size > _LARGEST_BYTES]
    assert not large


def test_that_the_top_level_holds_what_the_design_names_and_nothing_else():
    folders = {"app", "resources", "models", "installer", "tests"}
    files = {"pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"}
    tops = {path.relative_to(REPOSITORY).parts[0] for path in tracked_files()}
    assert {top for top in tops if not top.startswith(".")} <= folders | files


def test_that_every_dependency_is_pinned_within_its_declared_range():
    declared = [*project()["dependencies"]]
    for extra in project()["optional-dependencies"].values():
        declared += extra
    for requirement in map(Requirement, declared):
        version = pins()[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_that_pins_are_versions_and_nothing_else():
    for name, version in pins().items():
        assert re.fullmatch(r"\d[\w.]*", version), name


def test_that_the_pyside_release_that_aborts_is_excluded():
    (qt,) = (item for item in project()["dependencies"] if item.startswith("PySide6"))
    assert not Requirement(qt).specifier.contains("6.12.0")


def test_that_the_commit_hook_runs_the_pinned_ruff():
    hooks = (REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert f"rev: v{pins()['ruff']}\n" in hooks
