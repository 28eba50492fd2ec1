"""Metrics side by side: the order of columns, and each way in which one can break its word."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError
from clipkstar.measure import identity_tables, measure, ordered
from clipkstar.metric import Measured, Metric, Score
from clipkstar.run import CLASS_COLUMNS, IMAGE_COLUMNS

EMBEDDINGS = Embeddings(
    images=np.array([[0], [1], [9]], dtype=np.float32),
    labels=np.array([0, 2, 2]),
    rows=np.array([5, 7, 8]),
    class_names=("cat", "dog", "owl"),
)


def made_up(name, declared=(), **found):
    """A metric that declares some scores and gives what it is told to."""
    scores = tuple(Score(name=score, meaning="made up", better="higher") for score in declared)
    given = Measured(**({"scores": dict.fromkeys(declared, 0.5)} | found))
    return Metric(
        name=name, version="1", summary="", scores=scores, compute=lambda _embeddings, _neighbors: given, source=""
    )


def refusal(*metrics):
    with pytest.raises(InputError) as raised:
        measure(EMBEDDINGS, metrics)
    return str(raised.value)


def test_without_metrics_there_are_the_identity_columns_only():
    found = measure(EMBEDDINGS, ())
    assert (found.scores, found.intervals, found.notices) == ({}, {}, ())
    assert_frame_equal(found.images, pl.DataFrame({"row": [5, 7, 8], "label": [0, 2, 2]}))
    expected = {"class": [0, 1, 2], "name": ["cat", "dog", "owl"], "n_images": [1, 0, 2]}
    assert_frame_equal(found.classes, pl.DataFrame(expected))


def test_identity_tables_have_one_row_per_image_and_one_per_class():
    images, classes = identity_tables(EMBEDDINGS)
    assert images.rows() == [(5, 0), (7, 2), (8, 2)]
    assert classes.rows() == [(0, "cat", 1), (1, "dog", 0), (2, "owl", 2)]


def test_what_the_metrics_found_stands_side_by_side_in_the_order_of_the_record():
    later = made_up(
        "later",
        ["kstar_mean", "own"],
        intervals={"own": (0.25, 0.75)},
        images=pl.DataFrame({"novel": [1.5, 2.5, 3.5], "kstar": [1, 1, 2]}),
        classes=pl.DataFrame({"gamma": [None, None, 0.1], "novel": [1, 2, 3], "kstar_mean": [None, None, 0.9]}),
        notices=("first", "second"),
    )
    earlier = made_up(
        "earlier",
        ["top1"],
        scores={"top1": None},
        images=pl.DataFrame({"prediction": [0, 1, 2]}),
        classes=pl.DataFrame({"recall": [1.0, None, 0.5]}),
        notices=("third",),
    )
    found = measure(EMBEDDINGS, [later, made_up("tableless", ["alone"]), earlier])
    assert found.scores == {"kstar_mean": 0.5, "own": 0.5, "alone": 0.5, "top1": None}
    assert found.intervals == {"own": (0.25, 0.75)}
    assert found.notices == ("first", "second", "third")
    assert found.images.columns == ["row", "label", "prediction", "kstar", "novel"]
    assert found.images.rows() == [(5, 0, 0, 1, 1.5), (7, 2, 1, 1, 2.5), (8, 2, 2, 2, 3.5)]
    assert found.classes.columns == ["class", "name", "n_images", "recall", "kstar_mean", "gamma", "novel"]
    assert found.classes.rows() == [
        (0, "cat", 1, 1.0, None, None, 1),
        (1, "dog", 0, None, None, None, 2),
        (2, "owl", 2, 0.5, 0.9, 0.1, 3),
    ]


@pytest.mark.parametrize("columns", [IMAGE_COLUMNS, CLASS_COLUMNS], ids=["images", "classes"])
def test_columns_of_the_record_come_in_its_order_and_others_keep_theirs(columns):
    given = ["zebra", *reversed(columns), "aardvark"]
    table = pl.DataFrame({name: [position] for position, name in enumerate(given)})
    found = ordered(table, columns)
    assert found.columns == [*columns, "zebra", "aardvark"]
    assert found.rows(named=True) == table.rows(named=True)


def test_searches_are_shared_by_the_metrics():
    seen = []
    metrics = [
        Metric(
            name=name,
            version="1",
            summary="",
            scores=(),
            compute=lambda _, neighbors: seen.append(neighbors.search_impostors(("euclidean",))) or Measured(scores={}),
            source="",
        )
        for name in ("one", "two")
    ]
    measure(EMBEDDINGS, metrics)
    assert len(seen) == 2
    assert seen[0]["euclidean"] is seen[1]["euclidean"]


def test_a_metric_that_leaves_out_a_score_is_refused():
    assert refusal(made_up("mine", ["one", "two"], scores={"one": 1.0})) == (
        "metric 'mine' declares other scores than it gives (two); make them agree."
    )


def test_a_metric_that_gives_scores_it_does_not_declare_is_refused():
    assert refusal(made_up("mine", ["one"], scores={"two": 1.0, "one": 1.0, "three": None})) == (
        "metric 'mine' declares other scores than it gives (three, two); make them agree."
    )


def test_a_score_of_another_metric_is_refused():
    assert refusal(made_up("mine", ["two", "one"]), made_up("yours", ["three", "two", "one"])) == (
        "metric 'yours' gives 'one', which another metric gives too; rename it."
    )


def test_nan_is_refused():
    assert refusal(made_up("mine", ["one", "two"], scores={"one": None, "two": float("nan")})) == (
        "metric 'mine' gives nan for 'two'; an undefined score is None."
    )


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.int64(1), 1, True])
def test_numbers_of_numpy_and_python_are_scores(value):
    found = measure(EMBEDDINGS, [made_up("mine", ["one"], scores={"one": value}, intervals={"one": (value, value)})])
    assert found.scores == {"one": float(value)}
    assert type(found.scores["one"]) is float
    assert found.intervals == {"one": (float(value), float(value))}
    assert {type(end) for end in found.intervals["one"]} == {float}


@pytest.mark.parametrize("value, said", [("high", "high"), ([0.5], "[0.5]"), (1j, "1j"), (float("inf"), "inf")])
def test_a_score_that_is_no_finite_number_is_refused(value, said):
    assert refusal(made_up("mine", ["one"], scores={"one": value})) == (
        f"metric 'mine' gives {said} for 'one'; an undefined score is None."
    )


@pytest.mark.parametrize(
    "name, low, high", [("one", 0.0, float("nan")), ("one", -float("inf"), 1.0), ("other", 0.0, 1.0)]
)
def test_an_interval_that_is_not_finite_or_of_no_score_is_refused(name, low, high):
    assert refusal(made_up("mine", ["one"], intervals={name: (low, high)})) == (
        f"metric 'mine' gives the interval {low} to {high} for '{name}'; leave it out."
    )


def test_an_interval_that_is_no_pair_of_numbers_is_refused():
    assert refusal(made_up("mine", ["one"], intervals={"one": ("low", "high")})) == (
        "metric 'mine' gives the interval low to high for 'one'; leave it out."
    )


@pytest.mark.parametrize("table, height", [("images", 3), ("classes", 3)])
@pytest.mark.parametrize("rows", [2, 4])
def test_a_table_of_another_height_is_refused(table, height, rows):
    frame = pl.DataFrame({"one": [0] * rows, "two": [0] * rows})
    assert refusal(made_up("mine", **{table: frame})) == (
        f"metric 'mine' gives a table of {rows} rows and columns one, two; "
        f"it needs {height} rows and columns that no other metric has."
    )


@pytest.mark.parametrize("table, taken", [("images", "row"), ("images", "label"), ("classes", "n_images")])
def test_a_column_of_the_identity_is_refused(table, taken):
    frame = pl.DataFrame({"one": [0] * 3, taken: [0] * 3})
    assert refusal(made_up("mine", **{table: frame})) == (
        f"metric 'mine' gives a table of 3 rows and columns one, {taken}; "
        "it needs 3 rows and columns that no other metric has."
    )


@pytest.mark.parametrize("table", ["images", "classes"])
def test_a_column_of_another_metric_is_refused(table):
    frame = pl.DataFrame({"one": [0] * 3})
    assert refusal(made_up("mine", **{table: frame}), made_up("yours", **{table: frame})) == (
        "metric 'yours' gives a table of 3 rows and columns one; it needs 3 rows and columns that no other metric has."
    )
