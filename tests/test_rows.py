"""Open a task: checks, samples, fingerprints; a hub repository through the real client and a stand-in hub."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colors import BROKEN, LABELS, colors_task, picture, pictures_of, write_parquet
from hub_stand_in import hub_stand_in
from hypothesis import given
from hypothesis import strategies as st

from clipkstar.data import tables
from clipkstar.data.rows import Rows, open_rows
from clipkstar.data.source import encoded_image
from clipkstar.errors import InputError
from clipkstar.stratified_sample import stratified_sample
from clipkstar.task import HubDataset, Task

N = len(LABELS)


def _refusal(task: Task, **options: Any) -> str:
    with pytest.raises(InputError) as raised:
        open_rows(task, **options)
    return str(raised.value)


def _whole_numbers() -> Any:
    import datasets

    return datasets.Value("int64")


def _words() -> Any:
    import datasets

    return datasets.Value("string")


def test_an_opened_task_has_labels_names_and_image_bytes_in_row_order(tmp_path: Path) -> None:
    rows = open_rows(colors_task(tmp_path))
    assert rows.labels.tolist() == list(LABELS)
    assert (rows.labels.dtype, rows.row_numbers.dtype) == (np.int64, np.int64)
    assert rows.row_numbers.tolist() == list(range(N))
    assert rows.class_names == ("red", "green", "blue")
    assert (rows.n_images, rows.limit, rows.revision, rows.notices) == (N, None, None, ())
    assert rows.image_bytes([3, 0, 3]) == [pictures_of(LABELS)[row] for row in (3, 0, 3)]
    assert rows.where(5) == "task 'colors': row 5"
    assert rows.seconds > 0


def test_class_names_of_the_task_come_before_those_of_the_data_set(tmp_path: Path) -> None:
    assert open_rows(colors_task(tmp_path, task={"class_names": ("r", "g", "b")})).class_names == ("r", "g", "b")


def test_a_class_without_an_image_keeps_its_name_and_its_number(tmp_path: Path) -> None:
    rows = open_rows(colors_task(tmp_path, labels=(0, 2, 0, 2)))
    assert rows.class_names == ("red", "green", "blue")
    assert rows.labels.tolist() == [0, 2, 0, 2]
    assert rows.notices == (
        "task 'colors': 1 of 3 classes have no image, 'green' the first; are the class names those of this data set?",
    )


def test_other_column_names_are_read_where_the_task_names_them(tmp_path: Path) -> None:
    task = {"image_column": "webp", "label_column": "cls"}
    assert open_rows(colors_task(tmp_path, columns=("webp", "cls"), task=task)).labels.tolist() == list(LABELS)


# Each error, whole.


@pytest.mark.parametrize(
    ("columns", "missing", "there"),
    [(("picture", "label"), "image", "picture, label"), (("image", "class"), "label", "image, class")],
)
def test_a_data_set_without_a_named_column_is_refused(
    tmp_path: Path, columns: tuple[str, str], missing: str, there: str
) -> None:
    assert _refusal(colors_task(tmp_path, columns=columns)) == (
        f"task 'colors' names the column '{missing}', its data set has {there}; correct image_column or label_column."
    )


def test_another_number_of_images_than_the_task_says_is_refused(tmp_path: Path) -> None:
    assert _refusal(colors_task(tmp_path, task={"n_images": 10_000})) == (
        "task 'colors' should have 10000 images, its data set has 12; this is another split or copy of the data."
    )


def test_the_number_of_images_is_that_of_the_data_set_and_not_of_the_sample(tmp_path: Path) -> None:
    assert open_rows(colors_task(tmp_path, task={"n_images": 12}), limit=6).n_images == 6
    assert "should have 6 images" in _refusal(colors_task(tmp_path, task={"n_images": 6}), limit=6)


def test_a_task_whose_number_of_images_is_not_known_opens(tmp_path: Path) -> None:
    assert open_rows(colors_task(tmp_path, task={"n_images": None})).n_images == N


def test_images_of_one_class_only_are_refused(tmp_path: Path) -> None:
    assert (
        _refusal(colors_task(tmp_path, labels=(1, 1, 1)))
        == "task 'colors' has images of one class only; it needs at least two classes."
    )


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    task = colors_task(tmp_path)
    missing = tmp_path / "none.parquet"
    assert (
        _refusal(replace(task, dataset=HubDataset(path="parquet", data_files=str(missing))))
        == f"task 'colors' cannot read its data (FileNotFoundError: there is no file {missing}); "
        "check its dataset and the files."
    )


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    task = colors_task(tmp_path)
    (tmp_path / "colors.parquet").write_bytes(b"no parquet at all")
    assert _refusal(task) == (
        "task 'colors' cannot read its data (ArrowInvalid: Parquet magic bytes not found in footer. Either the file is "
        "corrupted or this is not a parquet file.); check its dataset and the files."
    )


def test_an_empty_data_set_is_refused(tmp_path: Path) -> None:
    task = colors_task(tmp_path, labels=(), pictures=(), task={"n_images": None})
    assert _refusal(task) == "task 'colors' has no images at all; check its data_files and split."


@pytest.mark.parametrize("label", ["red", 0.5])
def test_labels_that_are_no_whole_numbers_are_refused(tmp_path: Path, label: Any) -> None:
    import datasets

    kinds = {str: datasets.Value("string"), float: datasets.Value("float64")}
    kind = kinds[type(label)]
    task = colors_task(tmp_path, labels=[label] * 4, pictures=[picture("red")] * 4, label_feature=kind)
    assert _refusal(task) == (
        f"task 'colors' has labels of type {kind}; it needs one whole number per image, 0 for the first class."
    )


@pytest.mark.parametrize("labels", [([0], [1, 2], [0]), ([0, 1], [0, 2], [0, 1])])
def test_several_labels_for_one_image_are_refused(tmp_path: Path, labels: Any) -> None:
    import datasets

    kind = datasets.List(_whole_numbers())
    task = colors_task(tmp_path, labels=labels, pictures=[picture("red")] * 3, label_feature=kind)
    assert _refusal(task) == (
        f"task 'colors' has a list of labels for each image (column of type {kind}); k* needs one class for each "
        "image, so data sets of several labels cannot be evaluated."
    )


def test_an_image_without_a_label_is_refused(tmp_path: Path) -> None:
    labels: Any = (0, None, 1)
    task = colors_task(tmp_path, labels=labels, pictures=[picture("red")] * 3)
    assert _refusal(task) == "task 'colors': row 1 has no label; repair or remove it."


def test_a_task_without_class_names_anywhere_is_refused(tmp_path: Path) -> None:
    assert (
        _refusal(colors_task(tmp_path, label_feature=_whole_numbers()))
        == "task 'colors' has no class names and its label column has none; give class_names, or --class-names FILE."
    )


@pytest.mark.parametrize(("labels", "span"), [((0, 1, 2, 3), "0 to 3"), ((-1, 0, 1), "-1 to 1"), ((1, 2, 3), "1 to 3")])
def test_labels_outside_the_class_names_are_refused(tmp_path: Path, labels: tuple[int, ...], span: str) -> None:
    task = colors_task(tmp_path, labels=labels, label_feature=_whole_numbers(), task={"class_names": ("r", "g", "b")})
    assert _refusal(task) == (
        f"task 'colors' has labels from {span} but 3 class names; each label needs a name (0 is the first)."
    )


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_class_name_is_refused(tmp_path: Path, blank: str) -> None:
    assert (
        _refusal(colors_task(tmp_path, task={"class_names": ("red", blank, "blue")}))
        == "task 'colors' has a blank class name for label 1; each class needs a name."
    )


def test_a_row_without_an_image_is_refused(tmp_path: Path) -> None:
    task = colors_task(tmp_path, pictures=[*pictures_of(LABELS[:7]), None, *pictures_of(LABELS[8:])])
    assert _refusal(task) == "task 'colors': row 7 holds no image; repair or remove it."


def test_a_column_of_words_instead_of_images_is_refused(tmp_path: Path) -> None:
    words: Any = ["red.png"] * N
    assert (
        _refusal(colors_task(tmp_path, pictures=words, image_feature=_words()))
        == "task 'colors': row 0 holds no image; repair or remove it."
    )


def test_an_image_that_is_only_a_path_to_nowhere_is_refused(tmp_path: Path) -> None:
    import datasets

    paths = datasets.Features({"bytes": datasets.Value("binary"), "path": datasets.Value("string")})
    cells: Any = [{"bytes": None, "path": "/nowhere/red.png"}] * N
    task = colors_task(tmp_path, pictures=cells, image_feature=dict(paths))
    assert _refusal(task) == "task 'colors': row 0 names the file '/nowhere/red.png', which cannot be read; restore it."


def test_an_image_that_is_only_a_path_is_read_from_there(tmp_path: Path) -> None:
    import datasets

    (tmp_path / "red.png").write_bytes(picture("red"))
    cells: Any = [{"bytes": None, "path": str(tmp_path / "red.png")}] * N
    feature = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    assert open_rows(colors_task(tmp_path, pictures=cells, image_feature=feature)).image_bytes([5]) == [picture("red")]


def test_a_column_of_paths_without_bytes_is_refused(tmp_path: Path) -> None:
    import datasets

    cells: Any = [{"path": "/nowhere/red.png"}] * N
    task = colors_task(tmp_path, pictures=cells, image_feature={"path": datasets.Value("string")})
    assert _refusal(task) == "task 'colors': row 0 names the file '/nowhere/red.png', which cannot be read; restore it."


def test_another_image_column_is_not_read_even_if_its_pictures_are_broken(tmp_path: Path) -> None:
    rows = open_rows(colors_task(tmp_path, others={"mask": [BROKEN] * N}))
    assert rows.image_bytes(range(N)) == pictures_of(LABELS)


@pytest.mark.parametrize("names", [(0, 1, 2), ("red", None, "blue")])
def test_class_names_that_are_no_strings_are_refused(tmp_path: Path, names: tuple[Any, ...]) -> None:
    assert _refusal(colors_task(tmp_path, task={"class_names": names})) == (
        f"task 'colors' has the class names {names}; they need to be a tuple of strings, such as ('cat', 'dog')."
    )


def test_class_names_given_as_one_string_are_refused(tmp_path: Path) -> None:
    assert _refusal(colors_task(tmp_path, task={"class_names": "rgb"})) == (
        "task 'colors' has the class names 'rgb'; they need to be a tuple of strings, such as ('cat', 'dog')."
    )


@pytest.mark.parametrize(
    ("templates", "sentence"),
    [
        ("a {}.", "the templates are 'a {}.'; they need to be a tuple of strings, such as ('a photo of a {}.',)."),
        ((), "the templates are (); they need to be a tuple of strings, such as ('a photo of a {}.',)."),
        (("a photo.",), "the template 'a photo.' has no {} for the class name; write it where the name goes."),
    ],
)
def test_templates_that_make_no_prompt_are_refused_when_the_task_is_opened(
    tmp_path: Path, templates: Any, sentence: str
) -> None:
    assert _refusal(colors_task(tmp_path, task={"templates": templates})) == sentence


def test_a_revision_of_local_files_is_refused(tmp_path: Path) -> None:
    assert (
        _refusal(colors_task(tmp_path), revision="v2")
        == "task 'colors' reads local files, which have no revision; leave --revision out."
    )


def test_class_names_that_occur_twice_are_kept_and_said(tmp_path: Path) -> None:
    rows = open_rows(colors_task(tmp_path, task={"class_names": ("red", "blue", "red")}))
    assert rows.class_names == ("red", "blue", "red")
    assert rows.notices == (
        "task 'colors': the class names 'red' occur more than once; their classes tie and the first one wins.",
    )


# The sample of --limit.


def test_a_limit_of_at_least_all_images_is_no_limit(tmp_path: Path) -> None:
    whole, limited = open_rows(colors_task(tmp_path)), open_rows(colors_task(tmp_path), limit=N)
    assert limited.limit is None
    assert limited.fingerprint == whole.fingerprint


def test_a_sample_has_the_labels_and_bytes_of_its_rows(tmp_path: Path) -> None:
    rows = open_rows(colors_task(tmp_path), limit=6)
    assert (rows.limit, rows.n_images) == (6, 6)
    assert rows.labels.tolist() == [LABELS[row] for row in rows.row_numbers]
    assert rows.image_bytes(range(6)) == [pictures_of(LABELS)[row] for row in rows.row_numbers]
    assert Counter(rows.labels.tolist()) == {0: 2, 1: 2, 2: 2}


def test_a_sample_of_one_class_blames_the_limit(tmp_path: Path) -> None:
    assert (
        _refusal(colors_task(tmp_path), limit=1)
        == "task 'colors' has, in a sample of 1, images of one class only; it needs at least two classes."
    )


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(tmp_path: Path, limit: int) -> None:
    assert (
        _refusal(colors_task(tmp_path), limit=limit) == f"the limit of task 'colors' is {limit}; it needs at least 1."
    )


@st.composite
def _labels_and_size(draw: st.DrawFn) -> tuple[list[int], int]:
    labels = draw(st.lists(st.integers(0, 7), min_size=2, max_size=60))
    return labels, draw(st.integers(1, len(labels) - 1))


@given(_labels_and_size())
def test_a_sample_has_its_size_every_row_once_and_every_share_within_one(given: tuple[list[int], int]) -> None:
    labels, size = np.array(given[0]), given[1]
    sample = stratified_sample(labels, size)
    assert len(sample) == size
    assert (np.diff(sample) > 0).all()
    assert 0 <= sample[0] <= sample[-1] < len(labels)
    assert sample.tolist() == stratified_sample(labels.copy(), size).tolist()
    for label in set(given[0]):
        exact = (labels == label).sum() * size / len(labels)
        assert abs((labels[sample] == label).sum() - exact) < 1


def test_the_largest_remainders_are_filled_first_and_then_the_first_class() -> None:
    # 7 of 10: shares 4·0.7 = 2.8, 3·0.7 = 2.1, 3·0.7 = 2.1 → 2 + 2 + 2, the seventh to the remainder 0.8.
    labels = np.array([0] * 4 + [1] * 3 + [2] * 3)
    assert np.bincount(labels[stratified_sample(labels, 7)]).tolist() == [3, 2, 2]
    # 4 of 9: shares 4/3 each → 1 + 1 + 1, the fourth to the first class.
    thirds = np.array([2, 1, 0] * 3)
    assert np.bincount(thirds[stratified_sample(thirds, 4)]).tolist() == [2, 1, 1]


def test_a_sample_does_not_simply_take_the_first_rows() -> None:
    labels = np.array([0, 1] * 500)
    assert stratified_sample(labels, 100).mean() > 300


# The fingerprint.


def _fingerprint(folder: Path, name: str = "colors", **changes: Any) -> str:
    folder.mkdir(exist_ok=True)
    limit = changes.pop("limit", None)
    return open_rows(colors_task(folder, name=name, **changes), limit=limit).fingerprint


def _other_byte() -> list[bytes | None]:
    pictures = pictures_of(LABELS)
    first = bytearray(pictures[0] or b"")
    first[-1] ^= 1
    return [bytes(first), *pictures[1:]]


def _swapped(values: Any) -> Any:
    return [values[3], *values[1:3], values[0], *values[4:]]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"pictures": _other_byte()}, id="one byte of one image"),
        pytest.param({"labels": (1, *LABELS[1:]), "pictures": pictures_of(LABELS)}, id="one label"),
        pytest.param({"pictures": _swapped(pictures_of(LABELS))}, id="the order of two images of one class"),
        pytest.param({"names": ("red", "green", "navy")}, id="a class name of the data set"),
        pytest.param({"task": {"class_names": ("red", "green", "navy")}}, id="a class name of the task"),
        pytest.param({"task": {"templates": ("a picture of a {}.",)}}, id="a template"),
        pytest.param({"task": {"templates": ("a photo of a {}.",) * 2}}, id="the number of templates"),
        pytest.param({"limit": 6}, id="the limit"),
        pytest.param({"labels": LABELS[:-1]}, id="the number of images"),
    ],
)
def test_the_fingerprint_changes_with(tmp_path: Path, change: dict[str, Any]) -> None:
    assert _fingerprint(tmp_path / "a") != _fingerprint(tmp_path / "b", **change)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="the folder"),
        pytest.param({"name": "hues"}, id="the names of file and task"),
        pytest.param({"columns": ("a", "b"), "task": {"image_column": "a", "label_column": "b"}}, id="column names"),
        pytest.param({"task": {"class_names": ("red", "green", "blue")}}, id="who says the class names"),
        pytest.param({"task": {"summary": "x", "source": "y", "license": "z", "groups": ("g",)}}, id="what is told"),
        pytest.param({"task": {"n_images": None}}, id="whether the number of images is known"),
    ],
)
def test_the_fingerprint_does_not_change_with(tmp_path: Path, change: dict[str, Any]) -> None:
    assert _fingerprint(tmp_path / "a") == _fingerprint(tmp_path / "b", **change)


def test_the_fingerprint_is_that_of_earlier_versions_so_that_their_runs_count(tmp_path: Path) -> None:
    pictures: list[bytes | None] = [f"picture {row}".encode() for row in range(N)]
    assert _fingerprint(tmp_path, pictures=pictures) == (
        "856824e34a0457b3a24fa5bca9f761244596aa91bb0746c9c2b1ecb0ebb4d753"
    )
    assert _fingerprint(tmp_path, pictures=pictures, limit=6) == (
        "50438f9cc14302065c621c3df458ac950918c271dafe3b6815c06ad00feefb75"
    )


def _images_digest(folder: Path, **changes: Any) -> str:
    folder.mkdir(exist_ok=True)
    limit = changes.pop("limit", None)
    return open_rows(colors_task(folder, **changes), limit=limit).images_digest


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"pictures": _other_byte()}, id="one byte of one image"),
        pytest.param({"pictures": _swapped(pictures_of(LABELS))}, id="the order of two images"),
        pytest.param({"limit": 6}, id="the limit"),
        pytest.param({"labels": LABELS[:-1]}, id="the number of images"),
    ],
)
def test_the_digest_of_the_images_changes_with(tmp_path: Path, change: dict[str, Any]) -> None:
    assert _images_digest(tmp_path / "a") != _images_digest(tmp_path / "b", **change)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"labels": LABELS[::-1], "pictures": pictures_of(LABELS)}, id="the labels"),
        pytest.param({"task": {"class_names": ("r", "g", "b")}}, id="class names"),
        pytest.param({"task": {"templates": ("{}",)}}, id="templates"),
        pytest.param({"name": "hues"}, id="names"),
    ],
)
def test_the_digest_of_the_images_does_not_change_with(tmp_path: Path, change: dict[str, Any]) -> None:
    assert _images_digest(tmp_path / "a") == _images_digest(tmp_path / "b", **change)


def test_both_digests_take_one_reading_of_each_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def encoded(task: Task, cell: object, row: int) -> bytes:
        read.append(row)
        return encoded_image(task, cell, row)

    monkeypatch.setattr(tables, "encoded_image", encoded)
    open_rows(colors_task(tmp_path))
    assert read == list(range(N))


def test_an_edited_file_is_read_anew(tmp_path: Path) -> None:
    task = colors_task(tmp_path)
    before = open_rows(task).fingerprint
    write_parquet(tmp_path / "colors.parquet", pictures=_other_byte())
    assert open_rows(task).fingerprint != before


def test_a_broken_picture_is_found_when_it_is_decoded_and_not_before(tmp_path: Path) -> None:
    rows: Rows = open_rows(colors_task(tmp_path, pictures=[BROKEN] * N))
    assert rows.image_bytes([11]) == [BROKEN]


# Repositories of the hub; HF_ENDPOINT is read on import, so the client is a subprocess.

CLIENT = """
import json, sys
from clipkstar.errors import InputError
from clipkstar.data.rows import open_rows
from clipkstar.task import HubDataset, Task
told = []
for dataset, revision in json.loads(sys.argv[1]):
    try:
        task = Task(name="colors", summary="", dataset=HubDataset(**dataset), n_images=12)
        rows = open_rows(task, revision=revision)
        told.append([rows.labels.tolist(), rows.revision, rows.fingerprint])
    except InputError as error:
        told.append([type(error).__name__, str(error)])
print(json.dumps(told))
"""


FILES = {"path": "org/colors", "data_files": "test/*.parquet"}
MISSING = {"path": "org/hues", "data_files": "test/*.parquet"}


def _client(asked: list[tuple[dict[str, str], str | None]], endpoint: str, home: Path, **extra: str) -> list[list[Any]]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    hub = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-c", CLIENT, json.dumps(asked)]
    done = subprocess.run(command, env=inherited | hub | extra, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told: list[list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Any]]]:
    """What a client is told while the hub is there, after it is gone, and in offline mode; one cache for all three."""
    root, home = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("home")
    test = root / "datasets/org/colors/test"
    test.mkdir(parents=True)
    write_parquet(test / "0.parquet")
    (test / "notes.csv").write_text("no,pictures\n")
    asked: list[tuple[dict[str, str], str | None]] = [
        (FILES, None),
        (FILES, "v2"),
        ({**FILES, "revision": "v3"}, None),
        (MISSING, None),
        ({**FILES, "data_files": "train/*.parquet"}, None),
        ({**FILES, "data_files": "test/*.csv"}, None),
    ]
    with hub_stand_in(root) as hub:
        online = _client(asked, hub.endpoint, home)
    return {
        "online": online,
        "gone": _client([(FILES, None), (MISSING, None)], hub.endpoint, home),
        "offline": _client([(FILES, None), (MISSING, None)], hub.endpoint, home, HF_HUB_OFFLINE="1"),
    }


def test_a_hub_data_set_is_the_same_task_as_its_local_copy_and_its_commit_is_recorded(
    told: dict[str, list[list[Any]]], tmp_path: Path
) -> None:
    labels, revision, fingerprint = told["online"][0]
    assert labels == list(LABELS)
    assert len(revision) == 40
    assert fingerprint == _fingerprint(tmp_path / "local")


def test_every_refusal_of_the_hub_is_one_sentence(told: dict[str, list[list[Any]]]) -> None:
    assert {kind for kind, _ in told["online"][1:]} == {"InputError"}
    assert [sentence for _, sentence in told["online"][1:]] == [
        "the data set 'org/colors' of task 'colors' has no revision 'v2'; correct it.",
        "the data set 'org/colors' of task 'colors' has no revision 'v3'; correct it.",
        "the hub has no data set 'org/hues' of task 'colors', or it is private; "
        "correct the name, or log in with 'hf auth login'.",
        "task 'colors' cannot read its data (FileNotFoundError: 'org/colors' has no file train/*.parquet); "
        "check its dataset and the files.",
        "task 'colors' cannot read its data (ValueError: .csv files cannot be read; it needs one of .parquet, .tar, "
        ".arrow.); check its dataset and the files.",
    ]


def test_without_a_network_a_cached_data_set_opens_as_before(told: dict[str, list[list[Any]]]) -> None:
    assert told["gone"][0] == told["offline"][0] == told["online"][0]


@pytest.mark.parametrize(("when", "reason"), [("gone", "no connection to http"), ("offline", "offline mode is on")])
def test_without_a_network_a_data_set_that_is_not_cached_is_refused(
    told: dict[str, list[list[Any]]], when: str, reason: str
) -> None:
    kind, sentence = told[when][1]
    assert kind == "UnreachableError"
    assert re.sub(r"http://[0-9.:]+", "http", sentence) == (
        f"the data set 'org/hues' of task 'colors' cannot be reached ({reason}), and the cache has no complete copy; "
        "connect, then repeat the command."
    )
