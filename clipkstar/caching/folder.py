"""Where clipkstar keeps what it can find out again."""

import errno
import os
import uuid
from pathlib import Path

TAG = "CACHEDIR.TAG"
"""Marks a folder as a cache, for us and for backup programs. Source: https://bford.info/cachedir/."""

SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
MADE_BY_US = "# clipkstar made this folder and can find out again what is in it; see 'clipkstar cache --help'."

KINDS_WITHOUT_TAG = frozenset({"classes", "hashes", "indexes", "parameters"})
"""Folders that caches hold which were made before there was a tag."""


def cache_folder() -> Path:
    """Return `$CLIPKSTAR_CACHE`, `$XDG_CACHE_HOME/clipkstar` or `~/.cache/clipkstar`; it need not exist."""
    if own := os.environ.get("CLIPKSTAR_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "clipkstar"


def is_marked() -> bool:
    """Whether the cache folder has our tag, so that files in it may be deleted on request."""
    tag = cache_folder() / TAG
    try:
        lines = [] if tag.is_symlink() else tag.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return lines[:1] == [SIGNATURE] and MADE_BY_US in lines


def mark() -> None:
    """Make the cache folder and its tag; one that holds anything but our files is left unmarked. Raises OSError."""
    tag = cache_folder() / TAG
    if os.path.lexists(tag):
        return
    tag.parent.mkdir(parents=True, exist_ok=True)
    names = {entry.name for entry in tag.parent.iterdir()}
    if all(name in KINDS_WITHOUT_TAG or name.startswith(f".{TAG}.") for name in names):
        _write(tag, f"{SIGNATURE}\n{MADE_BY_US}\n".encode())


def writable_folder(kind: str) -> Path:
    """Return a folder of the cache that can be written to, made and marked; raises OSError.

    One that is a link is refused: what is written behind it could never be counted or removed.
    """
    mark()
    folder = cache_folder() / kind
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "a link instead of a folder", str(folder))
    folder.mkdir(exist_ok=True)
    return folder


def unfinished_name(path: Path) -> Path:
    """Return the name that a file has until it is whole: no two writers choose the same, and nobody reads it."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of the cache under another name first, so that it is never seen in part; raises OSError."""
    mark()
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, content)


def _write(path: Path, content: bytes) -> None:
    unfinished = unfinished_name(path)
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
