"""A plan in TOML or in options, and the sweep that it means."""

from pathlib import Path
from typing import Any

import pytest

from clipkstar.data.own_data import Columns
from clipkstar.data.words import PromptChoice
from clipkstar.encoder import Request
from clipkstar.errors import InputError
from clipkstar.selection import select_tasks
from clipkstar.sweeps.choice import CheckpointPatterns
from clipkstar.sweeps.plan import SweepPlan, read_plan, sweep_of
from clipkstar.sweeps.sweep import Sweep, members
from clipkstar.unit import Settings

WHOLE = """
task = ["digits", "emoji_noto"]
metric = "kstar"
precision = "bf16"
device = "cpu"
batch_size = 32
space = "pre_projection"
limit = 100
stream = false

[[checkpoints]]
model = "tiny-*"
pretrained = ["final", "stage1"]

[[checkpoints]]
model = ["ViT-B-32", "ViT-B-16"]
pretrained = "openai"
activation = "quick_gelu"
"""
ONE = '[[checkpoints]]\nmodel = "fake:colors"\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("plan.toml")


def found(plan: SweepPlan, **flags: bool) -> Sweep:
    return sweep_of(plan, **({"keep_pixels": True, "force": False} | flags))


def refusal(plan: SweepPlan) -> str:
    with pytest.raises(InputError) as raised:
        found(plan)
    return str(raised.value)


def test_a_plan_in_toml_means_what_the_same_options_mean(file: Path) -> None:
    file.write_text(WHOLE)
    options = SweepPlan(
        checkpoints=(
            CheckpointPatterns(model=("tiny-*",), pretrained=("final", "stage1")),
            CheckpointPatterns(model=("ViT-B-32", "ViT-B-16"), pretrained=("openai",), activation="quick_gelu"),
        ),
        task=("digits", "emoji_noto"),
        metric=("kstar",),
        precision="bf16",
        device="cpu",
        batch_size=32,
        space="pre_projection",
        limit=100,
    )
    assert read_plan(file) == options
    assert found(read_plan(file)) == found(options)


def test_every_key_reaches_the_sweep(file: Path) -> None:
    file.write_text(WHOLE)
    sweep = found(read_plan(file), keep_pixels=False, force=True)
    assert [(request.model, request.pretrained, request.activation) for request in sweep.checkpoints[-2:]] == [
        ("ViT-B-32", "openai", "quick_gelu"),
        ("ViT-B-16", "openai", "quick_gelu"),
    ]
    assert sweep.checkpoints[0] == Request(model="tiny-deep", pretrained="final")
    assert Request(model="tiny-p8", pretrained="stage1") in sweep.checkpoints
    assert [task.name for task in sweep.tasks] == ["digits", "emoji_noto"]
    assert sweep.settings == Settings(
        precision="bf16", device="cpu", batch_size=32, space="pre_projection", keep_pixels=False, force=True
    )
    assert (sweep.metrics, sweep.limit, sweep.revision, sweep.stream) == (("kstar",), 100, None, False)
    assert sweep.prompts is None


def test_words_and_columns_and_a_revision_reach_the_sweep(file: Path) -> None:
    file.with_name("a.parquet").write_bytes(b"PAR1")
    file.write_text(
        'task = "a.parquet"\nimage_column = "picture"\nlabel_column = "kind"\nrevision = "main"\n'
        f'class_names = "names.txt"\ntemplates = "folder/templates.txt"\n{ONE}'
    )
    sweep = found(read_plan(file))
    columns = Columns(image="picture", label="kind")
    assert sweep.tasks == tuple(select_tasks(["a.parquet"], None, columns))
    assert sweep.prompts == PromptChoice(class_names=Path("names.txt"), templates=Path("folder/templates.txt"))
    assert sweep.revision == "main"


def test_a_suite_and_the_default_suite_are_taken(file: Path) -> None:
    file.write_text(f'suite = "bundled"\n{ONE}')
    assert found(read_plan(file)).tasks == tuple(select_tasks((), "bundled"))
    file.write_text(ONE)
    assert found(read_plan(file)).tasks == tuple(select_tasks((), None))


def test_a_checkpoint_of_several_tables_comes_once() -> None:
    tables = tuple(CheckpointPatterns(model=("ViT-B-32",), pretrained=(tag,)) for tag in ("laion2b", "laion2b_s34b*"))
    sweep = found(SweepPlan(checkpoints=tables, task=("digits",)))
    assert sweep.checkpoints == (Request(model="ViT-B-32", pretrained="laion2b"),)


def test_files_of_one_name_in_several_folders_have_labels_of_their_own(file: Path) -> None:
    for experiment in ("first", "second"):
        Path(experiment).mkdir()
        Path(experiment, "epoch_1.pt").write_bytes(experiment.encode())
    Path("first", "epoch_2.pt").write_bytes(b"")
    file.write_text('task = "digits"\n[[checkpoints]]\nmodel = "ViT-B-32"\npretrained = "*/epoch_*.pt"\n')
    assert [member.label for member in members(found(read_plan(file)))] == [
        "open_clip--ViT-B-32--epoch_1 of first/epoch_1.pt",
        "open_clip--ViT-B-32--epoch_2",
        "open_clip--ViT-B-32--epoch_1 of second/epoch_1.pt",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("task = [", "the plan 'plan.toml' is no TOML (Invalid value (at end of document)); correct it."),
        (f'tasks = "digits"\n{ONE}', "there is no key of a plan 'tasks'; did you mean 'task'?"),
        (f'{ONE}pretraned = "a"\n', "there is no key of a plan 'pretraned'; did you mean 'pretrained'?"),
        (
            'task = "digits"\n',
            "the plan 'plan.toml' names no checkpoints; it needs [[checkpoints]] with a model each.",
        ),
        (
            "checkpoints = []\n",
            "the plan 'plan.toml' names no checkpoints; it needs [[checkpoints]] with a model each.",
        ),
        (
            'checkpoints = ["tiny-p8"]\n',
            "the plan 'plan.toml' names no checkpoints; it needs [[checkpoints]] with a model each.",
        ),
        (
            '[checkpoints]\nmodel = "tiny-p8"\n',
            "the plan 'plan.toml' names no checkpoints; it needs [[checkpoints]] with a model each.",
        ),
        (
            '[[checkpoints]]\npretrained = "final"\n',
            "the plan 'plan.toml' has a wrong value: Object missing required field `model` - at `$.checkpoints[0]`; "
            "correct it.",
        ),
        (
            f'batch_size = "many"\n{ONE}',
            "the plan 'plan.toml' has a wrong value: Expected `int`, got `str` - at `$.batch_size`; correct it.",
        ),
        (
            f'precision = "fp8"\n{ONE}',
            "the plan 'plan.toml' has a wrong value: Invalid enum value 'fp8' - at `$.precision`; correct it.",
        ),
        (
            f"{ONE}pretrained = [1]\n",
            "the plan 'plan.toml' has a wrong value: Expected `str`, got `int` - at `$.checkpoints[0].pretrained[0]`; "
            "correct it.",
        ),
        (
            f"templates = 1\n{ONE}",
            "the plan 'plan.toml' has a wrong value: Expected `str`, got `int` - at `$.templates`; correct it.",
        ),
    ],
)
def test_a_plan_that_cannot_be_meant_is_one_sentence(text: str, sentence: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(InputError) as raised:
        read_plan(file)
    assert str(raised.value) == sentence


def test_a_plan_that_cannot_be_read_is_one_sentence(file: Path) -> None:
    for path, why in ((file, "No such file or directory"), (Path(), "Is a directory")):
        with pytest.raises(InputError) as raised:
            read_plan(path)
        assert str(raised.value) == f"the plan '{path}' cannot be read ({why}); check the path."
    file.write_bytes(b"\xff")
    with pytest.raises(InputError) as raised:
        read_plan(file)
    assert str(raised.value).startswith("the plan 'plan.toml' is no TOML ('utf-8' codec can't decode byte 0xff")


FAKE = (CheckpointPatterns(model=("fake:colors",)),)


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        ({"batch_size": 0}, "batch_size is 0; it needs at least 1."),
        ({"limit": 0}, "limit is 0; it needs at least 1."),
        ({"task": ("digts",)}, "there is no task 'digts'; did you mean 'digits' or 'gtsrb' or 'dtd'?"),
        ({"suite": "bundle"}, "there is no suite 'bundle'; did you mean 'bundled' or 'robustness'?"),
        ({"metric": ("kstr",)}, "there is no metric 'kstr'; did you mean 'kstar'?"),
        (
            {"checkpoints": (CheckpointPatterns(model=()),)},
            "a sweep got checkpoints without a model; name one model at least.",
        ),
        (
            {"checkpoints": (*FAKE, CheckpointPatterns(model=("huge-*",)))},
            "--model 'huge-*' means no checkpoint; 'clipkstar models' lists models and tags.",
        ),
        (
            {"task": ("digits", "emoji_noto"), "class_names": Path("names.txt")},
            "'names.txt' has the words of one task's classes, and 2 tasks were named; evaluate one task at a time with "
            "it.",
        ),
        (
            {"task": ("digits",), "split": "train"},
            "--image-column, --label-column and --split are for data files and hub:org/name; tasks name their own, so "
            "leave them out.",
        ),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_one_sentence(plan: dict[str, Any], sentence: str) -> None:
    assert refusal(SweepPlan(**({"checkpoints": FAKE} | plan))) == sentence
