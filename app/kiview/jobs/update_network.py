"""An update of a network from added cases, by the training program in a process of its own.

KiView never imports the training: it is an optional extra, needs torch, and may take an hour.
"""

import importlib.util
import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kiview.core.errors import NetworkError
from kiview.core.progress import Progress

MODULE = "kitrain"
REQUIRED = (MODULE, "torch")
_LOOK_S = 0.1
_GRACE_S = 5.0
_LONGEST_SENTENCE = 500


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    """What to update.

    Attributes:
        folder: Folder of the network to start from.
        program: Command of the training program, without arguments.
    """

    folder: Path
    program: tuple[str, ...] = (sys.executable, "-m", MODULE)

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command."""
        return (*self.program, "update", "--network", str(self.folder), "--json-progress")


UpdateJob = Callable[[UpdateRequest, Progress], str]


def can_train() -> bool:
    """Whether the training program and what it needs are installed; imports none of it."""
    return all(importlib.util.find_spec(name) is not None for name in REQUIRED)


def update_network(request: UpdateRequest, progress: Progress) -> str:
    """Run an update to its end.

    Args:
        request: What to update.
        progress: Passes on what the program tells; a stop request ends the program.

    Returns:
        The last sentence of the program.

    Raises:
        NetworkError: the program cannot be started, or refused; the text is its own last sentence.
        Cancelled: the user asked to stop.
    """
    told = Told(0.0, "Starting the update")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        with _running(request.command, errors) as process:
            for latest in _told(process):
                told = latest or told
                progress.step(told.fraction, told.message)
            code = process.wait()
        if code != 0:
            raise NetworkError(_reason(errors, code))
    return told.message


@dataclass(frozen=True, slots=True)
class Told:
    """What the program says about its progress.

    Attributes:
        fraction: Share done, 0 to 1, or None while unknown.
        message: What is being done.
    """

    fraction: float | None
    message: str


def parse_told(line: str) -> Told | None:
    """One line of the program, `{"fraction": 0.3, "message": "..."}`; None for any other line."""
    try:
        record = json.loads(line)
        fraction = record["fraction"]
        share = None if fraction is None else min(max(float(fraction), 0.0), 1.0)
        return Told(share, str(record["message"])[:_LONGEST_SENTENCE])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


@contextmanager
def _running(command: tuple[str, ...], errors: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the block."""
    hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            errors="replace",
            creationflags=hidden,
        )
    except OSError as error:
        raise NetworkError(
            f"The training program could not be started ({error.strerror}); install KiView's"
            " source with its extra 'train' again."
        ) from error
    with process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _told(process: subprocess.Popen[str]) -> Iterator[Told | None]:
    """What the program tells; None now and then while it tells nothing."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, lines), name="update", daemon=True)
    reader.start()
    while True:
        try:
            line = lines.get(timeout=_LOOK_S)
        except queue.Empty:
            yield None
            continue
        if line is None:
            reader.join()
            return
        yield parse_told(line)


def _read(process: subprocess.Popen[str], lines: "queue.SimpleQueue[str | None]") -> None:
    if process.stdout is not None:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _reason(errors: IO[str], code: int) -> str:
    """The last line the program wrote about its failure."""
    errors.seek(0)
    written = [line.strip() for line in errors.read().splitlines() if line.strip()]
    if not written:
        return f"The update stopped without a word (exit status {code}); try again."
    return written[-1].removeprefix(f"{MODULE}: ")[:_LONGEST_SENTENCE]
