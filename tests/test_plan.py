"""What was asked for is found and checked in full before anything is written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colors import write_task

from clipkstar.data.words import PromptChoice
from clipkstar.discovery import METRICS, own_names
from clipkstar.encoder import Request
from clipkstar.errors import InputError, UnreachableError
from clipkstar.plan import Selection, prepare
from clipkstar.store import Store
from clipkstar.unit import Settings

FAKE = Request(model="fake:colors")
CIFAR10_OFFLINE = (
    "the data set 'djghosh/wds_cifar10_test' of task 'cifar10' cannot be reached (offline mode is on), and the cache "
    "has no complete copy; connect, then repeat the command, or use the bundled digits, emoji_fluent, emoji_noto, "
    "fashion_mnist_2k (--suite bundled), which need no network."
)


def _refusal(selection: Selection, runs: Path) -> InputError:
    """The error, after which neither the folder of runs nor anything beside it is there."""
    beside = sorted(runs.parent.iterdir())
    with pytest.raises(InputError) as raised:
        prepare(selection, Settings(), Store(root=runs), lambda _sentence: None)
    assert sorted(runs.parent.iterdir()) == beside
    return raised.value


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder that is not there, in one that is empty."""
    (tmp_path / "results").mkdir()
    return tmp_path / "results" / "runs"


def test_what_was_asked_for_comes_back_opened_and_nothing_is_created(tmp_path: Path, runs: Path) -> None:
    file, settings, said = write_task(tmp_path), Settings(batch_size=5), list[str]()
    selection = Selection(request=FAKE, tasks=("digits", str(file)), limit=6)
    work, opened = prepare(selection, settings, Store(root=runs), said.append)
    assert (work.family.name, work.checkpoint.title) == ("fake", "fake--colors--exact")
    assert [metric.name for metric in work.metrics] == own_names(METRICS)
    assert work.settings is settings
    assert [(rows.task.name, rows.n_images, rows.limit) for rows in opened] == [("digits", 6, 6), ("colors", 6, 6)]
    assert said == []
    assert list(runs.parent.iterdir()) == []


def test_metrics_and_a_suite_are_taken_as_named(runs: Path) -> None:
    selection = Selection(request=FAKE, suite="bundled", metrics=("zero_shot",), limit=40)
    work, opened = prepare(selection, Settings(), Store(root=runs), lambda _sentence: None)
    assert [metric.name for metric in work.metrics] == ["zero_shot"]
    assert [rows.task.name for rows in opened] == ["digits", "emoji_fluent", "emoji_noto", "fashion_mnist_2k"]


def test_the_notices_of_the_checkpoint_and_of_every_task_are_said_in_this_order(tmp_path: Path, runs: Path) -> None:
    names: dict[str, Any] = {"class_names": ("red", "blue", "red")}
    files = [str(write_task(tmp_path, name=name, task=names)) for name in ("hues", "tints")]
    said: list[str] = []
    selection = Selection(request=Request(model="ViT-B-32", pretrained="laion2b"), tasks=tuple(files))
    prepare(selection, Settings(), Store(root=runs), said.append)
    assert said == [
        "'laion2b' is taken to mean 'laion2b_s34b_b79k'.",
        "task 'hues': the class names 'red' occur more than once; their classes tie and the first one wins.",
        "task 'tints': the class names 'red' occur more than once; their classes tie and the first one wins.",
    ]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        pytest.param(
            {"tasks": ("digit",)}, "there is no task 'digit'; did you mean 'digits' or 'dtd'?", id="an unknown task"
        ),
        pytest.param(
            {"tasks": ("no/colors.py",)}, "there is no task file or folder 'no/colors.py'; check the path.", id="a path"
        ),
        pytest.param(
            {"suite": "bundle"},
            "there is no suite 'bundle'; did you mean 'bundled' or 'robustness'?",
            id="an unknown suite",
        ),
        pytest.param(
            {"metrics": ("kstars",)}, "there is no metric 'kstars'; did you mean 'kstar'?", id="an unknown metric"
        ),
        pytest.param(
            {"request": Request(model="fakes:colors")},
            "there is no encoder family 'fakes'; did you mean 'fake'?",
            id="an unknown family",
        ),
        pytest.param(
            {"request": Request(model="fake:colours")},
            "there is no model 'fake:colours'; did you mean 'fake:colors'?",
            id="an unknown model",
        ),
        pytest.param(
            {"request": Request(model="tiny-p8", pretrained="fnal")},
            "there is no 'tiny-p8' tag 'fnal'; did you mean 'final'?",
            id="an unknown tag",
        ),
        pytest.param(
            {"request": Request(model="tiny-p8")},
            "'tiny-p8' needs --pretrained: final, stage1, stage2, stage3.",
            id="no tag",
        ),
        pytest.param({"limit": 0}, "the limit of task 'digits' is 0; it needs at least 1.", id="a limit of nothing"),
        pytest.param(
            {"limit": 1},
            "task 'digits' has, in a sample of 1, images of one class only; it needs at least two classes.",
            id="a limit of one",
        ),
        pytest.param(
            {"revision": "v2"},
            "task 'digits' reads local files, which have no revision; leave --revision out.",
            id="a revision of local files",
        ),
        pytest.param({"tasks": ("digits", "cifar10")}, CIFAR10_OFFLINE, id="a data set out of reach"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_nothing_is_created(runs: Path, wrong: dict[str, Any], sentence: str) -> None:
    right = Selection(request=FAKE, tasks=() if "suite" in wrong else ("digits",))
    assert str(_refusal(replace(right, **wrong), runs)) == sentence


def test_a_data_set_out_of_reach_stays_an_error_of_its_own_kind(runs: Path) -> None:
    assert type(_refusal(Selection(request=FAKE, tasks=("cifar10",)), runs)) is UnreachableError


@pytest.mark.parametrize(
    ("code", "reason"), [("import sys; sys.exit(3)", "SystemExit: 3"), ("1 / 0", "ZeroDivisionError: division by zero")]
)
def test_a_task_file_that_stops_or_raises_is_one_sentence_and_nothing_is_created(
    tmp_path: Path, runs: Path, code: str, reason: str
) -> None:
    file = tmp_path / "hues.py"
    file.write_text(code)
    selection = Selection(request=FAKE, tasks=("digits", str(file)))
    assert str(_refusal(selection, runs)) == f"{file} cannot be imported ({reason}); correct the file."


@pytest.mark.parametrize(
    ("spoiled", "sentence"),
    [
        ({"labels": (1, 1, 1)}, "task 'colors' has images of one class only; it needs at least two classes."),
        (
            {"task": {"templates": "a {}."}},
            "the templates are 'a {}.'; they need to be a tuple of strings, such as ('a photo of a {}.',).",
        ),
        (
            {"task": {"n_images": 10}},
            "task 'colors' should have 10 images, its data set has 12; this is another split or copy of the data.",
        ),
    ],
    ids=["one class", "one template as a string", "another number of images"],
)
def test_data_that_do_not_fit_are_one_sentence_and_nothing_is_created(
    tmp_path: Path, runs: Path, spoiled: dict[str, Any], sentence: str
) -> None:
    file = write_task(tmp_path, **spoiled)
    assert str(_refusal(Selection(request=FAKE, tasks=("digits", str(file))), runs)) == sentence


def test_a_file_where_runs_should_lie_is_refused_before_anything_is_opened(runs: Path) -> None:
    runs.touch()
    selection = Selection(request=FAKE, tasks=("digit",))
    for place in (runs, runs / "deeper"):
        with pytest.raises(InputError) as raised:
            prepare(selection, Settings(), Store(root=place), lambda _sentence: None)
        assert str(raised.value) == f"the runs folder '{place}' cannot be written; choose another with --runs."
    assert list(runs.parent.iterdir()) == [runs]
    assert runs.read_bytes() == b""


def test_an_address_as_folder_of_runs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        prepare(Selection(request=FAKE), Settings(), Store(root=Path("s3://bucket/runs")), lambda _sentence: None)
    assert str(raised.value) == (
        "the runs folder 's3:/bucket/runs' is an address; it needs to be a folder of this machine."
    )
    assert list(tmp_path.iterdir()) == []


def test_words_of_one_tasks_classes_are_refused_for_several_tasks(runs: Path, tmp_path: Path) -> None:
    names = tmp_path / "ten.txt"
    names.write_text("\n".join(f"name {number}" for number in range(10)))
    several = Selection(request=FAKE, tasks=("digits", "fashion_mnist_2k"))
    sentence = "has the words of one task's classes, and 2 tasks were named; evaluate one task at a time with it."
    assert str(_refusal(replace(several, prompts=PromptChoice(class_names=names)), runs)) == f"'{names}' {sentence}"
    assert str(_refusal(replace(several, prompts=PromptChoice(prompts="p.json")), runs)) == f"'p.json' {sentence}"
