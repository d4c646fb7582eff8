"""All benchmarks, one table: `python3 installer/dev.py bench [NAME ...]`."""

import importlib
import os
import sys
from pathlib import Path

from kiview.paths import USER_DIR_VARIABLE, cache_dir

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# What the program keeps of its user stays apart: no benchmark study in anybody's library.
os.environ.setdefault(USER_DIR_VARIABLE, str(cache_dir() / "benchmarks"))
FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1]))


def names(wanted: list[str]) -> list[str]:
    """Benchmarks to run: those named, else all."""
    there = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    unknown = set(wanted) - set(there)
    if unknown:
        raise SystemExit(f"No benchmark {sorted(unknown)}; there are {there}.")
    return wanted or there


def main() -> int:
    """Run and print; 0 also when a target is missed, since the figures depend on the machine."""
    for name in names(sys.argv[1:]):
        sys.stdout.write(f"{name}\n")
        for ratio in importlib.import_module(f"tests.benchmarks.bench_{name}").run():
            sys.stdout.write(f"  {ratio}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
