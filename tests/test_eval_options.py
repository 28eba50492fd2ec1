"""Options of eval, embed and tasks validate, as typed: words, own data, spaces, files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_cli import Call, Said, call  # noqa: F401 - a fixture

from clipkstar.data.rows import open_rows
from clipkstar.discovery import TASKS, find

TINY = "eval --model tiny-p8 --pretrained final --metric zero_shot --json"
Record = dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first digits 0, 1 and 2 of the bundled task as class folders."""
    folder = tmp_path_factory.mktemp("data") / "shapes"
    rows = open_rows(find(TASKS, "digits")[0])
    for label in range(3):
        (folder / f"digit_{label}").mkdir(parents=True)
        positions = np.flatnonzero(rows.labels == label)[:20].tolist()
        for position, content in zip(positions, rows.image_bytes(positions), strict=True):
            (folder / f"digit_{label}" / f"{position:04}.png").write_bytes(content)
    return folder


@pytest.fixture
def evaluate(call: Call, tmp_path: Path) -> Callable[..., Record]:
    def run(command: str, *more: str) -> Record:
        said = call(f"{TINY} --runs {tmp_path / 'runs'} {command}", *more)
        assert said.code == 0, said.err
        (record,) = json.loads(said.out)
        return record  # type: ignore[no-any-return]

    return run


def _file(path: Path, content: object) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def test_every_way_to_word_a_task_is_a_run_of_its_own(evaluate: Callable[..., Record], tmp_path: Path) -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    by_class = {name: [f"the digit {name}.", f"a {name}"] for name in names}
    sets = [{"name": "mine", "templates": ["{c}"]}, {"name": "yours", "templates": ["{c}!"]}]
    records = {
        "own": evaluate("--task digits --limit 60"),
        "plain": evaluate("--task digits --limit 60 --prompts plain"),
        "de": evaluate("--task digits --limit 60 --prompts de"),
        "lines": evaluate("--task digits --limit 60 --templates", _file(tmp_path / "lines.txt", "{}\nno. {}\n")),
        "names": evaluate(
            "--task digits --limit 60 --class-names", _file(tmp_path / "names.txt", "\n".join(names[::-1]))
        ),
        "told": evaluate("--task digits --limit 60 --prompts", _file(tmp_path / "told.json", by_class)),
        "yours": evaluate("--task digits --limit 60 --prompts", _file(tmp_path / "sets.json", sets) + ":yours"),
    }
    prompt_sets = {name: record["protocol"]["prompt_set"] for name, record in records.items()}
    assert prompt_sets == {name: "" if name == "own" else name for name in records}
    assert len({str(record["run_id"]) for record in records.values()}) == len(records)
    top1 = {name: float(str(record["scores"]["top1"])) for name, record in records.items()}
    assert top1["own"] > 0.9 > 0.5 > top1["names"]
    assert records["told"]["protocol"]["templates"] == []
    assert records["lines"]["protocol"]["templates"] == ["{}", "no. {}"]


def test_own_images_in_class_folders_need_no_code(
    evaluate: Callable[..., Record], shapes: Path, tmp_path: Path
) -> None:
    names = _file(tmp_path / "names.txt", "digit_0\tzero\ndigit_1\tone\ndigit_2\ttwo\n")
    record = evaluate(f"--task {shapes} --class-names {names}")
    task = record["task"]
    assert (task["name"], task["dataset"], task["split"]) == ("shapes", "imagefolder:shapes", "all")
    assert (task["n_images"], task["n_classes"]) == (60, 3)
    assert float(str(record["scores"]["top1"])) > 0.9
    assert str(shapes.parent) not in json.dumps(record)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".parquet"])
def test_embeddings_are_written_for_use_elsewhere(call: Call, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"digits{suffix}"
    said = call(f"embed --model tiny-p8 --pretrained final --task digits --limit 80 --out {out}")
    assert (said.code, said.out) == (0, "")
    assert said.err.endswith(f"clipkstar: written: {out}\n")
    assert call(f"{TINY} --metric kstar --task digits --limit 80 --runs {tmp_path / 'runs'}").code == 0
    (images,) = (tmp_path / "runs").rglob("images.parquet")
    again = call(f"kstar {out} --no-intervals --out {tmp_path / 'found'}")
    assert again.code == 0, again.err
    found = pl.read_parquet(tmp_path / "found" / "images.parquet")
    assert found["kstar"].to_list() == pl.read_parquet(images)["kstar"].to_list()


def test_the_space_before_the_projection_has_other_embeddings_and_no_text(
    evaluate: Callable[..., Record],
    call: Call,
    tmp_path: Path,
) -> None:
    output = evaluate("--task digits --limit 40")
    before = evaluate("--task digits --limit 40 --space pre_projection --metric kstar")
    assert output["run_id"] != before["run_id"]
    assert (before["protocol"]["space"], before["scores"]["top1"]) == ("pre_projection", None)
    assert before["scores"]["kstar_mean"] is not None
    said = call(f"{TINY} --task digits --space pre_projection --runs {tmp_path}", "--model", "fake:colors")
    assert said == Said(
        code=2,
        out="",
        err="clipkstar: --space pre_projection was asked for, and encoders of the family 'fake' have no embeddings "
        "before a projection; leave it out.\n",
    )


def test_a_stream_is_the_same_run_as_a_table(evaluate: Callable[..., Record]) -> None:
    assert evaluate("--task digits --limit 40 --stream")["run_id"] == evaluate("--task digits --limit 40")["run_id"]


def test_valid_tasks_pass(call: Call, shapes: Path) -> None:
    said = call("tasks validate digits", str(shapes))
    assert (said.code, said.err) == (0, "")
    assert " digits " in said.out
    assert " shapes " in said.out


def test_what_would_be_wrong_is_told_and_is_exit_code_1(call: Call, shapes: Path, tmp_path: Path) -> None:
    spoiled = tmp_path / "spoiled"
    shutil.copytree(shapes, spoiled)
    picture = next((spoiled / "digit_1").iterdir())
    picture.write_bytes(b"no picture")
    shutil.copy(next((spoiled / "digit_0").iterdir()), spoiled / "digit_2" / "copy.png")
    said = call(f"tasks validate {spoiled} --json")
    assert said.code == 1
    (found,) = json.loads(said.out)
    assert (found["n_images"], found["n_classes"]) == (61, 3)
    assert len(found["problems"]) == 1
    assert "is no image in a format that PIL knows" in found["problems"][0]
    assert any("are one file in the classes 'digit 0' and 'digit 2'" in remark for remark in found["remarks"])


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("embed --model fake:colors --out x.safetensors", "embed got 0 tasks; it needs one --task for each file."),
        (
            "embed --model fake:colors --task digits --out x.pt",
            "the file 'x.pt' is of no known kind; embeddings need one of .safetensors, .parquet, .npz.",
        ),
        (
            "eval --model fake:colors --task digits --image-column picture",
            "--image-column, --label-column and --split are for data files and hub:org/name; tasks name their own, so "
            "leave them out.",
        ),
        (
            "eval --model fake:colors --task digits --templates t.txt --prompts plain",
            "--prompts and --templates were both given; leave one out.",
        ),
        ("eval --model fake:colors --task hub:org", None),
        ("tasks validate digts", "there is no task 'digts'; did you mean 'digits' or 'gtsrb' or 'dtd'?"),
    ],
)
def test_bad_options_are_one_sentence_and_leave_nothing(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    sentence: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = call(command)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    if sentence is not None:
        assert said.err == f"clipkstar: {sentence}\n"
    assert list(tmp_path.iterdir()) == []
