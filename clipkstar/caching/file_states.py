"""Whether files are still what they were, told without reading them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SETTLED_SECONDS = 2.0
"""What is found in a file that changed less than this long ago is not remembered: it may change again within one tick
of the file system's clock (2 s on FAT, the coarsest in use) and would then look unchanged."""


@dataclass(frozen=True, kw_only=True)
class FileStates:
    """What the file system says of some files.

    digest: of the resolved path, size, time of change and inode of each, in their order.
    changed: the newest of the times, seconds since the epoch; 0 without files.
    """

    digest: str
    changed: float

    def settled_before(self, moment: float) -> bool:
        """Whether, by the clock, none of the files was still changing at a moment (seconds since the epoch)."""
        return moment - self.changed > SETTLED_SECONDS


def file_states(paths: Iterable[Path]) -> FileStates:
    """Ask the file system about files; a folder counts by its own time, which changes with the names in it.

    Raises OSError for a file that is not there.
    """
    digest, changed = hashlib.sha256(), 0.0
    resolved: dict[Path, Path] = {}  # of their folders: of each of many files it would take long
    for path in paths:
        found = path.stat()
        folder = path.parent
        if folder not in resolved:
            resolved[folder] = folder.resolve()
        size = 0 if stat.S_ISDIR(found.st_mode) else found.st_size
        state = f"{resolved[folder]}\0{path.name}\0{size}\0{found.st_mtime_ns}\0{found.st_ino}\0"
        digest.update(os.fsencode(state))
        changed = max(changed, found.st_mtime)
    return FileStates(digest=digest.hexdigest(), changed=changed)
