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


def peak_anonymous_mib(work: Callable[[], object]) -> float:
    """Largest growth of the process's own memory during some work, in MiB (Linux)."""
    gc.collect()
    before, peak, done = _anonymous_kib(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, _anonymous_kib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = work()
    peak = max(peak, _anonymous_kib())
    done.set()
    watcher.join()
    del result
    return (peak - before) / 1024
