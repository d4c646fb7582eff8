"""installer/dev.py says in a sentence what is missing and never installs twice."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.architecture.sources import REPOSITORY

SCRIPT = REPOSITORY / "installer" / "dev.py"
BESIDE = {path.stem for path in SCRIPT.parent.glob("*.py")}


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script as a module that has an environment of its own and runs nothing."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    spec = importlib.util.spec_from_file_location("kiview_dev_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp.json")
    module.calls = []
    monkeypatch.setattr(module.subprocess, "call", record(module.calls))
    return module


@pytest.fixture
def packages(dev: ModuleType) -> ModuleType:
    """The module of the script that installs system packages."""
    return sys.modules[dev.require_libraries.__module__]


def record(calls: list[list[str]]):
    def call(command: list[str], **_options: object) -> int:
        calls.append([str(part) for part in command])
        return 0

    return call


def installed(dev: ModuleType, extras: set[str]) -> list[str]:
    """Arguments of the pip calls that install KiView itself."""
    dev.calls.clear()
    dev.prepare_environment(extras)
    return [call[-1] for call in dev.calls if "--editable" in call]


def make_venv(dev: ModuleType) -> None:
    dev.interpreter().parent.mkdir(parents=True)
    dev.interpreter().touch()


@pytest.mark.parametrize("name", sorted(BESIDE))
def test_that_the_script_needs_the_standard_library_only(name):
    source = SCRIPT.with_name(f"{name}.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module]
        for module in modules:
            assert module.split(".")[0] in sys.stdlib_module_names | BESIDE


def test_that_an_old_python_is_told_so_in_one_sentence(dev, monkeypatch, capsys):
    monkeypatch.setattr(dev.sys, "version_info", (3, 10, 4))
    assert dev.main(["test"]) == 2
    assert capsys.readouterr().err == "KiView needs Python 3.11 or newer, this is Python 3.10.\n"


def test_that_a_python_that_is_too_new_makes_way_for_an_older_one(dev, monkeypatch, capsys):
    monkeypatch.setattr(dev.sys, "version_info", (3, 14, 0))
    monkeypatch.setattr(dev.shutil, "which", {"python3.12": "/usr/bin/python3.12"}.get)
    assert dev.base_python() == "/usr/bin/python3.12"
    monkeypatch.setattr(dev.shutil, "which", {}.get)
    assert dev.base_python() == sys.executable
    assert "needs C++" in capsys.readouterr().out


def test_that_a_second_run_installs_nothing(dev, monkeypatch):
    monkeypatch.setattr(dev, "make_environment", lambda: None)
    make_venv(dev)
    assert installed(dev, {"test"}) == [".[test]"]
    assert installed(dev, {"test"}) == []
    assert installed(dev, set()) == []


def test_that_a_further_extra_keeps_those_that_are_there(dev, monkeypatch):
    monkeypatch.setattr(dev, "make_environment", lambda: None)
    make_venv(dev)
    installed(dev, {"test"})
    assert installed(dev, {"train"}) == [".[test,train]"]


def test_that_an_interrupted_installation_is_done_again(dev, monkeypatch):
    monkeypatch.setattr(dev, "make_environment", lambda: None)
    make_venv(dev)
    installed(dev, {"test"})
    monkeypatch.setattr(dev, "fingerprint", lambda: "other pins")
    monkeypatch.setattr(dev.subprocess, "call", lambda *_arguments, **_options: 1)
    with pytest.raises(dev.SetupError, match="pip could not install"):
        dev.prepare_environment({"test"})
    assert dev.read_stamp() == {}


def test_that_missing_libraries_are_told_with_the_exact_line(dev, packages, monkeypatch):
    monkeypatch.setattr(dev.sys, "platform", "linux")
    monkeypatch.setattr(packages, "can_load", lambda name: "xcb" not in name)
    monkeypatch.setattr(packages, "may_use_apt", lambda: False)
    monkeypatch.setattr(dev.shutil, "which", lambda _program: None)
    line = "sudo apt-get install -y libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1"
    monkeypatch.setattr(packages, "can_load", lambda name: "xcb" not in name and "x11" not in name)
    with pytest.raises(dev.SetupError, match=line):
        dev.require_libraries(dev.WINDOW_LIBRARIES)
    monkeypatch.setattr(dev.shutil, "which", lambda program: program)
    with pytest.raises(dev.SetupError, match="sudo dnf install -y libxkbcommon-x11 xcb-util"):
        dev.require_libraries(dev.WINDOW_LIBRARIES)


def test_that_root_with_apt_gets_missing_libraries_installed(dev, packages, monkeypatch):
    monkeypatch.setattr(dev.sys, "platform", "linux")
    monkeypatch.setattr(packages, "can_load", lambda name: name != "libEGL.so.1")
    monkeypatch.setattr(packages, "may_use_apt", lambda: True)
    dev.require_libraries(dev.WINDOW_LIBRARIES)
    assert [call[-1] for call in dev.calls] == ["update", "libegl1"]


def test_that_a_python_without_ensurepip_is_told_the_package(dev, monkeypatch):
    monkeypatch.setattr(dev.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(dev, "may_use_apt", lambda: False)
    with pytest.raises(dev.SetupError, match="sudo apt-get install -y python3-venv"):
        dev.require_ensurepip()


@pytest.mark.parametrize(
    ("platform", "named", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}, False),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_that_a_display_is_found_where_there_is_one(dev, monkeypatch, platform, named, expected):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dev.sys, "platform", platform)
    monkeypatch.setattr(dev, "require_libraries", lambda _libraries: None)
    monkeypatch.setattr(dev, "quiet", lambda _command: 0)
    assert dev.has_display() is expected


def test_that_a_display_that_does_not_answer_is_none(dev, monkeypatch, capsys):
    monkeypatch.setattr(dev.sys, "platform", "linux")
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.setattr(dev, "require_libraries", lambda _libraries: None)
    monkeypatch.setattr(dev, "quiet", lambda _command: 134)
    assert not dev.has_display()
    assert "does not answer" in capsys.readouterr().out


def test_that_without_a_display_the_demo_writes_to_a_folder_and_says_so(dev, monkeypatch, capsys):
    monkeypatch.setattr(dev, "prepare_environment", lambda _extras: None)
    monkeypatch.setattr(dev, "require_libraries", lambda _libraries: None)
    monkeypatch.setattr(dev, "has_display", lambda: False)
    assert dev.main(["demo"]) == 0
    assert dev.calls[0][1:4] == ["-m", "kiview", "--demo"]
    assert dev.calls[0][-1].endswith("demo-output")
    assert "demo-output" in capsys.readouterr().out


def test_that_a_failed_static_check_fails_the_run_although_the_tests_pass(dev, monkeypatch):
    monkeypatch.setattr(dev, "prepare_environment", lambda _extras: None)
    monkeypatch.setattr(dev, "require_libraries", lambda _libraries: None)

    def call(command: list[str], **_options: object) -> int:
        return int("mypy" in command)

    monkeypatch.setattr(dev.subprocess, "call", call)
    assert dev.main(["check"]) == 1


def test_that_arguments_are_handed_to_pytest(dev):
    options = dev.parse(["test", "--without-training", "-k", "patlak"])
    assert options.without_training
    assert options.arguments == ["-k", "patlak"]
