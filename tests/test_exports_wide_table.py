"""CSV and parquet: every score of every run, and nothing lost on the way."""

import csv
import io
import math
from pathlib import Path

import polars as pl
import pytest
from hand_made_runs import hand_made
from synthetic_store import Plan, evaluations

from clipkstar.exports.result import Result
from clipkstar.exports.run_results import run_results
from clipkstar.exports.wide_table import COLUMNS, as_csv, as_parquet, is_own_csv, is_own_parquet, wide_table
from clipkstar.run import Run


def results(*runs: Run) -> list[Result]:
    return run_results(runs)[0]


def csv_rows(content: bytes) -> list[dict[str, str]]:
    """Read by Python's own reader, which knows nothing of polars."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_a_row_says_what_was_evaluated_and_how() -> None:
    run = hand_made("ViT", "final", revision="c0ffee", limit=8, prompt_set="plain", precision="fp16")
    (row,) = wide_table(results(run))[0].select(COLUMNS).to_dicts()
    assert row == {
        "data_set": "digits (sample of 8, prompts plain, fp16)",
        "task": "digits",
        "family": "zoo",
        "model": "ViT",
        "pretrained": "final",
        "lineage": "zoo/ViT",
        "precision": "fp16",
        "space": "output",
        "prompt_set": "plain",
        "limit": 8,
        "n_images": 8,
        "n_classes": 4,
        "dataset": "org/digits",
        "split": "test",
        "revision": "c0ffee",
        "fingerprint": "f" * 64,
        "run_id": run.run_id,
        "source": "clipkstar",
        "seconds_total": 1.5,
        "weights_sha256": run.checkpoint.weights_sha256,
        "clipkstar": "0",
        "metric_versions": "kstar 2; zero_shot 1",
    }


def test_scores_have_all_their_digits_and_intervals_two_columns() -> None:
    value = 1 / 3 + 1e-16
    run = hand_made(scores={"top1": value, "gamma_approx": None}, intervals={"top1": (0.1, 0.1 + 0.2)})
    other = hand_made("b", scores={"own_score": 1e-17}, without=("top1",), intervals={})
    exported = as_csv(results(run, other))
    rows = csv_rows(exported.content)
    assert [float(rows[0][name]) for name in ("top1", "top1_low", "top1_high")] == [value, 0.1, 0.1 + 0.2]
    assert (rows[0]["gamma_approx"], rows[0]["own_score"], rows[0]["limit"]) == ("", "", "")
    assert (rows[1]["top1"], rows[1]["top1_low"], float(rows[1]["own_score"])) == ("", "", 1e-17)
    scores = list(rows[0])[len(COLUMNS) :]
    assert scores == [*sorted({*run.scores, "own_score"}), "top1_low", "top1_high"]
    assert exported.notices == ()


def test_csv_and_parquet_hold_the_numbers_of_a_whole_store() -> None:
    runs = [evaluation.run for evaluation in evaluations(Plan(n_models=4, n_data_sets=2, n_classes=(4, 6)))]
    found = results(*runs)
    table = pl.read_parquet(io.BytesIO(as_parquet(found).content))
    rows = csv_rows(as_csv(found).content)
    of_id = {run.run_id: run for run in runs}
    assert table.height == len(rows) == len(runs)
    for row, typed in zip(rows, table.iter_rows(named=True), strict=True):
        run = of_id[typed["run_id"]]
        assert {name: typed[name] for name in run.scores} == run.scores
        assert {name: (typed[f"{name}_low"], typed[f"{name}_high"]) for name in run.intervals} == run.intervals
        for name, value in typed.items():
            if isinstance(value, float):
                assert float(row[name]) == value and math.isfinite(value)
            else:
                assert row[name] == ("" if value is None else str(value))


def test_the_order_of_the_runs_makes_no_difference() -> None:
    runs = [hand_made(model, task, name=task, fingerprint=task * 64) for task in "fe" for model in "ba"]
    assert as_csv(results(*runs)).content == as_csv(results(*reversed(runs))).content
    assert [(row["task"], row["model"]) for row in csv_rows(as_csv(results(*runs)).content)] == [
        ("e", "a"),
        ("e", "b"),
        ("f", "a"),
        ("f", "b"),
    ]


def test_scores_of_an_older_version_of_a_metric_do_not_compare_and_are_left_out() -> None:
    old = hand_made(scores={"top1": 0.5, "kstar_mean": 0.5}, metrics={"kstar": "1", "zero_shot": "1"})
    found, notices = run_results([old, hand_made("b")])
    assert (found[0].scores["top1"], "kstar_mean" in found[0].scores) == (0.5, False)
    assert [one.metric_versions for one in found] == ["zero_shot 1", "kstar 2; zero_shot 1"]
    assert notices == [
        "1 run without the scores of 'kstar', measured by an older version of it than 2, which does not compare "
        "(digits: 1); 'clipkstar score RUNS --force' or the same sweep again measures them anew."
    ]


def test_a_score_that_is_named_as_a_column_is_said() -> None:
    exported = as_csv(results(hand_made(scores={"task": 1.0, "top1_low": 2.0})))
    assert exported.notices == tuple(
        f"the score '{name}' is left out: the table has a column of that name already; rename it in its metric."
        for name in ("task", "top1_low")
    )
    (row,) = csv_rows(exported.content)
    assert (row["task"], row["top1_low"]) == ("digits", "0.0")


@pytest.mark.parametrize("name", ["a,b", 'say "a"', "a\nb", "a\r\nb", "日本か", " a ", "'", "null", ""])
def test_every_name_comes_back_from_csv_as_it_is(name: str) -> None:
    (row,) = csv_rows(as_csv(results(hand_made(f"m{name}", name, lineage=name))).content)
    assert (row["model"], row["pretrained"], row["lineage"]) == (f"m{name}", name, name)


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@SUM(A1)", "\tx"])
def test_a_name_that_a_spreadsheet_would_compute_is_written_as_it_is_and_said(name: str) -> None:
    exported = as_csv(results(hand_made(name, lineage="a"), hand_made("b", lineage="=b")))
    assert {row["model"] for row in csv_rows(exported.content)} == {name, "b"}
    first = min(name, "=b")
    assert exported.notices == (
        f"the name {first!r} (and 1 more) begins as a formula does, which a spreadsheet would compute; import the file "
        "there as text.",
    )


@pytest.mark.parametrize(
    "field", ["split", "revision", "prompt_set", "family", "name", "lineage", "dataset", "pretrained"]
)
def test_a_formula_is_said_wherever_it_stands(field: str) -> None:
    run = hand_made("a", "=x") if field == "pretrained" else hand_made(**{field: "=x"})
    (notice,) = as_csv(results(run)).notices
    assert notice.startswith("the name '=x'")


def test_a_score_that_is_named_as_a_formula_is_said() -> None:
    assert as_csv(results(hand_made(scores={"=score": -0.5}))).notices == (
        "the name '=score' begins as a formula does, which a spreadsheet would compute; import the file there as text.",
    )


def test_an_earlier_export_is_known_by_its_columns(tmp_path: Path) -> None:
    found = results(hand_made())
    text, typed, other = (tmp_path / name for name in ("a.csv", "a.parquet", "other"))
    text.write_bytes(as_csv(found).content)
    typed.write_bytes(as_parquet(found).content)
    other.write_text("task,model\n")
    assert (is_own_csv(text), is_own_csv(typed), is_own_csv(other), is_own_csv(tmp_path / "none")) == (
        *(True, False),
        *(False, False),
    )
    assert (is_own_parquet(typed), is_own_parquet(text), is_own_parquet(other)) == (True, False, False)
    pl.DataFrame({"data_set": ["a"], "task": ["a"]}).write_parquet(other)
    assert not is_own_parquet(other)
