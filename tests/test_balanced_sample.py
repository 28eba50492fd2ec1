"""Class-balanced draws, and Γ′ over them by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

import clipkstar
from clipkstar.balanced_sample import N_DRAWS, PER_CLASS, balanced_draws


def labels_of(sizes, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def clouds(sizes, seed=0):
    labels = labels_of(sizes, seed)
    random = np.random.default_rng(seed)
    return 1.5 * random.normal(size=(len(sizes), 6))[labels] + random.normal(size=(len(labels), 6)), labels


def test_there_are_five_draws_of_fifty_images_of_each_class():
    labels = labels_of([50, 80, 200, 49, 1, 0, 120])
    draws = balanced_draws(labels)
    assert len(draws) == N_DRAWS == 5
    for draw in draws:
        assert (np.diff(draw) > 0).all()  # ascending: no image twice
        assert np.bincount(labels[draw]).tolist() == [50, 50, 50, 0, 0, 0, 50]
    assert len({draw.tobytes() for draw in draws}) == 5


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(1, 12), st.integers(0, 5))
def test_a_draw_holds_as_many_images_of_every_class_that_has_so_many(sizes, per_class, seed):
    labels = labels_of(sizes, seed)
    draws = balanced_draws(labels, per_class=per_class, n_draws=3)
    large = [size for size in sizes if size >= per_class]
    assert len(draws) == (0 if len(large) < 2 else 1 if set(large) == {per_class} else 3)
    expected = [per_class if size >= per_class else 0 for size in sizes]
    for draw in draws:
        assert (np.diff(draw) > 0).all()
        assert np.bincount(labels[draw], minlength=len(sizes)).tolist() == expected


def test_every_image_is_as_likely_as_the_others_of_its_class():
    labels = labels_of([20, 5, 10])
    draws = balanced_draws(labels, per_class=5, n_draws=4000)
    share = np.bincount(np.concatenate(draws), minlength=len(labels)) / 4000
    # 5 of 20, of 5, of 10; five standard errors of a share of 4,000 draws are 5 · 0.5/√4000 = 0.04.
    assert np.abs(share - np.array([1 / 4, 1, 1 / 2])[labels]).max() < 0.04


def test_draws_are_repeatable():
    labels = labels_of([60, 70])
    first, second = balanced_draws(labels), balanced_draws(labels.copy())
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_classes_of_fifty_are_drawn_once_and_smaller_ones_left_out():
    labels = labels_of([50, 50, 20, 50])
    (draw,) = balanced_draws(labels)
    assert draw.tolist() == np.flatnonzero(labels != 2).tolist()


@pytest.mark.parametrize("sizes", [[49, 49], [200, 49, 3], [1]])
def test_fewer_than_two_large_classes_give_no_draw(sizes):
    assert balanced_draws(labels_of(sizes)) == []


@pytest.mark.parametrize("prefix", ["", "cosine_"])
def test_with_fifty_images_in_every_class_the_number_is_that_of_all_images(prefix):
    found = clipkstar.kstar(*clouds([50, 50, 50]))
    assert found.scores[f"{prefix}gamma_approx"] is not None
    assert found.scores[f"{prefix}gamma_approx_n50"] == found.scores[f"{prefix}gamma_approx"]
    assert found.notices == ()


@pytest.mark.parametrize("prefix", ["", "cosine_"])
def test_the_number_is_the_mean_over_draws_of_gamma_of_k_star_within_each(prefix):
    points, labels = clouds([120, 50, 75, 30])
    found = clipkstar.kstar(points, labels)
    by_hand = []
    for draw in balanced_draws(labels):
        alone = clipkstar.kstar(points[draw], labels[draw], intervals=False).images
        of_classes = alone[f"{prefix}kstar"].to_numpy()[np.argsort(labels[draw], kind="stable")].reshape(3, PER_CLASS)
        by_hand.append(skew(of_classes, axis=1).mean())
    assert len(by_hand) == 5
    assert found.scores[f"{prefix}gamma_approx_n50"] == pytest.approx(np.mean(by_hand), rel=1e-12)
    assert found.scores[f"{prefix}gamma_approx_n50"] != pytest.approx(found.scores[f"{prefix}gamma_approx"], abs=0.01)
    assert found.notices == ("classes of fewer than 50 images, left out of gamma_approx_n50: 1.",)


def test_only_small_classes_have_no_number_and_that_is_said():
    found = clipkstar.kstar(*clouds([200, 49, 30]), distances="euclidean")
    assert found.scores["gamma_approx"] is not None
    assert found.scores["gamma_approx_n50"] is None
    assert found.notices == ("classes of fewer than 50 images, left out of gamma_approx_n50: 2.",)


def test_gamma_rises_with_the_size_of_the_classes_and_the_number_of_fifty_does_not():
    # The same ten classes with 60 and with 600 images of each. At 50 images of ten such classes Γ′ has a standard
    # deviation of about 0.1 from one data set to another (tests.coverage_of_intervals): two lie within 0.4.
    random = np.random.default_rng(0)
    centres, found = 1.2 * random.normal(size=(10, 16)), []
    for n in (60, 600):
        labels = np.arange(10).repeat(n)
        points = centres[labels] + random.normal(size=(10 * n, 16))
        found.append(clipkstar.kstar(points, labels, distances="euclidean").scores)
    small, large = found
    assert large["gamma_approx"] - small["gamma_approx"] > 0.6
    assert abs(large["gamma_approx_n50"] - small["gamma_approx_n50"]) < 0.4


def test_a_sample_of_images_leaves_the_number_of_all_images():
    points, labels = clouds([120, 60, 75])
    full, sample = (clipkstar.kstar(points, labels, distances="euclidean", queries=n).scores for n in (None, 40))
    assert sample["gamma_approx_n50"] == full["gamma_approx_n50"]
    assert sample["gamma_approx"] != full["gamma_approx"]
