"""Standard errors of the paired bootstrap, against draws made the plain way and against new data sets."""

import time

import numpy as np
import pytest
from scipy.stats import binom, norm

from clipkstar.metrics.zero_shot import expected_calibration_error
from clipkstar.regression.image_bootstrap import Side, ece_standard_error, recall_standard_error


def drawn_sides(random, labels):
    """Two encoders that are right on much the same images."""
    common = random.random(len(labels))
    return [
        Side(correct=common + 0.2 * random.normal(size=len(labels)) < 0.7, confidences=random.beta(4, 2, len(labels)))
        for _ in range(2)
    ]


def plain_draws(random, labels, number):
    """For each draw the images, all but one of each class's number with replacement, and how often each counts."""
    for _ in range(number):
        counts = np.zeros(len(labels))
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            for image in random.choice(members, size=len(members) - 1):
                counts[image] += len(members) / (len(members) - 1)
        yield counts


def weighted_ece(side, counts):
    total = 0.0
    for low in range(15):
        inside = (side.confidences > low / 15) & (side.confidences <= (low + 1) / 15)
        total += abs(np.sum(counts[inside] * (side.correct[inside] - side.confidences[inside])))
    return total / len(counts)


def test_the_standard_errors_are_those_of_draws_made_image_by_image():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 3, 4], [40, 30, 5, 25])
    candidate, baseline = drawn_sides(random, labels)
    differences = baseline.correct.astype(float) - candidate.correct
    recalls, calibrations = [], []
    for counts in plain_draws(random, labels, 2000):
        of_classes = [
            np.sum((counts * differences)[labels == label]) / np.sum(labels == label) for label in (0, 1, 3, 4)
        ]
        recalls.append(np.mean(of_classes))
        calibrations.append(weighted_ece(candidate, counts) - weighted_ece(baseline, counts))
    assert recall_standard_error(labels, differences) == pytest.approx(np.std(recalls), rel=0.06)
    assert ece_standard_error(labels, candidate, baseline) == pytest.approx(np.std(calibrations), rel=0.08)


def test_the_standard_error_of_a_recall_by_hand():
    # Class 0: ten times 1 and twenty times 0, mean 1/3, squares 20/3, of the mean 20/3 / 29 / 30. Class 1: ten images,
    # no difference. The mean of two classes has a quarter of the variance.
    labels = np.repeat([0, 1], [30, 10])
    falls = (np.arange(40) < 10).astype(float)
    assert recall_standard_error(labels, falls) == pytest.approx(np.sqrt(20 / 3 / 29 / 30 / 4))


def test_the_variance_of_a_recall_is_unbiased_in_small_classes():
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(30), 3)
    shares = random.random(30)
    falls = (random.random((4000, 90)) < shares[labels]).astype(float) - (random.random((4000, 90)) < shares[labels])
    means = falls.reshape(4000, 30, 3).mean(axis=2).mean(axis=1)
    squares = [recall_standard_error(labels, one) ** 2 for one in falls]
    assert np.mean(squares) == pytest.approx(np.var(means), rel=0.07)


@pytest.mark.parametrize("others", [0, 1, 12])
def test_classes_of_one_image_have_a_spread_too(others):
    # Class 0 has 12 images that all fall alike; the spread is that between the classes of one image.
    labels = np.append(np.zeros(12, dtype=np.int64), np.arange(1, others + 1))
    falls = np.append(np.ones(12), np.arange(others) % 2 - 1.0)
    assert recall_standard_error(labels, falls) > (1 / 13 if others else 0)
    candidate, baseline = drawn_sides(np.random.default_rng(2), labels)
    assert ece_standard_error(labels, candidate, baseline) > 0


@pytest.mark.parametrize("sizes", [(2, 500, 500), (3, 500, 500), (2, 2, 500), (2,) * 10 + (200,) * 10])
def test_a_rare_class_whose_images_all_fall_is_no_proof(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    falls = (labels == 0).astype(float)
    z = falls[labels == 0].mean() / len(sizes) / recall_standard_error(labels, falls)
    assert z == pytest.approx(np.sqrt(sizes[0]))  # n images that fall, and none that rises: n / sqrt(n)


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [
        ((2, 500, 500), (0.1, 0.1, 0.1)),
        ((2, 500, 500), (0.3, 0.02, 0.02)),
        ((2, 2, 2, *(200,) * 7), (0.1,) * 10),
        ((2,) * 10 + (200,) * 10, (0.2,) * 20),
        ((5,) * 4, (0.3,) * 4),
        ((300, 150, 75, 40, 20, 10, 5, 3, 2, 2), (0.1,) * 10),
    ],
)
def test_where_classes_are_rare_equal_recalls_are_called_worse_at_most_at_the_level(sizes, shares):
    random, number = np.random.default_rng(7), 2000
    labels = np.repeat(np.arange(len(sizes)), sizes)
    different = random.random((number, len(labels))) < np.repeat(shares, sizes)
    falls = different * random.choice([-1.0, 1.0], size=different.shape)
    z = [np.mean(np.bincount(labels, weights=one) / sizes) / recall_standard_error(labels, one) for one in falls]
    for level in (0.05, 0.005):
        assert binom.sf(np.sum(norm.sf(z) <= level) - 1, number, level) > 0.001


def test_small_classes_are_drawn_as_one_and_with_the_smallest_other_where_they_are_few():
    # Classes of 4 and 3 have 7 images; with the 12 of class 2 they are one of 19, and class 3 stays its own.
    labels = np.repeat([0, 1, 2, 3], [4, 3, 12, 30])
    falls = np.append(np.ones(19), np.random.default_rng(8).choice([0.0, 1.0], size=30))
    parts = np.append(1 / np.repeat([4, 3, 12], [4, 3, 12]), falls[19:] / 30) / 4
    expected = np.sqrt(np.sum(parts[:19] ** 2) + 30 * np.var(parts[19:], ddof=1))
    assert recall_standard_error(labels, falls) == pytest.approx(expected)


def test_equal_sides_have_no_standard_error_but_that_of_an_image_that_might_have_differed():
    labels = np.arange(60) % 3
    candidate, _ = drawn_sides(np.random.default_rng(3), labels)
    assert ece_standard_error(labels, candidate, candidate) == 0.0
    assert recall_standard_error(labels, np.zeros(60)) == 1 / 60
    assert recall_standard_error(labels, np.ones(60)) == 1 / 60


def test_the_draws_are_the_same_every_time():
    labels = np.arange(60) % 3
    candidate, baseline = drawn_sides(np.random.default_rng(4), labels)
    assert ece_standard_error(labels, candidate, baseline) == ece_standard_error(labels, candidate, baseline)


def test_images_are_drawn_for_both_sides_at_once():
    # Sides that differ in one image only differ in every draw by that image only.
    labels = np.zeros(1000, dtype=np.int64)
    candidate, _ = drawn_sides(np.random.default_rng(5), labels)
    baseline = Side(correct=candidate.correct.copy(), confidences=candidate.confidences)
    baseline.correct[0] = not baseline.correct[0]
    assert ece_standard_error(labels, candidate, baseline) < 3 / 1000
    assert expected_calibration_error(candidate.confidences, candidate.correct) > 0.01


def test_fifty_thousand_images_of_a_thousand_classes_take_seconds():
    random = np.random.default_rng(6)
    labels = np.repeat(np.arange(1000), 50)
    candidate, baseline = drawn_sides(random, labels)
    started = time.process_time()
    assert 0 < ece_standard_error(labels, candidate, baseline) < 0.01
    assert 0 < recall_standard_error(labels, baseline.correct.astype(float) - candidate.correct) < 0.01
    assert time.process_time() - started < 20
