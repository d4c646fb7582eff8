"""The demo without a display: what `installer/dev.py demo` runs on a server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.shared_data import REPOSITORY

pytestmark = pytest.mark.slow

PNG_START = b"\x89PNG\r\n\x1a\n"


def test_that_the_demo_without_a_display_writes_pictures_maps_and_numbers(demo_study, tmp_path):
    cache = tmp_path / "user" / "cache"
    cache.mkdir(parents=True)
    (cache / "demo-study").symlink_to(demo_study, target_is_directory=True)
    environment = os.environ | {"KIVIEW_USER_DIR": str(tmp_path / "user")}
    environment.pop("DISPLAY", None)
    environment.pop("QT_QPA_PLATFORM", None)
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "kiview", "--demo", "--offscreen-output", str(out)],
        cwd=REPOSITORY,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(out) in done.stdout
    for size in ("1280x800", "1920x1080"):
        assert (out / f"window-{size}.png").read_bytes().startswith(PNG_START)
    check_maps(out / "maps")
    check_numbers(out / "numbers.json")


def check_maps(folder: Path) -> None:
    for method in ("patlak", "network"):
        assert (folder / f"{method}_Ki.nii.gz").exists()
        assert (folder / f"{method}_Ki.json").exists()
        assert (folder / f"{method}_Ki_pm.dcm").exists()
        assert len(list((folder / f"{method}_Ki_dicom").iterdir())) == 90
    assert (folder / "input_function.tsv").exists()


def check_numbers(file: Path) -> None:
    numbers = json.loads(file.read_text())
    assert numbers["intended_use"] == "Research use only"
    assert set(numbers["runs"]) == {"Patlak", "Network"}
    regions = {row["region"]: row for row in numbers["agreement"]}
    assert {"Body", "Aorta"} < set(regions)
    assert regions["Body"]["voxels"] > 100_000
