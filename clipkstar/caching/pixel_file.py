"""The pixels of one data set and geometry in one file, with a checksum beside each picture's.

It is a .npy file of an array (n_images, 3 * height * width + 8) uint8: channels first as encoders take them, then the
checksum of that picture at that position.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.encoder import Pixels

CHECKSUM_BYTES = 8
HEADER_BYTES = 128

BATCHES_AHEAD = 1
"""Batches that are read while the encoder works on another."""


@dataclass(frozen=True, kw_only=True)
class PixelFile:
    """Where the pixels of n_images pictures lie, or are to lie; size: height, width."""

    path: Path
    n_images: int
    size: tuple[int, int]

    @property
    def row_bytes(self) -> int:
        """Bytes of one picture with its checksum."""
        height, width = self.size
        return 3 * height * width + CHECKSUM_BYTES

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole file."""
        return self.offset(self.n_images)

    @property
    def header(self) -> bytes:
        """What the file begins with; written out here, as numpy's own may change and would then look damaged."""
        array = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({self.n_images}, {self.row_bytes}), }}"
        start = b"\x93NUMPY\x01\x00" + (HEADER_BYTES - 10).to_bytes(2, "little")
        return start + array.ljust(HEADER_BYTES - 11).encode() + b"\n"

    def offset(self, position: int) -> int:
        """Where the picture at a position begins."""
        return HEADER_BYTES + position * self.row_bytes


def begin(file: PixelFile, unfinished: Path) -> None:
    """Make an unfinished file of full size, which takes no disk yet and counts for the cache; raises OSError."""
    try:
        with unfinished.open("xb") as handle:
            handle.write(file.header)
            handle.truncate(file.n_bytes)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def write(file: PixelFile, unfinished: Path, start: int, pixels: Pixels) -> None:
    """Write pictures (n, 3, height, width) uint8 from a position on; the last one gives the file its name.

    Raises OSError.
    """
    with unfinished.open("r+b") as handle:
        handle.seek(file.offset(start))
        for position, picture in enumerate(pixels, start):
            handle.write(picture.data)
            handle.write(_checksum(picture, position))
    if start + len(pixels) == file.n_images:
        unfinished.replace(file.path)


def read_from(
    file: PixelFile, handle: BinaryIO, start: int, batch_size: int
) -> Generator[NDArray[np.uint8] | None, None, None]:
    """Yield all batches from a position on, the next one read while the encoder works; None where it is damaged.

    A file with another header or length than it must have is damaged as a whole.
    """
    if os.fstat(handle.fileno()).st_size != file.n_bytes or handle.read(HEADER_BYTES) != file.header:
        yield None
        return
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming: deque[Future[NDArray[np.uint8] | None]] = deque()
        for position in range(start, file.n_images, batch_size):
            coming.append(thread.submit(_read, file, handle, position, batch_size))
            if len(coming) > BATCHES_AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _read(file: PixelFile, handle: BinaryIO, start: int, batch_size: int) -> NDArray[np.uint8] | None:
    """Return the batch (batch_size, 3, height, width) from a position on, the last filled up as pixels.batches does.

    None where the file is damaged. Only this batch is mapped, so that the memory in use does not grow with the file.
    """
    import numpy as np

    n = min(batch_size, file.n_images - start)
    skipped = file.offset(start) % mmap.ALLOCATIONGRANULARITY
    mapped_bytes = skipped + n * file.row_bytes
    try:
        mapped = mmap.mmap(handle.fileno(), mapped_bytes, offset=file.offset(start) - skipped, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # ValueError: the file has become shorter than that
        return None
    rows = np.frombuffer(mapped, dtype=np.uint8, offset=skipped).reshape(n, file.row_bytes)
    batch = np.empty((batch_size, 3, *file.size), dtype=np.uint8)
    batch[:n].reshape(n, -1)[:] = rows[:, :-CHECKSUM_BYTES]
    checksums = rows[:, -CHECKSUM_BYTES:].tobytes()
    if checksums != b"".join(_checksum(picture, position) for position, picture in enumerate(batch[:n], start)):
        return None
    batch[n:] = batch[n - 1]
    return batch


def _checksum(picture: Pixels, position: int) -> bytes:
    """xxh3_64, seeded by the position, so that pictures in each other's place are found too."""
    from xxhash import xxh3_64_digest

    return xxh3_64_digest(picture.data, position)
