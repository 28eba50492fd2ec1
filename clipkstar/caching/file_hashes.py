"""The content hash of a file, computed once and remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from pathlib import Path

from clipkstar.caching.file_states import SETTLED_SECONDS
from clipkstar.caching.folder import cache_folder, write_whole


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content, remembered by its resolved path, size, time of change and inode.

    What is remembered lies in the cache folder, one small file each; damaged ones are written again, and where the
    folder cannot be written nothing is remembered.
    """
    resolved = path.resolve()
    before = resolved.stat()
    entry = _entry(resolved, before)
    if (known := _read(entry)) is not None:
        return known
    with resolved.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    is_settled = time.time() - before.st_mtime > SETTLED_SECONDS
    if is_settled and _entry(resolved, resolved.stat()) == entry:
        with contextlib.suppress(OSError):
            write_whole(entry, f"{digest}\n".encode())
    return digest


def _entry(resolved: Path, state: os.stat_result) -> Path:
    key = json.dumps([str(resolved), state.st_size, state.st_mtime_ns, state.st_ino])
    return cache_folder() / "hashes" / hashlib.sha256(key.encode()).hexdigest()


def _read(entry: Path) -> str | None:
    try:
        text = entry.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text.strip() if re.fullmatch(r"[0-9a-f]{64}\n", text) else None
