"""Where clipkstar keeps what it can find out again."""

import os
import uuid
from pathlib import Path


def cache_folder() -> Path:
    """Return `$CLIPKSTAR_CACHE`, `$XDG_CACHE_HOME/clipkstar` or `~/.cache/clipkstar`; it need not exist."""
    if own := os.environ.get("CLIPKSTAR_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "clipkstar"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name first, so that it is never seen in part; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
