"""An installed wheel is whole: it runs with its own resources and networks."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.architecture.sources import REPOSITORY, shown, tracked_files

pytestmark = pytest.mark.slow

WHERE = """
import json, sys
import kiview
from kiview import paths
from kiview.nets.catalog import load_catalog
cards = load_catalog(paths.models_dir()).cards
for card in cards:
    card.network.read()
places = [kiview.__file__, str(paths.models_dir()), str(paths.resources_dir())]
sys.stdout.write(json.dumps({"places": places, "networks": [card.id for card in cards]}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    folder = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_python(unpacked: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(
        command, cwd=unpacked, env=settings, capture_output=True, text=True, check=False
    )


def test_that_the_wheel_holds_every_resource_and_network_and_no_training(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    renamed = {"app/kiview/": "kiview/", "resources/": "kiview/_resources/"}
    renamed["models/"] = "kiview/_models/"
    for path in tracked_files():
        name = shown(path)
        for start, new_start in renamed.items():
            if name.startswith(start) and not name.startswith("models/training/"):
                assert name.replace(start, new_start, 1) in held
    assert not [name for name in held if "training" in name or "kitrain" in name]


def test_that_the_program_runs_from_the_wheel_with_its_own_files(unpacked):
    done = run_python(unpacked, "-c", WHERE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["networks"]
    for place in found["places"]:
        assert Path(place).is_relative_to(unpacked)


def test_that_doctor_finds_the_installed_wheel_well(unpacked):
    done = run_python(unpacked, "-m", "kiview", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
