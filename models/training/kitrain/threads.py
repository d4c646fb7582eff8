"""The same work on many scans, several at once."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

MOST = 8
"""Threads by default: more gain nothing, as they share the interpreter, and each holds a scan."""
Item = TypeVar("Item")
Found = TypeVar("Found")


def in_order(work: Callable[[Item], Found], items: Sequence[Item], workers: int) -> Iterator[Found]:
    """What a function makes of items, in their order, made by several threads.

    numpy, scipy and torch let other threads run while they compute; each thread has one core, so
    that its numbers do not depend on how many there are.

    Args:
        work: Safe to run at once for several items.
        items: Small ones, a path rather than a scan.
        workers: Threads; 0 for one per core, but no more than `MOST`.

    Raises:
        Exception: whatever the work raises; what was not begun is left.
    """
    count = workers or min(os.cpu_count() or 1, MOST)
    with ThreadPoolExecutor(count, initializer=_one_core) as pool:
        yield from pool.map(work, items)


def _one_core() -> None:
    torch.set_num_threads(1)
