"""The float64 forms in which metrics look at embeddings: finite, of unit length, summed by class."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipkstar.embeddings import Embeddings, class_sums, finite_images, unit_images, zero_notice
from clipkstar.errors import InputError


def held(images):
    images = np.asarray(images)
    n_images = len(images)
    return Embeddings(
        images=images, labels=np.zeros(n_images, dtype=np.int64), rows=np.arange(n_images), class_names=("a",)
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_finite_images_are_float64_of_the_same_proportions(dtype):
    images = np.array([[1, -6], [0, 3]], dtype=dtype)
    found = finite_images(held(images))
    assert found.dtype == np.float64
    # The largest entry, 6, comes to 6/8.
    assert found.tolist() == [[1 / 8, -6 / 8], [0, 3 / 8]]
    assert images.tolist() == [[1, -6], [0, 3]]


@pytest.mark.parametrize("scale", [1e-300, 5e-324, 1e300])
def test_squares_of_huge_and_tiny_embeddings_stay_in_range(scale):
    embeddings = held(np.array([[1.0, 0], [1, 1]]) * scale)
    assert np.square(finite_images(embeddings)).max() >= 0.25
    np.testing.assert_allclose(unit_images(embeddings), [[1, 0], [math.sqrt(0.5)] * 2], rtol=1e-15)


def test_zeros_alone_are_finite():
    assert finite_images(held(np.zeros((2, 3)))).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("form", [finite_images, unit_images])
def test_embeddings_that_are_not_finite_are_refused_with_the_first_row(bad, dtype, form):
    images = np.ones((5, 3), dtype=dtype)
    images[2, 1] = images[4, 0] = bad
    with pytest.raises(InputError) as raised:
        form(held(images))
    assert str(raised.value) == (
        "the embedding of row 2 holds NaN or infinity (2 of 5 rows do); metrics need finite embeddings, "
        "try --precision fp32."
    )


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (2, 3, 4)], ids=str)
def test_embeddings_of_another_shape_are_refused(shape):
    with pytest.raises(InputError) as raised:
        finite_images(held(np.ones(shape)))
    assert str(raised.value) == (
        f"metrics got embeddings of shape {shape}; they need (n_images, dim), both at least 1."
    )


def test_embeddings_are_brought_to_unit_length():
    found = unit_images(held([[3.0, 4.0], [0.0, -1e-200]]))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, -1]], rtol=1e-15)


def test_one_zero_embedding_leaves_unit_length_undefined_and_the_notice_counts_them():
    embeddings = held([[1.0, 2.0], [0.0, -0.0], [0.0, 0.0]])
    assert unit_images(embeddings) is None
    assert zero_notice(embeddings, "hue") == "hue is null: 2 of 3 image embeddings are zero and have no direction."


def test_sums_by_class_by_hand():
    points = np.array([[1.0, 0], [2, 1], [4, 2], [8, 3]])
    sums, sizes, codes = class_sums(points, np.array([5, 1, 5, 3]))
    assert sums.tolist() == [[2, 1], [8, 3], [5, 2]]
    assert sizes.tolist() == [1, 1, 2]
    assert codes.tolist() == [2, 0, 2, 1]


@given(labels=st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_sums_by_class_equal_a_dictionary_of_sums(labels):
    points = np.arange(2.0 * len(labels)).reshape(-1, 2)
    expected = {}
    for label, (x, y) in zip(labels, points.tolist(), strict=True):
        sum_x, sum_y, n = expected.get(label, (0, 0, 0))
        expected[label] = (sum_x + x, sum_y + y, n + 1)
    sums, sizes, codes = class_sums(points, np.array(labels))
    assert [(*total, size) for total, size in zip(sums.tolist(), sizes.tolist(), strict=True)] == [
        expected[label] for label in sorted(expected)
    ]
    assert [sorted(expected)[code] for code in codes] == labels
