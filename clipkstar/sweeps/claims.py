"""Who works on what, so that several sweeps of one store share the work. A claim is a courtesy, never a lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipkstar.store import Store


@contextmanager
def claimed(results: Store, run_id: str) -> Iterator[bool]:
    """Claim a run for this process; False if another one has it. The system drops the claims of a process that dies.

    Where the file system knows no locks everything can be claimed by everyone: work is then done twice, with the same
    result.
    """
    from filelock import FileLock, Timeout

    path = results.root / ".claims" / run_id
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, fallback_to_soft=False)  # a soft one would outlive a process that was killed
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError):
        yield True
        return
    try:
        yield True
    finally:
        with suppress(OSError):
            path.unlink()  # still locked: once released, it could be the claim of another one
        lock.release()
        with suppress(OSError):
            path.parent.rmdir()
