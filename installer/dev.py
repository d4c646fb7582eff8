"""Everything a developer runs, with nothing but Python: ``python3 installer/dev.py COMMAND``.

The script makes ``.venv`` in the checkout, installs KiView there within ``constraints.txt``, sees
to the system libraries that Qt needs, then does what was asked. A second run finds that done.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # also where Python leaves it out

from system_packages import (
    OFFSCREEN_LIBRARIES,
    WINDOW_LIBRARIES,
    SetupError,
    apt_install,
    may_use_apt,
    prefer_checkers,
    require_libraries,
    say,
)

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = REPOSITORY / ".venv"
CONSTRAINTS = REPOSITORY / "installer" / "constraints.txt"
STAMP = ENVIRONMENT / "kiview-installed.json"
PICTURES = REPOSITORY / "app" / "docs" / "pictures"
DEMO_OUTPUT = REPOSITORY / "demo-output"
OLDEST_PYTHON = (3, 11)
# pyjpegls, which highdicom needs, has no ready-made package for a newer Python yet.
NEWEST_PYTHON = (3, 13)
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
# At most four, as each takes up to 2 GB; in the order of `tests/conftest.py`, the long ones first.
SIDE_BY_SIDE = "-n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder"
FAST = "not slow and not training and not packaged"


# --- Python environment


def interpreter() -> Path:
    """The Python of the environment, whether or not it exists yet."""
    if os.name == "nt":
        return ENVIRONMENT / "Scripts" / "python.exe"
    return ENVIRONMENT / "bin" / "python"


def prepare_environment(extras: set[str]) -> None:
    """Make ``.venv`` and install KiView with these extras, unless that is done already."""
    wanted = {"fingerprint": fingerprint(), "extras": sorted(extras)}
    installed = read_stamp()
    if installed.get("fingerprint") == wanted["fingerprint"]:
        if extras <= set(installed.get("extras", [])):
            return
        wanted["extras"] = sorted(extras | set(installed.get("extras", [])))
    make_environment()
    STAMP.unlink(missing_ok=True)
    say(f"Installing KiView with {', '.join(wanted['extras']) or 'no extras'} into .venv.")
    pip_install("hatchling", "editables")
    chosen = f"[{','.join(wanted['extras'])}]" if wanted["extras"] else ""
    pip_install("--no-build-isolation", "--editable", f".{chosen}")
    STAMP.write_text(json.dumps(wanted), encoding="utf-8")


def fingerprint() -> str:
    """Changes whenever the environment has to be installed anew."""
    content = hashlib.sha256(sys.version.encode())
    for file in (REPOSITORY / "pyproject.toml", CONSTRAINTS):
        content.update(file.read_bytes())
    return content.hexdigest()


def read_stamp() -> dict:
    """What the last finished installation noted; empty when there was none."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8")) if interpreter().exists() else {}
    except (OSError, ValueError):
        return {}


def make_environment() -> None:
    """Make an empty ``.venv`` where there is no working one."""
    if interpreter().exists() and quiet([interpreter(), "-m", "pip", "--version"]) == 0:
        return
    require_ensurepip()
    say("Making the Python environment .venv.")
    if subprocess.call([base_python(), "-m", "venv", "--clear", str(ENVIRONMENT)]) != 0:
        raise SetupError("The Python environment .venv could not be made; the reason is above.")


def base_python() -> str:
    """The Python to make the environment with: this one, or a slightly older one if this is new."""
    if sys.version_info[:2] <= NEWEST_PYTHON:
        return sys.executable
    for minor in range(NEWEST_PYTHON[1], OLDEST_PYTHON[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            say(f"Using {found}: some packages are not ready for the Python that runs this script.")
            return found
    say(
        "This Python is newer than 3.13: pyjpegls may have to be compiled, which needs C++. "
        "With Python 3.13 installed beside it, this script uses that one."
    )
    return sys.executable


def require_ensurepip() -> None:
    """Debian keeps the module that puts pip into a new environment in a package of its own."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    if not may_use_apt():
        raise SetupError(
            "This Python cannot make environments. On Debian or Ubuntu install the missing part: "
            "sudo apt-get install -y python3-venv"
        )
    apt_install(["python3-venv"])


def pip_install(*arguments: str) -> None:
    """Install within the constraints; pip's own settings say where from."""
    command = [str(interpreter()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--constraint", str(CONSTRAINTS), *arguments]
    if subprocess.call(command, cwd=REPOSITORY) != 0:
        raise SetupError(
            "pip could not install what KiView needs; its reason is above. Without a connection to "
            "a package index nothing can be installed."
        )


# --- Running


def run(command: list, **settings: str) -> int:
    """Run a command in the checkout; ``settings`` are added to its environment."""
    parts = [str(part) for part in command]
    return subprocess.call(parts, cwd=REPOSITORY, env={**os.environ, **settings})


def quiet(command: list) -> int:
    """`run` without its output."""
    parts = [str(part) for part in command]
    return subprocess.run(parts, cwd=REPOSITORY, capture_output=True, check=False).returncode


def has_display() -> bool:
    """Whether a window can be opened here; asked of the system first, then of Qt."""
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    require_libraries(WINDOW_LIBRARIES)
    probe = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"
    if quiet([interpreter(), "-c", probe]) == 0:
        return True
    say("A display is named in the environment but does not answer.")
    return False


def demo(_options: argparse.Namespace) -> int:
    """Open the viewer on the demo study and compute; without a display write pictures instead."""
    prepare_environment(set())
    if has_display():
        say("Opening the demo study. It is made on first use, which takes some minutes.")
        return run([interpreter(), "-m", "kiview", "--demo"])
    require_libraries(OFFSCREEN_LIBRARIES)
    say("There is no display: the demo runs without a window and takes some minutes.")
    say(f"Pictures, maps (NIfTI and DICOM) and numbers are written to {DEMO_OUTPUT}.")
    command = [interpreter(), "-m", "kiview", "--demo", "--offscreen-output", DEMO_OUTPUT]
    return run(command, QT_QPA_PLATFORM="offscreen")


def pictures(_options: argparse.Namespace) -> int:
    """Make the pictures of the README from the demo study."""
    prepare_environment(set())
    require_libraries(OFFSCREEN_LIBRARIES)
    with tempfile.TemporaryDirectory() as folder:
        command = [interpreter(), "-m", "kiview", "--demo", "--offscreen-output", folder]
        nobody = str(Path(folder) / "user")  # no settings or regions of anybody's
        code = run(command, QT_QPA_PLATFORM="offscreen", KIVIEW_USER_DIR=nobody)
        for picture in sorted(Path(folder).glob("window-*.png")):
            shutil.copyfile(picture, PICTURES / picture.name)
            say(f"Wrote {PICTURES / picture.name}.")
    return code


def open_viewer(options: argparse.Namespace) -> int:
    """Run ``kiview`` with the arguments given."""
    prepare_environment(set())
    require_libraries(WINDOW_LIBRARIES if has_display() else OFFSCREEN_LIBRARIES)
    return run([interpreter(), "-m", "kiview", *options.arguments])


def static_checks() -> int:
    """ruff, its formatter, mypy and the import contracts; the number of those that failed."""
    typed = ["kiview", "kitrain"] if "train" in read_stamp().get("extras", []) else ["kiview"]
    checks = {
        "ruff check": [interpreter(), "-m", "ruff", "check", "."],
        "ruff format": [interpreter(), "-m", "ruff", "format", "--check", "."],
        "mypy": [interpreter(), "-m", "mypy", *(f"--package={name}" for name in typed)],
        "import contracts": [interpreter(), "-c", LINT_IMPORTS],
    }
    failed = []
    for name, command in checks.items():
        say(f"Checking: {name}.")
        if run(command) != 0:
            failed.append(name)
    if failed:
        say(f"FAILED: {', '.join(failed)}. The tests still run; the exit code will say failure.")
    return len(failed)


def pytest(*arguments: str) -> int:
    """Run pytest without a display; its own summary is the last thing printed.

    A process for each processor takes one file of tests after the other; `-n 0` among the arguments
    puts all into one.
    """
    command = [interpreter(), "-m", "pytest", *SIDE_BY_SIDE.split(), *arguments]
    return run(command, QT_QPA_PLATFORM="offscreen")


def test(options: argparse.Namespace) -> int:
    """Everything that CI runs."""
    prepare_environment({"test"} if options.without_training else {"test", "train"})
    require_libraries(WINDOW_LIBRARIES)
    prefer_checkers()
    failed = static_checks()
    selection: list[str] = []
    if options.without_training:
        say("Without training: tests/training needs torch and is NOT run.")
        selection = ["--ignore=tests/training", "-m", "not training"]
    return pytest(*selection, *options.arguments) or min(failed, 1)


def check(options: argparse.Namespace) -> int:
    """Static checks and the fast tests."""
    prepare_environment({"test"})
    require_libraries(OFFSCREEN_LIBRARIES)
    failed = static_checks()
    fast = ["-m", FAST, "--ignore=tests/training", *options.arguments]
    return pytest(*fast) or min(failed, 1)


def bench(options: argparse.Namespace) -> int:
    """Measure against peers in one run and print the ratios."""
    prepare_environment({"test"})
    require_libraries(OFFSCREEN_LIBRARIES)
    command = [interpreter(), "-m", "tests.benchmarks.run", *options.arguments]
    return run(command, QT_QPA_PLATFORM="offscreen")


def fuzz(options: argparse.Namespace) -> int:
    """Open 2,000 damaged inputs; none may end in a traceback, hang, take much memory or stray."""
    prepare_environment({"test"})
    return run([interpreter(), "-m", "tests.fuzz.run", *options.arguments])


def mutate(options: argparse.Namespace) -> int:
    """Take away each import rule in a copy and expect its tests to fail; or write their page."""
    prepare_environment({"test"})
    require_libraries(OFFSCREEN_LIBRARIES)
    command = [interpreter(), "-m", "tests.mutation.run", *options.arguments]
    return run(command, QT_QPA_PLATFORM="offscreen")


def build(_options: argparse.Namespace) -> int:
    """Make the wheel and the source archive in ``dist``."""
    prepare_environment(set())
    code = run([interpreter(), "-m", "hatchling", "build", "-d", REPOSITORY / "dist"])
    say("An installer for each system is not made yet: install the wheel from dist with pip.")
    return code


COMMANDS = {
    "demo": demo,
    "test": test,
    "check": check,
    "run": open_viewer,
    "bench": bench,
    "fuzz": fuzz,
    "mutate": mutate,
    "pictures": pictures,
    "build": build,
}


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; what is not ours goes to the program that is run."""
    parser = argparse.ArgumentParser(prog="dev.py", description="Run, test and build KiView.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        summary = (function.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, help=summary, description=summary)
        if name == "test":
            command.add_argument(
                "--without-training",
                action="store_true",
                help="do not install torch and leave out tests/training",
            )
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command in ("demo", "build"):
        parser.error(f"{options.command} takes no arguments: {' '.join(rest)}")
    options.arguments = rest[1:] if rest[:1] == ["--"] else rest
    return options


def main(arguments: list[str]) -> int:
    """Run one command; what stops it is told in a sentence."""
    if sys.version_info < OLDEST_PYTHON:
        here = ".".join(str(part) for part in sys.version_info[:2])
        sys.stderr.write(f"KiView needs Python 3.11 or newer, this is Python {here}.\n")
        return 2
    options = parse(arguments)
    try:
        return COMMANDS[options.command](options)
    except SetupError as error:
        sys.stderr.write(f"[kiview] {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("[kiview] Stopped.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
