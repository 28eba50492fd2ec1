"""The tables of check and baseline: readable at 80 columns, whole in a pipe, the verdict in the last line."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest
from hand_made_checks import COLLAPSED, EIGHT, FAILING, HOSTILE, MIXED, PASSING, UNDECIDED, check_of, many
from hand_made_runs import hand_made

from clipkstar.check_view import LEAST_WIDTH, MOST_CLASSES, MOST_SENTENCES, show_baseline, show_check
from clipkstar.run import Evaluation


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Stdout is a terminal; `COLUMNS` is its width."""
    monkeypatch.setattr(sys.__stdout__, "isatty", lambda: True, raising=False)
    return monkeypatch


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]


def evaluations(*models: str) -> Sequence[Evaluation]:
    return [Evaluation(run=hand_made(model), images=pl.DataFrame(), classes=pl.DataFrame()) for model in models]


def test_in_a_pipe_one_table_holds_every_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    show_check(MIXED)
    said = lines(capsys)
    assert said[0] == "Candidate zoo--tiny-p8--stage1 against baseline zoo--tiny-p8--final; mode regression, α 5 %."
    assert [said[1], *said[3:7]] == [
        "data set score baseline candidate difference [95 %] it is p (Holm) power verdict",
        "digits top1 % 96.20 93.06 −3.14 [−4.41, −1.87] worse < 0.001 0.91 ✗ fail",
        "digits Γ′ −1.93 −1.51 +0.42 [+0.11, +0.73] worse 0.031 0.40 ✗ fail",
        "emoji_noto top1 % 45.27 45.96 +0.69 [−0.75, +1.25] better 1.000 0.91 ✓ pass",
        "emoji_noto ece 0.066 0.071 +0.005 [−0.010, +0.021] worse 1.000 0.31 ? undecided",
    ]


def test_below_the_table_stand_classes_reasons_and_last_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    show_check(MIXED)
    said = lines(capsys)
    start = said.index("Classes that became worse (they decide nothing):")
    assert [said[start + 1], *said[start + 3 :]] == [
        "data set class n score difference p (Holm)",
        "digits 8 78 recall % −12.00 0.004",
        "digits 3 78 γ +1.20 0.200 may be chance",
        "✗ fail: digits, top1: a worsening beyond 0 is established: −3.14 points [−4.41, −1.87], "
        "p < 0.001 after Holm's correction; 4.0 % of the images are right for exactly one of the two, exact McNemar "
        "p < 0.001.",
        "✗ fail: digits, gamma_approx: a worsening beyond 0 is established: +0.42 [+0.11, +0.73], "
        "p = 0.031 after Holm's correction; over 8 of 10 classes, the other 2 are undefined for one side or without a "
        "group of images.",
        "? undecided: emoji_noto, ece: 433 images show a worsening of 0.01 with a chance of 31 %; "
        "about 2,200 would decide it.",
        "Fail: the candidate is worse in 2 of 4 comparisons.",
    ]


def test_where_a_side_has_no_value_the_row_has_a_dash_and_the_reason_tells_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_check(check_of(COLLAPSED))
    said = lines(capsys)
    assert "digits Γ′ −1.93 – – – – – ? undecided" in said
    assert said[-2] == (
        "? undecided: digits, gamma_approx: Γ′ is undefined for the candidate, in every class all k* are equal."
    )


def test_at_80_columns_each_data_set_has_a_table_and_no_number_is_broken(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setenv("COLUMNS", "80")
    show_check(MIXED)
    out = capsys.readouterr().out
    tables = out.split("Classes that became worse")[0].splitlines()
    assert max(map(len, tables[2:])) <= 80
    said = [" ".join(line.split()) for line in tables if line.strip() and set(line.strip()) != {"─"}]
    assert said[1:] == [
        "digits, 797 images",
        "score baseline candidate difference [95 %] it is verdict",
        "top1 % 96.20 93.06 −3.14 [−4.41, −1.87] worse fail",
        "Γ′ −1.93 −1.51 +0.42 [+0.11, +0.73] worse fail",
        "emoji_noto, 433 images",
        "score baseline candidate difference [95 %] it is verdict",
        "top1 % 45.27 45.96 +0.69 [−0.75, +1.25] better pass",
        "ece 0.066 0.071 +0.005 [−0.010, +0.021] worse undecided",
    ]


def test_the_wide_table_begins_where_it_fits(terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for width, in_one in ((LEAST_WIDTH - 1, False), (LEAST_WIDTH, True)):
        terminal.setenv("COLUMNS", str(width))
        show_check(MIXED)
        out = capsys.readouterr().out
        assert ("data set" in out.split("Classes")[0]) is in_one
        assert max(map(len, out.split("Classes")[0].splitlines())) <= width


def test_notices_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show_check(MIXED)
    assert capsys.readouterr().err == f"clipkstar: {MIXED.notices[0]}\n"


def test_a_check_that_passes_ends_with_that(capsys: pytest.CaptureFixture[str]) -> None:
    show_check(check_of(PASSING))
    assert lines(capsys)[-1] == (
        "Pass: no worsening beyond the tolerance is established in 1 comparison; each would show, or excludes, one "
        "that matters."
    )


def test_of_many_classes_and_reasons_it_says_how_many_more_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    show_check(many(40))
    said = lines(capsys)
    assert f"{40 * 30 - MOST_CLASSES} more are not shown, --json lists all." in said
    n_open = sum(one.verdict != "pass" for one in many(40).comparisons)
    assert said[-2] == f"{n_open - MOST_SENTENCES} more are not shown, --json lists all."
    assert sum(line.startswith("✗ fail: ") for line in said) == MOST_SENTENCES
    assert said[-1] == "Fail: the candidate is worse in 24 of 240 comparisons."


def test_a_check_of_nothing_prints_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_check(check_of())
    assert len(lines(capsys)) == 2


def test_no_name_writes_to_the_terminal_what_is_not_text(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = replace(FAILING, task=HOSTILE)
    show_check(check_of(hostile, replace(UNDECIDED, task=HOSTILE), classes=[replace(EIGHT, name=HOSTILE)]))
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x00", "\ud800"} & set(out)
    assert HOSTILE.splitlines()[1] not in out.splitlines()


def test_a_baseline_is_a_line_per_evaluation(capsys: pytest.CaptureFixture[str]) -> None:
    show_baseline(evaluations("a", "b"), as_json=False)
    said = lines(capsys)
    assert said[0] == "data set checkpoint n top1 % Γ′ precision fingerprint"
    scores = [hand_made(model).scores for model in ("a", "b")]
    assert said[2:] == [
        f"digits zoo--{model}--final 8 {100 * own['top1']:.1f} {own['gamma_approx']:.2f} fp32 ffffffffffff"
        for model, own in zip("ab", scores, strict=True)
    ]


def test_a_baseline_as_json_is_its_run_records(capsys: pytest.CaptureFixture[str]) -> None:
    show_baseline(evaluations("a"), as_json=True)
    (record,) = json.loads(capsys.readouterr().out)
    assert record["checkpoint"]["model"] == "a"
    assert record["run_id"] == hand_made("a").run_id


def test_a_baseline_of_nothing_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_baseline([], as_json=False)
    assert capsys.readouterr() == ("", "")
