"""What the process itself takes care of: streams, early Ctrl-C, chatter of libraries."""

import signal
import sys
import types
import warnings

import pytest

from kiview import __main__, cli


def test_that_closed_streams_are_no_trouble(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["kiview", "models", "list"])
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with warnings.catch_warnings():
        assert cli.main() == 0
    sys.stdout.close()
    sys.stderr.close()


@pytest.mark.parametrize(("options", "shown"), [([], 0), (["default"], 1)])
def test_that_libraries_warn_only_who_asks(monkeypatch, options, shown):
    def warn(*_):
        warnings.warn("chatter", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(sys, "argv", ["kiview", "models", "list"])
    monkeypatch.setattr(sys, "warnoptions", options)
    monkeypatch.setattr(cli, "_models", warn)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        assert cli.main() == 0
    assert len(caught) == shown


def test_that_ctrl_c_while_loading_ends_without_a_word(monkeypatch):
    seen = []

    class Loading(types.ModuleType):
        def __getattr__(self, name):
            seen.append(signal.getsignal(signal.SIGINT))
            return lambda: 7

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setitem(sys.modules, "kiview.cli", Loading("kiview.cli"))
    try:
        assert __main__.start() == 7
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen[-1] == signal.SIG_DFL
