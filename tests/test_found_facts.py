"""Small facts that took long to find out, kept in the cache as JSON."""

from pathlib import Path

import pytest

from clipkstar.caching.found_facts import recall_fact, remember_fact

FACT = {"n_images": 12, "revision": None, "files": ["a", "ä"]}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own."""
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_fact_comes_back_under_its_kind_and_key_only() -> None:
    remember_fact("openings", ["key", 1, None], FACT)
    assert recall_fact("openings", ["key", 1, None]) == FACT
    assert recall_fact("openings", ["key", 2, None]) is None
    assert recall_fact("identities", ["key", 1, None]) is None


def test_a_later_fact_takes_the_place_of_the_earlier_one(cache: Path) -> None:
    remember_fact("openings", "key", FACT)
    remember_fact("openings", "key", {"n_images": 13})
    assert recall_fact("openings", "key") == {"n_images": 13}
    assert len(list(cache.rglob("*.json"))) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:0],
        lambda content: content[:-1],
        lambda content: content.replace(b"12", b"13"),
        lambda content: b"\xff" + content[1:],
        lambda content: content.partition(b"\n")[2],
    ],
    ids=["empty", "cut off", "another number", "no text", "without its hash"],
)
def test_a_damaged_fact_is_none_and_is_written_again(damage: object, cache: Path) -> None:
    remember_fact("openings", "key", FACT)
    (entry,) = cache.rglob("*.json")
    entry.write_bytes(damage(entry.read_bytes()))  # type: ignore[operator]
    assert recall_fact("openings", "key") is None
    remember_fact("openings", "key", FACT)
    assert recall_fact("openings", "key") == FACT


def test_a_cache_folder_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "file" / "below"))
    remember_fact("openings", "key", FACT)
    assert recall_fact("openings", "key") is None
