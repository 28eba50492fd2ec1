"""Every own task, by the same test; the bundled ones with their data, those of the hub by what their files say."""

import csv
from pathlib import Path

import numpy as np
import pytest

import clipkstar_tasks
from clipkstar.data.rows import open_rows
from clipkstar.discovery import METRICS, TASKS, find, list_own, own_names
from clipkstar.pixels import decode
from clipkstar.prompts import render
from clipkstar.task import OpenClipList, RepositoryFile, Subgroups, Task
from clipkstar.zoo import captions

FOLDER = Path(clipkstar_tasks.__file__).parent
FACTS = FOLDER.parent.parent / "shared" / "data" / "datasets.csv"
"""Sizes, published metrics and repositories, gathered apart from the task files; not part of the repository."""

MEBIBYTE = 2**20
CORE_IMAGES = 25_000

OWN = {name: find(TASKS, name)[0] for name in own_names(TASKS)}
LOCAL = {name: task for name, task in OWN.items() if task.dataset.is_local}
REMOTE = {name: task for name, task in OWN.items() if not task.dataset.is_local}

SUITES = {
    "bundled": "digits emoji_fluent emoji_noto fashion_mnist_2k",
    "core": "cifar10 dtd eurosat kitti pets renderedsst2",
    "fairness": "dollar_street geode",
    "imagenet": "imagenet1k imagenet_a imagenet_o imagenet_r imagenet_sketch imagenetv2",
    "robustness": "imagenet_a imagenet_o imagenet_r imagenet_sketch imagenetv2 objectnet",
    "vtab": "caltech101 cifar100 clevr_count clevr_distance dtd eurosat flowers kitti pcam pets resisc45 sun397 svhn",
    "wilds": "camelyon17 fmow iwildcam",
}
"""Members of every suite but "standard", which has all tasks of the hub."""

SHORTER = {
    "clevr_count_all": "clevr_count",
    "clevr_closest_object_distance": "clevr_distance",
    "kitti_closest_vehicle_distance": "kitti",
}
MAIN_SCORES = {
    "acc1": "top1",
    "mean_per_class_recall": "mean_class_recall",
    "F1-macro_all": "f1_macro",
    "acc_worst_region": "worst_group_top1",
    "acc_wg": "worst_group_top1",
    "acc_top5_wg": "worst_group_top5",
}


def _name(key: str) -> str:
    """vtab/clevr_count_all → clevr_count, imagenet-a → imagenet_a."""
    last = key.rsplit("/", maxsplit=1)[-1]
    return SHORTER.get(last, last.replace("-", "_"))


def _words(words: object) -> tuple[str, ...] | None:
    """Words as far as they are known without the data set's repository."""
    if isinstance(words, OpenClipList):
        from open_clip import zero_shot_metadata

        return tuple(entry("{c}") if callable(entry) else entry for entry in getattr(zero_shot_metadata, words.name))
    if isinstance(words, RepositoryFile):
        assert not Path(words.path).is_absolute()
        assert words.path.endswith(".txt")
        return None
    assert isinstance(words, tuple)
    assert all(isinstance(word, str) for word in words)
    return words


@pytest.mark.parametrize("name", OWN)
def test_a_task_is_what_its_file_says(name: str) -> None:
    task = OWN[name]
    assert task.name == name
    assert [text for text in (task.summary, task.source, task.license) if not text.strip()] == []
    assert task.groups
    assert task.main_score in {score.name for metric in list_own(METRICS) for score in metric.scores}
    class_names, templates = _words(task.class_names), _words(task.templates)
    for words in filter(None, (class_names, templates)):
        assert [word for word in words if word != word.strip() or not word] == []
    if class_names is not None:
        assert len(class_names) == (task.n_classes or len(class_names)) >= 2
    if isinstance(task.class_names, tuple):
        assert len(set(task.class_names)) == len(task.class_names)
    if templates is not None:
        assert len(set(templates)) == len(templates) >= 1
        prompts = {render(template, words) for template in templates for words in class_names or ("cat", "dog")}
        assert len(prompts) == len(templates) * len(set(class_names or ("cat", "dog")))
        assert [prompt for prompt in prompts if "{" in prompt or "}" in prompt] == []


@pytest.mark.parametrize("name", LOCAL)
def test_the_data_of_a_bundled_task_are_what_its_file_says(name: str) -> None:
    from datasets import ClassLabel, Image, load_dataset

    task = LOCAL[name]
    assert isinstance(task.class_names, tuple)
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


@pytest.mark.parametrize("name", REMOTE)
def test_a_task_of_the_hub_says_what_its_data_must_be(name: str) -> None:
    task = REMOTE[name]
    assert task.dataset.path.count("/") == 1
    assert task.dataset.data_files == "test/*.tar"
    assert task.dataset.revision is None  # no commit has been seen, so none is promised
    assert task.image_column == ("webp", "png", "jpg", "jpeg")
    assert task.label_column == "cls"
    assert task.n_images is not None
    assert task.n_classes is not None
    assert task.n_images > task.n_classes >= 2
    assert task.templates != Task(name="", summary="", dataset=task.dataset).templates


def test_every_task_of_the_hub_has_data_of_its_own() -> None:
    assert len({task.dataset.path for task in REMOTE.values()}) == len(REMOTE)


def test_scores_of_the_worst_group_are_the_main_ones_only_where_groups_are_known() -> None:
    by_group = {name for name, task in OWN.items() if task.main_score.startswith("worst_group_")}
    grouped = {name: task.subgroups for name, task in OWN.items() if task.subgroups is not None}
    assert by_group == {"dollar_street", "fmow", "geode"}
    assert grouped == {
        "camelyon17": Subgroups(column="npy", index=1, meaning="slide"),
        "dollar_street": Subgroups(column="npy", index=0, meaning="level of income"),
        "fmow": Subgroups(column="npy", index=0, meaning="region of the world"),
        "geode": Subgroups(column="npy", index=0, meaning="region of the world"),
    }


def test_suites_have_the_members_they_should() -> None:
    groups = {group for task in OWN.values() for group in task.groups}
    members = {group: {name for name, task in OWN.items() if group in task.groups} for group in groups}
    assert members == {suite: set(names.split()) for suite, names in SUITES.items()} | {"standard": set(REMOTE)}
    assert len(members["standard"]) == 36


def test_no_task_is_in_a_suite_twice() -> None:
    assert [name for name, task in OWN.items() if len(set(task.groups)) < len(task.groups)] == []


def test_the_core_suite_is_small() -> None:
    assert sum(OWN[name].n_images or 0 for name in SUITES["core"].split()) <= CORE_IMAGES


def test_imagenet_and_its_shifts_are_classified_by_the_words_of_open_clip() -> None:
    names, templates = OpenClipList(name="IMAGENET_CLASSNAMES"), OpenClipList(name="OPENAI_IMAGENET_TEMPLATES")
    tasks = [OWN[name] for name in SUITES["imagenet"].split()]
    assert [task.name for task in tasks if task.templates != templates] == []
    assert {task.name for task in tasks if task.class_names == names} == {
        "imagenet1k",
        "imagenet_sketch",
        "imagenetv2",
    }
    assert {task.n_classes for task in tasks if task.class_names != names} == {200}


def test_every_distance_of_clevr_has_a_name() -> None:
    assert OWN["clevr_distance"].class_names == (
        "very nearby",
        "nearby",
        "near",
        "moderately distant",
        "distant",
        "very distant",
    )


if FACTS.is_file():  # CI takes a skip for a failure, so where the table is not there, neither is its test

    def test_the_tasks_of_the_hub_agree_with_the_table_of_data_sets() -> None:
        with FACTS.open(newline="") as file:
            rows = {_name(row["key"]): row for row in csv.DictReader(file)}
        assert {
            name: (task.n_images, task.n_classes, task.main_score, task.dataset.path) for name, task in REMOTE.items()
        } == {
            name: (
                int(row["n_images"]),
                int(row["n_classes"]),
                MAIN_SCORES[row["published_metric"]],
                # DataComp drops "fairness/" before it looks for the repository; the table does not
                row["hub_datacomp"].replace("wds_fairness-", "wds_") or row["hub_clip_benchmark"],
            )
            for name, row in rows.items()
        }
        for tag in ("fairness", "vtab", "wilds"):
            tagged = {name for name, row in rows.items() if tag in row["key"] or tag in row["tags"]}
            assert tagged == set(SUITES[tag].split())


def test_the_bundled_files_are_small_and_each_belongs_to_a_task() -> None:
    files = sorted((FOLDER / "_bundled").glob("*.parquet"))
    assert sum(file.stat().st_size for file in files) < 6 * MEBIBYTE
    assert sorted(str(task.dataset.data_files) for task in LOCAL.values()) == [str(file) for file in files]


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
    assert OWN[name].class_names == class_names
    assert OWN[name].templates == templates


@pytest.mark.parametrize("name", ["emoji_noto", "emoji_fluent"])
def test_the_labels_of_an_emoji_task_are_the_unicode_groups_in_the_order_of_its_words(name: str) -> None:
    from datasets import load_dataset

    task = OWN[name]
    table = load_dataset(task.dataset.path, data_files=task.dataset.data_files, split="train")
    assert table.features[task.label_column].names == list(captions.EMOJI_CLASSES)
