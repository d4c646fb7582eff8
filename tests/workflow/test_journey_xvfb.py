"""The same journey with a real pointer: an X server in memory, and xdotool's hand."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers.shared_data import REPOSITORY
from tests.helpers.tools import require_tool
from tests.workflow.conftest import DEMO_VARIABLE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="platform: needs X"),
]


@pytest.fixture
def display(tmp_path) -> Iterator[str]:
    """An X server of 1600 x 1000 pixels on a free display."""
    read_end, write_end = os.pipe()
    command = [require_tool("Xvfb"), "-displayfd", str(write_end), "-screen", "0", "1600x1000x24"]
    with (tmp_path / "xvfb.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "-nolisten", "tcp"], pass_fds=[write_end], stderr=log, stdout=log
        )
    os.close(write_end)
    with os.fdopen(read_end) as numbers:
        number = numbers.readline().strip()
    assert number, (tmp_path / "xvfb.log").read_text()
    yield f":{number}"
    server.terminate()
    server.wait(timeout=10)


def test_that_the_journey_works_with_a_real_pointer(display: str, demo_study: Path, tmp_path):
    require_tool("xdotool")
    environment = os.environ | {
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        DEMO_VARIABLE: str(demo_study),
    }
    environment.pop("PYTEST_CURRENT_TEST", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--basetemp", str(tmp_path / "inner"), "tests/workflow/test_journey.py"]
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, f"after {time.monotonic() - started:.0f} s:\n{done.stdout[-6000:]}"
