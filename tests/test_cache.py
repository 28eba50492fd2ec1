"""The cache: found again by its key, never damaged, never needed."""

from pathlib import Path

import numpy as np
import pytest

from clipkstar.cache import recall, remember
from clipkstar.cache_folder import cache_folder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


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
    assert [file.name for file in folder.rglob("*") if file.is_file()] == [path.name]


def test_a_cache_folder_that_cannot_be_written_costs_only_time(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    remember("classes", "k", ARRAYS)
    assert recall("classes", "k") is None


def test_the_folder_is_the_users_choice_or_that_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLIPKSTAR_CACHE", "/own")
    assert cache_folder() == Path("/own")
    monkeypatch.delenv("CLIPKSTAR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/system")
    assert cache_folder() == Path("/system/clipkstar")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "clipkstar"
