"""Which commit of a repository is the newest, and where the cache keeps it; asking the hub is tested by its users."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from clipkstar.hub_commits import cached_snapshot, is_newest, is_of_cache, newest_commit, refs_of

COMMIT, OTHER = "0123456789" * 4, "abcdef0123" * 4


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a client in offline mode, in which main of org/tiny is COMMIT."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    refs = tmp_path / "hub" / "models--org--tiny" / "refs"
    (refs / "refs" / "pr").mkdir(parents=True)
    (refs / "main").write_text(COMMIT)
    (refs / "refs" / "pr" / "1").write_text(OTHER)
    return tmp_path / "hub"


@pytest.mark.usefixtures("hub_cache")
@pytest.mark.parametrize(
    ("revision", "commit"), [(None, COMMIT), ("main", COMMIT), ("refs/pr/1", OTHER), (OTHER, OTHER), ("v2", None)]
)
def test_offline_the_cache_says_which_commit_a_revision_is(revision: str | None, commit: str | None) -> None:
    assert newest_commit("org/tiny", "model", revision) == commit
    assert newest_commit("org/tiny", "dataset", revision) == (OTHER if revision == OTHER else None)


def test_the_files_of_a_commit_lie_where_the_hubs_client_puts_them(hub_cache: Path) -> None:
    assert cached_snapshot("org/colors", COMMIT) == hub_cache / "datasets--org--colors" / "snapshots" / COMMIT


def test_fetched_files_have_the_ref_of_their_repository(hub_cache: Path) -> None:
    repository = hub_cache / "models--org--tiny"
    files = [repository / "snapshots" / COMMIT / name for name in ("config.json", "deep/weights.bin")]
    assert refs_of(files) == refs_of(files, "main") == [repository / "refs" / "main"]
    assert refs_of(files, "refs/pr/1") == [repository / "refs" / "refs" / "pr" / "1"]
    assert refs_of(files, COMMIT) == []


def test_files_of_the_user_have_none(tmp_path: Path) -> None:
    assert refs_of([tmp_path / "weights.pt", tmp_path / "snapshots" / "today" / "weights.pt"]) == []
    assert refs_of([tmp_path / "mine" / "snapshots" / COMMIT / "weights.pt"]) == []


def test_a_ref_is_the_newest_offline_and_so_is_every_other_file(hub_cache: Path) -> None:
    refs = hub_cache / "models--org--tiny" / "refs"
    assert is_newest(refs / "main")
    assert is_newest(refs / "refs" / "pr" / "1")
    assert not is_newest(refs / "v2")
    assert is_newest(hub_cache / "refs" / "main")
    assert is_newest(Path("weights.pt"))


def test_the_hubs_cache_is_told_from_other_folders(hub_cache: Path) -> None:
    repository = hub_cache / "models--org--tiny"
    for inside in (repository / "refs" / "main", repository / "snapshots" / COMMIT / "a", repository / "blobs" / "b"):
        assert is_of_cache(inside)
    for outside in (hub_cache / "blobs" / "b", repository / "a", hub_cache / "snapshots" / COMMIT / "a"):
        assert not is_of_cache(outside)
