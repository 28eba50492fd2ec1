"""Work that is done when its result is first asked for, and never twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock, Thread
from typing import TypeVar

Made = TypeVar("Made")


def once(make: Callable[[str], Made]) -> Callable[[str], Made]:
    """Return a function that calls `make` at most once per name; what it raised is raised again."""
    settled: dict[str, Future[Made]] = {}
    lock = Lock()

    def give(name: str) -> Made:
        with lock:
            is_first = name not in settled
            future = settled.setdefault(name, Future())
        if is_first:
            _settle(future, make, name)
        error = future.exception()
        if error is not None:
            raise error.with_traceback(None)
        return future.result()

    return give


def ahead(give: Callable[[str], object], name: str) -> None:
    """Let a function of `once` begin beside the caller's work; what comes of it waits there. An exit does not wait."""

    def begin() -> None:
        with suppress(Exception):  # it is raised again where the result is asked for
            give(name)

    Thread(target=begin, daemon=True).start()


def _settle(future: Future[Made], make: Callable[[str], Made], name: str) -> None:
    try:
        future.set_result(make(name))
    except Exception as error:  # whatever it is, it belongs to who asks for the result
        future.set_exception(error)
    except BaseException as interrupt:  # who waits must not wait for ever
        future.set_exception(interrupt)
        raise
