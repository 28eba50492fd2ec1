"""Reading the values without each group, and the nearest-neighbour accuracy that follows from those of the classes."""

import numpy as np
import polars as pl
import pytest
from regression_pairs import evaluation_of

from clipkstar.embeddings import Embeddings
from clipkstar.jackknife import N_GROUPS, class_groups
from clipkstar.regression.group_jackknife import class_values, evidence_of, pooled_accuracy


def made(sizes, seed=0):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    images = random.normal(size=(len(labels), 3)) + 2 * random.normal(size=(len(sizes), 3))[labels]
    names = tuple(f"class {number}" for number in range(len(sizes)))
    return Embeddings(images=images.astype(np.float32), labels=labels, rows=np.arange(len(labels)), class_names=names)


def nearest_neighbor_accuracy(images, labels):
    distances = ((images[:, None].astype(float) - images[None].astype(float)) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    return float((labels[distances.argmin(axis=1)] == labels).mean())


def test_the_accuracy_over_all_images_is_that_of_a_double_loop_with_all_and_without_each_group():
    # Among the classes are one of one image, one of two, one of none.
    embeddings = made([30, 1, 2, 0, 17, 20])
    values = class_values(evaluation_of(embeddings, "a").classes, "nn1_accuracy")
    share, without = pooled_accuracy(values, embeddings.labels)
    assert share == nearest_neighbor_accuracy(embeddings.images, embeddings.labels)
    groups = class_groups(embeddings.labels)
    for group in range(N_GROUPS):
        kept = groups != group
        expected = nearest_neighbor_accuracy(embeddings.images[kept], embeddings.labels[kept])
        assert without[group] == pytest.approx(expected, abs=1e-12)


def test_a_difference_that_is_the_same_without_each_group_is_no_evidence():
    steady = np.full(N_GROUPS, 0.25)
    assert evidence_of(0.25, steady, 100) is None
    assert evidence_of(0.25, steady + 0.001 * np.arange(N_GROUPS), 100).p_exceeds(0.0) < 0.05
    assert evidence_of(0.0, np.zeros(N_GROUPS), 100).p_exceeds(0.0) == 1.0


def test_fewer_images_than_groups_have_no_values_without_one():
    embeddings = made([10, 9])
    values = class_values(evaluation_of(embeddings, "a").classes, "nn1_accuracy")
    share, without = pooled_accuracy(values, embeddings.labels)
    assert share == nearest_neighbor_accuracy(embeddings.images, embeddings.labels)
    assert without is None
    assert not values.defined.any()


def test_a_table_without_the_columns_has_no_values_without_a_group():
    values = class_values(pl.DataFrame({"gamma": [0.5, None]}), "gamma")
    assert values.all_images.tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    assert np.isnan(values.without).all()
    assert values.without.shape == (2, N_GROUPS)


def test_a_class_is_defined_where_it_has_every_value():
    whole = [0.25] * N_GROUPS
    holed = [None, *whole[1:]]
    column = pl.Series("gamma_without", [whole, holed, None, whole], dtype=pl.Array(pl.Float32, N_GROUPS))
    table = pl.DataFrame({"gamma": [0.5, 0.5, 0.5, None]}).with_columns(column)
    values = class_values(table, "gamma")
    assert values.defined.tolist() == [True, False, False, False]
    assert values.without[0].tolist() == whole
    assert np.isnan(values.without[1]).sum() == 1
    assert np.isnan(values.without[2]).all()


def test_the_evidence_has_the_jackknifes_standard_error_and_one_degree_of_freedom_less_than_groups():
    # 20 values, half 1 and half 3: mean 2, squares 20, times 19/20 = 19.
    found = evidence_of(2.0, np.repeat([1.0, 3.0], 10), 400)
    assert (found.estimate, found.n_images, found.degrees_of_freedom) == (2.0, 400, 19)
    assert found.standard_error == pytest.approx(19**0.5)
