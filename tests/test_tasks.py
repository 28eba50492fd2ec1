"""Every own task, by the same test; the bundled ones with their data."""

from pathlib import Path

import numpy as np
import pytest

import clipkstar_tasks
from clipkstar.discovery import TASKS, find, own_names
from clipkstar.pixels import decode
from clipkstar.prompts import render
from clipkstar.rows import open_rows
from clipkstar.zoo import captions

FOLDER = Path(clipkstar_tasks.__file__).parent
MEBIBYTE = 2**20


@pytest.mark.parametrize("name", own_names(TASKS))
def test_a_task_is_what_its_file_says(name: str) -> None:
    (task,) = find(TASKS, name)
    assert task.name == name
    assert [text for text in (task.summary, task.source, task.license) if not text.strip()] == []
    assert task.class_names is not None
    assert len(set(task.class_names)) == len(task.class_names) >= 2
    assert [words for words in task.class_names if words != words.strip() or not words] == []
    prompts = {render(template, words) for template in task.templates for words in task.class_names}
    assert len(prompts) == len(set(task.templates)) * len(task.class_names)
    assert len(set(task.templates)) == len(task.templates) >= 1
    assert [prompt for prompt in prompts if "{" in prompt or "}" in prompt] == []
    if task.dataset.is_local:
        from datasets import ClassLabel, Image, load_dataset

        table = load_dataset(task.dataset.path, data_files=task.dataset.data_files, split="train")
        assert isinstance(table.features[task.image_column], Image)
        assert isinstance(table.features[task.label_column], ClassLabel)
        rows = open_rows(task)
        assert task.n_images == rows.n_images == len(table)
        assert rows.notices == ()
        assert table.features[task.label_column].num_classes == len(task.class_names)
        assert np.unique(rows.labels).tolist() == list(range(len(task.class_names)))
        contents = rows.image_bytes(range(rows.n_images))
        assert {decode(content, where=rows.where(row)).mode for row, content in enumerate(contents)} == {"RGB"}
        assert len(set(contents)) == len(contents)


def test_the_bundled_files_are_small_and_each_belongs_to_a_task() -> None:
    files = sorted((FOLDER / "_bundled").glob("*.parquet"))
    assert sum(file.stat().st_size for file in files) < 6 * MEBIBYTE
    local = [task for name in own_names(TASKS) for task in find(TASKS, name) if task.dataset.is_local]
    assert sorted(str(task.dataset.data_files) for task in local) == [str(file) for file in files]
    assert all("bundled" in task.groups for task in local)
    assert {task.name for task in local} == {"digits", "emoji_fluent", "emoji_noto", "fashion_mnist_2k"}


@pytest.mark.parametrize(
    ("name", "class_names", "templates"),
    [
        ("digits", captions.DIGITS_CLASSES, captions.DIGITS_TEMPLATES),
        ("fashion_mnist_2k", captions.FASHION_CLASSES, captions.FASHION_TEMPLATES),
        ("emoji_noto", tuple(captions.EMOJI_CLASSES.values()), captions.EMOJI_TEMPLATES),
        ("emoji_fluent", tuple(captions.EMOJI_CLASSES.values()), captions.EMOJI_TEMPLATES),
    ],
)
def test_the_words_of_a_bundled_task_are_those_the_zoo_was_taught(
    name: str, class_names: tuple[str, ...], templates: tuple[str, ...]
) -> None:
    (task,) = find(TASKS, name)
    assert task.class_names == class_names
    assert task.templates == templates


@pytest.mark.parametrize("name", ["emoji_noto", "emoji_fluent"])
def test_the_labels_of_an_emoji_task_are_the_unicode_groups_in_the_order_of_its_words(name: str) -> None:
    from datasets import load_dataset

    (task,) = find(TASKS, name)
    table = load_dataset(task.dataset.path, data_files=task.dataset.data_files, split="train")
    assert table.features[task.label_column].names == list(captions.EMOJI_CLASSES)


def test_there_are_tasks_of_the_hub_and_each_names_its_files() -> None:
    remote = [task for name in own_names(TASKS) for task in find(TASKS, name) if not task.dataset.is_local]
    assert "cifar10" in {task.name for task in remote}
    assert [task.name for task in remote if task.dataset.data_files is None or task.dataset.revision] == []
