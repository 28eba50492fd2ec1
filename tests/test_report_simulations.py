"""What the statistics of the report promise, simulated: models in lineages of 1 to 4, more alike inside than across."""

import numpy as np
import polars as pl
import pytest

from clipkstar.report.correlations import correlations
from clipkstar.report.intervals import LEAST_CLUSTERS, expanded_percentile
from clipkstar.report.pooled import pooled
from clipkstar.report.rank_correlation import PERMUTED, RESAMPLED, p_values
from clipkstar.report.record import Correlation
from clipkstar.report.resampling import block_permutations, bootstrap, everything
from clipkstar.report.verdicts import verdicts
from tests.report_tables import lineages_of, models, table

TRUTHS = {  # of a bivariate normal with correlation r
    "spearman": lambda r: 6 / np.pi * np.arcsin(r / 2),
    "pearson": lambda r: r,
    "kendall": lambda r: 2 / np.pi * np.arcsin(r),
}
N_DATA_SETS = 1000


def _data_sets(n_lineages, intra, correlation, number=N_DATA_SETS):
    """Yield lineages, accuracy (n,) and a score (n, 1)."""
    random = np.random.default_rng([n_lineages, round(10 * intra), round(-10 * correlation)])
    for _ in range(number):
        sizes = random.integers(1, 5, size=n_lineages)
        accuracy, score = models(sizes, intra, correlation, random).T
        yield lineages_of(sizes), accuracy, score[:, None]


@pytest.mark.parametrize(
    ("n_lineages", "intra", "correlation"),
    [(6, 0.5, 0.0), (6, 0.9, -0.8), (8, 0.5, -0.8), (8, 0.9, -0.5), (12, 0.5, -0.5), (12, 0.9, 0.0)],
)
def test_intervals_of_whole_lineages_cover_and_those_of_single_models_do_not(n_lineages, intra, correlation):
    covered, naive_covered = dict.fromkeys(TRUTHS, 0), 0
    for seed, (lineages, accuracy, score) in enumerate(_data_sets(n_lineages, intra, correlation)):
        whole = bootstrap(lineages, n_resamples=800, seed=seed)
        for coefficient, truth in TRUTHS.items():
            low, high = expanded_percentile(RESAMPLED[coefficient](accuracy, score, whole), n_lineages)[:, 0]
            covered[coefficient] += low <= truth(correlation) <= high
        singles = bootstrap([str(place) for place in range(len(accuracy))], n_resamples=400, seed=seed)
        low, high = np.nanquantile(RESAMPLED["spearman"](accuracy, score, singles), [0.025, 0.975])
        naive_covered += low <= TRUTHS["spearman"](correlation) <= high
    assert min(covered.values()) >= 0.93 * N_DATA_SETS
    if intra == 0.9:
        assert naive_covered < 0.9 * N_DATA_SETS


@pytest.mark.parametrize(("n_lineages", "covers"), [(2, False), (3, False), (LEAST_CLUSTERS, True)])
def test_intervals_cover_from_the_fewest_lineages_that_have_one_and_not_below(n_lineages, covers):
    covered = 0
    for seed, (lineages, accuracy, score) in enumerate(_data_sets(n_lineages, 0.9, -0.5)):
        drawn = bootstrap(lineages, n_resamples=400, seed=seed)
        low, high = expanded_percentile(RESAMPLED["spearman"](accuracy, score, drawn), n_lineages)[:, 0]
        covered += low <= TRUTHS["spearman"](-0.5) <= high
    assert (covered >= 0.93 * N_DATA_SETS) == covers


@pytest.mark.parametrize(("n_lineages", "intra", "correlation"), [(6, 0.9, -0.8), (12, 0.9, 0.0)])
def test_plain_percentiles_of_whole_lineages_do_not_cover_for_pearson(n_lineages, intra, correlation):
    covered = 0
    for seed, (lineages, accuracy, score) in enumerate(_data_sets(n_lineages, intra, correlation)):
        resampled = RESAMPLED["pearson"](accuracy, score, bootstrap(lineages, n_resamples=400, seed=seed))
        low, high = np.nanquantile(resampled, [0.025, 0.975])
        covered += low <= correlation <= high
    assert covered < 0.92 * N_DATA_SETS


def _p_value(accuracy, score, lineages, seed):
    orders = block_permutations(lineages, n_permutations=400, seed=seed)
    observed = RESAMPLED["spearman"](accuracy, score, everything(len(accuracy)))[0]
    return observed[0], p_values(observed, PERMUTED["spearman"](accuracy, score, orders))[0]


@pytest.mark.parametrize(
    "sizes", [(1, 2, 3, 4, 1, 2), (10, 4, 1, 1, 1, 1, 1), (20, 8, 6, 4, 2, 2, 1, 1, 1)], ids=["six", "one large", "zoo"]
)
@pytest.mark.parametrize("intra", [0.0, 0.9])
def test_without_a_relation_few_families_of_data_sets_have_a_false_verdict(sizes, intra):
    # Four data sets, the same models: accuracies go together across them and say nothing of the score.
    random, lineages = np.random.default_rng([len(sizes), round(10 * intra)]), lineages_of(sizes)
    false, singles_false, n_families = 0, 0, 400
    single = tuple(f"{place:03d}" for place in range(len(lineages)))
    for family in range(n_families):
        shared, found = models(sizes, intra, 0.0, random), []
        for data_set in range(4):
            accuracy, score = (np.sqrt(0.5) * (shared + models(sizes, intra, 0.0, random))).T
            value, p_value = _p_value(accuracy, score[:, None], lineages, 4 * family + data_set)
            found.append(
                Correlation(
                    data_set=f"{data_set}", score="gamma_approx", coefficient="spearman", value=value, low=None,
                    high=None, p_value=p_value, n_models=len(lineages), n_lineages=len(sizes),
                )
            )  # fmt: skip
        false += any(verdict.judgement != "undecided" for verdict in verdicts(found))
        singles_false += _p_value(accuracy, score[:, None], single, family)[1] <= 0.05
    assert false <= 0.06 * n_families
    if intra == 0.9:
        assert singles_false > 0.1 * n_families


def test_without_a_relation_one_data_set_of_six_lineages_has_few_false_verdicts():
    small = [
        _p_value(accuracy, score, lineages, seed)[1] <= 0.05
        for seed, (lineages, accuracy, score) in enumerate(_data_sets(6, 0.9, 0.0, 1500))
    ]
    assert np.mean(small) <= 0.06


def _planted(seed, correlations_of_sets, sizes):
    random = np.random.default_rng(seed)
    shared, sets = models(sizes, 0.5, 0.0, random), []
    for number, correlation in enumerate(correlations_of_sets):
        accuracy, other = (np.sqrt(0.5) * (shared + models(sizes, 0.5, 0.0, random))).T
        gamma = correlation * accuracy + np.sqrt(1 - correlation**2) * other
        sets.append(table(f"set {number}", lineages_of(sizes), accuracy, gamma_approx=gamma))
    return pl.concat(sets)


def test_a_planted_effect_is_recovered_and_so_is_the_one_data_set_that_violates():
    planted, sizes = [-0.85] * 7 + [0.85], (2, 3, 1, 2, 4, 2, 3, 1, 2, 2, 3, 1)
    truth = np.mean([TRUTHS["spearman"](correlation) for correlation in planted])
    values, covered, judged = [], 0, {"follows": 0, "violates": 0, "wrong": 0}
    n_tables = 60
    for seed in range(n_tables):
        made = _planted(seed, planted, sizes)
        (pool,) = pooled(made, ["gamma_approx"], n_resamples=400, seed=seed)
        values.append(pool.value)
        covered += pool.low <= truth <= pool.high
        *others, exception = verdicts(correlations(made, ["gamma_approx"], n_resamples=800, seed=seed))
        judged["violates"] += exception.judgement == "violates"
        judged["follows"] += sum(one.judgement == "follows" for one in others)
        judged["wrong"] += exception.judgement == "follows" or any(one.judgement == "violates" for one in others)
    assert np.mean(values) == pytest.approx(truth, abs=0.03)
    assert covered >= 0.93 * n_tables
    assert judged["violates"] >= 0.9 * n_tables
    assert judged["follows"] >= 0.9 * 7 * n_tables
    assert judged["wrong"] == 0


@pytest.mark.parametrize(("n_lineages", "n_data_sets", "shared"), [(6, 20, 0.9), (12, 3, 0.5)])
def test_pooled_intervals_cover_where_data_sets_differ(n_lineages, n_data_sets, shared):
    # Each data set draws its own correlation; the truth is the mean over all data sets there could be.
    truth = np.mean([TRUTHS["spearman"](correlation) for correlation in np.linspace(-0.8, -0.2, 1001)])
    random, covered, n_tables = np.random.default_rng([n_lineages, n_data_sets]), 0, 200
    for seed in range(n_tables):
        sizes = random.integers(1, 5, size=n_lineages)
        common, sets = models(sizes, 0.7, 0.0, random), []
        for number in range(n_data_sets):
            correlation = random.uniform(-0.8, -0.2)
            own = models(sizes, 0.7, 0.0, random)
            accuracy, other = (np.sqrt(shared) * common + np.sqrt(1 - shared) * own).T
            gamma = correlation * accuracy + np.sqrt(1 - correlation**2) * other
            sets.append(table(f"set {number}", lineages_of(sizes), accuracy, gamma_approx=gamma))
        (pool,) = pooled(pl.concat(sets), ["gamma_approx"], n_resamples=300, seed=seed)
        covered += pool.low <= truth <= pool.high
    assert covered >= 0.93 * n_tables
