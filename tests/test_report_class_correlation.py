import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from clipkstar.report.class_correlation import class_correlations


def _found(classes, **options):
    return class_correlations(pl.DataFrame(classes), run_id="r1", data_set="digits", model="m", **options)


def _classes(n_classes, seed=0):
    random = np.random.default_rng(seed)
    recall = random.random(n_classes).round(2)
    gamma = random.normal(size=n_classes) - 2 * recall
    return {"class": range(n_classes), "recall": recall, "gamma": gamma, "kstar_mean": recall**2}


def test_recall_is_correlated_with_gamma_and_with_mean_kstar():
    classes = _classes(40)
    gamma, kstar = _found(classes, n_resamples=300)
    assert gamma.value == pytest.approx(spearmanr(classes["recall"], classes["gamma"]).statistic, abs=1e-12)
    assert gamma.low < gamma.value < gamma.high < 0.2
    assert (gamma.run_id, gamma.data_set, gamma.model, gamma.score) == ("r1", "digits", "m", "gamma")
    assert (gamma.n_classes, gamma.reason) == (40, "")
    assert (kstar.score, kstar.value, kstar.low) == ("kstar_mean", pytest.approx(1), None)
    assert kstar.reason == "resamples of the classes do not differ or are undefined: no interval"


def test_the_interval_of_many_independent_classes_is_fishers():
    # At 1,000 classes and little correlation the standard error is near 1 / sqrt(999): ± 0.062.
    random = np.random.default_rng(1)
    classes = {name: random.normal(size=1000) for name in ("recall", "gamma", "kstar_mean")}
    for one in _found(classes):
        assert one.high - one.low == pytest.approx(2 * 1.96 / np.sqrt(999), rel=0.08)


def test_a_class_without_one_of_the_numbers_is_left_out():
    classes = _classes(10)
    holes = pl.DataFrame(classes).with_columns(pl.when(pl.col("class") != 3).then("gamma").alias("gamma"))
    gamma, kstar = _found(holes)
    rest = [place for place in range(10) if place != 3]
    assert gamma.value == pytest.approx(spearmanr(classes["recall"][rest], classes["gamma"][rest]).statistic)
    assert (gamma.n_classes, kstar.n_classes) == (9, 10)


@pytest.mark.parametrize(
    ("recall", "gamma", "reason"),
    [
        ([0.1, 0.2], [1.0, 2.0], "2 classes have both numbers; a correlation needs 3"),
        ([0.1, 0.2], [1.0, None], "1 class has both numbers; a correlation needs 3"),
        ([None, None], [None, None], "0 classes have both numbers; a correlation needs 3"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "recall is the same for all 3 classes"),
        ([0.1, 0.2, 0.3], [2.0, 2.0, 2.0], "gamma is the same for all 3 classes"),
    ],
)
def test_an_undefined_correlation_says_why(recall, gamma, reason):
    one = _found({"recall": recall, "gamma": gamma, "kstar_mean": gamma})[0]
    assert (one.value, one.low, one.high, one.reason) == (None, None, None, reason)


def test_three_classes_have_a_correlation_and_no_interval():
    classes = {"recall": [0.1, 0.2, 0.3], "gamma": [2.0, 1.0, 3.0], "kstar_mean": [1.0, 3.0, 2.0]}
    for one in _found(classes):
        assert (one.value, one.low, one.high) == (pytest.approx(0.5), None, None)
        assert one.reason == "3 classes; an interval needs 4"
