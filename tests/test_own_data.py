"""Own data without a task file: folders, data files, repositories; each refusal whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from colors import LABELS, NAMES, picture, pictures_of, write_parquet, write_task
from hub_stand_in import hub_stand_in
from webdataset_shards import write_shards

from clipkstar.data.class_name_files import class_names_of
from clipkstar.data.image_folder import open_image_folder
from clipkstar.data.own_data import Columns, task_from
from clipkstar.data.rows import open_rows
from clipkstar.errors import InputError
from clipkstar.run import to_json
from clipkstar.selection import select_tasks
from clipkstar.task import HubDataset, Task

IDS = ("n01440764", "n01443537")


def write_folder(folder: Path, classes: tuple[str, ...] = ("red", "green_ish", "blue"), n_images: int = 3) -> Path:
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for image in range(n_images):
            (folder / name / f"{image}.png").write_bytes(picture(NAMES[number % 3], size=(8 + image, 8)))
    return folder


def made(wanted: object, **columns: str) -> Task:
    task = task_from(str(wanted), Columns(**columns))
    assert task is not None
    return task


def refusal(wanted: object, **columns: str) -> str:
    with pytest.raises(InputError) as raised:
        task_from(str(wanted), Columns(**columns))
    return str(raised.value)


# A folder of class subfolders.


def test_a_folder_of_class_subfolders_is_a_task_named_after_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "hues")
    assert made(folder) == Task(
        name="hues",
        summary="images in 3 subfolders",
        dataset=HubDataset(path="imagefolder", data_files=str(folder), split="all"),
        class_names=("blue", "green ish", "red"),
    )


def test_its_rows_come_by_class_and_then_by_file_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "hues", n_images=11)
    rows = open_rows(made(folder))
    assert rows.labels.tolist() == [0] * 11 + [1] * 11 + [2] * 11
    in_order = [folder / name / f"{number}.png" for name in ("blue", "green_ish", "red") for number in (0, 1, 10, 2)]
    assert rows.image_bytes([0, 1, 2, 3, 11, 12, 13, 14, 22, 23, 24, 25]) == [file.read_bytes() for file in in_order]
    assert rows.class_names == ("blue", "green ish", "red")


@pytest.mark.parametrize("name", ["train", "test", "validation", "dev set"])
def test_a_class_that_is_called_like_a_split_is_a_class(name: str, tmp_path: Path) -> None:
    rows = open_rows(made(write_folder(tmp_path / "vehicles", ("car", name))))
    assert rows.labels.tolist() == [0] * 3 + [1] * 3
    assert rows.class_names == ("car", name)


def test_a_file_that_is_called_like_a_split_is_an_image(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "hues")
    (folder / "red" / "test-001.png").write_bytes(picture("red", size=(30, 8)))
    assert len(open_image_folder(folder)) == 10


def test_metadata_and_hidden_files_do_not_confuse_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "hues")
    for name in ("metadata.csv", "README.md", ".DS_Store", "red/.DS_Store", "red/Thumbs.db"):
        (folder / name).write_text("file_name,x\nred/0.png,1\n")
    (folder / ".cache").mkdir()
    assert open_rows(made(folder)).labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3


def test_a_folder_of_metadata_tables_is_one_of_images_still(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "hues")
    (folder / "metadata.parquet").write_bytes(b"")
    assert made(folder).class_names == ("blue", "green ish", "red")


def test_changed_pictures_change_the_fingerprint_and_added_ones_are_there(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "hues")
    before = open_rows(made(folder)).fingerprint
    assert open_rows(made(folder)).fingerprint == before
    (folder / "red" / "0.png").write_bytes(picture("red", size=(20, 20)))
    changed = open_rows(made(folder))
    assert changed.fingerprint != before
    (folder / "red" / "9.png").write_bytes(picture("red"))
    assert open_rows(made(folder)).n_images == changed.n_images + 1


def test_names_with_signs_of_globs_are_only_names(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "old [1]*", ("a [b]", "c?"))
    assert open_rows(made(folder)).class_names == ("a [b]", "c?")


def test_a_folder_may_be_the_one_we_are_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_folder(tmp_path / "hues"))
    task = made(".")
    assert (task.name, task.dataset.title) == ("hues", "imagefolder:hues")


def test_what_records_say_of_it_holds_no_folder_of_this_machine(tmp_path: Path) -> None:
    task = made(write_folder(tmp_path / "hues"))
    assert (task.dataset.title, str(tmp_path) in task.summary) == ("imagefolder:hues", False)


def test_templates_beside_the_images_are_used(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "hues")
    (folder / "zeroshot_classification_templates.txt").write_text("a {c} wall.\nall {c}.\n")
    assert made(folder).templates == ("a {c} wall.", "all {c}.")


# Names files.


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classnames.txt", "n01443537 goldfish, Carassius auratus\nn01440764 tench\n"),
        ("classnames.txt", "n01443537\tgoldfish, Carassius auratus\nn01440764\ttench"),
        ("classnames.json", json.dumps({"n01443537": "goldfish, Carassius auratus", "n01440764": "tench"})),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_names_file_names_subfolders_in_or_beside_the_folder(
    file: str, text: str, inside: bool, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "val", IDS)
    ((folder if inside else tmp_path) / file).write_text(text)
    assert made(folder).class_names == ("tench", "goldfish, Carassius auratus")
    assert made(folder).summary == f"images in 2 subfolders, named by {file}"


def test_the_names_file_in_the_folder_goes_before_that_beside_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "val", IDS)
    (folder / "classnames.txt").write_text("n01440764 tench\nn01443537 goldfish\n")
    (tmp_path / "classnames.txt").write_text("n01440764 other\n")
    assert made(folder).class_names == ("tench", "goldfish")


def test_subfolders_of_ids_without_names_are_refused_when_they_are_opened(tmp_path: Path) -> None:
    task = made(write_folder(tmp_path / "val", IDS))
    with pytest.raises(InputError, match=r"^task 'val' has no class names "):
        open_rows(task)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            {"classnames.txt": "n01440764 tench\n"},
            "'classnames.txt' has no class name for 'n01443537' (1 of 2 classes of the data lack one); add it.",
        ),
        (
            {"classnames.txt": "n01440764 tench\nn01443537 goldfish\nn01484850 shark\n"},
            "'classnames.txt' has a class name for 'n01484850', which is no class of the data (1 of 3 are none); "
            "remove it.",
        ),
        (
            {"classnames.txt": "n01440764 tench\ngoldfish\n"},
            "line 2 of 'classnames.txt' is 'goldfish'; after a first line with a name in the data and a class name "
            "each line needs both, with a tab between them.",
        ),
        (
            {"classnames.txt": "n01440764 tench\nn01443537 goldfish\nn01440764 fish\n"},
            "'classnames.txt' has two class names for 'n01440764'; remove one.",
        ),
        (
            {"classnames.json": '{"n01440764": "a", "n01440764": "b"}'},
            "'classnames.json' has two class names for 'n01440764'; remove one.",
        ),
        (
            {"classnames.json": '{"0": ["n01440764", "tench"]}'},
            "'classnames.json' maps '0' to ['n01440764', 'tench']; it needs {name in the data: class name}.",
        ),
        (
            {"classnames.json": "3"},
            "'classnames.json' holds no class names; it needs a list of names in label order, or {name in the data: "
            "class name}.",
        ),
        (
            {"classnames.json": "{"},
            "the class names cannot be read from 'classnames.json' (Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)); check the file.",
        ),
    ],
)
def test_a_names_file_that_does_not_fit_is_refused(files: dict[str, str], sentence: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "val", IDS)
    for name, text in files.items():
        (folder / name).write_text(text)
    assert refusal(folder) == sentence


def test_a_names_file_that_does_not_say_whose_the_names_are_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "val", IDS)
    (folder / "classnames.txt").write_text("tench\ngoldfish\n")
    assert refusal(folder) == (
        f"'{folder}/classnames.txt' lists class names without saying whose; each line needs a subfolder, a tab and its "
        "class name."
    )


def test_two_names_files_in_one_place_are_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "val", IDS)
    for name in ("classnames.txt", "classnames.json"):
        (folder / name).write_text("")
    assert refusal(folder) == (
        f"both '{folder}/classnames.txt' and 'classnames.json' beside it name the classes; remove one."
    )


def test_a_file_given_for_any_data_lists_names_in_label_order_or_maps_them(tmp_path: Path) -> None:
    listed, mapped = tmp_path / "list.txt", tmp_path / "map.txt"
    listed.write_text("sea snake\nvine snake\n")
    mapped.write_text("b\tvine snake\na\tsea snake\n")
    assert class_names_of(listed, ()) == class_names_of(listed, ("a", "b")) == ("sea snake", "vine snake")
    assert class_names_of(mapped, ("a", "b")) == ("sea snake", "vine snake")
    with pytest.raises(InputError) as raised:
        class_names_of(mapped, ())
    assert str(raised.value) == (
        "'map.txt' maps names to class names, but the data have label numbers only; give one class name a line, in "
        "label order."
    )


# Folders that are none.


def test_each_folder_that_is_no_set_of_classes_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    assert refusal(folder) == f"the folder '{folder}' is empty; it needs one subfolder of images for each class."
    (folder / "README.md").write_text("none")
    assert refusal(folder) == (
        f"the folder '{folder}' has no subfolders; it needs one of images for each class, or task files (.py)."
    )
    (folder / "red").mkdir()
    assert refusal(folder) == f"the folder '{folder}' has nothing in its subfolder 'red'; fill or remove it."
    (folder / "red" / "notes.txt").write_text("none")
    assert refusal(folder) == f"the folder '{folder}' holds 'red/notes.txt', which is no image; remove it."
    (folder / "red" / "deep").mkdir()
    assert refusal(folder) == (
        f"the folder '{folder}' holds the folder 'red/deep'; it needs its images in one level of class subfolders, so "
        f"name the folder above them, such as '{folder}/red'."
    )
    (folder / "loose.png").write_bytes(picture("red"))
    assert refusal(folder) == (
        f"the folder '{folder}' holds the image 'loose.png' itself; put each image into a subfolder named after its "
        "class."
    )


@pytest.mark.parametrize("inside", ["", "test/"])
def test_a_folder_of_data_files_says_how_to_name_them(inside: str, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    (folder / inside).mkdir(parents=True)
    (folder / inside / "0.tar").write_bytes(b"")
    assert refusal(folder) == (
        f"the folder '{folder}' holds the data file '{inside}0.tar'; name such files themselves, as in --task "
        f"'{folder}/{inside}*.tar'."
    )


def test_a_folder_of_task_files_is_none_and_one_with_images_too_is_refused(tmp_path: Path) -> None:
    write_task(tmp_path)
    assert task_from(str(tmp_path), Columns()) is None
    write_folder(tmp_path, ("red",))
    assert refusal(tmp_path) == (
        f"the folder '{tmp_path}' holds a task file, 'colors.py', and an image, 'red/0.png'; name the .py files, or "
        "keep the images apart from them."
    )


# Data files.


def write_set(folder: Path) -> Path:
    folder.mkdir()
    write_parquet(folder / "part-10.parquet", labels=LABELS[6:], columns=("img", "fine"))
    return write_parquet(folder / "part-2.parquet", labels=LABELS[:6], columns=("img", "fine"))


def test_a_glob_of_parquet_files_is_a_task_named_after_their_folder(tmp_path: Path) -> None:
    write_set(tmp_path / "hues")
    task = made(tmp_path / "hues" / "*.parquet", image="img", label="fine")
    assert (task.name, task.summary, task.dataset.title) == ("hues", "2 .parquet files", "parquet:*.parquet")
    rows = open_rows(task)
    assert (rows.labels.tolist(), rows.class_names) == (list(LABELS), NAMES)
    assert rows.image_bytes([0, 6]) == [pictures_of(LABELS[:6])[0], pictures_of(LABELS[6:])[0]]


def test_a_single_file_is_a_task_named_after_it_with_the_usual_columns(tmp_path: Path) -> None:
    task = made(write_parquet(tmp_path / "colors [1].parquet"))
    assert (task.name, task.image_column, task.label_column) == ("colors [1]", "image", "label")
    assert open_rows(task).labels.tolist() == list(LABELS)


def test_shards_take_names_and_templates_from_the_folder_above_test(tmp_path: Path) -> None:
    pictures = [(picture(NAMES[label], size=(8 + row, 8)), label) for row, label in enumerate(LABELS)]
    write_shards(tmp_path / "hues", pictures, class_names=("r", "g", "b"), templates=("a {c} wall.",))
    task = made(tmp_path / "hues" / "test" / "*.tar")
    assert (task.name, task.class_names, task.templates) == ("hues", ("r", "g", "b"), ("a {c} wall.",))
    rows = open_rows(task)
    assert (rows.labels.tolist(), rows.class_names) == (list(LABELS), ("r", "g", "b"))
    assert np.array_equal(open_rows(made(tmp_path / "hues" / "test" / "0.tar")).labels, rows.labels)


def test_other_members_of_shards_are_named_by_the_user(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"")
    task = made(tmp_path / "0.tar", image="photo.jpg", label="json")
    assert (task.image_column, task.label_column) == ("photo.jpg", "json")


def test_files_that_are_no_data_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.parquet") == f"there is no file '{tmp_path}/no.parquet'; check the path."
    assert refusal(tmp_path / "*.tar") == (
        f"no file matches '{tmp_path}/*.tar'; check the path, and quote it so that the shell leaves it alone."
    )
    (tmp_path / "a.png").write_bytes(picture("red"))
    assert refusal(tmp_path / "*.png") == (
        f"the file '{tmp_path}/a.png' is no data that can be read; --task needs .parquet, .tar, .arrow files, a folder "
        "of class subfolders, or a task."
    )
    (tmp_path / "a.tar").write_bytes(b"")
    assert refusal(tmp_path / "a.*") == (
        f"'{tmp_path}/a.*' matches files of several kinds, .png and .tar; name those of one kind."
    )


@pytest.mark.parametrize("wanted", ["digits", "cifar10", "my task", "none/digits.py", "digits.py", "", " ", "a" * 300])
def test_what_is_none_of_these_is_left_to_others(wanted: str) -> None:
    assert task_from(wanted, Columns()) is None


# Repositories of the hub.


def test_a_repository_is_a_task_with_the_columns_and_the_split_given() -> None:
    assert made("hub:org/some.name", image="img", label="fine", split="validation") == Task(
        name="org--some.name",
        summary="org/some.name on the hub",
        dataset=HubDataset(path="org/some.name", split="validation"),
        image_column="img",
        label_column="fine",
    )


def test_files_of_a_repository_may_be_named() -> None:
    task = made("hub:org/name/test/*.tar")
    assert task.dataset == HubDataset(path="org/name", data_files="test/*.tar", split="test")
    assert (task.image_column, task.label_column) == (("webp", "png", "jpg", "jpeg"), "cls")


@pytest.mark.parametrize("wanted", ["hub:", "hub:name", "hub:org/", "hub:org/na me"])
def test_what_is_no_repository_is_refused(wanted: str) -> None:
    assert refusal(wanted) == (
        f"'{wanted}' names no repository of the hub; it needs hub:org/name, or hub:org/name/FILES such as "
        "hub:org/name/test/*.tar."
    )


OPENED = """
import json, sys
from clipkstar.data.own_data import Columns, task_from
from clipkstar.data.rows import open_rows
def opened(wanted, **columns):
    rows = open_rows(task_from(wanted, Columns(**columns)))
    return [rows.labels.tolist(), rows.class_names, rows.task.dataset.title, len(rows.revision)]
print(json.dumps([
    opened("hub:org/hues", image="img", label="fine"),
    opened("hub:org/hues", image="img", label="fine", split="train"),
    opened("hub:org/hues/data/train-*.parquet", image="img", label="fine"),
]))
"""


def test_a_repository_opens_by_its_columns_split_and_files(tmp_path: Path) -> None:
    data = tmp_path / "root" / "datasets" / "org" / "hues" / "data"
    data.mkdir(parents=True)
    for split, labels in (("train", LABELS[:9]), ("test", LABELS[:6])):
        write_parquet(data / f"{split}-00000-of-00001.parquet", labels=labels, columns=("img", "fine"))
    with hub_stand_in(tmp_path / "root") as hub:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"}
        done = subprocess.run([sys.executable, "-c", OPENED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        [list(LABELS[:6]), list(NAMES), "org/hues", 40],
        [list(LABELS[:9]), list(NAMES), "org/hues", 40],
        [list(LABELS[:9]), list(NAMES), "org/hues", 40],
    ]


# Options that do not fit.


def test_columns_and_splits_are_refused_where_there_are_none(tmp_path: Path) -> None:
    folder, file = write_folder(tmp_path / "hues"), write_parquet(tmp_path / "colors.parquet")
    assert refusal(folder, image="img") == f"the folder '{folder}' has no columns; leave --image-column out."
    assert refusal(folder, image="img", label="fine") == (
        f"the folder '{folder}' has no columns; leave --image-column and --label-column out."
    )
    assert refusal(folder, split="test") == f"the folder '{folder}' is the split itself; leave --split out."
    assert refusal(file, split="test") == f"'{file}' is the split itself; leave --split out."


# Among other tasks.


def chosen(*wanted: object, **columns: str) -> list[str]:
    return [task.name for task in select_tasks([str(name) for name in wanted], None, Columns(**columns))]


def test_own_data_stand_among_the_tasks_in_their_order_and_once(tmp_path: Path) -> None:
    folder, file = write_folder(tmp_path / "hues"), write_parquet(tmp_path / "colors.parquet")
    assert chosen("digits", folder, "emoji_noto", file, folder, f"{folder}/") == [
        "digits",
        "hues",
        "emoji_noto",
        "colors",
    ]


def test_the_name_of_a_task_goes_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert select_tasks(["digits"], None)[0].dataset.path == "parquet"


def test_own_data_may_not_be_called_like_a_task_or_like_each_other(tmp_path: Path) -> None:
    for folder in ("digits", "a/hues", "b/hues"):
        write_folder(tmp_path / folder)
    for wanted, name in ((["digits"], "digits"), (["a/hues", "b/hues"], "hues")):
        with pytest.raises(InputError) as raised:
            chosen(*(tmp_path / place for place in wanted))
        assert str(raised.value) == f"there are two different task entries named '{name}'; rename one."


def test_columns_without_own_data_are_refused() -> None:
    with pytest.raises(InputError) as raised:
        chosen("digits", image="img")
    assert str(raised.value) == (
        "--image-column, --label-column and --split are for data files and hub:org/name; tasks name their own, so "
        "leave them out."
    )


def test_a_task_of_own_data_can_be_written_down(tmp_path: Path) -> None:
    assert json.loads(to_json(made(write_folder(tmp_path / "hues"))))["class_names"] == ["blue", "green ish", "red"]
