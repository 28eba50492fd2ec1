"""Files that are never seen in part: written under another name first."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, write_to: Callable[[Path], object]) -> None:
    """Write or replace a file, with the folders above it; raises what write_to raises, and OSError.

    write_to: writes to the path that it is given, whose name is short however long that of the file is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid.uuid4().hex}")
    try:
        write_to(unfinished)
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink()
