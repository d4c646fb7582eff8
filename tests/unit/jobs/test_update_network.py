"""An update runs in a process of its own: progress, refusal and cancel are passed on."""

import sys
import textwrap
import time

import pytest

from kiview.core.errors import NetworkError
from kiview.core.progress import Cancelled, NullProgress, Progress
from kiview.jobs import update_network as job
from kiview.jobs.update_network import Told, UpdateRequest, can_train, parse_told, update_network


@pytest.fixture
def program(tmp_path):
    """A stand-in for the training program."""

    def make(code):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(code), encoding="utf-8")
        return UpdateRequest(tmp_path / "some-network", (sys.executable, str(path)))

    return make


class Noted(Progress):
    def __init__(self):
        self.steps = []

    def step(self, fraction, message):
        self.steps.append((fraction, message))


def test_that_progress_is_passed_on_and_the_last_sentence_returned(program):
    request = program(
        """
        import json, sys
        assert sys.argv[1:3] == ["update", "--network"] and sys.argv[4] == "--json-progress"
        print("a line of something else")
        print(json.dumps({"fraction": 0.25, "message": "training"}), flush=True)
        print(json.dumps({"fraction": 1, "message": "wrote version 1.0.1"}), flush=True)
        """
    )
    progress = Noted()
    assert update_network(request, progress) == "wrote version 1.0.1"
    assert (0.25, "training") in progress.steps
    assert progress.steps[-1] == (1.0, "wrote version 1.0.1")


def test_that_a_refusal_is_told_in_the_words_of_the_program(program):
    request = program(
        """
        import sys
        sys.stderr.write("warning of a library\\n")
        sys.stderr.write("kitrain: Only 3 cases were added, 10 are needed.\\n")
        sys.exit(1)
        """
    )
    with pytest.raises(NetworkError, match=r"^Only 3 cases were added, 10 are needed\.$"):
        update_network(request, NullProgress())


def test_that_a_program_that_dies_silently_is_told(program):
    with pytest.raises(NetworkError, match="exit status 7"):
        update_network(program("import sys; sys.exit(7)"), NullProgress())


def test_that_a_program_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NetworkError, match="extra 'train'"):
        update_network(UpdateRequest(tmp_path, (str(tmp_path / "nothing"),)), NullProgress())


def test_that_cancel_ends_a_silent_program_at_once(program, tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    request = program(
        f"""
        import pathlib, time
        pathlib.Path({str(begun)!r}).touch()
        time.sleep(60)
        """
    )
    processes, end = [], job._end

    def noted_end(process):
        end(process)
        processes.append(process)

    class Stopping(Progress):
        def step(self, fraction, message):  # noqa: ARG002 - the interface
            if begun.exists():
                raise Cancelled

    monkeypatch.setattr(job, "_end", noted_end)
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        update_network(request, Stopping())
    assert time.monotonic() - begin < 10
    assert processes[0].poll() is not None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"fraction": 0.5, "message": "a"}', Told(0.5, "a")),
        ('{"fraction": null, "message": "b"}', Told(None, "b")),
        ('{"fraction": 7, "message": "c"}', Told(1.0, "c")),
        ('{"message": "no fraction"}', None),
        ("[1, 2]", None),
        ("epoch 3", None),
        ("", None),
    ],
)
def test_that_only_lines_of_the_agreed_form_count(line, told):
    assert parse_told(line) == told


def test_that_training_is_possible_only_with_all_it_needs(monkeypatch):
    monkeypatch.setattr(job, "REQUIRED", ("json", "no_such_package_anywhere"))
    assert not can_train()
    monkeypatch.setattr(job, "REQUIRED", ("json",))
    assert can_train()
