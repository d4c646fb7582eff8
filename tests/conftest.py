"""What holds for every test: no real user folders, no stray threads, logs, warnings or skips."""

import gc
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from PySide6.QtWidgets import QApplication

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from kiview import application
from tests.helpers.shared_data import shared_data_dir

pytest_plugins = ["pytester"]

# A shared machine is no reason for a property to fail; CI tries the same examples every time.
hypothesis.settings.register_profile(
    "kiview",
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("kiview")

_TESTS = Path(__file__).resolve().parent
_FOLDER_MARKS = {"gui": "gui", "workflow": "workflow", "training": "training"}
_LONG_FIRST = {"training": 0, "workflow": 1}
_THREAD_GRACE_S = 3.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder and begin with the long ones.

    Processes that run them side by side would else wait for the last long one.
    """
    for item in items:
        folder = _folder(item)
        if folder in _FOLDER_MARKS:
            item.add_marker(_FOLDER_MARKS[folder])
    items.sort(key=lambda item: _LONG_FIRST.get(_folder(item), len(_LONG_FIRST)))


def _folder(item: pytest.Item) -> str:
    """Of the tests in `tests`, the first folder there."""
    inside = item.path.is_relative_to(_TESTS)
    return item.path.relative_to(_TESTS).parts[0] if inside else ""


# Skips: an expected one names what the machine lacks; every other one is a failure.


def _is_expected_skip(reason: str) -> bool:
    if reason.startswith("shared data:"):
        return not shared_data_dir().is_dir() and os.environ.get("CI") != "true"
    return reason.startswith("platform:")


def _fail_if_unexpected_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not _is_expected_skip(reason):
        report.outcome = "failed"
        report.longrepr = f"unexpected skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    _fail_if_unexpected_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _fail_if_unexpected_skip(report)
    return report


# The application: one a process, for whichever test comes first


@pytest.fixture(scope="session")
def qapp_cls() -> type:
    """The application with KiView's look."""
    return _LookedAfter


class _LookedAfter:
    def __new__(cls, _arguments: list[str]) -> QApplication:
        return application.make_qt_application()


# User folders


@pytest.fixture(autouse=True)
def user_folder(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A home of its own for each test; made only when something is written there."""
    home = tmp_path_factory.getbasetemp() / "homes" / f"{abs(hash(request.node.nodeid)):x}"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.setenv("KIVIEW_USER_DIR", str(home / "kiview"))
    return home


# Threads


def _real_threads() -> set[threading.Thread]:
    # Python shows foreign threads (Qt, onnxruntime) that once called it as dummies for ever.
    dummy = threading._DummyThread  # type: ignore[attr-defined]
    return {thread for thread in threading.enumerate() if not isinstance(thread, dummy)}


@pytest.fixture(autouse=True)
def no_threads_left_alive() -> Iterator[None]:
    if not gc.isenabled():
        gc.collect()  # a window dropped with tasks under way is a cycle: it keeps the collector off
    before = _real_threads()
    yield
    deadline = time.monotonic() + _THREAD_GRACE_S
    for thread in _real_threads() - before:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = sorted(thread.name for thread in _real_threads() - before)
    assert not left, f"threads left alive: {left}"


# Logs


class _StrayRecords(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def no_stray_log_lines(request: pytest.FixtureRequest) -> Iterator[None]:
    """A warning or error of KiView in the log fails a test that does not ask for ``caplog``."""
    handler = _StrayRecords()
    loggers = [logging.getLogger("kiview"), logging.getLogger("kitrain")]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)
    if "caplog" not in request.fixturenames:
        assert not handler.lines, f"unexpected log lines: {handler.lines}"
