"""Which tasks a process opens again."""

from collections import OrderedDict
from pathlib import Path

import datasets
import pytest

from clipkstar import opened_once
from clipkstar.opened_once import MOST_KEPT, open_once
from clipkstar.task import Task
from tests.colors import LABELS, colors_task


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
    first = open_once(colors_task(tmp_path), limit=None)
    worded = open_once(colors_task(tmp_path, task={"templates": ("a painting in {}.",)}), limit=None)
    relabelled = open_once(colors_task(tmp_path, labels=LABELS[::-1]), limit=None)
    assert len(opened) == 3
    assert len({rows.fingerprint for rows in (first, worded, relabelled)}) == 3


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
