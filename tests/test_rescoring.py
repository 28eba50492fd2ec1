"""Metrics of stored runs computed again from cached embeddings: the numbers of the first run, without a model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from counted import Counted, install, requests, settled_task, weights

from clipkstar import store
from clipkstar.engines.local import run
from clipkstar.metric import Measured, Metric, Score
from clipkstar.notices import listening
from clipkstar.rescoring import Rescored, rescore
from clipkstar.run import Evaluation
from clipkstar.selection import select_metrics
from clipkstar.store import Store, run_folders
from clipkstar.sweeps.survey import survey
from clipkstar.sweeps.sweep import Sweep
from clipkstar.task import Subgroups
from clipkstar.unit import Settings


@pytest.fixture(autouse=True)
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return install(monkeypatch, tmp_path / "cache")


@pytest.fixture
def heard() -> Iterator[list[str]]:
    sentences: list[str] = []
    with listening(sentences.append):
        yield sentences


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(
        checkpoints=requests("small", weights(tmp_path / "own", "a", "b")),
        tasks=(settled_task(tmp_path, "first"),),
        settings=Settings(device="cpu", batch_size=5, keep_pixels=True),
    )


@pytest.fixture
def results(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "runs")


def go(sweep: Sweep, results: Store) -> dict[Path, Evaluation]:
    run(survey(sweep, results), lambda _: None)
    return stored(results)


def stored(results: Store) -> dict[Path, Evaluation]:
    found = {folder: store.read(folder) for folder in run_folders(results)}
    return {folder: evaluation for folder, evaluation in found.items() if evaluation is not None}


def scored(results: Store, *names: str, force: bool = False) -> list[Rescored]:
    return list(rescore(results, select_metrics(names), device="cpu", force=force))


def same(one: Evaluation, other: Evaluation) -> bool:
    return one.run == other.run and one.images.equals(other.images) and one.classes.equals(other.classes)


def test_every_score_comes_out_as_in_the_first_run_and_no_model_or_picture_is_touched(
    sweep: Sweep, results: Store, counted: Counted
) -> None:
    before = go(sweep, results)
    counted.done.clear()
    told = scored(results, force=True)
    assert [(each.folder, each.skipped, each.sentence) for each in told] == [(place, False, "") for place in before]
    after = stored(results)
    assert all(same(after[place], before[place]) for place in before)
    assert [each.run for each in told] == [evaluation.run for evaluation in after.values()]
    assert counted.done == []


def test_a_metric_that_is_added_gives_what_one_run_with_both_gives(
    sweep: Sweep, results: Store, tmp_path: Path
) -> None:
    at_once = go(replace(sweep, metrics=("zero_shot", "kstar", "nc1")), Store(root=tmp_path / "at once"))
    go(replace(sweep, metrics=("zero_shot",)), results)
    assert not any(each.skipped for each in scored(results, "kstar", "nc1"))
    for place, evaluation in stored(results).items():
        expected = at_once[tmp_path / "at once" / place.relative_to(results.root)]
        assert evaluation.run.metrics == expected.run.metrics
        assert evaluation.run.scores == expected.run.scores
        assert evaluation.run.intervals == expected.run.intervals
        assert evaluation.images.equals(expected.images)
        assert evaluation.classes.equals(expected.classes)


def test_runs_that_have_the_metrics_are_left_alone_and_their_embeddings_not_asked_for(
    sweep: Sweep, results: Store, tmp_path: Path
) -> None:
    before = go(replace(sweep, metrics=("zero_shot", "kstar")), results)
    written = {file: file.stat().st_mtime_ns for file in results.root.rglob("*")}
    (tmp_path / "cache").rename(tmp_path / "elsewhere")
    told = scored(results, "kstar")
    assert [(each.skipped, each.run) for each in told] == [(True, found.run) for found in before.values()]
    assert {file: file.stat().st_mtime_ns for file in results.root.rglob("*")} == written


def test_subgroups_come_from_the_run(sweep: Sweep, results: Store, tmp_path: Path) -> None:
    grouped = settled_task(tmp_path, "grouped", task={"subgroups": Subgroups(column="label", meaning="colour")})
    sweep = replace(sweep, tasks=(grouped,))
    before = go(sweep, results)
    scores = next(iter(before.values())).run.scores
    assert scores["worst_group_top1"] == 1.0
    scored(results, force=True)
    after = stored(results)
    assert all(same(after[place], before[place]) for place in before)


def test_what_a_metric_that_is_not_at_hand_had_found_is_kept(sweep: Sweep, results: Store) -> None:
    before = go(replace(sweep, metrics=("zero_shot",)), results)
    for evaluation in before.values():
        own = replace(
            evaluation.run,
            metrics=evaluation.run.metrics | {"own": "1"},
            scores=evaluation.run.scores | {"own_score": 7.0},
        )
        images = evaluation.images.with_columns(own=pl.Series(range(12)))
        store.write(results, replace(evaluation, run=own, images=images))
    scored(results, "kstar")
    for evaluation in stored(results).values():
        assert set(evaluation.run.metrics) == {"zero_shot", "own", "kstar"}
        assert evaluation.run.scores["own_score"] == 7.0
        assert evaluation.images["own"].to_list() == list(range(12))


def test_notices_of_metrics_are_passed_on(sweep: Sweep, results: Store) -> None:
    go(replace(sweep, metrics=("zero_shot",)), results)
    talking = Metric(
        name="talking",
        version="1",
        summary="",
        scores=(Score(name="said", meaning="", better="none"),),
        compute=lambda *_: Measured(scores={"said": 1.0}, notices=("something is odd.",)),
        source="",
    )
    assert [each.notices for each in rescore(results, [talking], device="cpu", force=False)] == [
        ("something is odd.",)
    ] * 2


# Where the embeddings are not there.


def lost(folder: Path) -> str:
    return (
        f"the embeddings of {folder} are not in the cache; the eval or sweep that made them makes them again, with the "
        "--metric wanted."
    )


@pytest.mark.parametrize("kind", ["images", "classes"])
def test_without_its_embeddings_a_run_stays_as_it_is_and_the_others_are_scored(
    kind: str, sweep: Sweep, results: Store, tmp_path: Path
) -> None:
    before = go(replace(sweep, metrics=("zero_shot",)), results)
    first, second = before
    keys = before[first].run.embeddings
    (tmp_path / "cache" / kind / f"{getattr(keys, kind)}.safetensors").unlink()
    files = {file: file.read_bytes() for file in first.iterdir()}
    told = scored(results, "kstar")
    assert [(each.folder, each.sentence, each.run is None) for each in told] == [
        (first, lost(first), True),
        (second, "", False),
    ]
    assert {file: file.read_bytes() for file in first.iterdir()} == files


def test_a_damaged_entry_is_said_and_its_run_stays_as_it_is(
    sweep: Sweep, results: Store, tmp_path: Path, heard: list[str]
) -> None:
    before = go(replace(sweep, metrics=("zero_shot",)), results)
    first, _ = before
    key = before[first].run.embeddings.images
    assert key is not None
    entry = tmp_path / "cache" / "images" / f"{key}.safetensors"
    content = bytearray(entry.read_bytes())
    content[-1] ^= 1
    entry.write_bytes(content)
    told = scored(results, "kstar")
    assert [each.sentence for each in told] == [lost(first), ""]
    assert heard == [f"the entry {key[:12]} of the images in the cache is damaged; it is made again."]
    stays = store.read(first)
    assert stays is not None
    assert same(stays, before[first])

    go(replace(sweep, settings=replace(sweep.settings, force=True), metrics=("zero_shot",)), results)
    assert [each.sentence for each in scored(results, "kstar")] == ["", ""]


def test_embeddings_of_other_images_are_never_taken_for_those_of_a_run(sweep: Sweep, results: Store) -> None:
    before = go(replace(sweep, metrics=("zero_shot",)), results)
    first, _ = before
    found = before[first]
    half = replace(found, run=replace(found.run, task=replace(found.run.task, n_images=6)), images=found.images.head(6))
    store.write(results, half)
    assert [each.sentence for each in scored(results, "kstar")] == [lost(first), ""]


def test_a_damaged_record_is_one_sentence_and_the_others_are_scored(sweep: Sweep, results: Store) -> None:
    first, _ = go(replace(sweep, metrics=("zero_shot",)), results)
    (first / "run.json").write_text("{")
    assert [each.sentence for each in scored(results, "kstar")] == [
        f"{first / 'run.json'} is not a readable run record (Input data was truncated); move it away or repeat with "
        "--force.",
        "",
    ]


def test_a_model_without_text_is_scored_without_class_embeddings(
    sweep: Sweep, results: Store, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clipkstar.encoders import fake

    def load(checkpoint: object, *more: str) -> object:
        return replace(counted.load(checkpoint, *more), has_text=False)  # type: ignore[arg-type]

    monkeypatch.setattr(fake, "FAMILY", replace(counted.family, load=load))
    before = go(sweep, results)
    assert next(iter(before.values())).run.scores["top1"] is None
    assert [each.sentence for each in scored(results, force=True)] == ["", ""]
    after = stored(results)
    assert all(same(after[place], before[place]) for place in before)
