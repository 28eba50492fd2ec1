"""The file that pixels lie in, against numpy's own reader and against every kind of damage."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clipkstar.caching.pixel_file import HEADER_BYTES, PixelFile, begin, read_from, write

N = 5


@pytest.fixture
def file(tmp_path: Path) -> PixelFile:
    return PixelFile(path=tmp_path / "pixels.npy", n_images=N, size=(3, 2))


def _pixels(n: int = N) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 3, 3, 2), dtype=np.uint8)


def _written(file: PixelFile) -> bytes:
    unfinished = file.path.with_name("unfinished")
    begin(file, unfinished)
    assert unfinished.stat().st_size == file.n_bytes
    for start in range(0, N, 2):
        assert not file.path.exists()
        write(file, unfinished, start, _pixels()[start : start + 2])
    assert not unfinished.exists()
    return file.path.read_bytes()


def _read(file: PixelFile, start: int = 0, batch_size: int = 2) -> list[NDArray[np.uint8] | None]:
    with file.path.open("rb", buffering=0) as handle:
        return list(read_from(file, handle, start, batch_size))


def _flat(batches: list[NDArray[np.uint8] | None]) -> bytes:
    return b"".join(b"damaged" if batch is None else batch.tobytes() for batch in batches)


def test_numpy_reads_the_file(file: PixelFile) -> None:
    whole = _written(file)
    assert len(whole) == file.n_bytes == HEADER_BYTES + N * (18 + 8)
    array = np.load(file.path, mmap_mode="r")
    assert (array.shape, array.dtype) == ((N, 26), np.uint8)
    assert array[:, :18].tobytes() == _pixels().tobytes()


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 9])
def test_batches_come_back_and_the_last_is_filled_with_its_last_picture(file: PixelFile, batch_size: int) -> None:
    _written(file)
    batches = _read(file, batch_size=batch_size)
    assert [batch is not None and batch.shape for batch in batches] == [(batch_size, 3, 3, 2)] * -(-N // batch_size)
    filled = np.concatenate([_pixels(), *[_pixels()[-1:]] * (-N % batch_size)])
    assert _flat(batches) == filled.tobytes()


def test_reading_may_begin_at_a_later_batch(file: PixelFile) -> None:
    _written(file)
    assert _flat(_read(file, start=2)) == _flat(_read(file)[1:])


def test_the_change_of_any_byte_is_found_before_its_batch_is_given(file: PixelFile) -> None:
    whole, right = _written(file), _read(file)
    for position in range(len(whole)):
        file.path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        batches = _read(file)
        damaged = [index for index, batch in enumerate(batches) if batch is None]
        assert damaged == [0 if position < HEADER_BYTES else (position - HEADER_BYTES) // 26 // 2], position
        assert _flat(batches[: damaged[0]]) == _flat(right[: damaged[0]])


def test_a_file_of_another_length_is_damaged(file: PixelFile) -> None:
    whole = _written(file)
    for length in range(len(whole)):
        file.path.write_bytes(whole[:length])
        assert _read(file) == [None], length
    file.path.write_bytes(whole + b"\0")
    assert _read(file) == [None]


def test_pictures_in_each_others_place_are_found(file: PixelFile) -> None:
    whole = _written(file)
    rows = [whole[file.offset(row) : file.offset(row + 1)] for row in range(N)]
    file.path.write_bytes(whole[:HEADER_BYTES] + b"".join([rows[1], rows[0], *rows[2:]]))
    assert [batch is None for batch in _read(file)] == [True, False, False]


def test_a_file_for_other_sizes_or_numbers_of_pictures_is_damaged(file: PixelFile) -> None:
    _written(file)
    assert _read(PixelFile(path=file.path, n_images=N, size=(2, 2))) == [None]
    assert _read(PixelFile(path=file.path, n_images=N - 1, size=(3, 2))) == [None]


def test_a_file_that_is_cut_while_it_is_read_is_damaged_from_there_on(tmp_path: Path) -> None:
    file = PixelFile(path=tmp_path / "large.npy", n_images=8, size=(64, 64))
    begin(file, tmp_path / "unfinished")
    write(file, tmp_path / "unfinished", 0, np.ones((8, 3, 64, 64), dtype=np.uint8))
    with file.path.open("rb", buffering=0) as handle:
        batches = read_from(file, handle, 0, 1)
        assert next(batches) is not None
        os.truncate(file.path, file.offset(4))
        assert [batch is None for batch in batches][3:] == [True] * 4


def test_what_cannot_be_begun_leaves_nothing(file: PixelFile, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.n_bytes - 1, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            begin(file, tmp_path / "unfinished")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


READ = """
import re, sys, time
from pathlib import Path
import numpy, xxhash
from clipkstar.caching.pixel_file import PixelFile, read_from

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

file = PixelFile(path=Path(sys.argv[1]), n_images=int(sys.argv[2]), size=(256, 256))
before = peak()
with file.path.open("rb", buffering=0) as handle:
    n = 0
    for batch in read_from(file, handle, 0, 16):
        n += len(batch)
        time.sleep(0.01)  # the work of an encoder, which is slower than the reader
print(n, peak() - before)
"""


def test_the_memory_in_use_is_that_of_a_few_batches_however_large_the_file(tmp_path: Path) -> None:
    grown = []
    for n_images in (64, 1024):  # 12 and 200 MB, in batches of 3 MB
        file = PixelFile(path=tmp_path / f"{n_images}.npy", n_images=n_images, size=(256, 256))
        begin(file, tmp_path / "unfinished")
        for start in range(0, n_images, 64):
            write(file, tmp_path / "unfinished", start, np.ones((64, 3, 256, 256), dtype=np.uint8))
        answer = subprocess.run(
            [sys.executable, "-c", READ, str(file.path), str(n_images)], capture_output=True, text=True, check=True
        )
        n, kilobytes = map(int, answer.stdout.split())
        assert n == n_images
        grown.append(kilobytes)
    batch = 16 * 3 * 256 * 256 // 1024
    assert max(grown) < 6 * batch, grown  # one in use, one ahead, one that is read: its map and its copy; and two spare
