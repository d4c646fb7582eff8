"""Try many damaged inputs: `python -m tests.fuzz.run [--count 2000]`.

Prints a line for each kind of input (accepted, refused, failed, slowest, most memory) and every
failure; the exit code is 1 where there is one. The same seed and number give the same input.
"""

import argparse
import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.fuzz.guard import Outcome, Task
from tests.fuzz.kinds import KINDS, ROUND
from tests.fuzz.seeds import write_seeds

SEED, COUNT = 20261126, 2000
_HANG_S = 60.0
"""By the clock; a slow machine may need more than the processor time that is allowed."""
_LAST_LINES = 30
_REPOSITORY = Path(__file__).resolve().parents[2]


class _Worker:
    """A worker process that is started again when it ended."""

    def __init__(self, seeds: Path, seed: int, keep: Path | None) -> None:
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(seeds.parent)}
        self._words = [sys.executable, "-m", "tests.fuzz.worker", str(seeds), str(seed)]
        self._words += [] if keep is None else [str(keep)]
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._lines: queue.Queue[str] = queue.Queue()
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115

    def ask(self, task: Task) -> Outcome:
        """What came of one input; a process that ended or hangs is a failure."""
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(f"{task.number}\t{task.kind}\t{task.saved or ''}\n")
            process.stdin.flush()
            line = self._lines.get(timeout=_HANG_S)
        except queue.Empty:
            reason = f"hangs for more than {_HANG_S:g} s"
        except BrokenPipeError:
            reason = "the process ended"
        else:
            if line:
                return Outcome(**json.loads(line))
            reason = f"the process ended with {process.wait()}: {self._last_words()}"
        self.close()
        return Outcome(task.kind, "failed", reason, 0.0, 0.0, 0)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None or self._thread is None:
            return
        process.kill()
        process.wait()
        self._thread.join()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]  # both are pipes

    def _last_words(self) -> str:
        self.log.seek(0)
        return "\n".join(self.log.read().splitlines()[-_LAST_LINES:])

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._lines = queue.Queue()
            self.log.seek(0)
            self.log.truncate()
            self._process = subprocess.Popen(
                self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                text=True, cwd=_REPOSITORY, env=self._environment,
            )  # fmt: skip
            self._thread = threading.Thread(target=_listen, args=(self._process, self._lines))
            self._thread.start()
        return self._process


def _listen(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put("")


def tasks(numbers: Iterable[int], kinds: str = "") -> Iterator[Task]:
    """Inputs by their numbers, which decide the kinds; only kinds whose name holds `kinds`."""
    for number in numbers:
        kind = ROUND[number % len(ROUND)]
        if kinds in kind:
            yield Task(number, kind)


def outcomes(
    wanted: Iterable[Task], seed: int = SEED, keep: Path | None = None
) -> Iterator[tuple[Task, Outcome]]:
    """Try inputs.

    Args:
        wanted: What to try.
        seed: Of the run.
        keep: Folder for the inputs that fail.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_seeds(Path(folder) / "seeds")
        worker = _Worker(Path(folder) / "seeds", seed, keep)
        try:
            for task in wanted:
                yield task, worker.ask(task)
        finally:
            worker.close()
            worker.log.close()


def table(found: list[Outcome]) -> list[str]:
    """A line for each kind, and one for all."""
    row = "{:16} {:>6} {:>9} {:>8} {:>7} {:>10} {:>8}"
    lines = [row.format("kind", "inputs", "accepted", "refused", "failed", "slowest s", "most MB")]
    for name in (*KINDS, "all"):
        own = [one for one in found if name in (one.kind, "all")]
        if own:
            counts = [
                sum(one.result == r for one in own) for r in ("accepted", "refused", "failed")
            ]
            slowest = f"{max(one.processor_s for one in own):.2f}"
            most = str(max(one.peak_bytes for one in own) >> 20)
            lines.append(row.format(name, len(own), *counts, slowest, most))
    return lines


def main(words: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help=f"number of inputs ({COUNT})")
    parser.add_argument("--first", type=int, default=0, help="number of the first input (0)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"({SEED})")
    parser.add_argument("--kind", default="", help="only kinds whose name holds this")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that fail")
    parser.add_argument("--sentences", action="store_true", help="print what every refusal says")
    given = parser.parse_args(words)
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    numbers = range(given.first, given.first + given.count)
    found, failed = [], 0
    for task, outcome in outcomes(tasks(numbers, given.kind), given.seed, given.keep):
        found.append(outcome)
        if outcome.result == "failed":
            failed += 1
            sys.stdout.write(f"--- {task.number} {task.kind}\n{outcome.reason.rstrip()}\n")
        elif given.sentences and outcome.reason:
            sys.stdout.write(f"{task.number} {task.kind}: {outcome.reason}\n")
        sys.stdout.flush()
    sys.stdout.write("\n".join(table(found)) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
