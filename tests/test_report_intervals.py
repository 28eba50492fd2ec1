import numpy as np
import pytest
from scipy import stats

from clipkstar.report.intervals import expanded_percentile, or_none, tail, why_no_interval


def test_the_tail_is_that_of_normal_percentiles_moved_to_a_t_interval():
    # Six clusters: t of 0.975 with 5 degrees of freedom is 2.5706, times sqrt(6/5) 2.8160; beyond it lie 0.24 %.
    assert tail(6) == pytest.approx(0.00243, abs=1e-5)
    for n_clusters in (2, 3, 12, 100):
        wider = stats.t.ppf(0.975, n_clusters - 1) * np.sqrt(n_clusters / (n_clusters - 1))
        assert tail(n_clusters) == pytest.approx(stats.norm.sf(wider), abs=1e-12)
    assert tail(100_000) == pytest.approx(0.025, abs=1e-5)


def test_the_ends_are_quantiles_of_the_defined_resamples():
    resampled = np.linspace(-1, 1, 1001)[:, None]
    with_gaps = np.vstack([resampled, np.full((400, 1), np.nan)])
    low, high = expanded_percentile(with_gaps, 12)[:, 0]
    assert (low, high) == pytest.approx((2 * tail(12) - 1, 1 - 2 * tail(12)), abs=1e-12)


def test_fewer_clusters_give_wider_intervals():
    resampled = np.random.default_rng(0).normal(size=(2000, 1))
    widths = [float(np.ptp(expanded_percentile(resampled, n_clusters))) for n_clusters in (3, 6, 12, 1000)]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(
    ("resampled", "n_clusters"),
    [
        (np.linspace(-1, 1, 100), 1),
        (np.full(100, -1.0), 8),
        (np.full(100, np.nan), 8),
        (np.where(np.arange(100) < 49, np.linspace(-1, 1, 100), np.nan), 8),
    ],
    ids=["one cluster", "all agree", "none defined", "most undefined"],
)
def test_there_is_no_interval_where_resamples_say_nothing(resampled, n_clusters):
    assert np.isnan(expanded_percentile(resampled[:, None], n_clusters)).all()


def test_nan_is_none():
    assert or_none(np.nan) is None
    assert or_none(np.float64(0.5)) == 0.5


@pytest.mark.parametrize(
    ("n_lineages", "has_interval", "reason"),
    [
        (1, False, "the models are of one lineage; an interval needs 4"),
        (3, False, "the models are of 3 lineages; an interval needs 4"),
        (4, False, "resamples of the 4 lineages do not differ or are undefined, so there is no interval"),
        (4, True, ""),
    ],
)
def test_a_missing_interval_has_a_reason(n_lineages, has_interval, reason):
    assert why_no_interval(n_lineages, has_interval=has_interval) == reason
