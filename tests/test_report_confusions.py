from collections import Counter

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from synthetic_store import Plan, evaluations

from clipkstar.report.confusions import MOST_PAIRS, Pair, confused_pairs, impostor_pairs

CLASSES = pl.DataFrame({"class": [0, 1, 2], "name": ["cat", "dog", "cow"], "n_images": [4, 2, 0]})


def test_pairs_are_counted_and_shared_among_the_images_of_the_class():
    images = pl.DataFrame({"label": [0, 0, 0, 0, 1, 1], "prediction": [0, 1, 1, 2, 0, 1]})
    assert confused_pairs(images, CLASSES) == (
        Pair(name="cat", other="dog", n_images=2, share=0.5),
        Pair(name="dog", other="cat", n_images=1, share=0.5),
        Pair(name="cat", other="cow", n_images=1, share=0.25),
    )


def test_an_impostor_is_counted_under_its_class():
    images = pl.DataFrame({"row": [3, 5, 8, 9], "label": [0, 0, 1, 1], "impostor_row": [8, 9, 3, 3]})
    assert impostor_pairs(images, CLASSES) == (
        Pair(name="dog", other="cat", n_images=2, share=1.0),
        Pair(name="cat", other="dog", n_images=2, share=0.5),
    )


def test_an_impostor_that_is_not_among_the_rows_is_left_out():
    images = pl.DataFrame({"row": [3, 5], "label": [0, 1], "impostor_row": [5, 4]})
    assert impostor_pairs(images, CLASSES) == (Pair(name="cat", other="dog", n_images=1, share=0.25),)


def test_without_predictions_and_without_confusions_there_are_no_pairs():
    none = pl.DataFrame(
        {"label": [0, 1], "prediction": [None, None]}, schema={"label": pl.Int64, "prediction": pl.Int64}
    )
    assert confused_pairs(none, CLASSES) == ()
    assert confused_pairs(pl.DataFrame({"label": [0, 1], "prediction": [0, 1]}), CLASSES) == ()


def test_only_the_largest_pairs_are_returned():
    run = next(evaluations(Plan(n_models=1, n_data_sets=1, n_classes=(30,))))
    counts = Counter(
        (label, other) for label, other in run.images.select("label", "prediction").iter_rows() if label != other
    )
    pairs = confused_pairs(run.images, run.classes)
    assert len(counts) > len(pairs) == MOST_PAIRS
    assert [pair.n_images for pair in pairs] == sorted(counts.values(), reverse=True)[:MOST_PAIRS]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_the_pairs_are_those_of_a_count_by_hand(pairs):
    labels = [label for label, _ in pairs]
    classes = CLASSES.with_columns(n_images=pl.Series([labels.count(label) for label in range(3)]))
    images = pl.DataFrame(pairs, schema={"label": pl.Int64, "prediction": pl.Int64}, orient="row")
    names = list(CLASSES["name"])
    expected = {
        (names[label], names[other]): (n, n / labels.count(label))
        for (label, other), n in Counter(pairs).items()
        if label != other
    }
    found = confused_pairs(images, classes)
    assert {(pair.name, pair.other): (pair.n_images, pair.share) for pair in found} == expected
