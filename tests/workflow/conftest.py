"""The demo study, made once, a whole window on the real jobs, and the command line."""

import os
from pathlib import Path

import pytest
from tests.helpers.cli_study import CliStudy, write_cli_study

from kiview import cli
from kiview.core.progress import NullProgress
from kiview.io.file_lock import exclusive
from kiview.jobs.demo_study import ensure_demo_study

DEMO_VARIABLE = "KIVIEW_TEST_DEMO"
"""Where a demo study lies already, for a run within a run."""


@pytest.fixture
def kiview(capsys):
    """Run the command line in this process: words -> (exit code, stdout, stderr)."""

    def run(*words):
        code = cli.main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> CliStudy:
    """A small study whose truth is known."""
    return write_cli_study(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="session")
def demo_study(tmp_path_factory) -> Path:
    """Folder of the demo study as the program makes it, for all processes of this run."""
    named = os.environ.get(DEMO_VARIABLE, "")
    beside = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if beside else base
    folder = Path(named) if named else shared / "demo" / "demo-study"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.parent / "making"):
        return ensure_demo_study(folder, NullProgress())
