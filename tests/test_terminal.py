"""What a person sees, and what a program reads."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from test_run import RUN

from clipkstar.run import Evaluation
from clipkstar.runner import Outcome
from clipkstar.terminal import LEGEND, progress_bar, say, show_catalog, show_runs, tell

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
