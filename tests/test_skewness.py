"""γ, anchored γ, patterns and the pooled Γ: by hand, as identities, and from the authors' figures where they are."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

from clipkstar import skewness
from clipkstar.skewness import CLUSTERED_BELOW, FRACTURED_ABOVE, gamma, gamma_anchored, mean_defined, pattern

# Skews of 16 classes under a ResNet-50's logits, as the authors of k* print them in their repository k-Distribution: in
# their notebook (plain) and in a figure of their web page (anchored).
NOTEBOOK = (
    -0.89, 0.19, 0.98, 0.91, 0.43, 0.51, -0.23, 0.09, 0.92, 0.27, 1.4, -1.03, -0.42, 1.31, 0.74, -0.28,
)  # fmt: skip
ANCHORED = (
    -0.84, 0.65, 2.6, 2.01, 0.84, 1.02, -0.17, 0.79, 4.32, 0.57, 2.88, -0.99, -0.31, 1.62, 1.3, -0.2,
)  # fmt: skip

kstar_of_class = st.integers(2, 30).flatmap(lambda n: st.lists(st.integers(1, n), min_size=n, max_size=n).map(np.array))


def test_gamma_of_one_one_four_by_hand():
    # mean 2; deviations -1, -1, 2; m2 = (1 + 1 + 4)/3 = 2; m3 = (-1 - 1 + 8)/3 = 2; 2 / 2^1.5 = 1/sqrt(2).
    assert gamma(np.array([1, 1, 4])) == pytest.approx(1 / math.sqrt(2), rel=1e-12)


def test_gamma_of_one_two_four_four_by_hand():
    # mean 11/4; in quarters the deviations are -7, -3, 5, 5; m2 = (49 + 9 + 25 + 25)/4 = 27;
    # m3 = (-343 - 27 + 125 + 125)/4 = -30; -30 / 27^1.5.
    assert gamma(np.array([1, 2, 4, 4])) == pytest.approx(-30 / 27**1.5, rel=1e-12)


def test_gamma_of_symmetric_values_is_zero():
    assert gamma(np.array([1, 2, 3])) == pytest.approx(0, abs=1e-12)


def test_gamma_anchored_of_one_two_by_hand():
    # 1/2, 2/2 with 0 and 1: in eighths the deviations from 5/8 are -5, -1, 3, 3; m2 = (25 + 1 + 9 + 9)/4 = 11;
    # m3 = (-125 - 1 + 27 + 27)/4 = -18; -18 / 11^1.5.
    assert gamma_anchored(np.array([1, 2])) == pytest.approx(-18 / 11**1.5, rel=1e-12)


@pytest.mark.parametrize(
    "kstar, name, anchored",
    [
        # 1, 1 with 0 and 1: in quarters the deviations from 3/4 are -3, 1, 1, 1; m2 = 12/4 = 3; m3 = -24/4 = -6.
        ([2, 2], "clustered", -6 / 3**1.5),
        # 1/4 four times, 0 and 1: in twelfths the deviations from 1/3 are -1 four times, -4 and 8;
        # m2 = (4 + 16 + 64)/6 = 14; m3 = (-4 - 64 + 512)/6 = 74.
        ([1, 1, 1, 1], "fractured", 74 / 14**1.5),
        # 1/2 with 0 and 1 is symmetric.
        ([2, 2, 2, 2], "overlapped", 0.0),
    ],
)
def test_a_class_of_equal_kstar_has_no_gamma_and_its_level_names_the_pattern(kstar, name, anchored):
    assert gamma(np.array(kstar)) is None
    assert pattern(np.array(kstar)) == name
    assert gamma_anchored(np.array(kstar)) == pytest.approx(anchored, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("kstar", [[], [1]])
def test_a_class_of_one_image_or_none_has_neither_gamma_nor_pattern(kstar):
    of_class = np.array(kstar, dtype=np.int64)
    assert (gamma(of_class), gamma_anchored(of_class), pattern(of_class)) == (None, None, None)


@pytest.mark.parametrize(
    "kstar, name",
    [
        # one image in ten apart: p = 0.1, γ = ±(1 - 2p)/sqrt(p(1 - p)) = ±0.8/0.3 = ±2.67.
        ([1] * 9 + [10], "fractured"),
        ([1] + [10] * 9, "clustered"),
        # two in five: p = 0.4, γ = ±0.2/sqrt(0.24) = ±0.41.
        ([1] * 3 + [5] * 2, "overlapped"),
        ([1] * 2 + [5] * 3, "overlapped"),
        # three in eight: p = 0.375, γ = 0.25/sqrt(0.234) = 0.516; just above the threshold.
        ([1] * 5 + [8] * 3, "fractured"),
        ([1] * 3 + [8] * 5, "clustered"),
    ],
)
def test_patterns_of_two_levels_by_hand(kstar, name):
    assert pattern(np.array(kstar)) == name


@pytest.mark.parametrize(
    "value, name",
    [
        (0.5, "overlapped"),
        (math.nextafter(0.5, 1), "fractured"),
        (-0.5, "overlapped"),
        (math.nextafter(-0.5, -1), "clustered"),
        (0.0, "overlapped"),
    ],
)
def test_pattern_thresholds_are_strict(value, name):
    # γ is given, so that it lies exactly on the threshold and one rounding step beyond.
    classes = skewness.class_statistics(np.array([1, 2, 3]), np.zeros(3, dtype=np.int64), np.array([3]))
    assert skewness.patterns(replace(classes, gamma=np.array([value]))) == [name]


def test_gamma_of_one_image_apart_reaches_the_bound():
    # The bound is attained by one value apart: p = 1/n gives (1 - 2/n)/sqrt((1/n)(1 - 1/n)) = (n - 2)/sqrt(n - 1).
    for n in (3, 10, 80, 1000):
        bound = (n - 2) / math.sqrt(n - 1)
        assert gamma(np.array([n] + [1] * (n - 1))) == pytest.approx(bound, rel=1e-9)
        assert gamma(np.array([1] + [n] * (n - 1))) == pytest.approx(-bound, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(kstar_of_class)
def test_gamma_equals_the_moments_in_whole_numbers_and_keeps_its_bound(kstar):
    # n·k - Σk is the deviation times n: whole numbers, so both moments are exact.
    n, total = len(kstar), int(kstar.sum())
    deviations = [n * int(value) - total for value in kstar]
    second = sum(deviation**2 for deviation in deviations)
    found = gamma(kstar)
    if second == 0:
        assert found is None
    else:
        third = sum(deviation**3 for deviation in deviations)
        assert found == pytest.approx(math.sqrt(n) * third / second**1.5, rel=1e-9, abs=1e-9)
        assert abs(found) <= (n - 2) / math.sqrt(n - 1) + 1e-9


@settings(max_examples=100, deadline=None)
@given(kstar_of_class)
def test_mirrored_kstar_have_the_opposite_gamma_and_pattern(kstar):
    mirrored = len(kstar) + 1 - kstar
    opposite = {"fractured": "clustered", "clustered": "fractured", "overlapped": "overlapped"}
    assert pattern(mirrored) == opposite[pattern(kstar)]
    found, of_mirrored = gamma(kstar), gamma(mirrored)
    assert (found is None) == (of_mirrored is None)
    if found is not None:
        assert of_mirrored == pytest.approx(-found, rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(kstar_of_class, min_size=1, max_size=6))
def test_gamma_of_the_pool_follows_from_the_moments_of_the_classes(classes):
    # Γ = Σ w(γσ³ + 3σ²d + d³) / [Σ w(σ² + d²)]^1.5 with w = n_c/N and d = μ_c - μ.
    fractions = [kstar / len(kstar) for kstar in classes]
    pool = np.concatenate(fractions)
    second = third = 0.0
    for kstar, of_class in zip(classes, fractions, strict=True):
        weight, away = len(kstar) / len(pool), of_class.mean() - pool.mean()
        sigma, own = of_class.std(), gamma(kstar) or 0.0
        second += weight * (sigma**2 + away**2)
        third += weight * (own * sigma**3 + 3 * sigma**2 * away + away**3)
    found = skewness.skewness(pool)
    if found is None:
        assert second == pytest.approx(0, abs=1e-15)
    else:
        assert found == pytest.approx(third / second**1.5, rel=1e-7, abs=1e-7)


sampled_class = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.one_of(
            st.lists(st.integers(1, n), min_size=1, max_size=n),
            # all k* equal, at whatever level
            st.tuples(st.integers(1, n), st.integers(1, n)).map(lambda pair: [pair[0]] * pair[1]),
        ),
    )
)
"""n_c, and k* of some or all images of the class."""


def statistics_of(classes):
    """ClassStatistics of (n_c, k* of the images measured) of every class, with the images shuffled."""
    labels = np.repeat(np.arange(len(classes)), [len(kstar) for _, kstar in classes])
    kstar = np.concatenate([np.array(kstar, dtype=np.int64) for _, kstar in classes])
    order = np.random.default_rng(0).permutation(len(labels))
    return skewness.class_statistics(kstar[order], labels[order], np.array([n for n, _ in classes]))


@settings(max_examples=200, deadline=None)
@given(st.lists(sampled_class, min_size=1, max_size=6))
def test_gamma_of_the_pool_follows_from_the_statistics_of_all_classes(classes):
    # Γ = Σ w(γσ³ + 3σ²d + d³) / [Σ w(σ² + d²)]^1.5, w = n/N, d = μ_c - μ, n and N counting the images measured; where γ
    # is undefined σ is 0 and γσ³ with it.
    found = statistics_of(classes)
    pool = np.concatenate([np.array(kstar) / n for n, kstar in classes])
    weights = found.n_measured / len(pool)
    away = found.mean - weights @ found.mean
    cubes = np.where(np.isnan(found.gamma), 0, found.gamma * found.std**3)
    third = weights @ (cubes + 3 * found.std**2 * away + away**3)
    second = weights @ (found.std**2 + away**2)
    assert weights @ found.mean == pytest.approx(pool.mean(), rel=1e-12)
    assert second == pytest.approx(pool.var(), rel=1e-9, abs=1e-15)
    of_pool = skewness.skewness(pool)
    if of_pool is None:
        assert third == pytest.approx(0, abs=1e-15)
    else:
        assert third / second**1.5 == pytest.approx(of_pool, rel=1e-7, abs=1e-7)


@settings(max_examples=100, deadline=None)
@given(st.lists(sampled_class, min_size=1, max_size=6))
def test_the_statistics_of_many_classes_are_those_of_each_by_numpy_and_scipy(classes):
    found = statistics_of(classes)
    for row, (n, kstar) in enumerate(classes):
        fractions = np.array(kstar) / n
        assert (found.n_images[row], found.n_measured[row]) == (n, len(kstar))
        assert (found.lowest[row], found.highest[row]) == (min(kstar), max(kstar))
        assert found.mean[row] == pytest.approx(fractions.mean(), rel=1e-12)
        assert found.std[row] == pytest.approx(fractions.std(), rel=1e-9, abs=1e-15)
        assert found.nn1_accuracy[row] == pytest.approx(np.mean(np.array(kstar) > 1), rel=1e-12)
        expected = math.nan if len(set(kstar)) == 1 else skew(fractions)
        assert found.gamma[row] == pytest.approx(expected, rel=1e-8, abs=1e-8, nan_ok=True)
        assert found.gamma_anchored[row] == pytest.approx(skew([*fractions, 0.0, 1.0]), rel=1e-9, abs=1e-9)


def test_a_class_of_which_no_image_was_measured_has_no_statistics():
    # 5 and 4 images; 2 of the first were measured, k*/n = 1/5 and 3/5; none of the second, and the third has none.
    found = skewness.class_statistics(np.array([1, 3]), np.array([0, 0]), np.array([5, 4, 0]))
    assert found.n_images.tolist() == [5, 4, 0]
    assert found.n_measured.tolist() == [2, 0, 0]
    for name, value in {"mean": 0.4, "std": 0.2, "nn1_accuracy": 0.5, "gamma": 0.0}.items():
        assert skewness.defined(getattr(found, name)) == [pytest.approx(value, abs=1e-12), None, None]
    assert skewness.patterns(found) == ["overlapped", None, None]
    assert skewness.notebook_gammas(found)[1:] == [None, None]


def test_one_measured_image_of_a_class_has_a_level_but_neither_gamma_nor_pattern():
    found = skewness.class_statistics(np.array([3]), np.array([0]), np.array([4]))
    assert (found.mean.tolist(), found.std.tolist()) == ([0.75], [0.0])
    assert skewness.defined(found.gamma) == skewness.patterns(found) == [None]


def test_gammas_of_the_notebook_reward_perfect_and_impostor_classes():
    classes = [
        (4, [1, 2, 4, 4]),  # -30 / 27^1.5 = -0.214, as above
        (5, [1, 1, 1, 5, 5]),  # two in five: 0.2 / sqrt(0.24) = 0.408
        (3, [3, 3, 3]),  # perfect: the smallest of the others
        (2, [1, 1]),  # all impostors: 0
        (4, [2, 2, 2, 2]),  # equal in between: none
        (1, [1]),  # one image: none
    ]
    smallest = -30 / 27**1.5
    found = skewness.notebook_gammas(statistics_of(classes))
    assert found[:2] == pytest.approx([smallest, 0.2 / math.sqrt(0.24)], rel=1e-9)
    assert found[2] == found[0]
    assert found[3:] == [0.0, None, None]


def test_a_perfect_class_has_no_gamma_of_the_notebook_where_no_other_class_has_one():
    assert skewness.notebook_gammas(statistics_of([(3, [3, 3, 3]), (2, [1, 1]), (2, [2, 2])])) == [None, 0.0, None]


def test_skewness_of_equal_values_is_undefined():
    assert skewness.skewness(np.full(7, 0.1)) is None


def test_mean_defined_leaves_out_what_is_undefined():
    assert mean_defined([1.0, None, 4.0, None]) == 2.5
    assert mean_defined([None, None]) is None
    assert mean_defined([]) is None


def names_of(gammas):
    """How many are fractured, overlapped, clustered."""
    above = sum(value > FRACTURED_ABOVE for value in gammas)
    below = sum(value < CLUSTERED_BELOW for value in gammas)
    return above, len(gammas) - above - below, below


def test_thresholds_and_means_agree_with_the_authors_notebook_and_figures():
    assert mean_defined(NOTEBOOK) == pytest.approx(0.306, abs=0.0005)
    assert names_of(NOTEBOOK) == (7, 7, 2)
    assert mean_defined(ANCHORED) == pytest.approx(1.006, abs=0.0005)
    assert names_of(ANCHORED) == (11, 3, 2)
