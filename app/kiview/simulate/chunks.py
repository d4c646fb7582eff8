"""Pieces of work on threads, watched and stopped from the calling thread."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from kiview.core.progress import Progress

_LOOK_AGAIN_S = 0.25


class _Stopped(Exception):
    """Unwinds a worker after the calling thread was told to stop."""


class _Counter:
    """Counts small steps of all workers and stops them on request."""

    def __init__(self) -> None:
        self.done = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def tick(self) -> None:
        if self._stop.is_set():
            raise _Stopped
        with self._lock:
            self.done += 1

    def stop(self) -> None:
        self._stop.set()


def run_chunks(
    work: Callable[[int, Callable[[], None]], None],
    chunks: int,
    ticks_per_chunk: int,
    progress: Progress,
    how: tuple[str, int],
) -> None:
    """Do `work(chunk, tick)` for every chunk.

    Args:
        work: Calls `tick` after every small step; not to be caught there.
        chunks: How many.
        ticks_per_chunk: About how many ticks one chunk makes.
        progress: Used in the calling thread only.
        how: Message for the progress, number of threads.

    Raises:
        Cancelled: `progress` asked to stop; all workers have ended.
    """
    message, threads = how
    counter = _Counter()
    total = chunks * ticks_per_chunk
    pool = ThreadPoolExecutor(threads, thread_name_prefix="simulate")
    try:
        waiting = {pool.submit(work, chunk, counter.tick) for chunk in range(chunks)}
        while waiting:
            share = min(counter.done / total, 1.0)
            progress.step(share, message)
            finished, waiting = wait(waiting, _LOOK_AGAIN_S, FIRST_EXCEPTION)
            for future in finished:
                future.result()
    finally:
        counter.stop()
        pool.shutdown(wait=True, cancel_futures=True)
