"""The file of an export: looked at before anything is read, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clipkstar import whole_files
from clipkstar.errors import InputError
from clipkstar.store import try_to_write


def check_place(path: Path, wanted: str, is_wanted: Callable[[Path], bool]) -> None:
    """Raise InputError if an export cannot go there; nothing is created.

    wanted: what a file that is there already must be, such as "earlier export as csv"; is_wanted: whether it is.
    """
    if ":/" in str(path):
        raise InputError(f"'{path}' is an address; --out needs a file of this machine.")
    try:
        if path.is_dir():
            raise InputError(f"'{path}' is a folder; --out needs a file.")
        if path.exists() and not is_wanted(path):
            raise InputError(f"the file '{path}' is no {wanted}; choose another or move it away.")
        try_to_write(path.parent)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written ({error.strerror}); choose another with --out.") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write or replace a file, which is never seen in part; raises InputError where the disk does not take it."""
    try:
        whole_files.write_whole(path, lambda unfinished: unfinished.write_bytes(content))
    except OSError as error:
        raise InputError(f"'{path}' cannot be written ({error.strerror}); choose another place with --out.") from error


def begins_with(path: Path, opening: bytes) -> bool:
    """Whether a file has these bytes first; what cannot be read has not."""
    try:
        with path.open("rb") as file:
            return file.read(len(opening)) == opening
    except OSError:
        return False
