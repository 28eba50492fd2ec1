"""Standard errors of the paired bootstrap, against draws made the plain way and against new data sets."""

import time

import numpy as np
import pytest

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
    # Class 0: 1 0 0, mean 1/3, squares 2/3, variance 1/3, of the mean 1/9. Class 1: 0 0. Mean of two: a quarter of it.
    assert recall_standard_error(np.array([0, 0, 0, 1, 1]), np.array([1.0, 0, 0, 0, 0])) == pytest.approx(1 / 6)


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
    # Class 0 has 6 images that all fall alike; the spread is that between the classes of one image.
    labels = np.append(np.zeros(6, dtype=np.int64), np.arange(1, others + 1))
    falls = np.append(np.ones(6), np.arange(others) % 2 + 1.0)
    error = recall_standard_error(labels, falls)
    assert (error > 0) == (others > 0)
    candidate, baseline = drawn_sides(np.random.default_rng(2), labels)
    assert ece_standard_error(labels, candidate, baseline) > 0


def test_equal_sides_have_no_standard_error_but_that_of_an_image_that_might_have_differed():
    labels = np.arange(60) % 3
    candidate, _ = drawn_sides(np.random.default_rng(3), labels)
    assert ece_standard_error(labels, candidate, candidate) == 0.0
    assert recall_standard_error(labels, np.zeros(60)) == 1 / 60


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
