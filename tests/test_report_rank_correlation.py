import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clipkstar.report.rank_correlation import PERMUTED, RESAMPLED, p_values
from clipkstar.report.resampling import Resamples, block_permutations, bootstrap, everything

SCIPY = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall": stats.kendalltau}
COEFFICIENTS = list(SCIPY)


def _reference(coefficient, x, y):
    """scipy's value; NaN where it is undefined."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return SCIPY[coefficient](x, y).statistic


@st.composite
def tables(draw):
    """Accuracy and two scores of few values, so that ties and constants are common, and a lineage for each model."""
    size = draw(st.integers(2, 12))
    column = st.lists(st.integers(-3, 3).map(lambda value: value / 4), min_size=size, max_size=size)
    scores = np.array([draw(column), draw(column)]).T
    lineages = tuple(draw(st.lists(st.sampled_from("abcd"), min_size=size, max_size=size)))
    return np.array(draw(column)), scores, lineages


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
@given(tables())
@settings(max_examples=150, deadline=None)
def test_a_coefficient_of_the_data_is_scipys(coefficient, table):
    accuracy, scores, _ = table
    found = RESAMPLED[coefficient](accuracy, scores, everything(len(accuracy)))
    expected = [_reference(coefficient, accuracy, score) for score in scores.T]
    assert found == pytest.approx(np.array([expected]), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
@given(tables(), st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_a_coefficient_of_a_resample_is_scipys_of_the_repeated_rows(coefficient, table, seed):
    accuracy, scores, lineages = table
    drawn = bootstrap(lineages, n_resamples=4, seed=seed)
    found = RESAMPLED[coefficient](accuracy, scores, drawn)
    for row, counts in enumerate(drawn.counts.astype(int)):
        again = np.repeat(accuracy, counts)
        expected = [_reference(coefficient, again, np.repeat(score, counts)) for score in scores.T]
        assert found[row] == pytest.approx(np.array(expected), abs=2e-6, nan_ok=True)


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_single_precision_is_enough_for_200_models(coefficient):
    random = np.random.default_rng(0)
    accuracy, scores = random.normal(size=200), random.normal(size=(200, 3)).round(1)
    draws = np.ones((1, 200), dtype=np.float32)
    found = RESAMPLED[coefficient](accuracy, scores, Resamples(draws=draws, codes=np.arange(200)))
    assert found == pytest.approx(RESAMPLED[coefficient](accuracy, scores, everything(200)), abs=1e-6)


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
@given(tables())
@settings(max_examples=60, deadline=None)
def test_a_permuted_coefficient_is_scipys_of_the_permuted_accuracy(coefficient, table):
    accuracy, scores, lineages = table
    singles = tuple(f"{place:02d}" for place in range(len(lineages)))  # permuted without repetition
    orders = block_permutations(singles, n_permutations=6)
    found = PERMUTED[coefficient](accuracy, scores, orders)
    for row, order in enumerate(orders):
        expected = [_reference(coefficient, accuracy[order], score) for score in scores.T]
        assert found[row] == pytest.approx(np.array(expected), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("coefficient", ["pearson", "kendall"])
@given(tables())
@settings(max_examples=60, deadline=None)
def test_a_permutation_that_repeats_models_is_scipys_of_the_repeated_values(coefficient, table):
    accuracy, scores, lineages = table
    orders = block_permutations(lineages, n_permutations=20)
    found = PERMUTED[coefficient](accuracy, scores, orders)
    for row, order in enumerate(orders):
        expected = [_reference(coefficient, accuracy[order], score) for score in scores.T]
        assert found[row] == pytest.approx(np.array(expected), abs=1e-9, nan_ok=True)


@given(tables())
@settings(max_examples=60, deadline=None)
def test_permuted_spearman_is_pearson_of_the_ranks_among_all_models(table):
    accuracy, scores, lineages = table
    orders = block_permutations(lineages, n_permutations=20)
    found, ranks = PERMUTED["spearman"](accuracy, scores, orders), stats.rankdata(accuracy)
    for row, order in enumerate(orders):
        expected = [_reference("pearson", ranks[order], stats.rankdata(score)) for score in scores.T]
        assert found[row] == pytest.approx(np.array(expected), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_values_of_any_size_correlate(coefficient):
    accuracy = np.array([1e308, 1.5e308, -1e308, 0.0])
    scores = np.array([[1e-300, 3e-300, 2e-300, 0.0]]).T
    found = RESAMPLED[coefficient](accuracy, scores, everything(4))[0, 0]
    small = SCIPY[coefficient](accuracy / 1e308, scores[:, 0] * 1e300).statistic
    assert found == pytest.approx(small, abs=1e-12)


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_a_constant_that_rounding_shifts_has_no_correlation(coefficient):
    accuracy, scores = np.array([0.1, 0.2, 0.3, 0.7]), np.full((4, 1), 0.1 + 0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(RESAMPLED[coefficient](accuracy, scores, everything(4))).all()
        assert np.isnan(PERMUTED[coefficient](accuracy, scores, np.array([[0, 1, 2, 3]]))).all()


def test_a_p_value_is_the_share_of_permutations_at_least_as_far_from_zero_on_either_side():
    permuted = np.array([[0.5, 0.1], [-0.5, 0.9], [0.4, -0.2], [np.nan, 0.0]])
    # 0.5 itself, -0.5 and the undefined one: 3 of 4; 0.1, 0.9 and -0.2: 3 of 4.
    assert p_values(np.array([0.5, 0.1]), permuted).tolist() == [0.75, 0.75]
    assert np.isnan(p_values(np.array([np.nan]), np.full((2, 1), np.nan))).all()


def test_p_values_of_all_orders_are_scipys_exact_ones():
    random = np.random.default_rng(3)
    x, y = random.normal(size=6), random.normal(size=6)
    orders = block_permutations(tuple("abcdef"), n_permutations=1000)
    found = p_values(RESAMPLED["kendall"](x, y[:, None], everything(6))[0], PERMUTED["kendall"](x, y[:, None], orders))[
        0
    ]
    assert found == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue, abs=1e-12)
