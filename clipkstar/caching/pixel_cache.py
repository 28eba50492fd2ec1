"""Pixels decoded once per data set and geometry on a machine, by whoever asks first, and then read from the cache."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from clipkstar.caching.folder import cache_folder, unfinished_name, writable_folder
from clipkstar.caching.pixel_file import PixelFile, begin, read_from, write
from clipkstar.caching.room import GB, bound_bytes, make_room
from clipkstar.notices import notice
from clipkstar.pixels import batches, decoders, resizer

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from clipkstar.checkpoint import Geometry
    from clipkstar.data.rows import Rows
    from clipkstar.encoder import Pixels

KIND = "pixels"


LOOK_SECONDS = 5.0
"""How often who waits for another process looks whether that one still writes."""

PATIENCE_SECONDS = 60.0
DECODED_PER_SECOND = 300
"""Nobody waits much longer than decoding takes (about 300 pictures of 500 x 375 a second on one core): a slow encoder
keeps the lock for longer than that, and a suspended process keeps it for ever."""

_held: set[Path] = set()
"""Locks of this process: a second reader of the same pixels in it would wait for itself."""


def cached_batches(rows: Rows, geometry: Geometry, batch_size: int) -> Iterator[Pixels]:
    """Yield the arrays of `pixels.batches(rows, resizer(geometry), batch_size)`, decoded only where none are kept.

    Who decodes them keeps them for the next one, for which other processes on this machine wait within reason. Pixels
    that cannot be kept, and kept ones that are damaged, are told of by a notice and decoded. Raises InputError as
    `batches` does, and for a bad $CLIPKSTAR_CACHE_GB.
    """
    bound_bytes()
    file = PixelFile(path=_path(rows.images_digest, geometry), n_images=rows.n_images, size=geometry.size)
    n_batches, done = -(-rows.n_images // batch_size), 0
    for batch in _kept(file, rows, batch_size, done):
        yield batch
        done += 1
    if done == n_batches:
        return
    with _alone(file.path, rows):
        for batch in _kept(file, rows, batch_size, done):
            yield batch
            done += 1
        if done < n_batches:
            yield from islice(_keeping(file, rows, geometry, batch_size), done, None)


def pixel_bytes(n_images: int, geometry: Geometry) -> int:
    """Return the bytes that the pixels of so many pictures take in the cache."""
    return PixelFile(path=Path(), n_images=n_images, size=geometry.size).n_bytes


def are_cached(images_digest: str, geometry: Geometry) -> bool:
    """Whether the pixels of opened rows (their `images_digest`) are in the cache, as far as can be told unread."""
    return _path(images_digest, geometry).is_file()


def _path(images_digest: str, geometry: Geometry) -> Path:
    import msgspec

    decided_by = msgspec.json.encode([images_digest, asdict(geometry), decoders()])
    return cache_folder() / KIND / f"{hashlib.sha256(decided_by).hexdigest()}.npy"


def _kept(file: PixelFile, rows: Rows, batch_size: int, first: int) -> Iterator[Pixels]:
    """Yield kept batches from the first-th on; ends early where none are kept, or the next one is damaged."""
    try:
        handle = file.path.open("rb", buffering=0)
    except OSError:
        return
    with suppress(OSError):
        os.utime(file.path)  # what was used last goes last
    with handle, closing(read_from(file, handle, first * batch_size, batch_size)) as kept:
        for batch in kept:
            if batch is None:
                notice(
                    f"the pixels of task '{rows.task.name}' in the cache are damaged; its pictures are decoded again."
                )
                _remove(file.path, handle)
                return
            yield batch


def _remove(path: Path, handle: BinaryIO) -> None:
    """Remove a damaged file, unless another process has put a new one in its place."""
    with suppress(OSError):
        if path.stat().st_ino == os.fstat(handle.fileno()).st_ino:
            path.unlink()


def _keeping(file: PixelFile, rows: Rows, geometry: Geometry, batch_size: int) -> Iterator[Pixels]:
    """Decode all batches and write them on their way; what was not written to its end leaves nothing."""
    unfinished = _begun(file, rows)
    try:
        starts = range(0, file.n_images, batch_size)
        for start, batch in zip(starts, batches(rows, resizer(geometry), batch_size), strict=True):
            if unfinished is not None:
                try:
                    write(file, unfinished, start, batch[: file.n_images - start])
                except OSError as error:
                    _say_unkept(rows, error)
                    _discard(unfinished)
                    unfinished = None
            yield batch
    finally:
        if unfinished is not None:
            _discard(unfinished)


def _discard(unfinished: Path) -> None:
    with suppress(OSError):
        unfinished.unlink(missing_ok=True)


def _begun(file: PixelFile, rows: Rows) -> Path | None:
    """Begin an unfinished file where the cache has room; None = the pixels cannot be kept."""
    try:
        folder = writable_folder(KIND)
        if not make_room(file.n_bytes):
            _say_once(
                f"the pixels of task '{rows.task.name}' ({file.n_bytes / GB:.3g} GB) have no room in the cache "
                f"({bound_bytes() / GB:g} GB by $CLIPKSTAR_CACHE_GB, less where the disk is full), so its pictures are "
                "decoded for each checkpoint."
            )
            return None
        unfinished = unfinished_name(folder / file.path.name)
        begin(file, unfinished)
    except OSError as error:
        _say_unkept(rows, error)
        return None
    return unfinished


def _say_unkept(rows: Rows, error: OSError) -> None:
    why = error.strerror or error
    _say_once(
        f"the pixels of task '{rows.task.name}' cannot be kept in {cache_folder()} ({why}), so its pictures are "
        "decoded for each checkpoint."
    )


@cache
def _say_once(sentence: str) -> None:
    """Say it once in a process, where every checkpoint would bring it up again."""
    notice(sentence)


@contextmanager
def _alone(path: Path, rows: Rows) -> Iterator[None]:
    """Keep other processes from decoding the same, where the file system can lock and patience lasts."""
    from filelock import FileLock

    try:
        name = writable_folder(KIND) / f"{path.stem}.lock"
    except OSError:
        yield
        return
    lock = FileLock(name, thread_local=False, fallback_to_soft=False)
    if path in _held or not _acquired(lock, path, rows):
        yield
        return
    _held.add(path)
    try:
        yield
    finally:
        _held.discard(path)
        with suppress(OSError):
            name.unlink()  # still locked: who waits for it sees that it is gone, and makes a new one
        lock.release()


def _acquired(lock: BaseFileLock, path: Path, rows: Rows) -> bool:
    """Wait for the lock while its holder writes and patience lasts; False where it was not to be had."""
    from filelock import Timeout

    started, is_said = time.monotonic(), False
    while time.monotonic() - started < max(PATIENCE_SECONDS, rows.n_images / DECODED_PER_SECOND):
        try:
            lock.acquire(timeout=LOOK_SECONDS)
        except Timeout:
            if not any(path.parent.glob(f".{path.name}.*")):
                return False
        except OSError:
            return False
        else:
            return True
        if not is_said:
            notice(f"another process is decoding the pictures of task '{rows.task.name}'; waiting for its pixels.")
            is_said = True
    return False
