import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from clipkstar.report.pooled import pooled
from clipkstar.report.rankings import rankings
from tests.report_tables import lineages_of, table

SIZES = (2, 1, 3, 1, 2, 1, 2)
DIRECTIONS = {"gamma_approx": "lower", "kstar_mean": "higher", "nc1": "lower", "rankme": "higher"}


def _data_set(name, seed):
    random = np.random.default_rng(seed)
    accuracy = random.normal(size=sum(SIZES))
    noise = random.normal(size=(3, sum(SIZES)))
    return table(
        name,
        lineages_of(SIZES),
        accuracy,
        gamma_approx=-accuracy + noise[0],
        kstar_mean=accuracy + 0.2 * noise[1],
        nc1=-accuracy + 4 * noise[2],
        rankme=-accuracy + 0.5 * noise[0],
    )


SETS = pl.concat([_data_set(f"set {seed}", seed) for seed in range(6)])


def _mean(score):
    rhos = [spearmanr(made["accuracy"], made[score]).statistic for _, made in SETS.group_by("data_set")]
    return np.mean(rhos)


def test_scores_are_ranked_by_their_pooled_correlation_turned_by_direction():
    found = rankings(SETS, DIRECTIONS, n_resamples=300)
    assert [one.score for one in found] == ["kstar_mean", "gamma_approx", "nc1", "rankme"]
    signs = {"gamma_approx": -1, "kstar_mean": 1, "nc1": -1, "rankme": 1}
    for one in found:
        assert one.value == pytest.approx(signs[one.score] * _mean(one.score), abs=1e-12)
        assert one.n_data_sets == 6


def test_differences_are_paired_with_gamma_prime():
    best, primary, _, worst = rankings(SETS, DIRECTIONS)
    assert best.difference == pytest.approx(best.value - primary.value, abs=1e-12)
    assert best.low < best.difference < best.high
    assert worst.low < worst.difference < worst.high < 0
    assert (primary.difference, primary.low, primary.high) == (None, None, None)
    assert primary.reason == "the others are compared with it"


def test_a_score_that_orders_models_as_gamma_prime_does_differs_by_nothing():
    made = SETS.with_columns(pl.col("gamma_approx").exp().alias("nc1"))
    same = next(one for one in rankings(made, DIRECTIONS, n_resamples=50) if one.score == "nc1")
    assert (same.difference, same.low, same.high) == (0, None, None)
    assert same.reason == "resamples of the 7 lineages do not differ or are undefined, so there is no interval"


def test_a_score_of_fewer_models_is_compared_over_those_that_have_both():
    few = SETS.with_columns(pl.when(pl.col("lineage") < "lineage 004").then("kstar_mean").alias("kstar_mean"))
    found = next(one for one in rankings(few, DIRECTIONS, n_resamples=50) if one.score == "kstar_mean")
    both = few.filter(pl.col("kstar_mean").is_not_null())
    ours, primary = pooled(both, ["kstar_mean", "gamma_approx"], n_resamples=2)
    assert found.value == pytest.approx(ours.value)
    assert found.difference == pytest.approx(ours.value + primary.value)


def test_a_data_set_where_gamma_prime_is_constant_counts_for_no_score():
    first = pl.col("data_set") == "set 0"
    made = SETS.with_columns(pl.when(first).then(1.0).otherwise("gamma_approx").alias("gamma_approx"))
    found = rankings(made, DIRECTIONS, n_resamples=50)
    assert {one.n_data_sets for one in found} == {5}
    assert {one.score: one.value for one in found} == pytest.approx(
        {one.score: one.value for one in rankings(SETS.filter(~first), DIRECTIONS, n_resamples=50)}
    )


def test_undefined_scores_stand_last_and_say_why():
    made = SETS.with_columns(pl.lit(1.0).alias("kstar_mean"))
    last = rankings(made, DIRECTIONS, n_resamples=20)[-1]
    assert (last.score, last.value, last.difference, last.n_data_sets) == ("kstar_mean", None, None, 0)
    assert last.reason == "no data set defines it"


def test_without_gamma_prime_there_is_no_ranking():
    assert rankings(SETS.drop("gamma_approx"), DIRECTIONS) == ()
    assert rankings(SETS, {"nc1": "lower"}) == ()


def test_the_row_of_gamma_prime_is_its_pooled_correlation_whatever_other_scores_miss():
    gaps = SETS.with_columns(
        pl.when(pl.col("model") != "model 0").then("nc1").alias("nc1"),
        pl.when(pl.col("lineage") < "lineage 004").then("rankme").alias("rankme"),
    )
    found = next(one for one in rankings(gaps, DIRECTIONS, n_resamples=20) if one.score == "gamma_approx")
    (over_all,) = pooled(gaps, ["gamma_approx"], n_resamples=20)
    assert (found.value, found.n_data_sets) == (-over_all.value, over_all.n_data_sets) == (-over_all.value, 6)


def test_differences_of_three_lineages_have_no_interval():
    few = SETS.filter(pl.col("lineage") < "lineage 003")
    for one in rankings(few, DIRECTIONS, n_resamples=50):
        assert (one.low, one.high) == (None, None)
        if one.score != "gamma_approx":
            assert one.reason == "the models are of 3 lineages; an interval needs 4"
