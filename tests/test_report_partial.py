import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata

from clipkstar.report.partial import GIVEN, partial, partial_spearman
from clipkstar.report.resampling import bootstrap, everything
from tests.report_tables import sample, table

LINEAGES = tuple("abcdefgh" * 2)


def _regressed(columns):
    """Correlate what linear regression on the last two columns' ranks leaves of the first two columns' ranks."""
    accuracy, gamma, *given_ranks = (rankdata(column) for column in columns)
    design = np.column_stack([np.ones(len(accuracy)), *given_ranks])
    if np.linalg.matrix_rank(design, tol=1e-3) < 3:
        return np.nan
    left = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in (accuracy, gamma)]
    if min(np.linalg.norm(values) for values in left) < 1e-3:
        return np.nan
    return pearsonr(*left).statistic


def _columns(seed, n_models=16):
    random = np.random.default_rng(seed)
    shared = random.normal(size=n_models)
    return [(shared + random.normal(size=n_models)).round(1) for _ in range(4)]


def _sample(columns):
    accuracy, gamma, nn1, kstar = columns
    return sample(accuracy, LINEAGES, gamma_approx=gamma, nn1_accuracy=nn1, kstar_mean=kstar)


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_it_is_the_correlation_of_what_regression_of_the_ranks_leaves(seed):
    columns = _columns(seed)
    found = partial_spearman(_sample(columns), everything(16))["gamma_approx"][0]
    assert found == pytest.approx(_regressed(columns), abs=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_in_a_resample_it_is_that_of_the_repeated_rows(seed):
    columns = _columns(seed)
    drawn = bootstrap(LINEAGES, n_resamples=3, seed=seed)
    found = partial_spearman(_sample(columns), drawn)["gamma_approx"]
    for row, counts in enumerate(drawn.counts.astype(int)):
        expected = _regressed([np.repeat(column, counts) for column in columns])
        if not np.isnan(expected) and not np.isnan(found[row]):
            assert found[row] == pytest.approx(expected, abs=1e-2)
        assert np.isnan(expected) == np.isnan(found[row])


def _made(columns, lineages=LINEAGES, data_set="digits"):
    accuracy, gamma, nn1, kstar = columns
    return table(data_set, lineages, accuracy, gamma_approx=gamma, nn1_accuracy=nn1, kstar_mean=kstar)


def test_a_data_set_and_the_pool_of_all_have_a_record_each():
    made = pl.concat([_made(_columns(seed), data_set=f"set {seed}") for seed in range(3)])
    *apart, over_all = partial(made, n_resamples=300)
    assert [one.data_set for one in apart] == ["set 0", "set 1", "set 2"]
    for one in apart:
        assert (one.given, one.n_models, one.n_lineages, one.reason) == (GIVEN, 16, 8, "")
        assert one.low < one.high
    assert over_all.value == pytest.approx(np.mean([one.value for one in apart]))
    assert (over_all.data_set, over_all.n_models, over_all.n_lineages, over_all.reason) == ("", 16, 8, "")


def test_what_the_given_scores_explain_is_gone_and_what_they_do_not_is_found():
    random = np.random.default_rng(0)
    nn1, kstar, beyond = random.normal(size=(3, 200))
    lineages = [f"{number % 50}" for number in range(200)]
    accuracy = nn1 + kstar + 2 * random.normal(size=200)
    explained = [accuracy, -nn1 - kstar + 2 * random.normal(size=200), nn1, kstar]
    more = [accuracy + 4 * beyond, -nn1 - beyond, nn1, kstar]
    assert abs(partial(_made(explained, lineages), n_resamples=50)[0].value) < 0.25
    assert partial(_made(more, lineages), n_resamples=50)[0].value < -0.7


def test_fewer_than_twelve_models_have_none_and_say_so():
    apart, over_all = partial(_made([column[:11] for column in _columns(0)], LINEAGES[:11]))
    assert (apart.value, apart.low, apart.high, apart.n_models) == (None, None, None, 11)
    assert apart.reason == "11 models with all numbers; a partial correlation needs 12"
    assert (over_all.value, over_all.reason) == (None, "no data set has 12 models that define it")


def test_scores_that_explain_each_other_have_none_and_say_so():
    accuracy, gamma, nn1, _ = _columns(0)
    apart, _ = partial(_made([accuracy, gamma, nn1, nn1 * 2]))
    assert (apart.value, apart.reason) == (None, "accuracy or a score is constant, or the scores explain each other")
    apart, _ = partial(_made([accuracy, np.ones(16), nn1, gamma]))
    assert (apart.value, apart.reason) == (None, "accuracy or a score is constant, or the scores explain each other")


def test_one_lineage_has_a_value_and_no_interval():
    apart, over_all = partial(_made(_columns(0), "a" * 16))
    assert apart.value == over_all.value
    assert (apart.low, apart.high) == (over_all.low, over_all.high) == (None, None)
    assert apart.reason == over_all.reason == "the models are of one lineage; an interval needs 4"


@pytest.mark.parametrize("lineages", ["abc" * 5 + "a", "abcd" * 4], ids=["three", "four"])
def test_three_lineages_have_no_interval_and_four_have(lineages):
    apart, over_all = partial(_made(_columns(1), lineages), n_resamples=300)
    for one in (apart, over_all):
        assert (one.low is None) == (one.high is None) == (one.n_lineages == 3)
    few = "the models are of 3 lineages; an interval needs 4"
    assert apart.reason == (few if apart.n_lineages == 3 else "")


def test_a_data_set_that_is_not_counted_has_its_record_and_is_not_pooled():
    made = pl.concat([_made(_columns(seed), data_set=f"set {seed}") for seed in range(3)])
    *apart, over_all = partial(made, uncounted={"set 1"}, n_resamples=50)
    assert [one.data_set for one in apart] == ["set 0", "set 1", "set 2"]
    assert over_all.value == pytest.approx((apart[0].value + apart[2].value) / 2)


def test_without_one_of_the_scores_there_is_nothing():
    assert partial(_made(_columns(0)).drop("nn1_accuracy")) == ()
