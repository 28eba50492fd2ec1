"""What would be wrong with a task: every bundled one is right, and each fault is found beside the others."""

import json
from pathlib import Path
from typing import Any

import pytest
from colors import BROKEN, LABELS, NAMES, colors_task, encoded, picture, pictures_of
from PIL import Image

from clipkstar.data.rows import open_rows
from clipkstar.data.validation import ClassSize, Copies, Fault, Validation, class_rows, summary_row, validate
from clipkstar.discovery import TASKS, list_own
from clipkstar.errors import InputError
from clipkstar.run import to_json
from clipkstar.task import HubDataset, PromptSet, Task

BUNDLED = [task for task in list_own(TASKS) if task.dataset.is_local]
N = len(LABELS)


def validated(folder: Path, **spoiled: Any) -> Validation:
    return validate(colors_task(folder, **spoiled))


def whole_numbers() -> Any:
    import datasets

    return datasets.Value("int64")


@pytest.mark.parametrize("task", BUNDLED, ids=lambda task: task.name)
def test_every_bundled_task_is_right_and_of_the_size_it_says(task: Task) -> None:
    found = validate(task)
    assert found.problems == ()
    assert found.n_images == task.n_images
    assert sum(size.n_images for size in found.classes) == task.n_images
    assert found.decoded is not None
    assert (found.decoded.n_images, found.decoded.faults) == (64, ())


def test_what_is_found_in_a_small_task_is_counted(tmp_path: Path) -> None:
    found = validated(tmp_path)
    assert (found.task, found.dataset, found.revision) == ("colors", "parquet:colors.parquet", None)
    assert (found.n_images, found.n_classes, found.problems, found.remarks) == (N, 3, (), ())
    assert found.classes == tuple(ClassSize(label=label, name=name, n_images=4) for label, name in enumerate(NAMES))
    assert found.words is not None
    assert (found.words.n_prompts, found.words.n_distinct_prompts) == (3, 3)
    assert found.decoded is not None
    assert found.decoded.n_images == N
    assert found.decoded.sizes == {f"{8 + row}×8": 1 for row in range(N)}
    assert found.decoded.modes == {"RGB": N}
    assert (found.without_image, found.copies) == ((), ())


def test_the_sample_to_decode_is_spread_over_the_rows(tmp_path: Path) -> None:
    found = validate(colors_task(tmp_path), sample=3)
    assert found.decoded is not None
    assert list(found.decoded.sizes) == ["8×8", "13×8", "19×8"]  # rows 0, 5.5 cut down to 5, and 11


def test_sizes_and_modes_are_those_that_are_stored(tmp_path: Path) -> None:
    pictures = [encoded(Image.new(mode, (9, 5))) for mode in ("L", "RGBA", "L", "P")]
    found = validated(tmp_path, labels=(0, 1, 2, 0), pictures=pictures)
    assert found.decoded is not None
    assert (found.decoded.sizes, found.decoded.modes) == ({"9×5": 4}, {"L": 2, "RGBA": 1, "P": 1})


def test_the_result_is_strict_json(tmp_path: Path) -> None:
    written = json.loads(to_json(validated(tmp_path)))
    assert written["classes"][2] == {"label": 2, "name": "blue", "n_images": 4}
    assert written["words"]["class_names"] == list(NAMES)
    assert written["problems"] == []


# Problems: each is what an evaluation says, too.

ONE = pictures_of(LABELS)


def spoiled_task(folder: Path, fault: str) -> Task:
    tasks = {
        "another number of images": {"task": {"n_images": 13}},
        "another number of classes": {"task": {"n_classes": 4}},
        "a blank name": {"task": {"class_names": ("red", " ", "blue")}},
        "no names": {"label_feature": whole_numbers()},
        "too few names": {"label_feature": whole_numbers(), "task": {"class_names": ("red", "green")}},
        "one class": {"labels": (1, 1, 1)},
        "a template without a place": {"task": {"templates": ("a photo.",)}},
        "no image": {"pictures": [*ONE[:7], None, *ONE[8:]]},
        "no column": {"columns": ("picture", "label")},
        "nothing": {"labels": (), "pictures": (), "task": {"n_images": None}},
        "words for labels": {"labels": ["red"] * N, "pictures": ONE, "label_feature": string()},
    }
    return colors_task(folder, **tasks[fault])


def string() -> Any:
    import datasets

    return datasets.Value("string")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            "another number of images",
            "task 'colors' should have 13 images, its data set has 12; this is another split or copy of the data.",
        ),
        (
            "another number of classes",
            "task 'colors' should have 4 classes, there are 3 class names; this is another list or copy of the data.",
        ),
        ("a blank name", "task 'colors' has a blank class name for label 1; each class needs a name."),
        (
            "no names",
            "task 'colors' has no class names and its label column has none; give class_names, or --class-names FILE.",
        ),
        (
            "too few names",
            "task 'colors' has labels from 0 to 2 but 2 class names; each label needs a name (0 is the first).",
        ),
        ("one class", "task 'colors' has images of one class only; it needs at least two classes."),
        (
            "a template without a place",
            "the template 'a photo.' has no {} for the class name; write it where the name goes.",
        ),
        ("no image", "task 'colors': row 7 holds no image; repair or remove it."),
        (
            "no column",
            "task 'colors' names the column 'image', its data set has picture, label; correct image_column or "
            "label_column.",
        ),
        ("nothing", "task 'colors' has no images at all; check its data_files and split."),
        (
            "words for labels",
            "task 'colors' has labels of type Value('string'); it needs one whole number per image, 0 for the first "
            "class.",
        ),
    ],
)
def test_what_keeps_a_task_from_being_evaluated_is_a_problem(fault: str, sentence: str, tmp_path: Path) -> None:
    task = spoiled_task(tmp_path, fault)
    assert validate(task).problems == (sentence,)
    with pytest.raises(InputError) as raised:
        open_rows(task)
    assert str(raised.value) == sentence


def test_a_picture_that_does_not_decode_is_a_problem(tmp_path: Path) -> None:
    found = validated(tmp_path, pictures=[*ONE[:4], BROKEN, *ONE[5:]])
    sentence = "task 'colors': row 4 is no image in a format that PIL knows; repair or remove it."
    assert found.decoded is not None
    assert (found.decoded.n_images, found.decoded.faults) == (N - 1, (Fault(row=4, sentence=sentence),))
    assert found.problems == (sentence,)


def test_one_fault_hides_no_other(tmp_path: Path) -> None:
    found = validated(
        tmp_path,
        pictures=[None, *ONE[1:4], BROKEN, *ONE[5:]],
        label_feature=whole_numbers(),
        task={
            "n_images": 13,
            "class_names": ("", "green"),
            "templates": ("a photo.",),
            "prompt_sets": (PromptSet(name="de", class_names=("rot", "grün"), templates=("ein {}.",)),),
        },
    )
    assert found.problems == (
        "task 'colors' should have 13 images, its data set has 12; this is another split or copy of the data.",
        "task 'colors' has a blank class name for label 0; each class needs a name.",
        "the template 'a photo.' has no {} for the class name; write it where the name goes.",
        "task 'colors' has labels from 0 to 2 but 2 class names; each label needs a name (0 is the first).",
        "task 'colors': row 0 holds no image; repair or remove it.",
        "task 'colors': row 4 is no image in a format that PIL knows; repair or remove it.",
    )
    assert [size.name for size in found.classes] == ["", "green", None]


def test_a_prompt_set_that_does_not_fit_is_a_problem(tmp_path: Path) -> None:
    german = PromptSet(name="de", by_class={"red": ("rot",), "green": ("grün",)})
    assert validated(tmp_path, task={"prompt_sets": (german,)}).problems == (
        "the prompts have no class 'blue'; they need one of each of 3 class names.",
    )


def test_many_faults_of_a_kind_are_counted_after_the_first_five(tmp_path: Path) -> None:
    found = validated(tmp_path, pictures=[*ONE[:1], *[None] * 11])
    assert [fault.row for fault in found.without_image] == list(range(1, 12))
    assert found.problems[-2:] == (
        "task 'colors': row 5 holds no image; repair or remove it.",
        "more rows with such a fault: 6 (6, 7, 8, 9, 10, …).",
    )
    assert len(found.problems) == 6


def test_data_that_are_not_there_are_a_problem(tmp_path: Path) -> None:
    missing = tmp_path / "no.parquet"
    found = validate(Task(name="gone", summary="", dataset=HubDataset(path="parquet", data_files=str(missing))))
    assert len(found.problems) == 1
    assert found.problems[0].startswith("task 'gone' cannot read its data ")
    assert (found.n_images, found.words, found.decoded) == (None, None, None)


# Remarks.


def test_images_that_classes_share_are_named_with_rows_and_classes(tmp_path: Path) -> None:
    pictures = [*ONE[:3], ONE[1], *ONE[4:9], ONE[0], *ONE[10:]]  # row 3 (red) = row 1 (green); row 9 = row 0 (both red)
    found = validated(tmp_path, pictures=pictures)
    assert found.copies == (Copies(rows=(0, 9), labels=(0,)), Copies(rows=(1, 3), labels=(0, 1)))
    assert found.problems == ()
    assert found.remarks == (
        "rows 1, 3 are one file in the classes 'red' and 'green'; no encoder can tell them apart.",
        "files that stand in one class more than once: 1 (rows 0 = 9); this flatters k*.",
    )


def test_many_shared_images_are_counted_after_the_first_five(tmp_path: Path) -> None:
    labels = (0, 1) * 6
    pictures = [picture("red", size=(8 + row // 2, 8)) for row in range(12)]
    found = validated(tmp_path, labels=labels, pictures=pictures, names=("red", "green"))
    assert len(found.copies) == 6
    assert found.remarks[-1] == "more files that stand in several classes: 1."
    assert len(found.remarks) == 6


def test_classes_without_images_are_named(tmp_path: Path) -> None:
    found = validated(tmp_path, names=(*NAMES, "grey", "white"))
    assert found.classes[3:] == (
        ClassSize(label=3, name="grey", n_images=0),
        ClassSize(label=4, name="white", n_images=0),
    )
    assert found.remarks == ("2 of 5 classes have no image: 'grey', 'white'.",)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (" green", "the class name ' green' has blanks at an end or several in a row."),
        ("sea  green", "the class name 'sea  green' has blanks at an end or several in a row."),
        ("sea_green", "the class name 'sea_green' has underscores, which no text tower read in captions."),
        ("7", "the class name '7' is a number only; a word says more to a text tower."),
        ("n01440764", "the class name 'n01440764' is a WordNet id, which no text tower can read."),
    ],
)
def test_odd_class_names_are_remarked(name: str, sentence: str, tmp_path: Path) -> None:
    found = validated(tmp_path, task={"class_names": ("red", name, "blue")})
    assert (found.problems, found.remarks) == ((), (sentence,))


def test_many_odd_class_names_are_counted_after_the_first_five(tmp_path: Path) -> None:
    names = tuple(f"{number}" for number in range(7))
    found = validated(tmp_path, labels=range(7), pictures=pictures_of(range(7)), names=names)
    assert len(found.remarks) == 6
    assert found.remarks[-1] == "more class names that are odd in such a way: 2."


def test_class_names_that_occur_twice_are_remarked(tmp_path: Path) -> None:
    found = validated(tmp_path, task={"class_names": ("red", "green", "red")})
    assert found.words is not None
    assert (found.words.n_prompts, found.words.n_distinct_prompts) == (3, 2)
    assert found.remarks == ("class names that occur more than once: 'red'; their classes tie and the first one wins.",)


@pytest.mark.parametrize(
    ("templates", "sentence"),
    [
        (("a {} {c}.",), "the template 'a {} {c}.' gives prompts with braces, such as 'a {} x.'."),
        (("a {name} {}.",), "the template 'a {name} {}.' gives prompts with braces, such as 'a {name} x.'."),
        ((" a {}.",), "the template ' a {}.' gives prompts with blanks at an end or several in a row."),
        (("a {}.", "a {}."), "the template 'a {}.' stands there several times."),
    ],
)
def test_odd_templates_are_remarked(templates: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    found = validated(tmp_path, task={"templates": templates})
    assert (found.problems, found.remarks) == ((), (sentence,))


# What is refused, and what is printed.


def test_a_sample_of_nothing_and_a_revision_of_local_files_are_refused(tmp_path: Path) -> None:
    task = colors_task(tmp_path)
    with pytest.raises(InputError) as raised:
        validate(task, sample=0)
    assert str(raised.value) == "the sample of task 'colors' to decode is 0; it needs at least 1."
    with pytest.raises(InputError) as raised:
        validate(task, revision="main")
    assert str(raised.value) == "task 'colors' reads local files, which have no revision; leave --revision out."


def test_the_line_of_a_task_and_those_of_its_classes_are_printable(tmp_path: Path) -> None:
    pictures = [*ONE[:3], ONE[1], *ONE[4:9], ONE[0], BROKEN, ONE[11]]
    found = validated(tmp_path, labels=(*LABELS[:11], 0), pictures=pictures)
    assert summary_row(found) == {
        "task": "colors",
        "images": 12,
        "classes": 3,
        "smallest class": 3,
        "largest class": 5,
        "prompts": 3,
        "decoded": "11 of 12",
        "copies": 1,
        "copies across classes": 1,
        "problems": 1,
    }
    assert class_rows(found) == [
        {"class": 0, "name": "red", "images": 5},
        {"class": 1, "name": "green", "images": 4},
        {"class": 2, "name": "blue", "images": 3},
    ]


def test_a_task_that_does_not_open_has_a_line_too(tmp_path: Path) -> None:
    found = validate(Task(name="gone", summary="", dataset=HubDataset(path="parquet", data_files=str(tmp_path / "x"))))
    assert summary_row(found) | {"problems": 1} == summary_row(found)
    assert class_rows(found) == []
