"""What sweep, score and cache print on stdout."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from colors import colors_task

from clipkstar.caching.room import Entries
from clipkstar.data.rows import open_rows
from clipkstar.encoder import Request
from clipkstar.encoders.fake import FAMILY
from clipkstar.measure import Findings
from clipkstar.recording import record
from clipkstar.rescoring import Rescored
from clipkstar.run import Run, Seconds
from clipkstar.sweep_tables import MOST_ROWS, forecast_sentences, show_cache, show_forecast, show_rescored, show_sweep
from clipkstar.sweeps.forecast import Download, Forecast, PairForecast, State
from clipkstar.sweeps.sweep import Ended, Pair
from clipkstar.unit import Settings, Unit, Work


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    checkpoint = FAMILY.resolve(Request(model="colors"))
    work = Work(family=FAMILY, checkpoint=checkpoint, metrics=[], settings=Settings(device="cpu"))
    rows = open_rows(colors_task(tmp_path_factory.mktemp("colors")))
    found = Findings(scores={"top1": 0.5}, intervals={}, images=pl.DataFrame(), classes=pl.DataFrame(), notices=())
    seconds = Seconds(open=0, pixels=0, encode_images=0, encode_texts=0, metrics=0, total=0)
    return record(Unit(work=work, identity=FAMILY.identify(checkpoint), device="cpu", rows=rows), [], found, seconds)


def ahead(*states: State, **more: Any) -> Forecast:
    pairs = tuple(
        PairForecast(task="digits", checkpoint=f"c{number}", state=state, n_images=100)
        for number, state in enumerate(states)
    )
    right = Forecast(
        pairs=pairs, to_encode=300, to_decode=200, pixel_bytes=1_500_000_000, downloads=(), is_complete=True
    )
    return replace(right, **more)


@pytest.mark.parametrize(
    ("forecast", "sentences"),
    [
        (ahead("stored"), ["1 pair of checkpoint and task: 1 stored."]),
        (
            ahead("stored", "metrics missing", "stored"),
            ["3 pairs of checkpoint and task: 2 stored, 1 metrics missing."],
        ),
        (
            ahead("to run", "failed before", "stored"),
            [
                "3 pairs of checkpoint and task: 1 to run, 1 failed before, 1 stored.",
                "300 pictures to encode, 200 of them to decode and resize first, for which the cache takes 1.50 GB.",
            ],
        ),
        (
            ahead("to run", is_complete=False, to_decode=0, pixel_bytes=0),
            [
                "1 pair of checkpoint and task: 1 to run.",
                "at least 300 pictures to encode, 0 of them to decode and resize first.",
            ],
        ),
    ],
)
def test_a_forecast_is_told_in_sentences(forecast: Forecast, sentences: list[str]) -> None:
    assert forecast_sentences(forecast) == sentences


def test_downloads_are_told_with_the_size_of_those_whose_size_is_known() -> None:
    downloads = [Download(what="weights", name=f"w{number}", bytes=None) for number in range(5)]
    downloads += [Download(what="weights", name=name, bytes=600_000_000) for name in ("w5", "w6")]
    downloads += [Download(what="data set", name="org/data", bytes=None)]
    assert forecast_sentences(ahead("stored", downloads=tuple(downloads)))[1:] == [
        "to download unless cached: weights of w0, w1, w2, w3, w4, … (7 in all, about 1.2 GB for 2 of them).",
        "to download unless cached: data set of org/data (1 in all).",
    ]


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr()
    assert said.err == ""
    return [" ".join(line.split()) for line in said.out.splitlines() if line.strip(" ─")]


def test_the_plan_is_a_table_of_pairs_and_its_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    found = ahead("to run", "stored")
    unsized = replace(found, pairs=(found.pairs[0], replace(found.pairs[1], n_images=None)))
    show_forecast(unsized, as_json=False)
    assert lines(capsys) == [
        "task checkpoint images state",
        "digits c0 100 to run",
        "digits c1 stored",
        *forecast_sentences(unsized),
    ]


def test_a_long_plan_is_cut_in_the_table_and_whole_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = ahead(*["to run"] * (MOST_ROWS + 1))
    show_forecast(found, as_json=False)
    printed = lines(capsys)
    assert len(printed) == 1 + MOST_ROWS + 3
    assert printed[-3] == f"the first {MOST_ROWS} of {MOST_ROWS + 1}; --json has all."
    show_forecast(found, as_json=True)
    read = json.loads(capsys.readouterr().out)
    assert len(read["pairs"]) == MOST_ROWS + 1
    assert read["pairs"][0] == {"task": "digits", "checkpoint": "c0", "state": "to run", "n_images": 100}
    assert (read["to_encode"], read["is_complete"], read["downloads"]) == (300, True, [])


def ended(run: Run) -> list[Ended]:
    pairs = [Pair(task="colors", checkpoint=name) for name in "abc"]
    return [
        Ended(pair=pairs[0], outcome="ran", run=run),
        Ended(pair=pairs[1], outcome="failed", sentence="it broke."),
        Ended(pair=pairs[2], outcome="skipped", run=run),
    ]


def test_a_sweep_ends_with_a_table_of_what_ran_and_was_skipped_and_the_sentences_of_what_failed(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    show_sweep(ended(run), as_json=False)
    printed = lines(capsys)
    assert printed[0].startswith("task checkpoint n top1 % 1-NN %")
    assert printed[1].startswith("colors a ran 12 50.0 ")
    assert printed[2].startswith("colors c skipped 12 50.0 ")
    assert printed[-2:] == ["failed: b on colors: it broke.", "3 pairs: 1 ran, 1 skipped, 1 failed."]


def test_a_table_of_runs_goes_data_set_by_data_set(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    other = replace(run, task=replace(run.task, name="shapes"))
    runs = [("colors", "a", run), ("shapes", "a", other), ("colors", "b", run)]
    show_sweep(
        [Ended(pair=Pair(task=task, checkpoint=name), outcome="ran", run=of) for task, name, of in runs], as_json=False
    )
    assert [line.split()[:2] for line in lines(capsys)[1:4]] == [["colors", "a"], ["colors", "b"], ["shapes", "a"]]


def test_a_sweep_of_which_everything_failed_has_no_table(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    show_sweep(ended(run)[1:2], as_json=False)
    assert lines(capsys) == ["failed: b on colors: it broke.", "1 pair: 0 ran, 0 skipped, 1 failed."]


def test_json_of_a_sweep_has_every_pair_with_its_record(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    show_sweep(ended(run), as_json=True)
    read = json.loads(capsys.readouterr().out)
    assert [(each["task"], each["checkpoint"], each["outcome"], each["sentence"]) for each in read] == [
        ("colors", "a", "ran", ""),
        ("colors", "b", "failed", "it broke."),
        ("colors", "c", "skipped", ""),
    ]
    assert read[1]["run"] is None
    assert read[0]["run"]["run_id"] == run.run_id


def test_runs_that_were_scored_are_a_table_and_the_others_sentences(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    rescored = [
        Rescored(folder=Path("a"), run=run),
        Rescored(folder=Path("b"), run=run, skipped=True),
        Rescored(folder=Path("c"), run=None, sentence="it is lost."),
    ]
    show_rescored(rescored, as_json=False)
    printed = lines(capsys)
    assert printed[1].startswith("colors fake--colors--exact scored 12 50.0 ")
    assert printed[2].startswith("colors fake--colors--exact skipped 12 50.0 ")
    assert printed[-1] == "not scored: it is lost."
    show_rescored(rescored, as_json=True)
    assert [each["run_id"] for each in json.loads(capsys.readouterr().out)] == [run.run_id] * 2


def test_the_cache_is_listed_kind_by_kind(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [
        Entries(kind="pixels", n_files=2, n_bytes=12_345_678, last_used=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        Entries(kind="images", n_files=10, n_bytes=100, last_used=datetime(2026, 11, 22, 3, 4, tzinfo=UTC)),
    ]
    show_cache(entries, as_json=False)
    assert lines(capsys) == [
        "kind files MB last used",
        "pixels 2 12.3 2026-01-02 03:04 UTC",
        "images 10 0.0 2026-11-22 03:04 UTC",
    ]
    show_cache(entries, as_json=True)
    assert json.loads(capsys.readouterr().out)[0] == {
        "kind": "pixels",
        "n_files": 2,
        "n_bytes": 12_345_678,
        "last_used": "2026-01-02T03:04:00Z",
    }


def test_an_empty_cache_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show_cache([], as_json=False)
    assert lines(capsys) == ["the cache is empty."]
    show_cache([], as_json=True)
    assert json.loads(capsys.readouterr().out) == []
