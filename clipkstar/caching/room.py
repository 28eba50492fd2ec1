"""How much the cache holds, how much it may hold, and what goes first.

Only files that clipkstar itself named are counted and removed, only in the folders of their kinds, and links are never
followed.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clipkstar.caching.folder import TAG, cache_folder, is_marked
from clipkstar.errors import InputError, UnknownNameError

BOUNDED_KINDS = ("pixels", "images")
"""Kinds that grow with pictures and checkpoints, under one bound; in the order in which they go."""

KINDS = (*BOUNDED_KINDS, "classes", "indexes", "openings", "identities", "names", "parameters", "hashes")

DEFAULT_GB = 100.0
GB = 1e9
SECONDS_A_DAY = 86_400

SHARE_LEFT_FREE = 0.05
MOST_LEFT_FREE = 5_000_000_000
"""What of a disk is left to others: that share, at most so many bytes."""

ABANDONED_SECONDS = 3600.0
"""An unfinished file that nobody wrote to for so long was left by a process that was killed."""

_WHOLE = re.compile(r"[0-9a-f]{64}(\.(json|npy|safetensors))?")
_UNFINISHED = re.compile(rf"\.{_WHOLE.pattern}\.[0-9a-f]{{32}}|[0-9a-f]{{64}}\.lock")
"""Names of files that are being written, and of their locks."""


@dataclass(frozen=True, kw_only=True)
class Entries:
    """What the cache holds of one kind; last_used: of the file that was used last, in UTC."""

    kind: str
    n_files: int
    n_bytes: int
    last_used: datetime


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    kind: str
    n_bytes: int
    last_used: float

    @property
    def is_abandoned(self) -> bool:
        return time.time() - self.last_used > ABANDONED_SECONDS


def bound_bytes() -> int:
    """Return how many bytes pixels and image embeddings may take: `$CLIPKSTAR_CACHE_GB` in units of 1e9 bytes.

    0 keeps none. Raises InputError if it is no number of at least 0.
    """
    text = os.environ.get("CLIPKSTAR_CACHE_GB") or str(DEFAULT_GB)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = math.nan
    if not 0 <= gigabytes < math.inf:
        raise InputError(
            f"the environment variable CLIPKSTAR_CACHE_GB is {text!r}; it needs a number of gigabytes from 0 up, "
            f"such as {DEFAULT_GB:g}."
        )
    return int(gigabytes * GB)


def make_room(n_bytes: int) -> bool:
    """Remove what was used least recently, pixels before image embeddings, until n_bytes more are within the bound.

    Part of the disk is left to others, whatever the bound is. Unfinished files count in full; those left by killed
    processes are removed. False, and no entry removed, if n_bytes can have no room. Raises OSError where files cannot
    be removed, InputError as bound_bytes does.
    """
    bound = bound_bytes()
    whole, unfinished = _parted(BOUNDED_KINDS)
    room = min(bound, _sum([*whole, *unfinished]) + _free_bytes()) - n_bytes
    if room < 0:
        return False
    _remove(file for file in unfinished if file.is_abandoned)
    room -= _sum(file for file in unfinished if not file.is_abandoned)
    if room < 0:
        return False
    _remove(_first_to_go(whole, _sum(whole) - room))
    return True


def _free_bytes() -> int:
    """Bytes of the disk that the cache may still take."""
    place = cache_folder()
    while not place.exists() and place != place.parent:
        place = place.parent
    disk = shutil.disk_usage(place)
    return disk.free - min(MOST_LEFT_FREE, int(disk.total * SHARE_LEFT_FREE))


def entries() -> list[Entries]:
    """Tell what the cache holds, one record per kind that has files; unfinished files count."""
    records = []
    for kind in KINDS:
        files = list(_files([kind]))
        if files:
            records.append(
                Entries(
                    kind=kind,
                    n_files=len(files),
                    n_bytes=_sum(files),
                    last_used=datetime.fromtimestamp(max(file.last_used for file in files), UTC),
                )
            )
    return records


def prune(
    *, kinds: Collection[str] | None = None, older_than_days: float | None = None, keep_gb: float | None = None
) -> tuple[int, int]:
    """Remove entries; return the number of files and of bytes that went.

    kinds: None = all. older_than_days: only what was not used for so long. keep_gb: of these, only what was used least
    recently (pixels first) until the kinds hold at most so many 1e9 bytes. Neither = all of the kinds. Files that are
    being written stay. Raises InputError for an unknown kind, a negative number, a cache folder without our tag.
    """
    chosen = _checked(KINDS if kinds is None else kinds, older_than_days=older_than_days, keep_gb=keep_gb)
    if not cache_folder().exists():
        return 0, 0
    if not is_marked():
        raise InputError(
            f"the folder {cache_folder()} has no {TAG} of clipkstar, so nothing in it is deleted; set $CLIPKSTAR_CACHE "
            "to the cache that is meant, or delete what is not needed by hand."
        )
    whole, unfinished = _parted(chosen)
    oldest = time.time() - (older_than_days or 0) * SECONDS_A_DAY
    going = [file for file in whole if older_than_days is None or file.last_used < oldest]
    if keep_gb is not None:
        going = _first_to_go(going, _sum(whole) - int(keep_gb * GB))
    going += [file for file in unfinished if file.is_abandoned]
    try:
        _remove(going)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be removed from the cache: {error.strerror}.") from error
    return len(going), _sum(going)


def _checked(kinds: Collection[str], *, older_than_days: float | None, keep_gb: float | None) -> tuple[str, ...]:
    """Return the kinds in the order of KINDS."""
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownNameError("kind of cache entries", kind, KINDS)
    for name, value in {"older_than_days": older_than_days, "keep_gb": keep_gb}.items():
        if value is not None and not 0 <= value < math.inf:
            raise InputError(f"{name} of a prune is {value}; it needs a number from 0 up.")
    return tuple(kind for kind in KINDS if kind in kinds)


def _first_to_go(files: Iterable[_File], n_bytes: int) -> list[_File]:
    """As many files as give at least n_bytes: those of the first kind first, of a kind the least recently used."""
    going: list[_File] = []
    for file in sorted(files, key=lambda file: (KINDS.index(file.kind), file.last_used)):
        if n_bytes <= 0:
            break
        going.append(file)
        n_bytes -= file.n_bytes
    return going


def _remove(files: Iterable[_File]) -> None:
    for file in files:
        file.path.unlink(missing_ok=True)


def _sum(files: Iterable[_File]) -> int:
    return sum(file.n_bytes for file in files)


def _parted(kinds: Collection[str]) -> tuple[list[_File], list[_File]]:
    """Whole entries, and those that are being written or were left unfinished; locks are among the latter."""
    whole: list[_File] = []
    unfinished: list[_File] = []
    for file in _files(kinds):
        (whole if _WHOLE.fullmatch(file.path.name) else unfinished).append(file)
    return whole, unfinished


def _files(kinds: Collection[str]) -> Iterator[_File]:
    """Find the regular files of these kinds that have a name of ours; a kind's folder that is a link has none."""
    for kind in kinds:
        folder = cache_folder() / kind
        if folder.is_symlink() or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if not (_WHOLE.fullmatch(path.name) or _UNFINISHED.fullmatch(path.name)):
                continue
            with suppress(FileNotFoundError):  # removed by another process
                state = path.lstat()
                if stat.S_ISREG(state.st_mode):
                    yield _File(path=path, kind=kind, n_bytes=state.st_size, last_used=state.st_mtime)
