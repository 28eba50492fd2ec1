"""What a person sees, and what a program reads."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from test_run import RUN

from clipkstar.api import KstarResult
from clipkstar.data.validation import ClassSize, Validation
from clipkstar.run import Evaluation
from clipkstar.runner import Outcome
from clipkstar.terminal import (
    KSTAR_LEGEND,
    LEGEND,
    MOST_CLASSES,
    progress_bar,
    say,
    say_all,
    show_catalog,
    show_kstar,
    show_runs,
    show_validations,
    tell,
)

SCORED = replace(
    RUN,
    task=replace(RUN.task, name="colors", limit=6),
    scores={
        "top1": 0.98765, "mean_class_recall": 0.5, "ece": 0.01234, "nn1_accuracy": 1.0, "kstar_mean": 0.25,
        "gamma_approx": -1.5, "cosine_gamma_approx": None, "fractured": 1.0, "overlapped": 0.0, "clustered": 2.0,
    },
    intervals={"top1": (0.1, 2 / 3), "gamma_approx": (-2.0, -1.0)},
)  # fmt: skip


def _outcome(*, skipped: bool) -> Outcome:
    empty = pl.DataFrame()
    evaluation = Evaluation(run=SCORED, images=empty, classes=empty, notices=("a class has one image.",))
    return Outcome(evaluation=evaluation, folder=Path("runs/colors/x/y"), skipped=skipped)


def test_notices_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("one sentence.")
    assert capsys.readouterr() == ("", "clipkstar: one sentence.\n")


@pytest.mark.parametrize(
    ("skipped", "word"), [(False, "done"), (True, "already done, nothing computed")], ids=["new", "known"]
)
def test_it_is_told_where_a_run_lies_and_whether_it_was_there(
    capsys: pytest.CaptureFixture[str], skipped: bool, word: str
) -> None:
    outcome = _outcome(skipped=skipped)
    tell(outcome)
    assert capsys.readouterr() == (
        "",
        f"clipkstar: colors: a class has one image.\nclipkstar: colors: {word}: runs/colors/x/y\n",
    )


def test_a_table_of_runs_has_a_line_per_task_and_a_legend(capsys: pytest.CaptureFixture[str]) -> None:
    show_runs([SCORED, replace(SCORED, task=replace(SCORED.task, name="hues", limit=None))], as_json=False)
    out = capsys.readouterr().out
    assert out.endswith(LEGEND)
    lines = [" ".join(line.split()) for line in out.removesuffix(LEGEND).splitlines() if line.strip()]
    numbers = "12 98.8 [10.0, 66.7] 50.0 0.012 100.0 0.250 -1.50 [-2.00, -1.00] – 1/0/2"
    assert [*lines[:2], *lines[3:]] == [
        "colors exact (fake), fp32 on cpu",
        "task n top1 % recall % ece 1-NN % k*/n Γ′ cosine Γ′ f/o/c",
        f"colors (sample of 6) {numbers}",
        f"hues {numbers}",
    ]
    assert set(lines[2]) == {"─"}


def test_runs_as_json_are_an_array_of_records_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    show_runs([SCORED, RUN], as_json=True)
    out, err = capsys.readouterr()
    assert err == ""
    assert [record["task"]["name"] for record in json.loads(out)] == ["colors", RUN.task.name]
    assert json.loads(out)[1]["scores"] == RUN.scores


ENTRIES: list[dict[str, Any]] = [
    {"task": "hues", "images": 1200, "meaning": "plain"},
    {"task": "tints", "images": None, "meaning": ""},
]


def test_a_catalog_has_a_line_per_entry_and_numbers_stand_right(capsys: pytest.CaptureFixture[str]) -> None:
    show_catalog(ENTRIES, as_json=False)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [line.split() for line in lines] == [
        ["task", "images", "meaning"],
        lines[1].split(),
        ["hues", "1200", "plain"],
        ["tints"],
    ]
    assert set(lines[1].strip()) == {"─"}
    assert lines[0].index("images") + len("images") == lines[2].index("1200") + len("1200")


def test_a_catalog_as_json_keeps_numbers_and_null(capsys: pytest.CaptureFixture[str]) -> None:
    show_catalog(ENTRIES, as_json=True)
    assert json.loads(capsys.readouterr().out) == ENTRIES


@pytest.mark.parametrize("text", ["8×8 [grey]", "a [/] b", ":smile:", "[bold]x[/bold]"])
def test_words_of_others_are_printed_as_they_are(capsys: pytest.CaptureFixture[str], text: str) -> None:
    show_catalog([{"task": "hues", "meaning": text}], as_json=False)
    assert text in capsys.readouterr().out


def test_progress_that_nobody_watches_is_one_line_per_task(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as progress:
        for done in (5, 10, 12):
            progress("colors", done, 12)
    assert capsys.readouterr() == ("", "clipkstar: colors: 12 images encoded.\n")


def _kstar_result(*classes: tuple[str, float | None, str | None], prefix: str = "") -> KstarResult:
    """A result with these classes: name, γ, pattern."""
    names, gammas, patterns = zip(*classes, strict=True)
    columns = {
        "kstar_mean": [0.25] * len(names),
        "gamma": gammas,
        "gamma_low": [-1.0] * len(names),
        "gamma_high": [2.0] * len(names),
        "pattern": patterns,
        "nn1_accuracy": [1.0] * len(names),
    }
    schema = {name: pl.String if name == "pattern" else pl.Float64 for name in columns}
    table = pl.DataFrame(columns, schema=schema).select(pl.all().name.prefix(prefix))
    return KstarResult(
        scores={f"{prefix}kstar_mean": 0.12345, f"{prefix}gamma_approx": None, f"{prefix}fractured": 2.0},
        intervals={f"{prefix}kstar_mean": (0.1, 0.2)},
        images=pl.DataFrame({f"{prefix}kstar": [1]}),
        classes=pl.DataFrame({"name": names, "n_images": [30] * len(names)}).hstack(table),
        notices=(),
    )


def _kstar_lines(result: KstarResult, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show_kstar(result, as_json=False)
    out = capsys.readouterr().out
    assert out.endswith(KSTAR_LEGEND)
    return [" ".join(line.split()) for line in out.removesuffix(KSTAR_LEGEND).splitlines() if line.strip()]


def test_classes_stand_from_the_most_fractured_to_the_most_clustered(capsys: pytest.CaptureFixture[str]) -> None:
    result = _kstar_result(
        ("alone", None, None),
        ("perfect", None, "clustered"),
        ("low", -1.5, "clustered"),
        ("level", None, "overlapped"),
        ("[high]", 1.5, "fractured"),
        ("hopeless", None, "fractured"),
    )
    lines = _kstar_lines(result, capsys)
    assert lines[0] == "180 images, 6 classes; γ of each class by Euclidean distance"
    assert lines[1] == "class n k*/n γ pattern 1-NN %"
    assert lines[3:9] == [
        "hopeless 30 0.250 – fractured 100.0",
        "[high] 30 0.250 +1.50 [-1.00, +2.00] fractured 100.0",
        "level 30 0.250 – overlapped 100.0",
        "low 30 0.250 -1.50 [-1.00, +2.00] clustered 100.0",
        "perfect 30 0.250 – clustered 100.0",
        "alone 30 0.250 – – 100.0",
    ]


def test_scores_have_a_line_each_and_a_column_per_distance(capsys: pytest.CaptureFixture[str]) -> None:
    cosine = _kstar_result(("a", 1.0, "fractured"), prefix="cosine_")
    lines = _kstar_lines(cosine, capsys)
    assert lines[0].endswith("γ of each class by cosine distance")
    scores = ["kstar_mean 0.123 [0.100, 0.200]", "gamma_approx –", "fractured 2"]
    assert [*lines[4:5], *lines[6:]] == ["score cosine", *scores]
    both = replace(_kstar_result(("a", 1.0, "fractured")), scores={"kstar_mean": 0.5} | dict(cosine.scores))
    lines = _kstar_lines(both, capsys)
    assert [*lines[4:5], *lines[6:7]] == ["score euclidean cosine", "kstar_mean 0.500 [0.100, 0.200] 0.123"]


@pytest.mark.parametrize("more", [0, 1, 30])
def test_of_many_classes_the_most_fractured_are_shown_and_the_rest_counted(
    more: int, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = [(f"c{number}", float(number), "fractured") for number in range(MOST_CLASSES + more)]
    lines = _kstar_lines(_kstar_result(*classes), capsys)
    assert [line.split()[0] for line in lines[3:23]] == [name for name, _, _ in reversed(classes)][:MOST_CLASSES]
    sentence = f"the 20 most fractured classes; {more} more are not shown, --out FOLDER writes all."
    assert lines[23] == (sentence if more else "score euclidean")


def test_long_class_names_are_broken_before_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipkstar.terminal.PLAIN_WIDTH", 80)
    lines = _kstar_lines(_kstar_result(("great white shark, man-eater " * 3, 1.0, "overlapped")), capsys)
    assert "30 0.250 +1.00 [-1.00, +2.00] overlapped 100.0" in lines[3]
    assert max(len(line) for line in KSTAR_LEGEND.splitlines()) <= 80


def test_several_sentences_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    say_all(("one.", "two."))
    assert capsys.readouterr() == ("", "clipkstar: one.\nclipkstar: two.\n")


def test_other_prompts_and_another_space_are_said_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    protocol = replace(SCORED.protocol, prompt_set="de", space="pre_projection")
    show_runs([replace(SCORED, protocol=protocol)], as_json=False)
    out = capsys.readouterr().out
    assert "colors exact (fake), fp32 on cpu, space pre_projection\n" in out
    assert "colors (sample of 6) (prompts de)" in out


def test_columns_that_are_left_out_of_a_table_stay_in_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [{"model": "a", "parameters": 151_277_313, "context": 77}, {"model": "b", "parameters": None}]
    show_catalog(entries[:1], as_json=False, without=("context",))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [lines[0], *lines[2:]] == ["model parameters", "a 151.3 M"]
    show_catalog(entries, as_json=True, without=("context",))
    assert json.loads(capsys.readouterr().out) == entries


VALIDATION = Validation(
    task="pets",
    dataset="imagefolder:pets",
    n_images=3,
    n_classes=2,
    classes=(ClassSize(label=0, name="cat", n_images=1), ClassSize(label=1, name="dog", n_images=2)),
    problems=("row 2 holds no image.",),
    remarks=("one class is small.",),
)


def test_a_validation_shows_its_classes_and_everything_there_is_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    show_validations([VALIDATION], as_json=False)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[2] == "pets 3 2 1 2 0 0 1"
    assert lines[5:] == [
        "1 dog 2",
        "0 cat 1",
        "pets: problem: row 2 holds no image.",
        "pets: remark: one class is small.",
    ]
    show_validations([VALIDATION, VALIDATION], as_json=False)
    assert "dog" not in capsys.readouterr().out
    show_validations([VALIDATION], as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["classes"][1] == {"label": 1, "name": "dog", "n_images": 2}


def test_of_many_classes_a_validation_shows_the_largest(capsys: pytest.CaptureFixture[str]) -> None:
    classes = tuple(ClassSize(label=label, name=f"c{label}", n_images=label) for label in range(MOST_CLASSES + 5))
    show_validations([replace(VALIDATION, classes=classes)], as_json=False)
    out = capsys.readouterr().out
    assert f"the {MOST_CLASSES} largest of {MOST_CLASSES + 5} classes; --json lists all.\n" in out
    assert f"c{MOST_CLASSES + 4} " in out
    assert "c4 " not in out
