"""Who may import whom."""

import ast
import subprocess
import sys
import tomllib

from tests.architecture.sources import REPOSITORY, parsed, product_modules, shown


def contracts() -> dict[str, dict[str, object]]:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in settings["tool"]["importlinter"]["contracts"]}


def test_that_the_import_contracts_hold():
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_that_no_contract_has_an_exception():
    for name, contract in contracts().items():
        assert "ignore_imports" not in contract, name


def test_that_every_package_has_its_layer():
    layers = " ".join(contracts()["layers: imports point down only"]["layers"])
    named = {word.strip("()") for word in layers.split()} - {"|", ":"}
    folder = REPOSITORY / "app" / "kiview"
    existing = {path.stem for path in folder.glob("*.py")}
    existing |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert existing - {"__init__"} <= named


def test_that_only_views_and_the_application_import_widgets():
    allowed = ("app/kiview/views/", "app/kiview/application.py")
    for path in product_modules():
        if shown(path).startswith(allowed):
            continue
        for node in ast.walk(parsed(path)):
            names = [alias.name for alias in getattr(node, "names", ())]
            module = getattr(node, "module", "") or ""
            imported = {module, *names, *(f"{module}.{name}" for name in names)}
            assert not imported & {"PySide6.QtGui", "PySide6.QtWidgets"}, shown(path)
