"""Batches made ahead of who uses them: in order, bounded, with their errors, and stopped when nobody wants more."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from clipkstar import read_ahead as module
from clipkstar.read_ahead import read_ahead

Pixels = NDArray[np.uint8]


def _batch(number: int) -> Pixels:
    return np.full((2, 3, 4, 4), number, dtype=np.uint8)


def test_batches_come_in_their_order_and_all() -> None:
    with read_ahead(_batch(number) for number in range(50)) as batches:
        assert [int(batch[0, 0, 0, 0]) for batch in batches] == list(range(50))


def test_nothing_is_made_where_there_is_nothing() -> None:
    with read_ahead(iter(())) as batches:
        assert list(batches) == []


def test_making_begins_before_anyone_asks() -> None:
    begun = threading.Event()

    def made() -> Iterator[Pixels]:
        begun.set()
        yield _batch(0)

    with read_ahead(made()):
        assert begun.wait(30)


def test_no_more_is_made_than_fits_the_bytes_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD_BYTES", 3 * _batch(0).nbytes)
    made: list[int] = []
    most_waiting = 0

    def make() -> Iterator[Pixels]:
        for number in range(40):
            made.append(number)
            yield _batch(number)

    with read_ahead(make()) as batches:
        for used, _ in enumerate(batches, start=1):
            most_waiting = max(most_waiting, len(made) - used)
    assert len(made) == 40
    assert most_waiting <= 4  # three that wait, and one in the making


def test_an_error_comes_after_the_batches_before_it() -> None:
    def make() -> Iterator[Pixels]:
        yield _batch(0)
        raise ValueError("the second is broken")

    with read_ahead(make()) as batches:
        assert next(batches)[0, 0, 0, 0] == 0
        with pytest.raises(ValueError, match="the second is broken"):
            next(batches)


@pytest.mark.parametrize(("error", "waits"), [(ValueError, True), (KeyboardInterrupt, False)])
def test_an_error_waits_for_the_batch_in_the_making_and_an_interrupt_does_not(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException], waits: bool
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.01)
    begun, made = threading.Event(), threading.Event()

    def make() -> Iterator[Pixels]:
        begun.set()
        time.sleep(0.5)
        made.set()
        yield _batch(0)

    with pytest.raises(error), read_ahead(make()):
        begun.wait(30)
        raise error
    assert made.is_set() is waits
    assert made.wait(30)


def test_who_leaves_early_stops_the_making_and_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD_BYTES", 1)
    made: list[int] = []
    closed = threading.Event()

    def make() -> Iterator[Pixels]:
        try:
            for number in range(1000):
                made.append(number)
                yield _batch(number)
        finally:
            closed.set()

    with pytest.raises(KeyboardInterrupt), read_ahead(make()) as batches:
        next(batches)
        raise KeyboardInterrupt
    assert closed.is_set()
    assert len(made) <= 4
