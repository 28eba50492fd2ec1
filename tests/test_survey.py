"""What is known of a sweep before anything is opened, loaded or downloaded."""

from dataclasses import replace
from pathlib import Path

import pytest
from colors import LABELS
from counted import Counted, install, requests, settled, settled_task, weights

from clipkstar.data.rows import open_rows
from clipkstar.engines.local import run
from clipkstar.errors import InputError
from clipkstar.store import Store, run_folders
from clipkstar.sweeps.survey import pairs, skip_stored, stored_run, survey
from clipkstar.sweeps.sweep import Ended, Event, Pair, Sweep
from clipkstar.unit import Settings


@pytest.fixture(autouse=True)
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return install(monkeypatch, tmp_path / "cache")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(
        checkpoints=requests("small", weights(tmp_path / "own", "a", "b")),
        tasks=(settled_task(tmp_path, "first"), settled_task(tmp_path, "second", labels=LABELS[:9])),
        metrics=("zero_shot",),
        settings=Settings(device="cpu", batch_size=5, keep_pixels=True),
    )


@pytest.fixture
def results(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "runs")


def test_pairs_come_data_set_by_data_set(sweep: Sweep, results: Store) -> None:
    assert list(pairs(survey(sweep, results))) == [
        Pair(task=task, checkpoint=f"fake--small--{tag}") for task in ("first", "second") for tag in ("a", "b")
    ]


def test_checkpoints_of_one_title_are_told_apart(sweep: Sweep, results: Store, tmp_path: Path) -> None:
    files = [*weights(tmp_path / "own", "a"), *weights(tmp_path / "other", "a")]
    found = survey(replace(sweep, checkpoints=requests("small", files)), results)
    assert list(found.members) == [f"fake--small--a of {file}" for file in files]


def test_before_a_data_set_was_opened_nothing_is_known_of_it(
    sweep: Sweep, results: Store, counted: Counted, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    found = survey(sweep, results)
    assert found.openings == {"first": None, "second": None}
    assert [stored_run(found, pair) for pair in pairs(found)] == [None] * 4
    assert (found.device, [metric.name for metric in found.metrics]) == ("cpu", ["zero_shot"])
    assert counted.done == []
    assert sorted(tmp_path.rglob("*")) == before


def test_after_it_was_opened_its_size_is_known_for_that_sample_alone(sweep: Sweep, results: Store) -> None:
    rows = open_rows(sweep.tasks[0], limit=6)
    whole, sample = survey(sweep, results), survey(replace(sweep, limit=6), results)
    assert whole.openings == {"first": None, "second": None}
    opening = sample.openings["first"]
    assert opening is not None
    assert (opening.n_images, opening.fingerprint) == (6, rows.fingerprint)


def test_runs_in_the_store_are_known_again(sweep: Sweep, results: Store, counted: Counted) -> None:
    run(survey(sweep, results), lambda _: None)
    counted.done.clear()
    found = survey(sweep, results)
    known = {pair: stored_run(found, pair) for pair in pairs(found)}
    for pair, record in known.items():
        assert record is not None
        assert (record.task.name, record.checkpoint.title) == (pair.task, pair.checkpoint)
    assert counted.done == []
    elsewhere = survey(sweep, Store(root=results.root / "elsewhere"))
    assert [stored_run(elsewhere, pair) for pair in pairs(elsewhere)] == [None] * 4


def test_what_is_stored_is_reported_and_the_rest_is_left(sweep: Sweep, results: Store, tmp_path: Path) -> None:
    run(survey(sweep, results), lambda _: None)
    more = replace(sweep, checkpoints=(*sweep.checkpoints, *requests("small", weights(tmp_path / "own", "c"))))
    told: list[Event] = []
    left = skip_stored(survey(more, results), told.append)
    assert left == [Pair(task=task, checkpoint="fake--small--c") for task in ("first", "second")]
    assert [(event.pair.task, event.outcome, event.pictures) for event in told if isinstance(event, Ended)] == [
        (task, "skipped", 0) for task in ("first", "first", "second", "second")
    ]
    for change in (replace(more, metrics=("zero_shot", "kstar")), replace(more, settings=Settings(force=True))):
        found = survey(replace(change, settings=replace(change.settings, device="cpu")), results)
        assert skip_stored(found, told.append) == list(pairs(found))
    assert len(told) == 4


@pytest.mark.parametrize("change", ["weights", "data set", "precision", "table", "record"])
def test_a_run_is_not_known_of(change: str, sweep: Sweep, results: Store, tmp_path: Path) -> None:
    run(survey(sweep, results), lambda _: None)
    if change == "weights":
        settled(tmp_path / "own" / "a.pt", b"trained on")
    elif change == "data set":
        settled_task(tmp_path, "first", labels=LABELS[::-1])
    elif change == "precision":
        sweep = replace(sweep, settings=replace(sweep.settings, precision="bf16"))
    else:
        folder = next(
            place for place in run_folders(results) if "first" in place.parts and "a" in place.parent.name[-1]
        )
        (folder / "images.parquet").unlink() if change == "table" else (folder / "run.json").write_text("{")
    found = survey(sweep, results)
    assert stored_run(found, Pair(task="first", checkpoint="fake--small--a")) is None
    others = [stored_run(found, pair) is not None for pair in pairs(found)]
    expected = {"weights": [False, True, False, True], "data set": [False, False, True, True], "precision": [False] * 4}
    assert others == expected.get(change, [False, True, True, True])


def test_a_device_that_is_not_there_is_one_sentence(sweep: Sweep, results: Store) -> None:
    with pytest.raises(InputError) as raised:
        survey(replace(sweep, settings=Settings(device="mps")), results)
    assert str(raised.value) == "--device mps was asked for, and torch sees none here; use --device auto."
