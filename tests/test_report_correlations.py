import numpy as np
import polars as pl
import pytest
from scipy import stats

from clipkstar.report.correlations import correlations
from tests.report_tables import lineages_of, models, table

SIZES = (2, 1, 3, 1, 2, 1, 2)


def _made(correlation=-0.8, seed=0):
    accuracy, gamma = models(SIZES, 0.5, correlation, np.random.default_rng(seed)).T
    return table("digits", lineages_of(SIZES), accuracy, gamma_approx=gamma, kstar_mean=-gamma)


def test_the_three_coefficients_of_every_score_are_scipys():
    made = _made()
    found = correlations(made, ["gamma_approx", "kstar_mean"], n_resamples=200)
    assert [(one.score, one.coefficient) for one in found] == [
        (score, coefficient)
        for score in ("gamma_approx", "kstar_mean")
        for coefficient in ("spearman", "pearson", "kendall")
    ]
    references = (stats.spearmanr, stats.pearsonr, stats.kendalltau)
    for one, reference in zip(found[:3], references, strict=True):
        assert one.value == pytest.approx(reference(made["accuracy"], made["gamma_approx"]).statistic, abs=1e-12)
        assert one.low < one.value < one.high
        assert (one.data_set, one.n_models, one.n_lineages, one.reason) == ("digits", 12, 7, "")
    for lower, higher in zip(found[:3], found[3:], strict=True):
        assert (lower.value, lower.low, lower.high) == pytest.approx((-higher.value, -higher.high, -higher.low))
        assert lower.p_value == higher.p_value


def test_the_same_seed_gives_the_same_numbers_and_the_order_of_models_does_not_matter_to_the_interval():
    made = _made()
    first = correlations(made, ["gamma_approx"], n_resamples=200)
    assert first == correlations(made, ["gamma_approx"], n_resamples=200)
    turned = correlations(made.reverse(), ["gamma_approx"], n_resamples=200)
    for one, other in zip(first, turned, strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-6)


@pytest.mark.parametrize(
    ("lineages", "accuracy", "gamma", "reason"),
    [
        ("ab", [0.1, 0.2], [1, 2], "2 models with both numbers; a correlation needs 3"),
        ("abc", [0.1, 0.2, 0.3], [1, None, None], "1 model with both numbers; a correlation needs 3"),
        ("abc", [0.1, 0.2, 0.3], [None] * 3, "0 models with both numbers; a correlation needs 3"),
        ("abc", [0.5, 0.5, 0.5], [1, 2, 3], "accuracy is the same for all 3 models"),
        ("abc", [0.1, 0.2, 0.3], [2, 2, 2], "gamma_approx is the same for all 3 models"),
    ],
)
def test_an_undefined_correlation_says_why(lineages, accuracy, gamma, reason):
    for one in correlations(table("digits", lineages, accuracy, gamma_approx=gamma), ["gamma_approx"]):
        assert (one.value, one.low, one.high, one.p_value, one.reason) == (None, None, None, None, reason)


def test_one_lineage_has_a_correlation_and_neither_interval_nor_p_value():
    for one in correlations(table("digits", "aaaa", [1, 2, 3, 5], gamma_approx=[4, 2, 3, 0]), ["gamma_approx"]):
        assert one.value < 0
        assert (one.low, one.high, one.p_value) == (None, None, None)
        assert one.reason == "the models are of one lineage; a p-value needs two, an interval 4"


@pytest.mark.parametrize("n_lineages", [2, 3, 4])
def test_two_or_three_lineages_have_a_p_value_and_no_interval_and_four_have_both(n_lineages):
    sizes = (4,) * n_lineages
    accuracy, gamma = models(sizes, 0.5, -0.5, np.random.default_rng(3)).T
    for one in correlations(table("digits", lineages_of(sizes), accuracy, gamma_approx=gamma), ["gamma_approx"]):
        assert one.p_value is not None
        assert (one.low is None) == (one.high is None) == (n_lineages < 4)
        assert one.reason == (
            "" if n_lineages == 4 else f"the models are of {n_lineages} lineages; an interval needs 4"
        )


def test_perfect_order_has_no_interval_of_width_zero():
    made = table("digits", "abcdefg", [1, 2, 3, 4, 5, 6, 7], gamma_approx=[-1, -2, -4, -8, -16, -32, -64])
    spearman = correlations(made, ["gamma_approx"])[0]
    assert (spearman.value, spearman.low, spearman.high) == (-1, None, None)
    assert spearman.p_value < 0.003
    assert spearman.reason == "resamples of the 7 lineages do not differ or are undefined, so there is no interval"


def test_data_sets_and_scores_keep_their_order_whatever_is_missing():
    first = table("z", "abcd", [1, 2, 3, 4], gamma_approx=[1, None, 3, 2], rankme=[4, 3, 2, 2], nc1=[1, None, 1, 2])
    made = pl.concat([first, first.with_columns(pl.lit("a").alias("data_set"))])
    found = correlations(made, ["gamma_approx", "rankme", "nc1"], n_resamples=20)
    assert [(one.data_set, one.score) for one in found[::3]] == [
        (data_set, score) for data_set in ("z", "a") for score in ("gamma_approx", "rankme", "nc1")
    ]
    assert correlations(made.clear(), ["gamma_approx"]) == ()
