"""Timing and memory for the benchmarks: figures are ratios taken in one run."""

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure.

    Attributes:
        name: What over what.
        value: The figure; NaN if it could not be measured.
        target: What it should reach, empty if it is only told.
    """

    name: str
    value: float
    target: str

    @property
    def verdict(self) -> str:
        """`met`, `MISSED`, or nothing without a target or value."""
        if not self.target or self.value != self.value:
            return ""
        sign, bound = self.target.split()
        reached = self.value <= float(bound) if sign == "<=" else self.value >= float(bound)
        return "met" if reached else "MISSED"

    def __str__(self) -> str:
        """One aligned line."""
        return f"{self.name:<70} {self.value:10.2f}  {self.target:<8} {self.verdict}"


def fastest_s(work: Callable[[], object], repeats: int = 7) -> float:
    """Shortest of some wall times in s; the first call warms up and does not count."""
    work()
    times = []
    for _ in range(repeats):
        gc.collect()
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def _anonymous_kib() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise RuntimeError("This system does not report anonymous memory.")


class AnonymousPeak:
    """Largest growth of the process's own memory since the block was entered (Linux).

    Mapped files do not count: the system takes their pages back when it needs them.

    Attributes:
        mib: The growth, in MiB.
    """

    def __init__(self) -> None:
        """Not measuring yet."""
        self.mib = 0.0
        self._before = 0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> "AnonymousPeak":
        gc.collect()
        self._before = _anonymous_kib()
        self._watcher.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._look()
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self._look()

    def _look(self) -> None:
        self.mib = max(self.mib, (_anonymous_kib() - self._before) / 1024)


def peak_anonymous_mib(work: Callable[[], object]) -> float:
    """Largest growth of the process's own memory during some work, in MiB (Linux)."""
    with AnonymousPeak() as peak:
        result = work()
    del result
    return peak.mib
