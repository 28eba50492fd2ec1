"""What a library function finds on its way and a person should hear, such as a damaged cache entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str], None]

_listeners: list[Listener] = []


def notice(sentence: str) -> None:
    """Say one sentence to the innermost listener; without one, nobody hears it."""
    if _listeners:
        _listeners[-1](sentence)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Give every notice of this process to a listener."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
