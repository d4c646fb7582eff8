"""The next items are read on a thread while the ones before are used."""

import threading
from contextlib import closing

import pytest

from kiview.io.read_ahead import read_ahead

WAIT_S = 10.0


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 50])
def test_that_all_items_come_in_their_order(count):
    assert list(read_ahead(iter(range(count)))) == list(range(count))


def test_that_later_items_are_read_while_the_first_is_in_use():
    read = threading.Event()

    def items():
        for number in range(50):
            if number == 12:
                read.set()
            yield number

    with closing(read_ahead(items())) as ahead:
        assert next(ahead) == 0
        assert read.wait(WAIT_S)


def test_that_no_more_items_wait_than_said():
    taken = []

    def items():
        for number in range(200):
            taken.append(number)
            yield number

    with closing(read_ahead(items())) as ahead:
        next(ahead)
    assert len(taken) <= 24


def test_that_an_error_is_raised_and_the_thread_ends():
    def items():
        yield from range(8)
        raise ValueError("damaged")

    used = []
    with pytest.raises(ValueError, match="damaged"), closing(read_ahead(items())) as ahead:
        used.extend(iter(ahead.__next__, None))
    assert used == list(range(8))
    assert not any(thread.name.startswith("read ahead") for thread in threading.enumerate())


def test_that_the_thread_ends_when_reading_ends_early():
    with closing(read_ahead(iter(range(1000)))) as ahead:
        next(ahead)
    assert not any(thread.name.startswith("read ahead") for thread in threading.enumerate())
