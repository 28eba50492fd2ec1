"""Which tasks a process opens again."""

import os
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from clipkstar import opened_once
from clipkstar.opened_once import MOST_KEPT, open_once
from clipkstar.task import Task
from tests.colors import LABELS, colors_task, pictures_of


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """Names and limits of the tasks that are opened from now on; nothing was opened before."""
    seen: list[tuple[str, int | None]] = []
    open_rows = opened_once.open_rows

    def noted(task: Task, *, limit: int | None) -> object:
        seen.append((task.name, limit))
        return open_rows(task, limit=limit)

    monkeypatch.setattr(opened_once, "_kept", OrderedDict())
    monkeypatch.setattr(opened_once, "open_rows", noted)
    return seen


def test_a_task_is_opened_once_for_each_limit(tmp_path: Path, opened: list[tuple[str, int | None]]) -> None:
    task = colors_task(tmp_path)
    first, again, sample, sample_again = (open_once(task, limit=limit) for limit in (None, None, 6, 6))
    assert opened == [("colors", None), ("colors", 6)]
    assert (again.fingerprint, sample_again.fingerprint) == (first.fingerprint, sample.fingerprint)
    assert first.fingerprint != sample.fingerprint
    assert first.seconds > 0
    assert again.seconds == sample_again.seconds == 0
    assert again.image_bytes([0]) == first.image_bytes([0])


def test_a_task_whose_words_or_files_changed_is_opened_again(
    tmp_path: Path, opened: list[tuple[str, int | None]]
) -> None:
    task = colors_task(tmp_path)
    first = open_once(task, limit=None)
    worded = open_once(replace(task, templates=("a painting in {}.",)), limit=None)
    relabelled = open_once(colors_task(tmp_path, labels=LABELS[::-1]), limit=None)
    assert len(opened) == 3
    assert len({rows.fingerprint for rows in (first, worded, relabelled)}) == 3


def write_pictures(folder: Path, contents: list[bytes | None], *, age: float) -> list[Path]:
    """Write files that changed so many seconds ago."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{row}.png" for row in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content or b"")
        changed = file.stat().st_mtime - age
        os.utime(file, (changed, changed))
    return files


def task_of(folder: Path, files: list[Path]) -> Task:
    """A task whose rows name the files of their images."""
    feature = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    cells: Any = [{"bytes": None, "path": str(file)} for file in files]
    return colors_task(folder, pictures=cells, image_feature=feature)


def test_a_task_is_opened_again_where_an_image_that_its_rows_name_changed(
    tmp_path: Path, opened: list[tuple[str, int | None]]
) -> None:
    contents = pictures_of(LABELS)
    task = task_of(tmp_path, write_pictures(tmp_path / "pictures", contents, age=60))
    first, again = open_once(task, limit=None), open_once(task, limit=None)
    assert len(opened) == 1
    assert again.images_digest == first.images_digest
    write_pictures(tmp_path / "pictures", contents[1:] + contents[:1], age=30)
    changed = open_once(task, limit=None)
    assert len(opened) == 2
    assert changed.images_digest != first.images_digest
    assert open_once(task, limit=None).images_digest == changed.images_digest
    assert len(opened) == 2


def test_images_that_changed_a_moment_ago_are_looked_at_again(
    tmp_path: Path, opened: list[tuple[str, int | None]]
) -> None:
    task = task_of(tmp_path, write_pictures(tmp_path / "pictures", pictures_of(LABELS), age=0))
    for _ in range(2):
        open_once(task, limit=None)
    assert len(opened) == 2


def test_what_was_used_longest_ago_goes_first(tmp_path: Path, opened: list[tuple[str, int | None]]) -> None:
    tasks = [colors_task(tmp_path, name=f"colors{number}") for number in range(MOST_KEPT + 1)]
    for task in [*tasks[:-1], tasks[0], tasks[-1]]:
        open_once(task, limit=None)
    assert len(opened) == MOST_KEPT + 1
    open_once(tasks[0], limit=None)
    assert len(opened) == MOST_KEPT + 1
    open_once(tasks[1], limit=None)
    assert len(opened) == MOST_KEPT + 2


@pytest.mark.parametrize("disabled", [False, True])
def test_progress_bars_of_datasets_stay_as_they_were(tmp_path: Path, disabled: bool) -> None:
    task = colors_task(tmp_path)
    (datasets.disable_progress_bars if disabled else datasets.enable_progress_bars)()
    try:
        open_once(task, limit=None)
        assert datasets.are_progress_bars_disabled() is disabled
    finally:
        datasets.enable_progress_bars()
