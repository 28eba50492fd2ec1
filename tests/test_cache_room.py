"""How much the cache may hold, what goes first, and what is never touched."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest

from clipkstar.caching import arrays as cache
from clipkstar.caching import found_facts
from clipkstar.caching.folder import MADE_BY_US, SIGNATURE, TAG, is_marked, mark, writable_folder, write_whole
from clipkstar.caching.pixel_cache import KIND
from clipkstar.caching.room import ABANDONED_SECONDS, KINDS, Entries, bound_bytes, entries, make_room, prune
from clipkstar.errors import InputError

SUFFIXES = {"pixels": ".npy", "images": ".safetensors", "classes": ".safetensors", "hashes": "", "openings": ".json"}
UNTAGGED = (
    "the folder {} has no CACHEDIR.TAG of clipkstar, so nothing in it is deleted; set $CLIPKSTAR_CACHE to the cache "
    "that is meant, or delete what is not needed by hand."
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CLIPKSTAR_CACHE_GB", "1e-6")  # 1,000 bytes
    return tmp_path / "cache"


def entry(kind: str, digit: str, *, n_bytes: int = 300, age: float = 0, unfinished: bool = False) -> Path:
    """Write an entry that was last used `age` seconds ago."""
    name = digit * 64 + SUFFIXES[kind]
    path = writable_folder(kind) / (f".{name}.{'0' * 32}" if unfinished else name)
    path.write_bytes(bytes(n_bytes))
    os.utime(path, (time.time() - age,) * 2)
    return path


def there(*paths: Path) -> list[bool]:
    return [path.exists() for path in paths]


def test_the_least_recently_used_pixels_go_first_and_then_image_embeddings() -> None:
    pixels = [entry("pixels", digit, age=age) for digit, age in [("1", 20), ("2", 30), ("3", 10)]]
    images = [entry("images", "1", n_bytes=100, age=1000)]
    assert make_room(0)
    assert there(*pixels, *images) == [True] * 4
    assert make_room(1)
    assert there(*pixels, *images) == [True, False, True, True]
    assert make_room(700)
    assert there(*pixels, *images) == [False, False, False, True]
    assert make_room(1000)
    assert there(*pixels, *images) == [False] * 4


def test_image_embeddings_stay_while_there_are_pixels_to_remove() -> None:
    pixels, images = entry("pixels", "1"), entry("images", "1", age=1000)
    assert make_room(700)
    assert there(pixels, images) == [False, True]


def test_what_can_have_no_room_removes_nothing() -> None:
    pixels = entry("pixels", "1")
    being_written = entry("pixels", "2", unfinished=True)
    assert not make_room(1001)
    assert not make_room(701)
    assert there(pixels, being_written) == [True, True]
    assert make_room(700)
    assert there(pixels, being_written) == [False, True]


def test_what_a_killed_process_left_is_removed_after_an_hour() -> None:
    left = entry("pixels", "1", n_bytes=900, age=ABANDONED_SECONDS + 10, unfinished=True)
    being_written = entry("images", "2", age=ABANDONED_SECONDS - 100, unfinished=True)
    assert make_room(700)
    assert there(left, being_written) == [False, True]


def test_other_kinds_are_small_and_stay() -> None:
    kept = [entry("classes", "1", n_bytes=5000), entry("hashes", "1", n_bytes=5000)]
    assert make_room(1000)
    assert there(*kept) == [True, True]


def test_the_bound_is_a_hundred_gigabytes_or_what_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bound_bytes() == 1000
    monkeypatch.setenv("CLIPKSTAR_CACHE_GB", "0")
    assert bound_bytes() == 0
    assert not make_room(1)
    monkeypatch.setenv("CLIPKSTAR_CACHE_GB", "2.5")
    assert bound_bytes() == 2_500_000_000
    for unset in ("", None):
        monkeypatch.setenv("CLIPKSTAR_CACHE_GB", "") if unset == "" else monkeypatch.delenv("CLIPKSTAR_CACHE_GB")
        assert bound_bytes() == 100_000_000_000


@pytest.mark.parametrize("bad", ["much", "-1", "nan", "inf", "10GB"])
def test_a_bound_that_is_no_number_is_an_error_of_one_sentence(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPKSTAR_CACHE_GB", bad)
    with pytest.raises(InputError) as raised:
        make_room(1)
    assert str(raised.value) == (
        f"the environment variable CLIPKSTAR_CACHE_GB is '{bad}'; it needs a number of gigabytes from 0 up, such as "
        "100."
    )


def test_the_list_tells_of_each_kind_how_much_it_holds() -> None:
    assert entries() == []
    entry("pixels", "1", n_bytes=10, age=500)
    newest = entry("pixels", "2", n_bytes=20, age=5)
    entry("pixels", "3", n_bytes=30, age=50, unfinished=True)
    entry("openings", "1", n_bytes=7)
    pixels, openings = entries()
    assert (pixels.kind, pixels.n_files, pixels.n_bytes) == ("pixels", 3, 60)
    assert pixels.last_used.timestamp() == pytest.approx(newest.stat().st_mtime, abs=1e-3)
    assert isinstance(openings, Entries)
    assert (openings.kind, openings.n_files, openings.n_bytes) == ("openings", 1, 7)


def test_prune_without_a_choice_removes_every_entry_and_says_how_much() -> None:
    paths = [entry(kind, "1", n_bytes=10) for kind in SUFFIXES]
    assert prune() == (len(paths), 10 * len(paths))
    assert there(*paths) == [False] * len(paths)
    assert is_marked()
    assert prune() == (0, 0)


def test_prune_keeps_other_kinds_and_what_was_used_lately() -> None:
    old, new = entry("pixels", "1", age=3 * 86_400), entry("pixels", "2", age=86_400)
    other = entry("images", "1", age=9 * 86_400)
    assert prune(kinds=["pixels"], older_than_days=2) == (1, 300)
    assert there(old, new, other) == [False, True, True]


def test_prune_down_to_a_size_removes_what_was_used_least_recently() -> None:
    old, new, images = entry("pixels", "1", age=20), entry("pixels", "2", age=10), entry("images", "1", age=900)
    assert prune(keep_gb=7e-7) == (1, 300)
    assert there(old, new, images) == [False, True, True]
    assert prune(keep_gb=0) == (2, 600)


def test_both_choices_together_remove_only_old_entries_and_not_more_than_needed() -> None:
    new = entry("pixels", "1", age=10)
    older, oldest = entry("images", "1", age=3 * 86_400), entry("images", "2", age=4 * 86_400)
    assert prune(older_than_days=2, keep_gb=7e-7) == (1, 300)
    assert there(new, older, oldest) == [True, True, False]


def test_prune_leaves_what_is_being_written_and_removes_what_was_left() -> None:
    left = entry("pixels", "1", age=ABANDONED_SECONDS + 10, unfinished=True)
    being_written = entry("pixels", "2", unfinished=True)
    assert prune() == (1, 300)
    assert there(left, being_written) == [False, True]


def test_prune_never_follows_a_link_nor_removes_what_is_not_ours(tmp_path: Path, folder: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    mine = outside / ("1" * 64 + ".npy")
    mine.write_bytes(b"mine")
    mark()
    (folder / "pixels").symlink_to(outside)
    writable_folder("images")
    link = folder / "images" / ("2" * 64 + ".safetensors")
    link.symlink_to(mine)
    kept = [
        folder / "notes.txt",
        folder / "images" / "notes.safetensors",
        folder / "images" / ("3" * 64 + ".txt"),
        folder / ("4" * 64 + ".npy"),
    ]
    for path in kept:
        path.write_text("mine")
    below = folder / "images" / ("5" * 64)
    below.mkdir()
    assert prune() == (0, 0)
    assert make_room(1000)
    assert entries() == []
    assert there(mine, link, below, *kept) == [True] * 7


@pytest.mark.parametrize(
    "tag",
    [None, "", SIGNATURE, f"{SIGNATURE}\n# made by another program\n", f"{MADE_BY_US}\n"],
    ids=["none", "empty", "unsigned", "of another", "no signature"],
)
def test_prune_refuses_a_folder_without_our_tag(folder: Path, tag: str | None) -> None:
    path = entry("pixels", "1")
    (folder / TAG).unlink()
    if tag is not None:
        (folder / TAG).write_text(tag)
    with pytest.raises(InputError) as raised:
        prune()
    assert str(raised.value) == UNTAGGED.format(folder)
    assert path.exists()


def test_a_tag_that_is_a_link_is_not_ours(folder: Path, tmp_path: Path) -> None:
    mark()
    (folder / TAG).rename(tmp_path / TAG)
    (folder / TAG).symlink_to(tmp_path / TAG)
    assert not is_marked()


def test_prune_of_a_cache_that_does_not_exist_does_nothing(folder: Path) -> None:
    assert prune() == (0, 0)
    assert not folder.exists()


def test_a_kind_nobody_knows_is_an_error() -> None:
    with pytest.raises(InputError) as raised:
        prune(kinds=["pixels", "pix"])
    assert str(raised.value) == "there is no kind of cache entries 'pix'; did you mean 'pixels'?"


@pytest.mark.parametrize("choice", [{"older_than_days": -1.0}, {"keep_gb": float("nan")}])
def test_a_negative_number_is_an_error(choice: dict[str, float]) -> None:
    with pytest.raises(InputError) as raised:
        prune(**choice)  # type: ignore[arg-type]
    ((name, value),) = choice.items()
    assert str(raised.value) == f"{name} of a prune is {value}; it needs a number from 0 up."


def test_the_folder_is_marked_when_it_is_first_written_to(folder: Path) -> None:
    assert not is_marked()
    write_whole(folder / "hashes" / ("1" * 64), b"one")
    assert is_marked()
    lines = (folder / TAG).read_text().splitlines()
    assert lines[0] == "Signature: 8a477f597d28d172789f06886806bc55"
    assert sorted(path.name for path in folder.iterdir()) == [TAG, "hashes"]


def test_a_cache_made_before_there_was_a_tag_is_marked_at_the_next_write(folder: Path) -> None:
    (folder / "classes").mkdir(parents=True)
    (folder / "hashes").mkdir()
    write_whole(folder / "hashes" / ("1" * 64), b"one")
    assert is_marked()


@pytest.mark.parametrize("other", ["thesis.tex", "images", ".git", TAG])
def test_a_folder_that_holds_something_else_is_never_marked_but_works(folder: Path, other: str) -> None:
    (folder / "classes").mkdir(parents=True)
    (folder / other).write_text("mine") if "." in other else (folder / other).mkdir()
    write_whole(folder / "hashes" / ("1" * 64), b"one")
    assert (folder / "hashes" / ("1" * 64)).read_bytes() == b"one"
    assert not is_marked()
    path = entry("pixels", "1", n_bytes=1000)
    assert make_room(10)  # the bound holds there too
    assert not path.exists()
    with pytest.raises(InputError) as raised:
        prune()
    assert str(raised.value) == UNTAGGED.format(folder)


def test_a_kinds_folder_that_is_a_link_is_not_written_to(folder: Path, tmp_path: Path) -> None:
    mark()
    (folder / "pixels").symlink_to(tmp_path)
    with pytest.raises(OSError, match="a link instead of a folder"):
        writable_folder("pixels")


def test_two_processes_make_room_at_the_same_time() -> None:
    paths = [entry("pixels", digit, n_bytes=1, age=ord(digit)) for digit in "0123456789abcdef"]
    command = "from clipkstar.caching.room import make_room; assert make_room(1000)"
    both = [subprocess.Popen([sys.executable, "-c", command]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert there(*paths) == [False] * 16


def test_every_kind_that_is_written_is_known_here() -> None:
    written = {*get_args(cache.Kind), *get_args(found_facts.Kind), KIND, "hashes", "parameters"}
    assert written == set(KINDS)
