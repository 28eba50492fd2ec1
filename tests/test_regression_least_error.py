"""The least standard error of k* scores: what independent images would give, where the jackknife sees less."""

import numpy as np
import polars as pl
import pytest
from hand_made_runs import hand_made

from clipkstar.jackknife import N_GROUPS
from clipkstar.regression.comparing import compare
from clipkstar.regression.least_error import of_gammas, of_means, of_nearest
from clipkstar.regression.record import Pair
from clipkstar.run import Evaluation

LABELS = np.repeat([0, 1], [179, 358])


def evaluation(missed):
    """Every image has a neighbour of its class but those missed; without any group the share stays as it is."""
    kstar = np.where(np.isin(np.arange(537), missed), 1, 9)
    shares = [float((kstar[label == LABELS] > 1).mean()) for label in (0, 1)]
    without = pl.Series([[share] * N_GROUPS for share in shares], dtype=pl.Array(pl.Float32, N_GROUPS))
    classes = pl.DataFrame({"name": ["a", "b"], "nn1_accuracy": shares, "nn1_accuracy_without": without})
    return Evaluation(
        run=hand_made("a", n_images=537, n_classes=2),
        images=pl.DataFrame({"label": LABELS, "kstar": kstar}),
        classes=classes,
    )


def test_one_image_is_no_proof_where_the_groups_hardly_vary():
    pair = Pair(label="made", candidate=evaluation([3]), baseline=evaluation([]))
    evidence = compare(pair, "nn1_accuracy").evidence
    assert evidence.estimate == pytest.approx(1 / 537)
    assert evidence.standard_error == pytest.approx(1 / 537, rel=1e-3)
    assert 0.1 < evidence.p_exceeds(0.0) < 0.2


def test_many_images_are_proof_all_the_same():
    pair = Pair(label="made", candidate=evaluation(list(range(40))), baseline=evaluation([]))
    assert compare(pair, "nn1_accuracy").evidence.p_exceeds(0.0) < 1e-5


def test_of_the_nearest_it_is_that_of_the_mean_of_a_paired_difference():
    random = np.random.default_rng(0)
    candidate, baseline = random.integers(1, 4, (2, 300))
    differences = (candidate > 1) * 1.0 - (baseline > 1)
    assert of_nearest(candidate, baseline) == pytest.approx(differences.std(ddof=1) / 300**0.5)


def weighted_skew(values, weights):
    mean = np.average(values, weights=weights)
    deviations = values - mean
    return np.average(deviations**3, weights=weights) / np.average(deviations**2, weights=weights) ** 1.5


@pytest.mark.parametrize(("least", "of_class"), [(of_means, np.average), (of_gammas, weighted_skew)])
def test_of_classes_it_is_what_each_image_moves_by_counting_a_little_more(least, of_class):
    random = np.random.default_rng(1)
    labels = np.arange(90) % 3
    baseline = np.minimum(random.geometric(0.1, 90), 30)
    candidate = np.minimum(baseline + random.integers(0, 9, 90), 30)

    def difference(label, weights):
        kept = labels == label
        sides = [of_class(kstar[kept] / 30, weights=weights[kept]) for kstar in (candidate, baseline)]
        return sides[0] - sides[1]

    moved = np.empty(90)
    for image in range(90):
        more = np.ones(90)
        more[image] += 1e-5
        moved[image] = (difference(labels[image], more) - difference(labels[image], np.ones(90))) / 1e-5 * 30
    variance = sum(moved[labels == label].var(ddof=1) / 30 for label in range(3)) / 9
    assert least(labels, candidate, baseline) == pytest.approx(np.sqrt(variance), rel=1e-3)


@pytest.mark.parametrize("least", [of_means, of_gammas])
def test_equal_k_star_leaves_nothing(least):
    kstar = np.random.default_rng(2).integers(1, 100, 537)
    assert least(LABELS, kstar, kstar) == 0.0
