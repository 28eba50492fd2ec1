"""What is behind an exception: those it was raised from, and whether the disk is full."""

import errno
from collections.abc import Iterable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a system says when a file does not fit: on the disk, into the quota, or below the largest size of a file."""


def causes(error: BaseException) -> list[BaseException]:
    """Return an exception and those that it was raised from or while handling, the first one last."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    return chain


def no_room(chain: Iterable[BaseException]) -> str:
    """Say in the system's words that something did not fit on the disk; "" = that was not it."""
    reasons = (link.strerror or "" for link in chain if isinstance(link, OSError) and link.errno in NO_ROOM)
    return next((_first_words(reason) for reason in reasons), "")


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type where it says nothing."""
    lines = (line.strip()[:200] for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)


def _first_words(reason: str) -> str:
    """Arrow writes its own words before the system's: "Error writing bytes to file. Detail: [errno 28] No space …"."""
    return reason.rpartition("] ")[2].rstrip(".") or "no space left"
