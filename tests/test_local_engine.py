"""A sweep in this process: in which order what is done, how often, and what is left when something fails."""

import gc
import json
import shutil
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colors import BROKEN, LABELS, NAMES, picture, pictures_of
from counted import Counted, install, requests, settled, settled_task, weights

from clipkstar import runner
from clipkstar.encoders import fake
from clipkstar.engines import local
from clipkstar.engines.local import run
from clipkstar.errors import InputError
from clipkstar.notices import listening
from clipkstar.run import Run
from clipkstar.store import Store, read, run_folders
from clipkstar.sweeps.survey import survey
from clipkstar.sweeps.sweep import Ended, Event, Sweep, Working
from clipkstar.unit import Settings

SETTINGS = Settings(device="cpu", batch_size=5, keep_pixels=True)


@pytest.fixture(autouse=True)
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return install(monkeypatch, tmp_path / "cache")


@pytest.fixture(autouse=True)
def heard() -> Iterator[list[str]]:
    sentences: list[str] = []
    with listening(sentences.append):
        yield sentences


@pytest.fixture
def results(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "runs")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Two data sets × three checkpoints, the second of another geometry."""
    small, large = weights(tmp_path / "small", "a", "c"), weights(tmp_path / "large", "b")
    return Sweep(
        checkpoints=(
            *requests("small", small[:1]),
            *requests("large", large),
            *requests("small", small[1:]),
        ),
        tasks=(settled_task(tmp_path, "first"), settled_task(tmp_path, "second", labels=LABELS[:9])),
        metrics=("zero_shot",),
        settings=SETTINGS,
    )


def go(sweep: Sweep, results: Store) -> list[Event]:
    events: list[Event] = []
    run(survey(sweep, results), events.append)
    return events


def outcomes(events: list[Event]) -> list[tuple[str, str, str]]:
    return [
        (event.pair.task, event.pair.checkpoint.rpartition("--")[2], event.outcome)
        for event in events
        if isinstance(event, Ended)
    ]


def records(results: Store) -> dict[str, Run]:
    """Everything in the store but the times, by folder."""
    found = {}
    for folder in run_folders(results):
        evaluation = read(folder)
        assert evaluation is not None
        found[folder.relative_to(results.root).as_posix()] = replace(evaluation.run, seconds=None)  # type: ignore[arg-type]
    return found


# Order and economy.


def test_every_pair_ends_once_those_of_one_geometry_together_and_a_model_is_loaded_once(
    sweep: Sweep, results: Store, counted: Counted
) -> None:
    events = go(sweep, results)
    assert outcomes(events) == [
        ("first", "a", "ran"),
        ("second", "a", "ran"),
        ("first", "c", "ran"),
        ("second", "c", "ran"),
        ("first", "b", "ran"),
        ("second", "b", "ran"),
    ]
    assert counted.of("load") == ["load a", "load c", "load b"]
    assert len(records(results)) == 6


def test_each_picture_is_decoded_once_for_each_geometry(sweep: Sweep, results: Store, counted: Counted) -> None:
    go(sweep, results)
    decoded = Counter(counted.of("decode"))
    assert len(decoded) == 12 + 9
    assert set(decoded.values()) == {2}


def test_without_kept_pixels_each_checkpoint_decodes_them_and_the_records_are_the_same(
    sweep: Sweep, results: Store, counted: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(sweep, results)
    counted.done.clear()
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "other cache"))
    streaming = Store(root=tmp_path / "streaming")
    go(replace(sweep, settings=replace(SETTINGS, keep_pixels=False)), streaming)
    assert set(Counter(counted.of("decode")).values()) == {3}
    assert not (tmp_path / "other cache" / "pixels").exists()
    assert records(streaming) == records(results)


def test_data_sets_whose_pixels_do_not_fit_the_cache_together_are_taken_one_after_another(
    sweep: Sweep, results: Store, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "bound_bytes", lambda: 12 * (3 * 6 * 6 + 8) + 200)  # those of "first" in large, no more
    events = go(sweep, results)
    assert outcomes(events) == [
        ("first", "a", "ran"),
        ("first", "c", "ran"),
        ("first", "b", "ran"),
        ("second", "a", "ran"),
        ("second", "c", "ran"),
        ("second", "b", "ran"),
    ]
    assert counted.of("load") == ["load a", "load c", "load b"] * 2
    assert set(Counter(counted.of("decode")).values()) == {2}


def test_the_next_weights_are_found_while_another_checkpoint_is_at_work(
    sweep: Sweep, results: Store, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first encoding waits until the weights of the second checkpoint are asked for: without that it would fail."""
    asked = threading.Event()
    family, waited = counted.family, []

    def identify(checkpoint: Any) -> Any:
        if checkpoint.pretrained == "c":
            asked.set()
        return counted.identify(checkpoint)

    def load(checkpoint: Any, *more: str) -> Any:
        if checkpoint.pretrained == "a":
            waited.append(asked.wait(timeout=60))
        return counted.load(checkpoint, *more)

    monkeypatch.setattr(fake, "FAMILY", replace(family, identify=identify, load=load, downloads=True))
    go(sweep, results)
    assert waited == [True]


def test_how_far_a_pair_is_is_told_in_pictures(sweep: Sweep, results: Store) -> None:
    events = go(replace(sweep, checkpoints=sweep.checkpoints[:1], tasks=sweep.tasks[:1]), results)
    assert [(event.done, event.total) for event in events if isinstance(event, Working)] == [
        (5, 12),
        (10, 12),
        (12, 12),
    ]
    (ended,) = [event for event in events if isinstance(event, Ended)]
    assert ended.pictures == 12
    assert ended.run is not None
    assert ended.seconds > 0
    assert ended.run.scores["top1"] == 1.0


# What is done is not done again.


def test_a_finished_sweep_opens_loads_and_decodes_nothing(
    sweep: Sweep, results: Store, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = go(sweep, results)
    before = records(results)
    counted.done.clear()
    monkeypatch.setattr(local, "open_rows", None)
    again = go(sweep, results)
    assert counted.done == []
    assert [outcome for *_, outcome in outcomes(again)] == ["skipped"] * 6
    assert all(isinstance(event, Ended) and event.pictures == 0 and event.seconds == 0 for event in again)
    runs = {event.pair: event.run for event in first if isinstance(event, Ended)}
    assert {event.pair: event.run for event in again} == runs  # type: ignore[union-attr]
    assert records(results) == before


def test_one_more_checkpoint_costs_that_checkpoint_alone(
    sweep: Sweep, results: Store, counted: Counted, tmp_path: Path
) -> None:
    go(sweep, results)
    counted.done.clear()
    more = replace(sweep, checkpoints=(*sweep.checkpoints, *requests("small", weights(tmp_path / "small", "d"))))
    events = go(more, results)
    assert [end for end in outcomes(events) if end[2] == "ran"] == [("first", "d", "ran"), ("second", "d", "ran")]
    assert set(counted.of("identify")) == {"identify d"}
    assert Counter(counted.of("load", "encode", "decode")) == {"load d": 1, "encode d": 3 + 2}


def test_one_more_metric_is_computed_without_a_model_or_a_picture(
    sweep: Sweep, results: Store, counted: Counted
) -> None:
    go(sweep, results)
    counted.done.clear()
    events = go(replace(sweep, metrics=("zero_shot", "kstar")), results)
    assert [outcome for *_, outcome in outcomes(events)] == ["ran"] * 6
    assert counted.of("load", "encode", "decode") == []
    for record in records(results).values():
        assert set(record.metrics) == {"zero_shot", "kstar"}
        assert (record.scores["top1"], record.scores["kstar_mean"]) == (1.0, 1.0)


def test_force_repeats_everything_with_the_same_numbers(sweep: Sweep, results: Store, counted: Counted) -> None:
    go(sweep, results)
    before = records(results)
    counted.done.clear()
    events = go(replace(sweep, settings=replace(SETTINGS, force=True)), results)
    assert [outcome for *_, outcome in outcomes(events)] == ["ran"] * 6
    assert len(counted.of("encode")) == 3 * (3 + 2)
    assert records(results) == before


def test_a_data_set_that_changed_is_opened_and_evaluated_again(
    sweep: Sweep, results: Store, counted: Counted, tmp_path: Path
) -> None:
    go(sweep, results)
    counted.done.clear()
    settled_task(tmp_path, "second", labels=LABELS[8::-1])
    events = go(sweep, results)
    assert Counter(end[::2] for end in outcomes(events)) == {("first", "skipped"): 3, ("second", "ran"): 3}
    assert len(records(results)) == 9


# Embeddings are shared by content.


def test_embeddings_of_one_activation_are_never_taken_for_another(
    sweep: Sweep, results: Store, counted: Counted, tmp_path: Path
) -> None:
    files = weights(tmp_path / "small", "a")
    one = replace(sweep, tasks=sweep.tasks[:1])
    for activation, top1 in (("gelu", 1.0), ("quick_gelu", 1 / 3), ("gelu", 1.0), ("quick_gelu", 1 / 3)):
        (ended,) = [
            event
            for event in go(replace(one, checkpoints=requests("small", files, activation=activation)), results)
            if isinstance(event, Ended)
        ]
        assert ended.run is not None
        assert ended.run.scores["top1"] == pytest.approx(top1)
    assert counted.of("load") == ["load a"] * 2
    assert len(records(results)) == 2
    assert len({record.embeddings.images for record in records(results).values()}) == 2


def test_one_sweep_may_hold_one_file_under_two_activations(sweep: Sweep, results: Store, tmp_path: Path) -> None:
    (file,) = weights(tmp_path / "small", "a")
    both = tuple(requests("small", [file], activation=name)[0] for name in ("gelu", "quick_gelu"))
    events = go(replace(sweep, checkpoints=both, tasks=sweep.tasks[:1]), results)
    ended = [event for event in events if isinstance(event, Ended)]
    assert [event.pair.checkpoint for event in ended] == [
        f"fake--small--a of {file}, gelu",
        f"fake--small--a of {file}, quick_gelu",
    ]
    assert [event.run and event.run.scores["top1"] for event in ended] == [1.0, pytest.approx(1 / 3)]


def test_tasks_of_the_same_images_and_other_words_share_image_embeddings(
    sweep: Sweep, results: Store, counted: Counted, tmp_path: Path
) -> None:
    same = replace(sweep.tasks[0], name="same", templates=("this is {}",))
    go(replace(sweep, checkpoints=sweep.checkpoints[:1], tasks=(sweep.tasks[0], same)), results)
    assert counted.of("encode") == ["encode a"] * 3
    keys = [record.embeddings for record in records(results).values()]
    assert len({key.images for key in keys}) == 1
    assert len({key.classes for key in keys}) == 2


@pytest.mark.parametrize(
    "change",
    [{"batch_size": 4}, {"precision": "amp_bf16"}, {"space": "pre_projection"}],
    ids=lambda change: next(iter(change)),
)
def test_image_embeddings_are_not_shared_with_another(
    change: dict[str, Any], sweep: Sweep, results: Store, counted: Counted, tmp_path: Path
) -> None:
    one = replace(sweep, checkpoints=sweep.checkpoints[:1], tasks=sweep.tasks[:1])
    go(one, results)
    counted.done.clear()
    go(replace(one, settings=replace(SETTINGS, **change)), Store(root=tmp_path / "other"))
    assert counted.of("load") == ["load a"]
    assert len(counted.of("encode")) == 3
    assert counted.of("decode") == []


# What fails is recorded, and the rest goes on.


def test_a_broken_picture_fails_the_pairs_of_its_data_set_alone(
    sweep: Sweep, results: Store, tmp_path: Path, heard: list[str]
) -> None:
    pictures = [picture(NAMES[label]) for label in LABELS]
    pictures[7] = BROKEN
    broken = replace(sweep, tasks=(settled_task(tmp_path, "broken", pictures=pictures), sweep.tasks[1]))
    sentence = "task 'broken': row 7 is no image in a format that PIL knows; repair or remove it."
    events = go(broken, results)
    assert Counter(end[::2] for end in outcomes(events)) == {("broken", "failed"): 3, ("second", "ran"): 3}
    assert {event.sentence for event in events if isinstance(event, Ended)} == {sentence, ""}
    assert heard == []
    record = json.loads((results.root / "broken" / "fake--small--a" / "failed.json").read_text())
    assert (record["status"], record["sentence"], record["checkpoint"]) == ("failed", sentence, "fake--small--a")

    settled_task(tmp_path, "broken")  # mended
    again = go(broken, results)
    assert Counter(end[::2] for end in outcomes(again)) == {("broken", "ran"): 3, ("second", "skipped"): 3}
    assert list(results.root.rglob("failed.json")) == []


def test_a_checkpoint_that_disappears_midway_fails_alone(
    sweep: Sweep, results: Store, counted: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(checkpoint: Any, *more: str) -> Any:
        shutil.rmtree(tmp_path / "large", ignore_errors=True)
        return counted.load(checkpoint, *more)

    def identify(checkpoint: Any) -> Any:
        if checkpoint.pretrained == "b":
            shutil.rmtree(tmp_path / "large", ignore_errors=True)
        return counted.identify(checkpoint)

    monkeypatch.setattr(fake, "FAMILY", replace(counted.family, identify=identify, load=load))
    events = go(sweep, results)
    assert Counter(end[1:] for end in outcomes(events)) == {("a", "ran"): 2, ("c", "ran"): 2, ("b", "failed"): 2}
    failed = [event.sentence for event in events if isinstance(event, Ended) and event.outcome == "failed"]
    assert failed == ["the file 'b.pt' is gone; restore it."] * 2
    assert counted.of("identify").count("identify b") == 1


def test_a_checkpoint_that_changes_between_its_hash_and_its_load_is_never_taken_for_what_was_hashed(
    sweep: Sweep, results: Store, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(checkpoint: Any, *more: str) -> Any:
        if checkpoint.pretrained == "b":
            settled(Path(checkpoint.source), b"trained on")
        return counted.load(checkpoint, *more)

    monkeypatch.setattr(fake, "FAMILY", replace(counted.family, load=load))
    events = go(sweep, results)
    assert Counter(end[1:] for end in outcomes(events)) == {("a", "ran"): 2, ("c", "ran"): 2, ("b", "failed"): 2}
    assert {event.sentence for event in events if isinstance(event, Ended)} == {
        "",
        "the files of fake--large--b changed during the sweep; the same command evaluates them as they are now.",
    }
    assert counted.of("encode").count("encode b") == 0
    assert Counter(end[1:] for end in outcomes(go(sweep, results)))[("b", "ran")] == 2


def test_what_nobody_foresaw_is_told_with_its_traceback_and_names_no_ones_home(
    sweep: Sweep, results: Store, counted: Counted, monkeypatch: pytest.MonkeyPatch, heard: list[str]
) -> None:
    def load(checkpoint: Any, *more: str) -> Any:
        if checkpoint.pretrained == "b":
            raise ZeroDivisionError(f"in {Path.home()}/model")
        return counted.load(checkpoint, *more)

    monkeypatch.setattr(fake, "FAMILY", replace(counted.family, load=load))
    events = go(replace(sweep, tasks=sweep.tasks[:1]), results)
    assert Counter(end[1:] for end in outcomes(events)) == {("a", "ran"): 1, ("c", "ran"): 1, ("b", "failed"): 1}
    (told,) = heard
    assert told.startswith("fake--large--b on first failed in a way that is not foreseen:\nTraceback ")
    assert told.endswith(f"ZeroDivisionError: in {Path.home()}/model")
    record = (results.root / "first" / "fake--large--b" / "failed.json").read_text()
    assert json.loads(record)["sentence"] == "ZeroDivisionError: in ~/model"
    assert str(Path.home()) not in record


def test_a_damaged_record_fails_its_pair_alone_and_force_repairs_it(sweep: Sweep, results: Store) -> None:
    go(sweep, results)
    damaged = next(folder for folder in run_folders(results) if "large" in str(folder) and "first" in str(folder))
    (damaged / "run.json").write_text("{")
    events = go(sweep, results)
    assert Counter(end[2] for end in outcomes(events)) == {"skipped": 5, "failed": 1}
    (sentence,) = [event.sentence for event in events if isinstance(event, Ended) and event.sentence]
    assert sentence == (
        f"{damaged / 'run.json'} is not a readable run record (Input data was truncated); "
        "move it away or repeat with --force."
    )
    assert "ran" in str(outcomes(go(replace(sweep, settings=replace(SETTINGS, force=True)), results)))
    assert len(records(results)) == 6


def test_a_store_that_cannot_be_written_is_said_before_any_work(sweep: Sweep, counted: Counted, tmp_path: Path) -> None:
    file = settled(tmp_path / "file", b"no folder")
    with pytest.raises(InputError) as raised:
        go(sweep, Store(root=file))
    assert str(raised.value) == f"the runs folder '{file}' cannot be written; choose another with --runs."
    assert counted.done == []


def test_an_interrupt_leaves_finished_runs_and_the_next_sweep_does_the_rest(
    sweep: Sweep, results: Store, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(checkpoint: Any, *more: str) -> Any:
        if checkpoint.pretrained == "c":
            raise KeyboardInterrupt
        return counted.load(checkpoint, *more)

    monkeypatch.setattr(fake, "FAMILY", replace(counted.family, load=load))
    with pytest.raises(KeyboardInterrupt):
        go(sweep, results)
    assert sorted(record.checkpoint.pretrained for record in records(results).values()) == ["a", "a"]
    monkeypatch.setattr(fake, "FAMILY", counted.family)
    assert Counter(end[2] for end in outcomes(go(sweep, results))) == {"skipped": 2, "ran": 4}


# Two sweeps on one store.


def test_a_unit_that_another_sweep_is_at_is_left_to_it_and_taken_up_at_the_end(
    sweep: Sweep, results: Store, counted: Counted
) -> None:
    """The other sweep starts while the first one works on its first pair, and goes through all of it."""
    other: list[Event] = []

    def report(event: Event) -> None:
        own.append(event)
        if isinstance(event, Working) and not other:
            thread = threading.Thread(target=lambda: other.extend(go(sweep, results)))
            other.append(event)
            thread.start()
            thread.join()

    own: list[Event] = []
    run(survey(sweep, results), report)
    ran = [end[:2] for end in outcomes(own) + outcomes(other) if end[2] == "ran"]
    # The second sweep does the five that are free, waits for nobody, and does the one that is taken itself at its end:
    # that one is doubled, with the same result.
    assert Counter(Counter(ran).values()) == {1: 5, 2: 1}
    assert outcomes(other)[-1] == ("first", "a", "ran")
    assert len(records(results)) == 6
    assert list((results.root).glob(".claims/*")) == []


@pytest.mark.parametrize("spoiled", ["file", "picture"])
def test_an_encoder_is_gone_before_the_next_is_loaded_also_when_a_pair_failed(
    tmp_path: Path, results: Store, counted: Counted, monkeypatch: pytest.MonkeyPatch, spoiled: str
) -> None:
    """Two models at a time may be one too many for a GPU; the frames of an error would keep the first."""
    alive: list[int] = []
    loaded: list[weakref.ref[Any]] = []
    family = counted.family

    def load(checkpoint: Any, *more: str) -> Any:
        alive.append(sum(encoder() is not None for encoder in loaded))
        made = family.load(checkpoint, *more)
        loaded.append(weakref.ref(made))
        return made

    monkeypatch.setattr(fake, "FAMILY", replace(family, load=load))
    pictures = pictures_of(LABELS)
    pictures[1] = BROKEN
    tasks = settled_task(tmp_path, "first"), settled_task(tmp_path, "second", pictures=pictures)
    if spoiled == "file":
        (tmp_path / "second.parquet").write_bytes(b"no table")
    sweep = Sweep(
        checkpoints=requests("small", weights(tmp_path, "a", "b", "c")),
        tasks=tasks,
        metrics=("zero_shot",),
        settings=SETTINGS,
    )
    gc.collect()
    gc.disable()
    try:
        events = go(sweep, results)
    finally:
        gc.enable()
    assert Counter(end[::2] for end in outcomes(events)) == {("first", "ran"): 3, ("second", "failed"): 3}
    assert alive == [0, 0, 0]


def test_a_picture_that_does_not_decode_is_found_once_and_fails_the_data_set_for_every_checkpoint(
    tmp_path: Path, results: Store, counted: Counted
) -> None:
    sweep = Sweep(
        checkpoints=requests("small", weights(tmp_path, "a", "b", "c")),
        tasks=(
            settled_task(tmp_path, "spoiled", pictures=[*pictures_of(LABELS[:1]), BROKEN, *pictures_of(LABELS)[2:]]),
        ),
        metrics=("zero_shot",),
        settings=SETTINGS,
    )
    events = go(sweep, results)
    sentences = {event.sentence for event in events if isinstance(event, Ended)}
    assert sentences == {"task 'spoiled': row 1 is no image in a format that PIL knows; repair or remove it."}
    assert [outcome for _, _, outcome in outcomes(events)] == ["failed"] * 3
    assert counted.of("load") == ["load a"]


def test_a_data_set_of_unknown_size_has_a_block_of_its_own(sweep: Sweep, results: Store, counted: Counted) -> None:
    unknown = tuple(replace(task, n_images=None) for task in sweep.tasks)
    events = go(replace(sweep, tasks=unknown), results)
    assert [task for task, _, _ in outcomes(events)] == ["first"] * 3 + ["second"] * 3
    assert set(Counter(counted.of("decode")).values()) == {2}


def test_a_failure_that_was_written_after_the_run_goes_when_the_run_is_found(sweep: Sweep, results: Store) -> None:
    go(sweep, results)
    folder = next(run_folders(results)).parent
    (folder / "failed.json").write_text("{}")
    assert {outcome for _, _, outcome in outcomes(go(sweep, results))} == {"skipped"}
    assert not (folder / "failed.json").exists()


def test_a_metric_that_another_sweep_added_meanwhile_is_kept(
    sweep: Sweep, results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one, with another metric, ends every pair just before this one writes it."""
    one = replace(sweep, checkpoints=sweep.checkpoints[:1], tasks=sweep.tasks[:1])
    compute, is_other = runner.compute, []

    def both(*arguments: Any) -> Any:
        found = compute(*arguments)
        if not is_other:
            is_other.append(True)
            with monkeypatch.context() as own:
                own.setattr(local, "claimed", lambda *_: nullcontext(True))
                go(replace(one, metrics=("nc1",)), results)
        return found

    monkeypatch.setattr(runner, "compute", both)
    go(one, results)
    (run,) = records(results).values()
    assert set(run.metrics) == {"zero_shot", "nc1"}
    assert {"top1", "nc1"} <= set(run.scores)
