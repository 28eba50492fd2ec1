"""The content hash of a file, computed once and remembered."""

import hashlib
import os
from pathlib import Path

import pytest

from clipkstar.caching import file_hashes
from clipkstar.caching.file_hashes import file_sha256

LONG_AGO = 1_600_000_000


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(folder))
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file that has not changed for long."""
    path = tmp_path / "weights.pt"
    write(path, b"one")
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests that were computed, one entry per reading of a file."""
    digests: list[str] = []
    compute = hashlib.file_digest

    def count(*arguments: object) -> object:
        digest = compute(*arguments)  # type: ignore[arg-type]
        digests.append(digest.hexdigest())
        return digest

    monkeypatch.setattr(file_hashes.hashlib, "file_digest", count)
    return digests


def write(path: Path, content: bytes, changed: int = LONG_AGO) -> None:
    path.write_bytes(content)
    os.utime(path, (changed, changed))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entries(cache: Path) -> list[Path]:
    return sorted((cache / "hashes").iterdir()) if (cache / "hashes").exists() else []


def test_a_file_is_read_once(cache: Path, weights: Path, hashed: list[str]) -> None:
    assert [file_sha256(weights) for _ in range(3)] == [sha256(b"one")] * 3
    assert hashed == [sha256(b"one")]
    assert len(entries(cache)) == 1


@pytest.mark.parametrize(
    ("content", "changed"),
    [(b"two", LONG_AGO + 1), (b"longer", LONG_AGO)],
    ids=["later", "another size"],
)
def test_a_file_that_changed_is_read_again(
    cache: Path, weights: Path, hashed: list[str], content: bytes, changed: int
) -> None:
    file_sha256(weights)
    write(weights, content, changed)
    assert file_sha256(weights) == sha256(content)
    assert len(hashed) == len(entries(cache)) == 2


def test_a_file_put_in_the_place_of_another_is_read_again(cache: Path, weights: Path, hashed: list[str]) -> None:
    file_sha256(weights)
    other = weights.with_name("other")
    write(other, b"two")
    other.replace(weights)  # same path, size and time; another inode
    assert file_sha256(weights) == sha256(b"two")
    assert len(hashed) == 2


def test_a_link_shares_what_is_known_of_its_file(cache: Path, weights: Path, hashed: list[str]) -> None:
    file_sha256(weights)
    link = weights.with_name("link.pt")
    link.symlink_to(weights)
    assert file_sha256(link) == sha256(b"one")
    assert len(hashed) == 1


def test_a_file_that_has_just_changed_is_not_remembered(cache: Path, weights: Path, hashed: list[str]) -> None:
    weights.write_bytes(b"new")
    assert file_sha256(weights) == file_sha256(weights) == sha256(b"new")
    assert len(hashed) == 2
    assert entries(cache) == []


@pytest.mark.parametrize("damage", [b"", b"0123", b"\xff" * 65, b"g" * 64 + b"\n"])
def test_a_damaged_entry_is_ignored_and_written_again(
    cache: Path, weights: Path, hashed: list[str], damage: bytes
) -> None:
    file_sha256(weights)
    (entry,) = entries(cache)
    entry.write_bytes(damage)
    assert file_sha256(weights) == sha256(b"one")
    assert entry.read_bytes() == f"{sha256(b'one')}\n".encode()
    assert len(hashed) == 2


def test_a_cache_folder_that_cannot_be_written_only_costs_time(
    tmp_path: Path, weights: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "file" / "below"))
    assert file_sha256(weights) == file_sha256(weights) == sha256(b"one")
    assert len(hashed) == 2


def test_a_missing_file_is_an_error_of_the_caller(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_sha256(tmp_path / "none")
