"""Files that are never seen in part."""

from pathlib import Path

import pytest

from clipkstar.whole_files import write_whole


def test_a_file_is_written_under_another_name_and_replaces_the_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "deeper" / "a.txt"
    write_whole(file, lambda path: path.write_text("old"))

    def write(path: Path) -> None:
        assert path.parent == file.parent and file.read_text() == "old"
        path.write_text("new")
        assert file.read_text() == "old"

    write_whole(file, write)
    assert file.read_text() == "new"
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]


def test_a_writer_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_whole(file, fail)
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    file = tmp_path / ("x" * 255)
    write_whole(file, lambda path: path.write_text("new"))
    assert file.read_text() == "new"
