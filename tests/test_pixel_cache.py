"""Pixels from the cache: the same to the last bit, decoded once, and right whatever happens to the cache."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colors import BROKEN, colors_task, encoded
from PIL import Image
from small_disk import read_only, small_disk, small_files

from clipkstar import pixels
from clipkstar.caching import pixel_cache, room
from clipkstar.caching.pixel_cache import are_cached, cached_batches, pixel_bytes
from clipkstar.checkpoint import Geometry
from clipkstar.data.rows import Rows, open_rows
from clipkstar.errors import InputError
from clipkstar.notices import listening
from clipkstar.pixels import batches, decode, resizer

SMALL = Geometry(size=(6, 5))
BATCH = 5
DAMAGED = "the pixels of task 'colors' in the cache are damaged; its pictures are decoded again."
WAITING = "another process is decoding the pictures of task 'colors'; waiting for its pixels."


def unkept(folder: Path, why: str) -> str:
    return (
        f"the pixels of task 'colors' cannot be kept in {folder} ({why}), so its pictures are decoded for each "
        "checkpoint."
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))
    pixel_cache._say_once.cache_clear()
    yield tmp_path / "cache"
    assert pixel_cache._held == set()


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The notices, in the order in which they were given."""
    sentences: list[str] = []
    with listening(sentences.append):
        yield sentences


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures that were decoded, one entry each time."""
    names: list[str] = []

    def count(image_bytes: bytes, *, where: str) -> Image.Image:
        names.append(where)
        return decode(image_bytes, where=where)

    monkeypatch.setattr(pixels, "decode", count)
    return names


def _noise(row: int) -> bytes:
    values = np.random.default_rng(row).integers(0, 256, (20 + row, 31 - row, 3), dtype=np.uint8)
    return encoded(Image.fromarray(values))


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """Twelve pictures of noise, each of another size."""
    return open_rows(colors_task(tmp_path, pictures=[_noise(row) for row in range(12)]))


def _bytes(found: Iterator[Any]) -> bytes:
    return b"".join(batch.tobytes() for batch in found)


def _expected(rows: Rows, geometry: Geometry = SMALL, batch_size: int = BATCH) -> bytes:
    return _bytes(batches(rows, resizer(geometry), batch_size))


def _entry(folder: Path) -> Path:
    """The only file of pixels."""
    (path,) = (folder / "pixels").iterdir()
    return path


@pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
@pytest.mark.parametrize(
    "geometry",
    [SMALL, Geometry(size=(8, 8), resize_mode="longest", fill_color=9), Geometry(size=(7, 7), crop_fraction=0.9)],
    ids=["shortest", "longest", "crop"],
)
def test_kept_pixels_are_those_of_decoding_to_the_last_bit(
    rows: Rows, geometry: Geometry, batch_size: int, decoded: list[str]
) -> None:
    expected = list(batches(rows, resizer(geometry), batch_size))
    assert len(decoded) == 12
    for n_decoded in (24, 24):  # the first time decoded and kept, the second time read
        found = list(cached_batches(rows, geometry, batch_size))
        assert [(batch.shape, batch.dtype, batch.flags.writeable, batch.flags.c_contiguous) for batch in found] == [
            (batch.shape, batch.dtype, True, True) for batch in expected
        ]
        assert _bytes(iter(found)) == _bytes(iter(expected))
        assert len(decoded) == n_decoded


def test_a_picture_is_decoded_once_for_all_batch_sizes(rows: Rows, decoded: list[str]) -> None:
    for batch_size in (5, 1, 12, 7):
        assert _bytes(cached_batches(rows, SMALL, batch_size))
    assert sorted(decoded) == sorted(rows.where(position) for position in range(12))


def test_the_labels_and_words_of_a_task_do_not_matter(tmp_path: Path, rows: Rows, decoded: list[str]) -> None:
    labels = [2, 1, 0] * 4
    other = open_rows(colors_task(tmp_path, name="other", labels=labels, pictures=[_noise(row) for row in range(12)]))
    assert other.fingerprint != rows.fingerprint
    assert _bytes(cached_batches(rows, SMALL, BATCH)) == _bytes(cached_batches(other, SMALL, BATCH))
    assert len(decoded) == 12


def test_a_sample_has_pixels_of_its_own(tmp_path: Path, rows: Rows, decoded: list[str]) -> None:
    list(cached_batches(rows, SMALL, BATCH))
    sample = open_rows(rows.task, limit=6)
    assert _bytes(cached_batches(sample, SMALL, BATCH)) == _expected(sample)
    assert len(decoded) == 12 + 6 + 6


@pytest.mark.parametrize(
    "other",
    [
        {"size": (5, 6)},
        {"resize_mode": "squash"},
        {"interpolation": "bilinear"},
        {"fill_color": 1},
        {"crop_fraction": 0.5},
        {"crop_rounding": "down"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_each_field_of_the_geometry_has_other_pixels(rows: Rows, other: dict[str, Any]) -> None:
    list(cached_batches(rows, SMALL, BATCH))
    assert are_cached(rows.images_digest, SMALL)
    assert not are_cached(rows.images_digest, replace(SMALL, **other))
    assert not are_cached("0" * 64, SMALL)


def test_every_field_of_the_geometry_is_among_those_above() -> None:
    fields = {"size", "resize_mode", "interpolation", "fill_color", "crop_fraction", "crop_rounding"}
    assert set(Geometry.__dataclass_fields__) == fields


@pytest.mark.parametrize(
    "decoder",
    [
        *("clipkstar", "PIL", "machine"),
        *("libjpeg_turbo", "jpg", "jpg_2000", "libtiff", "webp", "avif"),
    ],
)
def test_each_decoder_in_another_version_has_other_pixels(
    rows: Rows, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(cached_batches(rows, SMALL, BATCH))
    versions = pixels.decoders()
    assert decoder in versions
    monkeypatch.setattr(pixel_cache, "decoders", lambda: versions | {decoder: "other"})
    assert not are_cached(rows.images_digest, SMALL)


def test_the_versions_are_those_of_what_decodes() -> None:
    import PIL

    versions = pixels.decoders()
    assert versions["PIL"] == PIL.__version__
    assert versions["clipkstar"] == pixels.PIXELS_VERSION
    assert versions["jpg"]


def test_the_size_told_beforehand_is_that_of_the_file(rows: Rows, folder: Path) -> None:
    list(cached_batches(rows, SMALL, BATCH))
    assert _entry(folder).stat().st_size == pixel_bytes(12, SMALL)


@pytest.mark.parametrize("damage", ["header", "pixels", "checksum", "end", "longer"])
@pytest.mark.parametrize("picture", [0, 7, 11])
def test_a_damaged_entry_is_said_and_rebuilt_and_the_pixels_are_right(
    rows: Rows, folder: Path, heard: list[str], decoded: list[str], damage: str, picture: int
) -> None:
    expected = _bytes(cached_batches(rows, SMALL, BATCH))
    path = _entry(folder)
    whole = path.read_bytes()
    row_bytes = 3 * 6 * 5 + 8
    place = {"header": 60 + picture, "checksum": 128 + (picture + 1) * row_bytes - 1}
    position = place.get(damage, 128 + picture * row_bytes + 4)
    spoiled = {"end": whole[:position], "longer": whole + b"\0"}
    path.write_bytes(spoiled.get(damage, whole[:position] + bytes([whole[position] ^ 0x80]) + whole[position + 1 :]))
    assert _bytes(cached_batches(rows, SMALL, BATCH)) == expected
    assert heard == [DAMAGED]
    assert _entry(folder).read_bytes() == whole
    assert len(decoded) == 24
    assert _bytes(cached_batches(rows, SMALL, BATCH)) == expected
    assert len(decoded) == 24
    assert heard == [DAMAGED]


def test_an_entry_that_is_damaged_while_it_is_read_is_rebuilt(rows: Rows, folder: Path, heard: list[str]) -> None:
    expected = _bytes(cached_batches(rows, SMALL, 1))
    path = _entry(folder)
    whole = path.read_bytes()
    reading = cached_batches(rows, SMALL, 1)
    first = next(reading).tobytes()
    with path.open("r+b") as file:  # in its place: a file that shrinks under a memory map would end the process
        file.seek(-1, os.SEEK_END)
        file.write(bytes([whole[-1] ^ 1]))
    assert first + _bytes(reading) == expected
    assert heard == [DAMAGED]
    assert _entry(folder).read_bytes() == whole


def test_an_entry_that_goes_while_it_is_read_is_read_to_its_end(rows: Rows, folder: Path, decoded: list[str]) -> None:
    expected = _bytes(cached_batches(rows, SMALL, 1))
    reading = cached_batches(rows, SMALL, 1)
    first = next(reading).tobytes()
    _entry(folder).unlink()
    assert first + _bytes(reading) == expected
    assert len(decoded) == 12


def test_an_entry_that_is_used_is_the_last_to_go(rows: Rows, folder: Path) -> None:
    list(cached_batches(rows, SMALL, BATCH))
    os.utime(_entry(folder), (1, 1))
    next(cached_batches(rows, SMALL, BATCH))
    assert _entry(folder).stat().st_mtime > 1


def test_the_pixels_that_were_used_least_recently_make_room(
    rows: Rows, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPKSTAR_CACHE_GB", str(2 * pixel_bytes(12, SMALL) / 1e9))
    geometries = [replace(SMALL, fill_color=color) for color in range(3)]
    for age, geometry in zip((100, 200), geometries, strict=False):
        list(cached_batches(rows, geometry, BATCH))
        newest = max((folder / "pixels").iterdir(), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (time.time() - age,) * 2)
    list(cached_batches(rows, geometries[2], BATCH))
    assert [are_cached(rows.images_digest, geometry) for geometry in geometries] == [True, False, True]


def test_pixels_without_room_are_decoded_each_time_and_that_is_said_once(
    rows: Rows, folder: Path, heard: list[str], decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _expected(rows)
    monkeypatch.setenv("CLIPKSTAR_CACHE_GB", "1e-6")
    for _ in range(2):
        assert _bytes(cached_batches(rows, SMALL, BATCH)) == expected
    assert len(decoded) == 36
    assert heard == [
        "the pixels of task 'colors' (1.3e-06 GB) have no room in the cache (1e-06 GB by $CLIPKSTAR_CACHE_GB, less "
        "where the disk is full), so its pictures are decoded for each checkpoint."
    ]
    assert list((folder / "pixels").iterdir()) == []


def test_a_bound_that_is_no_number_is_an_error_also_where_pixels_are_kept(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(cached_batches(rows, SMALL, BATCH))
    monkeypatch.setenv("CLIPKSTAR_CACHE_GB", "much")
    with pytest.raises(InputError) as raised:
        next(cached_batches(rows, SMALL, BATCH))
    assert str(raised.value) == (
        "the environment variable CLIPKSTAR_CACHE_GB is 'much'; it needs a number of gigabytes from 0 up, such as 100."
    )


def test_a_disk_that_becomes_full_is_said_once_and_the_pixels_are_right(
    rows: Rows, heard: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Geometry(size=(64, 64))  # 147 kB
    expected = _expected(rows, large, 1)
    monkeypatch.setattr(room, "_free_bytes", lambda: 2**40)  # others fill the disk in the moment after it was asked
    with small_disk(tmp_path / "disk", 100 * 1024):
        monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "disk"))
        for _ in range(2):
            assert _bytes(cached_batches(rows, large, 1)) == expected
            assert list((tmp_path / "disk" / "pixels").iterdir()) == []
    (sentence,) = heard
    assert sentence in {unkept(tmp_path / "disk", why) for why in ("No space left on device", "File too large")}


def test_a_file_that_may_not_grow_is_said_once_and_the_pixels_are_right(
    rows: Rows, folder: Path, heard: list[str]
) -> None:
    large = Geometry(size=(256, 256))  # 2.4 MB
    expected = _expected(rows, large)
    with small_files(2_000_000):
        for _ in range(2):
            assert _bytes(cached_batches(rows, large, BATCH)) == expected
    assert heard == [unkept(folder, "File too large")]
    assert list((folder / "pixels").iterdir()) == []


def test_a_cache_that_can_only_be_read_is_read(rows: Rows, folder: Path, heard: list[str], decoded: list[str]) -> None:
    other = Geometry(size=(4, 4))
    kept, expected = _bytes(cached_batches(rows, SMALL, BATCH)), _expected(rows, other)
    assert len(decoded) == 24
    with read_only(folder):
        assert _bytes(cached_batches(rows, SMALL, BATCH)) == kept
        assert len(decoded) == 24
        assert heard == []
        assert _bytes(cached_batches(rows, other, BATCH)) == expected
    (sentence,) = heard
    assert sentence in {unkept(folder, why) for why in ("Read-only file system", "Permission denied")}


def test_a_cache_folder_that_is_a_file_costs_only_time(rows: Rows, folder: Path, heard: list[str]) -> None:
    folder.write_text("a file where the folder should be")
    for _ in range(2):
        assert _bytes(cached_batches(rows, SMALL, BATCH)) == _expected(rows)
    assert heard == [unkept(folder, "File exists")]


def test_a_picture_that_does_not_decode_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    broken = open_rows(colors_task(tmp_path, pictures=[*(_noise(row) for row in range(11)), BROKEN]))
    with pytest.raises(InputError) as raised:
        list(cached_batches(broken, SMALL, BATCH))
    assert str(raised.value) == "task 'colors': row 11 is no image in a format that PIL knows; repair or remove it."
    assert list((folder / "pixels").iterdir()) == []


def test_who_stops_midway_leaves_nothing_and_holds_nobody_up(rows: Rows, folder: Path, decoded: list[str]) -> None:
    stopped = cached_batches(rows, SMALL, 1)
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert list((folder / "pixels").iterdir()) == []
    decoded.clear()
    list(cached_batches(rows, SMALL, 1))
    assert len(decoded) == 12


def test_who_takes_the_last_batch_and_no_more_has_kept_all(rows: Rows) -> None:
    reading = cached_batches(rows, SMALL, BATCH)
    for _ in range(3):
        next(reading)
    assert are_cached(rows.images_digest, SMALL)
    del reading


def test_two_readers_of_one_process_do_not_wait_for_each_other(
    rows: Rows, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_cache, "_acquired", _only_once(pixel_cache._acquired))
    pairs = zip(cached_batches(rows, SMALL, 1), cached_batches(rows, SMALL, 1), strict=True)
    assert all(one.tobytes() == two.tobytes() for one, two in pairs)
    assert heard == []


def _only_once(function: Callable[..., bool]) -> Callable[..., bool]:
    calls: list[object] = []

    def once(*arguments: Any) -> bool:
        calls.append(arguments)
        assert len(calls) == 1
        return function(*arguments)

    return once


@pytest.mark.parametrize("errno", [38, 37, 95], ids=["no such call", "no locks", "not supported"])
def test_a_file_system_without_locks_keeps_pixels_too(
    rows: Rows, heard: list[str], errno: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuse(*arguments: object) -> None:
        raise OSError(errno, os.strerror(errno))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert _bytes(cached_batches(rows, SMALL, BATCH)) == _expected(rows)
    assert are_cached(rows.images_digest, SMALL)
    assert heard == []


CHILD = """
import os, signal, sys, time
from types import SimpleNamespace
import numpy as np
from clipkstar import notices, pixels
from clipkstar.caching import pixel_cache
from clipkstar.checkpoint import Geometry

digest, what = sys.argv[1:]
decoded = []
content = [np.random.default_rng(row).integers(0, 256, (6, 5, 3), dtype=np.uint8) for row in range(12)]

def decode(image_bytes, *, where):
    decoded.append(where)
    time.sleep(0.02)
    return content[int(where)]

pixels.decode = decode
pixel_cache.resizer = lambda geometry: lambda image: np.ascontiguousarray(image.transpose(2, 0, 1))
rows = SimpleNamespace(
    images_digest=digest, n_images=12, where=str, task=SimpleNamespace(name="colors"),
    image_batches=lambda size: ([b""] * min(size, 12 - start) for start in range(0, 12, size)),
)
found = []
heard = []
if what == "together":
    print("ready", flush=True)
    sys.stdin.readline()
with notices.listening(heard.append):
    for batch in pixel_cache.cached_batches(rows, Geometry(size=(6, 5)), 2):
        found.append(batch)
        if what == "killed" and len(found) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "paused" and len(found) == 3:
            print("paused", flush=True)
            sys.stdin.readline()
right = np.stack(content).transpose(0, 3, 1, 2)
assert np.concatenate(found).tobytes() == np.ascontiguousarray(right).tobytes()
heavy = [name for name in ("open_clip", "torchvision", "torch", "datasets", "filelock") if name in sys.modules]
print(len(decoded), heavy, heard)
"""
"""A process with twelve pictures of its own that decode slowly, so that it needs neither open_clip nor datasets."""

KEPT_BY_CHILD = Geometry(size=(6, 5))


def _child(what: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, "digest", what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_two_processes_at_the_same_time_decode_each_picture_once() -> None:
    children = [_child("together") for _ in range(3)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    answers = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert sorted(int(answer.split()[0]) for answer in answers) == [0, 0, 12]


def test_pixels_from_the_cache_load_neither_open_clip_nor_torch() -> None:
    assert _child().communicate()[0].startswith("12 ")
    assert _child().communicate()[0] == "0 [] []\n"


def test_who_is_killed_while_writing_leaves_nothing_that_is_ever_read(folder: Path) -> None:
    killed = _child("killed")
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    left = sorted(path.name for path in (folder / "pixels").iterdir())
    assert [name[0] for name in left if not name.endswith(".lock")] == ["."]
    assert not are_cached("digest", KEPT_BY_CHILD)
    assert _child().communicate()[0] == "12 ['filelock'] []\n"
    assert are_cached("digest", KEPT_BY_CHILD)
    (unfinished,) = (path for path in (folder / "pixels").iterdir() if path.name in left and path.name[0] == ".")
    os.utime(unfinished, (1, 1))
    _entry_of_child(folder).unlink()
    assert _child().communicate()[0].startswith("12 ")
    assert list((folder / "pixels").iterdir()) == [_entry_of_child(folder)]


def _entry_of_child(folder: Path) -> Path:
    (path,) = (folder / "pixels").glob("[0-9a-f]*.npy")
    return path


def test_who_waits_says_so_and_takes_what_the_other_has_decoded(
    rows: Rows, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_cache, "LOOK_SECONDS", 0.2)
    paused = _paused_child()
    heard: list[str] = []

    def resume(sentence: str) -> None:
        heard.append(sentence)
        assert paused.stdin is not None
        paused.stdin.write("\n")
        paused.stdin.flush()

    with listening(resume):
        assert len(list(cached_batches(replace(rows, images_digest="digest"), KEPT_BY_CHILD, 2))) == 6
    assert (heard, decoded) == ([WAITING], [])
    assert paused.communicate()[0].startswith("12 ")


def test_who_does_not_go_on_is_not_waited_for_for_ever(
    rows: Rows, heard: list[str], decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_cache, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(pixel_cache, "PATIENCE_SECONDS", 0.5)
    paused = _paused_child()
    found = _bytes(cached_batches(replace(rows, images_digest="digest"), KEPT_BY_CHILD, 2))
    assert found == _bytes(batches(rows, resizer(KEPT_BY_CHILD), 2))
    assert len(decoded) == 12 + 12
    assert heard == [WAITING]
    assert paused.communicate("\n")[0].startswith("12 ")


def test_who_cannot_keep_pixels_is_not_waited_for(
    rows: Rows, folder: Path, heard: list[str], decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_cache, "LOOK_SECONDS", 0.1)
    paused = _paused_child()
    (unfinished,) = (folder / "pixels").glob(".*")
    unfinished.unlink()  # as it does when the disk is full
    assert len(list(cached_batches(replace(rows, images_digest="digest"), KEPT_BY_CHILD, 2))) == 6
    assert (heard, len(decoded)) == ([], 12)
    assert "cannot be kept" in paused.communicate("\n")[0]


def _paused_child() -> "subprocess.Popen[str]":
    """A process that has written some of its pictures and goes on when it reads a line."""
    child = _child("paused")
    assert child.stdout is not None
    assert child.stdout.readline() == "paused\n"
    return child
