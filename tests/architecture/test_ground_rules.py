"""Canaries: the ground rules of conftest.py do fail a run that breaks them."""

import subprocess
import sys

import pytest
from tests.architecture.sources import REPOSITORY

from kiview import paths

EMITS = """
import sys
from PySide6.QtCore import QCoreApplication, QObject, Signal

class Sender(QObject):
    said = Signal(bool)

class Listener(QObject):
    def on_said(self, value):
        self.heard = value

application = QCoreApplication([])
sender, listener = Sender(), Listener()
sender.said.connect(listener.on_said)
sender.said.emit(True)
before = sys.getrefcount(True)
for _ in range(20000):
    sender.said.emit(True)
sys.stdout.write(str(sys.getrefcount(True) - before))
"""


@pytest.fixture
def run_test(pytester, monkeypatch):
    """Run a test file under this project's conftest and settings; gives its outcomes and output."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("KIVIEW_SHARED_DATA", str(REPOSITORY))
    monkeypatch.delenv("CI", raising=False)
    pytester.makeconftest((REPOSITORY / "tests" / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nfilterwarnings = error\nqt_api = pyside6\n")

    def run(code: str) -> pytest.RunResult:
        pytester.makepyfile(code)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider")

    return run


@pytest.mark.slow
def test_that_an_exception_in_a_slot_fails_the_run(run_test):
    result = run_test(
        """
        from PySide6.QtCore import QObject, QTimer

        class Clumsy(QObject):
            def on_timeout(self):
                raise RuntimeError("dropped")

        def test_nothing(qtbot):
            clumsy = Clumsy()
            QTimer.singleShot(0, clumsy.on_timeout)
            qtbot.wait(50)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RuntimeError: dropped*"])


@pytest.mark.slow
def test_that_threads_warnings_and_log_lines_left_behind_fail_the_run(run_test):
    result = run_test(
        """
        import logging, threading, time, warnings

        def test_thread():
            threading.Thread(target=time.sleep, args=(4,), daemon=True, name="stray").start()

        def test_warning():
            warnings.warn("old way", DeprecationWarning)

        def test_log():
            logging.getLogger("kiview.io").warning("odd file")

        def test_log_that_is_expected(caplog):
            logging.getLogger("kiview.io").warning("odd file")
        """
    )
    result.assert_outcomes(passed=3, failed=1, errors=2)
    result.stdout.fnmatch_lines(["*threads left alive: ?'stray'?*", "*unexpected log lines*"])


def test_that_only_a_skip_for_what_the_machine_lacks_is_accepted(run_test):
    result = run_test(
        """
        import pytest

        def test_lazy():
            pytest.skip("not today")

        def test_shared_data_that_is_there():
            pytest.skip("shared data: folder is absent")

        def test_platform():
            pytest.skip("platform: no such program")
        """
    )
    result.assert_outcomes(skipped=1, failed=2)


def test_that_a_module_that_skips_itself_fails_the_run(run_test):
    result = run_test("import pytest\npytest.importorskip('no_such_module_anywhere')\n")
    result.assert_outcomes(errors=1)


def test_that_emitting_signals_leaves_the_count_of_true_alone():
    done = subprocess.run(
        [sys.executable, "-c", EMITS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert abs(int(done.stdout)) < 100


def test_that_a_test_sees_user_folders_of_its_own(user_folder):
    for folder in (paths.config_dir(), paths.data_dir(), paths.cache_dir(), paths.log_dir()):
        assert folder.is_relative_to(user_folder)
