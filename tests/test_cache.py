"""The cache: found again by its key, never damaged, never needed."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_disk import read_only, small_disk

from clipkstar.caching.arrays import Kind, recall, remember
from clipkstar.caching.folder import cache_folder, writable_folder
from clipkstar.notices import listening


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The notices, in the order in which they were given."""
    sentences: list[str] = []
    with listening(sentences.append):
        yield sentences


ARRAYS = {"classes": np.arange(6, dtype=np.float32).reshape(2, 3)}


def test_arrays_come_back_under_their_key_and_under_no_other() -> None:
    assert recall("classes", "k") is None
    remember("classes", "k", ARRAYS)
    found = recall("classes", "k")
    assert found is not None
    np.testing.assert_array_equal(found["classes"], ARRAYS["classes"])
    assert found["classes"].dtype == np.float32
    assert recall("classes", "j") is None


def test_any_changed_or_missing_byte_makes_it_no_entry(folder: Path) -> None:
    remember("classes", "k", ARRAYS)
    (path,) = folder.rglob("*.safetensors")
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        found = recall("classes", "k")
        assert found is None or np.array_equal(found.get("classes", np.zeros(0)), ARRAYS["classes"]), position
        path.write_bytes(whole[:position])
        assert recall("classes", "k") is None, position
    path.write_bytes(whole)
    assert recall("classes", "k") is not None


def test_a_damaged_entry_is_written_again(folder: Path) -> None:
    remember("classes", "k", ARRAYS)
    (path,) = folder.rglob("*.safetensors")
    path.write_bytes(b"damaged")
    remember("classes", "k", ARRAYS)
    assert recall("classes", "k") is not None
    assert [file.name for file in (folder / "classes").iterdir()] == [path.name]


def test_a_cache_folder_that_cannot_be_written_costs_only_time(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    remember("classes", "k", ARRAYS)
    assert recall("classes", "k") is None


@pytest.mark.parametrize("kind", ["classes", "images", "indexes"])
@pytest.mark.parametrize("damage", ["a byte", "its end", "all of it", "another entry"])
def test_a_damaged_entry_is_said_and_removed(kind: Kind, damage: str, folder: Path, heard: list[str]) -> None:
    key = "0123456789abcdef" * 4
    remember(kind, key, ARRAYS)
    path = folder / kind / f"{key}.safetensors"
    whole = path.read_bytes()
    damaged = {
        "a byte": whole[:-1] + bytes([whole[-1] ^ 1]),
        "its end": whole[:-1],
        "all of it": b"",
        "another entry": b"damaged",
    }
    path.write_bytes(damaged[damage])
    assert recall(kind, key) is None
    assert heard == [f"the entry 0123456789ab of the {kind} in the cache is damaged; it is made again."]
    assert not path.exists()
    assert recall(kind, key) is None
    assert len(heard) == 1


def test_an_entry_that_is_used_is_the_last_to_go(folder: Path) -> None:
    remember("images", "k", ARRAYS)
    (path,) = folder.rglob("*.safetensors")
    os.utime(path, (1, 1))
    assert recall("images", "k") is not None
    assert path.stat().st_mtime > 1


def test_image_embeddings_take_the_room_of_pixels(
    folder: Path, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPKSTAR_CACHE_GB", "1e-6")
    pixels = writable_folder("pixels") / f"{'1' * 64}.npy"
    pixels.write_bytes(bytes(900))
    remember("images", "k", ARRAYS)
    assert not pixels.exists()
    assert recall("images", "k") is not None
    assert heard == []


def test_image_embeddings_larger_than_the_bound_are_not_kept_and_that_is_said(
    heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPKSTAR_CACHE_GB", "1e-6")
    remember("images", "k", {"images": np.zeros((1000, 500), dtype=np.float32)})
    assert recall("images", "k") is None
    assert heard == [
        "image embeddings (0.002 GB) have no room in the cache (1e-06 GB by $CLIPKSTAR_CACHE_GB, less where the "
        "disk is full) and are not kept."
    ]
    remember("classes", "k", {"classes": np.zeros((1000, 5), dtype=np.float32)})
    assert recall("classes", "k") is not None  # small kinds have no bound


@pytest.mark.parametrize("kind", ["classes", "images"])
def test_a_full_disk_costs_only_time_and_leaves_nothing_behind(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 64 * 1024):
        monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "disk" / "cache"))
        remember(kind, "k", {"images": np.ones(100_000, dtype=np.float32)})
        assert recall(kind, "k") is None
        assert list((tmp_path / "disk" / "cache" / kind).iterdir()) == []


def test_a_cache_that_can_only_be_read_is_read(folder: Path) -> None:
    remember("images", "k", ARRAYS)
    with read_only(folder):
        assert recall("images", "k") is not None
        remember("images", "j", ARRAYS)
        assert recall("images", "j") is None


def test_arrays_in_any_memory_order_come_back(folder: Path) -> None:
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    remember("images", "k", {"images": turned, "scale": np.array(0.5), "none": np.zeros((0, 3))})
    found = recall("images", "k")
    assert found is not None
    np.testing.assert_array_equal(found["images"], turned)
    assert (found["scale"].shape, float(found["scale"]), found["none"].shape) == ((), 0.5, (0, 3))


def test_the_folder_is_the_users_choice_or_that_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLIPKSTAR_CACHE", "/own")
    assert cache_folder() == Path("/own")
    monkeypatch.delenv("CLIPKSTAR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/system")
    assert cache_folder() == Path("/system/clipkstar")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "clipkstar"
