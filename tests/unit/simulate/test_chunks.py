"""Work on threads: everything done, errors and stop requests reach the caller."""

import threading

import pytest

from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.simulate.chunks import run_chunks


def test_that_every_chunk_is_done_once():
    done: list[int] = []

    def work(chunk, tick):
        tick()
        done.append(chunk)

    run_chunks(work, 7, 1, NullProgress(), ("Working", 3))
    assert sorted(done) == list(range(7))


def test_that_an_error_in_a_worker_reaches_the_caller():
    def work(chunk, _tick):
        raise RuntimeError(f"chunk {chunk}")

    with pytest.raises(RuntimeError, match="chunk"):
        run_chunks(work, 3, 1, NullProgress(), ("Working", 2))


def test_that_a_stop_request_unwinds_the_workers():
    entered, ended = threading.Event(), threading.Event()

    def work(_chunk, tick):
        entered.set()
        try:
            while True:
                tick()
        finally:
            ended.set()

    with pytest.raises(Cancelled):
        run_chunks(
            work, 1, 1, CallbackProgress(lambda _f, _m: None, entered.is_set), ("Working", 1)
        )
    assert ended.is_set()
    assert not [t for t in threading.enumerate() if t.name.startswith("simulate")]
