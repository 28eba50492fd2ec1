"""The k* metric on cases small enough to work out by hand."""

import math

import numpy as np
import polars as pl
import pytest

from clipkstar.embeddings import Embeddings
from clipkstar.jackknife import N_GROUPS, class_groups
from clipkstar.metrics.kstar import METRIC, metric_of
from clipkstar.neighbors import Neighbors

CLASS_COLUMNS = ["kstar_mean", "kstar_std", "gamma", "gamma_anchored", "pattern", "nn1_accuracy"]


def held(images, labels, class_names):
    """Embeddings whose rows are 10, 20, 30, …: never mistaken for positions."""
    rows = 10 * np.arange(1, len(labels) + 1)
    return Embeddings(
        images=np.array(images, dtype=np.float32), labels=np.array(labels), rows=rows, class_names=class_names
    )


def measured(embeddings, metric=METRIC):
    return metric.compute(embeddings, Neighbors(embeddings))


def approximately(expected):
    """Numbers nearly, None and words exactly."""
    return [value if value is None or isinstance(value, str) else pytest.approx(value, abs=1e-9) for value in expected]


def assert_scores(found, expected, prefix=""):
    given = [found.scores[prefix + name] for name in expected]
    assert given == approximately(expected.values())


def test_two_classes_on_a_line_by_hand():
    # a at 0, 1, 3 and b at 4.5, 6, 10 have k* 3, 3, 1 and 1, 2, 3 (worked out in test_neighbors).
    embeddings = held([[0], [1], [3], [4.5], [6], [10]], [0, 0, 0, 1, 1, 1], ("a", "b"))
    found = measured(embeddings, metric_of(("euclidean",)))
    assert found.images.to_dict(as_series=False) == {
        "kstar": [3, 3, 1, 1, 2, 3],
        "impostor_row": [40, 40, 40, 30, 30, 30],
    }
    # a, thirds 3 3 1: mean 7/9; deviations 2 2 -4 ninths, std sqrt(24/3)/9; γ as of (1, 1, -2): -2/2^1.5.
    #    anchored, thirds 0 1 3 3 3: deviations -2 -1 1 1 1; m2 = 8/5, m3 = -6/5.
    # b, thirds 1 2 3: mean 2/3; deviations -1 0 1 thirds, std sqrt(2/3)/3; γ 0.
    #    anchored, thirds 0 1 2 3 3: deviations -9 -4 1 6 6 fifths; m2 = 170/5 = 34, m3 = -360/5 = -72.
    # two of the three images of each class have k* > 1.
    expected = [
        (7 / 9, math.sqrt(8) / 9, -1 / math.sqrt(2), -1.2 / 1.6**1.5, "clustered", 2 / 3),
        (2 / 3, math.sqrt(2 / 3) / 3, 0.0, -72 / 34**1.5, "overlapped", 2 / 3),
    ]
    for row, values in zip(found.classes.select(CLASS_COLUMNS).rows(), expected, strict=True):
        assert list(row) == approximately(values)
    assert_scores(
        found,
        {
            "kstar_mean": (7 / 9 + 2 / 3) / 2,
            "nn1_accuracy": 4 / 6,
            "gamma_approx": -1 / math.sqrt(2) / 2,
            # pool, thirds 3 3 1 1 2 3: deviations 5 5 -7 -7 -1 5 sixths; m2 = 174/6 = 29, m3 = -312/6 = -52.
            "gamma_true": -52 / 29**1.5,
            "gamma_approx_anchored": (-1.2 / 1.6**1.5 - 72 / 34**1.5) / 2,
            # and 0, 3: deviations 1 1 -1 -1 0 1 -2 1; m2 = 10/8, m3 = -6/8.
            "gamma_true_anchored": -0.75 / 1.25**1.5,
            "gamma_undefined": 0,
            "singleton_classes": 0,
            "fractured": 0,
            "overlapped": 1,
            "clustered": 1,
        },
    )


def test_the_values_without_each_group_are_those_of_the_images_that_remain():
    random = np.random.default_rng(5)
    labels = np.repeat([0, 1, 3, 4], [30, 12, 2, 1])
    embeddings = held(random.normal(size=(45, 4)) + np.eye(5)[labels][:, :4], labels, ("a", "b", "nobody", "d", "e"))
    found = measured(embeddings).classes
    groups = class_groups(labels)
    for prefix in ("", "cosine_"):
        for name in ("gamma", "kstar_mean", "nn1_accuracy"):
            column = found[f"{prefix}{name}_without"]
            assert column.dtype == pl.Array(pl.Float32, N_GROUPS)
            # Nobody is in the third class; the one image of the last and a γ of two images are never defined.
            assert column.is_null().to_list() == [False, False, True, name == "gamma", True]
            for group in range(N_GROUPS):
                kept = groups != group
                rest = held(embeddings.images[kept], labels[kept], embeddings.class_names)
                expected = measured(rest, metric_of(("euclidean", "cosine"), intervals=False)).classes
                assert column.arr.get(group).to_list() == [
                    value if value is None else pytest.approx(value, rel=1e-6) for value in expected[f"{prefix}{name}"]
                ]
    # d has two images, in two groups: without either of them one is left, of which nothing is defined.
    assert found["kstar_mean_without"].arr.to_list().list.count_matches(None)[3] == 2


def test_without_groups_the_values_are_null_and_without_intervals_there_are_no_columns():
    few = held([[0], [1], [3], [4.5], [6], [10]], [0, 0, 0, 1, 1, 1], ("a", "b"))
    names = ["gamma_without", "kstar_mean_without", "nn1_accuracy_without"]
    found = measured(few, metric_of(("euclidean",))).classes
    assert found.columns[-3:] == names
    assert [found[name].dtype for name in names] == [pl.Array(pl.Float32, N_GROUPS)] * 3
    assert found.select(names).null_count().row(0) == (2, 2, 2)
    assert not set(names) & set(measured(few, metric_of(("euclidean",), intervals=False)).classes.columns)
    # Without the only image of b, which is in one of the groups, every image is of one class.
    lone = held(np.arange(25.0)[:, None] ** 2, [0] * 24 + [1], ("a", "b"))
    assert measured(lone, metric_of(("euclidean",))).classes.select(names).null_count().row(0) == (2, 2, 2)


def test_both_distances_stand_side_by_side_under_their_own_names():
    # k* by hand in test_neighbors: Euclidean 1 1 1 | 1 2 2, cosine 2 2 1 | 1 2 2.
    images = [[1, 0], [5, 0], [0, 2], [3, 3], [-1, 0], [-2, 0]]
    found = measured(held(images, [0, 0, 0, 1, 1, 1], ("a", "b")))
    assert found.images.schema == dict.fromkeys(
        ("kstar", "impostor_row", "cosine_kstar", "cosine_impostor_row"), pl.Int64
    )
    assert found.images["kstar"].to_list() == [1, 1, 1, 1, 2, 2]
    assert found.images["cosine_kstar"].to_list() == [2, 2, 1, 1, 2, 2]
    # Euclidean: (1, 0) and (0, 2) are nearest to (-1, 0), (5, 0) to (3, 3); (3, 3) to (0, 2) at 10,
    # (-1, 0) to (1, 0), (-2, 0) to (0, 2) at 8.
    assert found.images["impostor_row"].to_list() == [50, 40, 50, 30, 10, 30]
    assert found.images["cosine_impostor_row"].to_list() == [40, 40, 40, 10, 30, 30]
    # a: thirds 1 1 1, fractured, against 2 2 1: deviations 1 1 -2, γ -1/sqrt(2). b: 1 2 2 under both.
    assert found.classes["pattern"].to_list() == ["fractured", "clustered"]
    assert found.classes["cosine_pattern"].to_list() == ["clustered", "clustered"]
    assert found.classes["gamma"].to_list() == approximately([None, -1 / math.sqrt(2)])
    assert found.classes["cosine_gamma"].to_list() == approximately([-1 / math.sqrt(2), -1 / math.sqrt(2)])
    mean_fractions = {"": (1 / 3 + 5 / 9) / 2, "cosine_": 5 / 9}
    for prefix, mean_fraction in mean_fractions.items():
        assert found.scores[f"{prefix}kstar_mean"] == pytest.approx(mean_fraction)
    undefined = ("gamma_undefined", "cosine_gamma_undefined", "nn1_accuracy", "cosine_nn1_accuracy")
    assert [found.scores[name] for name in undefined] == approximately([1, 0, 2 / 6, 4 / 6])


def test_singletons_empty_and_degenerate_classes_by_hand():
    # near at 0, 1: each other, then lone at 10                       -> 2 of 2, 2 of 2
    # lone at 10: alone                                               -> 1 of 1
    # split at 200, 201, 300, 301: the twin, then mixed at 250        -> 2 of 4, four times
    # mixed at 250 and 1000: split at 49 and 699, each other at 750   -> 1 of 2, 1 of 2
    labels = [0, 0, 2, 3, 3, 3, 3, 4, 4]
    images = [[0], [1], [10], [200], [201], [300], [301], [250], [1000]]
    found = measured(held(images, labels, ("near", "nobody", "lone", "split", "mixed")), metric_of(("euclidean",)))
    assert found.images["kstar"].to_list() == [2, 2, 1, 2, 2, 2, 2, 1, 1]
    assert found.images["impostor_row"].to_list() == [30, 30, 20, 80, 80, 80, 80, 50, 70]
    # anchored near, quarters: deviations of 0 1 1 1 from 3/4: -3 1 1 1; m2 = 3, m3 = -6. split and mixed are symmetric.
    expected = [
        (1.0, 0.0, None, -6 / 3**1.5, "clustered", 1.0),
        (None, None, None, None, None, None),
        (None, None, None, None, None, None),
        (0.5, 0.0, None, 0.0, "overlapped", 1.0),
        (0.5, 0.0, None, 0.0, "fractured", 0.0),
    ]
    for row, values in zip(found.classes.select(CLASS_COLUMNS).rows(), expected, strict=True):
        assert list(row) == approximately(values)
    types = dict.fromkeys(CLASS_COLUMNS, pl.Float64) | {"pattern": pl.String}
    assert {name: found.classes.schema[name] for name in CLASS_COLUMNS} == types
    assert_scores(
        found,
        {
            # near, split, mixed: the classes of at least two images.
            "kstar_mean": (1 + 0.5 + 0.5) / 3,
            # near and split, of all nine images.
            "nn1_accuracy": 6 / 9,
            "gamma_approx": None,
            # pool: three of nine at 1, six at 1/2; of two levels: (1 - 2/3)/sqrt(1/3 · 2/3) = 1/sqrt(2).
            "gamma_true": 1 / math.sqrt(2),
            "gamma_approx_anchored": -6 / 3**1.5 / 3,
            # halves, with 0 and 1: 2 four times, 1 six times, 0; in elevenths the deviations from 14/11 are
            # 8 four times, -3 six times, -14; m2 = (256 + 54 + 196)/11 = 46; m3 = (2048 - 162 - 2744)/11 = -78.
            "gamma_true_anchored": -78 / 46**1.5,
            "gamma_undefined": 3,
            "singleton_classes": 1,
            "fractured": 1,
            "overlapped": 1,
            "clustered": 1,
        },
    )


def test_a_class_of_one_image_counts_in_nearest_neighbour_accuracy_but_not_in_the_class_means():
    # a at 0, 1 with k* 2, 2; b at 10 alone: 2 of 3 images right, one class of mean 1.
    found = measured(held([[0], [1], [10]], [0, 0, 1], ("a", "b")), metric_of(("euclidean",)))
    assert_scores(found, {"kstar_mean": 1, "nn1_accuracy": 2 / 3, "gamma_undefined": 1, "singleton_classes": 1})


def test_only_classes_of_one_image_leave_the_class_means_undefined():
    found = measured(held([[1], [2], [4]], [0, 1, 2], ("a", "b", "c")), metric_of(("euclidean",)))
    means = {"kstar_mean": None, "gamma_approx": None, "gamma_true": None, "gamma_approx_anchored": None}
    # pool with 0 and 1: 1 four times and 0, so p = 0.8 and γ = -0.6/0.4.
    counts = {"nn1_accuracy": 0, "gamma_true_anchored": -1.5, "gamma_undefined": 0, "singleton_classes": 3}
    assert_scores(found, means | counts | {"fractured": 0, "overlapped": 0, "clustered": 0})


def test_gamma_of_the_pool_follows_from_the_class_table():
    # Γ = Σ w(γσ³ + 3σ²d + d³) / [Σ w(σ² + d²)]^1.5, w = n_c/N, d = μ_c - μ.
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [20, 40, 60])
    centres = generator.normal(size=(3, 6))
    embeddings = held(centres[labels] + generator.normal(size=(120, 6)), labels, ("a", "b", "c"))
    found = measured(embeddings)
    for prefix in ("", "cosine_"):
        means, deviations, gammas = (
            found.classes[prefix + name].to_numpy() for name in ("kstar_mean", "kstar_std", "gamma")
        )
        weights = np.array([20, 40, 60]) / 120
        away = means - weights @ means
        third = weights @ (gammas * deviations**3 + 3 * deviations**2 * away + away**3)
        second = weights @ (deviations**2 + away**2)
        assert found.scores[f"{prefix}gamma_true"] == pytest.approx(third / second**1.5, rel=1e-9)
        assert found.scores[f"{prefix}gamma_approx"] == pytest.approx(gammas.mean(), rel=1e-12)


def test_other_names_for_the_classes_permute_their_rows_and_leave_the_scores():
    generator = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [6, 8, 10])
    images = generator.normal(size=(3, 4))[labels] + generator.normal(size=(24, 4))
    renamed = np.array([2, 0, 1])
    metric = metric_of(("euclidean", "cosine"), intervals=False)
    first = measured(held(images, labels, ("a", "b", "c")), metric)
    second = measured(held(images, renamed[labels], ("b", "c", "a")), metric)
    assert second.images.equals(first.images)
    assert second.classes[renamed.tolist()].equals(first.classes)
    assert list(second.scores.values()) == approximately(first.scores.values())


def test_small_classes_and_classes_of_one_image_are_noticed():
    generator = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2, 3, 5], [20, 19, 2, 1, 1])
    found = measured(held(generator.normal(size=(43, 3)), labels, ("a", "b", "c", "d", "nobody", "f")))
    # Of 20 images is enough; 19 and 2 are few.
    assert found.notices == (
        "classes of one image only, whose γ and pattern are null: 2.",
        "classes of fewer than 20 images, whose γ is mostly noise: 2.",
        "classes of fewer than 50 images, left out of gamma_approx_n50: 5.",
    )


def test_large_classes_need_no_notice():
    generator = np.random.default_rng(3)
    twenty = held(generator.normal(size=(40, 3)), np.repeat([0, 1], 20), ("a", "b"))
    assert measured(twenty, metric_of(("euclidean",), intervals=False)).notices == ()
    assert measured(held(generator.normal(size=(100, 3)), np.repeat([0, 1], 50), ("a", "b"))).notices == ()


def test_each_distance_declares_its_scores_with_its_prefix():
    primary = [score.name for score in metric_of(("euclidean",)).scores]
    assert [score.name for score in metric_of(("cosine",)).scores] == [f"cosine_{name}" for name in primary]
    assert [score.name for score in METRIC.scores] == primary + [f"cosine_{name}" for name in primary]
    assert all(score.meaning.endswith(" (cosine distance)") for score in metric_of(("cosine",)).scores)
