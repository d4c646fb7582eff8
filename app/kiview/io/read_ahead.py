"""Read what is wanted next while what was read is being worked on."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")

_AT_ONCE = 8
"""Items per turn of the thread: handing over costs more than a small item."""
_TURNS_AHEAD = 2


def read_ahead(items: Iterator[_Item]) -> Generator[_Item, None, None]:
    """The same items in the same order, the next ones read on a thread of their own.

    Close it (`contextlib.closing`) where reading may end early: the thread ends with it. An error
    of the items is raised here, in place of the next item.

    Args:
        items: Used on that thread only; at most 24 of them are waiting.
    """

    def next_turn() -> list[_Item]:
        return list(islice(items, _AT_ONCE))

    with ThreadPoolExecutor(1, "read ahead") as reader:
        turns = deque(reader.submit(next_turn) for _ in range(_TURNS_AHEAD))
        while turn := turns.popleft().result():
            turns.append(reader.submit(next_turn))
            yield from turn
