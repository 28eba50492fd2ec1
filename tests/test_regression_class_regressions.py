"""Classes that became worse: which are named, in which order, and how often one is named wrongly."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from regression_pairs import World
from scipy.stats import norm

from clipkstar.jackknife import N_GROUPS
from clipkstar.regression.class_regressions import class_regressions
from clipkstar.regression.paired_proportions import PairedProportions
from clipkstar.regression.record import Pair
from clipkstar.run import Evaluation

RUN = World(n_classes=3, per_class=10).pair(0).candidate.run


def recalls_only(worse_and_better, per_class=100, right=60):
    """A pair of which each class has so many images right before, loses and gains so many; class names a, b, c, …."""
    n_classes = len(worse_and_better)
    labels = np.repeat(np.arange(n_classes), per_class)
    before, after = np.full(len(labels), -1), np.full(len(labels), -1)
    for label, (worse, better) in enumerate(worse_and_better):
        first = label * per_class
        before[first : first + right] = label
        after[first + worse : first + right + better] = label
    classes = pl.DataFrame({"name": list("abcdefgh")[:n_classes], "n_images": [per_class] * n_classes})
    sides = [
        Evaluation(run=RUN, images=pl.DataFrame({"label": labels, "prediction": made}), classes=classes)
        for made in (after, before)
    ]
    return Pair(label="made", candidate=sides[0], baseline=sides[1])


def with_kstar(images, first=1):
    return images.with_columns(kstar=pl.int_range(first, images.height + first))


def test_falls_of_recall_are_listed_the_established_first():
    pair = recalls_only([(3, 2), (30, 2), (0, 5), (20, 2), (4, 4)])
    found = class_regressions(pair, alpha=0.05)
    assert [(one.name, one.established) for one in found] == [("b", True), ("d", True), ("a", False)]
    first = found[0]
    assert (first.task, first.score, first.n_images) == ("made", "recall", 100)
    assert (first.baseline, first.candidate, first.difference) == (0.6, 0.32, pytest.approx(-0.28))
    low, high = PairedProportions(n=100, n_worse=30, n_better=2).interval()
    assert (first.low, first.high) == (-high, -low)
    # McNemar's statistic 28 / sqrt(32), times the 5 classes; then 18 / sqrt(22), times 4; 1 / sqrt(5), times 3.
    assert found[0].p_corrected == pytest.approx(5 * norm.sf(28 / 32**0.5))
    assert found[1].p_corrected == pytest.approx(4 * norm.sf(18 / 22**0.5))
    assert found[2].p_corrected == pytest.approx(3 * norm.sf(1 / 5**0.5))


def test_equal_predictions_name_no_class():
    assert class_regressions(recalls_only([(0, 0), (0, 0)]), alpha=0.05) == ()


def test_rises_of_gamma_are_listed_beside_them():
    pair = recalls_only([(0, 0), (0, 0), (0, 0)])
    steady, shaken = np.full(N_GROUPS, 1.5), np.linspace(0.5, 2.5, N_GROUPS)

    def with_gammas(side, gammas, without):
        column = pl.Series("gamma_without", without, dtype=pl.Array(pl.Float32, N_GROUPS))
        classes = side.classes.with_columns(pl.Series("gamma", gammas), column)
        return replace(side, classes=classes, images=with_kstar(side.images))

    candidate = with_gammas(pair.candidate, [1.5, 1.5, 0.0], [steady + 0.01 * shaken, shaken, steady])
    baseline = with_gammas(pair.baseline, [0.5, 1.0, 1.0], [steady - 1, steady - 0.5, steady])
    found = class_regressions(Pair(label="made", candidate=candidate, baseline=baseline), alpha=0.05)
    assert [(one.name, one.score, one.established) for one in found] == [("a", "gamma", True), ("b", "gamma", False)]
    assert (found[0].baseline, found[0].candidate, found[0].difference) == (0.5, 1.5, 1.0)
    assert found[0].low < 1.0 < found[0].high


def test_a_rise_of_gamma_without_spread_is_not_named():
    pair = recalls_only([(0, 0), (0, 0)])

    def with_gammas(side, gamma):
        without = np.full((2, N_GROUPS), gamma)
        column = pl.Series("gamma_without", without, dtype=pl.Array(pl.Float32, N_GROUPS))
        classes = side.classes.with_columns(pl.Series("gamma", [gamma, gamma]), column)
        return replace(side, classes=classes, images=with_kstar(side.images))

    risen = replace(pair, candidate=with_gammas(pair.candidate, 1.5), baseline=with_gammas(pair.baseline, 0.5))
    assert class_regressions(risen, alpha=0.05) == ()


def test_a_rise_that_single_images_could_make_is_not_established():
    pair = World(n_classes=4, per_class=30).pair(2, more_noise=1.5)
    first = next(one for one in class_regressions(pair, alpha=0.05) if one.score == "gamma")
    without = pl.Series([[0.0] * N_GROUPS] * 4, dtype=pl.Array(pl.Float32, N_GROUPS))
    sides = [
        replace(side, classes=side.classes.with_columns(gamma_without=without + side.classes["gamma"]))
        for side in (pair.candidate, pair.baseline)
    ]
    steady = class_regressions(Pair(label="made", candidate=sides[0], baseline=sides[1]), alpha=0.05)
    same = next(one for one in steady if (one.name, one.score) == (first.name, "gamma"))
    assert same.difference == first.difference
    assert same.low < same.difference - 0.1


def test_an_image_only_pair_has_gammas_only():
    pair = World(n_classes=4, per_class=30).pair(2, more_noise=1.5)
    bare = [replace(side, images=side.images.drop("prediction")) for side in (pair.candidate, pair.baseline)]
    found = class_regressions(Pair(label="made", candidate=bare[0], baseline=bare[1]), alpha=0.05)
    assert {one.score for one in found} == {"gamma"}


def test_of_classes_that_are_equally_good_one_is_named_wrongly_at_most_at_alpha():
    random, wrong = np.random.default_rng(0), 0
    for _ in range(500):
        pair = recalls_only([tuple(random.binomial(40, 0.2, size=2)) for _ in range(8)])
        wrong += any(one.established for one in class_regressions(pair, alpha=0.05))
    assert wrong / 500 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)


def test_an_encoder_that_confuses_two_classes_more_is_caught_in_these():
    pair = World(n_classes=6, per_class=100).pair(4)
    images = pair.baseline.images
    confused = images["label"].is_in([1, 2]) & (pl.Series(np.arange(images.height) % 3) == 0)
    predictions = pl.select(pl.when(confused).then(3 - images["label"]).otherwise(images["prediction"])).to_series()
    candidate = replace(pair.baseline, images=images.with_columns(prediction=predictions))
    found = class_regressions(Pair(label="made", candidate=candidate, baseline=pair.baseline), alpha=0.05)
    assert sorted(one.name for one in found if one.established) == ["class 1", "class 2"]
