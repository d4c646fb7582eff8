"""A process that opens damaged inputs one after the other and says what came of each.

`python -m tests.fuzz.worker SEEDS SEED [KEEP]` reads lines `NUMBER<tab>KIND<tab>SAVED` and writes a
JSON line for each. What it writes to stderr is the reason why the process had to end.
"""

import faulthandler
import json
import shutil
import signal
import sys
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path

from tests.fuzz import guard

_EXTRA_BYTES = 4 << 30


def main(seeds: Path, seed: int, keep: Path | None) -> None:
    """Answer every line of stdin."""
    warnings.simplefilter("ignore")  # as the program does
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, all_threads=True, chain=True)
    guard.install()
    if sys.platform == "linux":
        guard.limit_memory(_EXTRA_BYTES)
    answers, sys.stdout = sys.stdout, sys.stderr
    folder = Path(tempfile.mkdtemp(prefix="kiview-fuzz-"))
    for line in sys.stdin:
        number, kind, saved = line.rstrip("\n").split("\t")
        place = folder / number
        task = guard.Task(int(number), kind, Path(saved) if saved else None)
        outcome = guard.examine(task, seed, place, seeds)
        if outcome.result == "failed" and keep is not None:
            target = keep / f"{kind.replace(' ', '-')}-{number}"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(place / "input", target)
        shutil.rmtree(place)
        answers.write(json.dumps(asdict(outcome)) + "\n")
        answers.flush()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
