"""One checkpoint over tasks, with the fake encoder whose answer is known, on real pictures and a real store."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from colors import BROKEN, LABELS, NAMES, colors_task, picture

from clipkstar import store
from clipkstar.checkpoint import Checkpoint, Identity
from clipkstar.data.rows import Rows, open_rows
from clipkstar.encoder import Family, Request
from clipkstar.encoders.fake import FAMILY, ColorEncoder
from clipkstar.errors import InputError
from clipkstar.metric import Measured, Metric, Score
from clipkstar.run import CLASS_COLUMNS, IMAGE_COLUMNS, Run
from clipkstar.runner import Outcome, evaluate
from clipkstar.selection import select_metrics
from clipkstar.store import Store
from clipkstar.unit import Settings, Work

CHECKPOINT = FAMILY.resolve(Request(model="colors"))


def _work(*, family: Family = FAMILY, metrics: tuple[str, ...] = (), **settings: Any) -> Work:
    return Work(
        family=family,
        checkpoint=CHECKPOINT,
        metrics=select_metrics(metrics),
        settings=Settings(device="cpu", **settings),
    )


def _evaluate(work: Work, tasks: list[Rows], root: Path) -> list[Outcome]:
    return list(evaluate(work, tasks, Store(root=root), lambda *_: None))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests encoded is not taken for the work of this one."""
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def colors(tmp_path: Path) -> Rows:
    return open_rows(colors_task(tmp_path))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def _counting() -> tuple[Family, list[str]]:
    """The fake family, and a list that grows by every load and every encoding."""
    done: list[str] = []

    class CountingEncoder(ColorEncoder):
        def encode_images(self, pixels: Any) -> Any:
            done.append("encode_images")
            return super().encode_images(pixels)

    def load(checkpoint: Checkpoint, device: str, precision: str) -> ColorEncoder:
        done.append(f"load {checkpoint.title} {device} {precision}")
        return CountingEncoder()

    return replace(FAMILY, load=load), done


def _mean_metric(version: str, *, name: str = "mean", score: str = "mean_label") -> Metric:
    """A metric of our own that needs no embedding: the mean label, and the label once more per image."""
    return Metric(
        name=name,
        version=version,
        summary="",
        scores=(Score(name=score, meaning="", better="none"),),
        compute=lambda embeddings, _: Measured(
            scores={score: float(embeddings.labels.mean()) + float(version)},
            images=pl.DataFrame({f"{score}_of_image": embeddings.labels + 100}),
            classes=pl.DataFrame({f"{score}_of_class": [float(version)] * embeddings.n_classes}),
        ),
        source="",
    )


def _without_seconds(run: Run) -> dict[str, Any]:
    return {field: value for field, value in vars(run).items() if field != "seconds"}


# The known answer.


def test_plain_colours_are_all_right_and_every_image_lies_deep_in_its_class(colors: Rows, root: Path) -> None:
    (outcome,) = _evaluate(_work(), [colors], root)
    found = outcome.evaluation
    # All 4 images of a class lie at one point: every other one is nearer than any impostor, k* = n_c = 4, no γ.
    assert found.images["kstar"].to_list() == found.images["cosine_kstar"].to_list() == [4] * 12
    assert found.images["prediction"].to_list() == found.images["label"].to_list() == list(LABELS)
    assert found.classes["pattern"].to_list() == found.classes["cosine_pattern"].to_list() == ["clustered"] * 3
    assert found.classes["recall"].to_list() == [1.0] * 3
    assert found.classes["gamma"].to_list() == [None] * 3
    expected = {
        "top1": 1.0,
        "top5": None,
        "mean_class_recall": 1.0,
        "kstar_mean": 1.0,
        "nn1_accuracy": 1.0,
        "gamma_approx": None,
        "gamma_true": None,
        "gamma_undefined": 3,
        "singleton_classes": 0,
        "fractured": 0,
        "overlapped": 0,
        "clustered": 3,
        "cosine_kstar_mean": 1.0,
        "cosine_clustered": 3,
    }
    assert {name: found.run.scores[name] for name in expected} == expected
    # The image embedding is (1, 0, 0) up to order, the class embeddings are too: logits 100 and 0.
    assert found.run.scores["ece"] == pytest.approx(0, abs=1e-12)


def test_one_wrong_label_costs_what_it_must(tmp_path: Path, root: Path) -> None:
    labels = (1, *LABELS[1:])  # the first red picture is called green
    pictures = [picture(NAMES[label], size=(8 + row, 8)) for row, label in enumerate(LABELS)]
    (outcome,) = _evaluate(_work(), [open_rows(colors_task(tmp_path, labels=labels, pictures=pictures))], root)
    found = outcome.evaluation
    assert found.run.scores["top1"] == 11 / 12
    assert found.classes["recall"].to_list() == [1.0, 4 / 5, 1.0]
    # The false green picture and the 3 left of red lie at one point, each with an impostor at distance 0: k* = 1.
    # The 4 true green ones have 3 of their class at 0 and the false one as far away as any impostor: k* = 1 + 3.
    assert found.images["kstar"].to_list() == [1, 4, 4, 1, 4, 4, 1, 4, 4, 1, 4, 4]


def test_the_tables_are_stored_in_the_order_of_the_contract(colors: Rows, root: Path) -> None:
    (outcome,) = _evaluate(_work(), [colors], root)
    images, classes = outcome.evaluation.images, outcome.evaluation.classes
    assert tuple(images.columns) == IMAGE_COLUMNS
    assert tuple(classes.columns) == CLASS_COLUMNS
    assert images["row"].to_list() == list(range(12))
    assert classes["name"].to_list() == ["red", "green", "blue"]
    stored = store.read(outcome.folder)
    assert stored is not None
    assert stored.run == outcome.evaluation.run
    assert stored.images.equals(images)
    assert stored.classes.equals(classes)


def test_a_sample_is_recorded_as_one(tmp_path: Path, root: Path) -> None:
    rows = open_rows(colors_task(tmp_path), limit=6)
    (outcome,) = _evaluate(_work(), [rows], root)
    assert (outcome.evaluation.run.task.limit, outcome.evaluation.run.task.n_images) == (6, 6)
    assert outcome.evaluation.images["row"].to_list() == rows.row_numbers.tolist()


def test_progress_is_told_in_images_of_the_task(colors: Rows, root: Path) -> None:
    told: list[tuple[str, int, int]] = []
    list(evaluate(_work(batch_size=5), [colors], Store(root=root), lambda *step: told.append(step)))
    assert told == [("colors", 5, 12), ("colors", 10, 12), ("colors", 12, 12)]


# Work that is done is not done again.


def test_the_second_call_does_no_work_and_gives_the_same_record(colors: Rows, root: Path) -> None:
    family, done = _counting()
    (first,) = _evaluate(_work(family=family), [colors], root)
    assert done == ["load fake--colors--exact cpu fp32", "encode_images"]
    before = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in first.folder.iterdir()}
    (second,) = _evaluate(_work(family=family), [colors], root)
    assert done == ["load fake--colors--exact cpu fp32", "encode_images"]
    assert (first.skipped, second.skipped) == (False, True)
    assert second.evaluation.run == first.evaluation.run
    assert second.evaluation.images.equals(first.evaluation.images)
    assert second.folder == first.folder
    assert {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in first.folder.iterdir()} == before


def test_a_model_is_loaded_once_for_several_tasks_and_only_for_those_to_do(tmp_path: Path, root: Path) -> None:
    tasks = [open_rows(colors_task(tmp_path, name=name, labels=LABELS[:n])) for name, n in (("a", 12), ("b", 9))]
    family, done = _counting()
    _evaluate(_work(family=family), tasks[:1], root)
    outcomes = _evaluate(_work(family=family), tasks, root)
    assert [outcome.skipped for outcome in outcomes] == [True, False]
    assert done == ["load fake--colors--exact cpu fp32", "encode_images"] * 2


def test_force_repeats_the_work_with_the_same_id_and_the_same_numbers(colors: Rows, root: Path) -> None:
    family, done = _counting()
    (first,) = _evaluate(_work(family=family), [colors], root)
    (second,) = _evaluate(_work(family=family, force=True), [colors], root)
    assert len(done) == 4
    assert not second.skipped
    assert second.folder == first.folder
    assert _without_seconds(second.evaluation.run) == _without_seconds(first.evaluation.run)
    assert second.evaluation.images.equals(first.evaluation.images)
    assert second.evaluation.classes.equals(first.evaluation.classes)


def test_a_model_without_a_weights_hash_is_never_taken_for_done(colors: Rows, root: Path) -> None:
    family, done = _counting()
    nameless = replace(family, identify=lambda _: replace(FAMILY.identify(CHECKPOINT), weights_sha256=None))
    first, second = (_evaluate(_work(family=nameless), [colors], root)[0] for _ in range(2))
    assert not second.skipped
    assert first.evaluation.run.run_id != second.evaluation.run.run_id
    assert len(done) == 4


def test_a_damaged_record_is_an_error_and_force_repairs_it(colors: Rows, root: Path) -> None:
    (first,) = _evaluate(_work(), [colors], root)
    (first.folder / "run.json").write_text("{")
    with pytest.raises(InputError) as raised:
        _evaluate(_work(), [colors], root)
    assert str(raised.value) == (
        f"{first.folder / 'run.json'} is not a readable run record (Input data was truncated); "
        "move it away or repeat with --force."
    )
    (second,) = _evaluate(_work(force=True), [colors], root)
    assert second.evaluation.run.scores == first.evaluation.run.scores
    assert store.read(second.folder) is not None


def test_the_run_id_does_not_change_with_the_folder_of_runs_or_the_name_of_the_task(tmp_path: Path) -> None:
    ids = set()
    for name in ("a", "b"):
        (outcome,) = _evaluate(_work(), [open_rows(colors_task(tmp_path, name=name))], tmp_path / f"runs {name}")
        ids.add(outcome.evaluation.run.run_id)
        assert outcome.folder == tmp_path / f"runs {name}" / name / "fake--colors--exact" / outcome.folder.name
    assert ids == {outcome.folder.name}
    assert len(outcome.folder.name) == 16


# Metrics come and go.


def test_a_missing_metric_is_computed_and_the_others_stay(colors: Rows, root: Path) -> None:
    (first,) = _evaluate(_work(metrics=("zero_shot",)), [colors], root)
    assert list(first.evaluation.run.metrics) == ["zero_shot"]
    (second,) = _evaluate(_work(metrics=("kstar",)), [colors], root)
    run = second.evaluation.run
    assert not second.skipped
    assert second.folder == first.folder
    assert set(run.metrics) == {"zero_shot", "kstar"}
    assert run.scores["top1"] == 1.0
    assert run.scores["kstar_mean"] == 1.0
    assert run.intervals["top1"] == first.evaluation.run.intervals["top1"]
    assert tuple(second.evaluation.images.columns) == IMAGE_COLUMNS
    assert tuple(second.evaluation.classes.columns) == CLASS_COLUMNS
    (third,) = _evaluate(_work(metrics=("zero_shot", "kstar")), [colors], root)
    assert third.skipped
    assert third.evaluation.run == run


def test_two_calls_with_one_metric_each_give_what_one_call_with_both_gives(colors: Rows, tmp_path: Path) -> None:
    for metrics in (("kstar",), ("zero_shot",)):
        (piecewise,) = _evaluate(_work(metrics=metrics), [colors], tmp_path / "piecewise")
    (at_once,) = _evaluate(_work(metrics=("kstar", "zero_shot")), [colors], tmp_path / "at once")
    assert _without_seconds(piecewise.evaluation.run) == _without_seconds(at_once.evaluation.run)
    assert piecewise.evaluation.images.equals(at_once.evaluation.images)
    assert piecewise.evaluation.classes.equals(at_once.evaluation.classes)


def test_an_older_metric_is_computed_again_and_the_others_stay(colors: Rows, root: Path) -> None:
    both = replace(_work(metrics=("zero_shot",)), metrics=[*select_metrics(("zero_shot",)), _mean_metric("1")])
    (first,) = _evaluate(both, [colors], root)
    assert first.evaluation.run.scores["mean_label"] == 2.0
    (second,) = _evaluate(replace(both, metrics=[_mean_metric("2")]), [colors], root)
    assert not second.skipped
    assert second.evaluation.run.metrics == {"zero_shot": "1", "mean": "2"}
    assert second.evaluation.run.scores["mean_label"] == 3.0
    assert second.evaluation.run.scores["top1"] == 1.0
    assert second.evaluation.classes["mean_label_of_class"].to_list() == [2.0] * 3
    assert second.evaluation.images["prediction"].to_list() == list(LABELS)


def test_what_a_newer_version_of_a_metric_dropped_is_not_kept_under_its_name(colors: Rows, root: Path) -> None:
    _evaluate(replace(_work(), metrics=[_mean_metric("1", score="old_name")]), [colors], root)
    (second,) = _evaluate(replace(_work(), metrics=[_mean_metric("2", score="new_name")]), [colors], root)
    assert second.evaluation.run.metrics == {"mean": "2"}
    assert list(second.evaluation.run.scores) == ["new_name"]


def test_what_a_metric_that_is_not_at_hand_had_found_is_kept(colors: Rows, root: Path) -> None:
    _evaluate(replace(_work(), metrics=[_mean_metric("1")]), [colors], root)
    (second,) = _evaluate(_work(metrics=("kstar",)), [colors], root)
    run = second.evaluation.run
    assert run.metrics == {"mean": "1"} | {metric.name: metric.version for metric in select_metrics(("kstar",))}
    assert (run.scores["mean_label"], run.scores["kstar_mean"]) == (2.0, 1.0)
    assert second.evaluation.images["mean_label_of_image"].to_list() == [label + 100 for label in LABELS]
    assert second.evaluation.classes["mean_label_of_class"].to_list() == [1.0] * 3
    (third,) = _evaluate(replace(_work(), metrics=[_mean_metric("1"), *select_metrics(("kstar",))]), [colors], root)
    assert third.skipped


def test_force_leaves_out_what_a_metric_that_is_not_at_hand_had_found(colors: Rows, root: Path) -> None:
    _evaluate(replace(_work(), metrics=[_mean_metric("1"), *select_metrics(())]), [colors], root)
    (second,) = _evaluate(_work(metrics=("kstar",), force=True), [colors], root)
    run = second.evaluation.run
    assert run.metrics == {metric.name: metric.version for metric in select_metrics(())}
    assert "mean_label" not in run.scores
    assert tuple(second.evaluation.images.columns) == IMAGE_COLUMNS
    assert tuple(second.evaluation.classes.columns) == CLASS_COLUMNS
    stored = store.read(second.folder)
    assert stored is not None
    assert stored.run == run


@pytest.mark.parametrize("force", [False, True])
def test_own_metrics_of_the_record_are_computed_again_when_a_run_is_repeated(
    colors: Rows, root: Path, force: bool
) -> None:
    (first,) = _evaluate(_work(metrics=("zero_shot",)), [colors], root)
    stale = replace(first.evaluation, run=replace(first.evaluation.run, scores={"top1": 0.125}, intervals={}))
    store.write(Store(root=root), stale)
    (second,) = _evaluate(_work(metrics=("kstar",), force=force), [colors], root)
    assert second.evaluation.run.scores["top1"] == 1.0
    assert second.evaluation.run.intervals["top1"] == first.evaluation.run.intervals["top1"]
    assert set(second.evaluation.run.metrics) == {"zero_shot", "kstar"}


def test_a_new_version_drops_what_metrics_that_are_not_at_hand_had_found(colors: Rows, root: Path) -> None:
    other = _mean_metric("1", name="other", score="other_label")
    _evaluate(replace(_work(), metrics=[_mean_metric("1"), other]), [colors], root)
    (second,) = _evaluate(replace(_work(), metrics=[_mean_metric("2")]), [colors], root)
    assert second.evaluation.run.metrics == {"mean": "2"}
    assert second.evaluation.run.scores == {"mean_label": 3.0}
    assert second.evaluation.images.columns == ["row", "label", "mean_label_of_image"]
    assert second.evaluation.classes.columns == ["class", "name", "n_images", "mean_label_of_class"]
    (third,) = _evaluate(replace(_work(), metrics=[other]), [colors], root)
    assert not third.skipped
    assert third.evaluation.run.metrics == {"mean": "2", "other": "1"}


def test_columns_of_further_metrics_follow_those_of_the_contract(colors: Rows, root: Path) -> None:
    work = replace(_work(), metrics=[_mean_metric("1"), *select_metrics(())])
    (outcome,) = _evaluate(work, [colors], root)
    assert tuple(outcome.evaluation.images.columns) == (*IMAGE_COLUMNS, "mean_label_of_image")
    assert tuple(outcome.evaluation.classes.columns) == (*CLASS_COLUMNS, "mean_label_of_class")


def _spoiled(change: Callable[[Measured], Measured]) -> Metric:
    good = _mean_metric("1")
    return replace(good, compute=lambda embeddings, neighbors: change(good.compute(embeddings, neighbors)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda found: replace(found, scores={"mean_label": float("nan")}),
            "metric 'mean' gives nan for 'mean_label'; an undefined score is None.",
        ),
        (
            lambda found: replace(found, scores={"other": 1.0}),
            "metric 'mean' declares other scores than it gives (mean_label, other); make them agree.",
        ),
        (
            lambda found: replace(found, images=pl.DataFrame({"a": [1, 2]})),
            "metric 'mean' gives a table of 2 rows and columns a; "
            "it needs 12 rows and columns that no other metric has.",
        ),
        (
            lambda found: replace(found, classes=pl.DataFrame({"name": ["a", "b", "c"]})),
            "metric 'mean' gives a table of 3 rows and columns name; "
            "it needs 3 rows and columns that no other metric has.",
        ),
        (
            lambda found: replace(found, scores={"mean_label": float("inf")}),
            "metric 'mean' gives inf for 'mean_label'; an undefined score is None.",
        ),
        pytest.param(
            lambda found: replace(found, intervals={"mean_label": (0.0, float("nan"))}),
            "metric 'mean' gives the interval 0.0 to nan for 'mean_label'; leave it out.",
        ),
    ],
    ids=["NaN", "undeclared", "rows", "column", "infinity", "interval"],
)
def test_a_metric_that_breaks_its_promise_is_one_sentence_and_nothing_is_written(
    colors: Rows, root: Path, change: Callable[[Measured], Measured], sentence: str
) -> None:
    with pytest.raises(InputError) as raised:
        _evaluate(replace(_work(), metrics=[_spoiled(change)]), [colors], root)
    assert str(raised.value) == sentence
    assert not root.exists()


def test_two_metrics_that_give_one_score_are_an_error(colors: Rows, root: Path) -> None:
    with pytest.raises(InputError) as raised:
        _evaluate(replace(_work(), metrics=[_mean_metric("1"), _mean_metric("1", name="again")]), [colors], root)
    assert str(raised.value) == "metric 'again' gives 'mean_label', which another metric gives too; rename it."


# Bad input, and other tasks in the call.


def test_nothing_is_written_when_a_picture_is_broken(tmp_path: Path, root: Path) -> None:
    pictures = [picture(NAMES[label]) for label in LABELS]
    pictures[11] = BROKEN
    rows = open_rows(colors_task(tmp_path, pictures=pictures))
    with pytest.raises(InputError) as raised:
        _evaluate(_work(batch_size=4), [rows], root)
    assert str(raised.value) == ("task 'colors': row 11 is no image in a format that PIL knows; repair or remove it.")
    assert not root.exists()


def test_what_was_finished_before_a_broken_picture_is_kept(tmp_path: Path, root: Path) -> None:
    good = open_rows(colors_task(tmp_path, name="good"))
    bad = open_rows(colors_task(tmp_path, name="bad", pictures=[BROKEN] * 12))
    with pytest.raises(InputError):
        _evaluate(_work(), [good, bad], root)
    assert [path.relative_to(root).parts[0] for path in root.rglob("run.json")] == ["good"]


class NanEncoder(ColorEncoder):
    """Gives NaN for pictures that are mainly green."""

    def encode_images(self, pixels: Any) -> Any:
        found = super().encode_images(pixels)
        found[found.argmax(axis=1) == 1] = float("nan")
        return found


def test_embeddings_that_are_not_finite_name_the_first_row_and_nothing_is_written(colors: Rows, root: Path) -> None:
    family = replace(FAMILY, load=lambda *_: NanEncoder())
    with pytest.raises(InputError) as raised:
        _evaluate(_work(family=family), [colors], root)
    assert str(raised.value) == (
        "task 'colors': row 1 has an embedding with NaN or infinity (4 of 12 images have); "
        "check the weights, or use --precision fp32."
    )
    assert not root.exists()


class MuteEncoder(ColorEncoder):
    """Has no text tower."""

    def encode_texts(self, texts: Any) -> Any:
        raise TypeError(f"{len(texts)} prompts for an encoder without a text tower")


def test_without_a_text_tower_the_zero_shot_scores_are_null_and_the_rest_works(colors: Rows, root: Path) -> None:
    family = replace(FAMILY, load=lambda *_: MuteEncoder(has_text=False))
    (outcome,) = _evaluate(_work(family=family), [colors], root)
    scores = outcome.evaluation.run.scores
    assert [scores[name] for name in ("top1", "top5", "mean_class_recall", "ece")] == [None] * 4
    assert scores["kstar_mean"] == 1.0
    assert "prediction" not in outcome.evaluation.images.columns


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_one_is_an_error(colors: Rows, root: Path, batch_size: int) -> None:
    with pytest.raises(InputError) as raised:
        _evaluate(_work(batch_size=batch_size), [colors], root)
    assert str(raised.value) == f"--batch-size got {batch_size}; it needs at least 1."


def test_a_device_that_is_not_there_is_an_error(colors: Rows, root: Path) -> None:
    import torch

    missing: Any = "mps" if not torch.backends.mps.is_available() else "cuda"
    work = replace(_work(), settings=Settings(device=missing))
    with pytest.raises(InputError) as raised:
        _evaluate(work, [colors], root)
    assert str(raised.value) == f"--device {missing} was asked for, and torch sees none here; use --device auto."


def test_results_do_not_depend_on_other_tasks_in_the_call(tmp_path: Path) -> None:
    a = open_rows(colors_task(tmp_path, name="a", labels=LABELS[:9]))
    b = open_rows(colors_task(tmp_path, name="b", labels=(2, 2, 0, 0, 1, 1, 1)))
    alone = [_evaluate(_work(), [rows], tmp_path / "alone")[0].evaluation for rows in (a, b)]
    together = [outcome.evaluation for outcome in _evaluate(_work(), [b, a], tmp_path / "together")][::-1]
    for one, other in zip(alone, together, strict=True):
        assert _without_seconds(one.run) == _without_seconds(other.run)
        assert one.images.equals(other.images)
        assert one.classes.equals(other.classes)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_results_do_not_depend_on_the_batch_size_where_the_encoder_does_not(
    colors: Rows, tmp_path: Path, batch_size: int
) -> None:
    reference, other = (
        _evaluate(_work(batch_size=size), [colors], tmp_path / f"runs{size}")[0].evaluation for size in (12, batch_size)
    )
    assert other.run.scores == reference.run.scores
    assert other.images.equals(reference.images)


def test_the_stored_record_is_what_json_readers_see(colors: Rows, root: Path) -> None:
    (outcome,) = _evaluate(_work(), [colors], root)
    record = json.loads((outcome.folder / "run.json").read_text())
    assert record["scores"] == dict(outcome.evaluation.run.scores)
    assert record["run_id"] == outcome.folder.name


def test_identity_is_asked_once_and_before_any_load(colors: Rows, root: Path) -> None:
    family, done = _counting()

    def identify(checkpoint: Checkpoint) -> Identity:
        done.append("identify")
        return FAMILY.identify(checkpoint)

    _evaluate(_work(family=replace(family, identify=identify)), [colors, colors], root)
    assert done == ["identify", "load fake--colors--exact cpu fp32", "encode_images"]
