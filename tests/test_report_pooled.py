import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from clipkstar.report.pooled import pooled
from tests.report_tables import lineages_of, models, table

SIZES = (2, 1, 3, 1, 2, 1, 2)


def _data_set(name, sizes, seed, correlation=-0.6):
    accuracy, gamma = models(sizes, 0.5, correlation, np.random.default_rng(seed)).T
    return table(name, lineages_of(sizes), accuracy, gamma_approx=gamma, rankme=accuracy)


def test_the_value_is_the_mean_of_the_rank_correlations_weighted_by_models():
    sets = [_data_set("a", SIZES, 0), _data_set("b", SIZES[:4], 1), _data_set("c", SIZES[:3], 2)]
    rhos = [spearmanr(made["accuracy"], made["gamma_approx"]).statistic for made in sets]
    found = pooled(pl.concat(sets), ["gamma_approx"], n_resamples=300)[0]
    assert found.value == pytest.approx(np.average(rhos, weights=[12, 7, 6]), abs=1e-12)
    assert found.low < found.value < found.high
    assert (found.n_data_sets, found.n_models, found.n_lineages, found.reason) == (3, 12, 7, "")


def test_scales_of_the_data_sets_do_not_matter():
    sets = [_data_set(name, SIZES, seed) for seed, name in enumerate("abc")]
    moved = [made.with_columns(pl.col("gamma_approx").exp() * 10**power) for power, made in enumerate(sets)]
    first, second = (pooled(pl.concat(made), ["gamma_approx"], n_resamples=100) for made in (sets, moved))
    assert first == second


def test_lineages_are_drawn_once_for_all_data_sets():
    # Forty copies of one data set say no more than one: only the draw of data sets, all equal, falls away.
    made = _data_set("a", SIZES, 0)
    copies = pl.concat([made.with_columns(pl.lit(f"{number}").alias("data_set")) for number in range(40)])
    one, forty = (pooled(data, ["gamma_approx"])[0] for data in (made, copies))
    assert (forty.low, forty.high) == pytest.approx((one.low, one.high), abs=1e-6)
    assert one.reason == "one data set: the interval says nothing about others"


def test_a_data_set_without_the_score_or_with_a_constant_one_does_not_count():
    good, other = _data_set("a", SIZES, 0), _data_set("b", SIZES, 1)
    constant = _data_set("c", SIZES, 2).with_columns(pl.lit(1.0).alias("gamma_approx"))
    missing = _data_set("d", SIZES, 3).with_columns(pl.lit(None, dtype=pl.Float64).alias("gamma_approx"))
    both = pooled(pl.concat([good, other]), ["gamma_approx"], n_resamples=50)[0]
    assert pooled(pl.concat([good, constant, other, missing]), ["gamma_approx"], n_resamples=50)[0] == both


def test_a_score_that_no_data_set_defines_has_no_value_and_says_so():
    made = table("a", "ab", [1, 2], gamma_approx=[1, 2])
    (found,) = pooled(made, ["gamma_approx"])
    assert (found.value, found.low, found.high, found.n_data_sets, found.n_models) == (None, None, None, 0, 0)
    assert found.reason == "no data set defines it"


def test_one_lineage_has_a_value_and_no_interval():
    sets = [table(name, "aaaa", [1, 2, 3, 4], gamma_approx=[4, 2, 3, 1]) for name in "xy"]
    (found,) = pooled(pl.concat(sets), ["gamma_approx"])
    assert (found.value, found.low) == (pytest.approx(-0.8), None)
    assert found.reason == "the models are of one lineage; an interval needs 4"


@pytest.mark.parametrize("n_lineages", [3, 4])
def test_three_lineages_have_no_interval_and_four_have(n_lineages):
    sets = pl.concat([_data_set(name, SIZES[-n_lineages:], seed) for seed, name in enumerate("abcdef")])
    (found,) = pooled(sets, ["gamma_approx"], n_resamples=300)
    assert found.n_lineages == n_lineages
    assert (found.low is None) == (found.high is None) == (n_lineages == 3)
    assert found.reason == ("the models are of 3 lineages; an interval needs 4" if n_lineages == 3 else "")


def test_perfect_order_everywhere_has_no_interval_of_width_zero():
    sets = pl.concat([_data_set(name, SIZES, seed) for seed, name in enumerate("abc")])
    (found,) = pooled(sets, ["rankme"])
    assert (found.value, found.low, found.high) == (pytest.approx(1), None, None)
    assert found.reason == "resamples of the 7 lineages do not differ or are undefined, so there is no interval"


def test_no_data_set_gives_nothing():
    assert pooled(_data_set("a", SIZES, 0).clear(), ["gamma_approx"]) == ()
