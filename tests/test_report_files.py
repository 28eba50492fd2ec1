"""The folder of a report: what may lie in it, and how one report takes the place of another."""

import os
import time
from pathlib import Path

import pytest

from clipkstar.errors import InputError
from clipkstar.report.files import check_folder, report_folder


def write_report(folder: Path, *names: str) -> None:
    """Write a report of these files, each with its own name inside."""
    with report_folder(folder) as unfinished:
        for name in ("report.json", "index.html", *names):
            (unfinished / name).write_text(name)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_report_is_in_its_folder_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    with report_folder(tmp_path / "report") as unfinished:
        (unfinished / "report.json").write_text("{}")
        assert not (tmp_path / "report" / "report.json").exists()
    assert files(tmp_path / "report") == ["report.json"]


def test_a_new_report_replaces_the_one_before_and_what_that_had_besides(tmp_path: Path) -> None:
    write_report(tmp_path, "tables/points.csv", "figures/accuracy--digits.svg", "runs/a.html")
    write_report(tmp_path, "tables/points.csv", "tables/pooled.csv")
    assert files(tmp_path) == ["index.html", "report.json", "tables", "tables/points.csv", "tables/pooled.csv"]


def test_a_report_that_fails_leaves_the_one_before_as_it_was(tmp_path: Path) -> None:
    write_report(tmp_path, "tables/points.csv")
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in files(tmp_path)}
    with pytest.raises(ZeroDivisionError), report_folder(tmp_path) as unfinished:
        (unfinished / "index.html").write_text("half")
        raise ZeroDivisionError
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in files(tmp_path)} == before


def test_a_report_that_fails_leaves_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), report_folder(tmp_path / "new"):
        raise ZeroDivisionError
    assert files(tmp_path) == []


def test_what_a_killed_report_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    for name, age in (("old", 7200), ("young", 60)):
        left = tmp_path / f".unfinished-{name}"
        (left / "tables").mkdir(parents=True)
        os.utime(left, (time.time() - age,) * 2)
    write_report(tmp_path)
    assert files(tmp_path) == [".unfinished-young", ".unfinished-young/tables", "index.html", "report.json"]


@pytest.mark.parametrize("name", ["thesis.md", "index.html", "tables/points.csv"])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, name: str) -> None:
    """Files of our names, too, unless report.json says that they are ours."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError) as error:
        check_folder(tmp_path)
    held = name.partition("/")[0]
    assert str(error.value) == f"the folder '{tmp_path}' holds '{held}', which is of no earlier report; choose another."


def test_a_file_of_another_kind_beside_a_report_is_refused(tmp_path: Path) -> None:
    write_report(tmp_path, "tables/points.csv")
    (tmp_path / "tables" / "mine.xlsx").write_text("mine")
    with pytest.raises(InputError) as error:
        check_folder(tmp_path)
    assert str(error.value) == (
        f"the folder '{tmp_path}' holds 'tables/mine.xlsx', which is of no earlier report; choose another."
    )


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(InputError) as error:
        check_folder(tmp_path / "report")
    assert str(error.value) == f"'{tmp_path}/report' is a file; choose a folder with --out."


def test_an_address_is_refused() -> None:
    with pytest.raises(InputError) as error:
        check_folder(Path("s3://bucket/report"))
    assert str(error.value) == ("the folder 's3:/bucket/report' is an address; --out needs a folder of this machine.")


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(InputError) as error:
        check_folder(Path("/proc/nowhere"))
    assert str(error.value) == "the folder '/proc/nowhere' cannot be written; choose another with --out."
