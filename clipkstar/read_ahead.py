"""Batches made on a thread, some bytes ahead of who uses them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipkstar.encoder import Pixels

AHEAD_BYTES = 128 * 2**20
"""Pixels that may wait: 890 pictures of 224 x 224, what two cores decode while a model is imported and loaded."""

STOP_SECONDS = 5.0
"""How long Ctrl-C waits for a batch that is being made; one that waits for another process may take longer."""


@dataclass(kw_only=True)
class _Shelf:
    """Batches between the two threads; `changed` guards all of it."""

    changed: Condition = field(default_factory=Condition)
    waiting: deque[Pixels] = field(default_factory=deque)
    n_bytes: int = 0
    is_finished: bool = False
    is_abandoned: bool = False
    error: BaseException | None = None


@contextmanager
def read_ahead(batches: Iterator[Pixels]) -> Iterator[Iterator[Pixels]]:
    """Make batches from now on, in their order; the block gets them as they come. Errors are raised at their place.

    At its end, also after an error, nothing more is made and the iterator is closed: a preprocessing that still ran
    would draw from random numbers that others use by then. Only an interrupt leaves after STOP_SECONDS.
    """
    shelf, patience = _Shelf(), None
    thread = Thread(target=_fill, args=(shelf, batches), daemon=True)
    thread.start()
    try:
        yield _taken(shelf)
    except BaseException as error:
        patience = None if isinstance(error, Exception) else STOP_SECONDS
        raise
    finally:
        with shelf.changed:
            shelf.is_abandoned = True
            shelf.changed.notify_all()
        thread.join(patience)


def _fill(shelf: _Shelf, batches: Iterator[Pixels]) -> None:
    try:
        for batch in batches:
            with shelf.changed:
                shelf.changed.wait_for(lambda: shelf.is_abandoned or shelf.n_bytes < AHEAD_BYTES)
                if shelf.is_abandoned:
                    break
                shelf.waiting.append(batch)
                shelf.n_bytes += batch.nbytes
                shelf.changed.notify_all()
        if hasattr(batches, "close"):
            batches.close()
    except BaseException as error:  # who uses the batches gets it
        shelf.error = error
    finally:
        with shelf.changed:
            shelf.is_finished = True
            shelf.changed.notify_all()


def _taken(shelf: _Shelf) -> Iterator[Pixels]:
    while True:
        with shelf.changed:
            shelf.changed.wait_for(lambda: shelf.waiting or shelf.is_finished)
            if not shelf.waiting:
                break
            batch = shelf.waiting.popleft()
            shelf.n_bytes -= batch.nbytes
            shelf.changed.notify_all()
        yield batch
    if shelf.error is not None:
        raise shelf.error
