"""Whether files are still what they were, told without reading them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clipkstar.caching.file_states import SETTLED_SECONDS, file_states

LONG_AGO = 1_600_000_000


def write(path: Path, content: bytes = b"one", changed: int = LONG_AGO) -> Path:
    path.write_bytes(content)
    os.utime(path, (changed, changed))
    return path


def replaced(path: Path) -> None:
    """Another file of the same size and time in the same place."""
    write(path.with_name("other"), b"two").replace(path)


def retargeted(path: Path) -> None:
    write(path.with_name("other"), b"two")
    path.unlink()
    path.symlink_to("other")


@pytest.mark.parametrize(
    "change",
    [
        lambda path: write(path, b"longer"),
        lambda path: write(path, b"two", LONG_AGO + 1),
        replaced,
        retargeted,
    ],
    ids=["size", "time", "inode", "a link to another"],
)
def test_the_digest_changes_with(change: Callable[[Path], None], tmp_path: Path) -> None:
    path = write(tmp_path / "file")
    before = file_states([path]).digest
    assert file_states([path]).digest == before
    change(path)
    assert file_states([path]).digest != before


def test_it_changes_with_the_order_and_the_number_of_files(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    digests = {file_states(files).digest for files in ([], [one], [two], [one, two], [two, one])}
    assert len(digests) == 5


def test_equal_files_in_another_folder_are_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        os.link(write(Path("file")) if name == "a" else tmp_path / "a" / "file", "same")
        digests.append(file_states([Path("same")]).digest)
    assert digests[0] != digests[1]


def test_a_folder_changes_with_the_names_in_it(tmp_path: Path) -> None:
    write(tmp_path / "file")
    os.utime(tmp_path, (LONG_AGO, LONG_AGO))
    before = file_states([tmp_path]).digest
    assert file_states([tmp_path]).digest == before
    write(tmp_path / "another")
    assert file_states([tmp_path]).digest != before


def test_files_are_settled_when_the_newest_of_them_is(tmp_path: Path) -> None:
    states = file_states([write(tmp_path / "old"), write(tmp_path / "new", changed=LONG_AGO + 60)])
    assert states.changed == LONG_AGO + 60
    assert not states.settled_before(LONG_AGO + 60 + SETTLED_SECONDS)
    assert states.settled_before(LONG_AGO + 61 + SETTLED_SECONDS)


def test_a_file_that_is_not_there_is_an_error_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_states([tmp_path / "none"])
