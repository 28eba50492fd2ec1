"""γ, anchored γ, patterns and the pooled Γ: by hand, as identities, and from the authors' figures where they are."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    "skew, name",
    [
        (0.5, "overlapped"),
        (math.nextafter(0.5, 1), "fractured"),
        (-0.5, "overlapped"),
        (math.nextafter(-0.5, -1), "clustered"),
        (0.0, "overlapped"),
    ],
)
def test_pattern_thresholds_are_strict(skew, name):
    # γ is given, so that it lies exactly on the threshold and one rounding step beyond.
    classes = skewness.class_statistics(np.array([1, 2, 3]), np.zeros(3, dtype=np.int64), 1)
    assert skewness.patterns(replace(classes, gamma=np.array([skew]))) == [name]


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


def test_skewness_of_equal_values_is_undefined():
    assert skewness.skewness(np.full(7, 0.1)) is None


def test_mean_defined_leaves_out_what_is_undefined():
    assert mean_defined([1.0, None, 4.0, None]) == 2.5
    assert mean_defined([None, None]) is None
    assert mean_defined([]) is None


def names_of(gammas):
    """How many are fractured, overlapped, clustered."""
    above = sum(skew > FRACTURED_ABOVE for skew in gammas)
    below = sum(skew < CLUSTERED_BELOW for skew in gammas)
    return above, len(gammas) - above - below, below


def test_thresholds_and_means_agree_with_the_authors_notebook_and_figures():
    assert mean_defined(NOTEBOOK) == pytest.approx(0.306, abs=0.0005)
    assert names_of(NOTEBOOK) == (7, 7, 2)
    assert mean_defined(ANCHORED) == pytest.approx(1.006, abs=0.0005)
    assert names_of(ANCHORED) == (11, 3, 2)
