"""Progress lines, tables, and Ctrl-C."""

import os
import signal
import threading

import pytest

from kiview.commands import terminal
from kiview.commands.terminal import TerminalProgress, stop_on_interrupt
from kiview.core.progress import Cancelled


def test_that_a_log_file_gets_a_line_every_ten_percent(capsys):
    progress = TerminalProgress()
    for percent in range(101):
        progress.step(percent / 100, "Work")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["  0 %  Work", " 10 %  Work"]
    assert len(lines) == 11


def test_that_unknown_progress_is_shown_once(capsys):
    progress = TerminalProgress()
    progress.step(None, "Reading")
    progress.step(None, "Reading")
    assert capsys.readouterr().err == "  0 %  Reading\n"


def test_that_a_terminal_gets_one_moving_line(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    clock = iter([1.0, 1.05, 2.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
    progress = TerminalProgress()
    progress.step(0.5, "A long message")
    progress.step(0.6, "too soon after")
    progress.step(0.7, "Short")
    progress.clear()
    progress.clear()
    shown = capsys.readouterr().err.split("\r")
    assert shown[1:3] == [" 50 %  A long message", " 70 %  Short         "]
    assert shown[3].strip() == ""


def test_that_what_files_hold_cannot_steer_the_terminal(capsys):
    terminal.say("CT\x1b[31m\nred\udcff\tend")
    terminal.note("kiview: \x1b]0;title\x07")
    terminal.say_table([("a", "b"), ("Aorta\r", "\x9b2J")])
    TerminalProgress().step(0.5, "Region \x1b[2J")
    shown = capsys.readouterr()
    assert shown.out == "CT [31m red  end\na       b\nAorta    2J\n"
    assert shown.err == "kiview:  ]0;title \n 50 %  Region  [2J\n"


def test_that_json_keeps_its_lines(capsys):
    terminal.say_json({"name": "\x1b[31m\u00e9"})
    assert capsys.readouterr().out == '{\n  "name": "\\u001b[31m\\u00e9"\n}\n'


def test_that_a_stop_request_stops_at_the_next_step():
    stopped = threading.Event()
    progress = TerminalProgress(stopped)
    progress.child(0.0, 0.5).step(0.1, "Work")
    stopped.set()
    with pytest.raises(Cancelled):
        progress.child(0.0, 0.5).step(0.2, "Work")


def test_that_the_first_interrupt_asks_and_the_second_insists():
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt() as stopped:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped.wait(1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_that_another_thread_leaves_signals_alone():
    seen = []

    def work():
        with stop_on_interrupt() as stopped:
            seen.append(stopped.is_set())

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
    assert signal.getsignal(signal.SIGINT) is before


def test_that_columns_are_aligned(capsys):
    terminal.say_table([("region", "n"), ("aorta", "12")])
    terminal.say_pairs({"a": "1", "long": "2"})
    assert capsys.readouterr().out == "region  n\naorta   12\na     1\nlong  2\n"


def test_that_json_never_holds_what_json_cannot(capsys):
    with pytest.raises(ValueError, match="JSON"):
        terminal.say_json({"value": float("nan")})
    assert capsys.readouterr().out == ""
