"""Tables against their record: whole ones, and every way in which they may not be the record's."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hand_made_evaluations import evaluation
from regression_pairs import World

from clipkstar.regression.baseline_file import condensed
from clipkstar.regression.whole_tables import fault, order_fault
from clipkstar.run import Evaluation

Change = Callable[[pl.DataFrame], pl.DataFrame]


def with_images(change: Change) -> Evaluation:
    whole = evaluation()
    return replace(whole, images=change(whole.images))


def with_classes(change: Change) -> Evaluation:
    whole = evaluation()
    return replace(whole, classes=change(whole.classes))


def first(value: object, name: str, dtype: type[pl.DataType] | None = None) -> Change:
    """Set the first value of a column."""
    return lambda table: table.with_columns(pl.Series(name, [value, *table[name][1:]], dtype=dtype, strict=False))


def without_score(whole: Evaluation, *scores: str) -> Evaluation:
    return replace(whole, run=replace(whole.run, scores=whole.run.scores | dict.fromkeys(scores)))


@pytest.mark.parametrize("sizes", [(), (30, 20, 9, 4, 1)])
def test_what_was_measured_fits_its_record(sizes: tuple[int, ...]) -> None:
    for number in range(5):
        pair = World(n_classes=5, per_class=12, sizes=sizes).pair(number)
        assert [fault(side) for side in (pair.candidate, pair.baseline)] == ["", ""]
        assert order_fault(pair.candidate, pair.baseline) == ""


def test_what_was_made_by_hand_fits_its_record() -> None:
    assert fault(evaluation()) == ""


@pytest.mark.parametrize("name", ["label", "prediction", "confidence"])
def test_a_column_of_images_that_is_missing_is_named(name: str) -> None:
    assert fault(with_images(lambda table: table.drop(name))) == f"images.parquet has no {name}"


@pytest.mark.parametrize("name", ["name", "n_images", "gamma", "kstar_mean", "nn1_accuracy"])
def test_a_column_of_classes_that_is_missing_is_named(name: str) -> None:
    assert fault(with_classes(lambda table: table.drop(name))) == f"classes.parquet has no {name}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (first(None, "label"), "label in images.parquet lacks 1 of 60 values"),
        (first(None, "prediction"), "prediction in images.parquet lacks 1 of 60 values"),
        (first(None, "confidence"), "confidence in images.parquet lacks 1 of 60 values"),
        (first(float("nan"), "confidence"), "confidence in images.parquet lacks 1 of 60 values"),
        (first(1.5, "confidence"), "confidence in images.parquet is not within 0 … 1"),
        (first(-1, "label"), "label in images.parquet is not within 0 … 2"),
        (first(3, "prediction"), "prediction in images.parquet is not within 0 … 2"),
        (lambda table: table.cast({"label": pl.String}), "label in images.parquet is String"),
        (lambda table: table.cast({"label": pl.Float64}), "label in images.parquet is Float64"),
        (first(0, "label"), ""),
        (first(1, "label"), "n_images in classes.parquet does not count the labels of images.parquet"),
    ],
)
def test_values_of_images_that_none_can_be_are_named(change: Change, said: str) -> None:
    assert fault(with_images(change)) == said


def test_labels_that_are_no_32_bit_numbers_are_named() -> None:
    assert "conversion from `i64` to `i32` failed" in fault(with_images(first(2**40, "label")))


def test_a_class_without_a_name_is_named_and_one_without_a_value_is_none_of_it() -> None:
    said = "name in classes.parquet lacks 1 of 3 values"
    assert fault(with_classes(first(None, "name"))) == said
    undefined = with_classes(first(None, "gamma"))
    mean = float(np.mean(undefined.classes["gamma"].drop_nulls().to_list()))
    assert (
        fault(replace(undefined, run=replace(undefined.run, scores=undefined.run.scores | {"gamma_approx": mean})))
        == ""
    )


@pytest.mark.parametrize(
    ("score", "changed"),
    [
        ("top1", with_images(lambda table: table.with_columns(prediction=pl.col("label")))),
        ("ece", with_images(lambda table: table.with_columns(confidence=pl.lit(0.5)))),
        ("gamma_approx", with_classes(first(7.0, "gamma"))),
        ("kstar_mean", with_classes(first(7.0, "kstar_mean"))),
        ("nn1_accuracy", with_classes(first(7.0, "nn1_accuracy"))),
    ],
)
def test_a_score_that_does_not_come_out_as_recorded_is_named(score: str, changed: Evaluation) -> None:
    said = fault(changed)
    assert said.startswith(f"{score} of the tables is ")
    assert said.endswith(f", the record has {changed.run.scores[score]}")


def test_recall_is_checked_by_class() -> None:
    whole = evaluation()
    other = replace(whole, run=replace(whole.run, scores=whole.run.scores | {"mean_class_recall": 0.25}))
    said = fault(other)
    assert said.startswith("mean_class_recall of the tables is 0.7") and said.endswith(", the record has 0.25")


def test_a_run_without_a_text_tower_needs_no_predictions_and_an_older_kstar_no_class_values() -> None:
    image_only = with_images(lambda table: table.drop("prediction", "confidence"))
    assert fault(without_score(image_only, "top1", "mean_class_recall", "ece")) == ""
    older = with_classes(lambda table: table.drop("gamma", "kstar_mean", "nn1_accuracy"))
    assert fault(replace(older, run=replace(older.run, metrics={"kstar": "2", "zero_shot": "1"}))) == ""


@pytest.mark.parametrize("name", ["row", "label"])
def test_a_pair_in_another_order_is_told_by_rows_or_labels(name: str) -> None:
    assert order_fault(with_images(lambda table: table.with_columns(pl.col(name).reverse())), evaluation()) == (
        f"their images.parquet differ in {name}"
    )
    assert order_fault(condensed(evaluation()), evaluation()) == ""
